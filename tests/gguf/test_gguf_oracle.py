"""The reader and the dequantisers against the Python package gguf: on the real model, and on files that it writes."""

import ctypes
import json
import os
import struct
import subprocess

import pytest

np = pytest.importorskip("numpy")
gguf = pytest.importorskip("gguf")

Type = gguf.GGMLQuantizationType
Value = gguf.GGUFValueType

# What we dequantise, and where binary16 scales lie in a block.
SCALES_F16 = {Type.F32: (), Type.F16: (), Type.BF16: (), Type.Q4_0: (0,), Type.Q4_1: (0, 2), Type.Q5_0: (0,), Type.Q5_1: (0, 2),
              Type.Q8_0: (0,), Type.Q2_K: (80, 82), Type.Q3_K: (108,), Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,),
              Type.IQ4_NL: (0,), Type.IQ4_XS: (0,), Type.MXFP4: ()}
QUANTISED_BY_GGUF = [Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.MXFP4]
# ggml keeps these between kernels; no file holds them.
NEVER_IN_FILES = {Type.Q8_1, Type.Q8_K}


@pytest.fixture(scope="module")
def dump():
    """dump(path, *arguments): what gguf_dump writes."""
    program = os.environ.get("TQ_GGUF_DUMP")
    if not program:
        pytest.skip("TQ_GGUF_DUMP does not name the program gguf_dump")

    def run(path, *arguments):
        return subprocess.run([program, str(path), *arguments], stdout=subprocess.PIPE, check=True).stdout

    run.program = program
    return run


@pytest.fixture(scope="module")
def model():
    path = os.environ.get("TQ_MODEL")
    if not path or not os.path.exists(path):
        pytest.skip("TQ_MODEL does not name SmolLM2-135M-Instruct.Q4_1.gguf")
    return path


def kind(value_type):
    """Our type of a GGUF type."""
    if value_type == Value.STRING:
        return "string"
    if value_type == Value.BOOL:
        return "bool"
    return "float" if value_type in (Value.FLOAT32, Value.FLOAT64) else "int"


def metadata_of(path):
    """[[key, [kind, value]]] as gguf_dump says it, read by gguf."""
    listed = []
    for key, field in gguf.GGUFReader(str(path)).fields.items():
        if key.startswith("GGUF."):
            continue
        strings = [bytes(field.parts[i]).hex() for i in field.data] if field.types[-1] == Value.STRING else None
        if field.types[0] == Value.ARRAY:
            listed.append([key, [kind(field.types[-1]) + "s", strings if strings is not None else field.contents()]])
        else:
            listed.append([key, [kind(field.types[0]), strings[0] if strings else field.contents()]])
    return listed


def check_infos(dump, path):
    """Metadata, tensor infos and every tensor's bytes are gguf's; returns its reader."""
    ours = json.loads(dump(path))
    theirs = gguf.GGUFReader(str(path))
    assert ours["metadata"] == metadata_of(path)
    assert ours["tensors"] == [{"name": t.name, "type": t.tensor_type.name, "shape": t.shape.tolist(),
                                "elements": int(t.n_elements), "bytes": int(t.n_bytes)} for t in theirs.tensors]
    names = [t.name for t in theirs.tensors]
    assert dump(path, "data", *names) == b"".join(t.data.tobytes() for t in theirs.tensors)
    return theirs


def check_values(dump, path, tensor):
    """Dequantised values are equal bit for bit; NaNs may differ in payload."""
    ours = np.frombuffer(dump(path, "values", tensor.name), np.float32)
    with np.errstate(all="ignore"):
        theirs = gguf.quants.dequantize(tensor.data, tensor.tensor_type).ravel()
    assert ours.shape == theirs.shape
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    same = (ours.view(np.uint32) == theirs.view(np.uint32)) | np.isnan(ours)
    first = int(np.argmin(same))
    assert same.all(), f"{(~same).sum()} of {same.size} differ; value {first} is {ours[first]!r}, should be {theirs[first]!r}"
    return same.size


def write(path, tensors, metadata=lambda writer: None):
    """tensors: (name, array, type or None for the array's own)."""
    writer = gguf.GGUFWriter(str(path), "llama")
    metadata(writer)
    for name, data, raw_type in tensors:
        writer.add_tensor(name, data, raw_dtype=raw_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_real_model_infos(dump, model):
    reader = check_infos(dump, model)
    print(f"{len(reader.fields)} fields, {len(reader.tensors)} tensors, {sum(int(t.n_bytes) for t in reader.tensors)} bytes equal")


def test_real_model_values(dump, model):
    reader = gguf.GGUFReader(model)
    seen = {}
    for tensor in reader.tensors:  # two tensors of each type
        if seen.setdefault(tensor.tensor_type, 0) < 2:
            seen[tensor.tensor_type] += 1
            check_values(dump, model, tensor)
    assert seen
    print("types:", ", ".join(t.name for t in seen))


def random_blocks(qtype, rng, n_rows, blocks_a_row):
    """Rows of random bytes; scales are finite and of every size from subnormal to large, of both signs."""
    _, block_bytes = gguf.GGML_QUANT_SIZES[qtype]
    blocks = rng.integers(0, 256, (n_rows * blocks_a_row, block_bytes), np.uint8)
    for at in SCALES_F16[qtype]:
        scales = rng.normal(size=len(blocks)) * 10.0 ** rng.uniform(-7, 3, len(blocks))
        scales[::17] = 0
        blocks[:, at:at + 2] = scales.astype(np.float16).view(np.uint8).reshape(-1, 2)
    return blocks.reshape(n_rows, blocks_a_row * block_bytes)


@pytest.mark.parametrize("qtype", SCALES_F16, ids=lambda t: t.name)
def test_random_bytes(dump, tmp_path, qtype):
    rng = np.random.default_rng(int(qtype))
    tensors = [(f"t{rows}x{blocks}", random_blocks(qtype, rng, rows, blocks), qtype)
               for rows, blocks in [(1, 1), (3, 1), (2, 5), (257, 8)]]
    path = write(tmp_path / "blocks.gguf", tensors)
    n = sum(check_values(dump, path, t) for t in check_infos(dump, path).tensors)
    print(f"{qtype.name}: {n} values equal")


def test_every_binary16_and_bfloat16(dump, tmp_path):
    patterns = np.arange(65536, dtype=np.uint16)
    path = write(tmp_path / "halves.gguf", [("f16", patterns.view(np.uint8), Type.F16), ("bf16", patterns.view(np.uint8), Type.BF16)])
    for tensor in gguf.GGUFReader(str(path)).tensors:
        assert check_values(dump, path, tensor) == 65536


@pytest.mark.parametrize("qtype", QUANTISED_BY_GGUF, ids=lambda t: t.name)
def test_quantised_gaussians(dump, tmp_path, qtype):
    x = np.random.default_rng(1).normal(size=(64, 512)).astype(np.float32)
    x[3] = 0
    path = write(tmp_path / "gauss.gguf", [("w", gguf.quants.quantize(x, qtype), qtype)])
    tensor, = check_infos(dump, path).tensors
    check_values(dump, path, tensor)


# Types that gguf cannot make, as ggml calls them.
QUANTISED_BY_GGML = {Type.Q2_K: "q2_K", Type.Q3_K: "q3_K", Type.Q4_K: "q4_K", Type.Q5_K: "q5_K", Type.Q6_K: "q6_K",
                     Type.IQ4_NL: "iq4_nl", Type.IQ4_XS: "iq4_xs", Type.MXFP4: "mxfp4"}


@pytest.fixture(scope="module")
def ggml():
    llama_peer = pytest.importorskip("llama_peer")
    return ctypes.CDLL(str(llama_peer.find_library(["xllamacpp"])[2]))


@pytest.mark.parametrize("qtype", QUANTISED_BY_GGML, ids=lambda t: t.name)
def test_gaussians_quantised_by_ggml(dump, tmp_path, ggml, qtype):
    """What llama.cpp's quantiser makes of Gaussians; its dequantiser, gguf's and ours agree on every bit."""
    x = np.random.default_rng(2).normal(size=(16, 1024)).astype(np.float32)
    block_size, block_bytes = gguf.GGML_QUANT_SIZES[qtype]
    data = np.zeros((16, 1024 // block_size * block_bytes), np.uint8)
    pointer = ctypes.c_void_p
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    n = ggml.ggml_quantize_chunk(int(qtype), x.ctypes.data_as(pointer), data.ctypes.data_as(pointer), ctypes.c_int64(0),
                                 ctypes.c_int64(16), ctypes.c_int64(1024), None)
    assert n == data.size
    theirs = np.zeros_like(x)
    getattr(ggml, "dequantize_row_" + QUANTISED_BY_GGML[qtype])(data.ctypes.data_as(pointer), theirs.ctypes.data_as(pointer),
                                                              ctypes.c_int64(x.size))
    assert np.sqrt(np.mean((theirs - x)**2)) < 0.4  # it is x, as well as 2 bits can say
    path = write(tmp_path / "gauss.gguf", [("w", data, qtype)])
    tensor, = check_infos(dump, path).tensors
    check_values(dump, path, tensor)
    ours = np.frombuffer(dump(path, "values", "w"), np.uint32)
    assert np.array_equal(ours, theirs.view(np.uint32).ravel())


@pytest.mark.parametrize("qtype", list(Type), ids=lambda t: t.name)
def test_sizes_of_every_type(dump, tmp_path, qtype):
    block, block_bytes = gguf.GGML_QUANT_SIZES[qtype]
    data = np.arange(6 * block_bytes, dtype=np.uint8).reshape(3, -1)
    path = write(tmp_path / "type.gguf", [("t", data, qtype)])
    if qtype in NEVER_IN_FILES:
        done = subprocess.run([dump.program, str(path)], capture_output=True, text=True)
        assert done.returncode == 1 and f"element type {int(qtype)}, which this program does not know" in done.stderr
        return
    tensor, = check_infos(dump, path).tensors
    assert tensor.n_elements == 6 * block


def all_value_types(writer):
    writer.add_uint8("a.u8", 255)
    writer.add_int8("a.i8", -128)
    writer.add_uint16("a.u16", 65535)
    writer.add_int16("a.i16", -32768)
    writer.add_uint32("a.u32", 2**32 - 1)
    writer.add_int32("a.i32", -(2**31))
    writer.add_uint64("a.u64", 2**63 - 1)
    writer.add_int64("a.i64", -(2**63))
    writer.add_float32("a.f32", 0.1)
    writer.add_float64("a.f64", 0.1)
    writer.add_bool("a.yes", True)
    writer.add_bool("a.no", False)
    writer.add_string("a.text", "Stra\u00dfe \U0001F642 \x00\x1b[0m")
    writer.add_array("b.ints", [1, -2, 3])
    writer.add_array("b.floats", [0.5, -1e-30, 3e38])
    writer.add_array("b.bools", [True, False, True])
    writer.add_array("b.texts", ["x", "y" * 1000, "\u00e9"])


def f32_tensors():
    return [(f"t{n}", np.arange(n, dtype=np.float32), None) for n in (1, 7, 32, 33)]


@pytest.mark.parametrize("alignment", [None, 8, 64, 4096])
@pytest.mark.parametrize("version", [2, 3])
def test_metadata_alignment_and_version(dump, tmp_path, alignment, version):
    def metadata(writer):
        all_value_types(writer)
        if alignment:
            writer.add_custom_alignment(alignment)

    path = write(tmp_path / "meta.gguf", f32_tensors(), metadata)
    with open(path, "r+b") as file:  # gguf writes version 3; version 2 has the same layout
        file.seek(4)
        file.write(struct.pack("<I", version))
    check_infos(dump, path)
    assert json.loads(dump(path))["version"] == version


def test_big_endian_is_named(dump, tmp_path):
    writer = gguf.GGUFWriter(str(tmp_path / "big.gguf"), "llama", endianess=gguf.GGUFEndian.BIG)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    done = subprocess.run([dump.program, str(tmp_path / "big.gguf")], capture_output=True, text=True)
    assert done.returncode == 1 and "big-endian" in done.stderr
