#!/usr/bin/env python3
"""Our decode attention beside llama.cpp's: one token, one layer, the same shape, threads and minute.

  bench/attention/compare.py                       SmolLM2's shape and 32 heads of 128 over 8 KV heads, at 32768 tokens
  bench/attention/compare.py --rounds 7 --markdown

Ours: `turboquant bench attention`. Theirs: attention's part of a decode step (peer.py) of a random model of the shape.
Each round runs all of ours, then all of theirs; ratios are taken within a round, and their median and range printed.
llama.cpp is the one of bench/engine/compare.py.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/engine"))
from compare import Table, cpu_name, ensure_peer, run  # noqa: E402

# Enough layers that a cache exceeds what the last-level cache holds, few enough that filling it takes seconds.
SHAPES = {"9/3/64": {"heads": 9, "kv_heads": 3, "head_dim": 64, "layers": 4},
          "32/8/128": {"heads": 32, "kv_heads": 8, "head_dim": 128, "layers": 2}}
OURS = ("f16", "q8_0", "q4_0", "turbo4", "turbo3", "turbo2")
THEIRS = ("f16", "q8_0", "q4_0")


def write_model(path, shape, n_ctx):
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from random_llama import write_random_llama as w; import json;"
            "w(sys.argv[2], **json.loads(sys.argv[3]))")
    settings = {"n_layers": shape["layers"], "n_embd": 576, "n_heads": shape["heads"], "n_kv_heads": shape["kv_heads"],
                "head_dim": shape["head_dim"], "n_ff": 96, "n_ctx": n_ctx, "weight_type": "Q8_0"}
    subprocess.run([str(ROOT / ".venv/bin/python"), "-c", code, str(ROOT / "tests/model"), str(path),
                    json.dumps(settings)], check=True)


def ours(options, shape):
    result = run([options.program, "bench", "attention", "--json", "--types", ",".join(OURS), "-t", options.threads,
                  "--heads", shape["heads"], "--kv-heads", shape["kv_heads"], "--head-dim", shape["head_dim"],
                  "--tokens", options.depth])
    return {row["type"]: row for row in result["results"]}


class Peer:
    """peer.py, its caches filled once for all rounds."""

    def __init__(self, python, model, options, shape):
        command = [python, ROOT / "bench/attention/peer.py", "-m", model, "--layers", shape["layers"], "-t",
                   options.threads, "--depth", options.depth, "--types", ",".join(THEIRS)]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.about = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("peer.py ended early")
        return json.loads(line)

    def round(self):
        print(file=self.process.stdin, flush=True)
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def report(options, name, rounds):
    print(f"\n{name}, {options.depth} tokens\n")
    table = Table(options.markdown, (10, 12, 12) + (18,) * len(THEIRS))
    table.head("ours", "us a layer", "of stream", *(f"/ their {other}" for other in THEIRS))
    for mine in OURS:
        cells = []
        for other in THEIRS:
            ratios = sorted(a[mine]["layer_us"] / b[other] for a, b in rounds)
            cells.append(f"{statistics.median(ratios):.3f} ({ratios[0]:.2f}-{ratios[-1]:.2f})")
        table.row(mine, f"{statistics.median(a[mine]['layer_us'] for a, _ in rounds):.0f}",
                  f"{statistics.median(a[mine]['of_stream'] for a, _ in rounds):.2f}", *cells)
    theirs = ", ".join(f"{kind} {statistics.median(b[kind] for _, b in rounds):.0f}" for kind in THEIRS)
    print(f"\ntheirs, us a layer: {theirs}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/turboquant"))
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    parser.add_argument("--depth", type=int, default=32768)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    python = ensure_peer()
    for name in options.shapes.split(","):
        shape = SHAPES[name]
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "random.gguf"
            write_model(model, shape, options.depth + 256)
            peer = Peer(python, model, options, shape)
            rounds = [(ours(options, shape), peer.round()) for _ in range(options.rounds)]
            peer.close()
        if name == options.shapes.split(",")[0]:
            print(f"{cpu_name()}, {options.threads} threads; theirs: {peer.about['program']}, "
                  f"{peer.about['system'].strip(' |')}")
        report(options, name, rounds)


if __name__ == "__main__":
    main()
