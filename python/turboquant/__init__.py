"""Local language models over a TurboQuant-compressed KV cache, and the cache's codec on its own.

A thin layer over the C interface (include/tq/turboquant.h); numpy arrays in and out, errors are exceptions.
docs/api.md shows it at work.
"""
from ._native import (BadArgument, BadFile, ContextFull, FileError, OutOfMemory, TurboQuantError, Unsupported,
                      library_path, version)
from .codec import PAGE_ROWS, Codec, kv_types
from .engine import Engine, Generated, ModelInfo, Sampler, Session

__all__ = ["BadArgument", "BadFile", "Codec", "ContextFull", "Engine", "FileError", "Generated", "ModelInfo", "OutOfMemory",
           "PAGE_ROWS", "Sampler", "Session", "TurboQuantError", "Unsupported", "kv_types", "library_path", "version"]
__version__ = version()
