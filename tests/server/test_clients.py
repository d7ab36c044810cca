"""Clients of others against the real server: litellm, the helpers of openai, and LangChain's ChatOpenAI. docs/clients.md has
what was found."""
import json
import os

import jsonschema
import pytest

os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false"}  # neither asks anyone else

from agent_tools import SCHEMAS, TOOLS, named
from serving import Server, openai_client

QUESTION = "What is the capital of France?"
MESSAGES = [{"role": "user", "content": QUESTION}]
LIMITS = {"temperature": 0, "max_tokens": 8}
CALLS = {"temperature": 0, "max_tokens": 80}


@pytest.fixture(scope="module")
def server():
    with Server("--parallel", "2", "--alias", "smol") as running:
        yield running


@pytest.fixture(scope="module")
def expected(server):
    return server.post("/v1/chat/completions", {"messages": MESSAGES, **LIMITS})["choices"][0]["message"]["content"]


def check(name, arguments):
    jsonschema.validate(arguments, SCHEMAS[name])


# --- litellm

@pytest.fixture(scope="module")
def litellm():
    module = pytest.importorskip("litellm")
    module.telemetry = False
    return module


@pytest.fixture(scope="module")
def complete(litellm, server):
    def call(messages=MESSAGES, **options):
        return litellm.completion(model="openai/smol", api_base=server.url + "/v1", api_key="none", messages=messages,
                                  num_retries=0, **options)
    return call


def test_litellm_chat(complete, expected):
    got = complete(**LIMITS)
    assert got.choices[0].message.content == expected and got.usage.completion_tokens > 0


def test_litellm_stream(complete, expected):
    chunks = complete(stream=True, **LIMITS)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == expected


@pytest.mark.parametrize("stream", [False, True])
def test_litellm_tools(litellm, complete, stream):
    got = complete(tools=TOOLS, tool_choice=named("web_search"), parallel_tool_calls=False, stream=stream, **CALLS)
    if stream:
        got = litellm.stream_chunk_builder(list(got), messages=MESSAGES)
    choice = got.choices[0]
    assert choice.finish_reason == "tool_calls" and len(choice.message.tool_calls) == 1
    call = choice.message.tool_calls[0]
    check(call.function.name, json.loads(call.function.arguments))
    back = [*MESSAGES, choice.message.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": "Paris"}]
    assert complete(back, **LIMITS).choices[0].message.content


def test_litellm_error(litellm, complete):
    with pytest.raises(litellm.BadRequestError, match="temperature"):
        complete(temperature=-1)


# By Ollama's API, which litellm speaks too; ollama_chat sends messages, ollama a prompt that litellm makes.
@pytest.mark.parametrize("provider", ["ollama_chat", "ollama"])
def test_litellm_as_ollama(litellm, server, expected, provider):
    options = {"model": provider + "/smol", "api_base": server.url, "messages": MESSAGES, **LIMITS}
    whole = litellm.completion(**options).choices[0].message.content
    assert whole == expected if provider == "ollama_chat" else whole
    assert "".join(chunk.choices[0].delta.content or "" for chunk in litellm.completion(stream=True, **options)) == whole


def test_litellm_other_calls(litellm, server):
    to = {"api_base": server.url + "/v1", "api_key": "none"}
    vector = litellm.embedding(model="openai/smol", input=["a"], **to).data[0]["embedding"]
    assert vector == pytest.approx(server.post("/v1/embeddings", {"input": "a"})["data"][0]["embedding"], abs=1e-6)
    text = litellm.text_completion(model="text-completion-openai/smol", prompt="One, two,", **LIMITS, **to).choices[0].text
    assert text == server.post("/v1/completions", {"prompt": "One, two,", **LIMITS})["choices"][0]["text"]
    got = litellm.responses(model="openai/smol", input=QUESTION, temperature=0, max_output_tokens=8, **to)
    assert got.output[0].content[0].text


# --- the helpers of openai, which parse

def test_openai_parses(server):
    pydantic = pytest.importorskip("pydantic")

    class Number(pydantic.BaseModel):
        n: int = pydantic.Field(ge=0, le=9)
    with openai_client(server) as client:
        options = {"model": "smol", "messages": [{"role": "user", "content": "Give me a number."}], **CALLS}
        number = client.chat.completions.parse(response_format=Number, **options).choices[0].message.parsed
        assert isinstance(number, Number)
        with client.chat.completions.stream(response_format=Number, **options) as stream:
            assert stream.get_final_completion().choices[0].message.parsed == number
        got = client.responses.parse(model="smol", input="Give me a number.", text_format=Number, temperature=0)
        assert isinstance(got.output_parsed, Number)


# --- LangChain

@pytest.fixture(scope="module")
def chat_openai(server):
    module = pytest.importorskip("langchain_openai")

    def make(**options):
        return module.ChatOpenAI(model="smol", base_url=server.url + "/v1", api_key="none", max_retries=0, **options)
    return make


def test_langchain_chat(chat_openai, expected):
    got = chat_openai(**LIMITS).invoke(QUESTION)
    assert got.content == expected and got.usage_metadata["output_tokens"] > 0


def test_langchain_stream(chat_openai, expected):
    assert "".join(chunk.content for chunk in chat_openai(**LIMITS).stream(QUESTION)) == expected


@pytest.mark.parametrize("api", ["completions", "responses"])
def test_langchain_tools(chat_openai, api):
    model = chat_openai(use_responses_api=api == "responses", **CALLS)
    bound = model.bind_tools(TOOLS, tool_choice="web_search", parallel_tool_calls=False)
    got = bound.invoke("Search the web for 'bitcoin price'")
    assert [call["name"] for call in got.tool_calls] == ["web_search"] and not got.invalid_tool_calls
    check("web_search", got.tool_calls[0]["args"])
    whole = None
    for chunk in bound.stream("Search the web for 'bitcoin price'"):
        whole = chunk if whole is None else whole + chunk
    assert [call["args"] for call in whole.tool_calls] == [call["args"] for call in got.tool_calls]
    from langchain_core.messages import HumanMessage, ToolMessage
    result = ToolMessage("It is 7.", tool_call_id=got.tool_calls[0]["id"])
    assert model.invoke([HumanMessage("Search."), got, result], max_tokens=8).text


def test_langchain_structured_output(chat_openai):
    schema = {"title": "number", "description": "A number.", "type": "object",
              "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["n"],
              "additionalProperties": False}
    for method in ("json_schema", "function_calling"):
        got = chat_openai(**CALLS).with_structured_output(schema, method=method).invoke("Give me a number.")
        jsonschema.validate(got, schema)
