"""The chain of stages against numpy formulas and llama.cpp's samplers: the same survivors, the same probabilities."""
import os

import numpy as np
import pytest

from oracle import LlamaSamplers, Ours

OFF = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
DEFAULT = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05}
N_VOCAB = 2000

CASES = {
    "softmax": OFF,
    "default": DEFAULT,
    "temperature": OFF | {"temperature": 0.3},
    "hot": DEFAULT | {"temperature": 2.0},
    "greedy": DEFAULT | {"temperature": 0.0},
    "top_k": OFF | {"top_k": 17},
    "top_p": OFF | {"top_p": 0.7},
    "min_p": OFF | {"min_p": 0.2},
    "typical": OFF | {"typical_p": 0.5},
    "typical, top-k": OFF | {"typical_p": 0.8, "top_k": 50},
    "typical, top-p, min-p": DEFAULT | {"typical_p": 0.9, "top_p": 0.8, "min_p": 0.1},
    "typical, greedy": DEFAULT | {"typical_p": 0.3, "temperature": 0.0},
    "top_n_sigma": OFF | {"top_n_sigma": 1.5},
    "top_n_sigma, default": DEFAULT | {"top_n_sigma": 1.0},
    "xtc": OFF | {"xtc_probability": 1.0, "xtc_threshold": 0.02},
    "xtc, default": DEFAULT | {"xtc_probability": 1.0, "xtc_threshold": 0.1},
    "xtc off by threshold": DEFAULT | {"xtc_probability": 1.0, "xtc_threshold": 0.6},
    "xtc, greedy": DEFAULT | {"xtc_probability": 1.0, "xtc_threshold": 0.05, "temperature": 0.0},
    "dynamic temperature": OFF | {"temperature": 1.0, "dynamic_temperature_range": 0.7},
    "dynamic temperature, default": DEFAULT | {"dynamic_temperature_range": 1.5, "dynamic_temperature_exponent": 2.0},
    "repeat": OFF | {"repeat_penalty": 1.3},
    "repeat below 1": OFF | {"repeat_penalty": 0.8},
    "frequency": OFF | {"frequency_penalty": 0.7},
    "presence": OFF | {"presence_penalty": 1.2},
    "negative presence": OFF | {"presence_penalty": -1.2},
    "all penalties": DEFAULT | {"repeat_penalty": 1.2, "frequency_penalty": 0.3, "presence_penalty": 0.5},
    "last 5": OFF | {"repeat_penalty": 2.0, "frequency_penalty": 0.3, "penalty_last_n": 5},
    "last 0": OFF | {"repeat_penalty": 2.0, "penalty_last_n": 0},
    "bias": OFF | {"logit_bias": [[3, 5.0], [7, -4.5], [3, 1.0]]},
    "everything": {"temperature": 0.9, "top_k": 300, "top_p": 0.97, "min_p": 0.01, "typical_p": 0.95,
                   "top_n_sigma": 2.5, "xtc_probability": 1.0, "xtc_threshold": 0.08, "repeat_penalty": 1.1,
                   "frequency_penalty": 0.2, "presence_penalty": 0.1, "dynamic_temperature_range": 0.4,
                   "logit_bias": [[11, 3.0]]},
}


@pytest.fixture(scope="module")
def ours():
    return Ours(os.environ["TQ_MODEL"])


@pytest.fixture(scope="module")
def llama():
    return LlamaSamplers(os.environ["TQ_MODEL"])


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def by_formulas(logits, history, o):
    """The stages as the papers and llama.cpp's documentation describe them, each over whole sorted arrays."""
    x = np.array(logits, np.float64)
    for token, bias in o.get("logit_bias", []):
        x[token] += bias
    last_n = o.get("penalty_last_n", 64)
    window = list(history)[-last_n:] if last_n else []
    for token in set(window):
        factor = o.get("repeat_penalty", 1.0)
        x[token] = x[token] / factor if x[token] > 0 else x[token] * factor
        x[token] -= window.count(token) * o.get("frequency_penalty", 0.0) + o.get("presence_penalty", 0.0)
    ids = np.argsort(-x, kind="stable")
    if o.get("top_n_sigma", -1.0) > 0:
        ids = ids[x[ids] >= x.max() - o["top_n_sigma"] * x.std()]
    if o["top_k"]:
        ids = ids[:o["top_k"]]
    if o.get("typical_p", 1.0) < 1:
        p = softmax(x[ids])
        distance = np.abs(-np.log(p) + (p * np.log(p)).sum())
        order = np.argsort(distance, kind="stable")
        n = np.searchsorted(np.cumsum(p[order]), o["typical_p"], side="right") + 1
        ids = ids[np.sort(order[:n])]
    if o["top_p"] < 1:
        ids = ids[:np.searchsorted(np.cumsum(softmax(x[ids])), o["top_p"]) + 1]
    p = softmax(x[ids])
    ids = ids[p >= o["min_p"] * p.max()]
    if o.get("xtc_probability") and o["xtc_threshold"] <= 0.5 and len(ids) > 1:
        likely = (softmax(x[ids]) >= o["xtc_threshold"]).sum()
        ids = ids[max(likely - 1, 0):]
    t, spread = o["temperature"], o.get("dynamic_temperature_range", 0.0)
    if spread and len(ids) > 1:
        p = softmax(x[ids])
        entropy = -(p * np.log(p)).sum() / np.log(len(ids))
        low = max(0.0, t - spread)
        t = low + (t + spread - low) * entropy ** o.get("dynamic_temperature_exponent", 1.0)
    if t == 0:
        return {int(ids[0]): 1.0}
    return dict(zip(map(int, ids), softmax(x[ids] / t)))


def assert_same(ours, theirs, rtol):
    assert set(ours) == set(theirs), (len(ours), len(theirs), set(ours) ^ set(theirs))
    tokens = sorted(ours)
    np.testing.assert_allclose([ours[t] for t in tokens], [theirs[t] for t in tokens], rtol=rtol, atol=1e-9)


def draws():
    """Logits of various shapes, with a history that the penalties find."""
    for seed in range(3):
        random = np.random.default_rng(seed)
        logits = random.normal(0, (1, 2.5, 4)[seed], N_VOCAB).astype(np.float32)
        top = np.argsort(-logits)[:30]
        yield logits, random.choice(top, 100)


@pytest.mark.parametrize("name", CASES)
def test_formulas(ours, name):
    for logits, history in draws():
        assert_same(ours.weigh(logits, history, **CASES[name]), by_formulas(logits, history, CASES[name]), 1e-5)


@pytest.mark.parametrize("name", CASES)
def test_llama_cpp(ours, llama, name):
    for logits, history in draws():
        # Probabilities there are floats, logits are divided by the temperature in float.
        assert_same(ours.weigh(logits, history, **CASES[name]), llama.chain(logits, history, CASES[name]), 2e-4)


def repetitive(random, tokens, n):
    """A text that repeats parts of itself."""
    text = list(random.choice(tokens, 6))
    while len(text) < n:
        if random.random() < 0.6:
            start = random.integers(0, len(text))
            text += text[start:start + random.integers(1, 9)]
        else:
            text.append(random.choice(tokens))
    return text[:n]


def test_dry_against_llama_cpp(ours, llama):
    """Breakers too: as one token, as a part of one, and over several tokens."""
    encode = lambda text: llama.vocab.encode(text.encode(), False)
    words = encode(' a b c the of and\n: "hello" * ** x:y ".\n end of story')
    random = np.random.default_rng(5)
    penalised = 0
    for i in range(60):
        logits = random.normal(0, 2, llama.vocab.size).astype(np.float32)
        options = OFF | {"top_k": 3000, "dry_multiplier": float(random.choice([0.8, 2.0])), "dry_base": float(random.choice([1.0, 1.75])),
                         "dry_allowed_length": int(random.integers(1, 5)), "dry_penalty_last_n": int(random.choice([20, 64, 4096]))}
        if i % 3:
            options["dry_sequence_breakers"] = [[], ["end of story", "b c"], ["\n", ":", '"', "*"]][int(random.integers(0, 3))]
        history = repetitive(random, words, int(random.integers(3, 120)))
        # What a penalty moves should be likely, or no candidate set changes.
        logits[sorted(set(history))] += 6
        mine = ours.weigh(logits, history, **options)
        assert_same(mine, llama.chain(logits, history, options), 2e-4)
        plain = ours.weigh(logits, history, **(OFF | {"top_k": 3000}))
        penalised += mine.keys() != plain.keys() or not np.allclose([mine[t] for t in plain], list(plain.values()))
    assert penalised > 8


def test_mirostat_follows_its_formula(ours):
    """mu starts at 2 tau and follows the surprise of what was drawn; tokens of a surprise above mu are out."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, 500).astype(np.float32)
    for tau, eta, temperature in ((5.0, 0.1, 0.8), (2.0, 0.5, 1.0), (0.1, 0.3, 1.2)):
        steps = ours.ask("mirostat", logits=list(map(float, logits)), steps=40,
                         options=OFF | {"mirostat": 2, "mirostat_tau": tau, "mirostat_eta": eta, "temperature": temperature, "seed": 7})
        p = softmax(logits.astype(np.float64) / temperature)
        mu = 2 * tau
        for token, distribution in steps:
            keep = np.flatnonzero(-np.log2(p) <= mu)
            keep = keep if len(keep) else np.array([p.argmax()])
            expected = dict(zip(map(int, keep), p[keep] / p[keep].sum()))
            assert_same(dict(map(tuple, distribution)), expected, 1e-6)
            mu -= eta * (-np.log2(expected[token]) - tau)


def test_mirostat_truncates_as_llama_cpp(ours, llama):
    random = np.random.default_rng(4)
    for _ in range(5):
        logits = random.normal(0, 2, 800).astype(np.float32)
        array, data = llama.candidates(logits)
        llama.apply(array, "temp_ext", 0.7, 0.0, 1.0)
        llama.apply(array, "mirostat_v2", 1, 1.5, 0.1)
        (_, mine), = ours.ask("mirostat", logits=list(map(float, logits)), steps=1,
                              options=OFF | {"mirostat": 2, "mirostat_tau": 1.5, "temperature": 0.7})
        assert_same(dict(map(tuple, mine)), llama.distribution(array), 2e-4)


def test_logprobs_are_those_of_the_models_distribution(ours):
    random = np.random.default_rng(6)
    for n in (0, 1, 5, 20):
        logits = random.normal(0, 3, 5000).astype(np.float32)
        x = logits.astype(np.float64)
        log_p = x - x.max() - np.log(np.exp(x - x.max()).sum())
        sampled, top = ours.ask("logprobs", logits=list(map(float, logits)), token=123, n=n)
        assert sampled == pytest.approx(log_p[123], abs=1e-5)
        assert [token for token, _ in top] == list(np.argsort(-x, kind="stable")[:n])
        np.testing.assert_allclose([logprob for _, logprob in top], [log_p[token] for token, _ in top], atol=1e-5)
