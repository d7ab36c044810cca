#!/usr/bin/env python3
"""Include direction: the folders of src/ are the stages of a token's way, and arrows point one way.

  src/X      includes only include/tq, its own folder, and folders that come before X in ORDER
  include/tq includes only the standard library and tq/ (no third-party type is public); turboquant.h is C
  apps       see include/tq, their own folder, and the internals that APP_INTERNALS lists
  third-party libraries are seen only where THIRD_PARTY allows, so that each could be swapped in one place
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ORDER = ("base gguf tokenizer codec ops kvcache attention model sampler engine "
         "device server plan edge eval bench capi").split()
# File of apps/ -> folders of src/ it may look into: `info` prints what a GGUF file says without loading the model.
# `fit` and `doctor` look at the machine.
APP_INTERNALS = {"info": {"gguf", "base", "kvcache", "model"}, "fit": {"plan"}, "doctor": {"plan"}, "hardware": {"plan"}, "dflash": {"plan"},
                 "edge": {"edge"}}
# Library -> folders that may include it. Folders of tests and benches are free.
THIRD_PARTY = {
    "yaml-cpp/": {"eval", "server"},
    "nlohmann/": {"apps", "gguf", "tokenizer", "kvcache", "sampler", "server", "plan", "edge", "eval"},
    "CLI/": {"apps"},
    "histedit.h": {"apps"},
    "pcre2.h": {"tokenizer"},
    "utf8proc.h": {"tokenizer", "edge"},
    "httplib.h": {"server"},
    "spdlog/": {"server"},
    "xxhash.h": {"base"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
STANDARD = re.compile(r"^[a-z_0-9]+$|^(sys|linux|asm|arpa|netinet)/|^(unistd|fcntl|signal|poll|termios|pthread|sched|dlfcn|"
                      r"errno|link|locale|langinfo|malloc|wchar|stdint|stdio|stdlib|string|math|time|ioctl|"
                      r"immintrin|arm_neon|cpuid)\.h$")


def third_party_of(path):
    return next((name for name in THIRD_PARTY if path.startswith(name)), None)


def check_public(file, path, quoted):
    if file.name == "turboquant.h":
        return None if path in ("stddef.h", "stdint.h") else "turboquant.h is plain C of sizes and integers"
    if path.startswith("tq/") or (not quoted and STANDARD.match(path) and not path.endswith(".h")):
        return None
    return "public headers include only the C++ standard library and tq/"


def check_source(file, path, quoted, folder):
    if quoted:
        if path.startswith("tq/"):
            return None
        target = path.split("/")[0]
        if "/" not in path:
            return None if (file.parent / path).exists() else f"{path} is not in this folder: give its path from src/"
        if target not in ORDER:
            return f"{target} is no folder of src/"
        if target != folder and ORDER.index(target) > ORDER.index(folder):
            return f"{folder} comes before {target} and may not look into it"
        return None
    library = third_party_of(path)
    if library and folder not in THIRD_PARTY[library]:
        return f"only {', '.join(sorted(THIRD_PARTY[library]))} may include {library}"
    if not library and not STANDARD.match(path):
        return f"{path}: unknown library; add it to THIRD_PARTY with the folders that may see it"
    return None


def check_app(file, path, quoted):
    if quoted:
        if path.startswith("tq/") or (file.parent / path).exists():
            return None
        allowed = set()
        for stem, folders in APP_INTERNALS.items():
            if file.stem == stem or file.stem.startswith(stem + "_"):
                allowed = folders
        if path.split("/")[0] in allowed:
            return None
        return "apps see include/tq; internals only where APP_INTERNALS lists them"
    library = third_party_of(path)
    if library:
        return None if "apps" in THIRD_PARTY[library] else f"apps may not include {library}"
    return None if STANDARD.match(path) else f"{path}: unknown library; add it to THIRD_PARTY"


def problems():
    files = [f for pattern in ("include/tq", "src", "apps") for f in sorted((ROOT / pattern).rglob("*"))
             if f.suffix in (".h", ".cc", ".inc")]
    for file in files:
        where = file.relative_to(ROOT)
        text = file.read_text()
        for match in INCLUDE.finditer(text):
            quoted, path = match[1] == '"', match[2]
            if where.parts[0] == "include":
                problem = check_public(file, path, quoted)
            elif where.parts[0] == "apps":
                problem = check_app(file, path, quoted)
            elif where.parts[1] not in ORDER:
                problem = f"{where.parts[1]} is no folder of ORDER (scripts/check_includes.py)"
            else:
                problem = check_source(file, path, quoted, where.parts[1])
            if problem:
                yield f"{where}:{text.count(chr(10), 0, match.start()) + 1}: {problem}"
    yield None, len(files)


def main():
    count = 0
    for problem in problems():
        if isinstance(problem, tuple):
            print(f"      includes: {problem[1]} files, {count} problems")
        else:
            print(problem)
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
