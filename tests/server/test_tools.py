"""Tool calls of the real server by the official `openai` client: each is one that the tool's schema allows, and a stream
adds up to the answer at once."""
import json
import re

import jsonschema
import openai
import pytest

from agent_tools import SCHEMAS, TOOLS, named
from serving import Server, client  # noqa: F401, a fixture

PROMPTS = {"read_file": "Read the file at /tmp/test.txt", "web_search": "Search the web for 'bitcoin price'",
           "execute_code": "Run a Python script that prints 1"}


@pytest.fixture(scope="module")
def server():
    with Server("--parallel", "2", "--alias", "smol") as running:
        yield running


def ask(client, content, **options):
    options = {"temperature": 0, "max_tokens": 160, "tools": TOOLS} | options
    messages = content if isinstance(content, list) else [{"role": "user", "content": content}]
    return client.chat.completions.create(model="smol", messages=messages, **options)


def check(call):
    """A call that could be made."""
    assert call.type == "function" and re.fullmatch(r"call_[0-9A-Za-z]{9}", call.id)
    jsonschema.validate(json.loads(call.function.arguments), SCHEMAS[call.function.name])


def add_up(chunks):
    """Content, calls by name and arguments, and the reason to end, of a stream."""
    content, calls, reasons = "", [], []
    for chunk in chunks:
        choice = chunk.choices[0]
        content += choice.delta.content or ""
        reasons.append(choice.finish_reason)
        for delta in choice.delta.tool_calls or []:
            if delta.index == len(calls):  # the first of a call has all but the arguments
                assert delta.id and delta.type == "function" and delta.function.arguments == ""
                calls.append([delta.function.name, ""])
            else:
                assert delta.index == len(calls) - 1 and delta.id is None and delta.function.name is None
            calls[delta.index][1] += delta.function.arguments
    assert reasons[:-1] == [None] * (len(reasons) - 1)
    return content, calls, reasons[-1]


@pytest.mark.parametrize("choice", ["required", "auto", "none", named("read_file"), named("execute_code")])
def test_stream_adds_up_to_the_answer(client, choice):
    options = {"tool_choice": choice, "parallel_tool_calls": False, "max_tokens": 60}
    whole = ask(client, PROMPTS["web_search"], **options).choices[0]
    calls = whole.message.tool_calls or []
    streamed = add_up(ask(client, PROMPTS["web_search"], stream=True, **options))
    assert streamed == (whole.message.content or "", [[c.function.name, c.function.arguments] for c in calls],
                        whole.finish_reason)
    if whole.finish_reason != "length":
        for call in calls:
            check(call)
    if choice in ("auto", "none"):
        assert choice == "auto" or not calls
        return
    assert len(calls) == 1 and whole.message.content is None and whole.finish_reason == "tool_calls"
    assert choice == "required" or calls[0].function.name == choice["function"]["name"]


def test_a_call_that_is_cut(client):
    # As OpenAI has it: the call, with the arguments so far.
    options = {"tool_choice": named("execute_code"), "parallel_tool_calls": False, "max_tokens": 16}
    whole = ask(client, PROMPTS["execute_code"], **options).choices[0]
    (call,) = whole.message.tool_calls
    assert whole.finish_reason == "length" and whole.message.content is None and call.function.name == "execute_code"
    with pytest.raises(json.JSONDecodeError):
        json.loads(call.function.arguments)
    streamed = add_up(ask(client, PROMPTS["execute_code"], stream=True, **options))
    assert streamed == ("", [["execute_code", call.function.arguments]], "length") and call.function.arguments


def allowed(mode, *names):
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [named(name) for name in names]}}


def test_allowed_tools(client, server):
    options = {"parallel_tool_calls": False, "temperature": 1.5, "n": 4, "seed": 2}
    answer = ask(client, PROMPTS["read_file"], tool_choice=allowed("required", "web_search", "execute_code"), **options)
    for choice in answer.choices:
        assert choice.finish_reason in ("tool_calls", "length")
        for call in choice.message.tool_calls or []:
            assert call.function.name != "read_file"
            if choice.finish_reason == "tool_calls":
                check(call)
    # The prompt lists all tools, so that what is cached of it stays good.
    body = {"messages": [{"role": "user", "content": "Hi"}], "tools": TOOLS}
    prompts = {server.post("/apply-template", body | {"tool_choice": choice})["prompt"]
               for choice in ("auto", allowed("auto", "web_search"))}
    assert len(prompts) == 1
    for wrong, param in ((allowed("auto"), "tools"), (allowed("auto", "rm"), "tools[0].function.name"),
                         (allowed("any", "read_file"), "mode")):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, "Hi", tool_choice=wrong)
        assert caught.value.param == "tool_choice.allowed_tools." + param


@pytest.mark.parametrize("name", PROMPTS)
def test_each_tool_of_an_agent(client, name):
    answer = ask(client, PROMPTS[name], tool_choice=named(name), parallel_tool_calls=False, temperature=1,
                 seed=4, n=2)
    for choice in answer.choices:
        assert choice.finish_reason == "tool_calls"
        for call in choice.message.tool_calls:
            check(call)
            assert call.function.name == name
    ids = [call.id for choice in answer.choices for call in choice.message.tool_calls]
    assert len(set(ids)) == len(ids)


def test_parallel_calls(client):
    # The model is made to prefer another call to the end.
    options = {"tool_choice": named("read_file"), "max_tokens": 200, "logit_bias": {"2": -15}}
    choice = ask(client, "Read a.txt and b.txt", **options).choices[0]
    calls = choice.message.tool_calls[:-1] if choice.finish_reason == "length" else choice.message.tool_calls
    assert len(calls) >= 2 and len({call.id for call in calls}) == len(calls)
    for call in calls:
        check(call)
    one = ask(client, "Read a.txt and b.txt", parallel_tool_calls=False, **options).choices[0]
    assert len(one.message.tool_calls) == 1


def test_results_go_back(client, server):
    first = ask(client, PROMPTS["read_file"], tool_choice=named("read_file"), parallel_tool_calls=False)
    message = first.choices[0].message
    call = message.tool_calls[0]
    messages = [{"role": "user", "content": PROMPTS["read_file"]}, message.model_dump(exclude_none=True),
                {"role": "tool", "tool_call_id": call.id, "content": "The password is xyzzy."}]
    prompt = server.post("/apply-template", {"messages": messages, "tools": TOOLS})["prompt"]
    arguments = json.dumps(json.loads(call.function.arguments), separators=(",", ":"))
    assert '{"name":"read_file","arguments":' + arguments in prompt
    assert "Result of read_file:\nThe password is xyzzy." in prompt and '"name":"web_search"' in prompt
    assert ask(client, messages, tool_choice="none").choices[0].message.content


def test_calls_or_a_schema(client):
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["n"]}
    format_ = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    message = ask(client, "Give me a number.", response_format=format_).choices[0].message
    if message.tool_calls:
        check(message.tool_calls[0])
    else:
        jsonschema.validate(json.loads(message.content), schema)
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "Hi", extra_body={"grammar": 'root ::= "a"'})
    assert caught.value.param == "grammar"


def test_errors(client):
    for options, param in (({"tool_choice": named("rm")}, "tool_choice.function.name"),
                           ({"tools": [named("a b")]}, "tools[0].function.name"),
                           ({"tools": [], "tool_choice": "required"}, "tool_choice")):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, "Hi", **options)
        assert caught.value.param == param and caught.value.type == "invalid_request_error"


# --- responses

FLAT_TOOLS = [{"type": "function", "strict": False, **tool["function"]} for tool in TOOLS]


def respond(client, input_, **options):
    options = {"temperature": 0, "max_output_tokens": 160, "tools": FLAT_TOOLS, "parallel_tool_calls": False} | options
    return client.responses.create(model="smol", input=input_, **options)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "execute_code"}])
def test_responses_call(client, choice):
    got = respond(client, PROMPTS["web_search"], tool_choice=choice)
    assert got.status == "completed" and [item.type for item in got.output] == ["function_call"]
    call = got.output[0]
    jsonschema.validate(json.loads(call.arguments), SCHEMAS[call.name])
    assert choice == "required" or call.name == "execute_code"
    assert got.tool_choice == choice or got.tool_choice.name == "execute_code"

    events = list(respond(client, PROMPTS["web_search"], tool_choice=choice, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert [event.type for event in events] == [
        "response.created", "response.in_progress", "response.output_item.added",
        *["response.function_call_arguments.delta"] * len(deltas),
        "response.function_call_arguments.done", "response.output_item.done", "response.completed"]
    added, done, item = events[2].item, events[-3], events[-2].item
    assert added.arguments == "" and added.status == "in_progress" and added.call_id == item.call_id
    assert "".join(deltas) == done.arguments == item.arguments == call.arguments
    assert done.item_id == item.id and events[-1].response.output == [item]


def test_responses_allowed_tools(client):
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "execute_code"}]}
    got = respond(client, PROMPTS["read_file"], tool_choice=choice)
    assert [(item.type, item.name) for item in got.output] == [("function_call", "execute_code")]
    assert got.tool_choice.model_dump() == choice
    with pytest.raises(openai.BadRequestError) as caught:
        respond(client, "Hi", tool_choice=choice | {"tools": [{"type": "function", "name": "rm"}]})
    assert caught.value.param == "tool_choice.tools[0].name"


def test_responses_take_results(client):
    asked = [{"role": "user", "content": PROMPTS["read_file"]}]
    call = respond(client, asked, tool_choice={"type": "function", "name": "read_file"}).output[0]
    asked += [call.model_dump(exclude_none=True), {"type": "function_call_output", "call_id": call.call_id,
                                                   "output": "The password is xyzzy."}]
    got = respond(client, asked, tool_choice="none", max_output_tokens=12)
    assert got.output_text and got.output[-1].type == "message"
    # The same conversation by the other API has the same prompt, and so the same answer.
    chat = [asked[0], {"role": "assistant", "content": "", "tool_calls": [
        {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}]},
            {"role": "tool", "tool_call_id": call.call_id, "content": "The password is xyzzy."}]
    assert ask(client, chat, tool_choice="none", max_tokens=12).choices[0].message.content == got.output_text


def test_responses_cut_and_refused(client):
    cut = respond(client, PROMPTS["read_file"], tool_choice="required", max_output_tokens=12)
    assert cut.status == "incomplete" and cut.output[-1].status == "incomplete"
    for options, param in (({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
                           ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
                           ({"tool_choice": {"type": "function", "name": "rm"}}, "tool_choice.name")):
        with pytest.raises(openai.BadRequestError) as caught:
            respond(client, "Hi", **options)
        assert caught.value.param == param
