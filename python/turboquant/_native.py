"""The shared library: where it is, its structs and signatures, and its errors as exceptions.

Mirrors include/tq/turboquant.h; a test compares the two.
"""
from __future__ import annotations

import ctypes
import os
import pathlib
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_char, c_char_p, c_float, c_int, c_int32, c_int64, c_size_t,
                    c_uint64, c_void_p)
from typing import NoReturn

_NAME = "libturboquant_c.so"
OK, BUFFER_TOO_SMALL = 0, 8
ADD_BOS, PARSE_SPECIAL = 1, 2


class TurboQuantError(Exception):
    """What the library says of a call that failed."""


class BadFile(TurboQuantError):
    """The bytes are not a valid file of their kind."""


class Unsupported(TurboQuantError):
    """Valid, but nothing that this build can do."""


class BadArgument(TurboQuantError, ValueError):
    """The caller asked for something impossible."""


class OutOfMemory(TurboQuantError, MemoryError):
    """A reservation did not fit."""


class ContextFull(TurboQuantError):
    """The session has no room for more tokens."""


class FileError(TurboQuantError, OSError):
    """The operating system refused."""


_EXCEPTIONS = {1: FileError, 2: BadFile, 3: Unsupported, 4: BadArgument, 5: OutOfMemory, 6: ContextFull}


class Error(Structure):
    _fields_ = [("status", c_int32), ("message", c_char * 1024)]


class EngineOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("model_path", c_char_p), ("n_ctx", c_int64), ("type_k", c_int32),
                ("type_v", c_int32), ("layer_adaptive", c_int32), ("n_threads", c_int32), ("n_parallel", c_int32),
                ("cache_plan_json", c_char_p), ("disk_cache_folder", c_char_p), ("disk_cache_max_bytes", c_uint64),
                ("swa_full", c_int32)]


class ModelInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("architecture", c_char_p), ("name", c_char_p), ("isa", c_char_p),
                ("cache_description", c_char_p), ("n_params", c_int64), ("n_ctx_train", c_int64), ("n_ctx", c_int64),
                ("n_layers", c_int32), ("n_heads", c_int32), ("n_kv_heads", c_int32), ("head_dim", c_int32),
                ("n_embd", c_int32), ("n_vocab", c_int32), ("n_threads", c_int32), ("has_chat_template", c_int32)]


class ChatMessage(Structure):
    _fields_ = [("role", c_char_p), ("content", c_char_p)]


class LogitBias(Structure):
    _fields_ = [("token", c_int32), ("bias", c_float)]


class SamplerOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("seed", c_uint64), ("temperature", c_float),
                ("dynamic_temperature_range", c_float), ("dynamic_temperature_exponent", c_float), ("top_p", c_float),
                ("min_p", c_float), ("typical_p", c_float), ("top_n_sigma", c_float), ("xtc_probability", c_float),
                ("xtc_threshold", c_float), ("repeat_penalty", c_float), ("frequency_penalty", c_float),
                ("presence_penalty", c_float), ("dry_multiplier", c_float), ("dry_base", c_float),
                ("mirostat_tau", c_float), ("mirostat_eta", c_float), ("top_k", c_int32), ("penalty_last_n", c_int32),
                ("dry_allowed_length", c_int32), ("dry_penalty_last_n", c_int32), ("mirostat", c_int32),
                ("dry_sequence_breakers", POINTER(c_char_p)), ("n_dry_sequence_breakers", c_size_t),
                ("logit_bias", POINTER(LogitBias)), ("n_logit_bias", c_size_t), ("grammar_gbnf", c_char_p),
                ("json_schema", c_char_p)]


LogitsVisitor = CFUNCTYPE(None, c_void_p, c_int64, POINTER(c_float), c_size_t)

_P = c_void_p  # a handle or an array: numpy's data pointers are passed as they are
_ERROR = POINTER(Error)
# Function -> its result and parameters.
SIGNATURES = {
    "tq_version": (c_char_p, []),
    "tq_kv_types": (c_size_t, [POINTER(POINTER(c_int32))]),
    "tq_kv_type_name": (c_char_p, [c_int32]),
    "tq_kv_type_parse": (c_int32, [c_char_p, POINTER(c_int32), _ERROR]),
    "tq_engine_options_init": (None, [POINTER(EngineOptions), c_size_t]),
    "tq_engine_load": (c_int32, [POINTER(EngineOptions), POINTER(_P), _ERROR]),
    "tq_engine_free": (None, [_P]),
    "tq_engine_info": (c_int32, [_P, POINTER(ModelInfo), _ERROR]),
    "tq_encode": (c_int32, [_P, c_char_p, c_size_t, c_int, _P, c_size_t, POINTER(c_size_t), _ERROR]),
    "tq_encode_chat": (c_int32, [_P, POINTER(ChatMessage), c_size_t, _P, c_size_t, POINTER(c_size_t), _ERROR]),
    "tq_decode": (c_int32, [_P, _P, c_size_t, _P, c_size_t, POINTER(c_size_t), _ERROR]),
    "tq_is_end_of_generation": (c_int, [_P, c_int32]),
    "tq_session_create": (c_int32, [_P, POINTER(_P), _ERROR]),
    "tq_session_free": (None, [_P]),
    "tq_session_sync": (c_int32, [_P, _P, c_size_t, LogitsVisitor, _P, POINTER(POINTER(c_float)), _ERROR]),
    "tq_session_fork": (c_int32, [_P, POINTER(_P), _ERROR]),
    "tq_session_save": (c_int32, [_P, c_char_p, _ERROR]),
    "tq_session_restore": (c_int32, [_P, c_char_p, _ERROR]),
    "tq_session_tokens": (c_size_t, [_P, POINTER(POINTER(c_int32))]),
    "tq_session_n_ctx": (c_int64, [_P]),
    "tq_session_kv_bytes": (c_size_t, [_P]),
    "tq_session_kv_bytes_f16": (c_size_t, [_P]),
    "tq_sampler_options_init": (None, [POINTER(SamplerOptions), c_size_t]),
    "tq_sampler_create": (c_int32, [_P, POINTER(SamplerOptions), POINTER(_P), _ERROR]),
    "tq_sampler_free": (None, [_P]),
    "tq_sampler_start_answer": (c_int32, [_P, _ERROR]),
    "tq_sampler_sample": (c_int32, [_P, _P, c_size_t, _P, c_size_t, POINTER(c_int32), _ERROR]),
    "tq_sampler_seed": (c_uint64, [_P]),
    "tq_sampler_clone": (c_int32, [_P, POINTER(_P), _ERROR]),
    "tq_codec_create": (c_int32, [c_int32, c_int32, POINTER(_P), _ERROR]),
    "tq_codec_free": (None, [_P]),
    "tq_codec_row_bytes": (c_size_t, [_P]),
    "tq_codec_page_bytes": (c_size_t, [_P]),
    "tq_codec_pages_size": (c_size_t, [_P, c_size_t]),
    "tq_codec_encode": (c_int32, [_P, _P, c_size_t, _P, c_size_t, c_size_t, _ERROR]),
    "tq_codec_decode": (c_int32, [_P, _P, c_size_t, c_size_t, c_size_t, _P, _ERROR]),
    "tq_codec_score": (c_int32, [_P, _P, c_size_t, c_size_t, c_size_t, _P, c_size_t, _P, _ERROR]),
    "tq_codec_mix": (c_int32, [_P, _P, c_size_t, c_size_t, c_size_t, _P, c_size_t, _P, _ERROR]),
}


def library_path() -> str:
    """TURBOQUANT_LIBRARY, else the library in the package, in the source tree's build, or an installed one."""
    given = os.environ.get("TURBOQUANT_LIBRARY")
    if given:
        return given
    here = pathlib.Path(__file__).resolve().parent
    for path in (here / _NAME, here.parents[1] / "build/release" / _NAME):
        if path.is_file():
            return str(path)
    return _NAME + ".0"


def _load() -> ctypes.CDLL:
    path = library_path()
    try:
        loaded = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"cannot load turboquant's library: {error}; build it (cmake --build --preset release --target "
                          "turboquant_c) or name it in TURBOQUANT_LIBRARY") from error
    for name, (result, parameters) in SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, parameters
    return loaded


library = _load()


def raise_error(status: int, error: Error) -> NoReturn:
    raise _EXCEPTIONS.get(status, TurboQuantError)(error.message.decode(errors="replace"))


def call(name: str, *arguments) -> None:
    """Calls a function that returns a status; the error struct is its last argument."""
    error = Error()
    status = getattr(library, name)(*arguments, byref(error))
    if status != OK:
        raise_error(status, error)


def version() -> str:
    return library.tq_version().decode()


def kv_type_id(name: str) -> int:
    result = c_int32()
    call("tq_kv_type_parse", name.encode(), byref(result))
    return result.value
