"""The llama architecture in plain numpy: weights dequantised to float32, nothing rounded after that, no cache. Slow
and exact, so that two fast engines, which round their activations to 8 bits, can both be measured against it."""
import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize


class ExactLlama:
    def __init__(self, path):
        self.reader = GGUFReader(path)
        arch = self.field("general.architecture")
        assert arch == "llama", arch
        self.n_layers = self.field("llama.block_count")
        self.n_heads = self.field("llama.attention.head_count")
        self.n_kv_heads = self.field("llama.attention.head_count_kv")
        self.eps = self.field("llama.attention.layer_norm_rms_epsilon")
        self.rope_base = self.field("llama.rope.freq_base")
        self.weights = {t.name: dequantize(t.data, t.tensor_type).astype(np.float32) for t in self.reader.tensors}
        self.head = self.weights.get("output.weight", self.weights["token_embd.weight"])
        self.head_dim = self.weights["blk.0.attn_q.weight"].shape[0] // self.n_heads

    def field(self, name):
        return self.reader.get_field(name).contents()

    def norm(self, x, name):
        scale = np.sqrt((x.astype(np.float64) ** 2).mean(axis=-1, keepdims=True) + self.eps)
        return (x / scale).astype(np.float32) * self.weights[name]

    def rope(self, x):
        """x: [tokens, heads, head_dim]; GGUF files of this architecture rotate neighbours (2i, 2i+1)."""
        frequency = self.rope_base ** (-np.arange(0, self.head_dim, 2, dtype=np.float64) / self.head_dim)
        angle = np.arange(x.shape[0])[:, None, None] * frequency
        even, odd = x[..., 0::2], x[..., 1::2]
        out = np.empty_like(x)
        out[..., 0::2] = even * np.cos(angle) - odd * np.sin(angle)
        out[..., 1::2] = even * np.sin(angle) + odd * np.cos(angle)
        return out

    def attend(self, q, k, v):
        """q: [tokens, heads, head_dim]; k, v: [tokens, kv_heads, head_dim]"""
        n, group = q.shape[0], self.n_heads // self.n_kv_heads
        hidden = np.triu(np.full((n, n), -np.inf, np.float32), 1)
        out = np.empty_like(q)
        for head in range(self.n_heads):
            scores = q[:, head] @ k[:, head // group].T / np.sqrt(np.float32(self.head_dim)) + hidden
            weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
            out[:, head] = weights / weights.sum(axis=-1, keepdims=True) @ v[:, head // group]
        return out.reshape(n, -1)

    def logits(self, tokens):
        x = self.weights["token_embd.weight"][np.asarray(tokens)]
        for layer in range(self.n_layers):
            w = {name: self.weights[f"blk.{layer}.{name}.weight"]
                 for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")}
            h = self.norm(x, f"blk.{layer}.attn_norm.weight")
            q, k, v = ((h @ w[name].T).reshape(len(tokens), -1, self.head_dim)
                       for name in ("attn_q", "attn_k", "attn_v"))
            x = x + self.attend(self.rope(q), self.rope(k), v) @ w["attn_output"].T
            h = self.norm(x, f"blk.{layer}.ffn_norm.weight")
            gate = h @ w["ffn_gate"].T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ w["ffn_up"].T)) @ w["ffn_down"].T
        return self.norm(x, "output_norm.weight") @ self.head.T
