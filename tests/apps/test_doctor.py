"""`turboquant doctor`: its JSON, exit codes, and a port that this test takes itself."""
import json
import os
import socket
import subprocess

import pytest

from program import BINARY, ENVIRONMENT, FAILED, OK, call
from recorded_machine import unpack
from schemas import validate


def doctor_json(*arguments, code=OK, **options):
    got, out, err = call("doctor", "--json", *map(str, arguments), **options)
    assert (got, err) == (code, ""), (got, out, err)
    report = json.loads(out)
    validate(report, "doctor")
    assert report["status"] == max((c["status"] for c in report["checks"]), key=["ok", "warn", "problem"].index)
    return report


def check(report, name):
    return next(c for c in report["checks"] if c["name"] == name)


@pytest.mark.parametrize("name,code", [("pi4", FAILED), ("m3max", OK), ("dual_socket", OK), ("container", OK), ("h200", OK),
                                       ("phone", OK)])
def test_recorded_machines(tmp_path, name, code):
    machine = unpack(name, tmp_path)
    report = doctor_json("--machine", machine, code=code)
    got, text, err = call("doctor", "--machine", str(machine))
    assert (got, err) == (code, "")
    for one in report["checks"]:
        assert f"{one['status']:9}{one['name']:15}{one['found']}\n" in text
        assert one["advice"] is None or f"-> {one['advice']}\n" in text
    problems = sum(one["status"] == "problem" for one in report["checks"])
    warnings = sum(one["status"] == "warn" for one in report["checks"])
    assert text.endswith(f"\n{problems} problem{'s' * (problems != 1)}, {warnings} warning{'s' * (warnings != 1)}\n")


def test_here():
    code, out, err = call("doctor", "--json")
    assert code in (OK, FAILED) and err == ""
    report = json.loads(out)
    validate(report, "doctor")
    assert code == (FAILED if report["status"] == "problem" else OK)


def test_a_forced_instruction_set_that_is_slower():
    isa = check(json.loads(call("doctor", "--json", env={"TURBOQUANT_ISA": "scalar"})[1]), "isa")
    assert isa["status"] == "warn"  # on a machine without better instructions, too
    report = doctor_json(code=FAILED, env={"TURBOQUANT_ISA": "riscv"})
    assert check(report, "isa")["status"] == "problem"


def test_the_limits_of_this_process():
    command = f"ulimit -Sn 200; ulimit -Sv 8000000; exec {BINARY} doctor --json"
    got = subprocess.run(["bash", "-c", command], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    report = json.loads(got.stdout)
    assert (check(report, "open-files")["status"], check(report, "open-files")["found"]) == ("warn", "ulimit -n 200")
    assert check(report, "address-space")["found"] == "ulimit -v 8000000"
    assert report["hardware"]["memory"]["available_bytes"] <= 8000000 * 1024


def test_who_listens_on_a_port_that_servers_take():
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", 11434))
        except OSError:
            pytest.skip("something listens on port 11434 already")
        listener.listen()
        port = check(json.loads(call("doctor", "--json")[1]), "port-11434")
    assert port["status"] == "warn"
    with open("/proc/self/comm") as file:
        assert port["found"] == f"{file.read().strip()} (process {os.getpid()}) listens"
