"""Our engine with an f16 cache against llama.cpp with one and against exact arithmetic, on the same file.

Two files. With F16 weights neither engine rounds activations to 8 bits, and the bars are absolute: the same 64 greedy
tokens, or a near tie where they part, and a mean KL divergence below 1e-3. With the quantised file (what people run) the
bars are those of runs.py.
"""
import os
import pathlib

import pytest

import tq_eval
from exact import ExactModel
from f16_model import f16_copy
from measure import Divergence
from prompts import PROMPTS
from runs import MEAN_KL, TOP2_MARGIN, Runs, check_quantised_divergence, check_quantised_greedy, first_difference


@pytest.fixture(scope="module")
def f16():
    folder = pathlib.Path(os.environ["TQ_SOURCE_DIR"]) / "build/oracle"
    folder.mkdir(parents=True, exist_ok=True)
    runs = Runs(f16_copy(os.environ["TQ_MODEL"], folder))
    yield runs
    runs.llama.close()


@pytest.fixture(scope="module")
def quantised():
    runs = Runs(os.environ["TQ_MODEL"])
    yield runs
    runs.llama.close()


@pytest.fixture(scope="module")
def exact():
    return ExactModel(os.environ["TQ_MODEL"])


@pytest.mark.parametrize("name", PROMPTS)
def test_f16_greedy_tokens(f16, name):
    difference = first_difference(f16, name)
    assert difference is None or difference[2] < TOP2_MARGIN


def test_f16_divergence(f16):
    distance = Divergence()
    for prompt, generated, _ in f16.texts.values():
        tokens = prompt + generated
        distance.add(f16.llama.logits(tokens), tq_eval.logits(tokens, model=f16.path), tokens[1:] + [None])
    s = distance.summary()
    print(f"F16 weights: mean KL {s['kl_mean']:.2e}  max {s['kl_max']:.2e}  top-1 {s['top1']:.4f} "
          f"({s['positions']} positions)")
    assert s["kl_mean"] < MEAN_KL


@pytest.mark.parametrize("name", PROMPTS)
def test_quantised_greedy_tokens(quantised, exact, name):
    check_quantised_greedy(quantised, exact, name)


def test_quantised_divergence(quantised, exact):
    check_quantised_divergence(quantised, exact)


def test_decode_is_prefill(quantised):
    """Token by token or at once: the same model, up to the rounding of activations (twice the bar: two such runs)."""
    prompt, generated, _ = quantised.texts["chat"]
    tokens = prompt + generated
    distance = Divergence()
    distance.add(tq_eval.logits(tokens), tq_eval.logits(tokens, chunk=1), tokens[1:] + [None])
    s = distance.summary()
    print(f"mean KL {s['kl_mean']:.6f}  max {s['kl_max']:.4f}")
    assert s["kl_mean"] < 2 * MEAN_KL
