"""`turboquant dflash`: the plan and the report, on the command line; JSON beside docs/schemas/dflash.json."""
import json
import os
import pathlib

import jsonschema
import pytest

from program import FAILED, MODEL, OK, USAGE, assert_error, call

SCHEMA = json.loads(pathlib.Path(os.environ["TQ_SOURCE_DIR"], "docs/schemas/dflash.json").read_text())
LOG = """Baseline throughput: 22.35 tok/s
DFlash throughput:  46.78 tok/s
Decoding speedup: 2.09
Average Acceptance length: 6.48
"""


def as_json(*arguments, **options):
    code, out, err = call("dflash", *arguments, "--format", "json", **options)
    assert (code, err) == (OK, "")
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    return report


def test_plan():
    plan = as_json("--memory-gb", "36")
    assert plan["selected_pair"]["slug"] == "qwen35-9b" and plan["machine_memory_gb"] == 36 and plan["fits"]
    assert not plan["known_results"][0]["works"]
    assert plan["setup_commands"][-1] == plan["benchmark_command"]
    assert as_json("--memory-gb", "20")["selected_pair"]["slug"] == "qwen35-4b"
    assert not as_json("--memory-gb", "20", "--pair", "qwen35-9b")["fits"]
    with open("/proc/meminfo") as file:
        kib = int(next(line for line in file if line.startswith("MemTotal:")).split()[1])
    assert as_json()["machine_memory_gb"] == pytest.approx(kib / 2 ** 20, abs=0.051)
    assert call("dflash", "--memory-gb", "36", "--json") == call("dflash", "--memory-gb", "36", "--format", "json")
    assert "--max-samples 5 " in as_json("--max-samples", "5")["benchmark_command"]


def test_markdown_to_a_file(tmp_path):
    path = tmp_path / "new" / "report.md"
    assert call("dflash", "--machine-label", "M3 Max 36GB", "--output", str(path)) == (OK, "", "")
    text = path.read_text()
    assert text.startswith("# DFlash Apple Silicon Benchmark Report\n") and "- Label: M3 Max 36GB\n" in text


def test_report(tmp_path):
    log, plain = tmp_path / "run.log", tmp_path / "plain.json"
    log.write_text(LOG + "$ python -m dflash.benchmark --model Qwen/Qwen3.5-4B --max-samples 64\n")
    code, out, err = call("run", "-m", MODEL, "--raw", "-p", "1 2 3 1 2 3 1 2", "-n", "16", "--temp", "0", "--lookup", "--json")
    assert code == OK, err
    plain.write_text(out)
    ours = json.loads(out)
    report = as_json("report", str(log), "--against", str(plain), "--memory-gb", "36", "--peak-memory-gb", "12.5")
    assert report["selected_pair"]["slug"] == "qwen35-4b", "the pair that was run"
    assert report["results"]["throughput_tok_s"] == 46.78 and report["results"]["peak_memory_gb"] == 12.5
    speed = ours["timings"]["generated_tokens_per_second"]
    assert report["plain_speculative"]["throughput_tok_s"] == pytest.approx(speed)
    passes = ours["speculation"]["passes_by_accepted"]
    tokens = sum((right + 1) * n for right, n in enumerate(passes))
    assert report["plain_speculative"]["acceptance_mean"] == pytest.approx(tokens / sum(passes))
    assert report["verdict"] == ("yes" if 46.78 / speed >= 1.1 else "no")
    # The same with what `time -v` adds, and as the lines of --verbose.
    timed = ("Command being timed\n" + out + "\tMaximum resident set size (kbytes): 1048576\n").encode()
    timed = as_json("report", "-", stdin=timed)["results"]
    assert (timed["source"], timed["peak_memory_gb"]) == ("turboquant", 1) and timed["acceptance_histogram"]
    code, _, err = call("run", "-m", MODEL, "--raw", "-p", "1 2 3 1 2 3 1 2", "-n", "16", "--temp", "0", "--lookup", "--verbose")
    lines = as_json("report", "-", stdin=err.encode())["results"]
    n = len(lines["acceptance_histogram"])  # without the zeros at its end
    assert lines["acceptance_histogram"] == pytest.approx(timed["acceptance_histogram"][:n])
    assert lines["acceptance_mean"] == pytest.approx(timed["acceptance_mean"])
    assert as_json("report", "-", stdin=LOG.encode())["verdict"] == "needs-more-data"
    for mixed_up, word in (((str(plain), "--against", str(log)), "turboquant"), ((str(log), "--against", str(log)), "--against")):
        report = as_json("report", *mixed_up)
        assert report["verdict"] == "needs-more-data" and word in report["reasons"][0]
    assert "- Measured with: turboquant, not DFlash\n" in call("dflash", "report", str(plain))[1]
    markdown = call("dflash", "report", str(log), "--against", str(plain))[1]
    assert "- Throughput (tok/s): 46.78\n" in markdown and markdown.count("- [x]") == 1


def test_errors(tmp_path):
    (tmp_path / "empty.log").write_text("nothing here")
    assert_error(call("dflash", "report", str(tmp_path / "empty.log")), FAILED, "empty.log", "no throughput")
    assert_error(call("dflash", "report", str(tmp_path / "missing")), FAILED, "missing", "No such file")
    assert_error(call("dflash", "--pair", "qwen"), USAGE, "qwen35-4b")
    for memory in ("0", "nan", "inf", "-1", "1e7", "16GB", ""):
        assert_error(call("dflash", "--memory-gb", memory), USAGE, "--memory-gb", "from 0.1 to 1e+06")
    assert_error(call("dflash", "--format", "yaml"), USAGE, "markdown")
    assert_error(call("dflash", "report"), USAGE, "results")
