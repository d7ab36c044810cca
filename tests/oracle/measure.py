"""Distances between the next-token distributions of two engines. Natural logarithms: nats."""
import numpy as np


def log_softmax(logits):
    x = np.asarray(logits, np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


class Divergence:
    """Collects, over positions, how far q (under test) is from p (the reference)."""

    def __init__(self):
        self.kl, self.agree, self.nll_p, self.nll_q = [], [], [], []

    def add(self, p_logits, q_logits, next_tokens):
        """Rows are positions; next_tokens[i] is the text's token after position i (None: the text ended)."""
        p, q = log_softmax(p_logits), log_softmax(q_logits)
        self.kl.extend((np.exp(p) * (p - q)).sum(axis=-1))
        self.agree.extend(p.argmax(axis=-1) == q.argmax(axis=-1))
        for i, token in enumerate(next_tokens):
            if token is not None:
                self.nll_p.append(-p[i, token])
                self.nll_q.append(-q[i, token])

    def summary(self):
        kl = np.array(self.kl)
        ppl_p, ppl_q = np.exp(np.mean(self.nll_p)), np.exp(np.mean(self.nll_q))
        return {"positions": len(kl), "kl_mean": float(kl.mean()), "kl_p99": float(np.percentile(kl, 99)),
                "kl_max": float(kl.max()), "top1": float(np.mean(self.agree)), "ppl_reference": float(ppl_p),
                "ppl": float(ppl_q), "ppl_change": float(ppl_q / ppl_p - 1)}
