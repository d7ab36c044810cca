#!/usr/bin/env python3
"""Full profiles of `turboquant verify` for docs/results.md: every model of models/ with the cache pairs below.

  python3 scripts/results.py [--profile quick] [-c N] [MODEL.gguf ...]   (about four minutes a pair for a 135M model, two cores)

Reports are kept under build/results, and what is there already is not measured again. Prints the tables of docs/results.md;
what they mean is for a person to write.
"""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAIRS = [("turbo4", "turbo4"), ("q8_0", "turbo4"), ("q8_0", "turbo3")]
OUT = ROOT / "build/results"


def measure(options, model, k, v):
    folder = OUT / "-".join([model.stem, k, v, options.profile] + ([f"c{options.ctx_size}"] if options.ctx_size else []))
    command = [options.program, "verify", "-m", str(model), "-ctk", k, "-ctv", v, "--profile", options.profile,
               "--out", str(folder), "--resume"]
    if options.ctx_size:
        command += ["-c", str(options.ctx_size)]
    code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
    if code not in (0, 1) or not (folder / "report.json").exists():
        sys.exit(f"{' '.join(command)} ended with {code}; run this again to continue")
    return json.loads((folder / "report.json").read_text())


def table(reports):
    names = {check["name"]: gate["gate"] for report in reports for gate in report["gates"] for check in gate["checks"]
             if check["verdict"] != "skipped"}
    print("| gate | " + " | ".join(report["facts"]["tested"] for report in reports) + " |")
    print("| --- |" + " --- |" * len(reports))
    print("| **verdict** | " + " | ".join("**go**" if report["go"] else "**no-go**" for report in reports) + " |")
    for name, gate in names.items():
        cells = []
        for report in reports:
            checks = {c["name"]: c for g in report["gates"] if g["gate"] == gate for c in g["checks"]}
            check = checks.get(name, {"verdict": "", "reason": ""})
            value = check["reason"].partition(f"{name} is ")[2].partition(";")[0]
            cells.append(f"{check['verdict']} {value}".strip())
        print(f"| {gate}: {name} | " + " | ".join(cells) + " |")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=pathlib.Path, default=sorted((ROOT / "models").glob("*.gguf")))
    parser.add_argument("--program", default=str(ROOT / "build/release/turboquant"))
    parser.add_argument("--profile", default="full", choices=["quick", "full"])
    parser.add_argument("-c", "--ctx-size", type=int, help="longest text to measure with [the model's context]")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    for model in options.models:
        print(f"## {model.stem}\n", flush=True)
        table([measure(options, model, k, v) for k, v in PAIRS])


if __name__ == "__main__":
    main()
