"""llama-server's own POST /completion, /infill and /embedding: the same text as over /v1, in the shape that its clients
read, which llama-server itself says."""
import json
import math
import os
import re
import urllib.request

import pytest

from serving import MODEL, Server, events

PROMPT = "The capital of France is"
ASK = {"prompt": PROMPT, "temperature": 0, "n_predict": 8}
FIELDS = {"content", "stop", "generation_settings", "model", "prompt", "stop_type", "stopping_word", "timings"}


@pytest.fixture(scope="module")
def server():
    with Server("--parallel", "2", "--alias", "smol", "--metrics") as running:
        yield running


def start_llama_server(model):
    """ask(path, body) of llama.cpp's own server."""
    xllamacpp = pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_batch, params.n_ubatch = model, 2048, 256, 256
    params.n_parallel, params.cpuparams.n_threads = 1, 1
    params.endpoint_metrics = params.endpoint_slots = True
    running = xllamacpp.Server(params)

    def ask(path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(running.listening_address + path, data)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read().decode()
    return ask


@pytest.fixture(scope="module")
def llama_server():
    return start_llama_server(MODEL)


def shape(value):
    """Names, and the kinds of values."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def test_shapes_are_llama_servers(server, llama_server):
    def without_settings(answer):
        return {name: value for name, value in answer.items() if name != "generation_settings"}

    def as_list(answer):
        return answer if isinstance(answer, list) else [answer]

    for more in ({}, {"n_probs": 2, "return_tokens": True}, {"n_predict": 0}, {"stop": [" Paris"]},
                 {"response_fields": ["content", "generation_settings/n_predict"]},
                 {"prompt": ["The capital of France is", "Once"]}):
        theirs = json.loads(llama_server("/completion", ASK | more))
        ours = server.post("/completion", ASK | more)
        for one, other in zip(as_list(ours), as_list(theirs), strict=True):
            assert shape(without_settings(one)) == shape(without_settings(other)), more
            assert one.get("stop_type") == other.get("stop_type")
    text = llama_server("/completion", ASK | {"stream": True, "n_probs": 2})
    theirs = [json.loads(data) for data in events(text.strip() + "\n\n")]
    ours = stream(server, n_probs=2)
    assert shape(without_settings(ours[-1])) == shape(without_settings(theirs[-1]))
    assert shape(ours[0]) == shape({name: value for name, value in theirs[0].items() if name != "id_slot"})
    # Where ours say less, it is what is not there; what they say is called as there.
    theirs = json.loads(llama_server("/completion", ASK))["generation_settings"]
    ours = server.post("/completion", ASK)["generation_settings"]
    assert set(ours) - set(theirs) == {"n_ctx", "model"}
    theirs = set(re.findall(r"^llamacpp:(\w+)", llama_server("/metrics"), re.MULTILINE))
    ours = set(re.findall(r"^turboquant:(\w+)", server.get("/metrics"), re.MULTILINE))
    assert {name for name in theirs - ours if not name.startswith("spec_decode")} == set()
    assert set(json.loads(llama_server("/slots"))[0]["next_token"][0]) >= set(server.get("/slots")[0]["next_token"][0])


def tokens_of(server, text):
    return server.post("/tokenize", {"content": text})["tokens"]


def text_of(server, tokens):
    return server.post("/detokenize", {"tokens": tokens})["content"]


def stream(server, **fields):
    status, headers, text = server.ask("POST", "/completion", ASK | {"stream": True} | fields)
    assert status == 200 and headers["Content-Type"].startswith("text/event-stream")
    return [json.loads(data) for data in events(text)]


def test_it_says_what_v1_says(server):
    whole = server.post("/completion", ASK)
    of_openai = server.post("/v1/completions", {"prompt": PROMPT, "temperature": 0, "max_tokens": 8})
    assert whole["content"] == of_openai["choices"][0]["text"] != ""
    assert FIELDS <= set(whole) and "completion_probabilities" not in whole
    assert whole["stop"] is True and whole["stop_type"] == "limit" and whole["stopping_word"] == ""
    assert whole["tokens_predicted"] == 8 and whole["tokens_evaluated"] == len(tokens_of(server, PROMPT))
    assert whole["prompt"] == PROMPT and whole["model"] == "smol" and whole["truncated"] is False
    assert whole["tokens"] == [] and whole["has_new_line"] == ("\n" in whole["content"])
    assert whole["generation_settings"]["n_predict"] == 8 and whole["generation_settings"]["temperature"] == 0
    assert whole["timings"]["predicted_n"] == 8 and whole["id_slot"] in (0, 1)
    assert server.post("/completions", ASK)["content"] == whole["content"]  # another name of it
    assert whole["tokens_cached"] == whole["tokens_evaluated"] + 7  # what the slot holds; the last token is not in it


def test_a_stream_is_the_same_in_pieces(server):
    whole = server.post("/completion", ASK | {"return_tokens": True})
    *pieces, last = stream(server)
    assert "".join(piece["content"] for piece in pieces) == whole["content"]
    assert sum((piece["tokens"] for piece in pieces), []) == whole["tokens"]
    assert text_of(server, whole["tokens"]) == whole["content"]
    assert not any(piece["stop"] for piece in pieces)
    assert last["stop"] is True and last["content"] == "" and last["tokens"] == [] and FIELDS <= set(last)
    assert pieces[-1]["tokens_predicted"] == last["tokens_predicted"] == 8


def test_prompts_have_many_forms(server):
    tokens = tokens_of(server, PROMPT)
    expected = server.post("/completion", ASK)["content"]
    for prompt in (tokens, {"prompt_string": PROMPT}, [*tokens[:2], text_of(server, tokens[2:])]):
        assert server.post("/completion", ASK | {"prompt": prompt})["content"] == expected, prompt
    several = server.post("/completion", ASK | {"prompt": [PROMPT, tokens[:3], {"prompt_string": "Once"}]})
    assert [answer["index"] for answer in several] == [0, 1, 2] and several[0]["content"] == expected
    assert [answer["tokens_evaluated"] for answer in several] == [len(tokens), 3, len(tokens_of(server, "Once"))]
    twice = server.post("/completion", ASK | {"n_cmpl": 2})
    assert [answer["content"] for answer in twice] == [expected, expected]


def test_why_it_stopped(server):
    expected = server.post("/completion", ASK)["content"]
    word = expected.split()[1]
    stopped = server.post("/completion", ASK | {"stop": [word]})
    assert stopped["stop_type"] == "word" and stopped["stopping_word"] == word
    assert stopped["content"] == expected[:expected.index(word)]
    ended = server.post("/completion", ASK | {"grammar": 'root ::= "yes"'})
    assert ended["content"] == "yes" and ended["stop_type"] == "eos"
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"],
              "additionalProperties": False}
    object_ = server.post("/completion", ASK | {"json_schema": schema, "n_predict": 40})["content"]
    assert set(json.loads(object_)) == {"a"}
    nothing = server.post("/completion", ASK | {"n_predict": 0})
    assert nothing["content"] == "" and nothing["tokens_predicted"] == 0 and nothing["stop_type"] == "limit"
    full = server.post("/completion", ASK | {"prompt": "a b " * 1000, "n_predict": -1, "ignore_eos": True})
    assert full["truncated"] is True and full["stop_type"] == "limit"
    assert full["tokens_evaluated"] + full["tokens_predicted"] == 2048


def test_probabilities(server):
    whole = server.post("/completion", ASK | {"n_probs": 3, "return_tokens": True})
    scored = whole["completion_probabilities"]
    assert [item["id"] for item in scored] == whole["tokens"]
    assert b"".join(bytes(item["bytes"]) for item in scored).decode() == whole["content"]
    of_openai = server.post("/v1/completions", {"prompt": PROMPT, "temperature": 0, "max_tokens": 8, "logprobs": 3})
    theirs = of_openai["choices"][0]["logprobs"]
    assert [item["token"] for item in scored] == theirs["tokens"]
    for item, logprob in zip(scored, theirs["token_logprobs"]):
        assert math.isclose(item["logprob"], logprob, abs_tol=1e-3)
        assert len(item["top_logprobs"]) == 3 and item["top_logprobs"][0]["id"] == item["id"]  # greedy
        assert set(item["top_logprobs"][0]) == {"id", "token", "bytes", "logprob"}
    *pieces, last = stream(server, n_probs=3)
    streamed = sum((piece["completion_probabilities"] for piece in pieces), [])
    assert [item["id"] for item in streamed] == whole["tokens"] and "completion_probabilities" not in last


def test_chosen_fields(server):
    names = ["content", "generation_settings/n_predict", "timings/nothing", "nothing"]
    answer = server.post("/completion", ASK | {"response_fields": names})
    assert set(answer) == {"content", "generation_settings/n_predict"} and answer["generation_settings/n_predict"] == 8


@pytest.mark.parametrize("fields, says", [
    ({"prompt": None}, "'prompt' is missing"), ({"prompt": ""}, "empty"), ({"prompt": [10 ** 9]}, "does not have"),
    ({"prompt": [1, ["a"]]}, "list of tokens"), ({"prompt": {"text": "a"}}, "prompt_string"),
    ({"prompt": True}, "list of tokens"),
    ({"prompt": {"prompt_string": "a", "multimodal_data": ["aGk="]}}, "text alone"), ({"n_probs": 101}, "n_probs"),
    ({"n_predict": -2}, "n_predict"), ({"temperature": "hot"}, "temperature"), ({"grammar": 'root ::= "'}, "grammar"),
    ({"id_slot": 2}, "id_slot"), ({"response_fields": [1]}, "response_fields"),
    ({"post_sampling_probs": True}, "post_sampling_probs"),
    ({"prompt": "a " * 3000}, "tokens long"), ({"n_cmpl": 129}, "n_cmpl")])
def test_refused(server, fields, says):
    status, _, answer = server.ask("POST", "/completion", ASK | fields)
    assert status == 400 and says in answer["error"]["message"], answer


BEGUN = [{"role": "user", "content": "What is the capital of France?"},
         {"role": "assistant", "content": "The capital is the city of"}]


def test_an_answer_that_was_begun_goes_on(llama_server):
    """An assistant's message at the end: the whole message as an answer, what is new as a stream; Ollama's always what is
    new."""
    body = {"messages": BEGUN, "temperature": 0, "max_tokens": 8}
    with Server("-ctk", "f16", "-ctv", "f16", "--parallel", "1", "--alias", "smol") as server:
        assert server.post("/apply-template", body) == json.loads(llama_server("/apply-template", body))
        theirs = json.loads(llama_server("/v1/chat/completions", body))
        answer = server.post("/v1/chat/completions", body)
        assert answer["choices"][0]["message"]["content"] == theirs["choices"][0]["message"]["content"]
        assert answer["usage"]["prompt_tokens"] == theirs["usage"]["prompt_tokens"]
        chunks = [json.loads(data) for data in events(server.ask("POST", "/v1/chat/completions", body | {"stream": True})[2])[:-1]]
        new = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
        assert new and BEGUN[1]["content"] + new == answer["choices"][0]["message"]["content"]
        ollama = {"model": "smol", "messages": BEGUN, "stream": False,
                  "options": {"temperature": 0, "num_predict": 8, "repeat_penalty": 1}}
        assert server.post("/api/chat", ollama)["message"]["content"] == new
        prompt = server.post("/apply-template", body | {"continue_final_message": False})["prompt"]
        assert prompt.endswith("city of<|im_end|>\n<|im_start|>assistant\n")


def test_gaps(server):
    """A model for code fills the gap of a text, over each API; others say that they cannot."""
    gap = {"input_prefix": "def add(a, b):\n    return a", "input_suffix": "\n\nprint(add(1, 2))\n", "temperature": 0,
           "n_predict": 16}
    status, _, answer = server.ask("POST", "/infill", gap)
    assert status == 501 and "markers" in answer["error"]["message"]
    ollama = {"model": "coder", "prompt": gap["input_prefix"], "suffix": gap["input_suffix"], "stream": False,
              "options": {"temperature": 0, "num_predict": 16, "repeat_penalty": 1}}
    status, _, answer = server.ask("POST", "/api/generate", ollama)
    assert status == 400 and "does not support insert" in answer["error"]

    model = os.path.join(os.path.dirname(MODEL), "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf")
    if not os.path.exists(model):
        pytest.skip("there is no model for code")
    llama_server = start_llama_server(model)
    files = [{"filename": "a.py", "text": "X = 1\n"}, {"text": "Y = 2"}]
    with Server("-ctk", "f16", "-ctv", "f16", "--alias", "coder", command=("serve", "-m", model)) as coder:
        assert "insert" in coder.post("/api/show", {"model": "coder"})["capabilities"]
        for more in ({}, {"input_extra": files, "prompt": " +"}):
            theirs = json.loads(llama_server("/infill", gap | more))
            answer = coder.post("/infill", gap | more)
            assert answer["prompt"] == theirs["prompt"]
            assert answer["content"].split("\n")[0] == theirs["content"].split("\n")[0] != ""
        answer = coder.post("/infill", gap)
        pieces = [json.loads(data) for data in events(coder.ask("POST", "/infill", gap | {"stream": True})[2])]
        assert "".join(piece["content"] for piece in pieces) == answer["content"]
        text = coder.post("/v1/completions", {"prompt": gap["input_prefix"], "suffix": gap["input_suffix"],
                                              "temperature": 0, "max_tokens": 16})["choices"][0]["text"]
        assert text == coder.post("/api/generate", ollama)["response"] and text.split("\n")[0] == " + b"
        for wrong in ({"input_extra": [1]}, {"input_prefix": 1}):
            assert coder.ask("POST", "/infill", gap | wrong)[0] == 400


def test_embedding(server):
    texts = ["The sea.", "A river."]
    of_openai = [item["embedding"] for item in server.post("/v1/embeddings", {"input": texts})["data"]]
    for path, name in (("/embedding", "content"), ("/embeddings", "input")):
        answer = server.post(path, {name: texts})
        assert [item["index"] for item in answer] == [0, 1]
        assert [item["embedding"] for item in answer] == [[vector] for vector in of_openai]
    assert server.post("/embedding", {"content": texts[0]}) == answer[:1]
    assert server.ask("POST", "/embedding", {})[0] == 400
    assert server.ask("POST", "/embedding", {"content": "a", "embd_normalize": -1})[0] == 400
