// Rows of the turbo types and their parts, scalar: random rotation, Lloyd-Max codebook, one norm a group
// (TurboQuant, arXiv 2504.19874; the split in radius and direction is PolarQuant's). Spec sections 3 to 5,
// step by step.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/f16.h"
#include "codec/reference.h"
#include "codec/turbo/layout.h"

namespace tq::reference {
namespace {

using namespace turbo;

float sign(int i, bool second) {
  return ((kSignBits[second ? 1 : 0][i / 64] >> (i % 64)) & 1) != 0 ? -1.0f : 1.0f;
}

// Orthonormal Walsh-Hadamard transform, strides ascending.
void wht(float* x, int p) {
  for (int h = 1; h < p; h *= 2) {
    for (int i = 0; i < p; ++i) {
      if ((i & h) != 0) continue;
      const float a = x[i];
      const float b = x[i + h];
      x[i] = a + b;
      x[i + h] = a - b;
    }
  }
  for (int i = 0; i < p; ++i) x[i] *= wht_scale(p);
}

void flip_signs(float* x, int p, bool second) {
  for (int i = 0; i < p; ++i) x[i] *= sign(i, second);
}

// A group that is no power of two is covered by passes at its start and at its end in turn, so that every
// value reaches every place.
void rotate_group(float* x, int n, bool second) {
  const int p = pass_length(n);
  for (int k = 0; k < pass_count(n, second); ++k) {
    float* segment = x + (k % 2 == 0 ? 0 : n - p);
    flip_signs(segment, p, second);
    wht(segment, p);
  }
}

void unrotate_group(float* x, int n, bool second) {
  const int p = pass_length(n);
  for (int k = pass_count(n, second) - 1; k >= 0; --k) {
    float* segment = x + (k % 2 == 0 ? 0 : n - p);
    wht(segment, p);
    flip_signs(segment, p, second);
  }
}

// The format's one order of summation: 16 running lanes, then halving.
template <class Term>
float tree_sum(int n, Term term) {
  float lanes[16];
  for (int l = 0; l < 16; ++l) lanes[l] = term(l);
  for (int i = 16; i < n; ++i) lanes[i % 16] += term(i);
  for (int half = 8; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

template <int kBits>
struct Codebook {
  static constexpr int kLevels = 1 << kBits;
  static constexpr const float* centroids() {
    return kBits == 1 ? kCentroids1 : kBits == 2 ? kCentroids2 : kBits == 3 ? kCentroids3 : kCentroids4;
  }
  static constexpr const float* thresholds() {
    return kBits == 1 ? kThresholds1 : kBits == 2 ? kThresholds2 : kBits == 3 ? kThresholds3 : kThresholds4;
  }
  static std::uint8_t nearest(float z) {
    std::uint8_t code = 0;
    for (int k = 0; k < kLevels - 1; ++k) code += z >= thresholds()[k];
    return code;
  }
};

bool all_finite(const float* x, int n) {
  for (int i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return false;
  }
  return true;
}

// Step 2 of section 5.1: what of x the arithmetic can stand, into y. Returns its energy.
float clean_group(const float* x, int n, float* y) {
  for (int i = 0; i < n; ++i)
    y[i] = std::fabs(x[i]) < kTiny ? 0.0f : std::fmin(std::fmax(x[i], -kHuge), kHuge);
  return tree_sum(n, [&](int i) { return y[i] * y[i]; });
}

enum class Norm { kUnbiased, kLeastSquares };

struct GroupCodes {
  std::uint8_t codes[kGroup];
  std::uint16_t norm;  // binary16
};

// If `rest` is not null, it gets what codes and norm leave of the rotated group.
template <int kBits>
GroupCodes quantize_group(const float* x, int n, bool second, Norm norm, float* rest) {
  using Book = Codebook<kBits>;
  if (n < kGranule) __builtin_unreachable();  // sizes are multiples of 16
  GroupCodes group;
  const auto constant = [&](std::uint16_t stored, float left) {
    for (int i = 0; i < n; ++i) group.codes[i] = Book::nearest(0.0f);
    for (int i = 0; rest != nullptr && i < n; ++i) rest[i] = left;
    group.norm = stored;
    return group;
  };
  if (!all_finite(x, n)) return constant(kNormNan, std::numeric_limits<float>::quiet_NaN());
  float y[kGroup];
  const float energy = clean_group(x, n, y);
  if (energy == 0.0f) return constant(0, 0.0f);
  rotate_group(y, n, second);

  const float scale = kUnitScale[n / kGranule - 1] / std::sqrt(energy);
  for (int i = 0; i < n; ++i) group.codes[i] = Book::nearest(y[i] * scale);
  const float* c = Book::centroids();
  const float dot = tree_sum(n, [&](int i) { return y[i] * c[group.codes[i]]; });
  const float code_energy = tree_sum(n, [&](int i) { return c[group.codes[i]] * c[group.codes[i]]; });
  const float nearest = dot / code_energy;  // the least-squares norm
  // energy / dot makes <norm * c, y> = <y, y>: the expected inner product with any query is exact. The limit,
  // twice the least-squares norm, keeps the error of a badly spread group below that of storing nothing.
  const float wanted = norm == Norm::kLeastSquares ? nearest : std::fmin(energy / dot, 2.0f * nearest);
  group.norm = f32_to_f16(std::fmin(wanted, kNormMax));
  const float stored = f16_to_f32(group.norm);
  for (int i = 0; rest != nullptr && i < n; ++i) rest[i] = y[i] - stored * c[group.codes[i]];
  return group;
}

template <int kBits>
void pack_group(const std::uint8_t* codes, int n, std::uint8_t* out) {
  std::memset(out, 0, static_cast<std::size_t>(code_bytes(n, kBits)));
  for (int i = 0; i < n; ++i) {
    if (kBits == 1) {
      out[i / 8] |= static_cast<std::uint8_t>(codes[i] << (i % 8));
    } else if (kBits == 4) {
      out[i / 2] |= static_cast<std::uint8_t>(codes[i] << (i % 2 * 4));
    } else {
      out[i / 4] |= static_cast<std::uint8_t>((codes[i] & 3) << (i % 4 * 2));
      if (kBits == 3) out[n / 4 + i / 8] |= static_cast<std::uint8_t>(codes[i] >> 2 << (i % 8));
    }
  }
}

template <int kBits>
int unpack(const std::uint8_t* group, int n, int i) {
  if (kBits == 1) return (group[i / 8] >> (i % 8)) & 1;
  if (kBits == 4) return (group[i / 2] >> (i % 2 * 4)) & 15;
  const int low = (group[i / 4] >> (i % 4 * 2)) & 3;
  return kBits == 2 ? low : low | ((group[n / 4 + i / 8] >> (i % 8)) & 1) << 2;
}

template <class PerGroup>
void for_each_group(int head_dim, PerGroup per_group) {
  for (int start = 0; start < head_dim; start += kGroup) {
    per_group(start, head_dim - start < kGroup ? head_dim - start : kGroup);
  }
}

template <int kBits>
void encode_row(const RowShape& shape, const float* x, std::uint8_t* page, int slot, bool second, Norm norm,
                float* rest) {
  for_each_group(shape.head_dim, [&](int start, int n) {
    float* rest_of_group = rest != nullptr ? rest + start : nullptr;
    const GroupCodes group = quantize_group<kBits>(x + start, n, second, norm, rest_of_group);
    row_scales(shape, page, slot)[start / kGroup] = group.norm;
    pack_group<kBits>(group.codes, n, row_codes(shape, page, slot) + code_bytes(start, kBits));
  });
}

}  // namespace

template <bool kSecond>
void turbo_rotate(const RowShape& shape, float* x) {
  for_each_group(shape.head_dim, [&](int start, int n) { rotate_group(x + start, n, kSecond); });
}

template <bool kSecond>
void turbo_unrotate(const RowShape& shape, float* x) {
  for_each_group(shape.head_dim, [&](int start, int n) { unrotate_group(x + start, n, kSecond); });
}

template <int kBits, bool kSecond>
void turbo_encode(const RowShape& shape, const float* x, std::uint8_t* page, int slot) {
  encode_row<kBits>(shape, x, page, slot, kSecond, Norm::kUnbiased, nullptr);
}

template <int kBits>
void turbo_encode_coarse(const RowShape& shape, const float* x, std::uint8_t* page, int slot, float* rest) {
  encode_row<kBits>(shape, x, page, slot, false, Norm::kLeastSquares, rest);
}

template <int kBits>
void turbo_decode(const RowShape& shape, const std::uint8_t* page, int begin, int end, float* out) {
  for (int t = begin; t < end; ++t, out += shape.head_dim) {
    for_each_group(shape.head_dim, [&](int start, int n) {
      const std::uint8_t* group = row_codes(shape, page, t) + code_bytes(start, kBits);
      const float norm = f16_to_f32(row_scales(shape, page, t)[start / kGroup]);
      for (int i = 0; i < n; ++i)
        out[start + i] = norm * Codebook<kBits>::centroids()[unpack<kBits>(group, n, i)];
    });
  }
}

template void turbo_rotate<false>(const RowShape&, float*);
template void turbo_rotate<true>(const RowShape&, float*);
template void turbo_unrotate<false>(const RowShape&, float*);
template void turbo_unrotate<true>(const RowShape&, float*);
template void turbo_encode<1, true>(const RowShape&, const float*, std::uint8_t*, int);
template void turbo_encode<2, false>(const RowShape&, const float*, std::uint8_t*, int);
template void turbo_encode<3, false>(const RowShape&, const float*, std::uint8_t*, int);
template void turbo_encode<4, false>(const RowShape&, const float*, std::uint8_t*, int);
template void turbo_encode_coarse<1>(const RowShape&, const float*, std::uint8_t*, int, float*);
template void turbo_encode_coarse<2>(const RowShape&, const float*, std::uint8_t*, int, float*);
template void turbo_decode<1>(const RowShape&, const std::uint8_t*, int, int, float*);
template void turbo_decode<2>(const RowShape&, const std::uint8_t*, int, int, float*);
template void turbo_decode<3>(const RowShape&, const std::uint8_t*, int, int, float*);
template void turbo_decode<4>(const RowShape&, const std::uint8_t*, int, int, float*);

}  // namespace tq::reference
