"""docs/schemas: every command that prints JSON has a schema there, and none would take anything."""
import json
import re

import jsonschema
import pytest

from program import OK, call
from schemas import FOLDER, validate
from test_completion import COMMANDS

PAGE = (FOLDER / "README.md").read_text()
TABLE = re.findall(r"^\| (`.*`) \| \[(.*)\.json\]\((.*)\.json\) \|$", PAGE, re.MULTILINE)


def help_of(command):
    code, out, _ = call(*command, "--help")
    assert code == OK
    return out


def test_every_command_with_json_is_on_the_page():
    named = {" ".join(re.findall(r"^[a-z]+(?: [a-z]+)?", words)[0].split()) for row in TABLE
             for words in re.findall(r"`([^`]*)`", row[0])}
    prints = {" ".join(command) for command in COMMANDS if re.search(r"^  --json\b", help_of(command), re.MULTILINE)}
    gates = {command for command in prints if "report as JSON" in help_of(command.split())}
    assert "verify" in gates and prints - gates - {"bench engine"} == named  # bench engine is bench


def test_every_schema_is_on_the_page():
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(row[1] for row in TABLE)
    assert all(text == link for _, text, link in TABLE)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_a_schema_refuses_what_is_nothing_of_its(name):
    for value in ({}, [], None, 1, "text"):
        with pytest.raises(jsonschema.ValidationError):
            validate(value, name)
    for path in FOLDER.glob("*.json"):
        assert json.loads(path.read_text())["$schema"].endswith("2020-12/schema")
