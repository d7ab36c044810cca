"""docs/server.md, run as it is printed: its servers start, its curl and Python get answers. And curl for the rest."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from serving import BINARY, ENVIRONMENT, MODEL, Server

TEXT = (pathlib.Path(__file__).resolve().parents[2] / "docs/server.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line.split("#")[0].strip() for kind, block in BLOCKS if kind == "sh"
            for line in block.splitlines() if line.startswith("turboquant ")]


@pytest.fixture(scope="module")
def server():
    with Server("--parallel", "2", "--alias", "smol", "--temp", "0") as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with what the commands name, and `turboquant` in reach."""
    path = tmp_path_factory.mktemp("home")
    (path / "models").mkdir()
    for name in ("model.gguf", "models/model.gguf"):
        (path / name).symlink_to(os.path.abspath(MODEL))
    (path / "turboquant").symlink_to(os.path.abspath(BINARY))
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_servers_start(home, command):
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith(("OLLAMA_", "XDG_"))}
    environment |= {"HOME": str(home), "PATH": f"{home}:{os.environ['PATH']}"}
    command = command.replace("-c 32768", "-c 8192")  # the model's own
    process = subprocess.Popen(["bash", "-c", "exec " + command + " --port 0"], cwd=home, env=environment, text=True,
                               stderr=subprocess.PIPE)
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "listening on http://127.0.0.1:" in line:
                break
        assert "listening" in lines[-1], "".join(lines)
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


def of_this_server(text, server):
    assert "127.0.0.1:8080" in text
    return text.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")


def curl(*words):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    got = subprocess.run(["curl", "--silent", "--show-error", *words], capture_output=True, text=True, timeout=120)
    assert got.returncode == 0, got.stderr
    return got.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_as_printed(server):
    (command,) = [block for kind, block in BLOCKS if kind == "sh" and block.startswith("curl ")]
    got = subprocess.run(["bash", "-c", of_this_server(command, server)], capture_output=True, text=True, timeout=120)
    assert got.returncode == 0 and got.stdout.endswith("data: [DONE]\n\n") and '"delta":{"content":' in got.stdout


def test_python_as_printed(server):
    pytest.importorskip("openai")
    program = of_this_server("\n".join(block for kind, block in BLOCKS if kind == "python"), server)
    got = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert got.returncode == 0, got.stderr
    assert set(json.JSONDecoder().raw_decode(got.stdout)[0]) == {"name", "age"}


def test_curl_over_the_apis(server):
    url = server.url
    messages = [{"role": "user", "content": "Hi"}]
    body = json.dumps({"model": "smol", "messages": messages, "max_tokens": 3, "temperature": 0})
    expected = server.post("/v1/chat/completions", json.loads(body))["choices"][0]["message"]["content"]
    assert json.loads(curl(url + "/v1/chat/completions", "-d", body))["choices"][0]["message"]["content"] == expected
    assert len(json.loads(curl(url + "/v1/embeddings", "-d", '{"input": "sea"}'))["data"]) == 1
    response = json.loads(curl(url + "/v1/responses", "-d", '{"input": "Hi", "max_output_tokens": 2}'))
    assert response["object"] == "response" and response["status"] == "incomplete"
    assert json.loads(curl(url + "/completion", "-d", '{"prompt": "Once", "n_predict": 2}'))["stop_type"] == "limit"
    tokens = server.post("/tokenize", {"content": "a b"})
    assert json.loads(curl(url + "/tokenize", "-d", '{"content": "a b"}')) == tokens
    assert json.loads(curl(url + "/health")) == {"status": "ok"}
    body = json.dumps({"model": "smol", "messages": messages, "options": {"num_predict": 3, "temperature": 0}})
    lines = curl(url + "/api/chat", "-d", body).splitlines()
    assert "".join(json.loads(line)["message"]["content"] for line in lines) == expected
    assert [json.loads(line)["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert curl("--head", url + "/v1/models").startswith("HTTP/1.1 200 OK")
    assert "405 Method Not Allowed" in curl("-i", url + "/v1/chat/completions")
    # A body that curl announces first (Expect: 100-continue), and one that it compresses.
    long = json.dumps({"content": "a " * 50000})
    assert len(json.loads(curl(url + "/tokenize", "-H", "Expect: 100-continue", "-d", long))["tokens"]) == 50001
    assert '"total_slots":2' in curl("--compressed", url + "/props")


def test_curl_gives_a_file_to_ollama(tmp_path):
    with Server("--model-store", str(tmp_path / "store")) as server:
        digest = "sha256:" + hashlib.sha256(pathlib.Path(MODEL).read_bytes()).hexdigest()
        blob = f"{server.url}/api/blobs/{digest}"
        assert curl("--head", blob).startswith("HTTP/1.1 404")
        assert "HTTP/1.1 201 Created" in curl("-i", "-T", MODEL, "-X", "POST", blob)
        assert curl("--head", blob).startswith("HTTP/1.1 200")
        made = curl(server.url + "/api/create", "-d", json.dumps({"model": "mine", "files": {"a.gguf": digest}}))
        assert json.loads(made.splitlines()[-1]) == {"status": "success"}
        assert "mine:latest" in curl(server.url + "/api/tags")
