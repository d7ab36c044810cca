#!/usr/bin/env python3
"""Writes a GGUF with random weights, for measuring speed: never quality. Of the llama architecture, or with experts
(--preset moe, qwen3moe) or recurrent layers (--preset recurrent, qwen35).

  .venv/bin/python bench/engine/random_model.py /tmp/1b.gguf                     1.1 G weights, Q4_K_M
  .venv/bin/python bench/engine/random_model.py /tmp/q6.gguf --mix Q6_K --layers 4
  .venv/bin/python bench/engine/random_model.py /tmp/long.gguf --preset smollm2 --mix Q4_1     SmolLM2-135M's shape, 128K

The mixtures are those of llama-quantize, tensor by tensor; weights keep the size of activations, so nothing overflows.
The tokenizer is GPT-2's bytes and filler.
"""
import argparse
import pathlib
import sys

import gguf
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/model"))
from random_blocks import random_rows  # noqa: E402
from random_llama import byte_tokens  # noqa: E402

Type = gguf.GGMLQuantizationType
PRESETS = {
    "1b": {"layers": 16, "n_embd": 2048, "heads": 32, "kv_heads": 8, "head_dim": 64, "n_ff": 8192, "n_vocab": 32000},
    "smollm2": {"layers": 30, "n_embd": 576, "heads": 9, "kv_heads": 3, "head_dim": 64, "n_ff": 1536, "n_vocab": 49152},
    "moe": {"arch": "qwen3moe", "layers": 12, "n_embd": 1024, "heads": 16, "kv_heads": 4, "head_dim": 128, "n_ff": 384,
            "n_vocab": 32000, "experts": 64, "used": 8},
    "moe-small": {"arch": "qwen3moe", "layers": 8, "n_embd": 1024, "heads": 16, "kv_heads": 4, "head_dim": 64, "n_ff": 512,
                  "n_vocab": 32000, "experts": 32, "used": 4},
    "recurrent": {"arch": "qwen35", "layers": 24, "n_embd": 1024, "heads": 8, "kv_heads": 2, "head_dim": 256, "n_ff": 3584,
                  "n_vocab": 32000, "state": 128, "state_heads": 16, "taps": 4, "interval": 4},
    "tiny": {"layers": 2, "n_embd": 256, "heads": 4, "kv_heads": 2, "head_dim": 64, "n_ff": 512, "n_vocab": 512},
}


def uses_more_bits(layer, n_layers):
    return layer < n_layers // 8 or layer >= 7 * n_layers // 8 or (layer - n_layers // 8) % 3 == 2


def mixture(mix, name, layer, n_layers):
    """The type of a tensor: llama-quantize's rules, as far as they matter for a model of a few billion weights. Rows that
    the type's blocks do not divide become Q8_0 (write_model)."""
    better = uses_more_bits(layer, n_layers) and name in ("attn_v", "ffn_down", "ffn_down_exps")
    if mix in ("Q4_K_M", "Q5_K_M"):
        return Type.Q6_K if name == "output" or better else Type[mix[:-2]]
    if mix == "Q2_K":
        special = {"output": Type.Q6_K, "attn_v": Type.Q4_K, "attn_output": Type.Q3_K, "ffn_down": Type.Q3_K}
        return special.get(name, Type.Q2_K)
    if mix == "Q3_K_M":
        special = {"output": Type.Q6_K, "attn_v": Type.Q5_K if layer < 2 else Type.Q4_K, "attn_output": Type.Q4_K,
                   "ffn_down": Type.Q4_K if better else Type.Q3_K}
        return special.get(name, Type.Q3_K)
    if mix == "MXFP4":
        return Type.Q8_0 if name in ("output", "token_embd") else Type.MXFP4
    if mix in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "IQ4_XS"):
        return Type.Q6_K if name == "output" else Type[mix]
    return Type[mix]


def add_metadata(writer, size, mix, n_ctx):
    writer.add_name(f"random {mix}")
    writer.add_block_count(size["layers"])
    writer.add_context_length(n_ctx)
    writer.add_embedding_length(size["n_embd"])
    writer.add_feed_forward_length(size["n_ff"])
    writer.add_head_count(size["heads"])
    writer.add_head_count_kv(size["kv_heads"])
    writer.add_key_length(size["head_dim"])
    writer.add_value_length(size["head_dim"])
    writer.add_rope_dimension_count(size["head_dim"])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(size["n_vocab"])
    if "experts" in size:
        writer.add_expert_count(size["experts"])
        writer.add_expert_used_count(size["used"])
        writer.add_expert_feed_forward_length(size["n_ff"])
    if "state" in size:
        writer.add_uint32(f"{size['arch']}.full_attention_interval", size["interval"])
        writer.add_ssm_state_size(size["state"])
        writer.add_ssm_group_count(size["state_heads"])
        writer.add_ssm_time_step_rank(size["state_heads"])
        writer.add_ssm_inner_size(size["state"] * size["state_heads"])
        writer.add_ssm_conv_kernel(size["taps"])
    tokens = byte_tokens()
    tokens += [f"tok{i}" for i in range(size["n_vocab"] - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * size["n_vocab"])
    writer.add_token_merges(["a b"])
    writer.add_bool("tokenizer.ggml.add_bos_token", False)
    writer.add_uint32("tokenizer.ggml.eos_token_id", size["n_vocab"] - 1)


def attention_tensors(size):
    n_embd, n_q, n_kv = size["n_embd"], size["heads"] * size["head_dim"], size["kv_heads"] * size["head_dim"]
    gates = 2 if size.get("arch") == "qwen35" else 1
    yield from (("attn_q", (gates * n_q, n_embd)), ("attn_k", (n_kv, n_embd)), ("attn_v", (n_kv, n_embd)),
                ("attn_output", (n_embd, n_q)))
    if "arch" in size:
        yield from (("attn_q_norm", (size["head_dim"],)), ("attn_k_norm", (size["head_dim"],)))


def recurrent_tensors(size):
    n_embd, heads, n_value = size["n_embd"], size["state_heads"], size["state_heads"] * size["state"]
    yield from (("attn_qkv", (3 * n_value, n_embd)), ("attn_gate", (n_value, n_embd)), ("ssm_alpha", (heads, n_embd)),
                ("ssm_beta", (heads, n_embd)), ("ssm_dt.bias", (heads,)), ("ssm_a", (heads,)), ("ssm_norm", (size["state"],)),
                ("ssm_conv1d", (3 * n_value, size["taps"])), ("ssm_out", (n_embd, n_value)))


def feed_forward_tensors(size):
    n_embd, n_ff = size["n_embd"], size["n_ff"]
    matrices = (("ffn_gate", (n_ff, n_embd)), ("ffn_up", (n_ff, n_embd)), ("ffn_down", (n_embd, n_ff)))
    if "experts" not in size:
        yield from matrices
        return
    yield "ffn_gate_inp", (size["experts"], n_embd)
    yield from ((name + "_exps", (size["experts"], *shape)) for name, shape in matrices)


def tensors(size):
    """(name, layer, shape in numpy's order) of every tensor; vectors are norms, but for those of recurrent layers."""
    n_embd = size["n_embd"]
    yield "token_embd", 0, (size["n_vocab"], n_embd)
    yield "output_norm", 0, (n_embd,)
    yield "output", 0, (size["n_vocab"], n_embd)
    for layer in range(size["layers"]):
        is_recurrent = "state" in size and (layer + 1) % size["interval"] != 0
        yield "attn_norm", layer, (n_embd,)
        yield "post_attention_norm" if "state" in size else "ffn_norm", layer, (n_embd,)
        for name, shape in (*(recurrent_tensors if is_recurrent else attention_tensors)(size), *feed_forward_tensors(size)):
            yield name, layer, shape


def full_name(name, layer):
    prefix = "" if name.startswith(("token_embd", "output")) else f"blk.{layer}."
    return prefix + name + ("" if name in ("ssm_a", "ssm_dt.bias") else ".weight")


def type_of(mix, name, layer, size, shape):
    if len(shape) == 1 or name in ("ssm_conv1d", "ffn_gate_inp"):
        return Type.F32
    qtype = mixture(mix, name, layer, size["layers"])
    return Type.Q8_0 if shape[-1] % gguf.GGML_QUANT_SIZES[qtype][0] != 0 else qtype


def values_of(name, shape, qtype, random):
    if len(shape) > 1:
        return random_rows(qtype, int(np.prod(shape[:-1])), shape[-1], random)
    return np.full(shape, {"ssm_a": -1, "ssm_dt.bias": 0}.get(name, 1), np.float32)


def write_model(path, size, mix, n_ctx=131072, seed=1):
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), size.get("arch", "llama"), use_temp_file=False)
    add_metadata(writer, size, mix, n_ctx)
    kinds = []
    for name, layer, shape in tensors(size):
        qtype = type_of(mix, name, layer, size, shape)
        block_size, block_bytes = gguf.GGML_QUANT_SIZES[qtype]
        n_bytes = int(np.prod(shape)) // block_size * block_bytes
        is_float = qtype == Type.F32
        in_file = shape if is_float else (*shape[:-1], shape[-1] // block_size * block_bytes)
        writer.add_tensor_info(full_name(name, layer), in_file, np.dtype(np.float32 if is_float else np.uint8), n_bytes,
                               None if is_float else qtype)
        kinds.append((name, shape, qtype))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, shape, qtype in kinds:  # one tensor in memory at a time
        writer.write_tensor_data(values_of(name, shape, qtype, random))
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=pathlib.Path)
    parser.add_argument("--preset", choices=PRESETS, default="1b")
    parser.add_argument("--mix", default="Q4_K_M", help="Q4_K_M, Q5_K_M, Q3_K_M, or a type: Q2_K, Q6_K, Q8_0, Q4_0, IQ4_XS, F16 ...")
    parser.add_argument("--seed", type=int, default=1)
    for key in PRESETS["moe"].keys() - {"arch"}:
        parser.add_argument("--" + key.replace("_", "-"), type=int, help="overrides the preset")
    options = parser.parse_args()
    size = {key: getattr(options, key, None) or value for key, value in PRESETS[options.preset].items()}
    write_model(options.path, size, options.mix, seed=options.seed)
    print(f"{options.path}: {options.path.stat().st_size / 2**20:.0f} MiB, {options.mix}, {size}")


if __name__ == "__main__":
    main()
