#include "gguf/quant_group.h"

#include <bit>
#include <cstring>

#include "base/f16.h"

namespace tq {
namespace {

const std::uint8_t* bytes(const std::byte* p) { return reinterpret_cast<const std::uint8_t*>(p); }

float half_at(const std::uint8_t* p) {
  std::uint16_t h = 0;
  std::memcpy(&h, p, sizeof h);
  return f16_to_f32(h);
}

std::uint32_t u32_at(const std::uint8_t* p) {
  std::uint32_t v = 0;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// 16 bytes of nibbles: code c in the low half of byte c, code 16 + c in its high half.
void split_nibbles(const std::uint8_t* nibbles, QuantGroup& g) {
  for (std::size_t i = 0; i < 16; ++i) {
    g.codes[i] = nibbles[i] & 15;
    g.codes[16 + i] = nibbles[i] >> 4;
  }
}

// A fifth bit of each code, bit c of a word.
void add_fifth_bits(std::uint32_t high, QuantGroup& g) {
  for (std::size_t i = 0; i < kQuantGroup; ++i) g.codes[i] |= static_cast<std::uint8_t>((high >> i & 1) << 4);
}

// One scale, and perhaps a minimum, for the group.
void set_scale(float d, float minimum, QuantGroup& g) {
  g.d = d;
  g.d_min = minimum;
  g.scale = g.minimum = {1, 1};
}

// The factors of a K type's block, binary16 d and dmin.
void set_factors(const std::uint8_t* halves, QuantGroup& g) {
  g.d = half_at(halves);
  g.d_min = -half_at(halves + 2);
}

// Q4_0: half d; 16 bytes of nibbles. x = d * (q - 8), or d * book[q] for IQ4_NL.
void read_q4_0(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index * 18;
  set_scale(half_at(block), 0, g);
  split_nibbles(block + 2, g);
}

// Q4_1: half d, half m; 16 bytes of nibbles. x = d * q + m.
void read_q4_1(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index * 20;
  set_scale(half_at(block), half_at(block + 2), g);
  split_nibbles(block + 4, g);
}

// Q5_0: half d; 32 fifth bits; 16 bytes of nibbles. x = d * (q - 16).
void read_q5_0(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index * 22;
  set_scale(half_at(block), 0, g);
  split_nibbles(block + 6, g);
  add_fifth_bits(u32_at(block + 2), g);
}

// Q5_1: half d, half m; 32 fifth bits; 16 bytes of nibbles. x = d * q + m.
void read_q5_1(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index * 24;
  set_scale(half_at(block), half_at(block + 2), g);
  split_nibbles(block + 8, g);
  add_fifth_bits(u32_at(block + 4), g);
}

// Q8_0: half d; 32 signed bytes. x = d * q; the view's code is q + 128.
void read_q8_0(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index * 34;
  set_scale(half_at(block), 0, g);
  for (std::size_t i = 0; i < kQuantGroup; ++i) g.codes[i] = block[2 + i] ^ 0x80;
}

// Scale and minimum of group j of 8 in a block of 256, 6 bits each in 12 bytes: groups 0..3 have theirs in
// the low 6 bits of bytes j and 4 + j; groups 4..7 in the nibbles of byte 4 + j, topped by the high 2 bits of
// bytes j - 4 and j.
void scale_and_min(const std::uint8_t* packed, std::int64_t j, QuantGroup& g) {
  int scale = packed[j] & 63;
  int minimum = packed[4 + j] & 63;
  if (j >= 4) {
    scale = (packed[4 + j] & 15) | (packed[j - 4] >> 6) << 4;
    minimum = packed[4 + j] >> 4 | (packed[j] >> 6) << 4;
  }
  g.scale.fill(static_cast<std::int8_t>(scale));
  g.minimum.fill(static_cast<std::int8_t>(minimum));
}

// Group j of 8: 32 bytes hold groups 2i (low nibbles) and 2i + 1 (high nibbles).
void pick_nibbles(const std::uint8_t* nibbles, std::int64_t j, QuantGroup& g) {
  const std::uint8_t* pair = nibbles + j / 2 * 32;
  for (std::size_t i = 0; i < kQuantGroup; ++i) g.codes[i] = j % 2 == 0 ? pair[i] & 15 : pair[i] >> 4;
}

// Q4_K, 256 weights: half d, half dmin; 12 bytes of scales and minima; 128 bytes of nibbles.
// x = d * scale * q - dmin * minimum.
void read_q4_k(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index / 8 * 144;
  set_factors(block, g);
  scale_and_min(block + 4, index % 8, g);
  pick_nibbles(block + 16, index % 8, g);
}

// Q5_K: as Q4_K, with 32 bytes between scales and nibbles whose bit j is the fifth bit of group j.
void read_q5_k(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index / 8 * 176;
  const std::int64_t j = index % 8;
  set_factors(block, g);
  scale_and_min(block + 4, j, g);
  pick_nibbles(block + 48, j, g);
  for (std::size_t i = 0; i < kQuantGroup; ++i) {
    g.codes[i] |= static_cast<std::uint8_t>((block[16 + i] >> j & 1) << 4);
  }
}

// Q6_K, 256 weights: 128 bytes of low nibbles; 64 bytes of two high bits; 16 signed scales; half d.
// x = d * scale * (q - 32). Each half of 128 weights is four groups: nibble bytes 0..31 are groups 0 (low)
// and 2 (high), bytes 32..63 groups 1 and 3; bits 2j, 2j + 1 of the 32 high bytes belong to group j.
void read_q6_k(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index / 8 * 210;
  const std::int64_t half = index % 8 / 4;
  const std::int64_t j = index % 4;
  const std::uint8_t* low = block + half * 64 + j % 2 * 32;
  const std::uint8_t* high = block + 128 + half * 32;
  for (std::size_t i = 0; i < kQuantGroup; ++i) {
    const int nibble = j < 2 ? low[i] & 15 : low[i] >> 4;
    g.codes[i] = static_cast<std::uint8_t>(nibble | (high[i] >> 2 * j & 3) << 4);
  }
  set_scale(half_at(block + 208), 0, g);
  for (std::size_t k = 0; k < 2; ++k) {
    g.scale[k] = static_cast<std::int8_t>(block[192 + half * 8 + j * 2 + static_cast<std::int64_t>(k)]);
  }
}

// Two bits of each code. A half of 128 weights is four groups in 32 bytes: bits 2j, 2j + 1 belong to group j.
void pick_pairs(const std::uint8_t* pairs, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* half = pairs + index % 8 / 4 * 32;
  for (std::size_t i = 0; i < kQuantGroup; ++i) g.codes[i] = half[i] >> 2 * (index % 4) & 3;
}

// Q2_K, 256 weights: 16 bytes, a scale in the low nibble and a minimum in the high one for each 16 weights;
// 64 bytes of pairs; half d, half dmin. x = d * scale * q - dmin * minimum.
void read_q2_k(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index / 8 * 84;
  set_factors(block + 80, g);
  for (std::size_t k = 0; k < 2; ++k) {
    const std::uint8_t both = block[index % 8 * 2 + static_cast<std::int64_t>(k)];
    g.scale[k] = static_cast<std::int8_t>(both & 15);
    g.minimum[k] = static_cast<std::int8_t>(both >> 4);
  }
  pick_pairs(block + 16, index, g);
}

// Q3_K, 256 weights: 32 bytes whose bit j is the third bit of group j; 64 bytes of pairs; 16 scales of 6 bits
// in 12 bytes, scale s in nibble s / 8 of byte s % 8, topped by bits 2 (s / 4), 2 (s / 4) + 1 of byte
// 8 + s % 4; half d. x = d * (scale - 32) * (q - 4).
void read_q3_k(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index / 8 * 110;
  const std::int64_t j = index % 8;
  set_scale(half_at(block + 108), 0, g);
  const std::uint8_t* packed = block + 96;
  for (std::size_t k = 0; k < 2; ++k) {
    const std::int64_t s = 2 * j + static_cast<std::int64_t>(k);
    const int low = packed[s % 8] >> 4 * (s / 8) & 15;
    const int high = packed[8 + s % 4] >> 2 * (s / 4) & 3;
    g.scale[k] = static_cast<std::int8_t>((low | high << 4) - 32);
  }
  pick_pairs(block + 32, j, g);
  for (std::size_t i = 0; i < kQuantGroup; ++i) {
    g.codes[i] |= static_cast<std::uint8_t>((block[i] >> j & 1) << 2);
  }
}

// IQ4_XS, 256 weights: half d; the high 2 bits of 8 scales; their low nibbles in 4 bytes; 128 bytes of
// nibbles, 16 a group. x = d * (scale - 32) * book[q].
void read_iq4_xs(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index / 8 * 136;
  const std::int64_t j = index % 8;
  set_scale(half_at(block), 0, g);
  const int low = block[4 + j / 2] >> 4 * (j % 2) & 15;
  const int high = block[2 + j / 4] >> 2 * (j % 4) & 3;
  g.scale.fill(static_cast<std::int8_t>((low | high << 4) - 32));
  split_nibbles(block + 8 + 16 * j, g);
}

// MXFP4: a byte e, for a scale of 2^(e - 128), half of the format's since the book is doubled; 16 bytes of
// nibbles. x = d * book[q].
void read_mxfp4(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index * 17;
  const std::uint32_t e = block[0];
  const std::uint32_t bits = e < 2 ? std::uint32_t{0x00200000} << e : (e - 1) << 23;  // e < 2: subnormal
  set_scale(std::bit_cast<float>(bits), 0, g);
  split_nibbles(block + 1, g);
}

struct Entry {
  GgmlType type;
  QuantReader reader;
};

constexpr std::array kReaders = {
    Entry{GgmlType::kQ4_0, {{8, false, nullptr}, read_q4_0}},
    Entry{GgmlType::kQ4_1, {{0, true, nullptr}, read_q4_1}},
    Entry{GgmlType::kQ5_0, {{16, false, nullptr}, read_q5_0}},
    Entry{GgmlType::kQ5_1, {{0, true, nullptr}, read_q5_1}},
    Entry{GgmlType::kQ8_0, {{128, false, nullptr}, read_q8_0}},
    Entry{GgmlType::kQ2_K, {{0, true, nullptr}, read_q2_k}},
    Entry{GgmlType::kQ3_K, {{4, false, nullptr}, read_q3_k}},
    Entry{GgmlType::kQ4_K, {{0, true, nullptr}, read_q4_k}},
    Entry{GgmlType::kQ5_K, {{0, true, nullptr}, read_q5_k}},
    Entry{GgmlType::kQ6_K, {{32, false, nullptr}, read_q6_k}},
    Entry{GgmlType::kIQ4_NL, {{0, false, &kIq4Book}, read_q4_0}},
    Entry{GgmlType::kIQ4_XS, {{0, false, &kIq4Book}, read_iq4_xs}},
    Entry{GgmlType::kMXFP4, {{0, false, &kMxfp4Book}, read_mxfp4}},
};

}  // namespace

const QuantReader* quant_reader(GgmlType type) {
  for (const Entry& entry : kReaders) {
    if (entry.type == type) return &entry.reader;
  }
  return nullptr;
}

}  // namespace tq
