#!/usr/bin/env python3
"""How long a client waits for the first token behind a long system prompt: asked for the first time, with another question
(the prompt's pages are in memory), and for the first time after a restart (they are in --cache-dir).

  bench/server/first_token.py -m model.gguf                    2048 tokens of system prompt, 5 rounds
  bench/server/first_token.py -m model.gguf --tokens 8192

Each round has a system prompt of its own and a fresh folder (TMPDIR says where). Prints a table of medians with the least
and most, and checks that the text after the restart is that of before. After a restart the files are read twice: from the
page cache, as they were just written, and from the disk, after the kernel was told to forget them.
"""
import argparse
import http.client
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

from started_server import StartedServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = ["first", "second question", "after a restart", "after a restart, from the disk", "after a restart, no --cache-dir"]


class Server(StartedServer):
    def __init__(self, arguments, *more):
        super().__init__(arguments.binary, arguments.model, "-c", arguments.tokens + 512, "--parallel", 2, *more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(timeout=60)

    def post(self, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            sys.exit(f"{path} answered {response.status}: {response.read()[:300]!r}")
        return connection, response

    def count(self, text):
        connection, response = self.post("/tokenize", {"content": text})
        n = len(json.loads(response.read())["tokens"])
        connection.close()
        return n

    def ask(self, system, question):
        """Seconds to the first text, the text, and how many tokens of the prompt were cached."""
        body = {"messages": [{"role": "system", "content": system}, {"role": "user", "content": question}], "temperature": 0,
                "max_tokens": 8, "stream": True, "stream_options": {"include_usage": True}}
        begin = time.perf_counter()
        connection, response = self.post("/v1/chat/completions", body)
        first, text, usage = None, "", {}
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line[6:])
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                piece = choice["delta"].get("content") or ""
                if piece and first is None:
                    first = time.perf_counter() - begin
                text += piece
        connection.close()
        return first, text, usage["prompt_tokens_details"]["cached_tokens"]


def system_prompt(server, n_tokens, seed):
    """Text of about so many tokens, another one for each seed."""
    lines, text = [], ""
    while server.count(text) < n_tokens:
        lines += [f"Entry {seed}-{len(lines) + i}: the lake of valley {(len(lines) + i) * 7919 % 1000} is older than its river."
                  for i in range(8)]
        text = "\n".join(lines)
    return text


def forget(folder):
    """The files leave the page cache."""
    for path in pathlib.Path(folder).rglob("*.tqkv"):
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", default=str(ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--binary", default=str(ROOT / "build/release/turboquant"))
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def one_round(arguments, seed, seconds, cached):
    with tempfile.TemporaryDirectory() as folder:
        with Server(arguments, "--cache-dir", folder) as server:
            system = system_prompt(server, arguments.tokens - 64, seed)
            server.ask("warm", "up")
            answers = [server.ask(system, "Which lake is old?"), server.ask(system, "Name a valley.")]
        n_bytes = sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())
        for more, is_cold in ((("--cache-dir", folder), False), (("--cache-dir", folder), True), ((), False)):
            with Server(arguments, *more) as server:
                server.ask("warm", "up")
                if is_cold:
                    forget(folder)
                answers.append(server.ask(system, "Which lake is old?"))
    if len({text for _, text, _ in (answers[0], *answers[2:])}) != 1:
        sys.exit("the text differs after a restart")
    for case, (first, _, n) in zip(CASES, answers):
        seconds[case].append(first)
        cached[case].append(n)
    return n_bytes


def main():
    arguments = parse_arguments()
    seconds, cached = ({case: [] for case in CASES} for _ in range(2))
    sizes = [one_round(arguments, seed, seconds, cached) for seed in range(arguments.rounds)]
    print(f"{arguments.tokens} tokens of system prompt, {arguments.rounds} rounds, {statistics.median(sizes) / 2**20:.1f} MiB on disk\n")
    print("| | ms to the first token | least to most | cached tokens |\n|---|---:|---:|---:|")
    for case in CASES:
        times = sorted(1000 * s for s in seconds[case])
        print(f"| {case} | {statistics.median(times):.0f} | {times[0]:.0f} to {times[-1]:.0f} | {min(cached[case])} |")


if __name__ == "__main__":
    main()
