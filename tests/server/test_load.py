"""bench/server/load.py, short and over a model of random weights: 200 clients, most of them badly behaved."""
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/model"))
SECONDS = 20


def test_no_answer_is_lost_or_mixed_up(tmp_path):
    pytest.importorskip("gguf", reason="gguf is not installed")
    from random_llama import write_random_llama
    binary = os.environ.get("TQ_BINARY", "")
    if not os.path.exists(binary):
        pytest.skip("TQ_BINARY names no file")
    model = tmp_path / "random.gguf"
    write_random_llama(model, n_layers=3, n_embd=256, n_heads=4, n_kv_heads=2, n_ff=512, n_vocab=2000, n_ctx=1024)
    got = subprocess.run([sys.executable, str(ROOT / "bench/server/load.py"), "-m", str(model), "--binary", binary,
                          "--seconds", str(SECONDS)], capture_output=True, text=True)
    print(got.stdout)
    assert got.returncode == 0, got.stdout + got.stderr
    assert int(got.stdout.split()[0]) > 100  # answers
