"""Resident memory as a user sees it: the kernel's peak of a process that loads a model, reads a prompt of several hundred
tokens and generates, against the size of the model's file and of its cache, and a tenth more. The kernel counts; nothing
that the program says of itself is believed."""
import os
import pathlib
import subprocess
import sys

import pytest
from program import BINARY, MODEL

SOURCE = pathlib.Path(os.environ["TQ_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE / "bench/engine"))
from random_model import PRESETS, write_model  # noqa: E402

PROMPT = 600  # tokens: more than one batch
SHARE = 1.10
# The program's code, libraries and activations are nearly a tenth of a model of 94 MiB. Libraries differ, so there alone this
# is let pass.
SMALL_MODEL_BYTES = 1 << 19
# Bytes of a value, without the norms that share a row's.
VALUE_BYTES = {"f16": 2, "turbo4": 34 / 64}


# Starts a command and prints its peak in KiB. A small process of its own: the kernel counts what the parent holds at
# the fork as the child's.
WAIT = ("import os, sys; pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ); _, status, usage = os.wait4(pid, 0); "
        "print(usage.ru_maxrss); sys.exit(os.waitstatus_to_exitcode(status))")


def peak_bytes(path, cache_type):
    command = [BINARY, "bench", "-m", str(path), "-t", "2", "--prefill", str(PROMPT), "--decode", "8", "--depths", "0",
               "-ctk", cache_type, "-ctv", cache_type]
    done = subprocess.run([sys.executable, "-S", "-c", WAIT, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1]) * 1024


def cache_bytes(n_layers, n_kv_heads, head_dim, cache_type):
    """K and V of every layer for the prompt, in blocks of 128 tokens."""
    return 2 * n_layers * n_kv_heads * head_dim * VALUE_BYTES[cache_type] * -(-PROMPT // 128) * 128


def check(path, shape, cache_type="f16", allowance=0):
    size, cache, peak = os.path.getsize(path), cache_bytes(*shape, cache_type), peak_bytes(path, cache_type)
    print(f"{pathlib.Path(path).name}: file {size / 2**20:.1f} MiB, {cache_type} cache {cache / 2**20:.1f}, peak "
          f"{peak / 2**20:.1f}, {peak / (size + cache):.3f} of both")
    assert peak <= SHARE * (size + cache) + allowance


def test_random_model(tmp_path):
    """A model large enough for the program itself not to matter, of types that take more room once they are repacked."""
    path = tmp_path / "random.gguf"
    size = PRESETS["1b"] | {"layers": 3}
    write_model(path, size, "Q4_K_M", n_ctx=4096)
    check(path, (size["layers"], size["kv_heads"], size["head_dim"]))


@pytest.mark.parametrize("cache_type", VALUE_BYTES)
def test_small_model(cache_type):
    """Its embedding is its output's matrix, and nearly a third of the file: held twice, it would show."""
    check(MODEL, (30, 3, 64), cache_type, SMALL_MODEL_BYTES)


def test_large_vocabulary():
    """262,144 tokens, and 70 % of the file is an embedding that is its output's matrix."""
    path = pathlib.Path(MODEL).parent / "gemma-3-270m.Q4_K_M.gguf"
    if not path.exists():
        pytest.skip(f"no model {path}")
    check(path, (18, 1, 256))
