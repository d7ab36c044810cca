"""Real models in plain numpy: weights dequantised to float32, nothing rounded after that, no cache. Slow and exact, so
that two fast engines, which round their activations to 8 bits, can both be measured against it."""
import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

ADJACENT_PAIRS = {"llama"}  # rotate values (2i, 2i + 1) of a head; the others (i, i + n / 2)


class ExactModel:
    """llama, qwen2 and gemma3."""

    def __init__(self, path):
        self.reader = GGUFReader(path)
        self.arch = self.reader.get_field("general.architecture").contents()
        assert self.arch in ("llama", "qwen2", "gemma3"), self.arch
        self.n_layers = self.field("block_count")
        self.n_heads = self.field("attention.head_count")
        self.n_kv_heads = self.field("attention.head_count_kv")
        self.eps = self.field("attention.layer_norm_rms_epsilon")
        self.rope_base = self.field("rope.freq_base")
        self.window = self.field("attention.sliding_window") if self.arch == "gemma3" else None
        self.weights = {t.name: dequantize(t.data, t.tensor_type).astype(np.float32) for t in self.reader.tensors}
        self.head = self.weights.get("output.weight", self.weights["token_embd.weight"])
        self.head_dim = self.weights["blk.0.attn_q.weight"].shape[0] // self.n_heads

    def field(self, name):
        return self.reader.get_field(f"{self.arch}.{name}").contents()

    def norm(self, x, name):
        """RMS norm; x as it is where the model has no such norm."""
        if name + ".weight" not in self.weights:
            return x
        scale = np.sqrt((x.astype(np.float64) ** 2).mean(axis=-1, keepdims=True) + self.eps)
        return (x / scale).astype(np.float32) * self.weights[name + ".weight"]

    def linear(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights.get(name + ".bias", np.float32(0))

    def rope(self, x, base):
        """x: [tokens, heads, head_dim]"""
        frequency = base ** (-np.arange(0, self.head_dim, 2, dtype=np.float64) / self.head_dim)
        angle = np.arange(x.shape[0])[:, None, None] * frequency
        adjacent, half = self.arch in ADJACENT_PAIRS, self.head_dim // 2
        first, second = (slice(0, None, 2), slice(1, None, 2)) if adjacent else (slice(0, half), slice(half, None))
        a, b = x[..., first], x[..., second]
        out = np.empty_like(x)
        out[..., first] = a * np.cos(angle) - b * np.sin(angle)
        out[..., second] = a * np.sin(angle) + b * np.cos(angle)
        return out

    def attend(self, q, k, v, window):
        """q: [tokens, heads, head_dim]; k, v: [tokens, kv_heads, head_dim]"""
        n, group = q.shape[0], self.n_heads // self.n_kv_heads
        age = np.arange(n)[:, None] - np.arange(n)
        hidden = np.where((age < 0) | (age >= (window or n)), np.float32(-np.inf), np.float32(0))
        out = np.empty_like(q)
        for head in range(self.n_heads):
            scores = q[:, head] @ k[:, head // group].T / np.sqrt(np.float32(self.head_dim)) + hidden
            weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
            out[:, head] = weights / weights.sum(axis=-1, keepdims=True) @ v[:, head // group]
        return out.reshape(n, -1)

    def attention(self, h, layer):
        block, n = f"blk.{layer}.", len(h)
        is_local = self.window is not None and layer % 6 != 5
        base = 10000.0 if is_local else self.rope_base
        q, k, v = (self.linear(h, f"{block}attn_{x}").reshape(n, -1, self.head_dim) for x in "qkv")
        q, k = (self.rope(self.norm(x, f"{block}attn_{name}_norm"), base) for x, name in ((q, "q"), (k, "k")))
        mixed = self.attend(q, k, v, self.window if is_local else None)
        return self.norm(self.linear(mixed, block + "attn_output"), block + "post_attention_norm")

    def feed_forward(self, h, layer):
        block = f"blk.{layer}."
        gate = self.linear(h, block + "ffn_gate")
        if self.arch == "gemma3":
            gate = gate * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate ** 3))) / 2
        else:
            gate = gate / (1 + np.exp(-gate))
        down = self.linear(gate.astype(np.float32) * self.linear(h, block + "ffn_up"), block + "ffn_down")
        return self.norm(down, block + "post_ffw_norm")

    def logits(self, tokens):
        x = self.weights["token_embd.weight"][np.asarray(tokens)]
        if self.arch == "gemma3":
            x = x * np.sqrt(np.float32(x.shape[1]))
        for layer in range(self.n_layers):
            x = x + self.attention(self.norm(x, f"blk.{layer}.attn_norm"), layer)
            x = x + self.feed_forward(self.norm(x, f"blk.{layer}.ffn_norm"), layer)
        return self.norm(x, "output_norm") @ self.head.T
