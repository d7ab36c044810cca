"""`turboquant completion` and `turboquant manual`: what the shells make of it, beside what --help lists."""
import re
import shutil
import subprocess

import pytest

from program import BINARY, OK, USAGE, assert_error, call



def printed(*arguments):
    code, out, err = call(*arguments)
    assert (code, err) == (OK, "") and out.endswith("\n")
    return out


def commands_below(*path):
    """A command and, as its help names them, all below it."""
    groups = re.findall(r"^(?:Subcommands|Gates of verify):\n((?:  .*\n)+)", printed(*path, "--help"), re.MULTILINE)
    names = re.findall(r"^  ([a-z][\w-]*)", "".join(groups), re.MULTILINE)
    return [list(path)] + [command for name in names for command in commands_below(*path, name)]


COMMANDS = commands_below()


def test_all_commands_are_looked_at():
    for command in ("run", "bench codec", "kld", "dflash report", "edge check"):
        assert command.split() in COMMANDS


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "turboquant.bash"
    path.write_text(printed("completion", "bash"))
    return path


def complete(script, *words, folder="/"):
    """What bash offers for the last of the words."""
    driver = """source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _turboquant; printf '%s\\n' "${COMPREPLY[@]}" """
    got = subprocess.run(["bash", "--norc", "-c", driver, "-", script, "turboquant", *words], cwd=folder,
                         capture_output=True, text=True, check=True)
    assert got.stderr == ""
    return got.stdout.split("\n")[:-1] if got.stdout.strip() else []


def options_in_help(command):
    """Names that begin with dashes in the left column of the help."""
    lines = re.findall(r"^  (-\S.*?)(?:\s{2,}.*)?$", printed(*command, "--help"), re.MULTILINE)
    return {name for line in lines for name in re.findall(r"--?[A-Za-z][\w-]*", line.split(" ")[0])}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_bash_offers_what_the_help_lists(script, command):
    options = options_in_help(command)
    assert len(options) >= 2
    assert options <= set(complete(script, *command, "-"))


def test_bash_values(script, tmp_path):
    assert complete(script, "se") == ["serve"]
    assert complete(script, "bench", "c") == ["codec"]
    assert "turbo35" in complete(script, "run", "-m", "x.gguf", "-ctk", "turbo")
    assert complete(script, "serve", "--cache-type-v", "q8") == ["q8_0"]
    assert complete(script, "fit", "-ctk", "a") == complete(script, "run", "-c", "") == ["auto"]
    assert complete(script, "info", "-ctk", "a") == []
    assert complete(script, "fit", "--prefer", "turbo4") == ["turbo4"]
    assert complete(script, "serve", "--log-format", "") == ["text", "json"]
    assert complete(script, "serve", "--port", "8") == []
    (tmp_path / "a model.gguf").touch()
    (tmp_path / "folder").mkdir()
    assert complete(script, "run", "-m", "a", folder=tmp_path) == ["a model.gguf"]
    assert complete(script, "serve", "--slot-save-path", "", folder=tmp_path) == ["folder"]


def test_the_other_shells_read_theirs(tmp_path):
    for shell in ("zsh", "fish"):
        path = tmp_path / shell
        path.write_text(printed("completion", shell))
        if shutil.which(shell):
            subprocess.run([shell, "-n", path], check=True)
    if shutil.which("fish"):
        ask = f"source {tmp_path / 'fish'}; complete -C 'turboquant serve --cache-type-k turbo3'"
        got = subprocess.run(["fish", "--no-config", "-c", ask], capture_output=True, text=True, check=True)
        assert {line.split("\t")[0] for line in got.stdout.splitlines()} == {"turbo3", "turbo35", "turbo3q"}
    assert_error(call("completion", "tcsh"), USAGE, "tcsh", "turboquant completion --help")


def test_manual(tmp_path):
    page = printed("manual")
    plain = page.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
    for command in COMMANDS:
        assert all(re.search(rf"(^|, ){name}\b", plain, re.MULTILINE) for name in options_in_help(command))
    if shutil.which("groff"):
        got = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=page, capture_output=True, text=True, check=True)
        assert got.stderr == ""
        assert "turboquant serve -m model.gguf" in re.sub(r".\x08", "", got.stdout)
