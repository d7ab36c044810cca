"""`turboquant bench`: what it prints has its schema, is consistent with itself, and engine is what it measures unless told otherwise."""
import json

from program import MODEL, OK, USAGE, assert_error, call
from schemas import validate


def bench(*arguments):
    code, out, err = call("bench", *arguments)
    assert code == OK, err
    return out


def bench_json(*arguments):
    result = json.loads(bench(*arguments, "--json"))
    validate(result, "bench")
    return result


def test_engine_is_the_default():
    options = ("-m", MODEL, "--prefill", "8", "--decode", "2", "--depths", "0,16")
    for arguments in (options, ("engine", *options)):
        result = bench_json(*arguments)
        assert set(result["decode"]) == {"0", "16"} and "profile" not in result
    assert_error(call("bench"), USAGE, "--model")
    assert_error(call("bench", "engine"), USAGE, "--model")


def test_profile_adds_up():
    result = bench_json("-m", MODEL, "--prefill", "8", "--decode", "4", "--depths", "16", "--profile", "--parallel", "2")
    for profile in (result["profile"]["16"], result["parallel_profile"]["16"]):
        parts = [profile[name] for name in ("linear", "attention", "encode", "sampling", "other")]
        assert all(part >= 0 for part in parts) and abs(sum(parts) - profile["seconds"]) < 1e-9
        assert profile["linear"] == max(parts) and profile["attention"] > 0 and profile["encode"] > 0
    assert result["profile"]["16"]["sampling"] > 0  # one session's tokens are sampled, those of several are given


def test_codec():
    arguments = ("codec", "--types", "turbo4,f16", "--head-dims", "64", "--seconds", "0.01", "-t", "1")
    result = bench_json(*arguments)
    rows = {(row["verb"], row["type"]): row for row in result["results"]}
    assert set(rows) == {(verb, kind) for verb in ("encode", "decode", "score", "mix", "attend")
                         for kind in ("turbo4", "f16")}
    for (verb, kind), row in rows.items():
        row_bytes = {"turbo4": 34, "f16": 128}[kind] * (2 if verb == "attend" else 1)
        assert abs(row["gb_s"] * row["ns_per_row"] - row_bytes) < 1e-6
        assert (row["of_stream"] is None) == (verb in ("encode", "decode"))
    assert result["setup_ms"] < 5
    assert "turbo4" in bench(*arguments)


def test_attention():
    arguments = ("attention", "--types", "turbo4", "--heads", "4", "--kv-heads", "2", "--head-dim", "64", "--tokens",
                 "256,1000", "--seconds", "0.01")
    rows = bench_json(*arguments)["results"]
    assert [row["n_tokens"] for row in rows] == [256, 1000]
    for row in rows:
        assert abs(row["gb_s"] * row["layer_us"] - row["n_tokens"] * 2 * 2 * 34 / 1e3) < 1e-6
    assert_error(call("bench", "attention", "--heads", "5", "--kv-heads", "2"), USAGE, "5 heads")
    for words in (("--sparse-v", "2"), ("--sparse-v", "nan"), ("--score-std", "-1")):
        assert_error(call("bench", "attention", *words), USAGE, words[0], "bench attention --help")
    assert_error(call("bench", "codec", "--types", "turbo9"), USAGE, "turbo9")
    assert_error(call("bench", "codec", "--isa", "none"), USAGE, "instruction set")
