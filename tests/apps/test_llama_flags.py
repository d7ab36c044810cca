"""llama-server's command lines with only the program's name changed: `serve` understands each option, leaves it out with a
note, or says what to do instead. All end at a model that is not there, which is read last."""
import os
import subprocess

import pytest

BINARY = os.environ["TQ_BINARY"]


def serve(*options, command="serve", model=("-m", "none.gguf"), **environment):
    got = subprocess.run([BINARY, command, *model, *options], capture_output=True, text=True, timeout=20,
                         env=os.environ | environment)
    *notes, last = got.stderr.splitlines()
    return got.returncode, notes, last


@pytest.mark.parametrize("options", [
    "-ngl 99 -c 32768 -ctk q8_0 -ctv q8_0 -fa on --jinja -np 4 --host 127.0.0.1 --port 8081",
    "-fa -ngl 99 --mlock --no-mmap -t 8 -tb 8 -b 2048 -ub 512 -cb --metrics --slots --props",
    "--n-gpu-layers all --split-mode row --tensor-split 3,1 --main-gpu 0 --numa distribute --prio 2",
    "-a name --api-key k1,k2 --slot-save-path . --cache-reuse 256 -cram 2048 --cache-ram -1 -kvu --no-context-shift",
    "--temp 0.7 --top-k 20 --top-p 0.8 --min-p 0 --presence-penalty 1.5 -s 42 -n 512 --seed -1 -n -1 -np -1 -t -1",
    "--temperature 0.7 --top-n-sigma 1 --typical-p 0.9 --repeat-penalty 1.1 --dry-multiplier 0.8 -l 15043-1",
    "-md draft.gguf --draft-max 16 --draft-min 1 -ngld 99 -ctkd q8_0 --embedding --no-webui -to 600 --threads-http 4",
    "--reasoning-format deepseek --reasoning-budget -1 --reasoning auto --chat-template-kwargs {\"enable_thinking\":false}",
    "--log-disable --log-file x.log --log-colors off -lv 3 -v --log-prefix --log-timestamps --offline --no-warmup --prefill-assistant",
    "--log-jsonl --mmproj vision.gguf --no-mmproj-offload --models-max 4 --cors-origins http://a.example --sse-ping-interval 5",
    "--flash-attn=auto --cpu-moe --n-cpu-moe 8 -ot exps=CPU --fit on -fitt 1024 -lm mlock --check-tensors",
])
def test_understood(options):
    code, notes, last = serve(*options.split())
    assert code == 1 and "none.gguf" in last, last
    for note in notes:
        assert "of llama-server changes nothing: " in note or note.startswith("loading "), note


@pytest.mark.parametrize("options, says", [
    ("-hf ggml-org/x-GGUF", "nothing is loaded from the network"), ("-mu http://a.example/x.gguf", "with -m"),
    ("--ssl-key-file k --ssl-cert-file c", "reverse proxy"), ("--lora a.gguf", "merge"), ("--rope-freq-base 1e6", "model's file"),
    ("--override-kv a=int:1", "model's file"), ("--chat-template nope", "--chat-template-file"),
    ("--chat-template-file none.jinja", "none.jinja"), ("--rerank", "reranking"),
    ("--reasoning off", "enable_thinking"), ("--reasoning-budget 0", "budget"), ("--pooling mean", "pooled"),
    ("--grammar root::=x", "request"), ("--embd-normalize 1", "length 1"), ("--completion-bash", "turboquant completion"),
    ("--list-devices", "doctor"), ("--no-prefill-assistant", "continue_final_message"), ("--chat-template-kwargs [1]", "JSON object"), ("--frobnicate", "serve --help")])
def test_refused(options, says):
    code, _, last = serve(*options.split())
    assert code == 2 and says in last and "none.gguf" not in last.replace("-m none.gguf", ""), last


def test_notes_name_the_option_and_the_reason():
    _, notes, _ = serve("-ngl", "99", "--flash-attn", "-c", "512", "--mlock", command="ollama")
    assert [note.split()[0] for note in notes if not note.startswith("loading ")] == ["-ngl", "--flash-attn", "--mlock"]
    assert "processor" in notes[0]


def test_other_commands_do_not_take_them():
    got = subprocess.run([BINARY, "run", "-m", "none.gguf", "-ngl", "99"], capture_output=True, text=True, timeout=20)
    assert got.returncode == 2 and "changes nothing" not in got.stderr


def test_variables_of_the_environment():
    code, notes, last = serve(model=(), LLAMA_ARG_MODEL="other.gguf", LLAMA_ARG_N_PARALLEL="-1",
                              LLAMA_ARG_FLASH_ATTN="on", LLAMA_ARG_ENDPOINT_METRICS="1",
                              LLAMA_ARG_ENDPOINT_SLOTS="off", LLAMA_ARG_ALIAS="")
    assert code == 1 and "other.gguf" in last, last
    assert notes[0] == ("from the environment: LLAMA_ARG_MODEL LLAMA_ARG_N_PARALLEL LLAMA_ARG_FLASH_ATTN "
                        "LLAMA_ARG_ENDPOINT_METRICS LLAMA_ARG_ENDPOINT_SLOTS")
    assert "--flash-attn of llama-server changes nothing" in notes[1]
    # The command line wins, whatever its spelling.
    _, _, last = serve("-c", "4", LLAMA_ARG_MODEL="other.gguf", LLAMA_ARG_CTX_SIZE="many")
    assert "none.gguf" in last and "other.gguf" not in last


@pytest.mark.parametrize("name, value, says", [
    ("LLAMA_ARG_PORT", "70000", "--port"), ("LLAMA_ARG_CTX_SIZE", "many", "--ctx-size"),
    ("LLAMA_ARG_ENDPOINT_METRICS", "perhaps", "LLAMA_ARG_ENDPOINT_METRICS=perhaps"),
    ("LLAMA_ARG_HF_REPO", "a/b", "nothing is loaded from the network"),
    ("LLAMA_ARG_SSL_KEY_FILE", "k", "reverse proxy"),
    ("LLAMA_ARG_AGENT", "true", "runs no tools"), ("LLAMA_ARG_CHAT_TEMPLATE", "nope", "--chat-template-file")])
def test_variables_are_checked(name, value, says):
    code, _, last = serve(**{name: value})
    assert code == 2 and says in last, last
    # Help does not mind, and what stands in for Ollama reads Ollama's.
    help_ = subprocess.run([BINARY, "serve", "--help"], capture_output=True, env=os.environ | {name: value})
    assert help_.returncode == 0
    assert serve(command="ollama", **{name: value})[0] == serve("--ollama", **{name: value})[0] == 1
