"""What a compressed cache costs: the model's next-token distributions with a cache type against those with an f16
cache of the same engine, over the first 2,000 tokens of tests/data/quality.txt."""
import os
import pathlib

import numpy as np

import tq_eval
from measure import Divergence

N_TOKENS = 2000
TEXT = pathlib.Path(__file__).resolve().parents[1] / "data/quality.txt"
# Tokens a call: one, as text is generated, so that the kernels that attend straight over compressed rows are measured
# with what they round.
CHUNK = 1


def text_tokens():
    from llama_peer import LlamaPeer
    peer = LlamaPeer(os.environ["TQ_MODEL"], n_ctx=256)
    tokens = peer.tokenize(TEXT.read_text())[:N_TOKENS]
    peer.close()
    assert len(tokens) == N_TOKENS
    return tokens


class Quality:
    def __init__(self, tokens, threads=2):
        self.tokens, self.threads = tokens, threads
        self.reference = np.concatenate(list(self._run("f16", "f16", 0)))

    def _run(self, type_k, type_v, layer_adaptive):
        return tq_eval.stream_logits(self.tokens, type_k=type_k, type_v=type_v, threads=self.threads, chunk=CHUNK,
                                     n_ctx=N_TOKENS + 64, layer_adaptive=layer_adaptive)

    def measure(self, type_k, type_v, layer_adaptive=0):
        distance, start = Divergence(), 0
        following = self.tokens[1:] + [None]
        for rows in self._run(type_k, type_v, layer_adaptive):
            end = start + len(rows)
            distance.add(self.reference[start:end], rows, following[start:end])
            start = end
        assert start == len(self.tokens)
        return distance.summary()


def line(type_k, type_v, s):
    return (f"K {type_k:7} V {type_v:7} mean KL {s['kl_mean']:.5f}  99 % {s['kl_p99']:.4f}  top-1 {100 * s['top1']:.1f} %"
            f"  perplexity {s['ppl']:.3f} ({100 * s['ppl_change']:+.2f} %)")
