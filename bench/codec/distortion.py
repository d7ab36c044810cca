#!/usr/bin/env python3
"""What our types lose, beside faiss's TurboQuant quantisers: Gaussian vectors, and keys and values of a model.

  bench/codec/distortion.py [-m MODEL.gguf] [--build build/release]        prints the table of docs/decisions/codec-distortion.md

Runs in .venv-distortion (numpy and faiss-cpu, made on the first run). Our rows go through the codec itself
(tests/conformance/codec_peer), the model's come out of its f16 cache (tests/oracle/kv_dump).

  MSE    mean over rows of |x - x^|^2 / |x|^2
  gain   <q, x^> on <q, x>, the slope of the regression, minus 1, over a million pairs with random q; in parts per thousand
  sd     standard deviation of <q, x^> - <q, x>, over that of <q, x>

faiss's quantisers leave rotation to the caller: its RandomRotationMatrix goes first. `tqmse` codes unit vectors: they are
divided by their norms, which are counted as 16 bits, as ours are. `tq` adds signs of the residual and 8 bytes of factors;
its inner products are those of its own index.
"""
import argparse
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-distortion"
PACKAGES = ["faiss-cpu==1.15.1", "numpy==2.4.6"]
OURS = ["turbo2", "turbo2q", "turbo25", "turbo3", "turbo3q", "turbo35", "turbo4", "q4_0", "q8_0"]
THEIRS = ["2bit_tqmse", "3bit_tqmse", "4bit_tqmse", "2bit_tq", "3bit_tq"]
PAGE = 128
N_ROWS = 4096
N_QUERIES = 256


def enter_venv():
    python = VENV / "bin/python"
    if pathlib.Path(sys.prefix) == VENV:
        return
    if not (VENV / ".done").exists():
        print(f"making {VENV.name} with {', '.join(PACKAGES)} ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES], check=True)
        (VENV / ".done").touch()
    os.execv(python, [str(python), *sys.argv])


class Codec:
    """Rows through encode and decode of codec_peer (spec/conformance.md)."""

    def __init__(self, program, isa):
        self.process = subprocess.Popen([program, "--isa", isa], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, op, kind, dim, payload):
        self.process.stdin.write(f"{op} {kind} {dim} {PAGE} 1 0\n".encode() + payload)
        self.process.stdin.flush()
        word, size = self.process.stdout.readline().split()
        assert word == b"ok"
        return self.process.stdout.read(int(size))

    def reconstruct(self, kind, x):
        """The rows as stored, and their bytes."""
        out = []
        for page in x.reshape(-1, PAGE, x.shape[1]):
            stored = self.ask("encode", kind, x.shape[1], page.astype("<f4").tobytes())
            rotated = self.ask("decode", kind, x.shape[1], stored)
            out.append(np.frombuffer(self.ask("unrotate", kind, x.shape[1], rotated), "<f4"))
        return np.concatenate(out).reshape(x.shape), len(stored) / PAGE


def error_of_products(products, exact):
    gain = np.sum(products * exact) / np.sum(exact * exact) - 1
    return gain, np.std(products - exact) / np.std(exact)


def ours(codec, kind, x, q):
    rows, n_bytes = codec.reconstruct(kind, x)
    mse = np.mean(np.sum((x - rows) ** 2, 1) / np.sum(x * x, 1))
    return n_bytes * 8 / x.shape[1], mse, *error_of_products(q @ rows.T, q @ x.T)


def theirs(kind, x, q):
    dim = x.shape[1]
    rotation = faiss.RandomRotationMatrix(dim, dim)  # its quantisers expect rotated vectors
    rotation.init(7)
    x, q = rotation.apply(x), rotation.apply(q)
    quantizer = getattr(faiss.ScalarQuantizer, f"QT_{kind}")
    norms = np.linalg.norm(x, axis=1, keepdims=True) if kind.endswith("mse") else np.ones((len(x), 1), "f4")
    unit = np.ascontiguousarray(x / norms)
    index = faiss.IndexScalarQuantizer(dim, quantizer, faiss.METRIC_INNER_PRODUCT)
    index.train(unit)
    index.add(unit)
    rows = index.reconstruct_n(0, len(x)) * norms
    found, order = index.search(q, len(x))
    products = np.empty_like(found)
    np.put_along_axis(products, order, found, axis=1)
    bits = index.sq.code_size * 8 / dim + (16 / dim if kind.endswith("mse") else 0)
    mse = np.mean(np.sum((x - rows) ** 2, 1) / np.sum(x * x, 1))
    return bits, mse, *error_of_products(products * norms.T, q @ x.T)


def model_rows(build, model):
    """Random rows of a model's keys and of its values."""
    run = subprocess.run([build / "tests/oracle/kv_dump", "--model", model, "--text", ROOT / "tests/data/quality.txt"],
                         stdout=subprocess.PIPE, check=True)
    dim = int(np.frombuffer(run.stdout[:16], np.int32)[2])
    both = np.frombuffer(run.stdout[16:], np.float32).reshape(2, -1, dim)
    picked = np.random.default_rng(1).choice(both.shape[1], N_ROWS, replace=False)
    return both[0, picked], both[1, picked]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", action="append", help="a GGUF file, several times for several")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--isa", default="scalar")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    sets = {f"Gaussian, {dim}": rng.standard_normal((N_ROWS, dim)).astype("f4") for dim in (64, 128)}
    for model in options.model or [ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"]:
        name = pathlib.Path(model).name.split("-")[0]
        sets[f"{name} K"], sets[f"{name} V"] = model_rows(options.build, model)
    codec = Codec(options.build / "tests/conformance/codec_peer", options.isa)
    print("| rows | type | bits | MSE | gain, per mille | sd |\n| --- | --- | --- | --- | --- | --- |")
    for name, x in sets.items():
        q = rng.standard_normal((N_QUERIES, x.shape[1])).astype("f4")
        results = [(kind, *ours(codec, kind, x, q)) for kind in OURS]
        results += [(f"faiss {kind}", *theirs(kind, x, q)) for kind in THEIRS]
        for kind, bits, mse, gain, sd in results:
            print(f"| {name} | {kind} | {bits:.3f} | {mse:.5f} | {1000 * gain:+.1f} | {sd:.4f} |", flush=True)


if __name__ == "__main__":
    enter_venv()
    import faiss
    import numpy as np
    main()
