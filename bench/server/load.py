#!/usr/bin/env python3
"""Many clients, most of them badly behaved, at one server; every answer is checked.

  bench/server/load.py -m model.gguf                    30 seconds, 200 connections
  bench/server/load.py -m model.gguf --seconds 600      the long run

Starts the server itself. Greedy answers are first computed one by one; under load every complete answer has to be the same
text: none lost, none mixed up. Beside those who ask and read there are clients who read slowly, who begin a request and
never end it, and who hang up in the middle. At the end all slots are idle, the queue is empty, the files and memory of the
server are what they were, and it ends on SIGTERM. Exit code 1 and a line for each thing that is not so.
"""
import argparse
import asyncio
import collections
import json
import os
import pathlib
import random
import socket
import statistics
import struct
import sys
import time

from started_server import StartedServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARES = {"asking": 0.6, "slow": 0.15, "half open": 0.1, "hanging up": 0.15}
N_QUESTIONS = 24
LOST_AFTER = 120  # seconds without an answer
MIB = 1 << 20


class Server(StartedServer):
    def __init__(self, arguments):
        super().__init__(arguments.binary, arguments.model, "-c", 1024, "--parallel", arguments.parallel, "--max-queue", 64,
                         "--metrics", "--max-connections", arguments.connections + 20)

    def rss(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def n_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


# --- a client of few words: HTTP/1.1 by hand, so that each way to misbehave is in reach

class Refused(Exception):
    """The server has no room; it says when to come back."""
    def __init__(self, seconds):
        self.seconds = seconds


class Client:
    def __init__(self, port, receive_buffer=None):
        self.port, self.receive_buffer = port, receive_buffer

    async def connect(self):
        sock = socket.socket()
        if self.receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        self.reader, self.writer = await asyncio.open_connection(sock=sock, limit=1 << 16)

    async def __aenter__(self):
        await self.connect()
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass

    def reset(self):
        """Closing now sends RST instead of FIN."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def send(self, method, path, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                          f"Content-Length: {len(data)}\r\n\r\n".encode() + data)

    async def receive(self, pause=0.0):
        """Status, headers and body. `pause`: seconds before each piece of a stream."""
        status = int((await self.reader.readline()).split()[1])
        headers = {}
        while line := (await self.reader.readline()).strip():
            name, value = line.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") != "chunked":
            return status, headers, await self.reader.readexactly(int(headers.get("content-length", 0)))
        body = b""
        while size := int(await self.reader.readline(), 16):
            if pause:
                await asyncio.sleep(pause)
            body += (await self.reader.readexactly(size + 2))[:size]
        await self.reader.readline()
        return status, headers, body

    async def ask(self, method, path, body=None, pause=0.0):
        self.send(method, path, body)
        status, headers, content = await self.receive(pause)
        if status in (429, 503):
            raise Refused(int(headers.get("retry-after", 1)))
        if status != 200:
            raise AssertionError(f"{path} answered {status}: {content[:200]!r}")
        return content.decode()


# --- questions and answers

def questions():
    topics = "rain bread stone music chess rivers clocks paper salt wind maps tea".split()
    return [{"path": path, "body": {**prompt, "temperature": 0, "max_tokens": 3 + i % 14}}
            for i, topic in enumerate(topics)
            for path, prompt in (
                ("/v1/chat/completions", {"messages": [{"role": "system", "content": "Answer briefly. " * 12},
                                                       {"role": "user", "content": f"{i}: what is said of {topic}?"}]}),
                ("/v1/completions", {"prompt": f"{i}. About {topic}, one line:"}))][:N_QUESTIONS]


def text_of(choice):
    return choice.get("text") or (choice.get("delta") or choice.get("message") or {}).get("content") or ""


def whole_text(content):
    (choice,) = json.loads(content)["choices"]
    return text_of(choice)


def streamed_text(content):
    blocks = content.removesuffix("\n\n").split("\n\n")
    if blocks[-1] != "data: [DONE]":
        raise AssertionError("a stream ended early: " + blocks[-1][:200])
    chunks = [json.loads(block.removeprefix("data: ")) for block in blocks[:-1]]
    if not any(choice.get("finish_reason") for chunk in chunks for choice in chunk["choices"]):
        raise AssertionError("a stream has no finish_reason")
    return "".join(text_of(choice) for chunk in chunks for choice in chunk["choices"])


async def answer(client, question, stream=False, pause=0.0):
    content = await client.ask("POST", question["path"], question["body"] | {"stream": stream}, pause)
    return streamed_text(content) if stream else whole_text(content)


# --- the load

class Load:
    def __init__(self, server, arguments):
        self.server, self.arguments = server, arguments
        self.random = random.Random(arguments.seed)
        self.questions = questions()
        self.problems = []
        self.counts = collections.Counter()
        self.seconds = []  # of answers
        self.rss = []
        self.end = 0.0

    def problem(self, text):
        self.counts["problems"] += 1
        if len(self.problems) < 20:
            self.problems.append(text)

    async def compute_alone(self):
        async with Client(self.server.port) as client:
            for question in self.questions:
                question["answer"] = await answer(client, question)
        n_different = len({question["answer"] for question in self.questions})
        if n_different < len(self.questions) // 2:
            self.problem(f"only {n_different} different answers: mixed ones would not be seen")

    async def checked(self, client, pause=0.0):
        question = self.random.choice(self.questions)
        is_stream = pause > 0 or self.random.random() < 0.5
        begin = time.monotonic()
        self.counts["asked"] += 1
        try:
            got = await asyncio.wait_for(answer(client, question, is_stream, pause), LOST_AFTER)
        except Refused as refusal:
            self.counts["refused"] += 1
            await asyncio.sleep(min(refusal.seconds, 2) * self.random.random())
            return
        self.seconds.append(time.monotonic() - begin)
        self.counts["answered"] += 1
        if got != question["answer"]:
            others = [q["body"] for q in self.questions if q["answer"] == got]
            self.problem(f"asked {question['body']}, expected {question['answer']!r}, got {got!r}" +
                         (f", the answer to {others}" if others else ""))

    async def asking(self):
        async with Client(self.server.port) as client:
            for _ in range(self.random.randint(1, 8)):  # over one connection
                if time.monotonic() < self.end:
                    await self.checked(client)

    async def slow(self):
        async with Client(self.server.port, receive_buffer=2048) as client:
            await self.checked(client, pause=self.random.uniform(0.05, 0.3))

    async def half_open(self):
        async with Client(self.server.port) as client:
            whole = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{\"messages\": ["
            client.writer.write(whole[:self.random.choice([0, 1, 30, 60, len(whole)])])
            self.counts["half open"] += 1
            left = max(0.0, self.end - time.monotonic())
            try:  # until the server lets go
                await asyncio.wait_for(client.reader.read(), min(left, self.random.uniform(1, 15)))
            except asyncio.TimeoutError:
                pass

    async def hanging_up(self):
        async with Client(self.server.port) as client:
            question = self.random.choice(self.questions)
            is_stream = self.random.random() < 0.7
            client.send("POST", question["path"], question["body"] | {"stream": is_stream, "max_tokens": 400})
            self.counts["hung up"] += 1
            await asyncio.sleep(self.random.uniform(0, 0.4))
            if self.random.random() < 0.5:
                client.reset()

    async def repeat(self, role):
        behave = {"asking": self.asking, "slow": self.slow, "half open": self.half_open, "hanging up": self.hanging_up}[role]
        while time.monotonic() < self.end:
            try:
                await behave()
            except (ConnectionError, asyncio.IncompleteReadError, IndexError) as error:
                # Only of those who misbehaved themselves.
                if role in ("asking", "slow"):
                    self.problem(f"{role}: the connection broke: {error!r}")
            except asyncio.TimeoutError:
                self.problem(f"{role}: no answer within {LOST_AFTER} s")
            except Refused:
                pass
            except AssertionError as error:
                self.problem(f"{role}: {error}")

    async def watch_memory(self):
        while time.monotonic() < self.end:
            self.rss.append(self.server.rss())
            await asyncio.sleep(0.25)

    async def run(self):
        self.end = time.monotonic() + self.arguments.seconds
        roles = [role for role, share in SHARES.items() for _ in range(round(share * self.arguments.connections))]
        await asyncio.gather(self.watch_memory(), *(self.repeat(role) for role in roles))

    # --- afterwards

    async def state(self):
        async with Client(self.server.port) as client:
            slots = json.loads(await client.ask("GET", "/slots"))
            metrics = await client.ask("GET", "/metrics")
        values = {line.split()[0].removeprefix("turboquant:"): float(line.split()[1])
                  for line in metrics.splitlines() if not line.startswith("#")}
        return slots, values

    async def check_end(self, files_before):
        deadline = time.monotonic() + 20
        while True:
            slots, metrics = await self.state()
            busy = [slot["id"] for slot in slots if slot["is_processing"]]
            n_files = self.server.n_files()
            if not busy and metrics["requests_deferred"] == 0 and n_files <= files_before + 2:
                break
            if time.monotonic() > deadline:
                self.problem(f"20 s after the end: busy slots {busy}, {metrics['requests_deferred']:.0f} waiting, "
                             f"{n_files} open files and {files_before} before")
                break
            await asyncio.sleep(0.2)
        if metrics["requests_failed_total"]:
            self.problem(f"{metrics['requests_failed_total']:.0f} requests failed in the server")
        if metrics["requests_finished_total"] < self.counts["answered"]:
            self.problem("more answers came than the server says it finished")
        if self.counts["answered"] + self.counts["refused"] + self.counts["problems"] < self.counts["asked"]:
            self.problem(f"answers are missing: {dict(self.counts)}")
        async with Client(self.server.port) as client:
            for question in self.questions:
                got = await answer(client, question)
                if got != question["answer"]:
                    self.problem(f"afterwards alone: {question['body']}, expected {question['answer']!r}, got {got!r}")

    def check_memory(self):
        # The first third touches each thread's stack and fills the cache.
        n = len(self.rss)
        early, late = self.rss[n // 3:n // 2], self.rss[-max(n // 6, 1):]
        growth = statistics.median(late) - statistics.median(early)
        if growth > 0.03 * statistics.median(early) + 4 * MIB:
            self.problem(f"memory grew by {growth / MIB:.1f} MiB in the second half of the run")
        return growth


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", default=str(ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--binary", default=str(ROOT / "build/release/turboquant"))
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


async def measure(load):
    await load.compute_alone()
    files_before = load.server.n_files()
    await load.run()
    await load.check_end(files_before)


def main():
    arguments = parse_arguments()
    server = Server(arguments)
    load = Load(server, arguments)
    try:
        asyncio.run(measure(load))
        growth = load.check_memory()
        code = server.end()
        if code != 0:
            load.problem(f"the server ended with code {code} on SIGTERM")
    finally:
        server.process.kill()
    c = load.counts
    times = sorted(load.seconds) or [0.0]
    print(f"{c['answered']} answers checked, {c['refused']} refused, {c['hung up']} hung up, {c['half open']} half open; "
          f"seconds to an answer: median {statistics.median(times):.2f}, 95 % {times[int(0.95 * (len(times) - 1))]:.2f}; "
          f"RSS {max(load.rss) / MIB:.0f} MiB, grew {growth / MIB:+.1f} MiB in the second half; {c['problems']} problems")
    for text in load.problems:
        print("problem: " + text)
    return 1 if load.problems or not c["answered"] else 0


if __name__ == "__main__":
    sys.exit(main())
