"""The systemd unit without systemd running: systemd itself finds nothing wrong with it, and the program understands the
command that it starts."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(os.environ["TQ_SOURCE_DIR"])
BINARY = pathlib.Path(os.environ["TQ_BINARY"]).resolve()


@pytest.fixture(scope="module")
def unit():
    text = (ROOT / "packaging/turboquant.service.in").read_text()
    return text.replace("@CMAKE_INSTALL_FULL_BINDIR@", str(BINARY.parent))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong(unit, tmp_path):
    path = tmp_path / "turboquant.service"

    def verify(text):
        path.write_text(text)
        got = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True)
        return got.returncode, got.stderr
    assert verify(unit) == (0, "")
    assert "ProtectSysten" in verify(unit.replace("ProtectSystem", "ProtectSysten"))[1]  # it does look


def test_its_command_is_understood(unit, tmp_path):
    command = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)[1].split()
    sample = dict(line.split("=", 1) for line in re.findall(r"^#   (\w+=.*)$", unit, re.MULTILINE)[:2])
    assert command[0] == str(BINARY) and set(sample) == {"MODEL", "OPTIONS"}
    words = []
    for word in command:
        words += sample["OPTIONS"].split() if word == "$OPTIONS" else [word.replace("${MODEL}", sample["MODEL"])]
    got = subprocess.run(words, capture_output=True, text=True, timeout=20, cwd=tmp_path)
    assert got.returncode == 1 and sample["MODEL"] in got.stderr, got.stderr  # all but the model is there
