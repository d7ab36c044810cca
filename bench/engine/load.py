#!/usr/bin/env python3
"""How long a model takes to load and how much memory it then needs, beside llama.cpp, as ratios.

  bench/engine/load.py -m /tmp/1b.gguf [--rounds 5] [--markdown]

Each round loads the file with each program, cold (after the page cache was dropped, which needs root; else left out)
and warm. Memory is the most that was ever resident in a process that loads the model and computes one token, beside the
size of the file plus the cache of that token.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

from compare import ROOT, Table, ensure_peer


def drop_page_cache():
    try:
        subprocess.run(["sync"], check=True)
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")
    except OSError:
        return False
    return True


def run(command):
    """(seconds it took to load, peak resident bytes)"""
    with subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as child:
        child.stdin.write("\n")  # the peer's signal to compute
        child.stdin.close()
        output, errors = child.stdout.read(), child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{errors.strip()}")
    return json.loads(output)["load_s"], usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--program", default=str(ROOT / "build/release/turboquant"))
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    arguments = ["-m", options.model, "-t", options.threads, "--prefill", 1, "--decode", 1]
    programs = {"ours": [options.program, "bench", "--json", *arguments, "--depths", 0],
                "theirs": [ensure_peer(), ROOT / "bench/engine/peer.py", *arguments, "--depths", ""]}  # each loads again

    results = {}
    for _ in range(options.rounds):
        for name, command in programs.items():
            if drop_page_cache():
                results.setdefault(("cold", name), []).append(run(command))
            else:
                run(command)  # fills the page cache
            results.setdefault(("warm", name), []).append(run(command))

    size = pathlib.Path(options.model).stat().st_size
    print(f"{pathlib.Path(options.model).name}, {size / 2**20:.0f} MiB, {options.threads} threads\n")
    table = Table(options.markdown, (12, 12, 10, 10, 8, 16))
    table.head("page cache", "what", "ours", "theirs", "ratio", "range")
    for state in ("cold", "warm"):
        if (state, "ours") not in results:
            continue
        ours, theirs = results[state, "ours"], results[state, "theirs"]
        ratios = sorted(a[0] / b[0] for a, b in zip(ours, theirs))
        table.row(state, "load, s", f"{statistics.median(a[0] for a in ours):.2f}",
                  f"{statistics.median(b[0] for b in theirs):.2f}", f"{statistics.median(ratios):.2f}x",
                  f"{ratios[0]:.2f}-{ratios[-1]:.2f}")
    peaks = {name: max(peak for _, peak in results["warm", name]) for name in programs}
    table.row("warm", "peak, MiB", f"{peaks['ours'] / 2**20:.0f}", f"{peaks['theirs'] / 2**20:.0f}",
              f"{peaks['ours'] / peaks['theirs']:.2f}x", "")
    print(f"\nours is {peaks['ours'] / size:.3f} of the file's size at its peak, theirs {peaks['theirs'] / size:.3f}")


if __name__ == "__main__":
    main()
