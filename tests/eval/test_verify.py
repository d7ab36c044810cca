"""`turboquant verify` for real: the quick profile on the model, gates that go red, reports, resuming, plans."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "apps"))
from program import BINARY, MODEL, FAILED, INTERRUPTED, OK, USAGE, call, start  # noqa: E402

CORPUS = str(pathlib.Path(__file__).resolve().parents[1] / "data/quality.txt")
FORTUNES = "/usr/share/games/fortunes/people"


def verify(*arguments):
    run = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=800)
    return run.returncode, run.stdout, run.stderr


def gates(report):
    return {gate["gate"]: gate for gate in report["gates"]}


def verdicts(report, gate):
    return {check["verdict"] for check in gates(report)[gate]["checks"]}


def test_quick_profile_runs_every_gate(tmp_path):
    corpus = [] if os.path.exists(FORTUNES) else ["--corpus", CORPUS]
    began = time.monotonic()
    code, out, err = verify("verify", "-m", MODEL, "-ctk", "q8_0", "-ctv", "q8_0", "--out", str(tmp_path / "r"), *corpus)
    print(f"quick profile: {time.monotonic() - began:.0f} s\n{out}")
    report = json.loads((tmp_path / "r/report.json").read_text())
    assert code == (OK if report["go"] else FAILED), err
    assert out.strip().splitlines()[-1].startswith("GO" if report["go"] else "NO-GO")
    assert list(gates(report)) == ["perplexity", "kld", "trajectory", "long-answer", "perturbation", "needle",
                                   "prompts", "attention-fidelity", "matrix", "endurance", "speed", "memory", "ceiling"]
    # What q8_0 must pass on any machine; speed and trajectories of a small model are left to the gates themselves.
    for gate in ("perplexity", "kld", "attention-fidelity", "matrix", "memory", "ceiling"):
        assert verdicts(report, gate) <= {"pass", "skipped"}, (gate, out)
    page = (tmp_path / "r/report.html").read_text()
    assert page.count("<svg") >= 6 and "<script" not in page and "</html>" in page
    assert (tmp_path / "r/report.md").read_text().startswith("# ")


def test_two_bits_are_a_no_go(tmp_path):
    """What destroys a small model must not pass: keys and values at 2 bits."""
    code, out, _ = verify("verify", "-m", MODEL, "-ctk", "turbo2", "-ctv", "turbo2", "--json", "--corpus", CORPUS,
                          "--only", "perplexity,kld,trajectory,long-answer,needle,prompts,attention-fidelity")
    assert code == FAILED
    report = json.loads(out)
    assert report["go"] is False and report["reasons"]
    assert "kill" in verdicts(report, "perplexity")
    for gate in ("kld", "trajectory", "needle", "attention-fidelity"):
        assert "fail" in verdicts(report, gate), (gate, out)


def test_gate_file_decides(tmp_path):
    code, printed, _ = verify("verify", "--print-gates")
    assert code == OK and "max_increase: 0.5" in printed
    arguments = ["attention-fidelity", "-m", MODEL, "-ctk", "turbo4", "-ctv", "turbo4", "--corpus", CORPUS]
    (tmp_path / "mild.yaml").write_text("attention-fidelity:\n  min_cosine: 0.5\n")
    assert verify(*arguments, "--gates", str(tmp_path / "mild.yaml"))[0] == OK
    (tmp_path / "strict.yaml").write_text("attention-fidelity:\n  min_cosine: 0.9999\n")
    assert verify(*arguments, "--gates", str(tmp_path / "strict.yaml"))[0] == FAILED
    (tmp_path / "bad.yaml").write_text("kld:\n  nonsense: 1\n")
    code, out, err = verify(*arguments, "--gates", str(tmp_path / "bad.yaml"))
    assert code == FAILED and out == "" and "bad.yaml:2: there is no threshold kld.nonsense" in err


def test_proposed_plan_is_used_and_better(tmp_path):
    plan = str(tmp_path / "plan.json")
    code, _, err = verify("attention-fidelity", "-m", MODEL, "--corpus", CORPUS, "--apply", str(tmp_path / "no/plan.json"))
    assert code == USAGE and "--apply" in err and "attention-fidelity" not in err  # before anything is measured
    code, _, err = verify("verify", "-m", MODEL, "--only", "kld,speed", "--apply", plan)
    assert code == USAGE and "attention-fidelity" in err and "--only" in err
    arguments = ["attention-fidelity", "-m", MODEL, "--corpus", CORPUS]
    both = ["verify", "-m", MODEL, "--corpus", CORPUS, "--only", "attention-fidelity"]
    assert verify(*both, "--apply", plan + ".of-verify")[0] == FAILED  # turbo4 for all layers of this model
    assert verify(*arguments, "--apply", plan)[0] == FAILED
    assert pathlib.Path(plan + ".of-verify").read_text() == pathlib.Path(plan).read_text()
    assert verify(*arguments, "--cache-plan", plan)[0] == OK
    code, out, _ = call("run", "-m", MODEL, "-p", "Hello", "-n", "3", "--json", "--cache-plan", plan)
    assert code == OK and "q8_0" in json.loads(out)["settings"]["cache"]
    pathlib.Path(plan).write_text('{"format": "turboquant-cache-plan", "version": 1, "layers": [{"k": "q8_0"}]}')
    code, out, err = call("run", "-m", MODEL, "-p", "Hello", "--cache-plan", plan)
    assert code == USAGE and 'layer 0 has no "v"' in err


def test_hybrid_models_are_measured(tmp_path):
    """Qwen 3.5: recurrent layers have no cache, so plans are for the others."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "model"))
    import transformers_cases as cases
    from to_gguf import write_gguf
    model = str(write_gguf(tmp_path / "m.gguf", cases.config_of("qwen 3.5"), cases.weights_of("qwen 3.5")))
    code, out, err = verify("verify", "-m", model, "-ctk", "q8_0", "-ctv", "turbo4", "--corpus", CORPUS, "--json")
    assert code in (OK, FAILED), err
    report = json.loads(out)
    assert report["facts"]["tested"] == "K q8_0, V turbo4"
    for gate in ("kld", "attention-fidelity", "matrix"):
        assert verdicts(report, gate) == {"pass"}, (gate, out)
    assert len(gates(report)["attention-fidelity"]["numbers"]["layers"]) == 1
    assert len(gates(report)["matrix"]["numbers"]["pairs"]) == 100


def test_interrupt_keeps_what_was_measured(tmp_path):
    arguments = ["verify", "-m", MODEL, "--corpus", CORPUS, "--only", "kld,trajectory", "--out", str(tmp_path)]
    process = start(*arguments)
    journal = tmp_path / "journal.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (journal.exists() and journal.read_text().count("\n") >= 2):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED and b"--resume" in err
    kept = journal.read_text()
    assert kept.count("\n") < 6
    code, _, _ = verify(*arguments, "--resume")
    assert code in (OK, FAILED)
    assert journal.read_text().startswith(kept) and journal.read_text().count("\n") == 6
    code, _, err = verify(*arguments, "--resume", "-ctk", "q8_0")
    assert code == FAILED and "another model, cache" in err


@pytest.mark.parametrize("arguments, fragment", [
    ((), "-m FILE is needed"),
    (("-m", MODEL, "--resume"), "--out DIR"),
    (("-m", MODEL, "--only", "kdl"), "no gate 'kdl'"),
    (("-m", MODEL, "--against", "q9"), "q9"),
    (("-m", MODEL, "-c", "63"), "at least 64 are needed"),
])
def test_mistakes(arguments, fragment):
    code, out, err = call("verify", *arguments)
    assert code == USAGE and out == "" and fragment in err
