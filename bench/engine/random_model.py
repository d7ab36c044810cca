#!/usr/bin/env python3
"""Writes a GGUF with random weights, for measuring speed: never quality. The architecture is llama, or qwen3moe where the
preset has experts.

  .venv/bin/python bench/engine/random_model.py /tmp/1b.gguf                     1.1 G weights, Q4_K_M
  .venv/bin/python bench/engine/random_model.py /tmp/q6.gguf --mix Q6_K --layers 4
  .venv/bin/python bench/engine/random_model.py /tmp/long.gguf --preset smollm2 --mix Q4_1     SmolLM2-135M's shape, 128K
  .venv/bin/python bench/engine/random_model.py /tmp/moe.gguf --preset moe       32 experts a layer, 4 for each token

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
    "moe": {"layers": 8, "n_embd": 1024, "heads": 16, "kv_heads": 4, "head_dim": 64, "n_ff": 512, "n_vocab": 32000,
            "experts": 32, "experts_used": 4},
    "tiny": {"layers": 2, "n_embd": 256, "heads": 4, "kv_heads": 2, "head_dim": 64, "n_ff": 512, "n_vocab": 512},
}


def uses_more_bits(layer, n_layers):
    return layer < n_layers // 8 or layer >= 7 * n_layers // 8 or (layer - n_layers // 8) % 3 == 2


def mixture(mix, name, layer, n_layers):
    """The type of a tensor: llama-quantize's rules, as far as they matter for a model of a few billion weights. Rows that
    the type's blocks do not divide become Q8_0 (write_model)."""
    if name == "ffn_gate_inp":
        return Type.F32
    name = name.removesuffix("_exps")
    better = uses_more_bits(layer, n_layers) and name in ("attn_v", "ffn_down")
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
    if size["experts"]:
        writer.add_expert_count(size["experts"])
        writer.add_expert_used_count(size["experts_used"])
        writer.add_expert_feed_forward_length(size["n_ff"])
    writer.add_head_count(size["heads"])
    writer.add_head_count_kv(size["kv_heads"])
    writer.add_key_length(size["head_dim"])
    writer.add_value_length(size["head_dim"])
    writer.add_rope_dimension_count(size["head_dim"])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(size["n_vocab"])
    tokens = byte_tokens()
    tokens += [f"tok{i}" for i in range(size["n_vocab"] - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * size["n_vocab"])
    writer.add_token_merges(["a b"])
    writer.add_bool("tokenizer.ggml.add_bos_token", False)
    writer.add_uint32("tokenizer.ggml.eos_token_id", size["n_vocab"] - 1)


def tensors(size):
    """(name, layer, shape) of every tensor; norms have one dimension."""
    n_embd, n_q, n_kv = size["n_embd"], size["heads"] * size["head_dim"], size["kv_heads"] * size["head_dim"]
    n_ff, experts = size["n_ff"], size["experts"]
    yield "token_embd", 0, (size["n_vocab"], n_embd)
    yield "output_norm", 0, (n_embd,)
    yield "output", 0, (size["n_vocab"], n_embd)
    for layer in range(size["layers"]):
        yield "attn_norm", layer, (n_embd,)
        yield "ffn_norm", layer, (n_embd,)
        for name, n_out, n_in in (("attn_q", n_q, n_embd), ("attn_k", n_kv, n_embd), ("attn_v", n_kv, n_embd),
                                  ("attn_output", n_embd, n_q)):
            yield name, layer, (n_out, n_in)
        if experts:
            yield "attn_q_norm", layer, (size["head_dim"],)
            yield "attn_k_norm", layer, (size["head_dim"],)
            yield "ffn_gate_inp", layer, (experts, n_embd)
        for name, n_out, n_in in (("ffn_gate", n_ff, n_embd), ("ffn_up", n_ff, n_embd), ("ffn_down", n_embd, n_ff)):
            yield (name + "_exps", layer, (experts, n_out, n_in)) if experts else (name, layer, (n_out, n_in))


def write_model(path, size, mix, n_ctx=131072, seed=1):
    size = {"experts": 0, "experts_used": 0} | size
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), "qwen3moe" if size["experts"] else "llama", use_temp_file=False)
    add_metadata(writer, size, mix, n_ctx)
    kinds = []
    for name, layer, shape in tensors(size):
        full = (f"blk.{layer}." if name.startswith(("attn", "ffn")) else "") + name + ".weight"
        qtype = mixture(mix, name, layer, size["layers"]) if len(shape) > 1 else Type.F32
        if shape[-1] % gguf.GGML_QUANT_SIZES[qtype][0] != 0:
            qtype = Type.Q8_0
        block_size, block_bytes = gguf.GGML_QUANT_SIZES[qtype]
        n_bytes = int(np.prod(shape)) // block_size * block_bytes
        as_bytes = None if qtype == Type.F32 else (*shape[:-1], shape[-1] // block_size * block_bytes)
        writer.add_tensor_info(full, as_bytes or shape, np.dtype(np.float32 if qtype == Type.F32 else np.uint8), n_bytes,
                               None if qtype == Type.F32 else qtype)
        kinds.append((qtype, shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for qtype, (*outer, n_in) in kinds:  # one tensor in memory at a time
        n_out = int(np.prod(outer))
        writer.write_tensor_data(random_rows(qtype, n_out, n_in, random) if outer else np.ones(n_in, np.float32))
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=pathlib.Path)
    parser.add_argument("--preset", choices=PRESETS, default="1b")
    parser.add_argument("--mix", default="Q4_K_M", help="Q4_K_M, Q5_K_M, Q3_K_M, or a type: Q2_K, Q6_K, Q8_0, Q4_0, IQ4_XS, F16 ...")
    parser.add_argument("--seed", type=int, default=1)
    for key in PRESETS["moe"]:
        parser.add_argument("--" + key.replace("_", "-"), type=int, help="overrides the preset")
    options = parser.parse_args()
    size = {key: getattr(options, key) or PRESETS[options.preset].get(key, 0) for key in PRESETS["moe"]}
    write_model(options.path, size, options.mix, seed=options.seed)
    print(f"{options.path}: {options.path.stat().st_size / 2**20:.0f} MiB, {options.mix}, {size}")


if __name__ == "__main__":
    main()
