"""`turboquant perplexity` against llama.cpp: the same file, windows and definition, by llama.cpp's own logits.

The definition is written out here again, from llama.cpp's tools/perplexity: the text is tokenized with the special
tokens that the model wants, and cut into windows of n_ctx tokens one after another; where the model wants BOS, it takes
the place of a window's first token; of each window, positions n_ctx/2 .. n_ctx-2 predict their next token; exp of the
mean. Tolerance: 0.5 %, which is what two engines that round activations differently may differ by on a few thousand
tokens (test_logits.py measures it). Gemma is the model that wants BOS; its weights are made F16 here, so that neither
engine rounds activations, and the tolerance is 0.05 %.
"""
import json
import os
import pathlib
import subprocess

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("xllamacpp")

from f16_model import f16_copy  # noqa: E402
from measure import log_softmax  # noqa: E402

CORPUS = pathlib.Path(__file__).resolve().parents[1] / "data/quality.txt"
WINDOW = 512
GEMMA = pathlib.Path(os.environ["TQ_SOURCE_DIR"]) / "models/gemma-3-270m.Q4_K_M.gguf"


def llama_perplexity(model, windows):
    from llama_peer import LlamaPeer, tokenize
    peer = LlamaPeer(model, n_ctx=WINDOW)
    bos = tokenize(peer.lib, peer.vocab, b"", False, add_special=True)
    tokens = tokenize(peer.lib, peer.vocab, CORPUS.read_bytes(), False, add_special=True)
    assert len(tokens) // WINDOW == windows
    nlls = []
    for start in range(0, windows * WINDOW, WINDOW):
        window = bos + tokens[start + len(bos):start + WINDOW]
        logits = log_softmax(peer.logits(window)[WINDOW // 2:-1])
        nlls.extend(-logits[np.arange(len(logits)), window[WINDOW // 2 + 1:]])
    peer.close()
    nlls = np.array(nlls)
    ppl = np.exp(nlls.mean())
    return len(nlls), ppl, ppl * nlls.std(ddof=1) / np.sqrt(len(nlls))


def compare(model, tolerance):
    run = subprocess.run([os.environ["TQ_BINARY"], "perplexity", "-m", model, "-ctk", "f16", "-ctv", "f16",
                          "--corpus", str(CORPUS), "--json"], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr  # f16 against f16: go
    ours = json.loads(run.stdout)["gates"][0]["numbers"][str(WINDOW)]["baseline"]
    tokens, ppl, error = llama_perplexity(model, ours["windows"])
    print(f"llama_perplexity {ppl:.4f} +- {error:.4f}, ours {ours['value']:.4f} +- {ours['standard_error']:.4f}")
    assert ours["tokens"] == tokens
    assert abs(ours["value"] / ppl - 1) < tolerance
    assert abs(ours["standard_error"] / error - 1) < 0.02


def test_smollm2():
    compare(os.environ["TQ_MODEL"], 0.005)


def test_gemma_in_f16(tmp_path):
    if not GEMMA.exists():
        pytest.skip(f"no model {GEMMA}")
    compare(str(f16_copy(GEMMA, tmp_path)), 0.0005)
