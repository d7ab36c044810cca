#!/usr/bin/env python3
"""Our engine beside llama.cpp: the same file, threads and cache type, the runs interleaved, as ratios.

  bench/engine/compare.py                      SmolLM2-135M; f16, q8_0, q4_0, and turbo4 against their f16
  bench/engine/compare.py -m FILE --types f16,turbo4:f16 --rounds 9 --markdown

A type is ours[:theirs]. Every program fills its caches once and waits. Each round lets all measure, one after the other, so
that a slow spell of the machine meets all of them; the ratio is taken within a round, and its median and range over the
rounds are printed.
llama.cpp: llama-cpp-python, compiled for this CPU, in .venv-bench (made on the first run, about fifteen minutes).
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-bench"
PEER = ["llama-cpp-python==0.3.36", "numpy==2.4.6"]


def compiler_flags():
    """What the peer is compiled with beyond -march=native. Its AMX kernels end in a segmentation fault when GCC 12 compiled
    them: the compiler drops all but the first 8 bytes of what they load as the shapes of the matrix registers."""
    if "amx_int8" not in pathlib.Path("/proc/cpuinfo").read_text().split():
        return {}
    return {"CMAKE_ARGS": "-DCMAKE_C_FLAGS=-mno-amx-int8 -DCMAKE_CXX_FLAGS=-mno-amx-int8"}


def ensure_peer():
    python = VENV / "bin/python"
    if not (VENV / ".done").exists():
        print(f"making {VENV.name} with {PEER[0]}, compiled here ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PEER], check=True,
                       env=os.environ | compiler_flags())
        (VENV / ".done").touch()
    return python


def run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr.strip()}")
    return json.loads(done.stdout)


class Program:
    """One that measures a round for each line it gets, and answers with a line of JSON."""

    def __init__(self, command):
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def round(self):
        try:
            print(file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            sys.exit(f"{' '.join(self.command)} ended early")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def figures(result):
    """{"prefill 512": tokens/s, "decode at 0": ...}"""
    rows = {f"prefill {n}": rate for n, rate in result["prefill"].items()}
    rows.update({f"decode at {depth}": rate for depth, rate in result["decode"].items()})
    return rows


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown CPU"


class Table:
    def __init__(self, markdown, widths):
        self.markdown, self.widths = markdown, widths

    def row(self, *cells):
        if self.markdown:
            print("| " + " | ".join(cells) + " |", flush=True)
        else:
            print("".join(f"{cell:>{width}}" for cell, width in zip(cells, self.widths)), flush=True)

    def head(self, *cells):
        self.row(*cells)
        if self.markdown:
            self.row(*["---"] * len(cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", default=str(ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--program", default=str(ROOT / "build/release/turboquant"))
    parser.add_argument("--types", default="f16,q8_0,q4_0,turbo4:f16")
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--decode", type=int, default=32)
    parser.add_argument("--depths", default="0,4096")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    python = ensure_peer()
    pairs = [(pair.split(":")[0], pair.split(":")[-1]) for pair in options.types.split(",")]

    def command(program, cache_type):
        return [*program, "-m", options.model, "-ctk", cache_type, "-ctv", cache_type, "-t", options.threads, "--prefill",
                options.prefill, "--decode", options.decode, "--depths", options.depths]

    ours = {kind: Program(command([options.program, "bench", "--follow", "--json"], kind))
            for kind in dict.fromkeys(mine for mine, _ in pairs)}
    theirs = {kind: Program(command([python, ROOT / "bench/engine/peer.py"], kind))
              for kind in dict.fromkeys(other for _, other in pairs)}
    programs = [*ours.values(), *theirs.values()]
    for program in programs:  # fills its caches alone
        program.round()
    results = {program: [] for program in programs}
    for round_number in range(options.rounds):
        for program in programs:
            results[program].append(program.round())
        print(f"round {round_number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    for program in programs:
        program.close()
    ours = {kind: results[program] for kind, program in ours.items()}
    theirs = {kind: results[program] for kind, program in theirs.items()}

    mine, other = next(iter(ours.values()))[0], next(iter(theirs.values()))[0]
    print(f"{pathlib.Path(options.model).name}, {options.threads} threads, {cpu_name()}")
    print(f"ours: {mine['program']}, {mine['isa']}; theirs: {other['program']}, {other['system'].strip(' |')}\n")
    table = Table(options.markdown, (18, 15, 12, 12, 8, 16))
    table.head("cache ours:theirs", "what", "ours t/s", "theirs t/s", "ratio", "range")
    for pair in pairs:
        rounds = [(figures(a), figures(b)) for a, b in zip(ours[pair[0]], theirs[pair[1]])]
        for what in rounds[0][0]:
            ratios = sorted(a[what] / b[what] for a, b in rounds)
            table.row(":".join(dict.fromkeys(pair)), what, f"{statistics.median(a[what] for a, _ in rounds):.1f}",
                      f"{statistics.median(b[what] for _, b in rounds):.1f}", f"{statistics.median(ratios):.2f}x",
                      f"{ratios[0]:.2f}-{ratios[-1]:.2f}")


if __name__ == "__main__":
    main()
