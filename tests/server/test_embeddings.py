"""Embeddings beside llama.cpp's, and through the official openai client."""
import struct

import numpy as np
import openai
import pytest

from llama_peer import LlamaPeer
from serving import MODEL, Server, client  # noqa: F401, a fixture

TEXTS = ["The cat sat on the mat.", "A kitten was lying on the rug.", "The central bank raised interest rates again.",
         "Rust prevents data races.", "x", "Describe the sea at night. " * 40]


def with_mean_pooling(path, target):
    """The same model, whose file asks for the mean: 64 bytes of metadata in front leave the tensors aligned."""
    def string(text):
        return struct.pack("<Q", len(text)) + text.encode()
    more = string("llama.pooling_type") + struct.pack("<II", 4, 1) + string("test.x") + struct.pack("<I", 8) + string("fill")
    assert len(more) == 64
    with open(path, "rb") as file:
        data = file.read()
    n_keys = struct.unpack_from("<Q", data, 16)[0]
    target.write_bytes(data[:16] + struct.pack("<Q", n_keys + 2) + more + data[24:])
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("embeddings")
    (path / "last.gguf").symlink_to(MODEL)
    with_mean_pooling(MODEL, path / "mean.gguf")
    return path


@pytest.fixture(scope="module")
def server(folder):
    with Server("--model-dir", str(folder), command=("serve",)) as running:
        yield running


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_they_are_llama_cpps(client, folder, pooling):
    peer = LlamaPeer(folder / f"{pooling}.gguf", pooling=pooling)
    theirs = np.stack([peer.embedding(peer.tokenize(text)) for text in TEXTS])
    peer.close()
    ours = np.array([item.embedding for item in client.embeddings.create(model=pooling, input=TEXTS).data])
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    between = np.linalg.norm(ours - theirs, axis=1)
    apart = np.linalg.norm(theirs[:, None] - theirs[None], axis=2)[~np.eye(len(TEXTS), dtype=bool)].min()
    print(f"embeddings, {pooling}: {between.max():.4f} from llama.cpp's at most; two texts are {apart:.4f} apart at least")
    # Both round activations to 8 bits, in groups of 32: errors of about a hundredth of a vector's length a layer,
    # which do not add up along the residual stream. Another text, another pooling, or a missing norm are farther away.
    assert between.max() < 0.1 and between.max() < apart / 3


def test_the_two_poolings_differ(client):
    last, mean = (np.array(client.embeddings.create(model=model, input=TEXTS[0]).data[0].embedding)
                  for model in ("last", "mean"))
    assert np.linalg.norm(last - mean) > 0.2


def test_forms(client):
    # The official client asks for base64 unless told otherwise.
    plain = client.embeddings.create(model="last", input=TEXTS[:2], encoding_format="float")
    packed = client.embeddings.create(model="last", input=TEXTS[:2])
    assert [item.embedding for item in plain.data] == [item.embedding for item in packed.data]
    assert plain.usage.prompt_tokens == packed.usage.total_tokens > 0
    short = client.embeddings.create(model="last", input=TEXTS[0], dimensions=16).data[0].embedding
    assert len(short) == 16 and np.isclose(np.linalg.norm(short), 1, atol=1e-5)
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="last", input="word " * 3000)
    assert caught.value.code == "context_length_exceeded"
    for wrong in ("", [[-1]], [3.5]):
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model="last", input=wrong)
