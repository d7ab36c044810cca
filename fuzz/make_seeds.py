#!/usr/bin/env python3
"""Makes the seeds of the fuzzers, corpus/<target>/*: small files that between them reach every branch worth reaching.

  .venv/bin/python fuzz/make_seeds.py

The files are committed, so that fuzzing needs no Python; run this after a change here. The bytes do not depend on the machine.
"""
import hashlib
import pathlib
import struct
import sys
import tempfile

import gguf
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/model")]
import transformers_cases as cases  # noqa: E402
from to_gguf import write_gguf  # noqa: E402

CORPUS = ROOT / "fuzz/corpus"
# Architectures besides llama: a case of each, and sizes that keep its file at a few kilobytes.
ARCHITECTURES = {"qwen2": "qwen 2", "qwen3": "qwen 3", "gemma2": "gemma 2", "gemma3": "gemma 3", "phi3": "phi 3, long",
                 "mistral3": "ministral 3", "qwen3moe": "qwen 3, experts", "qwen35": "qwen 3.5"}
SIZES = {"vocab_size": 16, "hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 2, "num_key_value_heads": 1,
         "head_dim": 16, "num_hidden_layers": 1, "layer_types": ["sliding_attention"], "max_position_embeddings": 128}
MORE_SIZES = {"qwen3moe": {"num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
              "qwen35": {"num_hidden_layers": 2, "full_attention_interval": 2}}  # a recurrent layer and one that attends
Type = gguf.GGMLQuantizationType
TYPES = [Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.Q2_K, Type.Q3_K,
         Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.IQ4_NL, Type.IQ4_XS, Type.MXFP4]


def write(metadata, tensors=(), arch="llama", **options):
    """The bytes of a file that gguf writes; tensors: (name, array, type)."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "seed.gguf"
        writer = gguf.GGUFWriter(str(path), arch, **options)
        metadata(writer)
        for name, data, qtype in tensors:
            writer.add_tensor(name, data, raw_dtype=qtype)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        if tensors:
            writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()


def nothing(_writer):
    pass


def value_types(writer):
    for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"):
        getattr(writer, f"add_{name}")(f"t.{name}", 7)
    writer.add_float32("t.float32", 0.5)
    writer.add_float64("t.float64", 0.5)
    writer.add_bool("t.bool", True)
    writer.add_string("t.string", "\u00e9\n")
    writer.add_array("t.ints", [1, -2])
    writer.add_array("t.floats", [0.5, 1.5])
    writer.add_array("t.bools", [True, False])
    writer.add_array("t.strings", ["a", "", "bc"])


def vocabulary(writer):
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(["<|endoftext|>", "<|im_end|>", "H", "e", "l", "o", "\u0120", "w", "1", "He", "ll", "Hell", "<0x0A>"])
    writer.add_token_types([3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 6])
    writer.add_token_merges(["H e", "l l", "He ll"])
    writer.add_uint32("tokenizer.ggml.bos_token_id", 0)
    writer.add_uint32("tokenizer.ggml.eos_token_id", 1)
    writer.add_bool("tokenizer.ggml.add_bos_token", False)
    writer.add_chat_template("{{ messages[0].content }}")


def hyperparameters(writer, n_embd=32):
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(n_embd)
    writer.add_feed_forward_length(32)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)


def whole_model():
    """Every tensor of a llama of one layer, in several types, with a vocabulary: it loads and runs."""
    random = np.random.default_rng(1)
    n_vocab = 13

    def matrix(n_out, qtype):
        return gguf.quants.quantize(random.normal(0, 0.2, (n_out, 32)).astype(np.float32), qtype)

    tensors = [("token_embd.weight", matrix(n_vocab, Type.Q8_0), Type.Q8_0)]
    tensors += [(name, np.ones(32, np.float32), None)
                for name in ("output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight")]
    for name, n_out, qtype in (("attn_q", 32, Type.Q4_0), ("attn_k", 16, Type.Q4_1), ("attn_v", 16, Type.Q5_0),
                               ("attn_output", 32, Type.Q5_1), ("ffn_gate", 32, Type.F16), ("ffn_up", 32, Type.BF16),
                               ("ffn_down", 32, Type.F32)):
        tensors.append((f"blk.0.{name}.weight", matrix(n_out, qtype), qtype))
    return write(lambda w: (hyperparameters(w), vocabulary(w)), tensors)


def architecture(name, case):
    """A model that loads and runs."""
    sizes = SIZES | MORE_SIZES.get(name, {})
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "seed.gguf"
        return write_gguf(path, cases.config_of(case) | sizes, cases.weights_of(case, **sizes), "Q8_0").read_bytes()


def wide_model():
    """The same with rows of 256, for the types whose blocks are that long."""
    def matrix(n_out, n_in, qtype):
        size, n_bytes = gguf.GGML_QUANT_SIZES[qtype]
        return np.full((n_out, n_in // size * n_bytes), 0x29, np.uint8)  # scales of 0.04

    def sizes(writer):
        hyperparameters(writer, n_embd=256)
        writer.add_key_length(32)
        writer.add_value_length(32)

    tensors = [("token_embd.weight", matrix(13, 256, Type.Q4_K), Type.Q4_K)]
    tensors += [(name, np.ones(256, np.float32), None)
                for name in ("output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight")]
    for name, n_out, n_in, qtype in (("attn_q", 64, 256, Type.Q2_K), ("attn_k", 32, 256, Type.Q3_K), ("attn_v", 32, 256, Type.Q5_K),
                                     ("attn_output", 256, 64, Type.IQ4_NL), ("ffn_gate", 32, 256, Type.Q6_K),
                                     ("ffn_up", 32, 256, Type.IQ4_XS), ("ffn_down", 256, 32, Type.MXFP4)):
        tensors.append((f"blk.0.{name}.weight", matrix(n_out, n_in, qtype), qtype))
    return write(lambda w: (sizes(w), vocabulary(w)), tensors)


def block(qtype):
    return np.full((1, gguf.GGML_QUANT_SIZES[qtype][1]), 0x3c, np.uint8)


def key(name, value_type, value):
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", value_type) + value


def file(n_tensors, n_metadata, rest, version=3):
    return b"GGUF" + struct.pack("<IQQ", version, n_tensors, n_metadata) + rest


def tensor(name, offset, shape=(32,), qtype=Type.I8):
    return (struct.pack("<Q", len(name)) + name + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape) +
            struct.pack("<IQ", qtype, offset))


def gguf_seeds():
    types = write(value_types, [(t.name, block(t), t) for t in TYPES])
    vocab = write(vocabulary)
    model = whole_model()
    small = [(name, np.ones(3, np.float32), None) for name in ("a", "b")]
    return {
        "types": types,
        "vocabulary": vocab,
        "model": model,
        **{name: architecture(name, case) for name, case in ARCHITECTURES.items()},
        "model_wide": wide_model(),
        "version2": vocab[:4] + struct.pack("<I", 2) + vocab[8:],
        "version1": vocab[:4] + struct.pack("<I", 1) + vocab[8:],
        "big_endian": write(nothing, endianess=gguf.GGUFEndian.BIG),
        "empty_lists": file(0, 0, b""),
        "cut_in_header": vocab[:len(vocab) // 2],
        "cut_in_data": model[:-40],
        "alignment_64": write(lambda w: w.add_custom_alignment(64), small),
        "alignment_4": write(lambda w: w.add_custom_alignment(4), small),
        "alignment_12": file(0, 1, key(b"general.alignment", 4, struct.pack("<I", 12))),
        "misaligned": file(2, 0, tensor(b"a", 0) + tensor(b"b", 33) + bytes(160)),
        "overlap": file(2, 0, tensor(b"a", 0, (33,)) + tensor(b"b", 32) + bytes(160)),
        "overflow": file(1, 0, tensor(b"a", 2**64 - 32, (2**31, 2**31)) + bytes(64)),
        "nested_array": file(0, 1, key(b"k", 9, struct.pack("<IQIQ", 9, 1, 0, 0))),
        "endless_array": file(0, 1, key(b"k", 9, struct.pack("<IQ", 8, 2**60))),
        "endless_lists": file(2**60, 2**60, b""),
        "duplicate_key": file(0, 2, key(b"k", 0, b"\1") * 2),
        "safetensors": struct.pack("<Q", 2) + b'{"a":1}',
    }


def tokenizer_seeds():
    """See tokenizer_fuzz.cc: model, pre and flags; tokens; merges; text; charsmap."""
    space = "\u2581"
    pieces = ["2a<unk>", "3a<s>", "3a</s>", "4a<x>", f"1c{space}", "1da", "1db", "1bab", "1caa", f"1b{space}ab", "1e1", "1e,",
              "6a<0x63>", "6a<0x0A>", "1a\u0120", "1a\u0120ab"]
    merges = ["a b", "a a", f"{space} ab", "\u0120 ab"]
    text = "ab aab  ab,11 c\n\n<x> <s>ab it's \u00e9\u4e2d\U0001f600"
    parts = ["\n".join(pieces).encode(), "\n".join(merges).encode(), text.encode()]
    units = [0] * 256  # a map of "a" to "b"
    units[0], units[ord("a") ^ 1], units[ord("a")] = 1 << 10, ord("a") | 1 << 8 | 1 << 10, 1 << 31
    charsmap = struct.pack("<I256I", 1024, *units) + b"b\0"
    seeds = {f"{name}_{flags}": bytes([model, pre, flags]) + b"\0".join(parts)
             for model, name in enumerate(["gpt2", "gemma4", "llama", "t5", "bert"]) for pre, flags in ((0, 0), (3, 7))}
    seeds |= {f"pre_{pre:02}": bytes([0, pre, 0]) + b"\0".join(parts) for pre in range(16)}
    seeds["charsmap"] = bytes([3, 0, 6]) + b"\0".join([*parts, charsmap])
    return seeds


# Shape and types as session_fuzz.cc has them; it puts the checksums right.
SESSION_PAGE_BYTES = 128 * ((8 + 2) + (4 + 2))  # of the layer that sees all tokens
SESSION_WINDOWED_BYTES = 128 * (32 + (6 + 2))


def session(n_tokens, pages=None, version=2, types=(18, 16, 129, 17), whole=None):
    head = b"TQSESSN\0" + struct.pack("<IIIIQq", version, 2, 1, 16, 0x7475726271756E74, n_tokens) + bytes(types)
    tokens = struct.pack(f"<{max(n_tokens, 0)}i", *(i * 7 % 100 for i in range(max(n_tokens, 0))))
    whole = [1] * -(-n_tokens // 128) if whole is None else whole
    rng = np.random.default_rng(n_tokens & 0xFFFF)
    stored = whole if pages is None else whole[:pages]
    return head + bytes(whole) + tokens + bytes(8) + b"".join(
        rng.bytes(SESSION_PAGE_BYTES + (SESSION_WINDOWED_BYTES if is_whole else 0)) + bytes(8) for is_whole in stored)


def session_seeds():
    whole = session(130)
    return {
        "empty": session(0),
        "one": session(1),
        "full_page": session(128),
        "two_pages": whole,
        "zeros": session(3, 0) + bytes(SESSION_PAGE_BYTES + SESSION_WINDOWED_BYTES + 8),
        "cut": whole[:-100],
        "too_long": whole + b"x",
        "too_many_tokens": session(301),
        "negative": session(-1, 0),
        "version1": session(1, version=1),
        "last_whole": session(300, whole=[0, 1, 1]),
        "none_whole": session(200, whole=[0, 0]),
        "other_types": session(1, types=(16, 16, 16, 16)),
    }


# Shape and types as block_fuzz.cc has them, which are those of a session; it puts the checksums right.
def cache_block(token=7, version=1, n_tokens=128, page_bytes=SESSION_PAGE_BYTES, model=b"a model"):
    head = b"TQBLOCK\0" + struct.pack("<IIQ", version, n_tokens, page_bytes) + hashlib.sha256(model).hexdigest().encode()
    pages = np.random.default_rng(token).bytes(SESSION_PAGE_BYTES)
    return head + struct.pack("<128i", *[token] * 128) + bytes(8) + pages + bytes(8)


def block_seeds():
    whole = cache_block()
    return {
        "whole": whole,
        "cut": whole[:-1],
        "too_long": whole + b"x",
        "head": whole[:600],
        "empty": b"",
        "version2": cache_block(version=2),
        "other_tokens": cache_block(token=8),
        "other_model": cache_block(model=b"another model"),
        "other_size": cache_block(page_bytes=1 << 63),
        "no_tokens": cache_block(n_tokens=0),
    }


def main():
    # Those of the other targets are written by hand.
    for target, seeds in {"gguf": gguf_seeds(), "tokenizer": tokenizer_seeds(), "session": session_seeds(),
                          "block": block_seeds()}.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, data in seeds.items():
            (folder / name).write_bytes(data)
        print(f"{target}: {len(seeds)} seeds, {sum(map(len, seeds.values()))} bytes")


if __name__ == "__main__":
    main()
