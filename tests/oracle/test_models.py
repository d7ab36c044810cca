"""Real models of other architectures than the one in test_logits.py, as people run them: quantised. Bars: runs.py."""
import os
import pathlib

import pytest

from exact import ExactModel
from prompts import PROMPTS
from runs import Runs, check_quantised_divergence, check_quantised_greedy

MODELS = {"qwen2": "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf", "gemma3": "gemma-3-270m.Q4_K_M.gguf"}
SOME_PROMPTS = ["prose", "chat", "python", "unicode"]
# Gemma's texts start with this token; without, it babbles, and nobody's distribution means much.
BOS = {"gemma3": 2}


@pytest.fixture(scope="module", params=MODELS)
def runs(request):
    path = pathlib.Path(os.environ["TQ_SOURCE_DIR"]) / "models" / MODELS[request.param]
    if not path.exists():
        pytest.skip(f"no model {path}")
    bos = [BOS[request.param]] if request.param in BOS else []
    runs = Runs(path, {name: PROMPTS[name] for name in SOME_PROMPTS}, bos)
    yield runs
    runs.llama.close()


@pytest.fixture(scope="module")
def exact(runs):
    return ExactModel(runs.path)


@pytest.mark.parametrize("name", SOME_PROMPTS)
def test_greedy_tokens(runs, exact, name):
    check_quantised_greedy(runs, exact, name)


def test_divergence(runs, exact):
    check_quantised_divergence(runs, exact)
