"""The official `openai` client against the real server: every call of its that is there, unchanged."""
import concurrent.futures
import json
import subprocess

import jsonschema
import openai
import pytest

from serving import BINARY, ENVIRONMENT, MODEL, Server, client, openai_client  # noqa: F401, a fixture

QUESTIONS = ["What is the capital of France?", "Name three colours.", "Write a haiku about rain.", "What is 2 + 2?",
             "Who wrote Hamlet?", "Describe the sea.", "List some fruits.", "Why is the sky blue?"]
N_TOKENS = 16


@pytest.fixture(scope="module")
def server():
    with Server("--parallel", "8", "--alias", "smol", "--api-key", "secret") as running:
        yield running


def ask(client, question, **options):
    options = {"temperature": 0, "max_tokens": N_TOKENS} | options
    return client.chat.completions.create(model="smol", messages=[{"role": "user", "content": question}], **options)


@pytest.fixture(scope="module")
def alone(client):
    """Each question's answer, asked one after the other."""
    return [ask(client, question).choices[0].message.content for question in QUESTIONS]


def test_models(client):
    assert [model.id for model in client.models.list()] == ["smol"]
    assert client.models.retrieve("smol").id == "smol"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_text_is_that_of_run(alone):
    for question, answer in list(zip(QUESTIONS, alone))[:2]:
        command = [BINARY, "run", "-m", MODEL, "-c", "2048", "--temp", "0", "-n", str(N_TOKENS), "--json", "-p", question]
        out = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True).stdout
        assert json.loads(out)["text"] == answer


def test_eight_at_once_say_the_same_as_alone(client, alone):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda question: ask(client, question).choices[0].message.content, QUESTIONS)
        assert list(answers) == alone


def test_stream_is_the_same_in_pieces(client, alone):
    chunks = list(ask(client, QUESTIONS[2], stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == alone[2]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert len({c.id for c in chunks}) == 1
    usage = chunks[-1].usage
    assert chunks[-1].choices == [] and usage.completion_tokens == N_TOKENS
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details.cached_tokens > 0  # asked before


def test_several_answers_and_seed(client):
    def texts(seed):
        got = ask(client, QUESTIONS[5], temperature=1.5, n=3, seed=seed, max_tokens=12)
        assert [choice.index for choice in got.choices] == [0, 1, 2]
        assert got.usage.completion_tokens == 36
        return [choice.message.content for choice in got.choices]
    first = texts(7)
    assert len(set(first)) == 3 and texts(7) == first and texts(8) != first


def test_stop(client, alone):
    word = alone[0].split()[3]
    got = ask(client, QUESTIONS[0], stop=[word]).choices[0]
    assert got.message.content == alone[0].split(word)[0] and got.finish_reason == "stop"


def test_logprobs(client):
    got = ask(client, QUESTIONS[0], logprobs=True, top_logprobs=3, max_tokens=6).choices[0]
    assert len(got.logprobs.content) == 6
    assert b"".join(bytes(token.bytes) for token in got.logprobs.content).decode() == got.message.content
    for token in got.logprobs.content:
        assert len(token.top_logprobs) == 3 and token.top_logprobs[0].token == token.token  # greedy
        assert token.logprob == token.top_logprobs[0].logprob <= 0
        assert token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob
    chunks = ask(client, QUESTIONS[0], logprobs=True, top_logprobs=3, max_tokens=6, stream=True)
    streamed = [t for c in chunks if c.choices[0].logprobs for t in c.choices[0].logprobs.content]
    assert [t.token for t in streamed] == [t.token for t in got.logprobs.content]


def test_logit_bias(client, server, alone):
    def first_token(text):
        return server.post("/tokenize", {"content": text}, Authorization="Bearer secret")["tokens"][0]
    first = first_token(alone[0])
    assert first_token(ask(client, QUESTIONS[0], logit_bias={str(first): -100}).choices[0].message.content) != first


def test_json_schema(client):
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12},
                                               "age": {"type": "integer", "minimum": 0, "maximum": 120}},
              "required": ["name", "age"], "additionalProperties": False}
    got = ask(client, "Invent a person.", temperature=1, max_tokens=80, seed=3, response_format={
        "type": "json_schema", "json_schema": {"name": "person", "schema": schema}}).choices[0]
    assert got.finish_reason == "stop"
    jsonschema.validate(json.loads(got.message.content), schema)


def test_json_object(client):
    got = ask(client, "Give the colour red as JSON.", max_tokens=60,
              response_format={"type": "json_object"}, logit_bias=None).choices[0].message.content
    assert got.startswith("{")


def test_completions(client):
    got = client.completions.create(model="smol", prompt=["Once upon", "The sea"], temperature=0, max_tokens=5, echo=True)
    assert [choice.text[:7] for choice in got.choices] == ["Once up", "The sea"]
    assert got.usage.completion_tokens == 10
    raw = [BINARY, "run", "-m", MODEL, "-c", "2048", "--temp", "0", "-n", "5", "--json", "--raw", "-p", "Once upon"]
    out = subprocess.run(raw, env=ENVIRONMENT, capture_output=True, check=True).stdout
    assert got.choices[0].text == "Once upon" + json.loads(out)["text"]
    streamed = client.completions.create(model="smol", prompt="Once upon", temperature=0, max_tokens=5, logprobs=2,
                                         stream=True)
    chunks = list(streamed)
    assert "Once upon" + "".join(c.choices[0].text for c in chunks) == got.choices[0].text
    assert sum(len(c.choices[0].logprobs.tokens) for c in chunks if c.choices[0].logprobs) == 5
    assert chunks[-1].timings["predicted_n"] == 5  # llama-server's, with the last one


def test_errors_are_those_the_client_knows(client, server):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "Hi", temperature=-1)
    assert caught.value.param == "temperature" and caught.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "word " * 3000)
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "Hi", logit_bias={"the": 1})
    assert caught.value.param == "logit_bias" and "'the'" in caught.value.message
    with openai_client(server, "wrong") as other:
        with pytest.raises(openai.AuthenticationError) as caught:
            ask(other, "Hi")
        assert caught.value.code == "invalid_api_key"


def test_responses(client, alone):
    options = {"model": "smol", "temperature": 0, "max_output_tokens": N_TOKENS, "input": QUESTIONS[0]}
    got = client.responses.create(**options)
    is_cut = ask(client, QUESTIONS[0]).choices[0].finish_reason == "length"
    assert got.output_text == alone[0] and got.status == ("incomplete" if is_cut else "completed")
    assert got.usage.output_tokens > 0
    as_items = options | {"input": [{"role": "user", "content": [{"type": "input_text", "text": QUESTIONS[0]}]}]}
    assert client.responses.create(**as_items).output_text == alone[0]
    events = list(client.responses.create(**options, stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == alone[0]
    assert events[-1].response.output_text == alone[0] and events[-1].response.status == got.status
    cut_options = options | {"max_output_tokens": 2}
    cut = client.responses.create(**cut_options)
    assert cut.status == "incomplete" and cut.incomplete_details.reason == "max_output_tokens"
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}},
              "required": ["n"]}
    options |= {"text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}, "max_output_tokens": 64}
    structured = client.responses.create(**options)
    jsonschema.validate(json.loads(structured.output_text), schema)
    with client.responses.stream(**options) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert "".join(deltas) == structured.output_text == stream.get_final_response().output_text
    assert client.responses.create(**cut_options, store=True).model_extra["store"] is False
    for kept in ("previous_response_id", "conversation"):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(**options, **{kept: "resp_1"})
        assert caught.value.param == kept and "not kept" in caught.value.message
    with pytest.raises(openai.NotFoundError, match="not kept"):
        client.responses.retrieve("resp_1")
    picture = [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**options | {"input": picture}, instructions="Be brief.")
    assert caught.value.param == "input[].content" and "messages" not in caught.value.message


def test_logprobs_of_responses(client):
    """The same as those of chat completions."""
    chat = ask(client, QUESTIONS[0], logprobs=True, top_logprobs=2, max_tokens=6).choices[0].logprobs.content
    options = {"model": "smol", "temperature": 0, "max_output_tokens": 6, "input": QUESTIONS[0],
               "include": ["message.output_text.logprobs"], "top_logprobs": 2}
    got = client.responses.create(**options).output[0].content[0]
    assert [token.model_dump() for token in got.logprobs] == [token.model_dump() for token in chat]
    streamed = list(client.responses.create(**options, stream=True))
    pieces = [token for event in streamed if event.type == "response.output_text.delta" for token in event.logprobs]
    assert [token.token for token in pieces] == [token.token for token in chat]
    assert streamed[-1].response.output[0].content[0].logprobs == got.logprobs
    plain = client.responses.create(**options | {"include": [], "top_logprobs": 0}).output[0].content[0]
    assert plain.logprobs is None and plain.text == got.text


def test_reasoning_effort():
    """As llama-server and Ollama read it; the template says what it was told."""
    template = "{{ enable_thinking }} {{ reasoning_effort }}: {{ messages[0].content }}"
    with Server("--chat-template", template, "--alias", "smol") as server, openai_client(server) as client:
        def prompt(**fields):
            return server.post("/apply-template", {"messages": [{"role": "user", "content": "x"}], **fields})["prompt"]
        assert prompt() == " : x" and prompt(reasoning_effort="none") == "False : x"
        assert prompt(reasoning_effort="high") == "True high: x"
        assert prompt(reasoning_effort="high", chat_template_kwargs={"enable_thinking": False}) == "False high: x"
        n_tokens = len(server.post("/tokenize", {"content": prompt(reasoning_effort="minimal")})["tokens"])
        got = client.responses.create(model="smol", input="x", reasoning={"effort": "minimal"}, max_output_tokens=1)
        assert got.usage.input_tokens == n_tokens


def test_an_earlier_refusal_is_text(server):
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not."}]}]
    assert "I will not." in server.post("/apply-template", {"messages": messages}, Authorization="Bearer secret")["prompt"]


def test_reasoning_is_counted_in_responses():
    """A template that opens the model's reasoning, which this model never closes."""
    opened = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
              "<|im_start|>assistant\n<think>\n")
    with Server("--chat-template", opened, "--alias", "smol") as server, openai_client(server) as client:
        got = client.responses.create(model="smol", temperature=0, max_output_tokens=N_TOKENS, input=QUESTIONS[5])
        assert got.output[0].type == "reasoning" and got.output[0].content[0].text
        usage = got.usage
        assert usage.output_tokens == N_TOKENS
        assert N_TOKENS - 2 <= usage.output_tokens_details.reasoning_tokens <= N_TOKENS
