"""Runs tokenize_main (path in TQ_TOKENIZE) over a batch of requests."""

import os
import struct
import subprocess

import pytest


def _string(data):
    return struct.pack("<I", len(data)) + data


class Answers:
    def __init__(self, data):
        self.data, self.at = data, 0

    def u32(self):
        (value,) = struct.unpack_from("<I", self.data, self.at)
        self.at += 4
        return value

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def string(self):
        size = self.u32()
        self.at += size
        return self.data[self.at - size : self.at]

    def ids(self):
        count = self.u32()
        values = struct.unpack_from(f"<{count}i", self.data, self.at)
        self.at += 4 * count
        return list(values)


def run(model, request):
    program = os.environ.get("TQ_TOKENIZE")
    if not program:
        pytest.skip("TQ_TOKENIZE does not name the program tokenize_main")
    done = subprocess.run([program, str(model)], input=request, stdout=subprocess.PIPE, check=True)
    return Answers(done.stdout)


def encode_all(model, texts, parse_special, add_special=False):
    """[(ids, decoded bytes)] for each of `texts` (bytes); add_special implies parse_special."""
    command = b"f" if add_special else b"s" if parse_special else b"p"
    answers = run(model, b"".join(command + _string(t) for t in texts))
    return [(answers.ids(), answers.string()) for _ in texts]


def encode_segments(model, prompts):
    """The same for prompts that are lists of (bytes, parsed?)."""
    request = b""
    for segments in prompts:
        request += b"g" + struct.pack("<I", len(segments))
        request += b"".join(bytes([parsed]) + _string(text) for text, parsed in segments)
    answers = run(model, request)
    return [(answers.ids(), answers.string()) for _ in prompts]


def vocabulary(model):
    """[(bytes with special tokens shown, bytes without, end of generation?)] by id."""
    answers = run(model, b"v")
    return [(answers.string(), answers.string(), bool(answers.byte())) for _ in range(answers.u32())]
