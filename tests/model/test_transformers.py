"""Every architecture against transformers, and against llama.cpp on the same file: tiny models with F32 weights, so that
only the order of sums and the cache's binary16 differ."""
import functools
import pathlib

import numpy as np
import pytest

import transformers_cases as cases
import tq_eval
from llama_peer import LlamaPeer
from to_gguf import write_gguf

GOLDEN = pathlib.Path(__file__).parent / "transformers.npz"
BAR = 1e-3
# llama.cpp lets Phi 3 see all, whatever its window (a warning says so): they agree up to there.
LLAMA_CPP_DIFFERS = {"phi 3, window"}


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")

    @functools.cache
    def make(name):
        return write_gguf(folder / f"{name}.gguf", cases.config_of(name), cases.weights_of(name))
    return make


def error(ours, theirs):
    """|ours - theirs| / |theirs|, norms over all positions."""
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


@pytest.mark.parametrize("chunk", [0, 1], ids=["prefill", "decode"])
@pytest.mark.parametrize("name", cases.CASES)
def test_logits(name, chunk, golden, model):
    ours = tq_eval.logits(cases.tokens_of(name), model=model(name), chunk=chunk)[cases.POSITIONS]
    theirs = golden[name + "/logits"]
    print(f"{name}: {error(ours, theirs):.1e}")
    assert error(ours, theirs) < BAR
    assert (ours.argmax(axis=-1) == theirs.argmax(axis=-1)).all()


@pytest.mark.parametrize("name", cases.CASES)
def test_greedy(name, golden, model):
    options = {"n_ctx": cases.SHORT_CONTEXT[name]} if name in cases.SHORT_CONTEXT else {}
    prompt = cases.tokens_of(name)[:cases.PROMPT]
    tokens, rows = tq_eval.greedy(prompt, cases.GENERATED, model=model(name), **options)
    assert tokens == golden[name + "/greedy"].tolist()
    theirs = golden[name + "/greedy logits"]
    assert error(rows[:len(theirs)], theirs) < BAR


@pytest.mark.parametrize("name", cases.CASES)
def test_llama_cpp(name, model):
    tokens = cases.tokens_of(name)
    same = cases.config_of(name)["sliding_window"] if name in LLAMA_CPP_DIFFERS else len(tokens)
    peer = LlamaPeer(model(name), n_ctx=512)
    theirs = peer.logits(tokens)[:same]  # of all at once: llama.cpp computes short batches with binary16 sums
    prompt = tokens[:min(cases.PROMPT, same - cases.GENERATED)]
    text, _ = peer.greedy(prompt, cases.GENERATED)
    peer.close()
    ours = tq_eval.logits(tokens, model=model(name))[:same]
    print(f"{name}: {error(ours, theirs):.1e}")
    assert error(ours, theirs) < BAR
    assert tq_eval.greedy(prompt, cases.GENERATED, model=model(name))[0] == text


def test_experts_alone_and_together(model):
    """One token computes its experts side by side, several tokens compute them one by one: the same bits."""
    name = "qwen 3, experts"
    alone, together = (tq_eval.logits(cases.tokens_of(name), model=model(name), chunk=chunk) for chunk in (1, 4))
    assert (alone == together).all()
