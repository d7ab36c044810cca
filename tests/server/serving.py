"""Starts the real `turboquant serve` (TQ_BINARY) on the real model (TQ_MODEL), on a free port of 127.0.0.1."""
import contextlib
import http.client
import json
import os
import re
import subprocess
import threading
import time

import pytest

for _name in ("TQ_BINARY", "TQ_MODEL"):
    if not os.path.exists(os.environ.get(_name, "")):
        pytest.skip(f"{_name} names no file", allow_module_level=True)

BINARY = os.environ["TQ_BINARY"]
MODEL = os.environ["TQ_MODEL"]
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("TURBO_LAYER_ADAPTIVE", "TURBOQUANT_ISA")}


class Server:
    def __init__(self, *arguments, command=("serve", "-m", MODEL), environment=None):
        command = [BINARY, *command, "-c", "2048", "--port", "0", *arguments]
        self.api_key = arguments[arguments.index("--api-key") + 1] if "--api-key" in arguments else "none"
        self.process = subprocess.Popen(command, env=ENVIRONMENT | (environment or {}), stderr=subprocess.PIPE, text=True)
        self.port = None
        self.log = ""
        for line in self.process.stderr:  # ends when the program does
            self.log += line
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)$", line.strip()):
                self.port = int(found[1])
                break
        assert self.port, "it did not start: " + self.log
        self.reader = threading.Thread(target=self.read_log)  # a full pipe would block the server
        self.reader.start()

    def read_log(self):
        for line in self.process.stderr:
            self.log += line

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def connect(self, timeout=60):
        return contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout))

    def ask(self, method, path, body=None, **headers):
        """Status, headers and body, read as JSON where it is."""
        with self.connect() as connection:
            data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            content = response.read()
            is_json = content and (response.headers["Content-Type"] or "").startswith("application/json")
            return response.status, response.headers, json.loads(content) if is_json else content.decode()

    def post(self, path, body, **headers):
        status, _, answer = self.ask("POST", path, body, **headers)
        assert status == 200, answer
        return answer

    def get(self, path, **headers):
        status, _, answer = self.ask("GET", path, **headers)
        assert status == 200, answer
        return answer

    def wait_until(self, condition, timeout=20):
        """Until condition(list of /slots) holds."""
        end = time.monotonic() + timeout
        while not condition(slots := self.get("/slots")):
            assert time.monotonic() < end, slots
        return slots

    def exit_code(self):
        code = self.process.wait(timeout=30)
        self.reader.join()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        if self.port:
            self.reader.join()
        self.process.stderr.close()


def openai_client(server, api_key=None):
    """The official client of OpenAI's API."""
    openai = pytest.importorskip("openai")
    return openai.OpenAI(base_url=server.url + "/v1", api_key=api_key or server.api_key, max_retries=0)


@pytest.fixture(scope="module")
def client(server):
    """For modules that import it and have a fixture `server`."""
    with openai_client(server) as made:
        yield made


def busy(slots):
    return sum(slot["is_processing"] for slot in slots)


def chat(text, **fields):
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 24} | fields


def events(text):
    """The data of server-sent events, checked for form."""
    assert text.endswith("\n\n")
    blocks = text[:-2].split("\n\n")
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks), text
    return [block.removeprefix("data: ") for block in blocks]
