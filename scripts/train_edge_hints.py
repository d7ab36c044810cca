#!/usr/bin/env python3
"""Trains the hints of `turboquant edge` and writes src/edge/data/hints.txt; needs numpy.

A message is a bag of features: its words, neighbouring words, four letters in a row, and classes of words (word_classes.txt,
shared by the four languages) with pairs of classes. A logistic regression with an L2 penalty gives each a weight. The
threshold is the score that one in ten harmless training sentences reaches when it was left out of training (four folds).

  scripts/train_edge_hints.py            train and write
  scripts/train_edge_hints.py --check    train, and fail where the written weights are others
"""
import argparse
import collections
import math
import pathlib
import random
import re
import sys
import unicodedata

DATA = pathlib.Path(__file__).resolve().parent.parent / "src/edge/data"
FOLDS, SEED, PENALTY, FALSE_ALARMS = 4, 1, 0.1, 0.1
HEADER = """\
# Weights of the hints. Made by scripts/train_edge_hints.py from training.tsv and development.tsv ({risks} risks,
# {harmless} harmless) and word_classes.txt; not written by hand. docs/edge.md says how often they are right.
# w word, b two neighbours (^ and $ are the ends), c letters of a word (< and > are its ends), k class, p two classes
"""


def read_words(text):
    """Small letters without accents and apostrophes, as src/edge/words.cc reads plain text."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.findall("[a-z0-9]+", re.sub("['’`´‘ʼ′]", "", text))


def read_samples(path):
    """Rows of label, class, language and text."""
    return [line.split("\t", 3) for line in path.read_text().splitlines() if line and not line.startswith("#")]


class WordClasses:
    def __init__(self, text):
        self.exact, self.stems = collections.defaultdict(set), collections.defaultdict(set)
        for line in text.splitlines():
            name, _, words = line.partition(":")
            if not line.startswith(("#", "language ")):
                for word in words.split():
                    (self.stems if word.endswith("*") else self.exact)[word.rstrip("*")].add(name)

    def of(self, word):
        stems = (self.stems.get(word[:n], set()) for n in range(1, len(word) + 1))
        return self.exact.get(word, set()).union(*stems)


def features(text, classes):
    """Two sets: of words and letters, and of classes."""
    words = read_words(text)
    ends = ["^", *words, "$"]
    letters = {f"c {marked[i:i + 4]}" for word in words for marked in [f"<{word}>"] for i in range(len(marked) - 3)}
    plain = {f"w {word}" for word in words} | {f"b {a} {b}" for a, b in zip(ends, ends[1:])} | letters
    found = sorted(set().union(*map(classes.of, words)))
    pairs = {f"p {a} {b}" for i, a in enumerate(found) for b in found[i + 1:]}
    return plain, {f"k {name}" for name in found} | pairs


def score(text, weights, bias, classes):
    """Log-odds of danger. Each set of features counts as much, however long the message is."""
    return bias + sum(sum(weights.get(f, 0.0) for f in part) / math.sqrt(len(part)) for part in features(text, classes) if part)


def read_hints(text):
    """Weights, bias and threshold of hints.txt."""
    numbers, weights = {}, {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            (numbers if name in ("bias", "threshold") else weights)[name] = float(value)
    return weights, numbers["bias"], numbers["threshold"]


def fit(x, y):
    """Weights and bias, by Newton's method on the samples."""
    import numpy as np
    kernel = x @ x.T + 1.0
    alpha = np.zeros(len(y))
    for _ in range(30):
        z = kernel @ alpha
        p = 1.0 / (1.0 + np.exp(-z))
        curvature = p * (1.0 - p) + 1e-6
        new = np.linalg.solve(kernel + np.diag(PENALTY / curvature), z + (y - p) / curvature)
        change = np.abs(new - alpha).max()
        alpha = new
        if change < 1e-5:
            break
    return x.T @ alpha, alpha.sum()


def train():
    import numpy as np
    classes = WordClasses((DATA / "word_classes.txt").read_text())
    rows = read_samples(DATA / "training.tsv") + read_samples(DATA / "development.tsv")
    parts = [features(row[3], classes) for row in rows]
    counts = collections.Counter(f for both in parts for part in both for f in part)
    names = sorted(f for f, n in counts.items() if n >= 2)
    index = {f: i for i, f in enumerate(names)}
    x = np.zeros((len(rows), len(names)))
    for i, both in enumerate(parts):
        for part in both:
            x[i, [index[f] for f in part if f in index]] = 1.0 / math.sqrt(max(1, len(part)))
    y = np.array([float(row[0] == "risk") for row in rows])

    order = list(range(len(rows)))
    random.Random(SEED).shuffle(order)
    fold = np.zeros(len(rows), int)
    fold[order] = np.arange(len(rows)) % FOLDS
    left_out = np.zeros(len(rows))
    for k in range(FOLDS):
        weights, bias = fit(x[fold != k], y[fold != k])
        left_out[fold == k] = x[fold == k] @ weights + bias
    harmless = np.sort(left_out[y == 0])
    threshold = harmless[int(len(harmless) * (1 - FALSE_ALARMS))]
    print(f"{len(rows)} sentences, {len(names)} features; left out, {np.mean(left_out[y == 1] >= threshold):.2f} of risks "
          f"reach the threshold of {threshold:.2f}", file=sys.stderr)

    weights, bias = fit(x, y)
    lines = [HEADER.format(risks=int(y.sum()), harmless=int((1 - y).sum())), f"bias {bias:.3f}\nthreshold {threshold:.3f}\n"]
    lines += [f"{name} {weight:.3f}\n" for name, weight in zip(names, weights) if abs(weight) >= 0.0005]
    return "".join(lines)


def same(a, b):
    """Whether the weights agree but for the rounding of another machine's arithmetic."""
    (first, *one), (second, *two) = read_hints(a), read_hints(b)
    pairs = [(first.get(name, 0.0), second.get(name, 0.0)) for name in first.keys() | second.keys()] + list(zip(one, two))
    return all(abs(x - y) <= 0.0021 for x, y in pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the written weights")
    is_check, path = parser.parse_args().check, DATA / "hints.txt"
    text = train()
    if not is_check:
        path.write_text(text)
    elif not same(text, path.read_text()):
        sys.exit(f"{path}: other weights than these training sentences give; run scripts/train_edge_hints.py")


if __name__ == "__main__":
    main()
