"""Our chat templates against Python's jinja2, set up as Hugging Face's apply_chat_template does (hf_jinja.py).

Known differences, left out of the snippets: integers beyond 64 bits and nested tuples as keys are refused, upper case
that takes several characters (ß) is not made, generators and functions print without their address.
"""

import json
import os
import pathlib

import pytest

pytest.importorskip("jinja2")

import hf_jinja
from chat_cases import CONVERSATIONS
from jinja_random import templates
from jinja_snippets import BAD, GOOD, VARIABLES
from llama_oracle import package_folder, smollm2_path
from render_client import joined, render_all

TESTS = pathlib.Path(__file__).parent.parent
OURS = sorted((TESTS / "data/chat_templates").glob("*.jinja"))
SHIPPED = sorted((TESTS.parent / ".venv/chat_templates").glob("*/*.jinja"))  # fetch_fixtures.py
TEMPLATES = OURS + SHIPPED
pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")  # of what jinja2 compiles
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def compare(template):
    cases = [(name, variables, prompt) for name, variables in CONVERSATIONS.items() for prompt in (False, True)]
    answers = render_all([{"template": template, "variables": variables, "add_generation_prompt": prompt, **TOKENS}
                          for _, variables, prompt in cases])
    wrong, failed = [], 0
    for (name, variables, prompt), answer in zip(cases, answers):
        expected, error = hf_jinja.render(template, variables, add_generation_prompt=prompt, **TOKENS)
        failed += error is not None
        if error is None:
            same = not isinstance(answer, str) and joined(answer) == expected
        else:  # raise_exception() must pass its message on
            same = isinstance(answer, str) and (type(error).__name__ != "TemplateError" or str(error) in answer)
        if not same:
            wrong.append((name, prompt, expected if error is None else error, joined(answer)))
    print(f"{len(cases)} prompts, {failed} of them refused by jinja2: {len(wrong)} mismatches")
    assert not wrong, f"{len(wrong)} of {len(cases)}; the first: {wrong[0]}"


def test_the_models_templates_are_there():
    if not SHIPPED:
        pytest.skip("the models' chat templates are not installed (tests/tokenizer/fetch_fixtures.py)")


@pytest.mark.parametrize("name", ["SmolLM2-135M-Instruct.Q4_1.gguf", "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf"])
def test_model_file(name):
    package_folder("gguf")
    import gguf

    path = pathlib.Path(smollm2_path()).parent / name
    if not path.exists():
        pytest.skip(f"no model {path}")
    compare(gguf.GGUFReader(str(path)).fields["tokenizer.chat_template"].contents())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_template(path):
    compare(path.read_text())


@pytest.mark.parametrize("snippets", [GOOD, BAD], ids=["good", "bad"])
def test_snippets(snippets):
    wrong = []
    for snippet, answer in zip(snippets, render_all([{"template": s, "variables": VARIABLES} for s in snippets])):
        expected, error = hf_jinja.render(snippet, VARIABLES)
        assert (error is None) == (snippets is GOOD), f"{snippet!r} stands in the wrong list: {error!r}"
        failed = isinstance(answer, str)
        if failed != (error is not None) or (not failed and joined(answer) != expected):
            wrong.append((snippet, expected, answer))
    print(f"{len(snippets)} snippets: {len(wrong)} mismatches")
    assert not wrong, f"{len(wrong)} of {len(snippets)}; the first: {wrong[:3]}"


@pytest.mark.parametrize("seed", range(1 if not os.environ.get("TQ_SLOW_TESTS") else 20))
def test_random(seed):
    sources = templates(3000, seed)
    wrong, rendered = [], 0
    for source, answer in zip(sources, render_all([{"template": s, "variables": VARIABLES} for s in sources])):
        expected, error = hf_jinja.render(source, VARIABLES)
        # jinja2 slices constants of any type when it compiles: (1)[1:] is undefined, while x[1:] fails for x = 1.
        if "cannot be sliced" in str(answer) or " at 0x" in str(expected).lower() or "<macro" in str(expected).lower():
            continue
        failed = isinstance(answer, str)
        rendered += not failed
        if failed != (error is not None) or (not failed and joined(answer) != expected):
            wrong.append((source, expected, repr(error), answer))
    print(f"{len(sources)} random templates, {rendered} of them rendered: {len(wrong)} mismatches")
    assert rendered > len(sources) / 5
    for source, answer in zip(sources, render_all([{"template": s, "variables": marked(VARIABLES)} for s in sources])):
        if not isinstance(answer, str):
            assert all(plain or MARK not in text for text, plain in answer), (source, answer)
    assert not wrong, f"{len(wrong)} of {len(sources)}; the first: {wrong[0]}"


MARK = "\ue000"  # of the private use area: no template has it


def marked(value, key=None):
    """The same value with a private-use character around and inside every string that is content."""
    if isinstance(value, dict):
        return {name: marked(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [marked(item, key) for item in value]
    if isinstance(value, str) and key not in ("role", "type"):
        return MARK + MARK.join(value) + MARK
    return value


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_content_is_plain(path):
    """Nothing that came from messages or tools may count as the template's text, whatever the template did to it."""
    requests = [{"template": path.read_text(), "variables": marked(variables), "add_generation_prompt": True, **TOKENS}
                for variables in CONVERSATIONS.values()]
    marks = 0
    for request, answer in zip(requests, render_all(requests)):
        if isinstance(answer, str):
            continue
        kinds = [plain for _, plain in answer]
        assert all(text for text, _ in answer) and all(a != b for a, b in zip(kinds, kinds[1:]))
        marks += joined(answer).count(MARK)
        for text, plain in answer:
            assert plain or MARK not in text, json.dumps([text, answer])[:2000]
    assert marks > 10
