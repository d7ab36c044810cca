"""The chat of `turboquant run`: scripted through pipes, and in a terminal."""
import json
import subprocess

import pytest

from program import FAILED, INTERRUPTED, MODEL, OK, USAGE, assert_error, run, run_json
from terminal import CONTINUED, CTRL_C, CTRL_D, ENTER, PASTE, PROMPT, UP, Terminal

GREEDY = ("--temp", "0", "-n", "24")
# Where one text is computed in two ways (at once, or token by token on what is cached), roundings differ a little. On
# an f16 cache and a question with a clear answer that can't show.
STEADY = ("--temp", "0", "-n", "12", "-ctk", "f16", "-ctv", "f16")
CAPITAL = "What is the capital of France?"


def chat(*lines, arguments=GREEDY):
    return run(*arguments, stdin="\n".join(lines).encode() + b"\n")


# Through pipes

def test_stdout_holds_answers_alone():
    first = run_json("-p", "What is 2+2?", *GREEDY)["text"]
    code, out, err = chat("What is 2+2?", "", "/help", "/stats")
    assert (code, out) == (OK, first + "\n")
    assert "/save FILE" in err and "2 messages; " in err and "KV 765.0 KiB turbo4/turbo4" in err


def test_history_is_kept_and_cached():
    code, out, err = chat("My name is Zorblatt.", "What is my name?", arguments=(*GREEDY, "--verbose"))
    assert code == OK
    summaries = [line for line in err.splitlines() if " | generated " in line]
    assert "of them cached" not in summaries[0] and "of them cached" in summaries[1]
    assert int(summaries[1].split()[1]) > int(summaries[0].split()[1]) + 10


def test_backslash_continues_a_message(tmp_path):
    file = tmp_path / "chat.json"
    chat("first\\", "second\\", "", "/save " + str(file), arguments=("--temp", "0", "-n", "1"))
    assert json.loads(file.read_text())["messages"][0]["content"] == "first\nsecond\n"


def test_save_clear_load_goes_on_the_same(tmp_path):
    file, question = tmp_path / "chat.json", "And of Italy?"
    code, out, err = chat(CAPITAL, f"/save {file}", question, "/clear", f"/load {file}", question, arguments=STEADY)
    assert code == OK and "2 messages saved" in err and "2 messages loaded" in err
    first = run_json("-p", CAPITAL, *STEADY)["text"]
    rest = out.removeprefix(first + "\n")
    assert rest != out and rest != "" and rest[:len(rest) // 2] == rest[len(rest) // 2:]
    saved = json.loads(file.read_text())
    assert (saved["format"], saved["version"]) == ("turboquant-chat", 1) and "Smollm2" in saved["model"]
    assert saved["messages"] == [{"role": "user", "content": CAPITAL}, {"role": "assistant", "content": first}]
    # In another process, too; and /clear forgot the conversation.
    assert chat(f"/load {file}", question, arguments=STEADY)[1] == rest[:len(rest) // 2]
    alone = run_json("-p", question, *STEADY)["text"] + "\n"
    assert chat(CAPITAL, "/clear", question, arguments=STEADY)[1] == first + "\n" + alone != first + "\n" + rest


def test_system_message(tmp_path):
    file = tmp_path / "chat.json"
    code, out, err = chat("/system Answer like a pirate.", "Hello!", f"/save {file}", "/clear", "/system",
                          f"/save {file}2")
    assert code == OK
    assert out == run_json("-p", "Hello!", "--system", "Answer like a pirate.", *GREEDY)["text"] + "\n"
    assert json.loads(file.read_text())["messages"][0] == {"role": "system", "content": "Answer like a pirate."}
    assert json.loads((tmp_path / "chat.json2").read_text())["messages"] == []
    assert chat("Hello!", arguments=(*GREEDY, "--system", "Answer like a pirate."))[1] == out


def test_regenerate_answers_the_same_message(tmp_path):
    file = tmp_path / "chat.json"
    # The first answer's prompt is computed at once; of the others' all but one token is cached.
    code, out, _ = chat("What is 2+2?", "/regen", f"/save {file}", "/regen", f"/save {file}2")
    saved = json.loads(file.read_text())["messages"]
    assert code == OK and saved == json.loads((tmp_path / "chat.json2").read_text())["messages"]
    assert [m["role"] for m in saved] == ["user", "assistant"]
    assert out.endswith(2 * (saved[1]["content"] + "\n")) and len(out) > 2 * len(saved[1]["content"]) + 2


def test_hostile_files_leave_the_chat_alive(tmp_path):
    message = {"role": "user", "content": "x"}
    good = {"format": "turboquant-chat", "version": 1, "model": "m", "messages": [message]}
    cases = {
        "empty": (b"", "JSON"), "text": (b"hello", "JSON"), "latin1": (b'{"format": "\xff"}', "JSON"),
        "huge_number": (b'{"format": 1e999}', "JSON"), "list": (b"[]", "no saved chat"),
        "deep": (b"[" * 1_000_000, "JSON"), "deep_whole": (b"[" * 100_000 + b"]" * 100_000, "nested"),
        "other": (json.dumps({"a": 1}).encode(), "no saved chat"),
        "newer": (json.dumps(good | {"version": 2}).encode(), "version is 2"),
        "version": (json.dumps(good | {"version": [1]}).encode(), "no whole number"),
        "model": (json.dumps(good | {"model": 5}).encode(), '"model"'),
        "no_messages": (json.dumps({k: good[k] for k in ("format", "version")}).encode(), '"messages"'),
        "role": (json.dumps(good | {"messages": [message | {"role": "\x1b[2J"}]}).encode(), "unknown role"),
        "content": (json.dumps(good | {"messages": [message, message | {"content": 1}]}).encode(), "message 2"),
        "string": (json.dumps(good | {"messages": ["x"]}).encode(), "message 1"),
        "system": (json.dumps(good | {"messages": [message, message | {"role": "system"}]}).encode(), "first"),
    }
    for name, (data, _) in cases.items():
        (tmp_path / name).write_bytes(data)
    commands = [f"/load {tmp_path / name}" for name in cases]
    code, out, err = chat(*commands, f"/load {tmp_path}", f"/load {tmp_path}/none", "What is 2+2?")
    assert code == FAILED and out == run_json("-p", "What is 2+2?", *GREEDY)["text"] + "\n"
    lines = err.splitlines()
    assert len(lines) == len(cases) + 2
    for line, (name, (_, fragment)) in zip(lines, cases.items()):
        assert line.startswith(f"turboquant: cannot load {tmp_path / name}: ") and fragment in line, line
    assert "directory" in lines[-2] and "No such file" in lines[-1] and "\x1b" not in err


def test_saving_is_whole_or_not_at_all(tmp_path):
    (tmp_path / "folder").mkdir()
    code, _, err = chat(f"/save {tmp_path}/none/chat.json", f"/save {tmp_path}/folder", "/save", "/regen")
    assert code == FAILED
    assert [line.split(":")[0] for line in err.splitlines()] == ["turboquant"] * 4
    for fragment in ("none/chat.json: No such file", "folder: Is a directory", "/save needs a FILE", "no message"):
        assert fragment in err, err
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]  # nothing half-written is left


def test_mistakes_are_explained():
    code, out, err = run(*GREEDY, stdin=b"/frobnicate\n/clear now\nab\xffcd\n/exit\nnever asked\n")
    assert (code, out) == (FAILED, "")
    for fragment in ("no command /frobnicate", "/clear takes no argument", "not UTF-8 at byte offset 2"):
        assert fragment in err
    assert_error(run(stdin=b""), USAGE, "no prompt", "-p, -f")
    assert_error(run("--system", b"\xff", stdin=b"hello\n"), USAGE, "system message")


def test_full_context_is_said_and_can_be_cleared():
    question = "Count to one thousand."
    n_ctx = run_json("-p", question, "-n", "0")["prompt_tokens"] + 2  # room for an answer of two tokens
    code, out, err = chat(question, "And on.", "/clear", question, arguments=("--temp", "0", "-c", str(n_ctx)))
    full, too_long, cleared, full_again = err.splitlines()
    assert f"context of {n_ctx} tokens is full" in full and "/clear" in full and "up to 8192" in full
    assert f"leaves no room in the context of {n_ctx}" in too_long and "/clear" in too_long
    assert "new conversation" in cleared and full_again == full and code == FAILED
    assert out.endswith("\n") and out[:len(out) // 2] == out[len(out) // 2:]


# In a terminal

@pytest.fixture
def terminal():
    with Terminal("--temp", "0") as started:
        banner = started.wait_for(PROMPT).decode()
        assert "/help" in banner and "context 8192" in banner and "K turbo4, V turbo4" in banner
        yield started


def test_ctrl_c_stops_the_answer_only(terminal):
    terminal.send(b"Tell me a long story." + ENTER)
    terminal.wait_for(b"\x1b[?2004l")
    terminal.wait_for(b" ")  # the answer has begun
    terminal.send(CTRL_C)
    assert b"(stopped)" in terminal.wait_for(PROMPT)
    assert terminal.say(b"/stats")[0].startswith("2 messages; ")
    assert terminal.say(b"What is 2+2?") != []
    terminal.send(CTRL_D)
    assert terminal.exit_code() == OK


def test_ctrl_c_at_the_prompt_hints_and_then_ends(terminal):
    for text in (b"", b"half a line"):  # a line that is begun makes it the first again
        terminal.send(text)
        terminal.wait_for(text)
        terminal.send(CTRL_C)
        assert b"Ctrl-C again" in terminal.wait_for(PROMPT)
    terminal.send(CTRL_C)
    assert terminal.exit_code() == INTERRUPTED


def test_typed_and_pasted_lines(terminal, tmp_path):
    terminal.send(b"/system one\\" + ENTER)
    terminal.wait_for(CONTINUED)
    assert terminal.say(b"two") == ["(system message set)"]
    terminal.send(PASTE % b"/system three\rf\xc3\xbcnf \xe6\x97\xa5\r")
    terminal.wait_for("日".encode())
    terminal.send(b" ?")
    assert terminal.say(b"") == ["(system message set)"]
    terminal.say(f"/save {tmp_path}/chat.json".encode())
    content = json.loads((tmp_path / "chat.json").read_text())["messages"][0]["content"]
    assert content == "three\nfünf 日 ?"
    terminal.send(UP + UP)  # the history: /save, then the pasted message
    terminal.wait_for(b"/system three")
    assert terminal.say(b"") == ["(system message set)"]
    terminal.send(b"/exit" + ENTER)
    assert terminal.exit_code() == OK


def test_answers_can_go_to_a_file():
    with Terminal("--temp", "0", "-n", "8", stdout=subprocess.PIPE) as terminal:
        terminal.wait_for(PROMPT)
        terminal.say(b"What is 2+2?")
        terminal.send(CTRL_D)
        out = terminal.process.communicate(timeout=20)[0].decode()
        assert out == run_json("-p", "What is 2+2?", "--temp", "0", "-n", "8")["text"] + "\n"
        assert terminal.process.returncode == OK
