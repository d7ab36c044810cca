"""conform.py over our codec on every instruction set this CPU has, over spec/ref.py, and over answers made wrong."""
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
CODEC = os.environ.get("TQ_CODEC_PEER")


def conform(*words):
    return subprocess.run([sys.executable, "-B", str(HERE / "conform.py"), *words], capture_output=True, text=True)


def last_line(run):
    return run.stdout.splitlines()[-1]


@pytest.mark.parametrize("isa", ["scalar", "avx2", "avx512", "neon", "dotprod"])
def test_codec(isa):
    probe = subprocess.run([CODEC, "--isa", isa], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if probe.returncode == 77:
        pytest.skip(f"this CPU or build has no {isa}")
    run = conform("--", CODEC, "--isa", isa)
    assert run.returncode == 0, run.stdout + run.stderr
    assert last_line(run) == "116 right, 0 wrong, 0 not run"


def test_specification_program():
    run = conform("--", sys.executable, "-B", str(HERE / "ref_peer.py"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert last_line(run) == "116 right, 0 wrong, 0 not run"


@pytest.mark.parametrize("op, words", [
    ("encode", "encode: byte 0 of the codes of part 1 in slot 0 (row 0)"), ("decode", "decode: value 0 of row 0"),
    ("rotate", "rotate: value 0 of row 0"), ("unrotate", "unrotate: row 0"), ("score", "score: query 0, row 0"),
    ("mix", "mix: query 0, value 0")])
def test_a_wrong_answer_is_seen(op, words):
    run = conform("--types", "turbo4,turbo3q", "--", CODEC, "--isa", "scalar", "--break", op)
    assert run.returncode == 1
    lines = run.stdout.splitlines()
    assert lines[-1].startswith("0 right, 26 wrong") and all(words in line for line in lines[:-1]), run.stdout


def test_an_implementation_that_dies_is_not_right():
    assert conform("--", sys.executable, "-c", "pass").returncode == 1


def test_an_implementation_of_nothing_is_not_right():
    nothing = "import sys\nwhile l := sys.stdin.buffer.readline().split():\n" \
              "    sys.stdin.buffer.read(4 * int(l[2]) * int(l[3])); print('unsupported: no kernels', flush=True)"
    run = conform("--", sys.executable, "-c", nothing)
    assert run.returncode == 77 and last_line(run) == "0 right, 0 wrong, 116 not run", run.stdout
