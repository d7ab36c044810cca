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


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_codebooks_are_lloyd_max(bits):
    derived = (ref.lloyd_max(bits) / math.sqrt(ref.GROUP)).astype(np.float32)
    np.testing.assert_array_equal(derived, ref.CENTROIDS[bits])


def test_vectors_regenerate_identically():
    run = subprocess.run([sys.executable, "-B", str(SPEC / "make_vectors.py"), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("n", [16, 32, 48, 64, 80, 96, 112, 128])
def test_rotation_is_orthogonal_and_undone(n, second):
    eye = np.eye(n, dtype=np.float32)
    r = ref.rotate_group(eye, second)
    np.testing.assert_allclose(r @ r.T, eye, atol=2e-6)
    np.testing.assert_allclose(ref.unrotate_group(r, second), eye, atol=2e-6)


def fourth_moment(first_word, n):
    """Of the entries of two passes with those signs, as a share of a uniformly random rotation's 3 / (n (n + 2))."""
    x = np.eye(n, dtype=np.float64)
    for _ in range(2):
        x = ref.wht((x * ref.signs(first_word)[:n]).astype(np.float32)).astype(np.float64)
    return np.mean(x**4) * n * (n + 2) / 3


def test_signs_of_the_second_rotation_are_the_first_that_look_random():
    """Section 3.4: the first pair of words whose fourth moments are those of a random rotation."""
    def good(first_word):
        near = {16: 0.07, 32: 0.03, 64: 0.03, 128: 0.03}
        return all(abs(fourth_moment(first_word, n) - 1) < tolerance for n, tolerance in near.items())
    assert [w for w in range(2, ref.SIGN_WORDS[1] + 1, 2) if good(w)] == [ref.SIGN_WORDS[1]]


@pytest.mark.parametrize("n", [48, 80, 96, 112])
def test_rotation_of_odd_groups_mixes(n):
    r = ref.rotate_group(np.eye(n, dtype=np.float32)).astype(np.float64)
    assert np.max(np.mean(r**4, axis=1)) * n * n < 7  # 1 is flat, 3 is Gaussian, n is a spike left alone


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
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
        k = ref.decode_row(kind, ref.encode_row(kind, x), dim).astype(np.float64)
        error += np.sum((y - k) ** 2)
        energy += np.sum(y * y)
        product += np.sum(y * k)
    assert abs(product / energy - 1) < 3e-4
    assert error / energy < 1.06 * optimum / (1 - optimum)


@pytest.mark.parametrize("kind", ["turbo4", "turbo3q", "turbo25", "q8_0", "q4_0", "f16"])
def test_pages_are_multiples_of_64_bytes(kind):
    for dim in [32, 64, 96, 128, 576]:
        assert ref.page_bytes(kind, dim) % 64 == 0


@pytest.mark.parametrize("kind", ["turbo3", "turbo3q", "turbo35", "f16"])
def test_write_row_touches_its_row_only(kind):
    page = bytearray(b"\xee" * ref.page_bytes(kind, 80))
    ref.write_row(kind, page, 127, np.ones(80, dtype=np.float32))
    before = ref.read_row(kind, page, 126, 80)
    assert all(set(data) <= {0xEE} and set(scales) <= {0xEEEE} for data, scales in before)
    assert sum(b != 0xEE for b in page) <= ref.row_bytes(kind, 80)
    for (data, scales), (data2, scales2) in zip(ref.read_row(kind, page, 127, 80), ref.encode_row(kind, np.ones(80))):
        assert data == data2 and list(scales) == list(scales2)


@pytest.mark.parametrize("kind", ["turbo4", "turbo3q", "turbo25"])
def test_rotation_of_rows_is_undone(kind):
    x = np.random.default_rng(5).standard_normal((4, 80)).astype(np.float32)
    np.testing.assert_allclose(ref.unrotate_row(kind, ref.rotate_row(kind, x)), x, atol=2e-6)
