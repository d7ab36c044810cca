"""llama.cpp as the tokenizer's oracle, and vocabularies rewritten from SmolLM2's file."""

import functools
import importlib.util
import os

import pytest


def package_folder(name):
    """The folder of an installed package, without importing it; skips the test when it is missing."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"Python package {name} is not installed")
    return list(spec.submodule_search_locations)[0]


def smollm2_path():
    path = os.environ.get("TQ_MODEL")
    if not path:
        pytest.skip("TQ_MODEL does not name SmolLM2-135M-Instruct.Q4_1.gguf")
    return path


def Llama(path):
    """llama.cpp's tokenizer over one GGUF (vocabulary only)."""
    package_folder("xllamacpp")
    from llama_peer import LlamaVocab

    return LlamaVocab(path)


def write_vocab(path, pre, tokens, types, merges, **ids):
    """A vocabulary-only GGUF; ids are bos_token_id=..., eos_token_id=... and the like."""
    package_folder("gguf")
    import gguf

    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_tokenizer_model("gpt2")
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bool("tokenizer.ggml.add_bos_token", False)
    for key, value in ids.items():
        writer.add_uint32(f"tokenizer.ggml.{key}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@functools.cache
def _vocab(path):
    import gguf

    fields = gguf.GGUFReader(str(path)).fields
    return [fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type", "merges")]


def read_vocab(path):
    """tokens, types, merges of a GGUF: lists of the caller's own."""
    package_folder("gguf")
    return tuple(map(list, _vocab(path)))


def byte_text(data):
    """GPT-2's printable stand-ins for bytes, as vocabularies spell them."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = {b: 0x100 + i for i, b in enumerate(b for b in range(256) if b not in plain)}
    return "".join(chr(rest.get(b, b)) for b in data)
