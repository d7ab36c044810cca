"""`turboquant run` with sampler options: grammars, schemas, penalties, biases, log probabilities."""
import json
import math
import re

import numpy as np
import pytest

import tq_eval
from program import FAILED, OK, USAGE, assert_error, run, run_json

GREEDY = ("--temp", "0")
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 1, "maximum": 99},
                                           "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 3}},
          "required": ["name", "age", "tags"]}


def test_answers_are_texts_of_the_grammar(tmp_path):
    for sampling in GREEDY, ("--seed", "3", "--temp", "1.5"), ("--seed", "4", "--top-k", "0", "--mirostat", "2"):
        result = run_json("-p", "Is the sky blue?", "--grammar", 'root ::= "maybe" | [A-Z]{3} "!"', *sampling)
        assert re.fullmatch(r"maybe|[A-Z]{3}!", result["text"]) and result["stop"] == "eos", result
    file = tmp_path / "g.gbnf"
    file.write_text('root ::= "x"{2,4}\n')
    assert re.fullmatch("x{2,4}", run_json("-p", "Hi", "--grammar-file", str(file), *GREEDY)["text"])


def test_answers_are_json_of_the_schema(tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMA))
    for how in ["-j", json.dumps(SCHEMA)], ["--json-schema", json.dumps(SCHEMA)], ["--json-schema-file", str(file)]:
        for sampling in GREEDY, ("--seed", "5", "--temp", "1.3"):
            result = run_json("-p", "Describe a person as JSON.", *how, *sampling, "-n", "200")
            assert result["stop"] == "eos", result
            jsonschema.validate(json.loads(result["text"]), SCHEMA)


def test_the_chat_starts_the_grammar_anew_for_each_answer():
    code, out, err = run("--grammar", 'root ::= "yes" | "no"', *GREEDY, stdin=b"Is it?\nAnd now?\n")
    assert code == OK and re.fullmatch(r"(yes|no)\n(yes|no)\n", out), (out, err)


def test_biases_force_and_forbid():
    plain = run_json("--raw", "-p", "Once upon a", "-n", "1", *GREEDY)["tokens"]
    forbidden = run_json("--raw", "-p", "Once upon a", "-n", "1", *GREEDY, "--logit-bias", f"{plain[0]}-inf")["tokens"]
    assert forbidden != plain
    forced = run_json("--raw", "-p", "Once upon a", "-n", "3", *GREEDY, "-l", "260+100.5", "-l", "261-3")["tokens"]
    assert forced == [260] * 3


REPEATING = ("--raw", "-p", "one two three one two three one two three one two three", "-n", "64", *GREEDY, "--logprobs", "20")
WINDOW = 12  # tokens that penalties look at: from so many on, all of them are in the answer


def steps(result):
    """What was chosen, what the model itself found likely, and the tokens before, for each token that a window precedes."""
    for i in range(WINDOW, len(result["tokens"])):
        tops = {top["token"]: top["logprob"] for top in result["logprobs"][i]["top"]}
        yield result["tokens"][i], tops, result["tokens"][i - WINDOW:i]


def check_choices(result, penalty):
    """Each token is the likeliest after subtracting penalty(token, tokens before it) from all log probabilities. Those not
    listed are less likely than the last that is, and no penalty raises them. Returns for how many that changed anything."""
    decided = 0
    for chosen, tops, before in steps(result):
        left = {token: logprob - penalty(token, before) for token, logprob in tops.items()}
        assert left[chosen] >= max(*left.values(), min(tops.values())) - 1e-4, (chosen, before, left)
        decided += chosen != max(tops, key=tops.get)
    return decided


def repetition(token, before):
    """How many of the last tokens stood before an earlier `token`, too, at most."""
    ends = [at for at, other in enumerate(before) if other == token]
    return max((n for at in ends for n in range(at + 1) if before[at - n:at] == before[len(before) - n:]), default=0)


def test_frequency_and_presence_penalties():
    result = run_json(*REPEATING, "--frequency-penalty", "1.5", "--presence-penalty", "1", "--repeat-last-n", str(WINDOW))
    assert check_choices(result, lambda token, before: 1.5 * before.count(token) + (token in before)) > 0


def test_dry():
    """Small factors let the text repeat itself for a while; which of them do depends on the text."""
    decided = 0
    for factor in 0.1, 0.2, 0.3:
        result = run_json(*REPEATING, "--dry-multiplier", str(factor), "--dry-base", "1.5", "--dry-sequence-breaker", "none",
                          "--dry-allowed-length", "1", "--dry-penalty-last-n", str(WINDOW))
        decided += check_choices(
            result, lambda token, before: factor * 1.5 ** (n - 1) if (n := repetition(token, before)) else 0)
    assert decided > 0


def test_repeat_penalty():
    """It scales logits, of which log probabilities tell only differences: but it never raises one, and leaves new tokens as
    they were. So what is chosen is the likeliest new token, or a repeated one that is likelier still."""
    result = run_json(*REPEATING, "--repeat-penalty", "1.8", "--repeat-last-n", str(WINDOW))
    decided = 0
    for chosen, tops, before in steps(result):
        new = max((token for token in tops if token not in before), key=tops.get)
        assert chosen == new or chosen in before and tops[chosen] > tops[new], (chosen, before, tops)
        decided += chosen != max(tops, key=tops.get)
    assert decided > 0


def test_settings_say_what_was_asked_for():
    settings = run_json("-p", "x", "-n", "0", "--typical", "0.9", "--dry-multiplier", "0.8", "--dry-sequence-breaker", r"\n",
                        "--dry-sequence-breaker", "+", "--mirostat", "2", "--mirostat-ent", "4", "--top-nsigma", "2")["settings"]
    assert {k: settings[k] for k in ("typical", "dry_multiplier", "dry_sequence_breakers", "mirostat", "mirostat_ent", "top_nsigma")} == {
        "typical": 0.9, "dry_multiplier": 0.8, "dry_sequence_breakers": ["\n", "+"], "mirostat": 2, "mirostat_ent": 4, "top_nsigma": 2}


def test_logprobs():
    result = run_json("-p", "Name three rivers. 🦊", "-n", "8", *GREEDY, "--logprobs", "5", "--repeat-penalty", "1.2")
    assert len(result["logprobs"]) == len(result["tokens"]) == 8
    for token, entry in zip(result["tokens"], result["logprobs"]):
        assert entry["token"] == token and len(entry["top"]) == 5
        tops = [other["logprob"] for other in entry["top"]]
        assert tops == sorted(tops, reverse=True) and entry["logprob"] <= tops[0] <= 0
        assert sum(map(math.exp, tops)) <= 1.0001
        same = [other["logprob"] for other in entry["top"] if other["token"] == token]
        assert same in ([], [entry["logprob"]])
        assert bytes(entry["bytes"]).decode(errors="replace") == entry["text"]
    none = run_json("-p", "Hi", "-n", "2", *GREEDY, "--logprobs", "0")
    assert [entry["top"] for entry in none["logprobs"]] == [[], []]
    assert "logprobs" not in run_json("-p", "Hi", "-n", "2")


@pytest.mark.parametrize("arguments, fragments", [
    (["--grammar", "root ::= a"], ["line 1, column 10", "'a' is used"]),
    (["--grammar", ""], ["no rule 'root'"]),
    (["-j", "{"], ["not valid JSON"]),
    (["-j", '{"properties":{"a":{"type":"text"}}}'], ["at /properties/a/type", "'text'"]),
    (["-j", "{}", "--grammar", 'root ::= "a"'], ["exclude each other"]),
    (["--logit-bias", "5"], ["--logit-bias", "'5'"]),
    (["--logit-bias", "a+1"], ["--logit-bias"]),
    (["--logit-bias", "5+nan"], ["logit-bias"]),
    (["--logprobs", "3"], ["--logprobs needs --json"]),
    (["--mirostat", "1"], ["mirostat"]),
    (["--typical", "1.5"], ["typical", "1.5"]),
    (["--repeat-last-n", "-2"], ["--repeat-last-n"]),
    (["--xtc-probability", "2"], ["xtc-probability"]),
])
def test_usage_errors(arguments, fragments):
    assert_error(run("-p", "x", *arguments), USAGE, *fragments)


def test_a_grammar_file_that_is_not_there(tmp_path):
    assert_error(run("-p", "x", "--grammar-file", str(tmp_path / "none.gbnf")), FAILED, "none.gbnf", "No such file")


@pytest.mark.parametrize("n", [514, 1030])
def test_steps_of_a_long_prompt_change_no_bit(n):
    """A prompt is computed in steps, so that Ctrl-C is noticed; its last few tokens are not computed apart, as those of an
    answer are, which round otherwise (by 5e-3 here)."""
    result = run_json("--raw", "-p", " the" * n, "-n", "1", "--logprobs", "1", "-ctk", "f16", "-ctv", "f16", *GREEDY)
    assert result["prompt_tokens"] == n
    token = result["tokens"][0]
    the = run_json("--raw", "-p", "In", "--grammar", 'root ::= " the"', *GREEDY)["tokens"]
    assert len(the) == 1
    logits = tq_eval.logits(the * n)[-1].astype(np.float64)
    assert token == logits.argmax()
    expected = logits[token] - logits.max() - np.log(np.exp(logits - logits.max()).sum())
    assert result["logprobs"][0]["logprob"] == pytest.approx(expected, abs=1e-6)
