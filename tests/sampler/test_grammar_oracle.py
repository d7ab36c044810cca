"""Token masks against llama.cpp's grammars, over SmolLM2's whole vocabulary."""
import ctypes as c
import os

import numpy as np
import pytest

from oracle import LlamaSamplers, Ours

JSON = r'''
root ::= object
value ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
'''
CASES = {
    "json": (JSON, ["", "{", '{"', '{"a', '{"key": ', '{"key": "va', '{"k":"\\', '{"k":"\\u00', '{"k":[1', '{"k":[1.', '{"k":[true,{"x":-',
                    '{"k":"é', '{"k":"日本', '{"a":1}', '{"a":1} ', "[", '{"a" "']),
    "words": ('root ::= ("yes" | "no" | "maybe, " [a-z]+) [.!]?', ["", "y", "ye", "yes", "no.", "maybe", "maybe, so", "maybe, x!"]),
    "counted": (r'root ::= [a-z]{2,5} " " [0-9]{3} ("-" [A-F]{1,2}){0,2}', ["", "a", "abcde", "abc ", "abc 12", "abc 123", "abc 123-A"]),
    "unicode": ("root ::= [а-яё]+ \" \" [^a-z]* \"€\" .", ["", "п", "привет", "привет ", "привет Ж", "да €", "да €x"]),
    "nested": ('root ::= "(" root* ")" | "[" root? "]"', ["", "(", "(([", "()", "(()", "[(", "([])"]),
    "lines": (r'root ::= ("- " [^\n]+ "\n"){1,} "\n"?', ["", "- ", "- item", "- item\n", "- item\n\n", "- a\n- b"]),
    "comments": ("# first\nroot ::= a | # end\n  b\na ::= \"x\" # not \"y\"\nb ::= (\n \"z\" # in\n )", ["", "x", "z"]),
    "escapes": (r'root ::= "\"\\\t\x41\u00e9" [\]\-\\] "\U0001F98A"', ["", '"', '"\\\tA', '"\\\tAé', '"\\\tAé]', '"\\\tAé-🦊']),
}


@pytest.fixture(scope="module")
def ours():
    return Ours(os.environ["TQ_MODEL"])


@pytest.fixture(scope="module")
def llama():
    return LlamaSamplers(os.environ["TQ_MODEL"])


def llama_mask(llama, gbnf, prefix):
    """Tokens that llama.cpp allows after the prefix; None where it refuses the prefix."""
    sampler = llama.make("grammar", llama.vocab.vocab, gbnf.encode(), b"root")
    assert sampler, gbnf
    try:
        for token in [*llama.vocab.encode(prefix.encode(), False), None]:
            array, data = llama.candidates(np.zeros(llama.vocab.size, np.float32))
            llama.lib.llama_sampler_apply(sampler, c.byref(array))
            allowed = {array.data[i].id for i in range(array.size) if array.data[i].logit > -np.inf}
            if token is None:
                return allowed
            if token not in allowed:
                return None  # accepting it would end the process
            llama.lib.llama_sampler_accept(sampler, token)
    finally:
        llama.lib.llama_sampler_free(sampler)


@pytest.mark.parametrize("name", CASES)
def test_masks(ours, llama, name):
    gbnf, prefixes = CASES[name]
    masks = ours.ask("mask", gbnf=gbnf, prefixes=prefixes)
    assert isinstance(masks, list), masks
    # Control tokens have text there, such as "<|im_start|>"; here they are never a part of an answer.
    special = {t for t in range(llama.vocab.size)
               if not llama.vocab.is_eog(t) and not llama.vocab.piece(t, False) and llama.vocab.piece(t, True)}
    compared = 0
    for prefix, mask in zip(prefixes, masks):
        theirs = llama_mask(llama, gbnf, prefix)
        assert (mask is None) == (theirs is None), prefix
        if mask is None:
            continue
        assert special.isdisjoint(mask)
        mask = {t for t in mask if b"\0" not in llama.vocab.piece(t, False)}  # texts end there at a zero byte
        assert mask == theirs - special, (prefix, sorted(mask ^ (theirs - special))[:20])
        compared += len(mask) > 0
    assert compared >= 2


def test_broken_grammars_are_refused_by_both(ours, llama):
    for gbnf in ("root = \"a\"", "root ::= (\"a\"", "root ::= b", "root ::= root \"a\"", "root ::= \"\\q\"", "root ::= *",
                 "root ::= \"a\"{,2}"):
        assert "error" in ours.ask("matches", gbnf=gbnf, texts=[]), gbnf
        assert not llama.make("grammar", llama.vocab.vocab, gbnf.encode(), b"root"), gbnf
