"""A deliberately broken codec makes the gates go red that an intact one passes, on a real model."""
import json
import os
import pathlib
import subprocess

CORPUS = str(pathlib.Path(__file__).resolve().parents[1] / "data/quality.txt")


def verdicts(codec):
    run = subprocess.run([os.environ["TQ_BROKEN_CODEC"], os.environ["TQ_MODEL"], CORPUS, codec], capture_output=True, text=True,
                         timeout=300)
    print(run.stderr)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_gates_pass_an_intact_codec():
    assert set(verdicts("whole").values()) == {"pass"}


def test_gates_go_red_for_a_broken_codec():
    assert verdicts("broken") == {"perplexity": "kill", "kld": "fail", "trajectory": "fail", "long-answer": "fail",
                                  "perturbation": "fail", "needle": "fail", "attention-fidelity": "fail"}
