"""Tool calls as the models' own chat templates write them, rendered by Python's jinja2: what stands in the assistant's turn
must come out of our parser as the calls that went in, and the grammar must allow it.
"""
import json
import os
import pathlib
import subprocess

import pytest

pytest.importorskip("jinja2")

import hf_jinja

TESTS = pathlib.Path(__file__).parent.parent
SHIPPED = TESTS.parent / ".venv/chat_templates"  # fetch_fixtures.py
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")

HERMES, XML, LLAMA3, MISTRAL_LIST, MISTRAL_ARGS, FUNCTION_GEMMA, GEMMA4, JSON = range(8)
# Template -> its syntax, and what ends the assistant's turn.
FAMILIES = {
    "llama-cpp-python/Qwen-Qwen2.5-7B-Instruct": (HERMES, "<|im_end|>"),
    "llama-cpp-python/Qwen-Qwen3-0.6B": (HERMES, "<|im_end|>"),
    "llama-cpp-python/Qwen-QwQ-32B": (HERMES, "<|im_end|>"),
    "llama-cpp-python/NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use": (HERMES, "<|im_end|>"),
    "llama-cpp-python/ibm-granite-granite-4.0": (HERMES, "<|end_of_text|>"),
    "trl/qwen3_instruct_2507": (HERMES, "<|im_end|>"),
    "llama-cpp-python/Qwen3-Coder": (XML, "<|im_end|>"),
    "llama-cpp-python/Qwen3.5-4B": (XML, "<|im_end|>"),
    "llama-cpp-python/meta-llama-Llama-3.1-8B-Instruct": (LLAMA3, "<|eot_id|>"),
    "llama-cpp-python/meta-llama-Llama-3.2-3B-Instruct": (LLAMA3, "<|eot_id|>"),
    "trl/llama3_2": (LLAMA3, "<|eot_id|>"),
    "llama-cpp-python/mistralai-Mistral-Nemo-Instruct-2407": (MISTRAL_LIST, "</s>"),
    "axolotl/mistral_v3_tekken": (MISTRAL_LIST, "</s>"),
    "llama-cpp-python/Mistral-Small-3.2-24B-Instruct-2506": (MISTRAL_ARGS, "</s>"),
    "llama-cpp-python/unsloth-mistral-Devstral-Small-2507": (MISTRAL_ARGS, "</s>"),
    "llama-cpp-python/mistralai-Ministral-3-14B-Reasoning-2512": (MISTRAL_ARGS, "</s>"),
    "llama-cpp-python/google-gemma-4-31B-it": (GEMMA4, "<|tool_response>"),
}


def tool(name, properties, required):
    return {"type": "function", "function": {"name": name, "description": name.replace("_", " "), "parameters": {
        "type": "object", "properties": {key: {"type": kind, "description": key} for key, kind in properties.items()},
        "required": required}}}


# Parameters in alphabetical order, which is the schema's order and Gemma's.
TOOLS = [tool("read_file", {"offset": "integer", "path": "string", "tail": "integer"}, ["path"]),
         tool("execute_code", {"code": "string", "dry_run": "boolean"}, ["code"]),
         tool("web_search", {"query": "string", "top": "integer"}, ["query"])]
CALLS = {
    "one": [("read_file", {"path": "/tmp/a.txt", "tail": 20})],
    "text": [("web_search", {"query": "Zürich \"KV\" <b>&</b> \\ {x: [1]}"})],
    "code": [("execute_code", {"code": "def f(a):\n    if a < 2:\n        return '</code>'\n", "dry_run": True})],
    "two": [("read_file", {"path": "a"}), ("web_search", {"query": "b", "top": 3})],
}


def rendered(template, messages, **more):
    text, error = hf_jinja.render(template, {"messages": messages, "tools": TOOLS, **more}, **TOKENS)
    return None if error else text


def turn(template, end, calls):
    """(prompt, the assistant's turn), or None where the template refuses the calls."""
    user = {"role": "user", "content": "Please."}
    said = {"role": "assistant", "content": "", "tool_calls": [
        {"id": f"abcdefgh{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for i, (name, arguments) in enumerate(calls)]}
    whole, prompt = rendered(template, [user, said]), rendered(template, [user], add_generation_prompt=True)
    if whole is None:
        return None
    # Where the prompt already opened or skipped the reasoning, the history may have none of it: so much of the prompt
    # as both share, without the beginning of a marker.
    shared = os.path.commonprefix([whole, prompt])
    start = shared.rfind("<") if shared.rfind("<") > shared.rfind(">") else len(shared)
    return prompt[:start], whole[start:].rsplit(end, 1)[0] if end in whole[start:] else whole[start:]


def parse_all(requests):
    program = os.environ.get("TQ_TOOL_CALLS")
    if not program:
        pytest.skip("TQ_TOOL_CALLS does not name the program tool_calls_main")
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([program], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


@pytest.mark.parametrize("family", FAMILIES)
def test_calls_come_back(family):
    path = SHIPPED / f"{family}.jinja"
    if not path.exists():
        pytest.skip("the models' chat templates are not installed (tests/tokenizer/fetch_fixtures.py)")
    template, (syntax, end) = path.read_text(), FAMILIES[family]
    turns = {name: turn(template, end, calls) for name, calls in CALLS.items()}
    assert turns["one"] is not None
    turns = {name: found for name, found in turns.items() if found}
    answers = parse_all([{"template": template, "tools": TOOLS, "prompt": prompt, "answer": said}
                         for prompt, said in turns.values()])
    for (name, (_, said)), answer in zip(turns.items(), answers, strict=True):
        assert "error" not in answer, answer
        assert (answer["syntax"], answer["lists_tools"]) == (syntax, True)
        assert [tuple(call) for call in answer["calls"]] == CALLS[name], (said, answer)
        assert answer["content"].strip() == "", (said, answer)
    print(f"{len(turns)} turns")
    for name, answer in zip(turns, answers, strict=True):
        assert answer["allowed"], turns[name]


def test_templates_without_tools_are_known():
    templates = [(TESTS / "data/chat_templates" / f"{name}.jinja").read_text() for name in ("zephyr", "olmo-2")]
    request = {"tools": TOOLS, "prompt": "", "answer": '{"name": "web_search", "arguments": {"query": "x"}}'}
    for answer in parse_all([{"template": template, **request} for template in templates]):
        assert (answer["syntax"], answer["lists_tools"]) == (JSON, False)
        assert answer["calls"] == [["web_search", {"query": "x"}]]
