"""The KV cache's codec: rows of floats <-> pages of bytes, and attention over the bytes."""
from __future__ import annotations

from ctypes import POINTER, byref, c_int32, c_void_p

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._native import BadArgument, call, kv_type_id, library

PAGE_ROWS = 128
_ALIGNMENT = 64


def kv_types() -> list[str]:
    """The names of all types, best quality first."""
    ids = POINTER(c_int32)()
    return [library.tq_kv_type_name(ids[i]).decode() for i in range(library.tq_kv_types(byref(ids)))]


def _aligned_zeros(size: int) -> NDArray[np.uint8]:
    storage = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -storage.ctypes.data % _ALIGNMENT
    return storage[start:start + size]


class Codec:
    """One type for rows of head_dim values. Pages are uint8 arrays [n_pages, page_bytes] of PAGE_ROWS rows each;
    spec/turboquant.md specifies their bytes. Safe to use from several threads."""

    def __init__(self, type: str, head_dim: int):
        self._handle = c_void_p()
        call("tq_codec_create", kv_type_id(type), head_dim, byref(self._handle))
        self.type, self.head_dim = type, head_dim
        self.row_bytes: int = library.tq_codec_row_bytes(self._handle)
        self.page_bytes: int = library.tq_codec_page_bytes(self._handle)

    def __del__(self):
        if getattr(self, "_handle", None):
            library.tq_codec_free(self._handle)

    def empty_pages(self, n_rows: int) -> NDArray[np.uint8]:
        """Pages with room for n_rows, to encode into."""
        size = library.tq_codec_pages_size(self._handle, n_rows) if n_rows > 0 else 0
        return _aligned_zeros(size).reshape(-1, self.page_bytes)

    def encode(self, rows: ArrayLike, pages: NDArray[np.uint8] | None = None, first_row: int = 0) -> NDArray[np.uint8]:
        """Stores rows [n, head_dim] as rows first_row, ... of `pages`, or of new ones; returns the pages."""
        rows = self._floats(rows, "rows", self.head_dim)
        if pages is None:
            pages = self.empty_pages(first_row + len(rows))
        elif not pages.flags.writeable:
            raise BadArgument("pages is read-only; give a copy.")
        call("tq_codec_encode", self._handle, rows.ctypes.data, len(rows), *self._pages(pages), first_row)
        return pages

    def decode(self, pages: NDArray[np.uint8], n_rows: int, first_row: int = 0) -> NDArray[np.float32]:
        """Rows [n_rows, head_dim], as far as the type keeps them."""
        # Checked before memory is asked for.
        arguments = self._handle, *self._pages(pages), *self._range(pages, n_rows, first_row)
        rows = np.empty((n_rows, self.head_dim), np.float32)
        call("tq_codec_decode", *arguments, rows.ctypes.data)
        return rows

    def score(self, pages: NDArray[np.uint8], queries: ArrayLike, n_rows: int,
              first_row: int = 0) -> NDArray[np.float32]:
        """queries [n, head_dim] . rows -> [n, n_rows], without decoding."""
        queries = self._floats(queries, "queries", self.head_dim)
        arguments = self._handle, *self._pages(pages), *self._range(pages, n_rows, first_row)
        scores = np.empty((len(queries), n_rows), np.float32)
        call("tq_codec_score", *arguments, queries.ctypes.data, len(queries), scores.ctypes.data)
        return scores

    def mix(self, pages: NDArray[np.uint8], weights: ArrayLike, first_row: int = 0) -> NDArray[np.float32]:
        """weights [n, n_rows] . rows -> [n, head_dim], without decoding."""
        weights = self._floats(weights, "weights", None)
        arguments = self._handle, *self._pages(pages), *self._range(pages, weights.shape[1], first_row)
        mixed = np.empty((len(weights), self.head_dim), np.float32)
        call("tq_codec_mix", *arguments, weights.ctypes.data, len(weights), mixed.ctypes.data)
        return mixed

    @staticmethod
    def _floats(values: ArrayLike, name: str, width: int | None) -> NDArray[np.float32]:
        array = np.ascontiguousarray(values, np.float32)
        if array.ndim != 2 or (width is not None and array.shape[1] != width):
            raise BadArgument(f"{name} has the shape {array.shape}; give [n, {width or 'n_rows'}].")
        return array

    @staticmethod
    def _pages(pages: NDArray[np.uint8]) -> tuple[int, int]:
        if not isinstance(pages, np.ndarray) or pages.dtype != np.uint8 or not pages.flags.c_contiguous:
            raise BadArgument("pages must be a contiguous array of uint8, as encode() returns it.")
        return pages.ctypes.data, pages.nbytes

    def _range(self, pages: NDArray[np.uint8], n_rows: int, first_row: int) -> tuple[int, int]:
        held = pages.nbytes // self.page_bytes * PAGE_ROWS
        if n_rows < 0 or first_row < 0 or first_row + n_rows > held:
            raise BadArgument(f"rows {first_row} to {first_row + n_rows - 1} are not all in pages of {held} rows.")
        return first_row, n_rows
