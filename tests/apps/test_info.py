"""`turboquant info` against the gguf package and the arithmetic of spec/turboquant.md."""
import collections
import json
import pathlib
import sys

import pytest

from program import FAILED, MODEL, OK, USAGE, assert_error, call
from schemas import validate

gguf = pytest.importorskip("gguf", reason="gguf is not installed")


def info_json(*arguments):
    code, out, err = call("info", "--json", *arguments)
    assert (code, err) == (OK, "")
    report = json.loads(out)
    validate(report, "info")
    return report


def info_text(*arguments):
    code, out, err = call("info", *arguments)
    assert (code, err) == (OK, "")
    return out


def cache_bytes(name, head_dim):
    """Bytes of one row: codes, and a 2-byte norm or scale for each group."""
    if name in ("turbo2q", "turbo3q"):  # two parts: one bit less, and the residual's signs
        return head_dim * int(name[5]) // 8 + 2 * 2 * -(-head_dim // 128)
    if name in ("turbo25", "turbo35"):  # two parts: the outliers have one bit more
        outliers = head_dim // 32 * 16
        bits = int(name[5])
        return sum(n * b // 8 + 2 * -(-n // 128) for n, b in ((head_dim - outliers, bits), (outliers, bits + 1)))
    bits, group = {"f16": (16, None), "q8_0": (8, 32), "q4_0": (4, 32), "turbo4": (4, 128), "turbo3": (3, 128),
                   "turbo2": (2, 128)}[name]
    return head_dim * bits // 8 + (2 * -(-head_dim // group) if group else 0)


@pytest.fixture(scope="module")
def reader():
    return gguf.GGUFReader(MODEL)


@pytest.fixture(scope="module")
def model():
    return info_json(MODEL, "--tensors")


def test_model_and_tokenizer(model, reader):
    def value(key):
        return reader.fields[key].contents()
    facts, tokenizer = model["model"], model["tokenizer"]
    assert model["file"]["gguf_version"] == value("GGUF.version")
    assert model["file"]["n_keys"] == value("GGUF.kv_count")
    assert facts["supported"] is True and facts["problems"] == []
    assert facts["n_params"] == sum(int(tensor.n_elements) for tensor in reader.tensors)
    for name, key in (("architecture", "general.architecture"), ("name", "general.name"),
                      ("n_layers", "llama.block_count"), ("n_heads", "llama.attention.head_count"),
                      ("n_kv_heads", "llama.attention.head_count_kv"), ("n_embd", "llama.embedding_length"),
                      ("n_ff", "llama.feed_forward_length"), ("n_vocab", "llama.vocab_size"),
                      ("n_ctx_train", "llama.context_length")):
        assert facts[name] == value(key), name
    assert facts["k_head_dim"] == facts["v_head_dim"] == value("llama.embedding_length") // facts["n_heads"]
    assert facts["rope"] == {"freq_base": value("llama.rope.freq_base"),
                             "dimension_count": value("llama.rope.dimension_count")}
    tokens = value("tokenizer.ggml.tokens")
    assert tokenizer["n_tokens"] == len(tokens) and tokenizer["has_chat_template"]
    assert (tokenizer["model"], tokenizer["pre"]) == (value("tokenizer.ggml.model"), value("tokenizer.ggml.pre"))
    for role, token in tokenizer["special"].items():
        assert token == {"id": value(f"tokenizer.ggml.{role}_token_id"), "text": tokens[token["id"]]}


def test_tensors(model, reader):
    theirs = [(t.name, t.tensor_type.name, [int(n) for n in t.shape], int(t.n_bytes)) for t in reader.tensors]
    ours = [(t["name"], t["type"].upper(), t["shape"], t["bytes"]) for t in model["tensors"]]
    assert ours == theirs
    count, size = collections.Counter(), collections.Counter()
    for _, kind, _, n_bytes in theirs:
        count[kind] += 1
        size[kind] += n_bytes
    assert {t["type"].upper(): (t["count"], t["bytes"]) for t in model["tensor_types"]} == {
        kind: (count[kind], size[kind]) for kind in count}


def test_cache_table(model):
    ours = model["cache"]["bytes_per_token"]
    assert ours == {name: 2 * 30 * 3 * cache_bytes(name, 64) for name in ours} and len(ours) == 10


def test_cache_plan():
    plan = info_json(MODEL, "--layer-adaptive", "7", "-ctk", "q8_0", "-ctv", "turbo2")["cache_plan"]
    v = ["q8_0"] * 2 + ["turbo2"] * 26 + ["q8_0"] * 2  # mode 7: V of the first and last two layers
    assert plan["layers"] == [{"k": "q8_0", "v": name} for name in v]
    assert plan["bytes_per_token"] == 3 * sum(cache_bytes("q8_0", 64) + cache_bytes(name, 64) for name in v)
    assert "cache_plan" not in info_json(MODEL)
    text = info_text(MODEL, "-ctv", "turbo3")
    assert text.count("turbo4  turbo3") == 30 and "layer-adaptive 0" in text


def test_text_says_the_same(model):
    text = info_text(MODEL, "--tensors")
    for fragment in (MODEL, "GGUF version 3", "architecture  llama\n", "134.5 M (134515008)",
                     "heads         9 (KV heads: 3)", "64 (embedding / heads)", "context       8192 (trained)", "dimension_count 64",
                     '1 "<|im_start|>"', "chat template of ", "turbo4              6120     3.76x",
                     "  blk.29.ffn_up.weight"):
        assert fragment in text, fragment
    assert "problem" not in text and "not in the file" not in text and "cache plan" not in text


# Crafted files

def write(path, architecture, fill=None, tensors=1):
    writer = gguf.GGUFWriter(str(path), architecture)
    if fill:
        fill(writer)
    numpy = pytest.importorskip("numpy")
    for i in range(tensors):
        writer.add_tensor(f"tensor.{i}", numpy.ones((4, 32), dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


def test_nothing_is_made_up(tmp_path):
    path = write(tmp_path / "bare.gguf", "mystery")
    report = info_json(path, "--tensors")
    facts = report["model"]
    assert facts["supported"] is False and facts["n_params"] == 128 and facts["rope"] == {}
    assert all(facts[key] is None for key in ("name", "n_layers", "n_heads", "n_kv_heads", "k_head_dim", "v_head_dim",
                                              "n_embd", "n_ff", "n_vocab", "n_ctx_train", "sliding_window"))
    assert report["tokenizer"] == {"model": None, "pre": None, "n_tokens": None, "adds_bos": None, "special": {},
                                   "has_chat_template": False}
    assert report["cache"]["bytes_per_token"] is None and "mystery.block_count" in report["cache"]["reason"]
    text = info_text(path)
    assert "mystery (this version does not run it; it runs llama" in text and "not computed" in text
    assert_error(call("info", path, "--layer-adaptive", "1"), FAILED, "mystery.block_count")


def test_unusual_sizes(tmp_path):
    def fill(writer):
        writer.add_block_count(3)
        writer.add_embedding_length(1024)
        writer.add_head_count(8)
        writer.add_array("odd.attention.head_count_kv", [2, 0, 4])  # a layer without attention
        writer.add_key_length(96)
        writer.add_value_length(64)
        writer.add_sliding_window(512)
    report = info_json(write(tmp_path / "odd.gguf", "odd", fill))
    assert report["model"]["n_kv_heads"] == [2, 0, 4] and report["model"]["sliding_window"] == 512
    ours = report["cache"]["bytes_per_token"]
    assert ours == {name: 6 * (cache_bytes(name, 96) + cache_bytes(name, 64)) for name in ours}
    text = info_text(str(tmp_path / "odd.gguf"))
    assert "KV heads: 0 to 4, by layer" in text and "96 for keys, 64 for values" in text and "sliding" in text


def test_head_sizes_that_a_type_cannot_hold(tmp_path):
    def fill(writer):
        writer.add_block_count(2)
        writer.add_embedding_length(160)
        writer.add_head_count(2)  # heads of 80: no multiple of 32
    path = write(tmp_path / "eighty.gguf", "odd", fill)
    ours = info_json(path)["cache"]["bytes_per_token"]
    assert ours["q8_0"] is None and ours["q4_0"] is None
    assert ours["turbo4"] == 2 * 2 * 2 * cache_bytes("turbo4", 80)
    assert "multiple of 32" in info_text(path)


def test_hybrid_models_have_a_cache_in_some_layers(tmp_path):
    """Qwen 3.5 of five layers, of which every third attends; heads of 32, two of them KV heads."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "model"))
    import transformers_cases as cases
    from to_gguf import write_gguf
    name = "qwen 3.5"
    path = str(write_gguf(tmp_path / "hybrid.gguf", cases.config_of(name), cases.weights_of(name)))
    report = info_json(path, "-ctk", "q8_0")
    assert (report["model"]["n_layers"], report["model"]["n_cached_layers"]) == (5, 1)
    ours = report["cache"]["bytes_per_token"]
    assert ours == {kind: 2 * 2 * cache_bytes(kind, 32) for kind in ours}
    assert len(report["cache_plan"]["layers"]) == 1
    assert "5 (with a KV cache: 1)" in info_text(path)


def test_caches_of_other_kinds_are_not_computed(tmp_path):
    def fill(writer):
        writer.add_block_count(2)
        writer.add_embedding_length(128)
        writer.add_head_count(2)
        writer.add_uint32("odd.ssm.state_size", 16)
    cache = info_json(write(tmp_path / "recurrent.gguf", "odd", fill))["cache"]
    assert cache["bytes_per_token"] is None and "recurrent" in cache["reason"]


def test_hostile_metadata(tmp_path):
    def fill(writer):
        writer.add_name("evil\x1b[2Jname\n")
        writer.add_uint64("odd.block_count", 1 << 60)
        writer.add_string("odd.embedding_length", "long")
        writer.add_uint32("tokenizer.ggml.bos_token_id", 77)
    path = write(tmp_path / "hostile.gguf", "odd", fill)
    text = info_text(path)
    assert "\x1b" not in text and "evil\\x1B[2Jname\\x0A" in text
    assert text.count("problem ") == 2 and "odd.block_count" in text and "77 (no such token)" in text
    report = info_json(path)
    assert report["model"]["n_layers"] is None and len(report["model"]["problems"]) == 2
    assert report["tokenizer"]["special"]["bos"] == {"id": 77, "text": None}


def test_usage_errors():
    assert_error(call("info"), USAGE, "FILE is required")
    assert_error(call("info", MODEL, "-ctk", "turbo5"), USAGE, "turbo5")
    assert_error(call("info", MODEL, "--layer-adaptive", "-1"), USAGE, "'-1'")
