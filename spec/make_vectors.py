"""Writes spec/vectors: inputs, expected bytes and expected floats for every format. `--check` compares instead.

Run it only when a format is added: bytes of a published format never change.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import ref

ROWS = 18
SLOT_STEP = 37  # rows land in slots (i * 37) mod 128, so that a writer that strays is seen
WHOLE_DIMS = [16, 48, 64, 80, 128, 192]  # all rows; other sizes have the first six
FEW_ROWS = 6
ROTATED_ROWS = 4
DIMS = {
    "turbo": [16, 32, 48, 64, 80, 96, 112, 128, 192, 256, 320, 512, 576],
    "mixed": [32, 48, 64, 80, 96, 112, 128, 192, 256, 320, 512, 576],
    "block": [32, 64, 96, 128, 192, 256, 320, 512, 576],
}
KINDS = {
    "turbo2": "turbo", "turbo3": "turbo", "turbo4": "turbo", "turbo2q": "turbo", "turbo3q": "turbo", "turbo25": "mixed",
    "turbo35": "mixed", "q8_0": "block", "q4_0": "block", "f16": "block",
}  # fmt: skip


def uniform(dim: int) -> np.ndarray:
    """[ROWS, dim] doubles in (-1, 1), from the format's own generator: numpy's streams may change."""
    stream = ref.splitmix64(dim)
    return np.array([[(next(stream) >> 11) * 2.0**-52 - 1.0 for _ in range(dim)] for _ in range(ROWS)])


def row_count(dim: int) -> int:
    return ROWS if dim in WHOLE_DIMS else FEW_ROWS


def inputs(dim: int) -> np.ndarray:
    """[row_count, dim]. Plain rows first, then one row for every rule of the specification about odd values."""
    x = uniform(dim)
    x[1] = x[1] ** 3 * 8  # heavy tails
    x[2, 3] = 40.0  # an outlier channel
    x[3] = x[3] * 0.05 + 1.5  # a large common constant
    x[4] *= 1e-3
    x[5] *= 1e-6  # the norm is a binary16 subnormal
    x[6] = 0.0
    x[7] = 1e-41  # binary32 subnormals count as zero
    x[8] = 0.0
    x[8, 0] = x[8, 1] = 1.0  # half of the rotated coordinates are exactly zero: ties at the middle threshold
    x[9] = np.where(np.arange(dim) % 2 == 0, 0.5, -0.5)
    x[10] = 0.0
    x[10, dim - 1] = -3.0  # one-hot
    x[11] = np.sign(x[11]) * 6.0e4  # the norm saturates
    x[12] *= 1e30  # values are clamped before anything is squared
    x[13, 5] = np.inf
    x[14, 0] = np.nan
    x[15] = 2.0**-40  # the smallest magnitude that counts
    x[16] = (np.arange(dim) % 32 - 15.5) / 4  # ties of the block formats' rounding
    x[16, ::32] = 127.0 / 8
    return x[: row_count(dim)].astype(np.float32)


def files() -> dict[str, bytes]:
    out: dict[str, bytes] = {}
    cases = []
    for dim in sorted(set(sum(DIMS.values(), []))):
        out[f"input_{dim}.f32"] = inputs(dim).astype("<f4").tobytes()
    for family, kind in (("turbo", "turbo4"), ("mixed", "turbo25")):
        for dim in DIMS[family]:
            rotated = ref.rotate_row(kind, inputs(dim)[:ROTATED_ROWS])
            out[f"rotated_{family}_{dim}.f32"] = rotated.astype("<f4").tobytes()
    for kind, family in KINDS.items():
        for dim in DIMS[family]:
            rows, floats = b"", b""
            for x in inputs(dim):
                parts = ref.encode_row(kind, x)
                rows += b"".join(codes + scales.astype("<u2").tobytes() for codes, scales in parts)
                floats += ref.decode_row(kind, parts, dim).astype("<f4").tobytes()
            name = f"{kind}_{dim}"
            out[f"{name}.rows"], out[f"{name}.f32"] = rows, floats
            first, second = (ref.row_parts(kind, dim) + [(0, 0)])[:2]
            cases.append(
                dict(type=kind, head_dim=dim, rows=row_count(dim), slot_step=SLOT_STEP, code_bytes=first[0],
                     scales=first[1], code_bytes_2=second[0], scales_2=second[1], page_bytes=ref.page_bytes(kind, dim),
                     input=f"input_{dim}.f32", rotated="" if family == "block" else f"rotated_{family}_{dim}.f32",
                     encoded=f"{name}.rows", decoded=f"{name}.f32")
            )  # fmt: skip
    out["manifest.json"] = (json.dumps(cases, indent=1) + "\n").encode()
    return out


def main() -> int:
    folder = Path(__file__).parent / "vectors"
    wrong = []
    for name, data in files().items():
        path = folder / name
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        elif not path.exists() or path.read_bytes() != data:
            wrong.append(name)
    if wrong:
        print("differ from spec/vectors:", ", ".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
