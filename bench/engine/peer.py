#!/usr/bin/env python3
"""The peer's side of compare.py: llama.cpp out of a PyPI package, timed as `turboquant bench --json` times us."""
import argparse
import json
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/oracle"))
from llama_peer import BATCH, LlamaPeer  # noqa: E402


def feed(peer, tokens):
    for start in range(0, len(tokens), BATCH):
        peer.decode(tokens[start:start + BATCH], all_logits=False)
    peer.lib.llama_get_logits(peer.context)  # waits for the result


def rate(peer, tokens, step):
    start = time.perf_counter()
    for at in range(0, len(tokens), step):
        feed(peer, tokens[at:at + step])
    return len(tokens) / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("-ctk", default="f16")
    parser.add_argument("-ctv", default="f16")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--decode", type=int, default=32)
    parser.add_argument("--depths", default="0,4096")
    options = parser.parse_args()
    depths = [int(depth) for depth in options.depths.split(",")]

    start = time.perf_counter()
    peer = LlamaPeer(options.model, n_ctx=max(options.prefill, max(depths) + options.decode) + 64,
                     n_threads=options.threads, type_k=options.ctk, type_v=options.ctv,
                     packages=("llama-cpp-python", "xllamacpp"))
    load_s = time.perf_counter() - start
    result = {"program": f"{peer.package} {peer.version}", "system": peer.system_info(), "load_s": load_s,
              "prefill": {}, "decode": {}}
    tokens = [(7 * i) % 10000 + 100 for i in range(max(options.prefill, max(depths)) + options.decode)]
    feed(peer, tokens[:8])  # pages and threads
    peer.truncate(0)
    result["prefill"][options.prefill] = rate(peer, tokens[:options.prefill], options.prefill)
    for depth in sorted(depths):
        peer.truncate(0)
        feed(peer, tokens[:max(depth, 1)])
        result["decode"][depth] = rate(peer, tokens[max(depth, 1):][:options.decode], 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
