#!/usr/bin/env python3
"""The peer's side of compare.py: llama.cpp out of a PyPI package, timed as `turboquant bench --follow --json` times us."""
import argparse
import ctypes
import json
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/oracle"))
from llama_peer import BATCH, LlamaPeer  # noqa: E402

PACKAGES = ("llama-cpp-python", "xllamacpp")


def some_tokens(n):
    return [(7 * i) % 10000 + 100 for i in range(n)]


def feed(peer, tokens):
    for start in range(0, len(tokens), BATCH):
        peer.decode(tokens[start:start + BATCH], all_logits=False)
    peer.lib.llama_get_logits(peer.context)  # waits for the result


def fill(peer, n):
    """Cells for n tokens, in seconds: one computed block, given to the sequence again and again. Values and positions
    repeat, which a step's time does not depend on. Where layers have a window it does, so there all is computed."""
    block = some_tokens(min(n, BATCH))
    if n <= BATCH or peer.lib.llama_model_n_swa(peer.model) > 0:
        feed(peer, some_tokens(n))
        return
    memory = peer.lib.llama_get_memory(peer.context)
    feed(peer, block)
    size = peer.lib.llama_state_seq_get_size(peer.context, 0)
    state = ctypes.create_string_buffer(size)
    assert peer.lib.llama_state_seq_get_data(peer.context, state, size, 0) == size
    for _ in range(n // BATCH - 1):
        assert peer.lib.llama_state_seq_set_data(peer.context, state, size, 1) == size
        peer.lib.llama_memory_seq_cp(memory, 1, 0, -1, -1)
        assert peer.lib.llama_memory_seq_rm(memory, 1, -1, -1)
    feed(peer, block[:n % BATCH])


def rate(peer, tokens, step):
    start = time.perf_counter()
    for at in range(0, len(tokens), step):
        feed(peer, tokens[at:at + step])
    return len(tokens) / (time.perf_counter() - start)


class Depth:
    """A context that holds so many tokens."""

    def __init__(self, options, depth):
        self.peer = LlamaPeer(options.model, n_ctx=depth + options.decode + 64 + BATCH, n_threads=options.threads,
                              type_k=options.ctk, type_v=options.ctv, packages=PACKAGES, n_seq=2)
        self.tokens = some_tokens(options.decode)
        fill(self.peer, max(depth, 1))
        self.position = self.peer.n_cached

    def rate(self):
        self.peer.truncate(self.position)
        return rate(self.peer, self.tokens, 1)


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

    start = time.perf_counter()
    peer = LlamaPeer(options.model, n_ctx=options.prefill + 64, n_threads=options.threads, type_k=options.ctk,
                     type_v=options.ctv, packages=PACKAGES)
    about = {"program": f"{peer.package} {peer.version}", "system": peer.system_info(),
             "load_s": time.perf_counter() - start}
    feed(peer, some_tokens(8))  # pages and threads
    depths = {int(depth): Depth(options, int(depth)) for depth in options.depths.split(",") if depth}
    for _ in sys.stdin:  # a line asks for a round
        peer.truncate(0)
        prefill = {options.prefill: rate(peer, some_tokens(options.prefill), options.prefill)}
        decode = {depth: context.rate() for depth, context in depths.items()}
        print(json.dumps(about | {"prefill": prefill, "decode": decode}), flush=True)


if __name__ == "__main__":
    main()
