"""spec/ref.py under the protocol of spec/conformance.md."""
import pathlib
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "spec"))
import ref  # noqa: E402

KINDS = ("f16", "q8_0", "q4_0", "turbo2", "turbo3", "turbo4", "turbo2q", "turbo3q", "turbo25", "turbo35")


def answer(op, kind, dim, slots, n_queries, read):
    def matrix(rows, columns):
        return np.frombuffer(read(4 * rows * columns), dtype="<f4").reshape(rows, columns)

    if op in ("rotate", "unrotate"):
        turn = ref.rotate_row if op == "rotate" else ref.unrotate_row
        return turn(kind, matrix(len(slots), dim)).astype("<f4").tobytes()
    if op == "encode":
        page = bytearray(ref.page_bytes(kind, dim))
        for slot, x in zip(slots, matrix(len(slots), dim)):
            ref.write_row(kind, page, slot, x)
        return bytes(page)
    page = read(ref.page_bytes(kind, dim))
    with np.errstate(all="ignore"):
        rows = np.stack([ref.decode_row(kind, ref.read_row(kind, page, slot, dim), dim) for slot in slots])
        if op == "decode":
            return rows.astype("<f4").tobytes()
        if op == "score":
            return (matrix(n_queries, dim).astype(np.float64) @ rows.T.astype(np.float64)).astype("<f4").tobytes()
        if op == "mix":
            weights = matrix(n_queries, len(slots)).astype(np.float64)
            wanted = np.any(weights != 0, axis=0)  # the others are not read
            return (weights[:, wanted] @ rows[wanted].astype(np.float64)).astype("<f4").tobytes()
    raise ValueError(op)


def main():
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while line := source.readline().split():
        op, kind = line[0].decode(), line[1].decode()
        dim, rows, step, n_queries = map(int, line[2:])
        slots = [i * step % ref.PAGE_TOKENS for i in range(rows)]
        if kind not in KINDS:
            sys.exit(f"ref_peer: unknown type {kind}")
        data = answer(op, kind, dim, slots, n_queries, source.read)
        sink.write(f"ok {len(data)}\n".encode() + data)
        sink.flush()


if __name__ == "__main__":
    main()
