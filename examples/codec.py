"""What each cache type does to Gaussian rows: bytes, distortion, and error of attention computed on the bytes.

    python examples/codec.py
"""
import numpy as np

import turboquant

# [codec]
rows = np.random.default_rng(1).standard_normal((1000, 128), dtype=np.float32)
query = np.random.default_rng(2).standard_normal((1, 128), dtype=np.float32)

print("type      bytes a row   distortion   error of q.k")
for name in turboquant.kv_types():
    codec = turboquant.Codec(name, head_dim=128)
    pages = codec.encode(rows)
    decoded = codec.decode(pages, len(rows))
    distortion = np.mean((rows - decoded) ** 2) / np.mean(rows**2)
    scores = codec.score(pages, query, len(rows))  # straight from the bytes
    error = np.std(scores - query @ rows.T) / np.linalg.norm(query)
    print(f"{name:9} {codec.row_bytes:11} {distortion:12.6f} {error:14.6f}")
# [codec]
