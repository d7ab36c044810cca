"""The Python package over the shared library: codec bytes and values against spec/ref.py, logits and text against the
program, the structs against the header, and errors as exceptions."""
import ctypes
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

SOURCE = pathlib.Path(os.environ["TQ_SOURCE_DIR"])
LIBRARY = os.environ.get("TQ_LIBRARY")
if not LIBRARY:
    pytest.skip("TQ_LIBRARY is not set", allow_module_level=True)
os.environ["TURBOQUANT_LIBRARY"] = LIBRARY
sys.dont_write_bytecode = True
sys.path[:0] = [str(SOURCE / "python"), str(SOURCE / "spec")]

import ref  # noqa: E402
import tq_eval  # noqa: E402
import turboquant  # noqa: E402
from turboquant import _native  # noqa: E402

MODEL = os.environ["TQ_MODEL"]
PROMPT = "The quick brown fox jumps over the lazy dog. The capital of France is"
TYPES = turboquant.kv_types()


# The header

def header():
    text = (SOURCE / "include/tq/turboquant.h").read_text()
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


C_TYPES = {"size_t": ctypes.c_size_t, "int32_t": ctypes.c_int32, "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64,
           "float": ctypes.c_float, "tq_kv_type": ctypes.c_int32, "tq_token": ctypes.c_int32, "tq_status": ctypes.c_int32,
           "const char*": ctypes.c_char_p}


@pytest.mark.parametrize("name, mirror", [
    ("tq_engine_options", _native.EngineOptions), ("tq_model_info", _native.ModelInfo),
    ("tq_chat_message", _native.ChatMessage), ("tq_logit_bias", _native.LogitBias),
    ("tq_sampler_options", _native.SamplerOptions)])
def test_structs_are_those_of_the_header(name, mirror):
    body = re.search(rf"typedef struct {name} {{(.*?)}} {name};", header(), re.DOTALL)[1]
    fields = [re.fullmatch(r"(.*?)\s*(\w+)", field.strip()).groups() for field in body.split(";") if field.strip()]
    assert [field for _, field in fields] == [field for field, _ in mirror._fields_]
    for (kind, field), (_, mirrored) in zip(fields, mirror._fields_):
        assert C_TYPES.get(kind, mirrored) is mirrored, field


def test_functions_are_those_of_the_header():
    declared = re.findall(r"TQ_API [^;(]*?\b(tq_\w+)\(([^;]*?)\);", header())
    counts = {name: 0 if parameters == "void" else parameters.count(",") + 1 for name, parameters in declared}
    # tq_generate() is a loop in Python, where an answer is an iterator.
    unused = {"tq_status_name", "tq_generate", "tq_generate_options_init"}
    assert {name: len(parameters) for name, (_, parameters) in _native.SIGNATURES.items()} == {
        name: n for name, n in counts.items() if name not in unused}


# Codec

def pages_by_reference(kind, rows):
    pages = []
    for start in range(0, len(rows), 128):
        page = bytearray(ref.page_bytes(kind, rows.shape[1]))
        for slot, row in enumerate(rows[start:start + 128]):
            ref.write_row(kind, page, slot, row)
        pages.append(np.frombuffer(bytes(page), np.uint8))
    return np.stack(pages)


def test_types():
    assert set(TYPES) == {"f16", "q8_0", "q4_0", *ref.TURBO_BITS, *ref.RESIDUAL_BITS, *ref.MIXED_BITS}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("head_dim", [64, 96, 128])
def test_codec_is_the_specification(kind, head_dim):
    random = np.random.default_rng(head_dim)
    rows = random.standard_normal((150, head_dim), np.float32) * random.uniform(1e-3, 1e3, (150, 1)).astype(np.float32)
    codec = turboquant.Codec(kind, head_dim)
    assert codec.row_bytes == ref.row_bytes(kind, head_dim) and codec.page_bytes == ref.page_bytes(kind, head_dim)
    pages = codec.encode(rows)
    np.testing.assert_array_equal(pages, pages_by_reference(kind, rows))

    rotated = np.stack([ref.decode_row(kind, ref.read_row(kind, bytes(pages[i // 128]), i % 128, head_dim), head_dim)
                        for i in range(len(rows))])
    # Both round once an addition and a multiplication of log2(128) + 1 stages, up to four passes.
    expected = ref.unrotate_row(kind, rotated)
    tolerance = np.linalg.norm(rotated, axis=1, keepdims=True) * 4 * 8 * 2.0**-24
    assert np.all(np.abs(codec.decode(pages, 150) - expected) <= tolerance)
    np.testing.assert_array_equal(codec.decode(pages, 40, first_row=100), codec.decode(pages, 150)[100:140])

    # Queries are rounded to 8 bits of their largest coordinate (spec, "Attention arithmetic").
    queries = random.standard_normal((3, head_dim), np.float32)
    bound = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(expected, axis=1) * np.sqrt(head_dim) / 254
    assert np.all(np.abs(codec.score(pages, queries, 150) - queries @ expected.T) <= bound)
    weights = random.uniform(0, 1, (3, 150)).astype(np.float32)
    bound = weights @ np.linalg.norm(expected, axis=1) / 254
    assert np.all(np.abs(codec.mix(pages, weights) - weights @ expected) <= bound[:, None])


def test_codec_takes_any_array_and_says_what_is_wrong():
    codec = turboquant.Codec("turbo3", 64)
    rows = np.random.default_rng(1).standard_normal((130, 128))
    pages = codec.encode(rows[:, ::2])  # float64, strided
    np.testing.assert_array_equal(pages, pages_by_reference("turbo3", rows[:, ::2].astype(np.float32)))
    unaligned = np.empty(pages.nbytes + 1, np.uint8)[1:].reshape(pages.shape)
    unaligned[:] = pages
    np.testing.assert_array_equal(codec.decode(unaligned, 130), codec.decode(pages, 130))
    appended = codec.encode(rows[100:, ::2], codec.encode(rows[:100, ::2], codec.empty_pages(130)), 100)
    np.testing.assert_array_equal(appended, pages)
    read_only = pages.copy()
    read_only.flags.writeable = False
    for wrong, part in [(lambda: codec.encode(rows), "shape"), (lambda: codec.encode(rows[0]), "shape"),
                        (lambda: codec.decode(pages, 257), "rows 0 to 256"), (lambda: codec.decode(pages, -1), "rows"),
                        (lambda: codec.decode(pages, 10, 250), "rows 250 to 259"),
                        (lambda: codec.decode(pages.astype(np.int32), 1), "uint8"),
                        (lambda: codec.decode(pages[:, ::2], 1), "contiguous"),
                        (lambda: codec.encode(rows[:, ::2], read_only), "read-only"),
                        (lambda: codec.encode(rows[:, ::2], pages, 200), "rows 200 to 329"),
                        (lambda: codec.score(pages, np.zeros((1, 65)), 1), "shape"),
                        (lambda: codec.mix(pages, np.zeros((1, 257))), "rows"),
                        (lambda: turboquant.Codec("turbo9", 64), "turbo9")]:
        with pytest.raises(turboquant.BadArgument, match=part):
            wrong()
    with pytest.raises(turboquant.Unsupported, match="multiple of 16"):
        turboquant.Codec("turbo4", 65)


# Engine

@pytest.fixture(scope="module")
def engine():
    return turboquant.Engine(MODEL, n_ctx=512, type_k="q8_0", type_v="turbo4", n_threads=2, n_parallel=3)


def program(*arguments):
    run = subprocess.run([os.environ["TQ_BINARY"], "run", "-m", MODEL, "-c", "512", "-ctk", "q8_0", "-ctv", "turbo4", "-t",
                          "2", "--json", *arguments], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def test_info(engine):
    info = engine.info
    assert (info.architecture, info.n_layers, info.n_heads, info.n_kv_heads, info.head_dim) == ("llama", 30, 9, 3, 64)
    assert (info.n_embd, info.n_vocab, info.n_ctx_train, info.n_ctx) == (576, 49152, 8192, 512)
    assert info.has_chat_template and info.n_threads == 2 and info.cache_description == "K q8_0, V turbo4"
    assert turboquant.__version__ == turboquant.version()


def test_logits_are_those_of_the_program(engine):
    tokens = engine.encode(PROMPT)
    session = engine.create_session()
    expected = tq_eval.logits(tokens, type_k="q8_0", type_v="turbo4", n_ctx=512)
    np.testing.assert_array_equal(session.sync_all(tokens), expected)
    np.testing.assert_array_equal(engine.create_session().sync(np.array(tokens)), expected[-1])
    assert session.tokens == tokens and session.n_ctx == 512
    # K 64 + 2 * 2, V 32 + 2 bytes a row; f16 2 * 128: one page of 128 tokens for 30 layers and 3 heads.
    assert session.kv_bytes == 128 * 90 * (68 + 34) and session.kv_bytes_f16 == 128 * 90 * 256


def test_generated_text_is_that_of_the_program(engine):
    expected = program("--raw", "-p", PROMPT, "-n", "20", "--temp", "0")
    session = engine.create_session()
    pieces = list(session.generate(engine.encode(PROMPT, add_bos=True), max_tokens=20))
    assert [piece.token for piece in pieces] == expected["tokens"]
    assert "".join(piece.text for piece in pieces) == expected["text"]
    assert engine.decode([piece.token for piece in pieces]) == expected["text"]


def test_chat_and_sampling_are_those_of_the_program(engine):
    expected = program("--system", "Be brief.", "-p", "Name a river.", "-n", "16", "--seed", "7", "--temp", "1.1", "--top-k", "50",
                       "--repeat-penalty", "1.1")
    prompt = engine.encode_chat([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a river."}])
    sampler = engine.create_sampler(seed=7, temperature=1.1, top_k=50, repeat_penalty=1.1)
    assert sampler.seed == 7
    pieces = list(engine.create_session().generate(prompt, sampler, max_tokens=16))
    assert [piece.token for piece in pieces if piece.token is not None] == expected["tokens"]
    assert len(prompt) == expected["prompt_tokens"]


def test_schema(engine):
    schema = '{"properties": {"rivers": {"type": "integer"}}, "required": ["rivers"]}'
    sampler = engine.create_sampler(json_schema=schema, temperature=0)
    answer = "".join(p.text for p in engine.create_session().generate(engine.encode("Rivers:"), sampler, max_tokens=60))
    assert list(json.loads(answer)) == ["rivers"]


def test_text_of_any_length_comes_back(engine):
    text = "naïve 🦊 <|im_end|> " * 200  # more tokens than a first buffer holds
    tokens = engine.encode(text)
    assert len(tokens) > 256 and engine.decode(tokens) == text
    special = engine.encode("<|im_end|>", parse_special=True)
    assert len(special) == 1 and engine.is_end_of_generation(special[0]) and engine.decode(special) == ""
    assert len(engine.encode("<|im_end|>")) > 1


def test_fork_save_and_restore(engine, tmp_path):
    tokens = engine.encode(PROMPT)
    session = engine.create_session()
    session.sync(tokens)
    fork = session.fork()
    session.save(tmp_path / "s.session")
    expected = session.sync(tokens + [5])
    del session
    restored = engine.create_session()
    restored.restore(tmp_path / "s.session")
    assert restored.tokens == fork.tokens == tokens
    np.testing.assert_array_equal(fork.sync(tokens + [5]), expected)
    np.testing.assert_array_equal(restored.sync(tokens + [5]), expected)
    with pytest.raises(turboquant.BadFile):
        restored.restore(MODEL)
    with pytest.raises(turboquant.FileError, match="no-such"):
        restored.restore(tmp_path / "no-such")


def test_context_full_and_stops(engine):
    session = engine.create_session()
    with pytest.raises(turboquant.ContextFull, match="512"):
        session.sync([1] * 513)
    with pytest.raises(turboquant.ContextFull, match="512"):
        next(session.generate([1] * 513))
    never_end = {2: -np.inf, 0: -np.inf}
    sampler = engine.create_sampler(temperature=0, logit_bias=never_end)
    assert len([p for p in session.generate([1] * 505, sampler) if p.token is not None]) == 512 - 505
    assert list(session.generate([1] * 5, max_tokens=0)) == []


def test_errors(engine):
    session = engine.create_session()
    for wrong in (lambda: session.sync([]), lambda: session.sync([49152]), lambda: session.sync([-1]),
                  lambda: session.sync([2**40]), lambda: session.sync([1.5]), lambda: session.sync([[1]]),
                  lambda: engine.decode([49152]), lambda: turboquant.Sampler(temperature=-1),
                  lambda: turboquant.Sampler(grammar="root ::= \"a\""), lambda: engine.create_sampler(grammar="root ::= ("),
                  lambda: engine.create_sampler().sample(np.zeros(5)), lambda: turboquant.Engine("a\0b"),
                  lambda: turboquant.Engine(MODEL, type_k="f17"), lambda: turboquant.Engine(MODEL, n_ctx=10**9)):
        with pytest.raises(turboquant.BadArgument):
            wrong()
    with pytest.raises(turboquant.FileError, match="/no/such"):
        turboquant.Engine("/no/such/model.gguf")
    with pytest.raises(turboquant.BadFile):
        turboquant.Engine(__file__)
    with pytest.raises(TypeError, match="temperature"):
        turboquant.Sampler(temprature=1)
    with pytest.raises(UnicodeEncodeError):
        engine.encode("\ud800")


def test_pages_on_disk(tmp_path):
    options = dict(n_ctx=512, n_threads=2, disk_cache=tmp_path / "cache", disk_cache_bytes=1 << 30)
    engine = turboquant.Engine(MODEL, **options)
    tokens = engine.encode("Counting: " + " ".join(map(str, range(150))))[:300]
    rows = engine.create_session().sync_all(tokens)
    assert len(tokens) == len(rows) == 300
    del engine  # writes what it has
    again = turboquant.Engine(MODEL, **options).create_session().sync_all(tokens)
    assert len(again) == 300 - 2 * 128  # two pages of 128 were read
    np.testing.assert_array_equal(again[-1], rows[-1])
    for wrong, error in ((dict(disk_cache_bytes=-1), turboquant.BadArgument), (dict(disk_cache_bytes=5), turboquant.BadArgument),
                         (dict(disk_cache=MODEL), turboquant.FileError)):
        with pytest.raises(error):
            turboquant.Engine(MODEL, **options | wrong)


def test_sampler_alone():
    logits = np.array([0.0, 3.0, 1.0], np.float32)
    assert turboquant.Sampler(temperature=0).sample(logits) == 1
    sampler = turboquant.Sampler(seed=3, temperature=1, top_k=0, top_p=1, min_p=0)
    copy = sampler.clone()
    drawn = [sampler.sample(logits) for _ in range(3000)]
    assert drawn == [copy.sample(logits) for _ in range(3000)]
    p = np.exp(logits) / np.exp(logits).sum()
    counts = np.bincount(drawn, minlength=3)
    assert np.all(np.abs(counts - 3000 * p) < 5 * np.sqrt(3000 * p * (1 - p)))


def test_threads_with_a_session_each(engine):
    tokens = engine.encode(PROMPT)
    expected = engine.create_session().sync(tokens)
    results = {}

    def work(name):
        results[name] = engine.create_session().sync(tokens)
    threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in range(3):
        np.testing.assert_array_equal(results[name], expected)


def test_objects_may_go_in_any_order():
    def make():
        engine = turboquant.Engine(MODEL, n_ctx=128, n_threads=1)
        return engine.create_session()
    session = make()  # its engine's name is gone
    assert session.sync([1, 2, 3]).shape == (49152,)
