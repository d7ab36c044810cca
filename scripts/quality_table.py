#!/usr/bin/env python3
"""Prints the README's table of cache types: bytes a token, and distance to an f16 cache on tests/data/quality.txt.

  .venv/bin/python scripts/quality_table.py [--model F] [--pairs K/V,K/V...] [--tokens N] [--json F]
                                                                         (about three minutes on two cores)
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/oracle"))
PAIRS = [("q8_0", "q8_0"), ("q4_0", "q4_0"), ("turbo4", "turbo4"), ("turbo3", "turbo3"), ("turbo2", "turbo2"),
         ("f16", "turbo4"), ("f16", "turbo3"), ("f16", "turbo2"), ("turbo4", "f16"), ("turbo3", "f16"),
         ("q8_0", "turbo4"), ("q8_0", "turbo3"), ("q8_0", "turbo2")]
TWO_PARTS = ("turbo35", "turbo25", "turbo3q", "turbo2q")  # docs/decisions/qjl.md
PAIRS += [pair for t in TWO_PARTS for pair in ((t, t), ("q8_0", t), (t, "q8_0"))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--eval", default=str(ROOT / "build/release/tests/oracle/tq_eval"))
    parser.add_argument("--program", default=str(ROOT / "build/release/turboquant"))
    parser.add_argument("--pairs", type=lambda text: [tuple(pair.split("/")) for pair in text.split(",")], default=PAIRS)
    parser.add_argument("--tokens", type=int, help="of the text, from its start")
    parser.add_argument("--json")
    options = parser.parse_args()
    os.environ["TQ_MODEL"], os.environ["TQ_EVAL"] = options.model, options.eval
    from quality import Quality, text_tokens

    info = json.loads(subprocess.run([options.program, "info", options.model, "--json"], check=True, text=True,
                                     capture_output=True).stdout)
    both = info["cache"]["bytes_per_token"]  # K and V of one type

    def bytes_per_token(type_k, type_v):
        return (both[type_k] + both[type_v]) / 2

    quality = Quality(text_tokens()[:options.tokens])
    f16 = bytes_per_token("f16", "f16")
    print("| K | V | bytes a token | smaller | mean KL | top-1 | perplexity |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print(f"| f16 | f16 | {f16:.0f} | 1.0x | 0 | 100 % | 0 |", flush=True)
    rows = []
    for type_k, type_v in options.pairs:
        s = quality.measure(type_k, type_v)
        size = bytes_per_token(type_k, type_v)
        rows.append({"k": type_k, "v": type_v, "bytes_per_token": size, **s})
        print(f"| {type_k} | {type_v} | {size:.0f} | {f16 / size:.1f}x | {s['kl_mean']:.4f} | {100 * s['top1']:.1f} % "
              f"| {100 * s['ppl_change']:+.2f} % |", flush=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
