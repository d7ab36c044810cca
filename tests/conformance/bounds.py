"""What scores and mixes may be off by: spec/turboquant.md section 7.2, over golden rows, in plain Python."""
import math
import struct

BITS = {"turbo2": [2], "turbo3": [3], "turbo4": [4], "turbo2q": [1, 1], "turbo3q": [2, 1], "turbo25": [2, 3],
        "turbo35": [3, 4]}
LARGEST_CENTROID = {1: 0.0705237016, 2: 0.133503318, 3: 0.19020693, 4: 0.241529077}
SECOND_SIGNS = 0xccfa798bd8d6e6e7 << 64 | 0xb86b83db75a46e43
ULP = 2.0**-23


def splitmix64(state):
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        yield z ^ z >> 31


def second_rotation(x):
    """Sections 3.2 to 3.4, of a group."""
    n = len(x)
    p = 1 << n.bit_length() - 1
    x = list(x)
    for start in [0, 0] if p == n else [0, n - p, 0, n - p]:
        y = [-v if SECOND_SIGNS >> i & 1 else v for i, v in enumerate(x[start:start + p])]
        h = 1
        while h < p:
            for i in range(p):
                if not i & h:
                    y[i], y[i + h] = y[i] + y[i + h], y[i] - y[i + h]
            h *= 2
        x[start:start + p] = [v / math.sqrt(p) for v in y]
    return x


class Group:
    """Values under one scale: where they are, and the magnitudes of what they decode to."""

    def __init__(self, start, n, bits, norm, magnitudes, of_residual):
        self.start, self.n, self.norm, self.of_residual = start, n, norm, of_residual
        self.largest = LARGEST_CENTROID[bits] if bits else 0.0
        # Of a part of a residual type the magnitudes are not known apart: at most the largest centroid's (exact for 1 bit).
        self.magnitudes = magnitudes or [norm * self.largest] * n


class Row:
    def __init__(self, kind, values, record, parts):
        self.kind, self.values = kind, values
        self.finite = all(map(math.isfinite, values))
        self.groups = []
        if not self.finite:
            return
        if kind not in BITS:
            size = 32 if kind != "f16" else len(values)
            for start in range(0, len(values), size):
                n = min(size, len(values) - start)
                self.groups.append(Group(start, n, 0, 0.0, [abs(v) for v in values[start:start + n]], False))
            return
        at = first = 0
        for (code_bytes, scales), bits in zip(parts, BITS[kind]):
            n_values = code_bytes * 8 // bits
            norms = struct.unpack_from(f"<{scales}e", record, at + code_bytes)
            residual_type = kind.endswith("q")
            for g, norm in enumerate(norms):
                start = first + 128 * g
                n = min(128, n_values - 128 * g)
                known = None if residual_type else [abs(v) for v in values[start:start + n]]
                self.groups.append(Group(start, n, bits, norm, known, residual_type and at > 0))
            at += code_bytes + 2 * scales
            first += 0 if residual_type else n_values


def score_bound(row, query):
    bound = 1e-30
    for g in row.groups:
        q = query[g.start:g.start + g.n]
        q = [abs(v) for v in (second_rotation(q) if g.of_residual else q)]
        if row.kind != "f16":
            centroids = g.norm * g.largest * (sum(q) + g.n * max(q) / 254)
            bound += (max(q) * sum(g.magnitudes) + centroids) / 254
        bound += len(query) * ULP * sum(a * b for a, b in zip(q, g.magnitudes))
    return bound


def mix_bounds(rows, weights):
    """Of each value; rows of zero weight count for nothing."""
    live = [(row, abs(w)) for row, w in zip(rows, weights) if w != 0.0]
    bounds = [1e-30] * len(rows[0].values)
    for index, like in enumerate(live[0][0].groups):
        groups = [(row.groups[index], w) for row, w in live]
        largest = max(w * g.norm for g, w in groups)
        step = like.largest / 2047
        of_group = []
        for d in range(like.n):
            bound = 0.0
            for g, w in groups:
                bound += (len(rows) + 8) * ULP * w * g.magnitudes[d]
                if g.norm > 0:
                    bound += (largest / 8191 * (g.magnitudes[d] / g.norm + step / 2) + step * w * g.norm) / 2
            of_group.append(bound)
        if like.of_residual:
            of_group = [max(of_group) * math.sqrt(like.n)] * like.n
        for d, bound in enumerate(of_group):
            bounds[like.start + d] += bound
    return bounds
