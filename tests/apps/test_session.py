"""`run --session FILE`, and guessing ahead (--lookup, --draft-model): quicker, and not a letter changed."""
import json
import os

import pytest

from program import FAILED, MODEL, OK, USAGE, assert_error, call, run, run_json

STORY = ("-p", "Write a story about a dog.", "-n", "40")
GREEDY = ("--temp", "0")
# An answer that repeats its prompt.
COPY = ("-p", "Repeat: one two three four five six seven eight nine ten one two three four five six seven eight", "--raw",
        "-n", "40", *GREEDY)


# Sessions

def test_a_session_goes_on_where_it_ended(tmp_path):
    path = str(tmp_path / "a.session")
    first = run_json(*STORY, *GREEDY, "--session", path)
    assert os.path.getsize(path) > first["kv"]["bytes"] and os.listdir(tmp_path) == ["a.session"]
    again = run_json(*STORY, *GREEDY, "--session", path)
    code, out, err = run(*STORY, *GREEDY, "--prompt-cache", path)  # llama.cpp's name
    assert (code, out.strip()) == (OK, again["text"].strip()) and f"({first['prompt_tokens'] - 1} of them cached)" in err


def test_a_restored_session_answers_as_one_that_went_on(tmp_path):
    """Two turns: saved between them and restored by another process, or by one that ran on. The same tokens are computed in
    the same batches, so all must agree."""
    conversation, session = tmp_path / "chat.json", str(tmp_path / "chat.session")
    arguments = (*GREEDY, "-n", "16")
    turns = ["Name a river.", "And where is it?"]
    code, both, _ = run(*arguments, stdin="\n".join(turns).encode() + b"\n")
    assert code == OK
    code, first, _ = run(*arguments, "--session", session, stdin=f"{turns[0]}\n/save {conversation}\n".encode())
    assert code == OK
    code, second, err = run(*arguments, "--verbose", "--session", session, stdin=f"/load {conversation}\n{turns[1]}\n".encode())
    assert code == OK and "of them cached" in err
    assert first + second == both


def test_a_chat_keeps_its_session(tmp_path):
    path = str(tmp_path / "chat.session")
    arguments = (*GREEDY, "-n", "12", "--verbose", "--session", path)
    code, _, err = run(*arguments, stdin=b"Name a river.\n")
    assert code == OK and "cached" not in err and os.path.exists(path)
    code, _, err = run(*arguments, stdin=b"Name a river.\n")
    assert code == OK and "of them cached" in err


def test_another_sessions_file_is_refused_and_kept(tmp_path):
    path = tmp_path / "a.session"
    run_json("-p", "Hello", "-n", "2", "--session", str(path))
    saved = path.read_bytes()
    assert_error(run("-p", "Hello", "-ctk", "q8_0", "--session", str(path)), FAILED, "cache types")
    path.write_bytes(saved[:-1])
    assert_error(run("-p", "Hello", "--session", str(path)), FAILED, "cut short")
    assert path.read_bytes() == saved[:-1]


def test_a_session_that_cannot_be_saved_is_an_error(tmp_path):
    code, out, err = run("-p", "Hello", "-n", "2", "--session", str(tmp_path / "missing" / "a"))
    assert code == FAILED and out and "cannot write" in err


# Guesses

@pytest.mark.parametrize("sampling", [GREEDY, ("--seed", "5"), ("--seed", "6", "--temp", "1.5", "--top-k", "0")])
def test_guessing_changes_no_text(sampling):
    plain = run_json(*STORY, *sampling)
    for guess in (("--lookup",), ("-md", MODEL), ("--model-draft", MODEL, "--draft-max", "3", "--draft-p-min", "0")):
        guessed = run_json(*STORY, *sampling, *guess)
        assert (guessed["text"], guessed["tokens"], guessed["stop"]) == (plain["text"], plain["tokens"], plain["stop"])


def test_lookup_finds_repetitions_and_counts_them():
    plain, guessed = run_json(*COPY), run_json(*COPY, "--lookup")
    assert guessed["text"] == plain["text"]
    counts = guessed["speculation"]
    assert 0 < counts["accepted"] <= counts["drafted"]
    histogram = counts["passes_by_accepted"]
    assert sum(i * n for i, n in enumerate(histogram)) == counts["accepted"]
    # The first token comes with the prompt; each pass gives one more than was right.
    assert sum((i + 1) * n for i, n in enumerate(histogram)) >= guessed["generated_tokens"] - 1
    code, _, err = run(*COPY, "--lookup", "--verbose")
    assert code == OK and f"guesses: {counts['accepted']} of {counts['drafted']} right" in err


@pytest.mark.parametrize("sampling", [GREEDY, ("--seed", "5")])
def test_a_model_agrees_with_itself(sampling):
    counts = run_json(*STORY, *sampling, "-md", MODEL, "--draft-p-min", "0")["speculation"]
    assert counts["accepted"] == counts["drafted"] > 20


def test_wrong_options():
    assert_error(run("-p", "x", "--lookup", "-md", MODEL), USAGE, "--lookup")
    assert_error(run("-p", "x", "--lookup", "--draft-max", "8"), USAGE, "1 to 7")
    assert_error(run("-p", "x", "--lookup", "--draft-max", "2", "--draft-min", "3"), USAGE, "draft-min")
    assert_error(run("-p", "x", "-md", MODEL, "--draft-p-min", "2"), USAGE, "draft-p-min")
    assert_error(run("-p", "x", "-md", "/nonexistent.gguf"), FAILED, "/nonexistent.gguf")


# Sessions that decode together

def test_bench_parallel():
    code, out, err = call("bench", "-m", MODEL, "--prefill", "16", "--decode", "4", "--depths", "0,40", "--parallel", "3",
                          "--json")
    assert code == OK, err
    result = json.loads(out)
    assert result["sessions"] == 3 and set(result["parallel"]) == {"0", "40"} and min(result["parallel"].values()) > 0
