"""Runs render_main (path in TQ_RENDER) over a batch of requests."""
import json
import os
import subprocess

import pytest


def render_all(requests):
    """For each request (see render_main.cc) a list of [text, is it plain?], or the error as a string."""
    program = os.environ.get("TQ_RENDER")
    if not program:
        pytest.skip("TQ_RENDER does not name the program render_main")
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([program], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert len(answers) == len(requests)
    return [answer.get("segments", answer.get("error")) for answer in answers]


def joined(answer):
    return answer if isinstance(answer, str) else "".join(text for text, _ in answer)
