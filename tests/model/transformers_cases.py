"""Tiny models, one a thing that an architecture does differently: the settings transformers builds them from, and weights
that anybody can make again from the case's name. What transformers computes with them is in transformers.npz
(make_transformers_golden.py)."""
import zlib

import numpy as np

import qwen_layers

N_VOCAB = 272
N_TOKENS = 200
PROMPT = 40       # tokens that the greedy text continues
GENERATED = 12
# Where logits are compared: the first, around windows (32) and original contexts (64), a page of the cache (128), the last.
POSITIONS = [0, 1, 31, 32, 33, 63, 64, 65, 127, 128, 160, 199]

SIZES = {"vocab_size": N_VOCAB, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024, "rms_norm_eps": 1e-5,
         "tie_word_embeddings": False, "bos_token_id": 0, "eos_token_id": N_VOCAB - 1, "pad_token_id": None,
         "attention_dropout": 0.0}


def rope(kind="default", theta=10000.0, **more):
    return {"rope_type": kind, "rope_theta": theta, **more}


YARN = {"factor": 8.0, "original_max_position_embeddings": 64}
LONG = {"original_max_position_embeddings": 64, "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7],
        "long_factor": [1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 16.0]}
LOCAL = {"rope_type": "default", "rope_theta": 10000.0}
GEMMA = {"hidden_activation": "gelu_pytorch_tanh", "head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 32,
         "tie_word_embeddings": True, "rms_norm_eps": 1e-6, "attention_bias": False}
GEMMA3 = GEMMA | {"num_hidden_layers": 7, "final_logit_softcapping": None, "attn_logit_softcapping": None,
                  "layer_types": ["sliding_attention"] * 5 + ["full_attention", "sliding_attention"]}

QWEN35 = {"model_type": "qwen3_5_text", "head_dim": 32, "num_hidden_layers": 5, "full_attention_interval": 3,
          "rms_norm_eps": 1e-6, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 16, "linear_value_head_dim": 16,
          "rope_parameters": rope(theta=1e7, partial_rotary_factor=0.5, mrope_section=[3, 3, 2], mrope_interleaved=True)}

CASES = {
    "llama": {"model_type": "llama", "rope_parameters": rope()},
    "llama, biases": {"model_type": "llama", "rope_parameters": rope(), "attention_bias": True, "mlp_bias": True},
    "llama, linear": {"model_type": "llama", "rope_parameters": rope("linear", factor=4.0)},
    "llama, yarn": {"model_type": "llama", "rope_parameters": rope("yarn", **YARN)},
    "llama 3.1": {"model_type": "llama", "tie_word_embeddings": True,
                  "rope_parameters": rope("llama3", 500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                          original_max_position_embeddings=64)},
    "mistral": {"model_type": "mistral", "head_dim": 32, "sliding_window": None, "rope_parameters": rope(theta=1e6)},
    "ministral 3": {"model_type": "ministral3", "head_dim": 16, "sliding_window": None,
                    "rope_parameters": rope("yarn", 1e6, **YARN, beta_fast=32.0, beta_slow=1.0, mscale=1.0,
                                            mscale_all_dim=1.0, llama_4_scaling_beta=0.1)},
    "qwen 2": {"model_type": "qwen2", "rope_parameters": rope(theta=1e6)},
    "qwen 2, yarn": {"model_type": "qwen2", "rope_parameters": rope("yarn", 1e6, **YARN), "tie_word_embeddings": True},
    "qwen 3": {"model_type": "qwen3", "head_dim": 32, "attention_bias": False, "rope_parameters": rope(theta=1e6)},
    "qwen 3, experts": {"model_type": "qwen3_moe", "head_dim": 32, "attention_bias": False, "rope_parameters": rope(theta=1e6),
                        "num_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 48, "norm_topk_prob": True,
                        "decoder_sparse_step": 1, "mlp_only_layers": []},
    "qwen 3.5": QWEN35 | {"linear_num_key_heads": 2, "linear_num_value_heads": 2},
    "qwen 3.5, shared keys": QWEN35 | {"linear_num_key_heads": 2, "linear_num_value_heads": 6},
    "gemma 2": GEMMA | {"model_type": "gemma2", "rope_parameters": rope(), "num_hidden_layers": 3,
                        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
                        "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0},
    "gemma 3": GEMMA3 | {"model_type": "gemma3_text",
                         "rope_parameters": {"full_attention": rope(theta=1e6), "sliding_attention": LOCAL}},
    "gemma 3, linear": GEMMA3 | {"model_type": "gemma3_text",
                                 "rope_parameters": {"full_attention": rope("linear", 1e6, factor=8.0),
                                                     "sliding_attention": LOCAL}},
    "phi 3": {"model_type": "phi3", "rope_parameters": rope(partial_rotary_factor=1.0), "sliding_window": None,
              "original_max_position_embeddings": 1024},
    "phi 3, window": {"model_type": "phi3", "rope_parameters": rope(partial_rotary_factor=1.0), "sliding_window": 32,
                      "original_max_position_embeddings": 1024},
    "phi 3, long": {"model_type": "phi3", "sliding_window": None, "original_max_position_embeddings": 64,
                    "rope_parameters": rope("longrope", partial_rotary_factor=1.0, **LONG)},
    "phi 4, partial rotation": {"model_type": "phi3", "head_dim": 32, "num_attention_heads": 2, "num_key_value_heads": 1,
                                "sliding_window": None, "original_max_position_embeddings": 1024,
                                "rope_parameters": rope(partial_rotary_factor=0.75)},
}
# Contexts: LongRoPE's short factors hold while a text fits the original context, and an engine knows the context.
SHORT_CONTEXT = {"phi 3, long": 64}


def config_of(name):
    return SIZES | CASES[name]


def tokens_of(name):
    return [int(x) for x in numbers(name + "/tokens", N_TOKENS) * N_VOCAB]


def numbers(seed, n):
    """Uniform in [0, 1), from the raw bits of a generator that numpy promises to keep."""
    bits = np.random.PCG64(zlib.crc32(seed.encode())).random_raw(n)
    return (bits >> np.uint64(40)).astype(np.float64) / 2**24


def shapes(c):
    """Names and shapes of the weights, as transformers has them."""
    n, n_ff = c["hidden_size"], c["intermediate_size"]
    head_dim = c.get("head_dim") or n // c["num_attention_heads"]
    n_q, n_kv = c["num_attention_heads"] * head_dim, c["num_key_value_heads"] * head_dim
    kind = c["model_type"]
    yield "model.embed_tokens.weight", (c["vocab_size"], n)
    yield "model.norm.weight", (n,)
    if not c["tie_word_embeddings"]:
        yield "lm_head.weight", (c["vocab_size"], n)
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        norms = ["input_layernorm", "post_attention_layernorm"]
        if kind.startswith("gemma"):
            norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        for norm in norms:
            yield f"{layer}{norm}.weight", (n,)
        if kind == "qwen3_moe":
            yield from ((f"{layer}mlp.{name}", shape) for name, shape in qwen_layers.mixture_shapes(c).items())
        if qwen_layers.is_recurrent(c, i):
            yield from ((f"{layer}linear_attn.{name}", shape) for name, shape in qwen_layers.mixer_shapes(c).items())
        elif kind in ("qwen3", "qwen3_moe", "qwen3_5_text", "gemma3_text"):
            yield f"{layer}self_attn.q_norm.weight", (head_dim,)
            yield f"{layer}self_attn.k_norm.weight", (head_dim,)
        matrices = {"self_attn.o_proj": (n, n_q), "mlp.down_proj": (n, n_ff)}
        if kind == "phi3":
            matrices |= {"self_attn.qkv_proj": (n_q + 2 * n_kv, n), "mlp.gate_up_proj": (2 * n_ff, n)}
        else:
            matrices |= {"self_attn.q_proj": (n_q, n), "self_attn.k_proj": (n_kv, n), "self_attn.v_proj": (n_kv, n),
                         "mlp.gate_proj": (n_ff, n), "mlp.up_proj": (n_ff, n)}
        if kind == "qwen3_5_text":
            matrices["self_attn.q_proj"] = (2 * n_q, n)
        for name, shape in matrices.items():
            if qwen_layers.is_recurrent(c, i) and "attn" in name or kind == "qwen3_moe" and "mlp" in name:
                continue
            yield f"{layer}{name}.weight", shape
            is_qkv = name[-6:-5] in "qkv"
            if kind == "qwen2" and is_qkv or c.get("attention_bias") and "attn" in name or \
                    c.get("mlp_bias") and "mlp" in name:
                yield f"{layer}{name}.bias", shape[:1]


def weights_of(name, **sizes):
    """Matrices keep the spread of what they multiply; norms are near one (Gemma's: near zero), biases near zero; but K
    biases are larger than what they are added to, as Qwen's are (there by far; here so that binary16 keys still agree)."""
    config = config_of(name) | sizes
    weights = {}
    for tensor, shape in shapes(config):
        x = 2 * numbers(f"{name}/{tensor}", int(np.prod(shape))).reshape(shape) - 1
        if tensor.endswith("norm.weight"):
            plus_one = config["model_type"].startswith(("gemma", "qwen3_5")) and "linear_attn" not in tensor
            x = 0.3 * x + (0 if plus_one else 1)
        elif tensor.endswith("k_proj.bias"):
            x = 3 * x
        elif tensor.endswith("bias") or tensor.endswith("A_log"):
            x = 0.3 * x
        elif tensor == "model.embed_tokens.weight" or tensor == "lm_head.weight":
            x = x * np.sqrt(3 / shape[1]) * 2
        else:
            x = x * np.sqrt(3 / shape[-1])
        weights[tensor] = x.astype(np.float32)
    return weights
