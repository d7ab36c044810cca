"""Keys that are mostly a constant: the ratio against numpy, and who says so, on files with and without such a bias."""
import json
import os
import pathlib
import subprocess

import pytest

np = pytest.importorskip("numpy")
gguf = pytest.importorskip("gguf", reason="gguf is not installed")

MODELS = pathlib.Path(os.environ["TQ_MODEL"]).parent
QWEN = MODELS / "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf"
GEMMA = MODELS / "gemma-3-270m.Q4_K_M.gguf"
needs_qwen = pytest.mark.skipif(not QWEN.exists(), reason="no model " + QWEN.name)


def call(*arguments, code=0):
    run = subprocess.run([os.environ["TQ_BINARY"], *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert run.returncode == code, run.stderr
    return run


def ratios(path):
    """|b| / |W diag(g)| by layer; of W every row, which is what turboquant reads of matrices this small."""
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}

    def values(name):
        return gguf.quants.dequantize(tensors[name].data, tensors[name].tensor_type).astype(np.float64)
    result = []
    while (prefix := f"blk.{len(result)}.") + "attn_k.bias" in tensors:
        keys = values(prefix + "attn_k.weight") * values(prefix + "attn_norm.weight").ravel()
        result.append(np.linalg.norm(values(prefix + "attn_k.bias")) / np.linalg.norm(keys))
    return result


@needs_qwen
def test_ratio_is_that_of_the_weights():
    found = json.loads(call("info", QWEN, "--json").stdout)["cache"]["key_bias"]
    expected = ratios(QWEN)
    assert len(expected) == 24 and max(expected) > 20
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@needs_qwen
def test_coarse_keys_are_warned_of():
    warned = call("run", "-m", QWEN, "-p", "Hi", "-n", "1", "-c", "64").stderr
    assert warned.count("warning: ") == 1 and "attn_k.bias, layers 0-2, 4, 8" in warned and "-ctk q8_0" in warned
    assert "warning" not in call("run", "-m", QWEN, "-p", "Hi", "-n", "1", "-c", "64", "-ctk", "q8_0").stderr
    assert "use -ctk q8_0" in call("info", QWEN).stdout
    assert "warning" not in call("info", QWEN, "-ctk", "q8_0", "-ctv", "turbo4").stdout


@needs_qwen
def test_verify_warns_before_it_measures():
    corpus = pathlib.Path(__file__).resolve().parents[1] / "data/quality.txt"
    run = call("attention-fidelity", "-m", QWEN, "-c", "128", "--corpus", corpus, code=1)  # no-go
    assert run.stderr.startswith("warning: ")
    assert run.stderr.index("warning: ") < run.stderr.index("attention-fidelity")


@pytest.mark.parametrize("model", [pathlib.Path(os.environ["TQ_MODEL"]), GEMMA])
def test_models_without_a_bias_are_not(model):
    if not model.exists():
        pytest.skip(f"no model {model.name}")
    info = json.loads(call("info", model, "--json").stdout)["cache"]
    assert info["key_bias"] is None and info["warning"] is None
    assert "warning" not in call("run", "-m", model, "-p", "Hi", "-n", "1", "-c", "64", "--raw").stderr
