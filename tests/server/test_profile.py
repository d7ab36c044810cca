"""`turboquant profile`: a profile is checked, and the server that it means answers the profile's test prompts with an agent's
calls."""
import json
import pathlib
import re
import subprocess

import jsonschema
import pytest

from agent_tools import SCHEMAS, TOOLS, named
from serving import BINARY, ENVIRONMENT, MODEL, Server

PROFILE = pathlib.Path(__file__).parents[2] / "profiles" / "hermes-profile-gemma4-turboquant.yaml"
PROMPTS = PROFILE.parent / "hermes-test-prompts.json"


def check(path):
    got = subprocess.run([BINARY, "profile", "check", str(path)], env=ENVIRONMENT, capture_output=True, text=True)
    return got.returncode, got.stdout, got.stderr


def test_the_example_is_good():
    code, out, err = check(PROFILE)
    assert code == 0 and err == ""
    assert out == ("turboquant serve -m models/gemma-4.gguf -ctk turbo4 -ctv turbo4 -c 131072 --parallel 1 --port 8081 "
                   "--host 127.0.0.1 --layer-adaptive 7 -a gemma-4\n")


def test_options_of_llama_server(tmp_path):
    profile = tmp_path / "llama.yaml"
    profile.write_text(PROFILE.read_text().replace("turboquant serve", "llama-server").replace("--parallel 1", "--parallel 1 -ngl 99 -fa on"))
    code, out, err = check(profile)
    assert code == 0 and "-ngl" not in out and out.startswith("turboquant serve -m models/gemma-4.gguf")
    assert [line.split("server_command: ")[1].split()[0] for line in err.splitlines()] == ["-ngl", "-fa"]


@pytest.mark.parametrize("old, new, says", [
    ("--parallel 1", "--parallel 1 -hf a/b", "server_command: -hf: nothing is loaded from the network"),
    ("kv_type: turbo4", "kv_type: turbo5", "'turbo5' is no TurboQuant type"),
    ("--parallel 1", "--parallel 0", "server_command: --parallel"),  # what serve itself would say
    ("--parallel 1", "--frobnicate", "server_command: "),
])
def test_bad_profiles(tmp_path, old, new, says):
    bad = tmp_path / "bad.yaml"
    text = PROFILE.read_text()
    assert old in text
    bad.write_text(text.replace(old, new))
    code, out, err = check(bad)
    line = text[:text.index("server_command" if says.startswith("server") else old)].count("\n") + 1
    assert code == 2 and out == "" and err.startswith(f"{bad}:{line}: ") and says in err


def test_no_file():
    code, _, err = check("none.yaml")
    assert code != 0 and "none.yaml" in err


@pytest.fixture(scope="module")
def server():
    # The example's model is large; what follows the file takes precedence.
    with Server(command=("profile", "serve", str(PROFILE), "-m", MODEL)) as running:
        yield running


def test_it_is_served(server):
    assert "--layer-adaptive 7" in server.log and "turbo4" in server.log
    assert server.get("/v1/models")["data"][0]["id"] == "gemma-4"


@pytest.mark.parametrize("case", json.loads(PROMPTS.read_text()), ids=lambda case: case["category"] + case.get("tool", ""))
def test_prompts(server, case):
    body = {"model": "gemma-4", "messages": [{"role": "user", "content": case["prompt"]}], "temperature": 0, "max_tokens": 80}
    if case["category"] == "tool_call_format":  # a call as the text of an answer
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "call", "schema": case["schema"]}}
    else:
        body |= {"tools": TOOLS, "parallel_tool_calls": False, "tool_choice": named(case["tool"]) if "tool" in case else "auto"}
    choice = server.post("/v1/chat/completions", body)["choices"][0]
    calls = choice["message"].get("tool_calls", [])
    for call in calls:
        assert call["type"] == "function"
        jsonschema.validate(json.loads(call["function"]["arguments"]), SCHEMAS[call["function"]["name"]])
    if "tool" in case:
        assert [call["function"]["name"] for call in calls] == [case["tool"]] and choice["finish_reason"] == "tool_calls"
    text = calls[0]["function"]["arguments"] if calls else choice["message"]["content"]
    assert re.search(case["expected_pattern"], text), text
    if "schema" in case:
        jsonschema.validate(json.loads(text), case["schema"])


def test_prompts_are_complete():
    cases = json.loads(PROMPTS.read_text())
    assert {case.get("tool") for case in cases} >= set(SCHEMAS) and "tool_call_format" in {c["category"] for c in cases}
