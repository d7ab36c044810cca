"""Compressed caches against our own f16 cache. Prints the figures of the README's table; asserts only floors.

Where the floors come from, for SmolLM2-135M (the smallest and so the most fragile model we serve):
- Rounding of activations alone is a mean KL of 0.003 and 95 % top-1 (test_logits.py): nothing measures below it.
- llama.cpp's q8_0 cache measures 0.0035 / 96 % on this text, its q4_0 cache 0.041 / 88 % with its Hadamard rotation of
  quantised caches (its default) and 0.128 / 79 % without (LLAMA_ATTN_ROT_DISABLE=1).
- turbo4 distorts a unit normal by 0.0095, turbo3 by 0.0345, turbo2 by 0.1175 (Lloyd-Max): small KL grows with the
  distortion, about fourfold a step. The floors are two to three times what that predicts from 0.04 for turbo4.
"""
import pytest

from quality import Quality, line, text_tokens

FLOORS = {  # (K, V) -> (mean KL at most, top-1 agreement at least)
    ("q8_0", "q8_0"): (0.010, 0.93),
    ("q4_0", "q4_0"): (0.30, 0.65),
    ("turbo4", "turbo4"): (0.10, 0.80),
    ("turbo3", "turbo3"): (0.45, 0.60),
    ("turbo2", "turbo2"): (2.0, 0.30),
    ("q8_0", "turbo4"): (0.03, 0.90),
    ("q8_0", "turbo3"): (0.10, 0.80),
}


@pytest.fixture(scope="module")
def quality(need):
    need("xllamacpp")
    return Quality(text_tokens())


@pytest.fixture(scope="module")
def figures(quality):
    return {}


@pytest.mark.parametrize("types", FLOORS, ids="-".join)
def test_floor(quality, figures, types):
    figures[types] = s = quality.measure(*types)
    print(line(*types, s))
    max_kl, min_top1 = FLOORS[types]
    assert s["kl_mean"] < max_kl
    assert s["top1"] > min_top1


def test_more_bits_are_better(figures):
    order = [figures[(t, t)]["kl_mean"] for t in ("turbo4", "turbo3", "turbo2") if (t, t) in figures]
    assert order == sorted(order)
