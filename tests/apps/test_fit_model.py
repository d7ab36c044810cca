"""`turboquant fit -m FILE` and `auto`: the plan is true (memory as the kernel counts it), printed in its schema, and runs."""
import json
import os
import pathlib
import re
import shlex
import subprocess

import jsonschema
import pytest

from program import BINARY, ENVIRONMENT, FAILED, MODEL, OK, USAGE, assert_error, call, patched_model
from recorded_machine import unpack

SOURCE = pathlib.Path(os.environ["TQ_SOURCE_DIR"])
SCHEMA = json.loads((SOURCE / "docs/schemas/fit.json").read_text())
MODELS = SOURCE / "models"
QWEN = MODELS / "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf"
GEMMA = MODELS / "gemma-3-270m.Q4_K_M.gguf"
GIB = 1 << 30
TYPES = ("f16", "q8_0", "q4_0", "turbo4", "turbo35", "turbo3", "turbo25", "turbo2", "turbo3q", "turbo2q")


def fit(*arguments, model=MODEL):
    code, out, err = call("fit", "-m", str(model), "--json", *arguments)
    assert (code, err) == (OK, ""), err
    plan = json.loads(out)
    jsonschema.Draft202012Validator(SCHEMA).validate(plan)
    return plan


def test_the_schema_can_fail():
    plan = fit()
    for spoil in (lambda p: p.pop("command"), lambda p: p["chosen"].update(loss="low"), lambda p: p.update(more=1)):
        spoiled = json.loads(json.dumps(plan))
        spoil(spoiled)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(spoiled, SCHEMA)


def test_every_pair_with_exact_bytes():
    """info counts a token's bytes by another way; SmolLM2 has 30 layers of 3 heads of 64."""
    info = json.loads(call("info", "--json", MODEL)[1])["cache"]["bytes_per_token"]
    pairs = {(c["type_k"], c["type_v"]): c for c in fit()["caches"] if c["layer_adaptive"] == 0}
    assert set(pairs) == {(k, v) for k in TYPES for v in TYPES}
    for (k, v), cache in pairs.items():
        assert cache["bytes_per_token"] == (info[k] + info[v]) / 2
        parts = cache["memory"]
        assert parts["cache"] == cache["bytes_per_token"] * 128 * -(-cache["n_ctx"] // 128)
        assert parts["total"] == sum(parts[name] for name in ("program", "weights", "in_file", "vocabulary", "workspace",
                                                              "cache", "states", "sessions"))
        assert parts["peak"] == max(parts["total"], parts["loading"])
    assert any(c["layer_adaptive"] for c in fit()["caches"])


def test_default_choice_and_the_text():
    plan = fit()
    assert (plan["chosen"]["type_k"], plan["chosen"]["type_v"], plan["chosen"]["n_ctx"]) == ("q8_0", "turbo4", 8192)
    assert plan["caches"][0] == plan["chosen"]
    code, out, err = call("fit", "-m", MODEL)
    assert (code, err) == (OK, "")
    assert out.endswith(plan["command"] + "\n") and "estimated" in out
    assert len(call("fit", "-m", MODEL, "--all")[1].splitlines()) > len(out.splitlines()) + 80


def measured(model, n_ctx, k, v):
    """Fills a context in the real program: its peak after loading as the kernel counts it, and what was calculated."""
    code, out, err = call("memory-probe", "-m", str(model), "-c", str(n_ctx), "--tokens", str(n_ctx), "-ctk", k, "-ctv", v)
    assert code == OK, err
    return json.loads(out)


CACHES = [(640, "q8_0", "turbo4"), (1100, "f16", "f16"), (1700, "turbo4", "turbo3")]


# The last one is long enough for Gemma's layers with a window to have given up most of what they saw.
@pytest.mark.parametrize(("model", "n_ctx", "k", "v"),
                         [(model, *cache) for model in (pathlib.Path(MODEL), GEMMA, QWEN) for cache in CACHES] +
                         [(GEMMA, 5000, "f16", "f16")], ids=lambda value: getattr(value, "stem", str(value))[:8])
def test_memory_is_what_the_kernel_counts(model, n_ctx, k, v):
    if not model.exists():
        pytest.skip(f"no model {model.name}")
    plan = fit("-c", str(n_ctx), "-ctk", k, "-ctv", v, model=model)["chosen"]["memory"]
    probe = measured(model, n_ctx, k, v)
    # The probe's text is one token again and again: of embeddings read in the file it sees a page.
    expected = plan["total"] - plan["in_file"]
    print(f"{model.stem}: {n_ctx} tokens, {k}/{v}: predicted {expected / 2**20:.1f} MiB, "
          f"measured {probe['peak_bytes'] / 2**20:.1f} MiB, {expected / probe['peak_bytes']:.3f}")
    assert abs(expected / probe["peak_bytes"] - 1) < 0.05
    if model == GEMMA:  # what the last tokens' window lets go stays for whoever goes back
        assert plan["cache"] >= probe["kv_bytes"]
    else:
        assert plan["cache"] == probe["kv_bytes"]


def limited(kib, *words, env=None):
    """Runs the program in an address space of so many KiB."""
    command = f"ulimit -v {kib}; exec {shlex.join([BINARY, *words])}"
    return subprocess.run(["bash", "-c", command], env=ENVIRONMENT | (env or {}), capture_output=True, text=True, timeout=120)


def least_kib(model):
    """The smallest address space in which anything is planned, to a MiB."""
    too_small, enough = 1 << 16, 4 << 20
    while enough - too_small > 1024:
        middle = (too_small + enough) // 2
        if limited(middle, "fit", "-m", str(model), "--json").returncode == OK:
            enough = middle
        else:
            too_small = middle
    refused = limited(too_small, "fit", "-m", str(model))
    assert refused.returncode == FAILED and "are missing" in refused.stderr
    return enough


# KiB beyond the least, --prefer, -c
TIGHT = [(0, "balanced", "max"), (0, "quality", "100"), (3000, "speed", "max"), (30_000, "memory", "max"),
         (30_000, "quality", "max"), (300_000, "balanced", "max")]


@pytest.mark.parametrize("model", [pathlib.Path(MODEL), GEMMA, QWEN], ids=lambda model: model.stem[:8])
def test_what_is_printed_runs_in_the_memory_it_was_planned_for(model):
    if not model.exists():
        pytest.skip(f"no model {model.name}")
    least = least_kib(model)
    for more, prefer, context in TIGHT:
        space = least + more
        made = limited(space, "fit", "-m", str(model), "--prefer", prefer, "-c", context, "--json")
        assert made.returncode == OK, made.stderr
        plan = json.loads(made.stdout)
        words = shlex.split(plan["command"])
        assert words[:2] == ["turboquant", "run"]
        done = limited(space, *words[1:], "--raw", "-p", "Hi", "-n", "2", "--json")
        assert done.returncode == OK, (plan["command"], done.stderr)
        answer = json.loads(done.stdout)["settings"]
        assert (answer["cache_type_k"], answer["cache_type_v"]) == (plan["chosen"]["type_k"], plan["chosen"]["type_v"])
        auto = limited(space, "run", "-m", str(model), "-ctk", "auto", "-ctv", "auto", "-c", context, "--raw", "-p", "Hi",
                       "-n", "2")
        assert auto.returncode == OK and "plan: " in auto.stderr, auto.stderr


def serve(space, *words):
    """Starts a server in an address space of so many KiB; what it says until it listens."""
    command = f"ulimit -v {space}; exec {shlex.join([BINARY, 'serve', *words, '--port', '0'])}"
    with subprocess.Popen(["bash", "-c", command], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as server:
        try:
            lines = []
            for line in server.stderr:
                lines.append(line)
                if line.startswith("listening"):
                    return lines
        finally:
            server.terminate()
    raise AssertionError("".join(lines))


def test_a_server_prints_the_plan_of_fit_and_keeps_it():
    auto = ("-m", MODEL, "-ctk", "auto", "-ctv", "auto", "-c", "max", "--parallel", "3")
    # Where all fits both plan the same; where memory is tight they run in what each found free.
    for space, is_tight in (("unlimited", False), (least_kib(MODEL) + 60_000, True)):
        plan = json.loads(limited(space, "fit", "-m", MODEL, "--np", "3", "--json").stdout)
        words = shlex.split(plan["command"])
        assert words[:2] == ["turboquant", "serve"] and words[-2:] == ["--parallel", "3"]
        chosen = plan["chosen"]
        assert (chosen["n_ctx"] < 8192) == is_tight
        loaded = f"context {chosen['n_ctx']} tokens, 3 at a time, cache {chosen['cache']}\n"
        assert loaded in serve(space, *words[2:])
        lines = serve(space, *auto)
        planned = [line for line in lines if line.startswith("plan: ")]
        assert len(planned) == 1
        if not is_tight:
            assert loaded in lines and planned[0].startswith(f"plan: {chosen['cache']}, context {chosen['n_ctx']}, ")


def test_types_of_the_environment_and_of_a_file_are_planned_for(tmp_path):
    """As run takes them: what is printed is what then runs, whatever is exported."""
    preset = {"TURBO_LAYER_ADAPTIVE": "1"}
    for words, mode in (((), 1), (("--layer-adaptive", "0"), 0)):
        code, out, err = call("fit", "-m", MODEL, "-ctk", "turbo4", "-ctv", "turbo2", "--json", *words, env=preset)
        assert (code, err) == (OK, "")
        plan = json.loads(out)
        jsonschema.validate(plan, SCHEMA)
        assert plan["chosen"]["layer_adaptive"] == mode and plan["command"].endswith(f" --layer-adaptive {mode}")
        ran = call(*shlex.split(plan["command"])[1:], "-p", "Hi", "-n", "1", "--verbose", env=preset)
        assert ran[0] == OK and f"cache: {plan['chosen']['cache']}; context" in ran[2]
    path = tmp_path / "a plan.json"
    layers = [{"k": "q8_0", "v": "turbo4" if i % 2 else "turbo2"} for i in range(30)]
    path.write_text(json.dumps({"format": "turboquant-cache-plan", "version": 1, "layers": layers}))
    plan = fit("--cache-plan", str(path), "-c", "500")
    assert (plan["chosen"]["type_k"], plan["chosen"]["type_v"], len(plan["caches"])) == (None, None, 1)
    # 3 heads of 64 channels: q8_0 68 bytes, turbo4 34, turbo2 18 (spec, section 4).
    assert plan["chosen"]["bytes_per_token"] == 30 * 3 * 68 + 15 * 3 * (34 + 18)
    ran = call(*shlex.split(plan["command"])[1:], "-p", "Hi", "-n", "1", "--verbose")
    assert ran[0] == OK and f"cache: {plan['chosen']['cache']}; context 500" in ran[2]
    assert "by layer" in call("fit", "-m", MODEL, "--cache-plan", str(path))[1]


def test_reports_that_are_not_there(tmp_path):
    assert_error(call("fit", "-m", MODEL, "--results", str(tmp_path / "missing")), FAILED, "missing", "--results")
    assert any("no report" in reason for reason in fit("--results", str(tmp_path))["reasons"])


def test_a_recorded_machine_keeps_its_headroom_and_threads(tmp_path):
    plan = fit("--machine", str(unpack("pi4", tmp_path)))
    free = 3210528 * 1024  # MemAvailable
    assert plan["memory"] == {"available": free, "headroom": free // 16, "budget": free - free // 16}
    assert plan["n_threads"] == 4


def test_f16_is_not_estimated():
    """It is what losses are counted from."""
    plan = fit("--prefer", "quality")
    assert (plan["chosen"]["type_k"], plan["chosen"]["type_v"], plan["chosen"]["loss"]) == ("f16", "f16", 0)
    assert not any("estimated" in reason or "measured" in reason for reason in plan["reasons"])
    assert re.search(r"^\* f16 .* by definition$", call("fit", "-m", MODEL, "--prefer", "quality")[1], re.MULTILINE)


def test_the_command_is_quoted(tmp_path):
    path = tmp_path / "it's a $model.gguf"
    path.symlink_to(MODEL)
    assert str(path) in shlex.split(fit(model=path)["command"])


def test_auto_in_run_says_what_it_chose():
    plan = fit("--np", "1")["chosen"]
    code, out, err = call("run", "-m", MODEL, "-ctk", "auto", "-ctv", "auto", "-c", "auto", "-p", "Hi", "-n", "1", "--json")
    assert code == OK
    answer = json.loads(out)["settings"]
    assert (answer["cache_type_k"], answer["cache_type_v"]) == (plan["type_k"], plan["type_v"])
    lines = [line for line in err.splitlines() if line.startswith("plan: ")]
    assert len(lines) == 1 and plan["cache"] in lines[0] and str(plan["n_ctx"]) in lines[0]
    code, _, err = call("run", "-m", MODEL, "-ctv", "auto", "-ctk", "f16", "-c", "600", "-p", "Hi", "-n", "1", "--verbose")
    lines = [line for line in err.splitlines() if line.startswith("plan: ")]
    assert code == OK and len(lines) > 2 and "K f16" in lines[0] and "context 600" in lines[0]


def test_auto_without_a_model_and_elsewhere(tmp_path):
    assert_error(call("serve", "--model-dir", str(tmp_path), "-ctk", "auto"), USAGE, "auto", "-m")
    code, _, err = call("bench", "-m", MODEL, "-ctk", "auto", "-ctv", "auto", "--depths", "0", "--decode", "2", "--prefill", "16")
    assert code == OK and "plan: K q8_0, V turbo4" in err
    assert_error(call("info", MODEL, "-ctk", "auto"), USAGE, "auto")
    assert_error(call("run", "-m", MODEL, "-c", "some"), USAGE, "auto")


def test_nothing_fits():
    assert_error(call("fit", "-m", MODEL, "--memory", "0.05"), FAILED, "MiB are missing", "smaller model")
    assert_error(call("fit", "-m", MODEL, "--memory", "0.125", "-c", "8192"), FAILED, "missing", "fits (-c)")
    assert_error(call("fit", "-m", MODEL, "-c", "9000"), USAGE, "8192")
    assert_error(call("fit", "-m", MODEL, "--prefer", "turbo3"), USAGE, "-ctk")
    assert_error(call("fit", "--prefer", "speed"), USAGE, "-m")


@pytest.mark.skipif(not QWEN.exists(), reason="no model " + QWEN.name)
def test_large_key_bias_takes_no_coarse_keys_without_evidence(tmp_path):
    for prefer in ("balanced", "memory", "speed", "quality"):
        for memory in ("0.57", "4"):
            plan = fit("--prefer", prefer, "--memory", memory, model=QWEN)
            assert plan["chosen"]["type_k"] in ("q8_0", "f16")
            assert any("attn_k.bias" in reason for reason in plan["reasons"])
    report = {"format": "turboquant-eval-report-1", "go": True,
              "facts": {"model": plan["model"]["name"], "architecture": "qwen2", "baseline": "K f16, V f16",
                        "tested": "K turbo4, V turbo2",
                        "parameters": json.loads(call("info", "--json", str(QWEN))[1])["model"]["n_params"]},
              "gates": [{"gate": "kld", "numbers": {"mean": 0.05, "top1": 0.9, "tokens": 100}}]}
    (tmp_path / "report.json").write_text(json.dumps(report))
    chosen = fit("--prefer", "memory", "--results", str(tmp_path), model=QWEN)["chosen"]
    assert (chosen["type_k"], chosen["type_v"], chosen["loss"], chosen["loss_is_measured"]) == ("turbo4", "turbo2", 0.05, True)


def test_a_limit_of_the_address_space_is_a_budget():
    """Reserved or not: what the planner promises, it gets."""
    limited = subprocess.run(["bash", "-c", f"ulimit -v {3 << 20}; exec {shlex.quote(BINARY)} fit -m {shlex.quote(MODEL)} --json"],
                             env=ENVIRONMENT, capture_output=True, timeout=60, check=True)
    plan = json.loads(limited.stdout)
    assert plan["memory"]["available"] < 3 * GIB
    assert plan["memory"]["budget"] == plan["memory"]["available"] - plan["memory"]["headroom"]


def test_contexts_beyond_this_machine(tmp_path):
    """A model made for four million tokens: the plan is the longest context that fits, and a longer one does not."""
    longer = patched_model(tmp_path / "long.gguf", b"llama.context_length\x04\x00\x00\x00\x00\x20\x00\x00",
                           b"llama.context_length\x04\x00\x00\x00\x00\x00\x40\x00")
    plan = fit("--memory", "2", "--context", "max", model=longer)
    n_ctx = plan["chosen"]["n_ctx"]
    assert 8192 < n_ctx < 1 << 22 and plan["chosen"]["memory"]["peak"] <= 2 * GIB
    fixed = ("-ctk", plan["chosen"]["type_k"], "-ctv", plan["chosen"]["type_v"], "--memory", "2")
    assert_error(call("fit", "-m", longer, "-c", str(n_ctx + 1), *fixed), FAILED, "missing", f"A context of {n_ctx} fits")


def test_help_and_completion_know_it():
    help_text = call("fit", "--help")[1]
    for option in ("--model", "--ctx-size", "--parallel", "--prefer", "--results", "--all", "--json"):
        assert option in help_text
    assert re.search(r"fit\b.*--results|--results.*", call("completion", "bash")[1])


def test_speed_is_predicted_when_asked_for():
    """How near it comes is for bench/plan/compare.py: machines that run tests are noisy."""
    assert fit()["speed"] == []
    speed = fit("--speed")["speed"]
    assert [s["depth"] for s in speed] == [0, 8192]
    assert all(s["decode"] > 0 and s["prefill"] > 0 for s in speed)
    assert speed[1]["decode"] < speed[0]["decode"] and speed[1]["prefill"] < speed[0]["prefill"]
    code, out, err = call("fit", "-m", MODEL, "--speed", "-c", "4096")
    assert (code, err) == (OK, "")
    assert re.findall(r"decode at +(\d+) +[\d.]+ t/s, prefill of +(\d+) +[\d.]+ t/s", out) == [("0", "512")]
