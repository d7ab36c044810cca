#include "gguf/quant_group.h"

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

// Q4_0: half d; 16 bytes of nibbles. x = d * (q - 8).
void read_q4_0(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index * 18;
  g.scales.fill(half_at(block));
  g.minimum = 0;
  split_nibbles(block + 2, g);
}

// Q4_1: half d, half m; 16 bytes of nibbles. x = d * q + m.
void read_q4_1(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index * 20;
  g.scales.fill(half_at(block));
  g.minimum = half_at(block + 2);
  split_nibbles(block + 4, g);
}

// Q5_0: half d; 32 fifth bits; 16 bytes of nibbles. x = d * (q - 16).
void read_q5_0(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index * 22;
  g.scales.fill(half_at(block));
  g.minimum = 0;
  split_nibbles(block + 6, g);
  add_fifth_bits(u32_at(block + 2), g);
}

// Q5_1: half d, half m; 32 fifth bits; 16 bytes of nibbles. x = d * q + m.
void read_q5_1(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index * 24;
  g.scales.fill(half_at(block));
  g.minimum = half_at(block + 2);
  split_nibbles(block + 8, g);
  add_fifth_bits(u32_at(block + 4), g);
}

// Q8_0: half d; 32 signed bytes. x = d * q; the view's code is q + 128.
void read_q8_0(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index * 34;
  g.scales.fill(half_at(block));
  g.minimum = 0;
  for (std::size_t i = 0; i < kQuantGroup; ++i) g.codes[i] = block[2 + i] ^ 0x80;
}

// Scale and minimum of group j of 8 in a block of 256, 6 bits each in 12 bytes: groups 0..3 have theirs in
// the low 6 bits of bytes j and 4 + j; groups 4..7 in the nibbles of byte 4 + j, topped by the high 2 bits of
// bytes j - 4 and j.
void scale_and_min(const std::uint8_t* packed, std::int64_t j, float d, float d_min, QuantGroup& g) {
  int scale = packed[j] & 63;
  int minimum = packed[4 + j] & 63;
  if (j >= 4) {
    scale = (packed[4 + j] & 15) | (packed[j - 4] >> 6) << 4;
    minimum = packed[4 + j] >> 4 | (packed[j] >> 6) << 4;
  }
  g.scales.fill(d * static_cast<float>(scale));
  g.minimum = -(d_min * static_cast<float>(minimum));
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
  scale_and_min(block + 4, index % 8, half_at(block), half_at(block + 2), g);
  pick_nibbles(block + 16, index % 8, g);
}

// Q5_K: as Q4_K, with 32 bytes between scales and nibbles whose bit j is the fifth bit of group j.
void read_q5_k(const std::byte* row, std::int64_t index, QuantGroup& g) {
  const std::uint8_t* block = bytes(row) + index / 8 * 176;
  const std::int64_t j = index % 8;
  scale_and_min(block + 4, j, half_at(block), half_at(block + 2), g);
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
  const float d = half_at(block + 208);
  for (std::size_t k = 0; k < 2; ++k) {
    const auto scale = static_cast<std::int8_t>(block[192 + half * 8 + j * 2 + static_cast<std::int64_t>(k)]);
    g.scales[k] = d * static_cast<float>(scale);
  }
  g.minimum = 0;
}

struct Entry {
  GgmlType type;
  QuantReader reader;
};

constexpr std::array kReaders = {
    Entry{GgmlType::kQ4_0, {{4, 8, false, false}, read_q4_0}},
    Entry{GgmlType::kQ4_1, {{4, 0, true, false}, read_q4_1}},
    Entry{GgmlType::kQ5_0, {{5, 16, false, false}, read_q5_0}},
    Entry{GgmlType::kQ5_1, {{5, 0, true, false}, read_q5_1}},
    Entry{GgmlType::kQ8_0, {{8, 128, false, false}, read_q8_0}},
    Entry{GgmlType::kQ4_K, {{4, 0, true, false}, read_q4_k}},
    Entry{GgmlType::kQ5_K, {{5, 0, true, false}, read_q5_k}},
    Entry{GgmlType::kQ6_K, {{6, 32, false, true}, read_q6_k}},
};

}  // namespace

const QuantReader* quant_reader(GgmlType type) {
  for (const Entry& entry : kReaders) {
    if (entry.type == type) return &entry.reader;
  }
  return nullptr;
}

}  // namespace tq
