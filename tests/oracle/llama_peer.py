"""llama.cpp as an oracle and a peer: an independent engine that reads the same file, by ctypes over the C interface
of llama.h. Token ids in, logits of every position out; no sampling, no text.

The library comes from a PyPI package: xllamacpp (prebuilt for any CPU: the tests' oracle) or llama-cpp-python
(compiled for this CPU: the benchmark's peer). Structures are declared here as far as they are used; their layout is
checked against the library's own defaults before anything else is called.
"""
import ctypes as c
import importlib.metadata
import importlib.util
import pathlib

import numpy as np

GGML_TYPES = {"f16": 1, "q4_0": 2, "q8_0": 8}
POOLING = {"mean": 1, "last": 3}
FLASH_ATTENTION_ON = 1
BATCH = 512
UNKNOWN, CONTROL, USER_DEFINED = 1, 8, 16  # attributes of tokens


class ModelParams(c.Structure):
    _fields_ = [("devices", c.c_void_p), ("overrides", c.c_void_p), ("n_gpu_layers", c.c_int32),
                ("split_mode", c.c_int32), ("load_mode", c.c_int32), ("lazy_mode", c.c_int32),
                ("main_gpu", c.c_int32), ("tensor_split", c.c_void_p), ("progress_callback", c.c_void_p),
                ("progress_callback_user_data", c.c_void_p), ("kv_overrides", c.c_void_p), ("vocab_only", c.c_bool),
                ("rest", c.c_uint8 * 63)]


class ContextParams(c.Structure):
    _fields_ = [("n_ctx", c.c_uint32), ("n_batch", c.c_uint32), ("n_ubatch", c.c_uint32), ("n_seq_max", c.c_uint32),
                ("n_rs_seq", c.c_uint32), ("n_outputs_max", c.c_uint32), ("n_outputs_max_per_seq", c.c_uint32),
                ("n_threads", c.c_int32), ("n_threads_batch", c.c_int32), ("ctx_type", c.c_int32),
                ("rope_scaling_type", c.c_int32), ("pooling_type", c.c_int32), ("attention_type", c.c_int32),
                ("flash_attn_type", c.c_int32), ("rope_freq_base", c.c_float), ("rope_freq_scale", c.c_float),
                ("yarn", c.c_float * 4), ("yarn_orig_ctx", c.c_uint32), ("defrag_thold", c.c_float),
                ("cb_eval", c.c_void_p), ("cb_eval_user_data", c.c_void_p), ("type_k", c.c_int32),
                ("type_v", c.c_int32), ("abort_callback", c.c_void_p), ("abort_callback_data", c.c_void_p),
                ("embeddings", c.c_bool), ("offload_kqv", c.c_bool), ("no_perf", c.c_bool), ("op_offload", c.c_bool),
                ("swa_full", c.c_bool), ("kv_unified", c.c_bool), ("rest", c.c_uint8 * 106)]


class Batch(c.Structure):
    _fields_ = [("n_tokens", c.c_int32), ("token", c.POINTER(c.c_int32)), ("embd", c.c_void_p),
                ("pos", c.POINTER(c.c_int32)), ("n_seq_id", c.POINTER(c.c_int32)),
                ("seq_id", c.POINTER(c.POINTER(c.c_int32))), ("logits", c.POINTER(c.c_int8))]


_LOG = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)
_SILENT = _LOG(lambda *_: None)

_PROTOTYPES = {
    "llama_log_set": (None, [_LOG, c.c_void_p]),
    "llama_backend_init": (None, []),
    "llama_print_system_info": (c.c_char_p, []),
    "llama_model_default_params": (ModelParams, []),
    "llama_context_default_params": (ContextParams, []),
    "llama_model_load_from_file": (c.c_void_p, [c.c_char_p, ModelParams]),
    "llama_model_free": (None, [c.c_void_p]),
    "llama_init_from_model": (c.c_void_p, [c.c_void_p, ContextParams]),
    "llama_free": (None, [c.c_void_p]),
    "llama_model_get_vocab": (c.c_void_p, [c.c_void_p]),
    "llama_vocab_n_tokens": (c.c_int32, [c.c_void_p]),
    "llama_tokenize": (c.c_int32, [c.c_void_p, c.c_char_p, c.c_int32, c.POINTER(c.c_int32), c.c_int32, c.c_bool,
                                   c.c_bool]),
    "llama_token_to_piece": (c.c_int32, [c.c_void_p, c.c_int32, c.c_char_p, c.c_int32, c.c_int32, c.c_bool]),
    "llama_vocab_is_eog": (c.c_bool, [c.c_void_p, c.c_int32]),
    "llama_vocab_get_attr": (c.c_int, [c.c_void_p, c.c_int32]),
    "llama_get_memory": (c.c_void_p, [c.c_void_p]),
    "llama_memory_clear": (None, [c.c_void_p, c.c_bool]),
    "llama_memory_seq_rm": (c.c_bool, [c.c_void_p, c.c_int32, c.c_int32, c.c_int32]),
    "llama_memory_seq_cp": (None, [c.c_void_p, c.c_int32, c.c_int32, c.c_int32, c.c_int32]),
    "llama_state_seq_get_size": (c.c_size_t, [c.c_void_p, c.c_int32]),
    "llama_state_seq_get_data": (c.c_size_t, [c.c_void_p, c.c_char_p, c.c_size_t, c.c_int32]),
    "llama_state_seq_set_data": (c.c_size_t, [c.c_void_p, c.c_char_p, c.c_size_t, c.c_int32]),
    "llama_model_n_swa": (c.c_int32, [c.c_void_p]),
    "llama_batch_init": (Batch, [c.c_int32, c.c_int32, c.c_int32]),
    "llama_batch_free": (None, [Batch]),
    "llama_decode": (c.c_int32, [c.c_void_p, Batch]),
    "llama_get_logits": (c.POINTER(c.c_float), [c.c_void_p]),
    "llama_set_embeddings": (None, [c.c_void_p, c.c_bool]),
    "llama_model_n_embd": (c.c_int32, [c.c_void_p]),
    "llama_get_embeddings_seq": (c.POINTER(c.c_float), [c.c_void_p, c.c_int32]),
}
_LIBRARIES = {"xllamacpp": ("xllamacpp", "xllamacpp.abi3.so"), "llama-cpp-python": ("llama_cpp", "lib/libllama.so")}


def find_library(packages):
    """The first of the named PyPI packages that is installed: (package, version, path of its library)."""
    for package in packages:
        module, file = _LIBRARIES[package]
        spec = importlib.util.find_spec(module)
        if spec:
            path = pathlib.Path(spec.submodule_search_locations[0]) / file
            return package, importlib.metadata.version(package), path
    raise ImportError("no llama.cpp here; install one of " + ", ".join(packages))


def load_library(path):
    library = c.CDLL(str(path))
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    p = library.llama_context_default_params()
    seen = (p.n_ctx, p.n_batch, p.n_seq_max, p.flash_attn_type, list(p.yarn), p.defrag_thold, p.type_k, p.type_v)
    expected = (512, 2048, 1, -1, [-1.0] * 4, -1.0, 1, 1)
    if seen != expected:
        raise ImportError(f"{path}: llama_context_params has another layout than declared here: {seen}")
    library.llama_log_set(_SILENT, None)
    library.llama_backend_init()
    return library


def tokenize(library, vocab, data, parse_special, add_special=False):
    room = len(data) + 16
    while True:
        out = (c.c_int32 * room)()
        n = library.llama_tokenize(vocab, data, len(data), out, room, add_special, parse_special)
        if n >= 0:
            return out[:n]
        room = -n


class LlamaVocab:
    """The tokenizer alone, of a file that may have no tensors."""

    def __init__(self, path, packages=("xllamacpp",)):
        self.lib = load_library(find_library(packages)[2])
        params = self.lib.llama_model_default_params()
        params.vocab_only = True
        self.model = self.lib.llama_model_load_from_file(str(path).encode(), params)
        assert self.model, f"llama.cpp cannot load {path}"
        self.vocab = self.lib.llama_model_get_vocab(self.model)
        self.size = self.lib.llama_vocab_n_tokens(self.vocab)

    def close(self):
        self.lib.llama_model_free(self.model)

    def encode(self, data, parse_special, add_special=False):
        return tokenize(self.lib, self.vocab, data, parse_special, add_special)

    def piece(self, token, special):
        out = c.create_string_buffer(1024)
        n = self.lib.llama_token_to_piece(self.vocab, token, out, len(out), 0, special)
        assert n >= 0
        return out.raw[:n]

    def is_control(self, token):
        return self.lib.llama_vocab_get_attr(self.vocab, token) & (UNKNOWN | CONTROL) != 0

    def is_special(self, token):
        return self.lib.llama_vocab_get_attr(self.vocab, token) & (UNKNOWN | CONTROL | USER_DEFINED) != 0

    def is_eog(self, token):
        return self.lib.llama_vocab_is_eog(self.vocab, token)


class LlamaPeer:
    def __init__(self, model_path, n_ctx=2560, n_threads=1, type_k="f16", type_v="f16", packages=("xllamacpp",),
                 n_seq=1, pooling=None):
        self.package, self.version, path = find_library(packages)
        self.lib = load_library(path)
        model_params = self.lib.llama_model_default_params()
        model_params.n_gpu_layers = 0
        self.model = self.lib.llama_model_load_from_file(str(model_path).encode(), model_params)
        assert self.model, f"llama.cpp cannot load {model_path}"
        params = self.lib.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = n_ctx, BATCH, BATCH
        params.n_threads = params.n_threads_batch = n_threads
        params.flash_attn_type = FLASH_ATTENTION_ON  # what its default, auto, means on a CPU; a quantised V needs it
        params.type_k, params.type_v = GGML_TYPES[type_k], GGML_TYPES[type_v]
        params.n_seq_max, params.kv_unified = n_seq, n_seq > 1
        if pooling:
            params.pooling_type = POOLING[pooling]
        self.context = self.lib.llama_init_from_model(self.model, params)
        assert self.context, f"llama.cpp cannot make a context with {type_k}/{type_v}"
        self.lib.llama_set_embeddings(self.context, bool(pooling))
        self.vocab = self.lib.llama_model_get_vocab(self.model)
        self.n_vocab = self.lib.llama_vocab_n_tokens(self.vocab)
        self.batch = self.lib.llama_batch_init(BATCH, 0, 1)
        self.n_cached = 0

    def close(self):
        self.lib.llama_batch_free(self.batch)
        self.lib.llama_free(self.context)
        self.lib.llama_model_free(self.model)

    def system_info(self):
        return self.lib.llama_print_system_info().decode()

    def tokenize(self, text):
        return tokenize(self.lib, self.vocab, text.encode(), True)

    def truncate(self, n):
        """Forgets all but the first n cached tokens."""
        memory = self.lib.llama_get_memory(self.context)
        if n == 0:
            self.lib.llama_memory_clear(memory, True)
        else:
            assert self.lib.llama_memory_seq_rm(memory, 0, n, -1)
        self.n_cached = n

    def decode(self, tokens, all_logits, sequence=0):
        """Appends up to BATCH tokens; logits of all of them or of the last one are then to be had."""
        batch = self.batch
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, self.n_cached + i, 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = 1 if all_logits or i == len(tokens) - 1 else 0
        batch.n_tokens = len(tokens)
        status = self.lib.llama_decode(self.context, batch)
        assert status == 0, f"llama_decode: {status}"
        self.n_cached += len(tokens)

    def extend(self, tokens):
        """Appends tokens; yields the logits [n, n_vocab] of up to BATCH positions at a time."""
        for start in range(0, len(tokens), BATCH):
            part = tokens[start:start + BATCH]
            self.decode(part, all_logits=True)
            rows = np.ctypeslib.as_array(self.lib.llama_get_logits(self.context), (len(part), self.n_vocab))
            yield rows.copy()

    def logits(self, tokens):
        """Logits [n_tokens, n_vocab] of a fresh context."""
        self.truncate(0)
        return np.concatenate(list(self.extend(tokens)))

    def embedding(self, tokens):
        """The pooled hidden states [n_embd] of at most BATCH tokens in a fresh context, of length 1."""
        self.truncate(0)
        self.decode(tokens, all_logits=True)
        n = self.lib.llama_model_n_embd(self.model)
        vector = np.ctypeslib.as_array(self.lib.llama_get_embeddings_seq(self.context, 0), (n,)).astype(np.float64)
        return vector / np.linalg.norm(vector)

    def greedy(self, prompt, n):
        """n greedy tokens after prompt, and the logits [n, n_vocab] each was chosen from."""
        rows, tokens = [self.logits(prompt)[-1]], []
        while True:
            tokens.append(int(rows[-1].argmax()))
            if len(tokens) == n:
                return tokens, np.stack(rows)
            rows.append(next(self.extend(tokens[-1:]))[0])
