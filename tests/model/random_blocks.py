"""Weights of any type made of random bytes, for types that the gguf package reads but cannot make and for models too large
to quantise: codes are random bits, and scales are chosen so that every group has a mean of about 0 and a spread of about
1 / sqrt(n_in)."""
import gguf
import numpy as np

Type = gguf.GGMLQuantizationType


def spread_of(codes):
    return float(np.std(codes))


# A type's blocks: where the scale (and the scale of the minima) lies, the spread of a weight in units of it, and the
# minimum's scale in units of it where there is one. Sub-scales are drawn below; their mean square is part of the spread.
NIBBLES = np.arange(16) - 7.5
E8M0 = "e8m0"


def six_bit_scales(random, blocks, at):
    """8 scales, and minima equal to them, of 6 bits each: with dmin = mean code * d every group has mean 0."""
    s = random.integers(32, 64, (len(blocks), 8), np.uint8)
    blocks[:, at:at + 4] = s[:, :4] | (s[:, 4:] >> 4) << 6
    blocks[:, at + 4:at + 8] = blocks[:, at:at + 4]
    blocks[:, at + 8:at + 12] = (s[:, 4:] & 15) | (s[:, 4:] & 15) << 4


def two_bit_scales(random, blocks, at):
    s = random.integers(8, 16, (len(blocks), 16), np.uint8)
    blocks[:, at:at + 16] = s | s << 4


MEAN_SQUARE_6 = float(np.sqrt(np.mean(np.arange(32, 64)**2)))
MEAN_SQUARE_4 = float(np.sqrt(np.mean(np.arange(8, 16)**2)))
SIGNED_6 = float(np.sqrt(np.mean(np.arange(-32, 32)**2)))
SIGNED_8 = float(np.sqrt(np.mean(np.arange(-128, 128)**2)))
IQ4 = spread_of(gguf.quants.IQ4_NL.kvalues)

# type: (offset of d, spread / d, (offset of dmin, dmin / d) or None, fills the sub-scales)
BLOCKS = {
    Type.Q4_0: (0, spread_of(NIBBLES), None, None),
    Type.Q4_1: (0, spread_of(NIBBLES), (2, -7.5), None),
    Type.Q5_0: (0, spread_of(np.arange(32)), None, None),
    Type.Q5_1: (0, spread_of(np.arange(32)), (2, -15.5), None),
    Type.Q8_0: (0, spread_of(np.arange(256)), None, None),
    Type.Q2_K: (80, 1.118 * MEAN_SQUARE_4, (82, 1.5), lambda r, b: two_bit_scales(r, b, 0)),
    Type.Q3_K: (108, spread_of(np.arange(8)) * SIGNED_6, None, None),
    Type.Q4_K: (0, spread_of(NIBBLES) * MEAN_SQUARE_6, (2, 7.5), lambda r, b: six_bit_scales(r, b, 4)),
    Type.Q5_K: (0, spread_of(np.arange(32)) * MEAN_SQUARE_6, (2, 15.5), lambda r, b: six_bit_scales(r, b, 4)),
    Type.Q6_K: (208, spread_of(np.arange(64)) * SIGNED_8, None, None),
    Type.IQ4_NL: (0, IQ4, None, None),
    Type.IQ4_XS: (0, IQ4 * SIGNED_6, None, None),
    Type.MXFP4: (E8M0, spread_of(gguf.quants.MXFP4.kvalues), None, None),
}


def random_rows(qtype, n_out, n_in, random):
    """[n_out, bytes of a row] of random blocks, or values where the type is not quantised."""
    target = 1.0 / np.sqrt(n_in)
    if qtype in (Type.F32, Type.F16, Type.BF16):
        values = random.normal(0, target, (n_out, n_in)).astype(np.float32)
        return values if qtype == Type.F32 else gguf.quants.quantize(values, qtype)
    block_size, block_bytes = gguf.GGML_QUANT_SIZES[qtype]
    at, spread, minimum, fill = BLOCKS[qtype]
    n = n_out * n_in // block_size
    blocks = np.frombuffer(bytearray(random.bytes(n * block_bytes)), np.uint8).reshape(n, block_bytes)
    d = target / spread
    if fill:
        fill(random, blocks)
    if at == E8M0:  # the exponent of half the scale of the doubled code book, so one more
        blocks[:, 0] = round(np.log2(d)) + 128
    else:
        blocks[:, at:at + 2] = np.array([d], np.float16).view(np.uint8)
    if minimum:
        blocks[:, minimum[0]:minimum[0] + 2] = np.array([minimum[1] * d], np.float16).view(np.uint8)
    return blocks.reshape(n_out, -1)
