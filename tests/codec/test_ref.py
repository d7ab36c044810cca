"""The specification's Python twin: its constants are what it says they are, its vectors are what it makes."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SPEC = Path(__file__).resolve().parents[2] / "spec"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SPEC))

import ref  # noqa: E402

TURBO_DIMS = [16, 32, 48, 64, 80, 96, 112, 128, 192, 256, 320, 512, 576]


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_codebooks_are_lloyd_max(bits):
    derived = (ref.lloyd_max(bits) / math.sqrt(ref.GROUP)).astype(np.float32)
    np.testing.assert_array_equal(derived, ref.CENTROIDS[bits])


def test_vectors_regenerate_identically():
    run = subprocess.run([sys.executable, "-B", str(SPEC / "make_vectors.py"), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("n", [16, 32, 48, 64, 80, 96, 112, 128])
def test_rotation_is_orthogonal_and_undone(n):
    eye = np.eye(n, dtype=np.float32)
    r = ref.rotate_group(eye)
    np.testing.assert_allclose(r @ r.T, eye, atol=2e-6)
    np.testing.assert_allclose(ref.unrotate_group(r), eye, atol=2e-6)


@pytest.mark.parametrize("n", [48, 80, 96, 112])
def test_rotation_of_odd_groups_mixes(n):
    r = ref.rotate_group(np.eye(n, dtype=np.float32)).astype(np.float64)
    assert np.max(np.mean(r**4, axis=1)) * n * n < 7  # 1 is flat, 3 is Gaussian, n is a spike left alone


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("n", [16, 48, 64, 112, 128])
def test_pack_round_trips(bits, n):
    codes = np.random.default_rng(n).integers(0, 1 << bits, n).astype(np.uint8)
    packed = ref.pack(codes, bits)
    assert len(packed) == n * bits // 8
    np.testing.assert_array_equal(ref.unpack(packed, n, bits), codes)


@pytest.mark.parametrize("kind", ["turbo2", "turbo3", "turbo4"])
@pytest.mark.parametrize("dim", TURBO_DIMS)
def test_inner_product_is_unbiased_and_error_bounded(kind, dim):
    optimum = {"turbo2": 0.1175, "turbo3": 0.03454, "turbo4": 0.009497}[kind]
    rng = np.random.default_rng(dim)
    error = energy = product = 0.0
    for _ in range(60):
        x = rng.standard_normal(dim).astype(np.float32)
        y = ref.rotate(x).astype(np.float64)
        k = ref.decode_row(kind, *ref.encode_row(kind, x), dim).astype(np.float64)
        error += np.sum((y - k) ** 2)
        energy += np.sum(y * y)
        product += np.sum(y * k)
    assert abs(product / energy - 1) < 3e-4
    assert error / energy < 1.06 * optimum / (1 - optimum)


@pytest.mark.parametrize("kind", ["turbo4", "q8_0", "q4_0", "f16"])
def test_pages_are_multiples_of_64_bytes(kind):
    for dim in [32, 64, 96, 128, 576]:
        assert ref.page_bytes(kind, dim) % 64 == 0


def test_write_row_touches_its_row_only():
    page = bytearray(b"\xee" * ref.page_bytes("turbo3", 80))
    ref.write_row("turbo3", page, 127, np.ones(80, dtype=np.float32))
    touched = [i for i, b in enumerate(page) if b != 0xEE]
    codes, scales = ref.row_bytes("turbo3", 80)
    assert min(touched) >= 127 * codes
    assert all(i < 128 * codes or i >= len(page) - 2 * scales for i in touched)
