"""Our sampler behind pipes (TQ_SAMPLER), and llama.cpp's samplers by ctypes over the C interface of llama.h."""
import ctypes as c
import json
import os
import subprocess

import numpy as np
import pytest

NAN = float("nan")


class Ours:
    def __init__(self, *arguments):
        program = os.environ.get("TQ_SAMPLER", "")
        if not os.path.exists(program):
            pytest.skip("TQ_SAMPLER names no program")
        self.process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, op, **request):
        self.process.stdin.write(json.dumps({"op": op, **request}).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def weigh(self, logits, history=(), **options):
        """{token: probability} of what is left to draw from."""
        pairs = self.ask("weigh", logits=[float(x) for x in logits], history=list(map(int, history)), options=options)
        return dict(map(tuple, pairs))


class _Data(c.Structure):
    _fields_ = [("id", c.c_int32), ("logit", c.c_float), ("p", c.c_float)]


class _Array(c.Structure):
    _fields_ = [("data", c.POINTER(_Data)), ("size", c.c_size_t), ("selected", c.c_int64), ("sorted", c.c_bool)]


class _Bias(c.Structure):
    _fields_ = [("token", c.c_int32), ("bias", c.c_float)]


class LlamaSamplers:
    """One stage after the other, on the candidates that the one before left."""

    def __init__(self, model):
        pytest.importorskip("xllamacpp")
        from llama_peer import LlamaVocab
        self.vocab = LlamaVocab(model)
        self.lib = self.vocab.lib
        i, u, f, p, n = c.c_int32, c.c_uint32, c.c_float, c.c_void_p, c.c_size_t
        arguments = {"logit_bias": [i, i, c.POINTER(_Bias)], "penalties": [i, i, f, f, f],
                     "dry": [p, f, f, i, i, c.POINTER(c.c_char_p), n], "top_n_sigma": [f], "top_k": [i],
                     "typical": [f, n], "top_p": [f, n], "min_p": [f, n], "xtc": [f, f, n, u], "temp_ext": [f, f, f],
                     "mirostat_v2": [u, f, f], "grammar": [p, c.c_char_p, c.c_char_p]}
        for name, types in arguments.items():
            init = getattr(self.lib, "llama_sampler_init_" + name)
            init.restype, init.argtypes = p, types
        for name, types in {"accept": [p, i], "apply": [p, c.POINTER(_Array)], "free": [p], "reset": [p]}.items():
            function = getattr(self.lib, "llama_sampler_" + name)
            function.restype, function.argtypes = None, types

    def make(self, name, *arguments):
        return getattr(self.lib, "llama_sampler_init_" + name)(*arguments)

    def candidates(self, logits):
        data = (_Data * len(logits))()
        for token, logit in enumerate(logits):
            data[token] = _Data(token, logit, 0.0)
        array = _Array(data, len(logits), -1, False)
        return array, data  # the data must outlive the array

    def apply(self, array, name, *arguments, history=()):
        sampler = self.make(name, *arguments)
        for token in history:
            self.lib.llama_sampler_accept(sampler, int(token))
        self.lib.llama_sampler_apply(sampler, c.byref(array))
        self.lib.llama_sampler_free(sampler)

    @staticmethod
    def distribution(array):
        """{token: probability}, by a softmax in double of the logits that are left."""
        left = [(array.data[i].id, array.data[i].logit) for i in range(array.size)]
        left = [(token, logit) for token, logit in left if logit > -np.inf]
        logits = np.array([logit for _, logit in left], np.float64)
        weights = np.exp(logits - logits.max())
        return dict(zip((token for token, _ in left), weights / weights.sum()))

    def chain(self, logits, history, o):
        """llama.cpp's default chain with our option names."""
        array, data = self.candidates(logits)
        bias = o.get("logit_bias", [])
        self.apply(array, "logit_bias", len(logits), len(bias), (_Bias * len(bias))(*(_Bias(*b) for b in bias)))
        self.apply(array, "penalties", len(logits), o.get("penalty_last_n", 64), o.get("repeat_penalty", 1.0),
                   o.get("frequency_penalty", 0.0), o.get("presence_penalty", 0.0), history=history)
        if o.get("dry_multiplier", 0.0):
            breakers = [b.encode() for b in o.get("dry_sequence_breakers", ["\n", ":", '"', "*"])]
            self.apply(array, "dry", self.vocab.vocab, o["dry_multiplier"], o.get("dry_base", 1.75),
                       o.get("dry_allowed_length", 2), o.get("dry_penalty_last_n", 4096),
                       (c.c_char_p * len(breakers))(*breakers), len(breakers), history=history)
        self.apply(array, "top_n_sigma", o.get("top_n_sigma", -1.0))
        self.apply(array, "top_k", o["top_k"])
        self.apply(array, "typical", o.get("typical_p", 1.0), 0)
        self.apply(array, "top_p", o["top_p"], 0)
        self.apply(array, "min_p", o["min_p"], 0)
        self.apply(array, "xtc", o.get("xtc_probability", 0.0), o.get("xtc_threshold", 0.1), 0, 1)
        self.apply(array, "temp_ext", o["temperature"], o.get("dynamic_temperature_range", 0.0),
                   o.get("dynamic_temperature_exponent", 1.0))
        return self.distribution(array)
