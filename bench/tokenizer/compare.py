#!/usr/bin/env python3
"""Our tokenizers beside llama.cpp's: loading a vocabulary, and encoding 1 MB of text in one thread, as ratios.

  bench/tokenizer/compare.py [--markdown] [FILE.gguf...]      default: one vocabulary of each kind

The text is the first megabyte of Python's standard library: code and English, nothing twice. Needs -DTQ_BENCH=ON, and
.venv with its fixtures (./test makes both). Both sides give the best of their rounds, and must find as many tokens.
"""
import argparse
import pathlib
import subprocess
import sys
import sysconfig
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/oracle"))
from llama_peer import LlamaVocab, find_library  # noqa: E402

BENCH = ROOT / "build/release/bench/tokenizer/tokenizer_bench"
KINDS = ["gpt-2", "llama-bpe", "qwen2", "command-r", "deepseek-llm", "falcon", "llama-spm", "gemma-4", "nomic-bert-moe",
         "bert-bge"]
DEFAULT = [ROOT / f".venv/vocabularies/{name}.gguf" for name in KINDS] + [ROOT / "models/gemma-3-270m.Q4_K_M.gguf"]


def text_of_size(size):
    data = b""
    for path in sorted(pathlib.Path(sysconfig.get_path("stdlib")).glob("*.py")):
        data += path.read_bytes()
        if len(data) >= size:
            return data[:size].decode(errors="ignore").encode()
    return data


def ours(path, text, rounds):
    done = subprocess.run([BENCH, path, text, str(rounds)], capture_output=True, text=True, check=True)
    load, encode, tokens = done.stdout.split()
    return float(load), float(encode), int(tokens)


def theirs(path, data, rounds):
    start = time.perf_counter()
    vocab = LlamaVocab(path)
    load, best = time.perf_counter() - start, float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        tokens = vocab.encode(data, True)
        best = min(best, time.perf_counter() - start)
    vocab.close()
    return load, best, len(tokens)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=pathlib.Path, default=DEFAULT)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    cells = "| {} |".format(" | ".join(["{}"] * 8)) if options.markdown else "{:<24}" + "{:>10}" * 7
    package, version, _ = find_library(["xllamacpp"])
    print(f"{package} {version}", file=sys.stderr)
    print(cells.format("vocabulary", "tokens", "ours ms", "theirs ms", "ratio", "load ms", "theirs ms", "ratio"))
    if options.markdown:
        print("| --- " * 8 + "|")
    data = text_of_size(1 << 20)
    with tempfile.NamedTemporaryFile() as text:
        text.write(data)
        text.flush()
        for path in options.files:
            load, encode, tokens = ours(path, text.name, options.rounds)
            their_load, their_encode, their_tokens = theirs(path, data, options.rounds)
            if tokens != their_tokens:
                sys.exit(f"{path}: {tokens} tokens, but llama.cpp finds {their_tokens}")
            print(cells.format(path.stem, tokens, f"{encode * 1e3:.0f}", f"{their_encode * 1e3:.0f}",
                               f"{their_encode / encode:.1f}x", f"{load * 1e3:.0f}", f"{their_load * 1e3:.0f}",
                               f"{their_load / load:.1f}x"), flush=True)


if __name__ == "__main__":
    main()
