"""`turboquant fit` without a file: the level selector beside its rule written out again, recorded machines, the table of
target models beside its own arithmetic."""
import itertools
import json

import pytest

from program import FAILED, MODEL, OK, USAGE, assert_error, call
from recorded_machine import unpack
from schemas import ROOT, validate

GIB = 1 << 30
# name, bits, ratio, quality, adaptive mode, headroom: as the first turboquant scripts had them
LEVELS = (("turbo4", 3.5, 4.2, "best", 7, 4.0), ("turbo3", 2.5, 6.0, "high", 5, 3.0),
          ("turbo2", 1.5, 10.0, "balanced", 3, 2.0), ("q4_0", 4.0, 3.5, "fast", 0, 1.5))


def fit(*arguments):
    code, out, err = call("fit", *map(str, arguments))
    assert (code, err) == (OK, ""), err
    return out


def fit_json(*arguments):
    return json.loads(fit(*arguments, "--json"))


def kv_gb(context, layers, heads, dim, bits):
    return 2 * layers * heads * dim * context * bits / 8 / GIB


def expected_level(memory, model, context, layers, heads, dim, prefer):
    """(level, GB needed): the first that leaves its headroom, else the one that compresses most."""
    wanted = [level for level in LEVELS if prefer in (None, level[0])]
    for level in wanted:
        need = model + kv_gb(context, layers, heads, dim, level[1])
        if prefer or memory - need >= level[5]:
            return level, need
    level = max(LEVELS, key=lambda level: level[2])
    return level, model + kv_gb(context, layers, heads, dim, level[1])


GRID = list(itertools.product((6, 16, 18.5, 24, 64), (4, 14.5, 16), ((4096, 32, 4, 64), (131072, 48, 8, 128)),
                              (None, "turbo3")))


@pytest.mark.parametrize("memory,model,shape,prefer", GRID)
def test_level_by_the_rule_written_out_again(memory, model, shape, prefer):
    context, layers, heads, dim = shape
    got = fit_json("--memory", memory, "--model-size", model, "--context", context, "--layers", layers, "--kv-heads", heads,
                   "--head-dim", dim, *(["--prefer", prefer] if prefer else []))
    validate(got, "fit-level")
    (name, bits, ratio, quality, adaptive, headroom), need = expected_level(memory, model, context, layers, heads, dim, prefer)
    assert (got["level"], got["bits_per_channel"], got["compression_ratio"], got["quality"]) == (name, bits, ratio, quality)
    assert got["total_required_gb"] == round(need, 2)
    assert got["available_gb"] == round(memory, 1)
    assert got["headroom_gb"] == round(memory - need, 2)
    assert got["env_vars"] == {"TURBO_LAYER_ADAPTIVE": str(adaptive)}
    assert got["server_flags"] == {"-ctk": name, "-ctv": name, "-c": str(context)}
    assert len(got["warnings"]) == (memory - need < 2) + (memory - need < 0)
    assert got["fits"] == (memory - need >= headroom)


def test_defaults_are_those_of_the_first_scripts():
    assert fit_json("--memory", 24) == fit_json("--memory", 24, "--model-size", 14, "--context", 32768, "--layers", 48,
                                                "--kv-heads", 8, "--head-dim", 128)


def test_the_longest_context_by_the_rule_written_out_again():
    for memory, model, prefer in itertools.product((6, 16.5, 17.5, 18.5, 64), (4, 14.5), (None, "turbo3")):
        fitting = [(level, n) for level in LEVELS if prefer in (None, level[0])
                   for n in [int((memory - level[5] - model) / kv_gb(1, 48, 8, 128, level[1])) // 1024 * 1024] if n > 0]
        words = ("--memory", memory, "--model-size", model, "--context", "max", *(["--prefer", prefer] if prefer else []))
        if not fitting:
            assert_error(call("fit", *map(str, words)), FAILED, "no context fits", "--model-size")
            continue
        got = fit_json(*words)
        validate(got, "fit-level")
        assert (got["level"], got["server_flags"]["-c"], got["fits"]) == (fitting[0][0][0], str(fitting[0][1]), True)


def test_every_spelling_of_the_context():
    assert len({fit("--memory", 24, name, 65536) for name in ("-c", "--context", "--ctx-size")}) == 1


def test_text_has_what_the_json_has():
    text = fit("--memory", 36, "--model-size", 16, "--context", 65536)
    got = fit_json("--memory", 36, "--model-size", 16, "--context", 65536)
    assert text.startswith(f"Selected: {got['level']} ({got['quality']})\n  {got['reasoning']}\n")
    assert "  export TURBO_LAYER_ADAPTIVE=7\n" in text
    assert "  -ctk turbo4\n  -ctv turbo4\n  -c 65536\n" in text
    assert "WARNING" in fit("--memory", 8, "--model-size", 16)


def test_a_gpus_memory_counts_unless_the_cpu_is_forced(tmp_path):
    machine = unpack("h200", tmp_path)
    got = fit_json("--machine", machine)
    validate(got, "fit-level")
    assert (got["available_gb"], got["memory_pool"], got["hardware"]["gpu_name"]) == (
        round(143771 / 1024, 1), "gpu", "NVIDIA H200")
    forced = fit_json("--machine", machine, "--force-cpu")
    assert (forced["available_gb"], forced["memory_pool"], forced["hardware"]["gpu_name"]) == (
        round(131981020 / 1024 / 1024, 1), "ram", None)


def test_unified_memory(tmp_path):
    got = fit_json("--machine", unpack("m3max", tmp_path), "--model-size", 16, "--context", 131072)
    assert (got["available_gb"], got["memory_pool"], got["hardware"]["chip_name"]) == (36.0, "unified", "Apple M3 Max")
    assert "Apple M3 Max 36GB unified" in got["reasoning"]


@pytest.mark.parametrize("name,total_kib,method", [("pi4", 3882976, "proc"), ("m3max", 36 << 20, "sysctl"),
                                                   ("dual_socket", 131912340, "proc"), ("container", 8 << 20, "proc"),
                                                   ("h200", 131981020, "nvidia-smi"), ("phone", 7655312, "proc")])
def test_detect_only_on_recorded_machines(tmp_path, name, total_kib, method):
    machine = unpack(name, tmp_path)
    got = fit_json("--detect-only", "--machine", machine)
    validate(got, "fit-hardware")
    assert got["total_memory_gb"] * (1 << 20) == pytest.approx(total_kib)
    assert got["detection_method"] == method
    text = fit("--detect-only", "--machine", machine)
    assert f"Total memory:     {total_kib / (1 << 20):.1f} GB\n" in text
    assert f"CPU cores:        {got['cpu_cores']}" in text


def test_detect_only_here():
    got = fit_json("--detect-only")
    validate(got, "fit-hardware")
    with open("/proc/meminfo") as file:
        total = next(int(line.split()[1]) for line in file if line.startswith("MemTotal:"))
    assert got["memory"]["machine_bytes"] == total * 1024
    assert 0 < got["memory"]["available_bytes"] <= got["memory"]["total_bytes"] <= total * 1024


# Bytes of a head's row of 256 and 512 channels: f16 two a channel; q8_0 34 for 32; turbo: the codes' bits and a 2-byte norm
# for 128 channels (spec, section 4).
def row_bytes(cache_type, dim):
    if cache_type == "f16":
        return 2 * dim
    if cache_type == "q8_0":
        return dim // 32 * 34
    return dim // 128 * (16 * int(cache_type[-1]) + 2)


# Of a layer that sees `window` tokens: a window and 8 tokens more for the session and two forks, each beginning and ending
# inside of a page, a step of 256 tokens, and a sixteenth of all.
def pages(context, window):
    every = -(-context // 128)
    return min(every, 3 * (-(-(window + 8) // 128) + 2) + 2 + every // 16) if window else every


def required(model, cache_type, context):
    states = 3  # a session keeps the recurrent layers' state as it is and as it was at two places before
    total = model["file_bytes"] + int(model["work_gb"] * GIB) + states * model["state_bytes"]
    for group in model["groups"]:
        tokens = 128 * pages(context, group.get("window"))
        total += 2 * tokens * group["layers"] * group["kv_heads"] * row_bytes(cache_type, group["head_dim"])
    return total


def test_targets_by_their_own_arithmetic():
    table = json.loads((ROOT / "src" / "plan" / "target_models.json").read_text())["models"]
    got = fit_json("--targets")
    validate(got, "fit-targets")
    assert [model["name"] for model in got["models"]] == [model["name"] for model in table]
    for model, facts in zip(got["models"], table):
        assert [machine["memory_gb"] for machine in model["machines"]] == [8, 16, 24, 36, 64]
        assert model["sources"] == facts["sources"]
        assert model["has_estimate"] == any(fact["estimate"] for fact in facts["sources"].values())
        for machine in model["machines"]:
            memory = int(machine["memory_gb"] * GIB)
            usable = memory - min(5 * GIB, memory // 4)
            assert machine["usable_bytes"] == usable
            types = machine["longest_context"].keys()
            for cell in machine["contexts"]:
                fitting = [t for t in types if required(facts, t, cell["context"]) <= usable]
                best = fitting[0] if fitting else None
                assert (cell["cache_type"], cell["fits"]) == (best, best is not None)
                assert cell["required_bytes"] == (required(facts, best, cell["context"]) if best else None)
            for cache_type, longest in machine["longest_context"].items():
                steps = (n for n in range(facts["max_context"], 0, -1024) if required(facts, cache_type, n) <= usable)
                assert longest == next(steps, 0)


def test_targets_as_text():
    text = fit("--targets", "--memory", "12,36")
    assert "12 GB     36 GB" in text
    assert "Qwen3.5 27B, Q4_K_M, 16.7 GB\n" in text  # no estimate
    assert "Qwen3.5 32B, Q4_K_M, 18.5 GB (estimated: shape, file)\n" in text
    assert "[gemma4 does not run here yet]" in text
    assert "Qwen3.5 32B, shape: no such model is published" in text
    rows = text.split("Qwen3.5 27B")[1].splitlines()
    assert rows[1].split() == ["64K", "context", "no", "f16"]
    assert rows[4].split() == ["longest,", "turbo4", "-", "256K"]


def test_more_memory_is_never_worse():
    sizes = [4 + 1.5 * n for n in range(60)]
    order = ["f16", "q8_0", "turbo4", "turbo3", "turbo2", None]
    for model in fit_json("--targets", "--memory", ",".join(map(str, sizes)))["models"]:
        for before, after in zip(model["machines"], model["machines"][1:]):
            for a, b in zip(before["contexts"], after["contexts"]):
                assert order.index(b["cache_type"]) <= order.index(a["cache_type"])
            for cache_type, longest in before["longest_context"].items():
                assert longest <= after["longest_context"][cache_type]


@pytest.mark.parametrize("words,fragment", [
    (["--prefer", "turbo9"], "turbo9"), (["--model-size", "big"], "'big'"), (["--model-size", "-1"], "'-1'"),
    (["--model-size", "nan"], "'nan'"), (["--context", "0"], "--context"), (["--layers", "1e9"], "--layers"),
    (["--memory", "0"], "'0'"), (["--memory", "8,,9"], "''"), (["--memory", "8,9"], "--targets"),
    (["--kv-heads", "x"], "--kv-heads"), (["--machine", "/no/such"], "'/no/such'"), (["--context", "some"], "'some'"),
    (["--context", "2000000000"], "1073741824"), (["-ctk", "q8_0"], "-m"), (["--parallel", "2"], "-m"), (["--speed"], "-m"),
    (["--results", "/tmp"], "-m"), (["-m", MODEL, "--layers", "3"], "--layers"), (["-m", MODEL, "--force-cpu"], "--force-cpu"),
    (["--targets", "-m", MODEL], "--targets"), (["--targets", "--context", "5"], "--context"), (["-m", ""], "no file"),
    (["--detect-only", "-m", MODEL], "--model"), (["--detect-only", "--speed"], "--speed")])
def test_wrong_options(words, fragment):
    assert_error(call("fit", *words), USAGE, fragment)
