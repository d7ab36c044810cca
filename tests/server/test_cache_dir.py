"""--cache-dir of the real server: a prompt is read back after a restart, and whatever happens to the files, a killed server
included, answers are those of a server without it."""
import os
import random
import signal
import stat
import subprocess
import threading
import time

import pytest

from serving import BINARY, ENVIRONMENT, MODEL, Server, chat, openai_client

# Six full pages, and a little more.
SYSTEM = " ".join(f"Rule {i}: number {i * 7919 % 1000} comes before {i * 104729 % 1000}." for i in range(50))
PAGE, N_PAGES = 128, 6


def question(text, system=SYSTEM):
    return chat(text, max_tokens=12) | {"messages": [{"role": "system", "content": system}, {"role": "user", "content": text}]}


def ask(server, text="Hello", system=SYSTEM, **more):
    """The answer's text, and how many tokens of its prompt were cached."""
    answer = server.post("/v1/chat/completions", question(text, system) | more)
    return answer["choices"][0]["message"]["content"], answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def files(folder, pattern="*.tqkv"):
    return sorted(folder.rglob(pattern))


def metric(server, name):
    return next(int(line.split()[1]) for line in server.get("/metrics").splitlines()
                if line.startswith(f"turboquant:disk_cache_{name} "))


def end(server):
    server.process.send_signal(signal.SIGTERM)
    assert server.exit_code() == 0


@pytest.fixture(scope="module")
def expected():
    with Server("--parallel", "1") as server:
        text, cached = ask(server)
    assert text and cached == 0
    return text


def test_a_prompt_comes_back_after_a_restart(tmp_path, expected):
    folder = tmp_path / "cache"
    arguments = ("--parallel", "1", "--metrics", "--cache-dir", str(folder))
    with Server(*arguments) as server:
        assert ask(server) == (expected, 0)
        end(server)
    written = files(folder)
    assert len(written) >= N_PAGES and stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in written} == {0o600}
    with Server(*arguments) as server:
        with openai_client(server) as client:
            answer = client.chat.completions.create(model="any", **question("Hello"))
        assert answer.choices[0].message.content == expected
        cached = answer.usage.prompt_tokens_details.cached_tokens
        # All full pages, unless so little is left that it would not be prefilled.
        assert cached in (PAGE * len(written), PAGE * (len(written) - 1)) and cached == metric(server, "hit_tokens_total")
        assert answer.usage.prompt_tokens - cached < 2 * PAGE
        assert metric(server, "files") == len(written) and metric(server, "bytes") == sum(p.stat().st_size for p in written)
        assert server.get("/props")["cache"]["disk"]["hit_tokens"] == cached
        end(server)
    # Other cache types, or a damaged file: computed anew.
    with Server(*arguments, "-ctv", "turbo3") as server:
        assert ask(server)[1] == 0
        end(server)
    for path in written:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    with Server(*arguments) as server:
        assert ask(server) == (expected, 0)
        assert metric(server, "damaged_total") >= 1  # looked for again where each step ends
        end(server)
    assert "dropping" in server.log and "checksum" in server.log


def test_killed_at_any_moment(tmp_path, expected):
    arguments = ("--parallel", "1", "--cache-dir", str(tmp_path))
    generator = random.Random(1)
    n_cut = 0
    for turn in range(4):
        # While it writes: as soon as there are some more files, or files that are not whole yet.
        wanted = len(files(tmp_path, "*.tqkv*")) + generator.randint(1, 4)
        with Server(*arguments) as server:
            asking = threading.Thread(target=try_to_ask, args=(server, f"Once {turn} " + SYSTEM if turn % 2 else SYSTEM))
            asking.start()
            while len(files(tmp_path, "*.tqkv*")) < wanted and asking.is_alive():
                time.sleep(generator.uniform(0, 0.005))
            server.process.kill()
            asking.join()
        n_cut += bool(files(tmp_path, "*.tqkv.*"))
    whole = files(tmp_path)
    with Server(*arguments) as server:
        text, cached = ask(server)
        print(f"{len(whole)} files after the kills, {n_cut} times one that was cut, {cached} tokens cached")
        assert text == expected and cached % PAGE == 0 and whole
        end(server)
    assert "dropping" not in server.log
    with Server(*arguments) as server:
        text, again = ask(server)
        assert text == expected and again >= max(cached, N_PAGES * PAGE)
        end(server)


def try_to_ask(server, system):
    try:
        ask(server, system=system)
    except OSError:
        pass  # it was killed
    except Exception as error:  # noqa: BLE001: http.client's, of an answer that is cut
        assert type(error).__module__ == "http.client", error


def test_two_servers_share_a_folder_of_models(tmp_path, expected):
    models, folder = tmp_path / "models", tmp_path / "cache"
    models.mkdir()
    for name in ("a", "b"):
        (models / f"{name}.gguf").symlink_to(MODEL)
    arguments = ("--model-dir", str(models), "--parallel", "1", "-t", "1", "--cache-dir", str(folder), "--cache-disk", "12M")
    with Server(*arguments, command=("serve",)) as one, Server(*arguments, command=("serve",)) as other:
        answers = [None, None]

        def run(i, server):
            answers[i] = ask(server, model="a")[0]
        threads = [threading.Thread(target=run, args=pair) for pair in enumerate((one, other))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [expected, expected]
        for i in range(2):  # more than there is room for
            ask(one, system=f"Twice {i} " + SYSTEM, model="a")
        end(one)
        assert sum(path.stat().st_size for path in files(folder)) <= 12 << 20
        assert ask(other, model="b")[0] == expected  # the same model by another name
        end(other)


def test_folders_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    for option in (["--cache-dir", str(tmp_path / "file")], ["--cache-disk", "many"],
                   ["--cache-dir", str(tmp_path), "--cache-disk", "5K"]):
        got = subprocess.run([BINARY, "serve", "-m", MODEL, *option], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
        assert got.returncode != 0 and "--cache-d" in got.stderr, option
