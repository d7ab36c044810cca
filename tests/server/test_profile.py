"""`turboquant profile`: a profile is checked, and the server that it means answers an agent's calls."""
import json
import pathlib
import subprocess

import jsonschema
import pytest

from agent_tools import SCHEMAS, TOOLS
from serving import BINARY, ENVIRONMENT, MODEL, Server

PROFILE = pathlib.Path(__file__).parents[2] / "profiles" / "hermes-profile-gemma4-turboquant.yaml"


def check(path):
    got = subprocess.run([BINARY, "profile", "check", str(path)], env=ENVIRONMENT, capture_output=True, text=True)
    return got.returncode, got.stdout, got.stderr


def test_the_example_is_good():
    code, out, err = check(PROFILE)
    assert code == 0 and err == ""
    assert out == ("turboquant serve -m models/gemma-4.gguf -ctk turbo4 -ctv turbo4 -c 131072 --parallel 1 --port 8081 "
                   "--host 127.0.0.1 --layer-adaptive 7 -a gemma-4\n")


@pytest.mark.parametrize("old, new, says", [
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


def test_it_is_served():
    # The example's model is large; what follows the file takes precedence.
    with Server(command=("profile", "serve", str(PROFILE), "-m", MODEL)) as server:
        assert "--layer-adaptive 7" in server.log and "turbo4" in server.log
        assert server.get("/v1/models")["data"][0]["id"] == "gemma-4"
        got = server.post("/v1/chat/completions", {
            "model": "gemma-4", "messages": [{"role": "user", "content": "Read the file at /tmp/test.txt"}],
            "tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False, "temperature": 0, "max_tokens": 80})
        call = got["choices"][0]["message"]["tool_calls"][0]["function"]
        jsonschema.validate(json.loads(call["arguments"]), SCHEMAS[call["name"]])
