// The vector of a per-ISA translation unit, of TQ_VECTOR_BYTES, which the unit defines before this include.
// After it the unit defines what the compiler's vector types lack or make slow, fmadd(a, b, c) = a * b + c,
// vmax(a, b) = a > b ? a : b and vmin, and includes vector_inl.h. Contraction stays off: what is fused is
// written so, and results do not depend on the compiler's mood.
#pragma once

#include <cstdint>

namespace tq {
namespace {

constexpr int kWidth = TQ_VECTOR_BYTES / 4;
typedef float Vec __attribute__((vector_size(TQ_VECTOR_BYTES)));
typedef std::int32_t VecI __attribute__((vector_size(TQ_VECTOR_BYTES)));
// The same vector at any address.
typedef float VecU __attribute__((vector_size(TQ_VECTOR_BYTES), aligned(4), may_alias));

inline Vec load(const float* p) { return *reinterpret_cast<const VecU*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<VecU*>(p) = v; }
inline Vec splat(float x) { return Vec{} + x; }

}  // namespace
}  // namespace tq
