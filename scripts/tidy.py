#!/usr/bin/env python3
"""clang-tidy over src, apps and bench, by the units that the build compiles (files of a folder together, cmake/unity.cmake).
A unit is read again only when its tokens, its headers' or the configuration changed: results are remembered by a hash of
the preprocessed text under build/.tidy."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = ROOT / "build/.tidy"
FOLDERS = ("src/", "apps/", "bench/")
# Takes as long as all other checks together where CLI11's headers are included.
LEFT_OUT = {"apps/": "-performance-unnecessary-value-param"}


def folder_of(entry, database):
    """A unit of several files lies in the build folder, at the same path."""
    path = os.path.relpath(entry["file"], database.parent)
    return os.path.relpath(entry["file"], ROOT) if path.startswith("..") else path


def command_of(entry):
    words = entry.get("arguments") or shlex.split(entry["command"])
    if os.path.basename(words[0]) == "ccache":
        words = words[1:]
    out = words.index("-o")
    return words[:out] + words[out + 2:]


def key_of(entry, config, options):
    words = [word for word in command_of(entry) if word != "-c"] + ["-E"]
    text = subprocess.run(words, cwd=entry["directory"], capture_output=True, check=True).stdout
    return hashlib.sha256(config + text + " ".join(words + options).encode()).hexdigest()


def check(entry, database, config):
    options = [f"--checks={checks}" for folder, checks in LEFT_OUT.items()
               if folder_of(entry, database).startswith(folder)]
    stamp = CACHE / key_of(entry, config, options)
    if stamp.exists():
        return entry["file"], 0, ""
    run = subprocess.run(["clang-tidy", "--quiet", "--extra-arg=-Wno-unknown-warning-option", *options, "-p",
                          str(database.parent), entry["file"]], capture_output=True, text=True)
    if run.returncode == 0:
        stamp.touch()
    return entry["file"], run.returncode, run.stdout


def main():
    database = pathlib.Path(sys.argv[1])
    entries = [e for e in json.loads(database.read_text()) if folder_of(e, database).startswith(FOLDERS)]
    CACHE.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    config = (ROOT / ".clang-tidy").read_bytes() + version
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, status, output in pool.map(lambda e: check(e, database, config), entries):
            if status != 0:
                bad += 1
                print(f"{os.path.relpath(file, ROOT)}:\n{output}", flush=True)
    print(f"      clang-tidy: {len(entries)} units, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
