"""Engine, Session and Sampler: one loaded model, one timeline of tokens, and the choice of the next token."""
from __future__ import annotations

import codecs
import ctypes
import os
from collections.abc import Iterator, Mapping, Sequence
from ctypes import POINTER, byref, c_char_p, c_float, c_int32, c_size_t, c_void_p
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._native import BadArgument, call, kv_type_id, library

_PROMPT_STEP = 512  # tokens of a prompt between two chances for Ctrl-C: long enough for full speed


def _bytes(text: str | os.PathLike, name: str) -> bytes:
    data = os.fsencode(text) if isinstance(text, os.PathLike) else text.encode()
    if b"\0" in data:
        raise BadArgument(f"{name} contains a NUL character.")
    return data


def _tokens(tokens: ArrayLike) -> NDArray[np.int32]:
    given = np.asarray(tokens)
    if given.ndim == 1 and given.dtype == np.int32:
        return np.ascontiguousarray(given)
    is_whole = given.size == 0 or (given.dtype.kind in "iu" and np.array_equal(given, given.astype(np.int32)))
    if given.ndim != 1 or not is_whole:
        raise BadArgument("tokens must be a sequence of 32-bit token ids.")
    return given.astype(np.int32)


@dataclass(frozen=True)
class ModelInfo:
    architecture: str
    name: str
    isa: str  # instruction set of the kernels in use
    cache_description: str  # "K turbo4, V turbo4"
    n_params: int
    n_ctx_train: int
    n_ctx: int  # of sessions
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    n_embd: int
    n_vocab: int
    n_threads: int
    has_chat_template: bool


class Generated(NamedTuple):
    token: int | None  # None for the rest of an unfinished character at the end
    text: str  # whole characters that became complete with it; may be empty


class Engine:
    """A loaded model. Safe to use from several threads, with a session for each."""

    def __init__(self, model_path: str | os.PathLike, *, n_ctx: int = 0, type_k: str = "turbo4", type_v: str = "turbo4",
                 layer_adaptive: int = 0, cache_plan: str | None = None, n_threads: int = 0, n_parallel: int = 1,
                 disk_cache: str | os.PathLike | None = None, disk_cache_bytes: int = 10 << 30,
                 swa_full: bool = False):
        """n_ctx 0: the model's own; n_threads 0: one a physical core; n_parallel: the cache is reserved for so many
        full sessions. cache_plan is the JSON text of a plan's file and replaces types and layer_adaptive. disk_cache is
        a folder of at most disk_cache_bytes that keeps computed pages of prompts for the next engine. swa_full: layers
        with a window keep all tokens, so that going back in a text never computes it anew."""
        self._handle = c_void_p()
        options = _native.EngineOptions()
        library.tq_engine_options_init(byref(options), ctypes.sizeof(options))
        options.model_path = _bytes(model_path, "model_path")
        options.n_ctx, options.layer_adaptive = n_ctx, layer_adaptive
        options.type_k, options.type_v = kv_type_id(type_k), kv_type_id(type_v)
        options.n_threads, options.n_parallel = n_threads, n_parallel
        options.cache_plan_json = None if cache_plan is None else _bytes(cache_plan, "cache_plan")
        options.disk_cache_folder = None if disk_cache is None else _bytes(disk_cache, "disk_cache")
        if not 0 <= disk_cache_bytes < 1 << 64:
            raise BadArgument(f"disk_cache_bytes is {disk_cache_bytes}; give a number of bytes below 2^64.")
        options.disk_cache_max_bytes = disk_cache_bytes
        options.swa_full = swa_full
        call("tq_engine_load", byref(options), byref(self._handle))
        self.info = self._read_info()

    def __del__(self):
        if getattr(self, "_handle", None):
            library.tq_engine_free(self._handle)

    def _read_info(self) -> ModelInfo:
        raw = _native.ModelInfo()
        raw.struct_size = ctypes.sizeof(raw)
        call("tq_engine_info", self._handle, byref(raw))
        values = {name: getattr(raw, name) for name, _ in raw._fields_ if name != "struct_size"}
        values = {name: v.decode(errors="replace") if isinstance(v, bytes) else v for name, v in values.items()}
        return ModelInfo(**{**values, "has_chat_template": bool(raw.has_chat_template)})

    def encode(self, text: str, *, add_bos: bool = False, parse_special: bool = False) -> list[int]:
        """parse_special: <|im_end|> and the like become that token; never for text of users."""
        data = text.encode()
        flags = (_native.ADD_BOS if add_bos else 0) | (_native.PARSE_SPECIAL if parse_special else 0)
        return self._token_list("tq_encode", data, len(data), flags)

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """The prompt for the assistant's next turn: messages are {"role": ..., "content": ...}."""
        array = (_native.ChatMessage * len(messages))()
        for target, message in zip(array, messages):
            target.role, target.content = _bytes(message["role"], "role"), _bytes(message["content"], "content")
        return self._token_list("tq_encode_chat", array, len(messages))

    def _token_list(self, function: str, *arguments) -> list[int]:
        size = c_size_t()
        tokens = np.empty(256, np.int32)
        error = _native.Error()
        status = getattr(library, function)(self._handle, *arguments, tokens.ctypes.data, len(tokens), byref(size),
                                            byref(error))
        if status == _native.BUFFER_TOO_SMALL:
            tokens = np.empty(size.value, np.int32)
            call(function, self._handle, *arguments, tokens.ctypes.data, len(tokens), byref(size))
        elif status != _native.OK:
            _native.raise_error(status, error)
        return tokens[:size.value].tolist()

    def decode_bytes(self, tokens: ArrayLike) -> bytes:
        """The bytes of tokens, which may begin or end inside a character."""
        array, size = _tokens(tokens), c_size_t()
        buffer = ctypes.create_string_buffer(16 * len(array) + 64)
        error = _native.Error()
        status = library.tq_decode(self._handle, array.ctypes.data, len(array), buffer, len(buffer), byref(size),
                                   byref(error))
        if status == _native.BUFFER_TOO_SMALL:
            buffer = ctypes.create_string_buffer(size.value)
            call("tq_decode", self._handle, array.ctypes.data, len(array), buffer, len(buffer), byref(size))
        elif status != _native.OK:
            _native.raise_error(status, error)
        return buffer.raw[:size.value]

    def decode(self, tokens: ArrayLike) -> str:
        return self.decode_bytes(tokens).decode(errors="replace")

    def is_end_of_generation(self, token: int) -> bool:
        return bool(library.tq_is_end_of_generation(self._handle, token))

    def create_session(self) -> Session:
        handle = c_void_p()
        call("tq_session_create", self._handle, byref(handle))
        return Session(self, handle)

    def create_sampler(self, **options) -> Sampler:
        """Options are those of Sampler; grammars and DRY need a sampler made here."""
        return Sampler(self, **options)


class Sampler:
    """Logits -> one token, the same for the same seed. For one thread at a time."""

    def __init__(self, engine: Engine | None = None, *, grammar: str | None = None, json_schema: str | None = None,
                 logit_bias: Mapping[int, float] | None = None, dry_sequence_breakers: Sequence[str] | None = None,
                 **numbers: float):
        """numbers: temperature, top_k, top_p, min_p, seed, ...: any of tq_sampler_options in tq/turboquant.h
        (docs/sampling.md explains them). grammar (GBNF) or json_schema: what an answer has to match."""
        self._handle = c_void_p()
        options = _native.SamplerOptions()
        library.tq_sampler_options_init(byref(options), ctypes.sizeof(options))
        known = {name for name, kind in options._fields_ if kind in (c_float, c_int32, ctypes.c_uint64)}
        for name, value in numbers.items():
            if name not in known:
                raise TypeError(f"a sampler has no option {name!r}; it has {', '.join(sorted(known))}")
            setattr(options, name, value)
        if grammar is not None:
            options.grammar_gbnf = _bytes(grammar, "grammar")
        if json_schema is not None:
            options.json_schema = _bytes(json_schema, "json_schema")
        if logit_bias:
            options.logit_bias = (_native.LogitBias * len(logit_bias))(*logit_bias.items())
            options.n_logit_bias = len(logit_bias)
        if dry_sequence_breakers is not None:
            texts = [_bytes(text, "a sequence breaker") for text in dry_sequence_breakers]
            options.dry_sequence_breakers = (c_char_p * max(len(texts), 1))(*texts)
            options.n_dry_sequence_breakers = len(texts)
        call("tq_sampler_create", engine._handle if engine else None, byref(options), byref(self._handle))

    def __del__(self):
        if getattr(self, "_handle", None):
            library.tq_sampler_free(self._handle)

    @property
    def seed(self) -> int:
        """The seed in use, to repeat a run."""
        return library.tq_sampler_seed(self._handle)

    def start_answer(self) -> None:
        """Begins another answer: grammar and mirostat start anew, the random numbers go on."""
        call("tq_sampler_start_answer", self._handle)

    def sample(self, logits: ArrayLike, history: ArrayLike = ()) -> int:
        """history: the tokens so far, oldest first, for penalties."""
        values, past, token = np.ascontiguousarray(logits, np.float32), _tokens(history), c_int32()
        if values.ndim != 1:
            raise BadArgument(f"logits has the shape {values.shape}; give [n_vocab].")
        call("tq_sampler_sample", self._handle, values.ctypes.data, len(values), past.ctypes.data, len(past), byref(token))
        return token.value

    def clone(self) -> Sampler:
        """A sampler in the same state: it goes on with the same random numbers."""
        copy = Sampler.__new__(Sampler)
        copy._handle = c_void_p()
        call("tq_sampler_clone", self._handle, byref(copy._handle))
        return copy


class Session:
    """One timeline of tokens with its compressed cache; made by Engine.create_session(). For one thread at a time."""

    def __init__(self, engine: Engine, handle: c_void_p):
        self.engine, self._handle = engine, handle

    def __del__(self):
        if getattr(self, "_handle", None):
            library.tq_session_free(self._handle)

    def sync(self, tokens: ArrayLike) -> NDArray[np.float32]:
        """Makes the cache hold exactly `tokens`, computing what it lacks: the logits [n_vocab] after the last."""
        return self._sync(_tokens(tokens), _native.LogitsVisitor())

    def sync_all(self, tokens: ArrayLike) -> NDArray[np.float32]:
        """sync(), but the logits [n_computed, n_vocab] of every position that had to be computed."""
        rows: list[NDArray[np.float32]] = []

        @_native.LogitsVisitor
        def visit(_, position, logits, n_vocab):
            rows.append(np.ctypeslib.as_array(logits, (n_vocab,)).copy())
        self._sync(_tokens(tokens), visit)
        return np.stack(rows)

    def _sync(self, tokens: NDArray[np.int32], visitor) -> NDArray[np.float32]:
        logits = POINTER(c_float)()
        call("tq_session_sync", self._handle, tokens.ctypes.data, len(tokens), visitor, None, byref(logits))
        return np.ctypeslib.as_array(logits, (self.engine.info.n_vocab,)).copy()

    def generate(self, prompt: ArrayLike, sampler: Sampler | None = None, *,
                 max_tokens: int | None = None) -> Iterator[Generated]:
        """Yields the answer as it comes, until the model ends it, max_tokens, or the context is full. Without a
        sampler the most likely token is taken each time."""
        prompt_tokens, n_ctx = _tokens(prompt), self.n_ctx
        n = len(prompt_tokens)
        if n > n_ctx:
            self.sync(prompt_tokens)  # says why not
        tokens = np.empty(n_ctx, np.int32)  # prompt and answer
        tokens[:n] = prompt_tokens
        end = n_ctx if max_tokens is None else min(n_ctx, n + max_tokens)
        sampler = sampler or Sampler(temperature=0)
        sampler.start_answer()
        # No short rest is left: few tokens are decoded, which rounds otherwise.
        for done in range(self._n_common(prompt_tokens) + _PROMPT_STEP, n - _PROMPT_STEP + 1, _PROMPT_STEP):
            self.sync(tokens[:done])
        logits = self.sync(tokens[:n])
        text = codecs.getincrementaldecoder("utf-8")("replace")
        while n < end:
            token = sampler.sample(logits, tokens[:n])
            if self.engine.is_end_of_generation(token):
                break
            tokens[n] = token
            n += 1
            yield Generated(token, text.decode(self.engine.decode_bytes([token])))
            if n < end:
                logits = self.sync(tokens[:n])
        rest = text.decode(b"", final=True)
        if rest:
            yield Generated(None, rest)

    def _n_common(self, tokens: NDArray[np.int32]) -> int:
        """How many of `tokens` the cache holds already."""
        held = np.asarray(self.tokens, np.int32)
        n = min(len(held), len(tokens))
        differ = np.flatnonzero(held[:n] != tokens[:n])
        return int(differ[0]) if differ.size else n

    def fork(self) -> Session:
        """Another session with the same tokens; they share cache memory until one of them writes."""
        handle = c_void_p()
        call("tq_session_fork", self._handle, byref(handle))
        return Session(self.engine, handle)

    def save(self, path: str | os.PathLike) -> None:
        call("tq_session_save", self._handle, _bytes(path, "path"))

    def restore(self, path: str | os.PathLike) -> None:
        """A file that is not accepted leaves the session unchanged."""
        call("tq_session_restore", self._handle, _bytes(path, "path"))

    @property
    def tokens(self) -> list[int]:
        """What the cache holds."""
        data = POINTER(c_int32)()
        n = library.tq_session_tokens(self._handle, byref(data))
        return data[:n] if n else []

    @property
    def n_ctx(self) -> int:
        return library.tq_session_n_ctx(self._handle)

    @property
    def kv_bytes(self) -> int:
        """Cache bytes of the held tokens (whole pages)."""
        return library.tq_session_kv_bytes(self._handle)

    @property
    def kv_bytes_f16(self) -> int:
        """What the same pages would take as f16."""
        return library.tq_session_kv_bytes_f16(self._handle)
