"""The llama architecture against llama.cpp on tiny random models: every variant that metadata can ask for."""
import numpy as np
import pytest

import tq_eval
from llama_peer import LlamaPeer
from random_llama import write_random_llama

VARIANTS = {
    "gqa": {},
    "mha": {"n_kv_heads": 4},
    "mqa": {"n_kv_heads": 1},
    "tied embeddings": {"tied": True},
    "biases": {"biases": True},
    "own head size": {"head_dim": 32},
    "odd sizes": {"n_embd": 80, "n_heads": 5, "n_kv_heads": 5, "n_ff": 112},
    "rope base": {"rope__freq_base": 500000.0},
    "rope linear": {"rope__scaling__type": "linear", "rope__scaling__factor": 4.0},
    "rope scale_linear, the old key": {"rope__scale_linear": 4.0},
    "rope none": {"rope__scaling__type": "none", "rope__scaling__factor": 4.0},
    "rope yarn": {"rope__scaling__type": "yarn", "rope__scaling__factor": 4.0,
                  "rope__scaling__original_context_length": 64},
    "rope yarn, attention factor": {"rope__scaling__type": "yarn", "rope__scaling__factor": 4.0,
                                    "rope__scaling__original_context_length": 64, "rope__scaling__attn_factor": 0.7},
    "rope_freqs (Llama 3.1)": {"rope_freqs": True, "rope__freq_base": 500000.0},
}
# The error that llama.cpp's rounding of activations (to 11, 8 and 7 bits) explains, relative rms; a misread type is
# above 1.
WEIGHT_TYPES = {"F16": 2e-3, "BF16": 0.02, "Q8_0": 0.05, "Q4_0": 0.05, "Q4_1": 0.05, "Q5_0": 0.05, "Q5_1": 0.05,
                "Q2_K": 0.05, "Q3_K": 0.05, "Q4_K": 0.05, "Q5_K": 0.05, "Q6_K": 0.05,
                "IQ4_NL": 0.05, "IQ4_XS": 0.05, "MXFP4": 0.05}
TOKENS = [int(t) for t in np.random.default_rng(5).integers(0, 300, 200)]


def relative_error(ours, theirs):
    """Largest difference over the spread of the logits of that position."""
    return float((np.abs(ours - theirs).max(axis=-1) / theirs.std(axis=-1)).max())


def relative_rms(ours, theirs):
    return float(np.sqrt(((ours - theirs) ** 2).mean()) / theirs.std())


@pytest.mark.parametrize("variant", VARIANTS)
def test_variant(variant, tmp_path):
    path = write_random_llama(tmp_path / "model.gguf", **VARIANTS[variant])
    peer = LlamaPeer(path, n_ctx=512)
    theirs = peer.logits(TOKENS)
    peer.close()
    for chunk in (0, 1):
        error = relative_error(tq_eval.logits(TOKENS, model=path, chunk=chunk), theirs)
        print(f"{variant}, {'prefill' if chunk == 0 else 'decode'}: {error:.1e}")
        assert error < 5e-3  # two f16 caches and different orders of summation; a wrong rotation is above 0.1


@pytest.mark.parametrize("weight_type, bound", WEIGHT_TYPES.items())
def test_weight_type(weight_type, bound, tmp_path):
    path = write_random_llama(tmp_path / "model.gguf", weight_type=weight_type, n_embd=256, n_ff=512)
    peer = LlamaPeer(path, n_ctx=512)
    theirs = peer.logits(TOKENS)
    peer.close()
    error = relative_rms(tq_eval.logits(TOKENS, model=path), theirs)
    print(f"{weight_type}: {error:.1e}")
    assert error < bound
