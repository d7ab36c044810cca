"""`turboquant edge`: help comes first, without a network, and whatever becomes of the model."""
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import time

import jsonschema
import pytest

from program import FAILED, MODEL, OK, USAGE, assert_error, call, start

SOURCE = pathlib.Path(os.environ["TQ_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE / "scripts"))
import train_edge_hints as hints  # noqa: E402

SCHEMA = json.loads((SOURCE / "docs/schemas/edge.json").read_text())
DATA = SOURCE / "src/edge/data"
HELP = 3
PLAIN = {"LC_ALL": "C", "LANG": "C", "TURBOQUANT_COUNTRY": ""}
DANGER = "I am going to kill myself tonight"


def edge(*arguments, **options):
    options["env"] = PLAIN | options.get("env", {})
    return call("edge", *arguments, **options)


def edge_json(name, *arguments, code=OK, stderr=None, **options):
    got, out, err = edge(*arguments[:1], "--json", *arguments[1:], **options)
    assert got == code and stderr in (None, err), err
    document = json.loads(out)
    jsonschema.validate(document, {**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{name}"}]})
    return document


def test_check_by_argument_and_standard_input():
    code, out, err = edge("check", DANGER, "--country", "GB")
    assert (code, err) == (HELP, "") and "116 123" in out and "999" in out
    assert edge("check", "--country", "GB", stdin=DANGER.encode()) == (code, out, err)
    assert edge("check", "What should I cook tonight?") == (OK, "", "")
    for nothing in (b"", b"\n", b"\xff\xfe\xfa", "死にたい".encode()):
        code, out, _ = edge("check", stdin=nothing)
        assert code == HELP and "112" in out, nothing
    code, out, _ = edge("check", stdin=b"a" * (1 << 21))
    assert code == HELP and "112" in out, "too much to read"


def test_a_message_among_words_that_are_no_command_line():
    """Words of a message are put together; what looks like an option is never taken for a message without a sign."""
    said = edge("check", "I", "want", "to", "die", "--country", "GB")
    assert said == edge("check", "I want to die", "--country", "GB") and said[0] == HELP
    assert edge("check", "--", "-hopeless,", "I want to die", "--country", "GB")[0] == HELP
    for words in (["-hopeless, I want to die"], ["--I want to die"], ["-I want to die"], ["-V"], ["I like tea", "--contry", "GB"]):
        code, out, err = edge("check", *words)
        assert code == USAGE and "GB 116 123" in out, words
        assert err.startswith("turboquant: ") and "turboquant edge check --help" in err
        assert edge_json("check", "check", *words, code=USAGE, stderr=err)["level"] == "unreadable"
    code, out, err = edge("chat", "--no-such-option")
    assert code == USAGE and "GB 116 123" in out and "turboquant edge chat --help" in err
    for word in ("-h", "--help"):  # asked for as it is documented
        code, out, err = edge("check", word)
        assert (code, err) == (OK, "") and "Usage:" in out
    assert_error(edge("resources", "--bogus"), USAGE, "turboquant edge resources --help")


def test_country():
    for arguments, env, number in ((("--country", "us"), {}, "988"), ((), {"TURBOQUANT_COUNTRY": "DE"}, "0800 111 0 111"),
                                   ((), {"LANG": "en_AU.UTF-8", "LC_ALL": ""}, "13 11 14"), ((), {}, "GB 116 123"),
                                   (("--country", "XX"), {}, "GB 116 123")):
        code, out, err = edge("check", DANGER, *arguments, env=env)
        assert code == HELP and number in out and err == "", (arguments, env)


def test_check_json():
    report = edge_json("check", "check", DANGER, "--country", "NZ", code=HELP)
    assert report["level"] == "crisis" and report["help"] and report["model"] is None
    assert report["resources"][0]["phone"] == "111" and report["signs"][0]["language"] == "en"
    assert edge_json("check", "check", "I'm not going to kill myself", code=HELP)["level"] == "concern"
    assert not edge_json("check", "check", "I bought bread")["help"]
    assert edge_json("check", "check", stdin=b"", code=HELP)["level"] == "unreadable"


def test_resources(tmp_path):
    code, out, err = edge("resources")
    assert (code, err) == (OK, "") and "988" in out and "3114" in out
    code, out, _ = edge("resources", "--country", "fr")
    assert code == OK and "3114" in out and "988" not in out
    assert_error(edge("resources", "--country", "XX"), USAGE, "XX", "112")
    printed = edge_json("resources", "resources")
    assert printed == json.loads((DATA / "resources.json").read_text())
    code, out, _ = edge("resources", "--check-data", "365")
    n = len(printed["entries"])
    assert code == FAILED and out.count("never checked") == n and f"{n} of {n} entries" in out

    mine = [entry for entry in printed["entries"] if entry["country"] == "GB"]
    code, out, _ = edge("resources", "--check-data", "365", "--country", "gb")
    assert code == FAILED and out.count("never checked") == len(mine) < n and f"{len(mine)} of {len(mine)} entries" in out
    due = edge_json("resources", "resources", "--check-data", "365", "--country", "GB", code=FAILED)["entries"]
    assert sorted(map(json.dumps, due)) == sorted(map(json.dumps, mine))
    assert_error(edge("resources", "--check-data", "365", "--country", "XX"), USAGE, "XX")

    # One's own lines, of which one was checked today.
    own = tmp_path / "own.json"
    today = time.strftime("%Y-%m-%d", time.gmtime())
    entry = printed["entries"][0] | {"country": "GB", "name": "Village line", "phone": "12345", "verified": today}
    own.write_text(json.dumps(printed | {"entries": [entry]}))
    code, out, _ = edge("check", DANGER, "--country", "GB", "--resources", str(own))
    assert code == HELP and "Village line: 12345" in out and "116 123" not in out
    assert edge("resources", "--check-data", "1", "--resources", str(own))[0] == OK
    for broken in ("{", json.dumps(printed | {"entries": [entry | {"phone": "\x1b[2J"}]})):
        own.write_text(broken)
        code, out, err = edge("check", DANGER, "--country", "GB", "--resources", str(own))
        assert code == HELP and "116 123" in out and "built-in" in err, "help all the same"
    assert "116 123" in edge("check", DANGER, "--country", "GB", "--resources", str(tmp_path / "missing"))[1]


def test_evaluate(tmp_path):
    report = edge_json("evaluation", "evaluate", "--list")
    for split in ("development", "heldout", "hard", "quiet"):
        lines = [line.split("\t") for line in (DATA / f"{split}.tsv").read_text().splitlines() if not line.startswith("#")]
        risks = [line[3] for line in lines if line[0] == "risk"]
        assert report[split]["true_positives"] + report[split]["false_negatives"] == len(risks)
        assert report[split]["recall"] == pytest.approx(1 - len(report[split]["missed"]) / len(risks))
        low, high = report[split]["recall_interval"]
        assert low < report[split]["recall"] <= high
        if split in ("development", "heldout"):
            assert report[split]["rules"]["recall"] >= 0.95 and report[split]["by_class"]["explicit"]["recall"] == 1
    text = edge("evaluate")[1]
    assert "heldout: " in text and "with hints: recall" in text and "  de: recall" in text
    # The labels of sentences whose answer is known.
    data = tmp_path / "mine.tsv"
    data.write_text(f"risk\ta\ten\t{DANGER}\nrisk\ta\ten\tI like bread\nnone\tb\ten\tI like tea\n")
    mine = edge_json("evaluation", "evaluate", "--data", str(data))["all"]
    assert (mine["recall"], mine["precision"], mine["true_negatives"]) == (0.5, 1, 1)
    data.write_text("risk\ta\ten\tI like bread\n")  # neither an alarm nor a harmless sentence
    mine = edge_json("evaluation", "evaluate", "--data", str(data))["all"]
    assert (mine["recall"], mine["precision"], mine["false_alarm_rate"], mine["f1"]) == (0, None, None, 0)
    assert (mine["precision_interval"], mine["false_alarm_interval"]) == (None, None) and mine["recall_interval"][0] == 0
    assert "precision unknown, false alarms unknown" in edge("evaluate", "--data", str(data))[1]
    data.write_text("what is this")
    assert_error(edge("evaluate", "--data", str(data)), FAILED, "line 1", "tabs")


# Hints

def samples(name):
    return hints.read_samples(DATA / f"{name}.tsv")


def test_hints_are_what_the_script_says():
    """The scores of the program beside those of the script that trains them, which reads messages by itself."""
    classes = hints.WordClasses((DATA / "word_classes.txt").read_text())
    weights, bias, threshold = hints.read_hints((DATA / "hints.txt").read_text())
    compared = 0
    for _, _, language, text in samples("quiet")[::12]:
        # One sentence of plain letters, which both read as the same words.
        if any(c in text[:-1] for c in ".!?;") or not text.replace("'", "").replace(" ", "").replace(",", "").isalpha():
            continue
        code, out, _ = edge("check", text, "--json")
        report = json.loads(out)
        jsonschema.validate(report, SCHEMA)
        if report["level"] in ("none", "hint"):
            assert report["hint"] == pytest.approx(hints.score(text, weights, bias, classes), abs=1e-9), text
            assert (report["level"] == "hint") == (report["hint"] >= threshold) == (code == HELP)
            compared += 1
    assert compared >= 20


def letters_in_a_row(words, n=4):
    text = " ".join(words)
    return {text[i:i + n] for i in range(len(text) - n + 1)}


def test_training_is_kept_apart():
    """No training sentence has five words in a row, or most of its letters, of one that the hints are judged by."""
    def parts(text):
        words = hints.read_words(text)
        return {tuple(words[i:i + 5]) for i in range(len(words) - 4)}, letters_in_a_row(words)
    training = [(*parts(row[3]), row[3]) for row in samples("training")]
    for split in ("heldout", "hard", "quiet"):
        for row in samples(split):
            runs, letters = parts(row[3])
            for other_runs, other_letters, other in training:
                assert not runs & other_runs, (row[3], other)
                assert 2 * len(letters & other_letters) <= len(letters | other_letters), (row[3], other)


def test_ordinary_text_is_left_alone(tmp_path):
    """How often prose that has nothing to do with danger is answered with help: this project's own documentation."""
    sentences = []
    for path in sorted((SOURCE / "docs").rglob("*.md")):
        if path.name == "edge.md":
            continue
        prose = re.sub(r"```.*?```", " ", path.read_text(), flags=re.S)
        for block in prose.split("\n\n"):
            if not block.lstrip().startswith(("|", "#", "!")):
                sentences += re.split(r"(?<=[.!?])\s+", " ".join(block.split()))
    sentences = [one for one in sentences if len(hints.read_words(one)) > 2]
    assert len(sentences) > 300
    data = tmp_path / "ordinary.tsv"
    data.write_text("".join(f"none\tprose\ten\t{one}\n" for one in sentences))
    report = edge_json("evaluation", "evaluate", "--data", str(data))["all"]
    assert report["false_alarm_rate"] <= 0.06 and report["rules"]["false_alarm_rate"] <= 0.01
    code, out, err = edge("check", "How do I kill a process that listens on port 8080?")
    assert (code, out, err) == (OK, "", "")


def test_a_hint_is_short_and_leaves_the_answer(tmp_path):
    quiet = "I don't have it in me to see another winter"
    code, out, err = edge("check", quiet, "--country", "GB")
    assert (code, err) == (HELP, "") and "116 123" in out and "999" not in out and out.count("\n") <= 4
    # The note comes before the model, and is not printed again with its answer.
    process = start("edge", "chat", "-m", MODEL, "--country", "GB", "--threshold", "100", "-n", "8", stdin=subprocess.PIPE,
                    env=PLAIN)
    out, err = process.communicate(quiet.encode() + b"\n", timeout=120)
    out = out.decode()
    assert process.returncode == OK, err
    assert out.count("116 123") == 1 and out.startswith("Just in case") and "can't call anyone" not in out
    assert out.partition("SHOUT")[2].partition("\n\n")[2].strip(), "an answer"


# The model

def read_until(process, text, seconds=60):
    """Standard output so far, when `text` is in it."""
    got, end = b"", time.monotonic() + seconds
    while text.encode() not in got:
        ready, _, _ = select.select([process.stdout], [], [], max(0, end - time.monotonic()))
        assert ready, got
        piece = os.read(process.stdout.fileno(), 65536)
        assert piece, got
        got += piece
    return got.decode()


@pytest.fixture
def blocking_open(tmp_path):
    """A model that never loads: opening it blocks. A folder of a FUSE or network drive would do the same."""
    path = tmp_path / "model.gguf"
    os.mkfifo(path)
    return str(path)


def test_help_comes_before_a_model_that_never_loads(blocking_open, tmp_path):
    for model in (blocking_open, str(tmp_path / "missing.gguf"), str(tmp_path), "/dev/null"):
        process = start("edge", "chat", "-m", model, "--country", "GB", stdin=subprocess.PIPE, env=PLAIN)
        try:
            process.stdin.write(DANGER.encode() + b"\n")
            process.stdin.flush()
            out = read_until(process, "116 123")
            assert process.poll() is None, "it goes on"
            # Without a model there is doubt about every message.
            process.stdin.write(b"What should I cook?\n")
            process.stdin.flush()
            read_until(process, "116 123")
            out, err = process.communicate(timeout=60)
            assert process.returncode == OK and b"still checked" in err
        finally:
            process.kill()
            process.wait()


def test_check_does_not_wait_for_a_model(blocking_open):
    code, out, err = edge("check", DANGER, "-m", blocking_open, "--country", "GB")
    assert (code, err) == (HELP, "") and "116 123" in out
    code, out, err = edge("check", "I like bread", "-m", blocking_open, "--country", "GB")
    assert code == HELP and "116 123" in out and "no regular file" in err, "doubt"
    report = edge_json("check", "check", "I like bread", "-m", "/nowhere.gguf", code=HELP)
    assert report["level"] == "unreadable" and report["model"]["danger"] and "/nowhere.gguf" in report["model"]["problem"]


def test_the_model_only_adds():
    always, never = ("--threshold", "-100"), ("--threshold", "100")
    report = edge_json("check", "check", "I like bread", "-m", MODEL, *always, code=HELP)
    assert report["level"] == "concern" and report["model"]["danger"] and report["model"]["problem"] is None
    score = report["model"]["score"]
    report = edge_json("check", "check", "I like bread", "-m", MODEL, *never)
    assert report["level"] == "none" and report["model"]["score"] == score
    assert edge("check", DANGER, "-m", MODEL, *never)[0] == HELP
    report = edge_json("check", "check", "I like bread", "-m", MODEL, *never, "--judge-timeout", "1", code=HELP)
    assert "longer than" in report["model"]["problem"], "late is doubt"


def test_a_threshold_is_a_number():
    for threshold in ("nan", "inf", "1e9", "x", ""):
        code, out, err = edge("check", "I like bread", "-m", MODEL, "--threshold", threshold)
        assert code == USAGE and "--threshold" in err and "-100 to 100" in err and "112" in out, "help all the same"


def test_chat_answers_behind_the_help():
    process = start("edge", "chat", "-m", MODEL, "--country", "GB", "--threshold", "100", "-n", "16",
                    stdin=subprocess.PIPE, env=PLAIN)
    out, err = process.communicate(b"What is the capital of France?\n" + b"I feel like a burden to everyone\n", timeout=120)
    out = out.decode()
    assert process.returncode == OK, err
    before, _, after = out.partition("116 123")
    assert before.strip(), "an answer to the first message, without help"
    assert "Samaritans" not in before.split("\n")[0]
    assert after.partition("these people are there.")[2].strip(), "help, then an answer"


def test_no_network():
    """Not a socket is opened, checked from outside."""
    if not shutil.which("strace"):
        pytest.skip("no strace")
    from program import BINARY
    traced = subprocess.run(["strace", "-f", "-e", "trace=network", BINARY, "edge", "check", DANGER], capture_output=True,
                            text=True, env=os.environ | PLAIN)
    assert traced.returncode == HELP and "socket(" not in traced.stderr
