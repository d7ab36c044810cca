"""Ollama's own Python client and LangChain's ChatOllama against the real server, unchanged."""
import contextlib
import hashlib
import json
import math
import os
import pathlib
import shutil
import subprocess
import time

import gguf
import jsonschema
import ollama
import openai
import pytest
from langchain_ollama import ChatOllama, OllamaEmbeddings

from serving import BINARY, ENVIRONMENT, MODEL, Server

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
GREEDY = {"temperature": 0, "num_predict": 16, "repeat_penalty": 1.0}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12},
                                           "age": {"type": "integer", "minimum": 0, "maximum": 120}},
          "required": ["name", "age"], "additionalProperties": False}


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def file_digest(path):
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


class OllamaStore:
    """A folder as Ollama leaves it."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "blobs").mkdir(parents=True)

    def layer(self, kind, data):
        digest = digest_of(data)
        (self.folder / "blobs" / digest.replace(":", "-")).write_bytes(data)
        return {"mediaType": "application/vnd.ollama.image." + kind, "digest": digest, "size": len(data)}

    def model_layer(self, path):
        digest = file_digest(path)
        blob = self.folder / "blobs" / digest.replace(":", "-")
        if not blob.exists():
            blob.symlink_to(os.path.abspath(path))
        return {"mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": os.path.getsize(path)}

    def add(self, name, tag, layers):
        folder = self.folder / "manifests/registry.ollama.ai/library" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / tag).write_text(json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": self.layer("config", b"{}"), "layers": layers}))

    def files(self):
        return {str(path): path.read_bytes() if path.stat().st_size < 1 << 20 else path.stat().st_size
                for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("ollama")
    store = OllamaStore(root / "theirs")
    weights = store.model_layer(MODEL)
    store.add("smollm2", "135m", [weights])
    store.add("pirate", "latest", [
        weights, store.layer("system", b"You are a pirate."), store.layer("license", b"MIT"),
        store.layer("params", json.dumps({"temperature": 0, "num_predict": 5, "stop": ["<|im_end|>"]}).encode())])
    store.add("lost", "latest", [weights | {"digest": "sha256:" + "0" * 64}])
    (root / "files").mkdir()
    (root / "files/My Model.gguf").symlink_to(os.path.abspath(MODEL))
    (root / "files/broken.gguf").write_bytes(b"GGUF" + b"\0" * 20)
    return root, store


@pytest.fixture(scope="module")
def server(folders):
    root, _ = folders
    arguments = ("--model-dir", str(root / "files"), "--model-store", str(root / "own"), "--parallel", "2")
    environment = {"OLLAMA_MODELS": str(root / "theirs"), "OLLAMA_HOST": "127.0.0.1:1", "OLLAMA_KEEP_ALIVE": "10m"}
    with Server(*arguments, command=("ollama",), environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    return ollama.Client(host=server.url)


def names(client):
    return {model.model for model in client.list().models}


def test_models_of_all_sources(server, client):
    assert {"smollm2:135m", "pirate:latest", "My-Model:latest"} <= names(client)
    assert not {"lost:latest", "broken:latest"} & names(client)
    listed = next(model for model in client.list().models if model.model == "smollm2:135m")
    assert listed.size == os.path.getsize(MODEL) and len(listed.digest) == 64
    assert listed.details.family == "llama" and listed.details.quantization_level == "Q4_1"
    assert "skipped broken" in server.log and "skipped lost" in server.log
    assert server.get("/") == "Ollama is running" and server.get("/api/version")["version"]
    assert server.ask("HEAD", "/")[0] == 200


def test_show(server, client):
    shown = client.show("pirate")
    assert "insert" not in shown.capabilities and shown.modelinfo["tokenizer.ggml.tokens"] is None
    words = gguf.GGUFReader(MODEL).fields["tokenizer.ggml.tokens"]
    verbose = server.post("/api/show", {"model": "pirate", "verbose": True})["model_info"]["tokenizer.ggml.tokens"]
    assert len(verbose) == len(words.data) and verbose[300:310] == words.contents(slice(300, 310))
    assert shown.modelinfo["llama.embedding_length"] == 576 and "completion" in shown.capabilities
    assert "im_start" in shown.template and shown.license == "MIT"
    assert 'SYSTEM """You are a pirate."""' in shown.modelfile and "num_predict 5" in shown.parameters


def test_chat_is_that_of_openai(server, client):
    got = client.chat("smollm2:135m", QUESTION, options=GREEDY)
    openai = server.post("/v1/chat/completions", {"model": "smollm2:135m", "messages": QUESTION, "max_tokens": 16,
                                                  "temperature": 0, "repeat_penalty": 1.0})
    assert got.message.content == openai["choices"][0]["message"]["content"] != ""
    assert got.done and got.done_reason == openai["choices"][0]["finish_reason"] and got.model == "smollm2:135m"
    assert got.prompt_eval_count == openai["usage"]["prompt_tokens"]
    assert got.eval_count == openai["usage"]["completion_tokens"]
    assert 0 < got.eval_duration < got.total_duration and got.load_duration > 0
    chunks = list(client.chat("smollm2:135m", QUESTION, options=GREEDY, stream=True))
    assert "".join(chunk.message.content for chunk in chunks) == got.message.content
    assert [chunk.done for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].eval_count == got.eval_count


def test_what_a_model_was_made_with(server, client):
    got = client.chat("pirate", QUESTION)
    assert got.eval_count == 5 and got.done_reason == "length"
    as_said = client.chat("smollm2:135m", [{"role": "system", "content": "You are a pirate."}, *QUESTION],
                          options={"temperature": 0, "num_predict": 5})
    assert got.message.content == as_said.message.content
    assert client.chat("pirate", QUESTION, options={"num_predict": 2}).eval_count == 2
    own = [{"role": "system", "content": "Hi"}, *QUESTION]
    assert client.chat("pirate", own).prompt_eval_count == client.chat("smollm2:135m", own, options=GREEDY).prompt_eval_count


def test_generate(client):
    got = client.generate("smollm2:135m", "What is the capital of France?", options=GREEDY)
    assert got.response == client.chat("smollm2:135m", QUESTION, options=GREEDY).message.content
    again = client.generate("smollm2:135m", "And of Spain?", options=GREEDY, context=got.context)
    assert again.prompt_eval_count > got.prompt_eval_count and again.context[:len(got.context)] == got.context
    raw = client.generate("smollm2:135m", "Once upon", raw=True, options=GREEDY)
    assert raw.prompt_eval_count == 2 and raw.context is None
    cut = client.generate("smollm2:135m", "Once upon", raw=True, options=GREEDY | {"stop": [raw.response.split()[2]]})
    assert raw.response.startswith(cut.response) and len(cut.response) < len(raw.response)
    chunks = list(client.generate("smollm2:135m", "Once upon", raw=True, options=GREEDY, stream=True))
    assert "".join(chunk.response for chunk in chunks) == raw.response
    hot = GREEDY | {"temperature": 1.5, "seed": 7}
    texts = [client.generate("smollm2:135m", "Once upon", raw=True, options=hot).response for _ in range(2)]
    assert texts[0] == texts[1] != raw.response


def test_logprobs(client):
    got = client.generate("smollm2:135m", "Once upon", raw=True, options=GREEDY, logprobs=True, top_logprobs=2)
    assert "".join(entry.token for entry in got.logprobs) == got.response
    assert all(len(entry.top_logprobs) == 2 and entry.logprob == entry.top_logprobs[0].logprob for entry in got.logprobs)


def test_formats(client):
    options = {"temperature": 1, "num_predict": 80, "seed": 3}
    got = client.chat("smollm2:135m", [{"role": "user", "content": "Invent a person."}], format=SCHEMA, options=options)
    jsonschema.validate(json.loads(got.message.content), SCHEMA)
    free = client.generate("smollm2:135m", "The colour red as JSON.", format="json", options=options | {"num_predict": 40})
    assert free.response.startswith("{")


def test_a_long_conversation_loses_its_beginning(server, client):
    turn = {"role": "user", "content": "word " * 300}
    messages = [{"role": "system", "content": "Be brief."}, *[turn] * 8, *QUESTION]
    got = client.chat("smollm2:135m", messages, options=GREEDY)
    assert 1500 < got.prompt_eval_count < 2048
    small = client.chat("smollm2:135m", messages, options=GREEDY | {"num_ctx": 1000})
    assert 600 < small.prompt_eval_count < 1000
    status, _, answer = server.ask("POST", "/api/chat", {"model": "smollm2:135m", "messages": messages, "truncate": False})
    assert status == 400 and "longer than the context of 2048" in answer["error"]


def test_tools(client):
    def add(a: int, b: int) -> int:
        """Adds two numbers.

        Args:
          a: the first
          b: the second
        """
        return a + b

    got = client.chat("smollm2:135m", [{"role": "user", "content": "What is 2 + 3? Use the tool."}], tools=[add],
                      options=GREEDY | {"num_predict": 60})
    for call in got.message.tool_calls or []:
        assert call.function.name == "add" and set(call.function.arguments) <= {"a", "b"}
    messages = [{"role": "user", "content": "What is 2 + 3?"},
                {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 2, "b": 3}}}]},
                {"role": "tool", "tool_name": "add", "content": "5"}]
    assert client.chat("smollm2:135m", messages, tools=[add], options=GREEDY).eval_count > 0


def test_embeddings(server, client):
    texts = ["The cat sat on the mat.", "A kitten rests on a rug.", "Interest rates rose again."]
    got = client.embed("smollm2:135m", texts)
    assert [math.isclose(sum(x * x for x in vector), 1, rel_tol=1e-4) for vector in got.embeddings] == [True] * 3
    assert got.prompt_eval_count > 0
    one = client.embed("smollm2:135m", texts[0]).embeddings[0]
    assert one == got.embeddings[0]
    assert client.embeddings("smollm2:135m", texts[0]).embedding == one
    openai = server.post("/v1/embeddings", {"model": "smollm2:135m", "input": texts})
    assert [item["embedding"] for item in openai["data"]] == got.embeddings
    short = client.embed("smollm2:135m", texts[0], dimensions=8).embeddings[0]
    scale = math.sqrt(sum(x * x for x in one[:8]))
    assert short == pytest.approx([x / scale for x in one[:8]], rel=1e-5)
    assert client.embed("smollm2:135m", "word " * 3000).prompt_eval_count == 2048
    with pytest.raises(ollama.ResponseError, match="context"):
        client.embed("smollm2:135m", "word " * 3000, truncate=False)


def test_models_come_and_go(server, client):
    def loaded():
        return {model.model: model for model in client.ps().models}

    n_unloaded = server.log.count("unloading")
    client.generate("smollm2:135m", "", keep_alive="1h")
    assert loaded()["smollm2:135m"].context_length == 2048
    assert client.generate("smollm2:135m", "", keep_alive=0).done_reason == "unload"
    end = time.monotonic() + 20
    while loaded() or server.log.count("unloading") == n_unloaded:  # the log is read by a thread
        assert time.monotonic() < end
    assert server.ask("GET", "/slots")[0] == 404 and not loaded()
    with contextlib.closing(client.generate("smollm2:135m", "Once", raw=True, stream=True, keep_alive=0,
                                            options={"num_predict": 500, "num_ctx": 4096})) as stream:
        next(stream)
        assert loaded()["smollm2:135m"].context_length == 4096
    while loaded():  # who left has let it go
        pass


def test_models_of_ones_own(server, client, folders):
    root, store = folders
    before = store.files()
    statuses = [part.status for part in client.create("mario", from_="smollm2:135m", system="You are Mario.",
                                                      parameters={"num_predict": 3, "temperature": 0}, stream=True)]
    assert statuses[-1] == "success" and "mario:latest" in names(client)
    assert client.chat("mario", QUESTION).eval_count == 3
    client.create("luigi", from_="mario", system="You are Luigi.", license="MIT",
                  messages=[{"role": "user", "content": "Who are you?"}])
    shown = client.show("luigi")
    assert 'LICENSE """MIT"""\nMESSAGE user """Who are you?"""\n' in shown.modelfile
    assert "You are Luigi." in shown.modelfile and "num_predict 3" in shown.parameters
    client.copy("mario", "toad:1")
    client.copy("mario", "hf.co/plumber/mario:v2")
    with openai.OpenAI(base_url=server.url + "/v1", api_key="none") as other:
        assert other.models.retrieve("hf.co/plumber/mario:v2").id in {model.id for model in other.models.list()}
        assert other.models.retrieve("toad:1").id == "toad:1"
    assert client.show("toad:1").parameters == client.show("mario").parameters
    client.create("from-file", from_="My-Model", system="x")
    assert client.show("from-file").details.quantization_level == "Q4_1"
    for name in ("mario", "luigi", "toad:1", "hf.co/plumber/mario:v2", "from-file"):
        client.delete(name)
    assert not {"mario:latest", "toad:1"} & names(client)
    assert not [path for path in (root / "own").rglob("*") if path.is_file()]  # nothing is left over
    for theirs in ("smollm2:135m", "My-Model"):
        with pytest.raises(ollama.ResponseError) as caught:
            client.delete(theirs)
        assert caught.value.status_code == 403
    assert store.files() == before


def test_blobs(server, client, folders, tmp_path):
    root, _ = folders
    copy = tmp_path / "copy.gguf"
    shutil.copyfile(MODEL, copy)
    with open(copy, "r+b") as file:  # another file than the store has: its last weight differs
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    digest = client.create_blob(copy)  # in pieces, 94 MiB: more than a request may have
    assert digest == file_digest(copy)
    assert server.ask("HEAD", f"/api/blobs/{digest}")[0] == 200
    client.create("copied", files={"copy.gguf": digest})
    assert client.generate("copied", "Once", raw=True, options=GREEDY).eval_count == 16
    client.delete("copied")
    assert server.ask("HEAD", f"/api/blobs/{digest}")[0] == 404
    wrong = digest_of(b"something else")
    assert server.ask("POST", f"/api/blobs/{wrong}", b"something")[0] == 400
    assert server.ask("HEAD", f"/api/blobs/{wrong}")[0] == 404
    assert server.ask("POST", f"/api/blobs/{digest_of(b'abc')}", b"abc")[0] == 201
    status, _, answer = server.ask("POST", "/api/create", {"model": "bad", "files": {"a.gguf": digest_of(b"abc")}})
    assert status == 400 and "GGUF" in answer["error"]
    for path in ("sha256:abc", "sha256-" + "0" * 64, "..%2f..%2fetc"):
        assert server.ask("POST", f"/api/blobs/{path}", b"abc")[0] in (400, 404)
    assert not list((root / "own/blobs").glob("*.*"))  # no half files


@pytest.mark.parametrize("path, body, status, words", [
    ("/api/chat", {"model": "nothing", "messages": QUESTION}, 404, "model 'nothing' not found"),
    ("/api/chat", {"messages": QUESTION}, 400, "model is required"),
    ("/api/chat", {"model": "../../etc/passwd", "messages": QUESTION}, 404, "not found"),
    ("/api/chat", {"model": "smollm2:135m", "messages": QUESTION, "think": True}, 400, "does not support thinking"),
    ("/api/chat", {"model": "smollm2:135m", "messages": [{"role": "user", "content": "a", "images": ["AA=="]}]}, 400, "images"),
    ("/api/chat", {"model": "smollm2:135m", "messages": QUESTION, "options": {"temperature": -1}}, 400, "options.temperature"),
    ("/api/chat", {"model": "smollm2:135m", "messages": QUESTION, "keep_alive": "soon"}, 400, "keep_alive"),
    ("/api/chat", {"model": "lost", "messages": QUESTION}, 500, "missing"),
    ("/api/generate", {"model": "smollm2:135m", "prompt": "a", "suffix": "b"}, 400, "insert"),
    ("/api/generate", {"model": "smollm2:135m", "prompt": "a", "format": 3}, 400, "format"),
    ("/api/create", {"model": "../up", "from": "smollm2:135m"}, 400, "invalid model name"),
    ("/api/create", {"model": "a", "from": "smollm2:135m", "quantize": "q4_0"}, 400, "quantize"),
    ("/api/copy", {"source": "smollm2:135m", "destination": "a/../../b"}, 400, "invalid model name"),
    ("/api/pull", {"model": "llama3.2"}, 501, "downloads nothing"),
    ("/api/push", {"model": "llama3.2"}, 501, "uploads nothing"),
    ("/api/nothing", {}, 404, "nothing at this path"),
    ("/api/chat", "not json", 400, "JSON"),
])
def test_errors(server, path, body, status, words):
    got, _, answer = server.ask("POST", path, body)
    assert got == status and list(answer) == ["error"] and words in answer["error"], answer


def test_other_names_of_the_server_are_refused(server):
    assert server.ask("GET", "/api/tags", Host="evil.example")[0] == 403
    assert server.ask("POST", "/api/chat", {}, Origin="http://evil.example")[0] == 403


def test_langchain(server):
    model = ChatOllama(model="smollm2:135m", base_url=server.url, temperature=0, num_predict=16, repeat_penalty=1.0,
                       validate_model_on_init=True)
    got = model.invoke("What is the capital of France?")
    assert got.content and got.usage_metadata["output_tokens"] > 0
    assert "".join(chunk.content for chunk in model.stream("What is the capital of France?")) == got.content
    person = model.with_structured_output(SCHEMA, method="json_schema")
    model.num_predict = 80
    assert set(person.invoke("Invent a person called Bo, 3 years old.")) == {"name", "age"}
    vectors = OllamaEmbeddings(model="smollm2:135m", base_url=server.url).embed_documents(["a", "b"])
    assert [len(vector) for vector in vectors] == [576, 576]


def test_one_model_answers_to_every_name():
    with Server("--parallel", "1") as server:
        client = ollama.Client(host=server.url)
        assert client.chat("whatever", QUESTION, options=GREEDY).model == "whatever"
        assert [model.model for model in client.list().models] == [pathlib.Path(MODEL).stem + ":latest"]
        with pytest.raises(ollama.ResponseError, match="--model-store"):
            client.create("a", from_=pathlib.Path(MODEL).stem)


@pytest.mark.parametrize("name, value, words", [
    ("OLLAMA_HOST", "https://localhost", "no TLS"),
    ("OLLAMA_HOST", "[::1", "OLLAMA_HOST"),
    ("OLLAMA_HOST", "localhost:99999", "OLLAMA_HOST"),
    ("OLLAMA_HOST", "0.0.0.0", "--api-key"),
    ("OLLAMA_HOST", "http://[::]:11434/", "--api-key"),
    ("OLLAMA_KEEP_ALIVE", "soon", "OLLAMA_KEEP_ALIVE"),
    ("OLLAMA_NUM_PARALLEL", "many", "OLLAMA_NUM_PARALLEL"),
])
def test_environment(tmp_path, name, value, words):
    environment = {key: text for key, text in ENVIRONMENT.items() if not key.startswith("OLLAMA_")}
    got = subprocess.run([BINARY, "ollama", "--port", "0", "--model-store", str(tmp_path)], text=True, timeout=60,
                         env=environment | {name: value}, capture_output=True)
    assert got.returncode == 2 and words in got.stderr, got.stderr


def test_what_the_environment_says_holds_and_options_come_first(folders):
    root, _ = folders
    environment = {"OLLAMA_HOST": "127.0.0.1:1", "OLLAMA_MODELS": str(root / "theirs"), "HOME": str(root / "home")}
    with Server(command=("serve", "--ollama"), environment=environment) as server:  # gives it --port 0
        client = ollama.Client(host=server.url)
        assert names(client) == {"smollm2:135m", "pirate:latest"}
        assert str(root / "home/.local/share/turboquant/models") in server.log
