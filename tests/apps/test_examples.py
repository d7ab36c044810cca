"""Every example of the help, of the README and of the pages on planning works as it is printed. Left out are those of
commands that take minutes (verify and its gates, bench), which have tests of their own."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from program import BINARY, ENVIRONMENT, OK, call, patched_model

SOURCE = pathlib.Path(os.environ["TQ_SOURCE_DIR"])
PAGES = ("README.md", "docs/planner.md", "docs/hardware.md", "docs/dflash.md", "docs/edge.md")
COMMANDS = ("", "run", "serve", "info", "fit", "doctor", "dflash", "edge", "completion", "profile")
SLOW = ("verify", "bench", "attention-fidelity", "edge evaluate")
HELP_WAS_SHOWN = 3  # of edge check


def command_in(line):
    """The command of a line, without the words that explain it: after two blanks or a #."""
    line = line.strip().replace("build/release/", "")
    found = re.match(r"(?:[^`]*\| )?turboquant( [^`]*)?$", re.split(r"\s{2,}|\s#\s", line)[0])
    return found and found.group(0)


def examples():
    lines = []
    for text in ((SOURCE / page).read_text() for page in PAGES):
        for block in re.findall(r"^ *```\w*\n(.*?)```", text, re.MULTILINE | re.DOTALL):
            lines += block.splitlines()
        lines += re.findall(r"`((?:echo \| )?turboquant [^`]+)`", text)
    for command in COMMANDS:
        code, out, _ = call(*command.split(), "--help")
        assert code == OK
        lines += out.partition("Examples:\n")[2].splitlines()
    found = [command_in(line) for line in lines]
    # FILE, N and GB stand for a reader's own; `run` alone names a command.
    found = {c for c in found if c and " " in c and not re.search(r"\b(FILE|N|GB|DIR|COMMAND)\b(?<!country GB)", c)}
    found -= {c for c in found if any(f"turboquant {slow}" in c for slow in SLOW)}
    # Two words may be the mention of a command that has more to it.
    return sorted({c for c in found if len(c.split()) > 2} | {"turboquant doctor", "turboquant ollama"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A home in which all files of the examples are; the model is made for 128K."""
    home = tmp_path_factory.mktemp("home")
    (home / "bin").mkdir()
    (home / "bin" / "turboquant").symlink_to(BINARY)
    (home / "models").mkdir()
    patched_model(home / "model.gguf", b"llama.context_length\x04\x00\x00\x00\x00\x20\x00\x00",
                  b"llama.context_length\x04\x00\x00\x00\x00\x00\x02\x00")
    for name in ("small.gguf", "other.gguf", "models/gemma-4.gguf"):
        (home / name).symlink_to(home / "model.gguf")
    for name in ("book.txt", "notes.txt", "code.c"):
        (home / name).write_text("The river runs to the sea. " * 20)
    (home / "keys.txt").write_text("a-key-of-more-than-sixteen-characters\n")
    (home / "plan.json").write_text('{"format": "turboquant-cache-plan", "version": 1, "layers": [%s]}' %
                                    ", ".join(['{"k": "q8_0", "v": "turbo4"}'] * 30))
    (home / "run.log").write_text("Baseline throughput: 22.35 tok/s\nDFlash throughput:  46.78 tok/s\n")
    (home / ".config/fish/completions").mkdir(parents=True)
    shutil.copy(sorted((SOURCE / "profiles").glob("*.yaml"))[0], home / "agent.yaml")
    environment = ENVIRONMENT | {"HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}
    repository = "git init -q && git add notes.txt && echo 'And back.' >> notes.txt"
    for made in ("turboquant run -m model.gguf -p Hi -n 8 --lookup --json > plain.json",
                 "turboquant edge resources --json > lines.json", repository if shutil.which("git") else "true"):
        subprocess.run(["bash", "-c", made], cwd=home, env=environment, check=True, capture_output=True)
    return home, environment


def serves(command, home, environment):
    """Starts it, on a port that is free; whether it came to listen, and what it said."""
    server = subprocess.Popen(["bash", "-c", f"exec {command} --port 0"], cwd=home, env=environment,
                              stderr=subprocess.PIPE, text=True)
    said = ""
    for line in server.stderr:
        said += line
        if line.startswith("listening"):
            server.send_signal(signal.SIGTERM)
    server.stderr.close()
    server.wait(30)
    return "\nlistening" in "\n" + said, said


def test_examples_were_found():
    commands = examples()
    assert len(commands) > 45
    for command in ("turboquant fit -m model.gguf --parallel 8 --json | jq -r .command",
                    "turboquant dflash report run.log --against plain.json",
                    "turboquant run -m model.gguf -ctk auto -ctv auto -c auto", "echo | turboquant edge check"):
        assert command in commands


@pytest.mark.parametrize("command", examples())
def test_example(command, folder):
    home, environment = folder
    for tool in ("jq", "git"):
        if re.search(rf"(^|\| ){tool} ", command) and not shutil.which(tool):
            pytest.skip(f"no {tool}")
    if re.match("turboquant (serve|ollama|profile serve)", command):
        works, said = serves(command.replace("--host 0.0.0.0", "--host 127.0.0.1"), home, environment)
        assert works, said
        return
    # A few tokens are enough, and a chat hears one line.
    typed = "Hello\n" if re.match("turboquant (run|edge chat)", command) and not re.search(" -[pf] ", command) else ""
    short = command.replace("turboquant run ", "turboquant run -n 4 ").replace("-n 200", "").replace("source <(", "cat <(")
    done = subprocess.run(["bash", "-o", "pipefail", "-c", short], cwd=home, env=environment, input=typed,
                          capture_output=True, text=True, timeout=120)
    shows_help = "edge check" in command and "cook" not in command
    due = "--check-data" in command
    expected = {HELP_WAS_SHOWN} if shows_help else {OK, 1} if due or "doctor" in command else {OK}
    assert done.returncode in expected, (done.stdout, done.stderr)
