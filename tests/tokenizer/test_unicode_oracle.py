"""Every code point's category against llama.cpp's, seen through how a tiny vocabulary splits it from its neighbours.

The vocabulary merges a character's last byte with "a", "1", "!" or "\\n", and "a" or " " with its first byte: whether a
merge happens tells whether the pre-tokenizer put the two into one word. A newer PCRE2 than the one our table of
stand-ins (src/tokenizer/pre_tokenizer.cc) was made for may know later characters; this test then prints them.
"""

import os

import pytest

import tokenizer_client as ours
from llama_oracle import Llama, byte_text, write_vocab

PRES = ["gpt-2", "deepseek-v3"]  # between them they ask for every category
if os.environ.get("TQ_SLOW_TESTS"):
    PRES += ["default", "deepseek-llm", "deepseek-coder", "gpt-4o"]
CODES = [c for c in range(0x80, 0x110000) if not 0xD800 <= c < 0xE000]
BLOCK = 4000


@pytest.fixture(scope="module")
def make_vocab(tmp_path_factory):
    pairs = [bytes([b, c]) for c in b"a1!\n" for b in range(0x80, 0xC0)]
    pairs += [bytes([c, b]) for c in b"a " for b in range(0xC2, 0xF5)]
    tokens = [byte_text(bytes([b])) for b in range(256)] + [byte_text(p) for p in pairs]
    merges = [f"{byte_text(p[:1])} {byte_text(p[1:])}" for p in pairs]
    folder = tmp_path_factory.mktemp("vocab")
    return lambda pre: write_vocab(folder / f"{pre}.gguf", pre, tokens, [1] * len(tokens), merges)


def blocks():
    """Texts that put every code point beside each kind of neighbour."""
    for start in range(0, len(CODES), BLOCK):
        codes = CODES[start : start + BLOCK]
        for before, after in (("", "a"), ("", "1"), ("", "!"), ("", "\n"), ("a", ""), (" ", "")):
            yield codes, before, after, "".join(f"{before}{chr(c)}{after}\n" for c in codes).encode()


@pytest.mark.parametrize("pre", PRES)
def test_every_code_point(pre, make_vocab):
    path = make_vocab(pre)
    oracle = Llama(path)
    cases = list(blocks())
    wrong = set()
    for (codes, before, after, text), (ids, _) in zip(cases, ours.encode_all(path, [c[3] for c in cases], False)):
        if ids == oracle.encode(text, False):
            continue
        for code in codes:  # find the ones to blame
            single = f"{before}{chr(code)}{after}\n".encode()
            if ours_single(path, single) != oracle.encode(single, False):
                wrong.add(code)
    oracle.close()
    assert not wrong, f"{len(wrong)} code points differ: {', '.join(f'{c:04X}' for c in sorted(wrong)[:200])}"


def ours_single(path, text):
    return ours.encode_all(path, [text], False)[0][0]
