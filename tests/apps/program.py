"""Starts the real `turboquant` (TQ_BINARY) on the real model (TQ_MODEL), or on copies with a few bytes changed."""
import json
import mmap
import os
import shutil
import subprocess

import pytest

from schemas import validate

for _name in ("TQ_BINARY", "TQ_MODEL"):
    if not os.path.exists(os.environ.get(_name, "")):
        pytest.skip(f"{_name} names no file", allow_module_level=True)

BINARY = os.environ["TQ_BINARY"]
MODEL = os.environ["TQ_MODEL"]
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

# What the machine running the tests has set must not change them.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("TURBO_LAYER_ADAPTIVE", "TURBOQUANT_ISA")}


def start(*arguments, env=None, **options):
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([BINARY, *arguments], env=ENVIRONMENT | (env or {}), **pipes)


def call(*arguments, stdin=b"", env=None, **options):
    """Runs to the end: exit code, standard output and standard error, both as they must be: UTF-8."""
    process = start(*arguments, env=env, stdin=subprocess.PIPE, **options)
    try:
        out, err = process.communicate(stdin, timeout=60)
    finally:
        process.kill()  # where it had more to say than the time for it
    return process.returncode, (out or b"").decode(), (err or b"").decode()


def run(*arguments, **options):
    return call("run", "-m", MODEL, *arguments, **options)


def run_json(*arguments, **options):
    code, out, err = run("--json", *arguments, **options)
    assert code == OK, err
    result = json.loads(out)
    validate(result, "run")
    return result


def assert_error(result, code, *fragments):
    """One sentence on stderr, nothing on stdout."""
    got, out, err = result
    assert (got, out) == (code, ""), (got, out, err)
    assert err.startswith("turboquant: ") and err.count("\n") == 1 and err.endswith("\n"), err
    for fragment in fragments:
        assert fragment in err, err


def patched_model(path, old, new):
    """A copy of the model with the first `old` replaced by bytes of the same length."""
    assert len(old) == len(new)
    shutil.copyfile(MODEL, path)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        at = view.find(old)
        assert at >= 0
        view[at:at + len(new)] = new
    return str(path)
