// Vectors of the ISA a translation unit is compiled for, and the 16 lanes in which the format adds. A
// vec_<isa>.h sets TQ_VECTOR_BYTES, includes this and adds what needs its own instructions; the kernels
// (turbo_rows_inl.h, score_inl.h, mix_inl.h, float_inl.h) are written once over both.
//
// Everything lives in an unnamed namespace and no inline library function is called: a symbol that
// translation units share could be linked in with instructions the CPU lacks.
#pragma once

#include <cstdint>
#include <utility>

#include "codec/kernels.h"

#define TQ_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define TQ_UNROLL _Pragma("unroll")
#define TQ_KEEP_LOOP _Pragma("nounroll")
#else
#define TQ_UNROLL _Pragma("GCC unroll 16")
#define TQ_KEEP_LOOP _Pragma("GCC unroll 1")
#endif

namespace tq {
namespace {

constexpr int kWidth = TQ_VECTOR_BYTES / 4;
typedef float Vec __attribute__((vector_size(TQ_VECTOR_BYTES)));
typedef std::int32_t VecI __attribute__((vector_size(TQ_VECTOR_BYTES)));
typedef std::uint32_t VecU __attribute__((vector_size(TQ_VECTOR_BYTES)));
typedef std::uint16_t VecU16 __attribute__((vector_size(TQ_VECTOR_BYTES)));
// The same vectors at any address.
typedef float VecAny __attribute__((vector_size(TQ_VECTOR_BYTES), aligned(1), may_alias));
typedef std::int32_t VecIAny __attribute__((vector_size(TQ_VECTOR_BYTES), aligned(1), may_alias));

TQ_INLINE Vec load(const float* p) { return *reinterpret_cast<const VecAny*>(p); }
TQ_INLINE void store(float* p, Vec v) { *reinterpret_cast<VecAny*>(p) = v; }
TQ_INLINE VecI load_ints(const void* p) { return *static_cast<const VecIAny*>(p); }
TQ_INLINE void store_ints(void* p, VecI v) { *static_cast<VecIAny*>(p) = v; }
template <class V, class T, int... kLane>
TQ_INLINE V make_splat(T x, std::integer_sequence<int, kLane...>) {
  return V{(static_cast<void>(kLane), x)...};
}
TQ_INLINE Vec splat(float x) { return make_splat<Vec>(x, std::make_integer_sequence<int, kWidth>{}); }
TQ_INLINE VecI splat(std::int32_t x) {
  return make_splat<VecI>(x, std::make_integer_sequence<int, kWidth>{});
}
TQ_INLINE Vec select(VecI mask, Vec a, Vec b) { return (Vec)((mask & (VecI)a) | (~mask & (VecI)b)); }
TQ_INLINE Vec to_float(VecI v) { return __builtin_convertvector(v, Vec); }

// The bits of |x|: as integers they order like the magnitudes, with infinity and NaN on top.
TQ_INLINE VecI magnitude_bits(Vec v) { return (VecI)v & 0x7fffffff; }
TQ_INLINE VecI max_int(VecI a, VecI b) { return a > b ? a : b; }

// 0, 1, ... kWidth - 1.
template <int... kLane>
TQ_INLINE VecI make_iota(std::integer_sequence<int, kLane...>) {
  return VecI{kLane...};
}
TQ_INLINE VecI iota() { return make_iota(std::make_integer_sequence<int, kWidth>{}); }

// Pages of a head usually lie side by side, and the processor's own prefetching does not keep up with the
// kernels: they fetch each part of the next page, one page ahead, while they use that of this one. It is only
// a hint; where there is no next page nothing happens.
TQ_INLINE void prefetch(const void* p) { __builtin_prefetch(p); }

// Every 16-bit word shifted right. Bytes get neighbours' bits from above: whoever looks them up ignores
// those.
template <int kBits>
TQ_INLINE VecI shift_words(VecI v) {
  return (VecI)((VecU16)v >> kBits);
}

// 16 consecutive values, in as many vectors as they take.
constexpr int kParts = 16 / kWidth;
struct Lanes {
  Vec v[kParts];
};

TQ_INLINE Lanes load_lanes(const float* p) {
  Lanes r;
  for (int i = 0; i < kParts; ++i) r.v[i] = load(p + i * kWidth);
  return r;
}
TQ_INLINE void store_lanes(float* p, const Lanes& x) {
  for (int i = 0; i < kParts; ++i) store(p + i * kWidth, x.v[i]);
}
TQ_INLINE Lanes splat_lanes(float x) {
  Lanes r;
  for (int i = 0; i < kParts; ++i) r.v[i] = splat(x);
  return r;
}
TQ_INLINE Lanes operator+(const Lanes& a, const Lanes& b) {
  Lanes r;
  for (int i = 0; i < kParts; ++i) r.v[i] = a.v[i] + b.v[i];
  return r;
}
TQ_INLINE Lanes operator-(const Lanes& a, const Lanes& b) {
  Lanes r;
  for (int i = 0; i < kParts; ++i) r.v[i] = a.v[i] - b.v[i];
  return r;
}
TQ_INLINE Lanes operator*(const Lanes& a, const Lanes& b) {
  Lanes r;
  for (int i = 0; i < kParts; ++i) r.v[i] = a.v[i] * b.v[i];
  return r;
}

// The format's sum of 16 running lanes: halving (spec section 5).
inline float halving_sum(const Lanes& x) {
  float lanes[16];
  store_lanes(lanes, x);
  for (int half = 8; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

// One of 1, 2, ... kMax as a compile-time constant: run(Count<n>{}).
template <int kValue>
struct Count {
  static constexpr int value = kValue;
};
template <int kMax, class Run>
TQ_INLINE void with_count(int n, Run run) {
  if constexpr (kMax > 1) {
    if (n < kMax) return with_count<kMax - 1>(n, run);
  }
  run(Count<kMax>{});
}

// Cuts n queries into blocks of at most kMax that differ by one at most: run(first, Count<size>{}).
template <int kMax, class Run>
TQ_INLINE void for_query_blocks(int n, Run run) {
  for (int first = 0; first < n;) {
    const int blocks = (n - first + kMax - 1) / kMax;
    const int size = (n - first + blocks - 1) / blocks;
    with_count<kMax>(size, [&](auto count) { run(first, count); });
    first += size;
  }
}

}  // namespace
}  // namespace tq
