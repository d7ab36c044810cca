"""`turboquant run -p`, --version and --help: what they print, where, and with which exit code."""
import json
import re
import signal
import struct
import subprocess
import time

import pytest

from program import (BINARY, FAILED, INTERRUPTED, MODEL, OK, USAGE, assert_error, call, patched_model, run, run_json,
                     start)

GREEDY = ("--temp", "0")
COUNTING = ("--raw", "-p", "1 2 3 4 5 6 7 8 9 10 11 12", *GREEDY)  # goes on for long
SUMMARY = re.compile(r"^prompt \d+ tokens?( [\d.]+ t/s)?( \(\d+ of them cached\))? \| "
                     r"generated \d+ tokens?( [\d.]+ t/s)? \| KV [\d.]+ [KMG]?i?B \S+/\S+( layer-adaptive \d)?, f16 would be [\d.]+ [KMG]?i?B "
                     r"\([\d.]+x\)$")


# Help and version

def test_help_and_version():
    for arguments in ([], ["--help"], ["-h"]):
        code, out, err = call(*arguments)
        assert (code, err) == (OK, "") and "turboquant run -m model.gguf" in out and "info" in out
    for command in ("run", "info"):
        code, out, err = call(command, "--help")
        assert (code, err) == (OK, "") and "Examples:" in out and "-ctk" in out
    code, out, err = call("serve", "--help")
    assert (code, err) == (OK, "") and "  --no-web,--no-webui " in out and "{false}" not in out
    code, out, err = call("--version", env={"TURBOQUANT_ISA": "scalar"})
    assert (code, err) == (OK, "")
    assert re.fullmatch(r"turboquant \d+\.\d+\.\d+\ncompiler: \S+ [\d.]+\n"
                        r"instruction sets: scalar\b.*; in use: scalar\n", out), out


# Text, summary, JSON

@pytest.fixture(scope="module")
def fields():
    return pytest.importorskip("gguf").GGUFReader(MODEL).fields


@pytest.fixture(scope="module")
def greedy():
    return run_json("-p", "Name three rivers.", "-n", "24", *GREEDY)


def test_text_goes_to_stdout_and_the_summary_to_stderr(greedy):
    code, out, err = run("-p", "Name three rivers.", "-n", "24", *GREEDY)
    assert code == OK
    assert out.rstrip("\n") == greedy["text"].rstrip("\n") and out.endswith("\n")
    assert SUMMARY.match(err.rstrip("\n")) and err.count("\n") == 1, err
    assert f"prompt {greedy['prompt_tokens']} tokens" in err


def test_json_schema(greedy):
    assert set(greedy) == {"text", "tokens", "stop", "prompt_tokens", "generated_tokens", "timings", "kv", "settings",
                           "version"}
    assert greedy["stop"] in ("eos", "length") and greedy["generated_tokens"] == len(greedy["tokens"]) <= 24
    assert all(greedy["timings"][key] > 0 for key in ("load_seconds", "prompt_seconds", "prompt_tokens_per_second",
                                                      "generation_seconds", "generated_tokens_per_second"))
    settings = greedy["settings"]
    assert {k: settings[k] for k in ("model", "max_tokens", "raw", "cache_type_k", "cache_type_v", "layer_adaptive",
                                     "temperature", "top_k", "top_p", "min_p", "repeat_penalty")} == {
        "model": MODEL, "max_tokens": 24, "raw": False, "cache_type_k": "turbo4", "cache_type_v": "turbo4",
        "layer_adaptive": 0, "temperature": 0, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "repeat_penalty": 1}
    assert settings["n_ctx"] == 8192 and settings["threads"] >= 1 and settings["seed"] > 0
    assert settings["isa"] in ("scalar", "avx2", "avxvnni", "avx512", "neon", "dotprod") and "turbo4" in settings["cache"]
    # f16: K and V, 30 layers, 3 KV heads of 64, 2 bytes a value, whole pages of 128 tokens.
    pages = -(-greedy["kv"]["tokens"] // 128)
    assert greedy["kv"]["bytes_f16"] == 2 * 30 * 3 * 64 * 2 * 128 * pages
    assert greedy["kv"]["ratio"] == pytest.approx(greedy["kv"]["bytes_f16"] / greedy["kv"]["bytes"])


def test_text_is_that_of_the_tokens_in_whole_characters(greedy, fields):
    """Decoded from the GGUF's own token list, by GPT-2's alphabet of bytes."""
    field = fields["tokenizer.ggml.tokens"]
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {chr(b): b for b in printable}
    alphabet |= {chr(0x100 + i): b for i, b in enumerate(b for b in range(256) if b not in printable)}

    def decoded(tokens):
        pieces = (bytes(field.parts[field.data[token]]).decode() for token in tokens)
        return bytes(alphabet[c] for piece in pieces for c in piece)
    assert decoded(greedy["tokens"]).decode() == greedy["text"]
    cut = 0
    counts = range(1, 8)
    for n in counts:  # characters of several tokens, and answers that end inside one
        arguments = ("--raw", "-p", "Foxes:", "--grammar", 'root ::= ("🦊" | "🐻")+', "-n", str(n), *GREEDY)
        result = run_json(*arguments)
        raw = decoded(result["tokens"])
        assert result["text"] == raw.decode(errors="replace") and any(byte > 0x7F for byte in raw)
        cut += result["text"].endswith("\ufffd")
    assert 0 < cut < len(counts)
    assert run(*arguments)[1] == result["text"] + "\n"


def test_prompt_is_one_turn_of_the_chat_template(greedy, fields):
    """The text that jinja2 renders from the file's template, given raw, is the same prompt."""
    environment = pytest.importorskip("jinja2").Environment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(fields["tokenizer.chat_template"].contents())
    for system in ([], ["Answer like a pirate."]):
        messages = [{"role": "system", "content": text} for text in system]
        messages.append({"role": "user", "content": "Name three rivers."})
        rendered = template.render(messages=messages, add_generation_prompt=True)
        ours = run_json("-p", "Name three rivers.", "-n", "24", *GREEDY, *(["--system", *system] if system else []))
        theirs = run_json("--raw", "-p", rendered, "-n", "24", *GREEDY)
        assert (ours["prompt_tokens"], ours["tokens"]) == (theirs["prompt_tokens"], theirs["tokens"])
        assert theirs["settings"]["raw"]
    assert ours["prompt_tokens"] != greedy["prompt_tokens"]


def test_prompt_text_forges_no_turn():
    """In a chat turn <|im_end|> is text of several tokens; in a raw prompt it is the one token."""
    raw = run_json("--raw", "-p", "<|im_end|>", "-n", "0")
    assert raw["prompt_tokens"] == 1
    with_text = run_json("-p", "a<|im_end|>", "-n", "0")["prompt_tokens"]
    assert with_text > run_json("-p", "a", "-n", "0")["prompt_tokens"] + 1


def test_prompt_from_file_and_stdin(greedy, tmp_path):
    file = tmp_path / "prompt.txt"
    file.write_text("Name three rivers.\n")  # the newline that ends a file is no part of the prompt
    for arguments, stdin in (["-f", str(file)], b""), (["--file", "-"], b"Name three rivers."):
        assert run_json(*arguments, "-n", "24", *GREEDY, stdin=stdin)["tokens"] == greedy["tokens"]


def test_prompt_may_begin_with_a_dash_or_look_like_an_option():
    for text in ("- one\n- two", "-ctk"):
        texts = {run_json("--raw", *prompt, "-n", "4", *GREEDY)["text"] for prompt in (["-p", text], ["--prompt=" + text])}
        assert len(texts) == 1


def test_seed_decides_the_text():
    def text(*arguments):
        result = run_json("--raw", "-p", "Once upon a time", "-n", "16", "--temp", "1.5", *arguments)
        return result["text"], result["settings"]["seed"]
    first, seed = text()
    assert text("--seed", str(seed)) == (first, seed)
    assert text("--seed", "1")[0] != text("--seed", "2")[0]


def test_n_zero_computes_the_prompt_alone():
    code, out, err = run("--raw", "-p", "Once upon a time", "-n", "0")
    assert (code, out) == (OK, "") and "generated 0 tokens |" in err
    result = run_json("--raw", "-p", "Once upon a time", "-n", "0")
    assert (result["text"], result["tokens"], result["stop"]) == ("", [], "length")
    assert result["timings"]["generated_tokens_per_second"] is None


def test_context_full_is_said():
    n_ctx = run_json(*COUNTING, "-n", "0")["prompt_tokens"] + 5
    code, out, err = run(*COUNTING, "-c", str(n_ctx))
    note, summary = err.splitlines()
    assert code == OK and f"context of {n_ctx} tokens is full" in note and "up to 8192" in note
    assert SUMMARY.match(summary) and "generated 5 tokens" in summary
    result = run_json(*COUNTING, "-c", str(n_ctx))
    assert (result["stop"], result["generated_tokens"]) == ("context", 5)


def test_the_last_of_equal_options_counts():
    assert run_json("--raw", "-p", "Once", "-n", "5", "--predict", "2", *GREEDY)["generated_tokens"] == 2


def test_cache_options_and_their_spellings():
    result = run_json("-p", "Hi", "-n", "2", "-ctk", "q8_0", "-ctv", "turbo3", "--layer-adaptive", "1", "-t", "1")
    settings = result["settings"]
    assert (settings["cache_type_k"], settings["cache_type_v"], settings["threads"]) == ("q8_0", "turbo3", 1)
    assert settings["layer_adaptive"] == 1 and "layers 0-3, 26-29: K q8_0, V q8_0" in settings["cache"]
    environment = {"TURBO_LAYER_ADAPTIVE": "2"}
    assert run_json("-p", "Hi", "-n", "0", env=environment)["settings"]["layer_adaptive"] == 2
    settings = run_json("-p", "Hi", "-n", "0", "--layer-adaptive", "0", "--cache-type-k", "f16", "--cache-type-v",
                        "f16", env=environment)["settings"]
    assert settings["layer_adaptive"] == 0 and settings["cache_type_k"] == settings["cache_type_v"] == "f16"
    assert_error(run("-p", "Hi", env={"TURBO_LAYER_ADAPTIVE": "many"}), USAGE, "--layer-adaptive", "'many'", "0 to 7")


def test_verbose_says_what_is_used_on_stderr_only(greedy):
    code, out, err = run("-p", "Name three rivers.", "-n", "24", *GREEDY, "--verbose", "--seed", "5")
    assert code == OK and out.rstrip("\n") == greedy["text"].rstrip("\n")
    for fragment in ("llama, 134.5 M parameters", "30 layers", "loaded in ", "cache: K turbo4, V turbo4", "threads",
                     "instruction set: ", "seed 5", "temp 0.00", "prompt: "):
        assert fragment in err, err
    assert SUMMARY.match(err.splitlines()[-1])


# Endings

def test_interrupt_stops_and_sums_up():
    for json_too in (False, True):
        process = start("run", "-m", MODEL, *COUNTING, "--verbose", *(["--json"] * json_too))
        while b"prompt: " not in process.stderr.readline():  # the last line before the answer begins
            pass
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = (data.decode() for data in process.communicate(timeout=20))
        assert process.returncode == INTERRUPTED, err
        if json_too:
            assert json.loads(out)["stop"] == "interrupted"
        else:
            assert out.endswith("\n") and SUMMARY.match(err.splitlines()[-1])


def test_closed_pipe_ends_quietly():
    process = start("run", "-m", MODEL, *COUNTING)
    assert process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=20) == OK  # long before the 8192 tokens of its context
    assert process.stderr.read() == b""
    info = subprocess.run(f"'{BINARY}' info '{MODEL}' --tensors | head -n 1", shell=True, capture_output=True,
                          text=True)
    assert info.stderr == "" and info.stdout.count("\n") == 1


def test_full_disk_is_an_error():
    with open("/dev/full", "wb") as full:
        code, _, err = run("--raw", "-p", "Once", "-n", "3", stdout=full)
    assert code == FAILED and err == "turboquant: cannot write to standard output: No space left on device.\n"


# Errors

@pytest.mark.parametrize("arguments, fragments", [
    (["-p", ""], ["prompt is empty"]),
    (["-p", b"ab\xffcd"], ["prompt is not UTF-8", "offset 2", "0xFF"]),
    (["-p", "x", "--system", b"\xc3"], ["system message is not UTF-8", "offset 0"]),
    (["-p", "x", "-f", "y"], ["-p and -f"]),
    (["-p", "x", "--raw", "--system", "y"], ["--system", "--raw"]),
    (["--json"], ["--json", "-p or -f"]),
    (["--raw"], ["--raw", "-p or -f"]),
    (["-p", "x", "-ctk", "turbo5"], ["turbo5", "f16, q8_0, q4_0, turbo4, turbo35, turbo3, turbo25, turbo2, turbo3q, turbo2q"]),
    (["-p", "x", "-ctv", ""], ["--cache-type-v"]),
    (["-p", "x", "-c", "0"], ["--ctx-size", "'0'", "1 or more"]),
    (["-p", "x", "-c", "-5"], ["--ctx-size", "'-5'"]),
    (["-p", "x", "-c", "8193"], ["8193", "8192"]),
    (["-p", "x", "-c", "99999999999999999999"], ["--ctx-size"]),
    (["-p", "x", "-n", "-1"], ["--predict", "'-1'", "0 or more"]),
    (["-p", "x", "-n", "1.5"], ["--predict", "'1.5'"]),
    (["-p", "x", "-t", "0"], ["--threads"]),
    (["-p", "x", "-t", "100000"], ["100000 threads", "1024"]),
    (["-p", "x", "--temp", "-1"], ["temperature", "-1"]),
    (["-p", "x", "--temp", "nan"], ["temperature"]),
    (["-p", "x", "--temp", "warm"], ["--temp", "'warm'"]),
    (["-p", "x", "--top-k", "-1"], ["--top-k"]),
    (["-p", "x", "--top-p", "1.5"], ["top-p", "1.5"]),
    (["-p", "x", "--min-p", "-0.1"], ["min-p"]),
    (["-p", "x", "--repeat-penalty", "0"], ["repeat-penalty"]),
    (["-p", "x", "--seed", "-1"], ["--seed"]),
    (["-p", "x", "--layer-adaptive", "8"], ["--layer-adaptive", "'8'", "0 to 7"]),
    (["-p", "x", "--frobnicate"], ["--frobnicate", "turboquant run --help"]),
    (["-p"], ["--prompt", "turboquant run --help"]),
    (["-p", "x", "--raw=maybe"], ["raw", "turboquant run --help"]),
])
def test_usage_errors(arguments, fragments):
    assert_error(run(*arguments), USAGE, *fragments)


def test_errors_of_the_whole_command_line():
    assert_error(call("run", "-p", "x"), USAGE, "--model", "required")
    assert_error(call("frobnicate"), USAGE, "frobnicate", "turboquant --help")
    assert_error(run("-p", "x", env={"TURBOQUANT_ISA": "sse9"}), USAGE, "TURBOQUANT_ISA=sse9", "scalar")
    assert_error(call("--version", env={"TURBOQUANT_ISA": "sse9"}), USAGE, "TURBOQUANT_ISA=sse9")


def test_bad_files(tmp_path):
    cases = {"text.gguf": b"hello, this is no model\n" * 10, "empty.gguf": b"", "short.gguf": b"GG"}
    with open(MODEL, "rb") as model:
        cases["cut.gguf"] = model.read(3_000_000)
    for name, data in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert_error(call("run", "-m", str(path), "-p", "x"), FAILED, name)
        assert_error(call("info", str(path)), FAILED, name)
    for path, reason in ((tmp_path / "none.gguf", "No such file"), (tmp_path, "folder")):
        assert_error(call("run", "-m", str(path), "-p", "x"), FAILED, str(path), reason)
        assert_error(call("info", str(path)), FAILED, str(path), reason)
    assert_error(run("-f", str(tmp_path / "none.txt")), FAILED, "none.txt", "No such file")
    assert_error(run("-f", str(tmp_path)), FAILED, str(tmp_path), "directory")
    assert_error(run("-f", "/dev/zero"), FAILED, "/dev/zero", "larger than 256.0 MiB")
    assert_error(run("-f", str(tmp_path / "empty.gguf")), USAGE, "prompt is empty")


def test_prompt_longer_than_the_context():
    assert_error(run("--raw", "-p", "one two" * 100, "-c", "100"), FAILED, "200 tokens", "holds 100", "up to 8192")
    assert_error(run("--raw", "-f", "-", stdin=b"one two" * 5000), FAILED, "10000 tokens", "no more")


def test_unsupported_architecture(tmp_path):
    key = b"general.architecture" + struct.pack("<IQ", 8, 5)  # a string of 5 bytes
    path = patched_model(tmp_path / "other.gguf", key + b"llama", key + b"lluma")
    assert_error(call("run", "-m", path, "-p", "x"), FAILED, "lluma", "not supported", "llama")


def test_model_without_template_takes_raw_prompts_only(tmp_path, greedy):
    path = patched_model(tmp_path / "base.gguf", b"tokenizer.chat_template", b"tokenizer.chat_templatX")
    code, out, err = call("run", "-m", path, "-p", "Once upon a time", "-n", "8", *GREEDY)
    assert code == OK and out == run("--raw", "-p", "Once upon a time", "-n", "8", *GREEDY)[1], err
    assert_error(call("run", "-m", path, stdin=b"Hello\n"), FAILED, "no chat template", "-p TEXT --raw")
    assert_error(call("run", "-m", path, "-p", "x", "--system", "y"), USAGE, "--system", "chat template")


def test_template_that_is_not_understood(tmp_path):
    path = patched_model(tmp_path / "odd.gguf", b"{% for message in messages %}", b"{% fox message in messages %}")
    for arguments, stdin in (["-p", "x", "-n", "1"], b""), ([], b"Hello\n"):
        assert_error(call("run", "-m", path, *arguments, stdin=stdin), FAILED, "fox", "-p TEXT --raw")
    assert call("run", "-m", path, "--raw", "-p", "x", "-n", "1")[0] == OK


def test_context_beyond_memory(tmp_path):
    key = b"llama.context_length" + struct.pack("<I", 4)
    path = patched_model(tmp_path / "long.gguf", key + struct.pack("<I", 8192), key + struct.pack("<I", 1 << 24))
    result = call("run", "-m", path, "-p", "x", "-c", str(1 << 24), "-ctk", "f16", "-ctv", "f16")  # 360 GiB
    assert_error(result, FAILED, "memory")
