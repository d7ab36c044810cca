"""Executable twin of spec/turboquant.md: the KV cache formats in plain numpy.

Slow and literal on purpose. Section numbers refer to spec/turboquant.md. Arithmetic that decides bytes is done in
float32, one rounding an operation, in the order the text gives. Nothing here but numpy is needed.
"""

from __future__ import annotations

import math

import numpy as np

PAGE_TOKENS = 128
GROUP = 128
F32 = np.float32

# --- Section 3: rotation ---------------------------------------------------------------------------------------

SIGN_SEED = 0x5475726251756E74


def splitmix64(state: int):
    """Steele, Lea and Flood's SplitMix64; yields 64-bit words."""
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


SIGN_WORDS = (0, 102)  # which outputs of the stream begin the signs of the rotation and of the second rotation


def sign_words(first: int) -> list[int]:
    stream = splitmix64(SIGN_SEED)
    return [next(stream) for _ in range(first + 2)][first:]


def signs(first_word: int) -> np.ndarray:
    """s[i] = -1 where bit i of the 128 bits from that word on is set, else +1."""
    words = sign_words(first_word)
    return np.array([-1.0 if (words[i // 64] >> (i % 64)) & 1 else 1.0 for i in range(GROUP)], dtype=F32)


SIGNS = [signs(first) for first in SIGN_WORDS]


def wht(x: np.ndarray) -> np.ndarray:
    """Walsh-Hadamard transform of the last axis, scaled to be orthonormal. Strides ascend."""
    n = x.shape[-1]
    x = x.astype(F32).copy()
    h = 1
    while h < n:
        pairs = x.reshape(*x.shape[:-1], n // (2 * h), 2, h)
        a, b = pairs[..., 0, :], pairs[..., 1, :]
        x = np.stack([a + b, a - b], axis=-2).reshape(x.shape)
        h *= 2
    return x * F32(1.0 / math.sqrt(n))


def segments(n: int, second: bool) -> list[tuple[int, int]]:
    """The (start, length) of each pass over a group of n, in forward order."""
    p = 1 << (n.bit_length() - 1)
    return [(0, p)] * (1 + second) if p == n else [(0, p), (n - p, p)] * 2


def rotate_group(x: np.ndarray, second: bool = False) -> np.ndarray:
    x = x.astype(F32).copy()
    for start, p in segments(x.shape[-1], second):
        x[..., start : start + p] = wht(x[..., start : start + p] * SIGNS[second][:p])
    return x


def unrotate_group(x: np.ndarray, second: bool = False) -> np.ndarray:
    x = x.astype(F32).copy()
    for start, p in reversed(segments(x.shape[-1], second)):
        x[..., start : start + p] = wht(x[..., start : start + p]) * SIGNS[second][:p]
    return x


def groups(head_dim: int) -> list[tuple[int, int]]:
    """Section 2: (start, size) of each group of a row."""
    return [(start, min(GROUP, head_dim - start)) for start in range(0, head_dim, GROUP)]


def rotate(x: np.ndarray, second: bool = False) -> np.ndarray:
    return np.concatenate([rotate_group(x[..., s : s + n], second) for s, n in groups(x.shape[-1])], axis=-1)


def unrotate(x: np.ndarray, second: bool = False) -> np.ndarray:
    return np.concatenate([unrotate_group(x[..., s : s + n], second) for s, n in groups(x.shape[-1])], axis=-1)


# --- Section 4: codebooks --------------------------------------------------------------------------------------


def lloyd_max(bits: int, tolerance: float = 1e-16, limit: int = 200000) -> np.ndarray:
    """Centroids of the optimal scalar quantizer of N(0, 1), by Lloyd's iteration in double precision."""
    levels = 1 << bits
    pdf = np.vectorize(lambda v: 0.0 if math.isinf(v) else math.exp(-v * v / 2) / math.sqrt(2 * math.pi))
    cdf = np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)))
    positive = np.linspace(0.1, 2.5, levels // 2)  # symmetric, so half of the levels is iterated
    for _ in range(limit):
        edges = np.concatenate([[0.0], (positive[1:] + positive[:-1]) / 2, [math.inf]])
        mass = np.diff(cdf(edges))
        moved = (pdf(edges[:-1]) - pdf(edges[1:])) / mass
        done = np.max(np.abs(moved - positive)) < tolerance
        positive = moved
        if done:
            break
    return np.concatenate([-positive[::-1], positive])


# The constants of the format: Lloyd-Max for N(0, 1/128), rounded to float32. tests/codec/test_ref.py recomputes them.
POSITIVE_CENTROIDS = {
    1: [0.0705237016],
    2: [0.0400204808, 0.133503318],
    3: [0.0216634702, 0.0668220595, 0.118785918, 0.19020693],
    4: [0.0113486247, 0.0342989489, 0.0580498539, 0.083291918, 0.111036196, 0.143016443, 0.182877019, 0.241529077],
}
CENTROIDS = {b: np.array([-c for c in reversed(half)] + half, dtype=F32) for b, half in POSITIVE_CENTROIDS.items()}
# Midpoints, computed in double from the float32 centroids and rounded once.
THRESHOLDS = {b: ((c[1:].astype(np.float64) + c[:-1]) / 2).astype(F32) for b, c in CENTROIDS.items()}

# --- Section 5: encoding a turbo row ---------------------------------------------------------------------------

TINY = F32(2.0**-40)
HUGE = F32(2.0**24)
F16_MAX = F32(65504.0)
F16_NAN = 0x7E00


def tree_sum(v: np.ndarray) -> np.float32:
    """The one summation order of the format: 16 running lanes, then halving."""
    lanes = v.astype(F32).reshape(-1, 16)
    acc = lanes[0].copy()
    for row in lanes[1:]:
        acc = acc + row
    while acc.size > 1:
        acc = acc[: acc.size // 2] + acc[acc.size // 2 :]
    return acc[0]


def encode_group(x: np.ndarray, bits: int, second: bool = False, least_squares: bool = False):
    """Codes [n], the bits of the binary16 norm, and what the two leave of the rotated group."""
    n = x.shape[0]
    x = x.astype(F32)
    if not np.all(np.isfinite(x)):
        return np.full(n, 1 << (bits - 1), dtype=np.uint8), F16_NAN, np.full(n, np.nan, dtype=F32)
    u = np.where(np.abs(x) < TINY, F32(0), np.clip(x, -HUGE, HUGE)).astype(F32)
    energy = tree_sum(u * u)
    if energy == 0:
        return np.full(n, 1 << (bits - 1), dtype=np.uint8), 0, np.zeros(n, dtype=F32)
    y = rotate_group(u, second)
    scale = F32(math.sqrt(n / GROUP)) / np.sqrt(energy)
    z = y * scale
    codes = np.sum(z[:, None] >= THRESHOLDS[bits][None, :], axis=1).astype(np.uint8)
    c = CENTROIDS[bits][codes]
    dot = tree_sum(y * c)
    nearest = dot / tree_sum(c * c)
    norm = nearest if least_squares else np.minimum(energy / dot, F32(2) * nearest)
    norm = np.minimum(norm, F16_MAX).astype(np.float16)
    return codes, int(norm.view(np.uint16)), y - norm.astype(F32) * c


def pack(codes: np.ndarray, bits: int) -> bytes:
    """Section 5.3: the bit planes of a group."""
    c = codes.astype(np.uint8)
    if bits == 4:
        return bytes(c[0::2] | (c[1::2] << 4))
    if bits == 1:
        return bytes(np.packbits(c, bitorder="little"))
    low = c & 3
    plane2 = bytes(low[0::4] | (low[1::4] << 2) | (low[2::4] << 4) | (low[3::4] << 6))
    if bits == 2:
        return plane2
    return plane2 + bytes(np.packbits(c >> 2, bitorder="little"))


def unpack(data: bytes, n: int, bits: int) -> np.ndarray:
    raw = np.frombuffer(data, dtype=np.uint8)
    if bits == 4:
        return np.stack([raw & 15, raw >> 4], axis=1).reshape(-1)
    if bits == 1:
        return np.unpackbits(raw, bitorder="little")
    low = np.stack([(raw[: n // 4] >> s) & 3 for s in (0, 2, 4, 6)], axis=1).reshape(-1)
    if bits == 2:
        return low
    return low | (np.unpackbits(raw[n // 4 :], bitorder="little") << 2)


# --- Section 6: the ggml block formats -------------------------------------------------------------------------

BLOCK = 32


def round_half_away(v: np.ndarray) -> np.ndarray:
    whole = np.trunc(v)
    return whole + np.trunc(F32(2) * (v - whole))


def saturate_f16(v: np.float32) -> int:
    return int(np.clip(v, -F16_MAX, F16_MAX).astype(np.float16).view(np.uint16))


def encode_q8_0(x: np.ndarray) -> tuple[bytes, int]:
    if not np.all(np.isfinite(x)):
        return bytes(BLOCK), F16_NAN
    peak = np.max(np.abs(x))
    if peak < TINY:
        return bytes(BLOCK), 0
    scale = peak / F32(127)
    q = round_half_away(x * (F32(1) / scale))
    return q.astype(np.int8).tobytes(), saturate_f16(scale)


def encode_q4_0(x: np.ndarray) -> tuple[bytes, int]:
    if not np.all(np.isfinite(x)):
        return bytes([0x88] * (BLOCK // 2)), F16_NAN
    peak = x[np.argmax(np.abs(x))]  # signed; the first of the largest magnitude
    if abs(peak) < TINY:
        return bytes([0x88] * (BLOCK // 2)), 0
    scale = peak / F32(-8)
    q = np.minimum(15, np.trunc(x * (F32(1) / scale) + F32(8.5))).astype(np.uint8)
    return bytes(q[: BLOCK // 2] | (q[BLOCK // 2 :] << 4)), saturate_f16(scale)


# --- Section 2: rows and pages ---------------------------------------------------------------------------------

TURBO_BITS = {"turbo2": 2, "turbo3": 3, "turbo4": 4}
RESIDUAL_BITS = {"turbo2q": 2, "turbo3q": 3}  # one of them is the sign of the residual
MIXED_BITS = {"turbo25": 2, "turbo35": 3}  # and one more for the second part

Part = tuple[bytes, np.ndarray]  # codes, and scales as binary16 bits, one a group or block


def outliers(head_dim: int) -> int:
    """Values of the second part of a mixed row: the largest multiple of 16 in half of it."""
    return head_dim // 32 * 16


def encode_turbo(x: np.ndarray, bits: int, second: bool = False, least_squares: bool = False):
    """A part, and what it leaves of the rotated values."""
    coded = [encode_group(x[s : s + n], bits, second, least_squares) for s, n in groups(x.size)]
    data = b"".join(pack(codes, bits) for codes, _, _ in coded)
    return (data, np.array([norm for _, norm, _ in coded], dtype=np.uint16)), np.concatenate([r for _, _, r in coded])


def encode_row(kind: str, x: np.ndarray) -> list[Part]:
    """The parts of a row: one, or two."""
    x = np.asarray(x, dtype=F32)
    with np.errstate(all="ignore"):
        if kind == "f16":
            half = x.astype(np.float16).view(np.uint16).copy()
            nan = np.isnan(x)
            half[nan] = F16_NAN | (x.view(np.uint32)[nan] >> 16 & 0x8000).astype(np.uint16)
            return [(half.tobytes(), np.zeros(0, dtype=np.uint16))]
        if kind in TURBO_BITS:
            return [encode_turbo(x, TURBO_BITS[kind])[0]]
        if kind in RESIDUAL_BITS:
            first, rest = encode_turbo(x, RESIDUAL_BITS[kind] - 1, least_squares=True)
            return [first, encode_turbo(rest, 1, True)[0]]
        if kind in MIXED_BITS:
            regular, bits = x.size - outliers(x.size), MIXED_BITS[kind]
            return [encode_turbo(x[:regular], bits)[0], encode_turbo(x[regular:], bits + 1)[0]]
        encode = {"q8_0": encode_q8_0, "q4_0": encode_q4_0}[kind]
        parts = [encode(block) for block in x.reshape(-1, BLOCK)]
        return [(b"".join(codes for codes, _ in parts), np.array([scale for _, scale in parts], dtype=np.uint16))]


def decode_turbo(part: Part, bits: int, n_values: int) -> np.ndarray:
    data, norms = part
    scale = norms.view(np.float16).astype(F32)
    out = []
    for g, (start, n) in enumerate(groups(n_values)):
        chunk = data[start * bits // 8 : (start + n) * bits // 8]
        out.append(scale[g] * CENTROIDS[bits][unpack(chunk, n, bits)])
    return np.concatenate(out)


def decode_row(kind: str, parts: list[Part], head_dim: int) -> np.ndarray:
    """Floats of the rotated domain."""
    data, scales = parts[0]
    if kind == "f16":
        return np.frombuffer(data, dtype=np.float16).astype(F32)
    if kind in TURBO_BITS:
        return decode_turbo(parts[0], TURBO_BITS[kind], head_dim)
    if kind in RESIDUAL_BITS:
        rest = unrotate(decode_turbo(parts[1], 1, head_dim), True)
        return decode_turbo(parts[0], RESIDUAL_BITS[kind] - 1, head_dim) + rest
    if kind in MIXED_BITS:
        n, bits = outliers(head_dim), MIXED_BITS[kind]
        return np.concatenate([decode_turbo(parts[0], bits, head_dim - n), decode_turbo(parts[1], bits + 1, n)])
    raw = np.frombuffer(data, dtype=np.uint8).reshape(len(scales), -1)
    if kind == "q8_0":
        q = raw.view(np.int8).astype(F32)
    else:
        q = np.concatenate([raw & 15, raw >> 4], axis=1).astype(F32) - F32(8)
    return (scales.view(np.float16).astype(F32)[:, None] * q).reshape(-1)


def rotate_row(kind: str, x: np.ndarray) -> np.ndarray:
    """Into the domain of decode_row, along the last axis."""
    if kind in MIXED_BITS:
        n = outliers(x.shape[-1])
        return np.concatenate([rotate(x[..., :-n]), rotate(x[..., -n:])], axis=-1)
    return rotate(x) if kind.startswith("turbo") else x


def unrotate_row(kind: str, x: np.ndarray) -> np.ndarray:
    if kind in MIXED_BITS:
        n = outliers(x.shape[-1])
        return np.concatenate([unrotate(x[..., :-n]), unrotate(x[..., -n:])], axis=-1)
    return unrotate(x) if kind.startswith("turbo") else x


def row_parts(kind: str, head_dim: int) -> list[tuple[int, int]]:
    """Code bytes and number of scales of each part of a row."""
    if kind == "f16":
        return [(2 * head_dim, 0)]
    if kind in TURBO_BITS:
        return [(head_dim * TURBO_BITS[kind] // 8, len(groups(head_dim)))]
    if kind in RESIDUAL_BITS:
        n_groups = len(groups(head_dim))
        return [(head_dim * (RESIDUAL_BITS[kind] - 1) // 8, n_groups), (head_dim // 8, n_groups)]
    if kind in MIXED_BITS:
        n, bits = outliers(head_dim), MIXED_BITS[kind]
        regular = head_dim - n
        return [(regular * bits // 8, len(groups(regular))), (n * (bits + 1) // 8, len(groups(n)))]
    return [(head_dim * {"q8_0": 8, "q4_0": 4}[kind] // 8, head_dim // BLOCK)]


def row_bytes(kind: str, head_dim: int) -> int:
    return sum(codes + 2 * scales for codes, scales in row_parts(kind, head_dim))


def page_bytes(kind: str, head_dim: int) -> int:
    return PAGE_TOKENS * row_bytes(kind, head_dim)


def write_row(kind: str, page: bytearray, slot: int, x: np.ndarray) -> None:
    """Encodes x as token `slot` of a page."""
    base = 0
    for (data, scales), (code_bytes, n_scales) in zip(encode_row(kind, x), row_parts(kind, len(x))):
        page[base + slot * code_bytes : base + (slot + 1) * code_bytes] = data
        at = base + PAGE_TOKENS * code_bytes + slot * 2 * n_scales
        page[at : at + 2 * n_scales] = scales.astype("<u2").tobytes()
        base += PAGE_TOKENS * (code_bytes + 2 * n_scales)


def read_row(kind: str, page: bytes, slot: int, head_dim: int) -> list[Part]:
    """What write_row has written."""
    base, parts = 0, []
    for code_bytes, n_scales in row_parts(kind, head_dim):
        at = base + PAGE_TOKENS * code_bytes + slot * 2 * n_scales
        data = bytes(page[base + slot * code_bytes : base + (slot + 1) * code_bytes])
        parts.append((data, np.frombuffer(bytes(page[at : at + 2 * n_scales]), dtype="<u2")))
        base += PAGE_TOKENS * (code_bytes + 2 * n_scales)
    return parts
