// Rows of the turbo types and their parts: rotation, encoding, decoding (spec sections 3 to 5), bit for bit
// what turbo/reference.cc computes. The 16 running lanes of the format's sums are the lanes here, and a stage
// of the Walsh-Hadamard transform below stride 16 is a shuffle, an exclusive or and an add.
//
// Cost of encoding 128 values with AVX-512: 8 vectors x (7 stages + signs + scale + 15 thresholds) is about
// 700 operations, 200 cycles; the packing and the square root hide behind them.
#pragma once

#include "codec/simd/books_inl.h"

namespace tq {
namespace {

struct SignMasks {
  alignas(64) std::int32_t bits[turbo::kGroup];
};
template <bool kSecond>
constexpr SignMasks make_sign_masks() {
  SignMasks masks{};
  for (int i = 0; i < turbo::kGroup; ++i) {
    const bool negative = ((turbo::kSignBits[kSecond ? 1 : 0][i / 64] >> (i % 64)) & 1) != 0;
    masks.bits[i] = negative ? INT32_MIN : 0;
  }
  return masks;
}
template <bool kSecond>
constexpr SignMasks kSignMasks = make_sign_masks<kSecond>();

template <int kStride, int... kLane>
TQ_INLINE Vec swap_lanes(Vec x, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(x, x, (kLane ^ kStride)...);
}

// Lanes i and i + kStride become their sum and difference.
template <int kStride>
TQ_INLINE Vec butterfly(Vec x) {
  const VecI flip = ((iota() & kStride) != 0) & INT32_MIN;
  return swap_lanes<kStride>(x, std::make_integer_sequence<int, kWidth>{}) + (Vec)((VecI)x ^ flip);
}

TQ_INLINE Lanes wht16(Lanes x) {
  for (int i = 0; i < kParts; ++i) {
    x.v[i] = butterfly<2>(butterfly<1>(x.v[i]));
    if constexpr (kWidth > 4) x.v[i] = butterfly<4>(x.v[i]);
    if constexpr (kWidth > 8) x.v[i] = butterfly<8>(x.v[i]);
  }
  for (int h = 1; h < kParts; h *= 2) {
    for (int i = 0; i < kParts; ++i) {
      if ((i & h) != 0) continue;
      const Vec a = x.v[i];
      const Vec b = x.v[i + h];
      x.v[i] = a + b;
      x.v[i + h] = a - b;
    }
  }
  return x;
}

// Orthonormal Walsh-Hadamard transform of 16 * kCount values.
template <int kCount>
TQ_INLINE void wht(Lanes* x) {
  TQ_UNROLL
  for (int i = 0; i < kCount; ++i) x[i] = wht16(x[i]);
  TQ_UNROLL
  for (int h = 1; h < kCount; h *= 2) {
    TQ_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if ((i & h) != 0) continue;
      const Lanes a = x[i];
      const Lanes b = x[i + h];
      x[i] = a + b;
      x[i + h] = a - b;
    }
  }
  const Lanes scale = splat_lanes(turbo::wht_scale(16 * kCount));
  TQ_UNROLL
  for (int i = 0; i < kCount; ++i) x[i] = x[i] * scale;
}

template <int kCount, bool kSecond>
TQ_INLINE void flip_signs(Lanes* x) {
  TQ_UNROLL
  for (int i = 0; i < kCount; ++i) {
    for (int part = 0; part < kParts; ++part) {
      x[i].v[part] = (Vec)((VecI)x[i].v[part] ^ load_ints(kSignMasks<kSecond>.bits + 16 * i + kWidth * part));
    }
  }
}

template <int kCount, bool kInverse, bool kSecond>
void pass(Lanes* x) {
  Lanes y[kCount];
  for (int i = 0; i < kCount; ++i) y[i] = x[i];
  if constexpr (!kInverse) flip_signs<kCount, kSecond>(y);
  wht<kCount>(y);
  if constexpr (kInverse) flip_signs<kCount, kSecond>(y);
  for (int i = 0; i < kCount; ++i) x[i] = y[i];
}

// Groups are held as count = n / 16 Lanes.
template <bool kInverse, bool kSecond>
void rotate_group(Lanes* x, int count) {
  const int p = count >= 8 ? 8 : count >= 4 ? 4 : count >= 2 ? 2 : 1;
  const int passes = turbo::pass_count(16 * count, kSecond);
  for (int k = 0; k < passes; ++k) {
    const bool at_end = (k % 2 != 0) != (kInverse && passes > 1);  // the inverse undoes the last pass first
    Lanes* segment = at_end ? x + count - p : x;
    if (p == 8) pass<8, kInverse, kSecond>(segment);
    if (p == 4) pass<4, kInverse, kSecond>(segment);
    if (p == 2) pass<2, kInverse, kSecond>(segment);
    if (p == 1) pass<1, kInverse, kSecond>(segment);
  }
}

template <bool kInverse, bool kSecond>
void turbo_rotate(const RowShape& shape, float* x) {
  for (int start = 0; start < shape.head_dim; start += turbo::kGroup) {
    const int count = (shape.head_dim - start < turbo::kGroup ? shape.head_dim - start : turbo::kGroup) / 16;
    Lanes y[turbo::kGroup / 16];
    for (int i = 0; i < count; ++i) y[i] = load_lanes(x + start + 16 * i);
    rotate_group<kInverse, kSecond>(y, count);
    for (int i = 0; i < count; ++i) store_lanes(x + start + 16 * i, y[i]);
  }
}

// Codes 16 * index ... + 15 of a group of n values, one a byte, to their places.
template <int kBits>
TQ_INLINE void pack16(const std::uint8_t* codes, int index, int n, std::uint8_t* group) {
  for (int half = 0; half < 2; ++half) {
    const int at = 16 * index + 8 * half;
    std::uint64_t x;  // eight codes, then two or four of them a byte, then those bytes side by side
    __builtin_memcpy(&x, codes + 8 * half, 8);
    if constexpr (kBits == 1) {
      group[at / 8] = static_cast<std::uint8_t>(x * 0x0102040810204080 >> 56);
    } else if constexpr (kBits == 4) {
      x = (x | x >> 4) & 0x00ff00ff00ff00ff;
      x = (x | x >> 8) & 0x0000ffff0000ffff;
      x |= x >> 16;
      __builtin_memcpy(group + at / 2, &x, 4);
    } else {
      if constexpr (kBits == 3) {
        group[n / 4 + at / 8] =
            static_cast<std::uint8_t>((x >> 2 & 0x0101010101010101) * 0x0102040810204080 >> 56);
        x &= 0x0303030303030303;
      }
      x = (x | x >> 6) & 0x000f000f000f000f;
      x = (x | x >> 12) & 0x000000ff000000ff;
      x |= x >> 24;
      __builtin_memcpy(group + at / 4, &x, 2);
    }
  }
}

template <int kBits>
std::uint16_t fill_group(std::uint16_t norm, int n, std::uint8_t* group) {
  std::uint8_t middle[16];
  for (std::uint8_t& code : middle) code = 1 << (kBits - 1);
  for (int i = 0; i < n / 16; ++i) pack16<kBits>(middle, i, n, group);
  return norm;
}

TQ_INLINE std::uint16_t to_half(float x) {
  std::uint16_t h[kWidth];
  store_halves(h, splat(x));
  return h[0];
}

// What encode_group chooses: the norm, and whether what is left of the rotated group is wanted.
enum class Norm { kUnbiased, kLeastSquares };

// Step 2 of spec section 5.1, into y. Returns the energy, NaN if any value is NaN or infinite.
TQ_INLINE float clean_group(const float* x, int count, Lanes* y) {
  Lanes energies = splat_lanes(0.0f);
  Lanes finite = splat_lanes(0.0f);  // 0 * x is NaN for exactly the values that are not finite
  for (int i = 0; i < count; ++i) {
    const Lanes in = load_lanes(x + 16 * i);
    finite = finite + in * splat_lanes(0.0f);
    for (int part = 0; part < kParts; ++part) {
      Vec v = in.v[part];
      v = select(v > splat(turbo::kHuge), splat(turbo::kHuge), v);
      v = select(v < splat(-turbo::kHuge), splat(-turbo::kHuge), v);
      y[i].v[part] = (Vec)((VecI)v & (magnitude_bits(v) >= __builtin_bit_cast(std::int32_t, turbo::kTiny)));
    }
    energies = i == 0 ? y[0] * y[0] : energies + y[i] * y[i];
  }
  return halving_sum(energies + finite);
}

template <int kBits>
std::uint16_t constant_group(std::uint16_t norm, int n, std::uint8_t* group, float left, float* rest) {
  for (int i = 0; rest != nullptr && i < n; ++i) rest[i] = left;
  return fill_group<kBits>(norm, n, group);
}

// Codes of one group; returns the binary16 norm. If `rest` is not null, it gets what the two leave of the
// rotated group.
template <int kBits, bool kSecond, Norm kNorm>
std::uint16_t encode_group(const float* x, int n, std::uint8_t* group, float* rest) {
  const int count = n / 16;
  Lanes y[turbo::kGroup / 16];
  Lanes c[turbo::kGroup / 16];
  const float energy = clean_group(x, count, y);
  if (__builtin_isnan(energy)) {
    return constant_group<kBits>(turbo::kNormNan, n, group, __builtin_nanf(""), rest);
  }
  if (energy == 0.0f) return constant_group<kBits>(0, n, group, 0.0f, rest);
  rotate_group<false, kSecond>(y, count);

  const FloatTable book(kFloatBook<kBits>.entry);
  const Lanes scale = splat_lanes(turbo::kUnitScale[count - 1] / __builtin_sqrtf(energy));
  Lanes dots = splat_lanes(0.0f);
  Lanes code_energies = splat_lanes(0.0f);
  for (int i = 0; i < count; ++i) {
    const Lanes z = y[i] * scale;
    std::uint8_t codes[16];
    for (int part = 0; part < kParts; ++part) {
      VecI code{};
      TQ_UNROLL
      for (int k = 0; k < (1 << kBits) - 1; ++k) code -= z.v[part] >= splat(thresholds_of<kBits>()[k]);
      c[i].v[part] = book[code];
      store_int8(codes + kWidth * part, code);
    }
    pack16<kBits>(codes, i, n, group);
    dots = i == 0 ? y[0] * c[0] : dots + y[i] * c[i];
    code_energies = i == 0 ? c[0] * c[0] : code_energies + c[i] * c[i];
  }
  const float dot = halving_sum(dots);
  const float nearest = dot / halving_sum(code_energies);
  float norm = nearest;
  if constexpr (kNorm == Norm::kUnbiased) {
    norm = energy / dot;
    norm = 2.0f * nearest < norm ? 2.0f * nearest : norm;
  }
  const std::uint16_t stored = to_half(norm < turbo::kNormMax ? norm : turbo::kNormMax);
  if (rest != nullptr) {
    float lanes[kWidth];
    store(lanes, splat_half(stored));
    for (int i = 0; i < count; ++i) store_lanes(rest + 16 * i, y[i] - splat_lanes(lanes[0]) * c[i]);
  }
  return stored;
}

template <int kBits, bool kSecond, Norm kNorm>
TQ_INLINE void encode_row(const RowShape& shape, const float* x, std::uint8_t* page, int slot, float* rest) {
  for (int start = 0; start < shape.head_dim; start += turbo::kGroup) {
    const int n = shape.head_dim - start < turbo::kGroup ? shape.head_dim - start : turbo::kGroup;
    std::uint8_t* group = row_codes(shape, page, slot) + start * kBits / 8;
    row_scales(shape, page, slot)[start / turbo::kGroup] =
        encode_group<kBits, kSecond, kNorm>(x + start, n, group, rest != nullptr ? rest + start : nullptr);
  }
}

template <int kBits, bool kSecond>
void turbo_encode(const RowShape& shape, const float* x, std::uint8_t* page, int slot) {
  encode_row<kBits, kSecond, Norm::kUnbiased>(shape, x, page, slot, nullptr);
}

template <int kBits>
void turbo_encode_coarse(const RowShape& shape, const float* x, std::uint8_t* page, int slot, float* rest) {
  encode_row<kBits, false, Norm::kLeastSquares>(shape, x, page, slot, rest);
}

// Codes 16 * index ... of a group of n values, one a lane; bits above kBits are not cleared.
template <int kBits>
TQ_INLINE void unpack16(const std::uint8_t* group, int n, int index, VecI codes[kParts]) {
  std::uint64_t low = 0;
  std::uint32_t high = 0;
  constexpr int kStep = kBits - (kBits == 3 ? 1 : 0);  // bits of a code beside each other
  constexpr int kBytes = 2 * kStep;
  __builtin_memcpy(&low, group + index * kBytes, kBytes);
  if constexpr (kBits == 3) __builtin_memcpy(&high, group + n / 4 + 2 * index, 2);
  for (int part = 0; part < kParts; ++part) {
    const VecI lane = iota();
    VecI bits = splat(static_cast<std::int32_t>(low >> (kStep * kWidth * part)));
    if constexpr (kBits == 4 && kWidth == 16) {
      const VecI upper = splat(static_cast<std::int32_t>(low >> 32));
      bits = (VecI)select(lane < 8, (Vec)bits, (Vec)upper);
      codes[part] = (VecI)((VecU)bits >> (VecU)(4 * (lane & 7)));
    } else {
      codes[part] = (VecI)((VecU)bits >> (VecU)(kStep * lane));
    }
    if constexpr (kBits == 3) {
      const VecI plane = splat(static_cast<std::int32_t>(high << 2 >> (kWidth * part)));
      codes[part] = (codes[part] & 3) | ((VecI)((VecU)plane >> (VecU)lane) & 4);
    }
  }
}

template <int kBits>
void turbo_decode(const RowShape& shape, const std::uint8_t* page, int begin, int end, float* out) {
  const FloatTable book(kFloatBook<kBits>.entry);
  for (int t = begin; t < end; ++t, out += shape.head_dim) {
    for (int start = 0; start < shape.head_dim; start += turbo::kGroup) {
      const int n = shape.head_dim - start < turbo::kGroup ? shape.head_dim - start : turbo::kGroup;
      const std::uint8_t* group = row_codes(shape, page, t) + start * kBits / 8;
      const Vec norm = splat_half(row_scales(shape, page, t)[start / turbo::kGroup]);
      for (int i = 0; i < n / 16; ++i) {
        VecI codes[kParts];
        unpack16<kBits>(group, n, i, codes);
        for (int part = 0; part < kParts; ++part) {
          store(out + start + 16 * i + kWidth * part, norm * book[codes[part]]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tq
