"""Continues a text, greedily, over the Python interface.

    python examples/completion.py model.gguf "Once upon a time" [tokens]
"""
import sys

import turboquant

if len(sys.argv) < 3:
    sys.exit(__doc__)
model, prompt, n_tokens = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 32

# [completion]
engine = turboquant.Engine(model, n_ctx=2048, type_k="q8_0", type_v="turbo4")
session = engine.create_session()
sampler = engine.create_sampler(temperature=0)
tokens = engine.encode(prompt, add_bos=True)
for piece in session.generate(tokens, sampler, max_tokens=n_tokens):
    print(piece.text, end="", flush=True)
print()
# [completion]
