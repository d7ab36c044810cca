"""Runs the test-only program tq_eval (eval_main.cc): token ids in, logits out."""
import os
import subprocess
import tempfile

import numpy as np


def _command(verb, model, type_k, type_v, threads, options):
    words = [os.environ["TQ_EVAL"], verb, "--model", str(model or os.environ["TQ_MODEL"]), "--type-k", type_k,
             "--type-v", type_v, "--threads", str(threads)]
    for name, value in options.items():
        words += ["--" + name.replace("_", "-"), str(value)]
    return words


def stream_logits(tokens, model=None, type_k="f16", type_v="f16", threads=2, rows=64, **options):
    """Yields logits [<= rows, n_vocab], positions in order. options: n_ctx, chunk, layer_adaptive."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as errors:
        source.write(np.asarray(tokens, np.int32).tobytes())
        source.seek(0)
        process = subprocess.Popen(_command("logits", model, type_k, type_v, threads, options), stdin=source,
                                   stdout=subprocess.PIPE, stderr=errors, bufsize=1 << 20)
        with process:
            header = process.stdout.read(4)
            if len(header) == 4:
                n_vocab = int(np.frombuffer(header, np.int32)[0])
                for start in range(0, len(tokens), rows):
                    n = min(rows, len(tokens) - start)
                    data = process.stdout.read(n * n_vocab * 4)
                    if len(data) != n * n_vocab * 4:
                        break
                    yield np.frombuffer(data, np.float32).reshape(n, n_vocab)
        errors.seek(0)
        assert process.returncode == 0, errors.read().decode()


def logits(tokens, **options):
    return np.concatenate(list(stream_logits(tokens, **options)))


def greedy(prompt, n, model=None, type_k="f16", type_v="f16", threads=2, **options):
    """n greedy tokens after prompt, and the logits [n, n_vocab] each was chosen from."""
    run = subprocess.run(_command("greedy", model, type_k, type_v, threads, {"count": n, **options}), capture_output=True,
                         input=np.asarray(prompt, np.int32).tobytes())
    assert run.returncode == 0, run.stderr.decode()
    n_vocab = int(np.frombuffer(run.stdout[:4], np.int32)[0])
    rows = np.frombuffer(run.stdout[4:], np.float32).reshape(n, n_vocab)
    return [int(token) for token in rows.argmax(axis=-1)], rows
