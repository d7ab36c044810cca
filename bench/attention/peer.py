#!/usr/bin/env python3
"""llama.cpp's decode attention: the time of a decode step at a depth less that of one at depth 0.

The cache is filled in blocks that do not see each other, so that filling takes time in proportion to the depth and not
to its square: each is computed as a sequence of its own, whose cells the measured sequence then gets. Values differ from
those of a real text; a step's time depends on their number alone.
"""
import argparse
import json
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/oracle"))
from llama_peer import BATCH, LlamaPeer  # noqa: E402


def fill(peer, depth):
    memory = peer.lib.llama_get_memory(peer.context)
    while peer.n_cached < depth:
        tokens = [(7 * i) % 200 + 20 for i in range(min(BATCH, depth - peer.n_cached))]
        peer.decode(tokens, all_logits=False, sequence=1)
        peer.lib.llama_memory_seq_cp(memory, 1, 0, -1, -1)
        assert peer.lib.llama_memory_seq_rm(memory, 1, -1, -1)
    peer.lib.llama_get_logits(peer.context)


def step_seconds(peer, n):
    """Median time of a decode step over n."""
    steps = []
    for i in range(n):
        start = time.perf_counter()
        peer.decode([20 + i], all_logits=False)
        peer.lib.llama_get_logits(peer.context)  # waits for the result
        steps.append(time.perf_counter() - start)
    return statistics.median(steps)


class Measured:
    """A filled and an empty context of one cache type."""

    def __init__(self, options, kind):
        self.layers, self.depth, self.steps = options.layers, options.depth, options.steps
        new = lambda n_ctx: LlamaPeer(options.model, n_ctx=n_ctx, n_threads=options.threads, type_k=kind, type_v=kind,
                                      packages=("llama-cpp-python", "xllamacpp"), n_seq=2)
        self.deep, self.shallow = new(options.depth + 256), new(256)
        fill(self.deep, options.depth)

    def layer_us(self):
        self.shallow.truncate(0)
        self.deep.truncate(self.depth)
        first = step_seconds(self.shallow, self.steps)
        return (step_seconds(self.deep, self.steps) - first) * 1e6 / self.layers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--layers", type=int, required=True, help="of the model")
    parser.add_argument("--types", default="f16,q8_0,q4_0")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("--depth", type=int, default=32768)
    parser.add_argument("--steps", type=int, default=16)
    options = parser.parse_args()
    peers = {kind: Measured(options, kind) for kind in options.types.split(",")}
    one = next(iter(peers.values())).deep
    print(json.dumps({"program": f"{one.package} {one.version}", "system": one.system_info()}), flush=True)
    for _ in sys.stdin:  # a line asks for a round
        print(json.dumps({kind: peer.layer_us() for kind, peer in peers.items()}), flush=True)


if __name__ == "__main__":
    main()
