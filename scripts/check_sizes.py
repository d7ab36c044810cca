#!/usr/bin/env python3
"""Sizes: a file has at most 500 lines (said) and never more than 800 (refused); a function at most 60 lines, the
main loop of a kernel (files of per-ISA kernels) 200. Functions are found by universal-ctags."""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("include", "src", "apps", "tests", "bench", "fuzz")
FILE_WARN, FILE_LIMIT, FUNCTION_LIMIT, KERNEL_LIMIT = 500, 800, 60, 200
KERNEL = re.compile(r"(_(scalar|avx2|avxvnni|avx512|neon|dotprod)\.(cc|h)|_inl\.h)$")


def source_files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *FOLDERS], cwd=ROOT, text=True,
                            capture_output=True, check=True).stdout.split("\n")
    return [name for name in listed if name.endswith((".cc", ".h")) and (ROOT / name).exists()]


def functions(names):
    command = ["ctags", "--output-format=json", "--fields=+ne", "--languages=C++", "--map-C++=+.h", "--kinds-C++=f",
               "-f", "-", "-L", "-"]
    listing = subprocess.run(command, cwd=ROOT, input="\n".join(names), text=True, capture_output=True, check=True)
    for line in listing.stdout.splitlines():
        tag = json.loads(line)
        if "end" in tag:
            yield tag["path"], tag["line"], tag["name"], tag["end"] - tag["line"] + 1


def main():
    names, bad, warned = source_files(), 0, 0
    for name in names:
        lines = (ROOT / name).read_text().count("\n")
        if lines > FILE_LIMIT:
            print(f"{name}: {lines} lines, the limit is {FILE_LIMIT}: split it by what its parts do")
            bad += 1
        elif lines > FILE_WARN:
            print(f"{name}: {lines} lines; more than {FILE_WARN} asks for a split")
            warned += 1
    for path, line, function, length in functions(names):
        limit = KERNEL_LIMIT if KERNEL.search(path) else FUNCTION_LIMIT
        if length > limit and not path.startswith("tests/"):
            print(f"{path}:{line}: {function} has {length} lines, the limit is {limit}")
            bad += 1
    print(f"      sizes: {len(names)} files, {warned} warnings, {bad} problems")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
