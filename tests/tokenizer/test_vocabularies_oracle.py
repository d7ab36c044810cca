"""Our ids against llama.cpp's on the vocabularies that models ship, one a file (fetch_fixtures.py, scripts/lib.sh)."""

import pathlib

import pytest

import tokenizer_client as ours
from llama_oracle import Llama, smollm2_path
from test_tokenizer_oracle import above_unicode
from tokenizer_texts import SPECIALS, fixed_texts, random_texts

VENV = pathlib.Path(__file__).parent.parent.parent / ".venv"
FILES = sorted((VENV / "vocabularies").glob("*.gguf"))
MODELS = ["gemma-3-270m.Q4_K_M.gguf", "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf"]
PLAIN, PARSED, FRAMED = "plain", "parsed", "framed"


@pytest.fixture(scope="module", params=[str(path) for path in FILES] + MODELS, ids=lambda name: pathlib.Path(name).stem)
def path(request):
    path = pathlib.Path(smollm2_path()).parent / request.param  # an absolute path stays as it is
    if not path.exists():
        pytest.skip(f"no model {path}")
    return path


@pytest.fixture(scope="module")
def vocab(path):
    oracle = Llama(path)
    yield oracle
    oracle.close()


@pytest.fixture(scope="module")
def entries(path):
    return ours.vocabulary(path)


@pytest.fixture(scope="module")
def specials(vocab):
    """Texts of special tokens, as a chat would hold them."""
    found = [vocab.piece(token, True).decode() for token in range(vocab.size) if vocab.is_special(token)]
    return (found[:12] + found[-12:] + SPECIALS)[:28]


def test_vocabularies_are_there():
    if not FILES:
        pytest.skip("the models' vocabularies are not installed (tests/tokenizer/fetch_fixtures.py)")


@pytest.mark.parametrize("mode", [PLAIN, PARSED, FRAMED])
def test_ids(path, vocab, specials, mode):
    texts = fixed_texts(specials) + random_texts({PLAIN: 2500, PARSED: 2500, FRAMED: 300}[mode], mode, specials)
    texts = [text for text in texts if not above_unicode(text)]
    wrong, forged = [], 0
    for text, (ids, _) in zip(texts, ours.encode_all(path, texts, mode != PLAIN, mode == FRAMED)):
        expected = vocab.encode(text, mode != PLAIN, mode == FRAMED)
        if ids != expected:
            # llama.cpp makes control tokens of plain text where merging spells them; we never do.
            if mode == PLAIN and any(map(vocab.is_control, expected)):
                forged += 1
                continue
            wrong.append((text[:80], expected[:40], ids[:40]))
    print(f"{path.stem}: {len(texts)} strings, {mode}: {len(wrong)} mismatches, {forged} with forged control tokens")
    assert not wrong, f"{len(wrong)} of {len(texts)}; the first: {wrong[:3]}"


def test_vocabulary(vocab, entries):
    assert len(entries) == vocab.size
    wrong, outside = [], 0
    for token, entry in enumerate(entries):
        expected = vocab.piece(token, True), vocab.piece(token, False), vocab.is_eog(token)
        if b"[UNK_BYTE_0x" in expected[0]:  # a text outside GPT-2's alphabet; we print it as it is
            outside += 1
        elif entry != expected:
            wrong.append((token, entry, expected))
    print(f"{len(entries)} tokens: {len(wrong)} mismatches, {outside} outside the byte alphabet")
    assert not wrong, f"{len(wrong)} of {len(entries)}; the first: {wrong[:3]}"
