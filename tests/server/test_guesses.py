"""`serve --lookup` and `serve -md`: answers are the same as without guesses, alone, together and over several turns."""
import concurrent.futures
import subprocess

import pytest

from serving import BINARY, ENVIRONMENT, MODEL, Server

COPY = "Repeat this twice: one two three four five six seven eight nine ten eleven twelve."
QUESTIONS = [(COPY, {"temperature": 0}), (COPY, {"temperature": 0.8, "seed": 7}), ("Name a river.", {"seed": 8})]


def conversation(server, question, fields, n_turns=2):
    """Answers, each going on from the cache of the one before. With log probabilities, which show every bit."""
    messages, answers = [{"role": "user", "content": question}], []
    for _ in range(n_turns):
        body = {"messages": messages, "max_tokens": 40, "logprobs": True, "top_logprobs": 2, **fields}
        choice = server.post("/v1/chat/completions", body)["choices"][0]
        answers.append((choice["message"]["content"], choice["finish_reason"], choice["logprobs"]))
        messages = messages + [choice["message"], {"role": "user", "content": "And once more, please."}]
    return answers


def values(server, name):
    """Of a metric, by its label if it has one."""
    return [float(line.split()[1]) for line in server.get("/metrics").splitlines()
            if line.startswith((f"turboquant:{name} ", f"turboquant:{name}{{"))]


@pytest.fixture(scope="module")
def plain():
    with Server("--parallel", "3") as server:
        assert not any(slot["speculative"] for slot in server.get("/slots"))
        return [conversation(server, *question) for question in QUESTIONS]


@pytest.mark.parametrize("guess", [("--lookup",), ("-md", MODEL, "--draft-p-min", "0")], ids=["lookup", "draft model"])
def test_guesses_change_no_answer(plain, guess):
    with Server("--parallel", "3", "--metrics", *guess) as server:
        assert all(slot["speculative"] for slot in server.get("/slots"))
        assert [conversation(server, *question) for question in QUESTIONS] == plain
        (drafted,), (accepted,) = values(server, "draft_tokens_total"), values(server, "draft_accepted_tokens_total")
        passes = values(server, "draft_passes_total")
        assert 0 < accepted <= drafted and len(passes) == 8
        assert sum(right * n for right, n in enumerate(passes)) == accepted
        with concurrent.futures.ThreadPoolExecutor(len(QUESTIONS)) as pool:
            together = list(pool.map(lambda question: conversation(server, *question, n_turns=1), QUESTIONS))
        assert together == [answers[:1] for answers in plain]


@pytest.mark.parametrize("options, says", [
    (("--lookup", "-md", MODEL), "use one of them"), (("-md", "none.gguf"), "none.gguf"),
    (("-md", MODEL, "--draft-p-min", "2"), "draft-p-min")])
def test_refused_at_the_start(options, says):
    run = subprocess.run([BINARY, "serve", "-m", MODEL, "-c", "512", "--port", "0", *options], capture_output=True, text=True,
                         env=ENVIRONMENT, timeout=60)
    assert run.returncode != 0 and says in run.stderr.splitlines()[-1], run.stderr
