#!/usr/bin/env python3
"""Runs any implementation of the KV cache formats against spec/vectors; spec/conformance.md has the protocol.

  tests/conformance/conform.py [--types turbo4,turbo3] [--vectors DIR] -- COMMAND [ARGUMENT...]

Prints a line a case. Codes, norms, decoded values and rotations must be equal; scores and mixes must be within the bounds
of spec/turboquant.md section 7.2, and the line says how much of the bound was used. Exit status: 0 all that was run is
right, 1 something is wrong, 77 the implementation supports nothing. Needs Python only.
"""
import argparse
import json
import math
import pathlib
import struct
import subprocess
import sys

from bounds import Row, mix_bounds, score_bound, splitmix64

PAGE_TOKENS = 128
N_QUERIES = 3
VECTORS = pathlib.Path(__file__).resolve().parents[2] / "spec/vectors"


class Unsupported(Exception):
    pass


class Wrong(Exception):
    pass


def floats(data):
    return struct.unpack(f"<{len(data) // 4}f", data)


def packed(values):
    return struct.pack(f"<{len(values)}f", *values)


class Peer:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, op, case, payload, expected_bytes, rows=None, queries=0):
        head = f"{op} {case['type']} {case['head_dim']} {rows or case['rows']} {case['slot_step']} {queries}\n"
        try:
            self.process.stdin.write(head.encode() + payload)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Wrong("the implementation has ended") from None
        line = self.process.stdout.readline().decode(errors="replace").rstrip("\n")
        if line.startswith("unsupported"):
            raise Unsupported(line[len("unsupported"):].strip())
        if line != f"ok {expected_bytes}":
            raise Wrong(f"{op}: answered {line!r} where 'ok {expected_bytes}' was expected")
        answer = self.process.stdout.read(expected_bytes)
        if len(answer) != expected_bytes:
            raise Wrong(f"{op}: the answer ended after {len(answer)} of {expected_bytes} bytes")
        return answer

    def close(self):
        self.process.stdin.close()
        return self.process.wait(timeout=60)


class Case:
    """One type and head size of the manifest, with its golden bytes."""

    def __init__(self, entry, folder):
        self.entry, self.dim, self.n_rows = entry, entry["head_dim"], entry["rows"]
        self.parts = [(entry["code_bytes"], entry["scales"]), (entry["code_bytes_2"], entry["scales_2"])]
        self.input = (folder / entry["input"]).read_bytes()
        self.decoded = (folder / entry["decoded"]).read_bytes()
        self.rotated = (folder / entry["rotated"]).read_bytes() if entry["rotated"] else self.input
        records = (folder / entry["encoded"]).read_bytes()
        size = len(records) // self.n_rows
        self.records = [records[i * size:(i + 1) * size] for i in range(self.n_rows)]
        self.slots = [i * entry["slot_step"] % PAGE_TOKENS for i in range(self.n_rows)]
        self.page = self._page()
        values = floats(self.decoded)
        self.rows = [Row(entry["type"], values[i * self.dim:(i + 1) * self.dim], self.records[i], self.parts)
                     for i in range(self.n_rows)]

    def _page(self):
        page = bytearray(self.entry["page_bytes"])
        for slot, record in zip(self.slots, self.records):
            base = at = 0
            for code_bytes, scales in self.parts:
                for start, size in ((base, code_bytes), (base + PAGE_TOKENS * code_bytes, 2 * scales)):
                    page[start + slot * size:start + (slot + 1) * size] = record[at:at + size]
                    at += size
                base += PAGE_TOKENS * (code_bytes + 2 * scales)
        return bytes(page)

    def place(self, offset):
        """Where a byte of a page belongs, in words."""
        base = 0
        for number, (code_bytes, scales) in enumerate(self.parts, 1):
            for what, start, size in (("codes", base, code_bytes), ("scales", base + PAGE_TOKENS * code_bytes, 2 * scales)):
                if start <= offset < start + PAGE_TOKENS * size:
                    slot, byte = divmod(offset - start, size)
                    row = f"row {self.slots.index(slot)}" if slot in self.slots else "no row"
                    return f"byte {byte} of the {what} of part {number} in slot {slot} ({row})"
            base += PAGE_TOKENS * (code_bytes + 2 * scales)
        return f"byte {offset}"

    def uniform(self, n, seed):
        stream = splitmix64(seed * 1000 + self.dim)
        return floats(packed([(next(stream) >> 11) * 2.0**-52 - 1.0 for _ in range(n)]))


def check_encode(peer, case):
    page = peer.ask("encode", case.entry, case.input, len(case.page))
    for offset, (a, b) in enumerate(zip(page, case.page)):
        if a != b:
            raise Wrong(f"encode: {case.place(offset)} is {a:#04x}, not {b:#04x}")


def same_floats(op, case, answer, expected):
    for i, (a, b) in enumerate(zip(floats(answer), floats(expected))):
        if a != b and not (math.isnan(a) and math.isnan(b)):
            raise Wrong(f"{op}: value {i % case.dim} of row {i // case.dim} is {a!r}, not {b!r}")


def check_decode(peer, case):
    same_floats("decode", case, peer.ask("decode", case.entry, case.page, len(case.decoded)), case.decoded)


def check_rotate(peer, case):
    n = min(len(case.rotated), 4 * case.dim * 4)
    there = peer.ask("rotate", case.entry, case.input[:n], n, rows=n // (4 * case.dim))
    same_floats("rotate", case, there, case.rotated[:n])
    back = floats(peer.ask("unrotate", case.entry, case.rotated[:n], n, rows=n // (4 * case.dim)))
    for row in range(n // (4 * case.dim)):
        x = floats(case.input)[row * case.dim:(row + 1) * case.dim]
        allowed = 2.0**-20 * math.sqrt(sum(v * v for v in x)) * 4
        off = max(abs(a - b) for a, b in zip(back[row * case.dim:(row + 1) * case.dim], x))
        if not off <= allowed:
            raise Wrong(f"unrotate: row {row} is off by {off:.3g}, more than {allowed:.3g}")


def within(op, value, exact, bound, where):
    if not abs(value - exact) <= bound:
        raise Wrong(f"{op}: {where} is {value!r}, {exact!r} within {bound:.3g} was expected")
    return abs(value - exact) / bound if bound > 0 else 0.0


def check_score(peer, case):
    queries = case.uniform(N_QUERIES * case.dim, 7)
    answer = floats(peer.ask("score", case.entry, case.page + packed(queries), 4 * N_QUERIES * case.n_rows,
                             queries=N_QUERIES))
    used = 0.0
    for h in range(N_QUERIES):
        q = queries[h * case.dim:(h + 1) * case.dim]
        for t, row in enumerate(case.rows):
            value = answer[h * case.n_rows + t]
            if not row.finite:
                if math.isfinite(value):
                    raise Wrong(f"score: query {h}, row {t} is {value!r} though the row is not finite")
                continue
            exact = math.fsum(a * b for a, b in zip(q, row.values))
            used = max(used, within("score", value, exact, score_bound(row, q), f"query {h}, row {t}"))
    return used


def check_mix(peer, case):
    weights = list(case.uniform(N_QUERIES * case.n_rows, 9))
    for t, row in enumerate(case.rows):
        if not row.finite:
            weights[t::case.n_rows] = [0.0] * N_QUERIES
    answer = floats(peer.ask("mix", case.entry, case.page + packed(weights), 4 * N_QUERIES * case.dim, queries=N_QUERIES))
    used = 0.0
    for h in range(N_QUERIES):
        w = weights[h * case.n_rows:(h + 1) * case.n_rows]
        bounds = mix_bounds(case.rows, w)
        for d in range(case.dim):
            exact = math.fsum(w[t] * row.values[d] for t, row in enumerate(case.rows) if row.finite)
            used = max(used, within("mix", answer[h * case.dim + d], exact, bounds[d], f"query {h}, value {d}"))
    return used


def run_case(peer, case):
    """The line's words, or what is wrong."""
    check_encode(peer, case)
    check_decode(peer, case)
    check_rotate(peer, case)
    score, mix = check_score(peer, case), check_mix(peer, case)
    return f"codes, values, rotation equal; of its bound score uses {score:.2f}, mix {mix:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=pathlib.Path, default=VECTORS)
    parser.add_argument("--types", help="only these, separated by commas")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    peer = Peer(options.command)
    right = wrong = absent = 0
    for entry in json.loads((options.vectors / "manifest.json").read_text()):
        if options.types and entry["type"] not in options.types.split(","):
            continue
        name = f"{entry['type']:8} {entry['head_dim']:4}"
        try:
            print(f"ok      {name}  {run_case(peer, Case(entry, options.vectors))}")
            right += 1
        except Unsupported as reason:
            print(f"not run {name}  {reason}")
            absent += 1
        except Wrong as what:
            print(f"WRONG   {name}  {what}", flush=True)
            wrong += 1
            if "answer" in str(what) or "ended" in str(what):
                break  # the stream is out of step
    status = peer.close()
    print(f"{right} right, {wrong} wrong, {absent} not run" + (f"; the command ended with {status}" if status else ""))
    return 1 if wrong or status else 0 if right else 77


if __name__ == "__main__":
    sys.exit(main())
