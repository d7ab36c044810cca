"""The real server without a client library: llama-server's endpoints, limits, hang-ups, the end."""
import http.client
import json
import signal
import socket
import subprocess

import pytest

from serving import BINARY, ENVIRONMENT, MODEL, Server, busy, chat, events

LONG = {"temperature": 1, "max_tokens": 1500, "ignore_eos": True}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server("--parallel", "2", "--metrics", "--max-queue", "1", "--slot-save-path",
                str(tmp_path_factory.mktemp("slots"))) as running:
        yield running


def start_stream(server, connection, **fields):
    """A stream whose first text has come."""
    connection.request("POST", "/v1/chat/completions", json.dumps(chat("Tell me a story.", stream=True, **LONG, **fields)))
    response = connection.getresponse()
    assert response.status == 200 and response.headers["Content-Type"].startswith("text/event-stream")
    while b'"content":"' not in (line := response.readline()) or b'"content":""' in line:
        assert line
    return response


def metric(server, name):
    return next(float(line.split()[1]) for line in server.get("/metrics").splitlines()
                if line.startswith(f"turboquant:{name} "))


def test_health_and_props(server):
    assert server.get("/health") == {"status": "ok"}
    props = server.get("/props")
    assert props["total_slots"] == 2 and props["default_generation_settings"]["n_ctx"] == 2048
    assert "im_start" in props["chat_template"] and props["eos_token"] == "<|im_end|>"


def test_text_goes_there_and_back(server):
    text = "Grüße, 世界! <|im_end|>"
    tokens = server.post("/tokenize", {"content": text})["tokens"]
    assert server.post("/detokenize", {"tokens": tokens})["content"] == text
    plain = server.post("/tokenize", {"content": text, "parse_special": False})["tokens"]
    assert len(plain) > len(tokens)
    pieces = server.post("/tokenize", {"content": "a b", "with_pieces": True})["tokens"]
    assert [piece["piece"] for piece in pieces] == ["a", " b"]


def test_apply_template(server):
    prompt = server.post("/apply-template", chat("Hello"))["prompt"]
    assert prompt.endswith("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n")


def test_hang_up_frees_the_slot(server):
    before = metric(server, "requests_cancelled_total")
    with server.connect() as connection:
        start_stream(server, connection)
        assert busy(server.get("/slots")) == 1
    server.wait_until(lambda slots: busy(slots) == 0)
    # The same for a client that waits for the whole answer.
    with server.connect() as connection:
        connection.request("POST", "/v1/completions", json.dumps({"prompt": "Once", **LONG}))
        server.wait_until(lambda slots: busy(slots) == 1)
    server.wait_until(lambda slots: busy(slots) == 0)
    assert metric(server, "requests_cancelled_total") == before + 2


def long_prompt(word):
    """Several passes of 256 tokens, which nobody has asked for before."""
    return json.dumps({"prompt": f"{word} {word} and " * 600, "max_tokens": 1})


@pytest.mark.parametrize("path, body, passes", [
    ("/v1/chat/completions", json.dumps(chat("Tell me a story.", stream=True, **LONG)), 5),
    ("/v1/completions", json.dumps({"prompt": "Once", **LONG}), 5),
    ("/completion", json.dumps({"prompt": "Once", "n_predict": 1500, "ignore_eos": True}), 5),
    ("/api/generate", json.dumps({"model": "a", "prompt": "Once", "raw": True, "options": {"num_predict": 1500}}), 5),
    ("/v1/responses", json.dumps({"input": "Tell me a story.", "max_output_tokens": 1500, "ignore_eos": True}), 5),
    ("/v1/completions", long_prompt("river"), 2),  # in the midst of the prompt
])
def test_a_client_that_hung_up_costs_at_most_the_pass_under_way(server, path, body, passes):
    before = metric(server, "n_decode_total")
    cancelled = metric(server, "requests_cancelled_total")
    with server.connect() as connection:
        connection.request("POST", path, body)
        while metric(server, "n_decode_total") < before + passes:
            pass
    at_end = metric(server, "n_decode_total")  # the connection has been closed before this is asked
    server.wait_until(lambda slots: busy(slots) == 0)
    assert metric(server, "n_decode_total") <= at_end + 1
    assert metric(server, "requests_cancelled_total") == cancelled + 1


def test_all_slots_busy(server):
    assert server.ask("GET", "/slots?fail_on_no_slot=1")[0] == 200
    with server.connect() as a, server.connect() as b:
        streams = [start_stream(server, connection) for connection in (a, b)]
        assert server.ask("GET", "/slots?fail_on_no_slot=1")[0] == 503
        for stream in streams:
            stream.close()
    server.wait_until(lambda slots: busy(slots) == 0)


def test_a_full_queue_says_when_to_come_back(server):
    with server.connect() as a, server.connect() as b, server.connect() as c:
        streams = [start_stream(server, connection) for connection in (a, b)]
        c.request("POST", "/v1/chat/completions", json.dumps(chat("Hi", max_tokens=1)))
        server.wait_until(lambda _: metric(server, "requests_deferred") == 1)
        status, headers, answer = server.ask("POST", "/v1/chat/completions", chat("Hi"))
        assert status == 429 and int(headers["Retry-After"]) >= 1
        assert answer["error"]["code"] == "rate_limit_exceeded"
        a.close()
        streams[0].close()
        assert c.getresponse().status == 200  # the one that waited has its turn
    server.wait_until(lambda slots: busy(slots) == 0)


def test_what_never_has_room_is_not_asked_to_come_back(server):
    assert len(server.post("/v1/completions", {"prompt": "Hi", "n": 3, "max_tokens": 1})["choices"]) == 3  # 2 slots, 1 waits
    for fields in ({"n": 4}, {"prompt": ["Hi"] * 4}):
        status, _, answer = server.ask("POST", "/v1/completions", {"prompt": "Hi", "max_tokens": 1} | fields)
        assert status == 400 and answer["error"]["param"] == "n" and "at most 3" in answer["error"]["message"]


def test_slots_are_saved_and_restored(server):
    first = server.post("/v1/chat/completions", chat("Name a river.", id_slot=0, max_tokens=4))
    saved = server.post("/slots/0?action=save", {"filename": "river.bin"})
    assert saved["n_saved"] >= first["usage"]["prompt_tokens"]
    assert server.post("/slots/0?action=erase", None)["n_erased"] == saved["n_saved"]
    assert server.get("/slots")[0]["n_cached"] == 0
    assert server.post("/slots/1?action=restore", {"filename": "river.bin"})["n_restored"] == saved["n_saved"]
    again = server.post("/v1/chat/completions", chat("Name a river.", id_slot=1, max_tokens=4))
    assert again["choices"] [0]["message"] == first["choices"][0]["message"]
    for name in ("../river.bin", "/etc/passwd", "a/b", "..", "", ".x", "a\x00b"):
        assert server.ask("POST", "/slots/0?action=save", {"filename": name})[0] == 400, name
    assert server.ask("POST", "/slots/9?action=erase", {})[0] == 404
    assert server.ask("POST", "/slots/0?action=restore", {"filename": "none.bin"})[0] == 400


def test_a_system_prompt_is_computed_once(server):
    system = {"role": "system", "content": "You are a helpful and harmless assistant. " * 40}

    def usage(question, slot):
        messages = [system, {"role": "user", "content": question}]
        return server.post("/v1/chat/completions", {"messages": messages, "max_tokens": 1, "id_slot": slot})["usage"]
    first, second = usage("Hello", 0), usage("Good morning", 1)
    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    assert second["prompt_tokens_details"]["cached_tokens"] >= 256


@pytest.mark.parametrize("request_, status", [
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nnot json!", 400),
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", 413),
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),  # no length is no body: RFC 9112, 6.3
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}", 403),
    (b"GET /health HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", 403),
    (b"GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    (b"DELETE /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 405),
    (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    (b"nonsense\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n", 400),
    (b"GET /" + b"a" * 10000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
])
def test_bad_requests(server, request_, status):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(request_)
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == status and json.loads(answer.read())["error"]["message"]


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"POST"])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_is_never_the_next_request(server, method, is_chunked):
    # A proxy in front sends one request and waits for one answer; a second one would be the next client's.
    hidden = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden) if is_chunked else hidden
    length = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % len(hidden)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        path = b"/tokenize" if method == b"POST" else b"/health"
        client.sendall(b"%b %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n%b" % (method, path, length, body))
        if method == b"POST":  # whose connection stays open
            client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answers = b"".join(iter(lambda: client.recv(65536), b""))
    assert b'"owned_by"' not in answers and answers.count(b"HTTP/1.1 ") == (2 if method == b"POST" else 1)


@pytest.mark.parametrize("body, says", [
    ("", "empty"), ("[]", "JSON object"), ('{"messages": [', "at byte 15"), (b'{"messages": "\xff"}', "UTF-8 (at byte 15)"),
    ("[" * 70000, "nests deeper"), ('{"messages": 1e999}', "out of range")])
def test_bad_bodies(server, body, says):
    # In each API's own shape.
    status, _, answer = server.ask("POST", "/v1/chat/completions", body)
    assert status == 400 and says in answer["error"]["message"] and answer["error"]["type"] == "invalid_request_error"
    status, _, answer = server.ask("POST", "/api/chat", body)
    assert status == 400 and says in answer["error"]


def test_methods_and_paths(server):
    status, headers, answer = server.ask("GET", "/v1/chat/completions")
    assert status == 405 and headers["Allow"] == "POST" and answer["error"]["code"] == "method_not_allowed"
    status, headers, _ = server.ask("OPTIONS", "/v1/models")
    assert status == 204 and headers["Allow"] == "GET, HEAD, OPTIONS" and not headers["Access-Control-Allow-Origin"]
    status, headers, _ = server.ask("HEAD", "/v1/models")
    assert status == 200 and int(headers["Content-Length"]) > 0
    for path, says in (("/rerank", "reranking"), ("/nothing", "docs/server.md"), ("/v1/messages", "Anthropic"),
                       ("/v1/responses/resp_1/cancel", "not kept")):
        assert says in server.ask("POST", path, {})[2]["error"]["message"]
    assert server.get("/").startswith("turboquant is running")


def test_stream_is_well_formed(server):
    _, headers, text = server.ask("POST", "/v1/chat/completions", chat("Hi", stream=True, max_tokens=3))
    data = events(text)
    assert data[-1] == "[DONE]" and headers["Cache-Control"] == "no-cache"
    reasons = [json.loads(item)["choices"][0]["finish_reason"] for item in data[:-1]]
    assert reasons == [None] * (len(reasons) - 1) + ["length"]
    assert json.loads(data[-2])["timings"]["predicted_n"] == 3  # llama-server's, with the last one


def test_what_was_said_is_not_logged_and_the_end_is_clean():
    with Server("--parallel", "1", "--shutdown-timeout", "0") as server:
        server.post("/v1/chat/completions", chat("xyzzy secret", max_tokens=1))
        with server.connect() as connection:
            stream = start_stream(server, connection)
            server.process.send_signal(signal.SIGTERM)
            rest = events(stream.read().decode().lstrip("\n"))
            assert rest[-1] == "[DONE]" and json.loads(rest[-2])["error"]["code"] == "shutting_down"
        assert server.exit_code() == 0
        assert "path=/v1/chat/completions status=200" in server.log and "xyzzy" not in server.log


def test_log_to_a_file_as_json(tmp_path):
    path = tmp_path / "server.log"
    path.write_text('{"event":"before"}\n')
    with Server("--log-format", "json", "--log-file", str(path)) as server:
        server.get("/health")
        server.ask("GET", '/a"b\\c')
        assert "path=" not in server.log
    before, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert before == {"event": "before"}
    assert [(line["event"], line["path"], line["status"]) for line in lines] == [
        ("request", "/health", 200), ("request", "/a?b\\c", 404)]
    assert all(line["level"] == "info" and line["ms"] >= 0 and line["time"].count(":") >= 2 for line in lines)
    got = subprocess.run([BINARY, "serve", "-m", MODEL, "--log-file", str(path / "below")], env=ENVIRONMENT,
                         capture_output=True, text=True, timeout=60)
    assert got.returncode == 1 and "--log-file" in got.stderr


def test_the_servers_own_length_of_answers():
    with Server("-n", "3", "--parallel", "1") as server:
        usage = server.post("/v1/completions", {"prompt": "Once upon a time"})["usage"]
        assert usage["completion_tokens"] == 3
        assert server.post("/v1/responses", {"input": "Tell a story"})["usage"]["output_tokens"] == 3
        assert server.post("/v1/responses", {"input": "Tell a story", "max_output_tokens": 2})["usage"]["output_tokens"] == 2
        assert server.post("/api/generate", {"model": "a", "prompt": "Tell", "stream": False})["eval_count"] == 3


def test_a_key_is_needed_for_others():
    for arguments in (("--host", "0.0.0.0"), ("--host", "0.0.0.0", "--api-key", "")):
        got = subprocess.run([BINARY, "serve", "-m", MODEL, *arguments], env=ENVIRONMENT, capture_output=True, text=True)
        assert got.returncode == 2 and "key" in got.stderr


def test_llama_servers_variables():
    environment = {"LLAMA_ARG_MODEL": MODEL, "LLAMA_ARG_CTX_SIZE": "512", "LLAMA_ARG_N_PARALLEL": "2",
                   "LLAMA_ARG_ALIAS": "smol", "LLAMA_API_KEY": "secret",
                   "LLAMA_ARG_ENDPOINT_METRICS": "true", "LLAMA_ARG_ENDPOINT_SLOTS": "0",
                   "LLAMA_ARG_CACHE_TYPE_K": "q8_0", "LLAMA_ARG_N_PREDICT": "3", "LLAMA_ARG_UI": "disabled"}
    with Server(command=("serve",), environment=environment) as server:
        key = {"Authorization": "Bearer secret"}
        props = server.get("/props", **key)
        assert props["total_slots"] == 2 and props["model_alias"] == "smol" and props["cache_type"] == "K q8_0, V turbo4"
        assert props["default_generation_settings"]["n_ctx"] == 2048  # of the command line, which wins
        assert server.ask("GET", "/props")[0] == 401 and "n_decode_total" in server.get("/metrics", **key)
        assert server.ask("GET", "/slots", **key)[0] == 404
        assert server.post("/v1/completions", {"prompt": "Once"}, **key)["usage"]["completion_tokens"] == 3
        assert "<html" not in server.get("/", Accept="text/html")
    # A key on the command line is the only one.
    with Server("--api-key", "other", command=("serve",), environment=environment) as server:
        assert server.ask("GET", "/props", Authorization="Bearer secret")[0] == 401
        assert server.ask("GET", "/props", Authorization="Bearer other")[0] == 200


def test_a_template_of_ones_own(tmp_path):
    path = tmp_path / "own.jinja"
    path.write_text("{% for m in messages %}[{{ m.role }}] {{ m.content | upper }}<|im_end|>\n{% endfor %}[bot] ")
    with Server("--chat-template-file", str(path)) as server:
        assert server.post("/apply-template", chat("Hello"))["prompt"] == "[user] HELLO<|im_end|>\n[bot] "
        assert server.get("/props")["chat_template"] == path.read_text()
        asked = server.post("/v1/chat/completions", chat("Hello", max_tokens=2))
        prompt = server.post("/tokenize", {"content": "[user] HELLO<|im_end|>\n[bot] "})["tokens"]
        assert asked["usage"]["prompt_tokens"] == len(prompt)
    path.write_text("{% for m in messages %}\n{{ m.role ")

    def refused(*options):
        got = subprocess.run([BINARY, "serve", *options], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
        assert got.returncode == 2, got.stderr
        return got.stderr
    assert "the chat template, line 2: " in refused("-m", MODEL, "--chat-template-file", str(path))
    assert "name its file with -m" in refused("--model-dir", str(tmp_path), "--chat-template", "{{ messages }}")
