// The formats in plain C++, one value at a time: the code form of spec/turboquant.md, against which the
// kernels are measured. Encoders of the ggml blocks are used on every ISA, the rest only under Isa::kScalar.
#pragma once

#include <cstdint>

#include "codec/kernels.h"

namespace tq::reference {

// Spec section 3, in place on a row of head_dim values; with kSecond the second rotation.
template <bool kSecond>
void turbo_rotate(const RowShape& shape, float* x);
template <bool kSecond>
void turbo_unrotate(const RowShape& shape, float* x);

// Spec section 5.
template <int kBits, bool kSecond>
void turbo_encode(const RowShape& shape, const float* x, std::uint8_t* page, int slot);
template <int kBits>
void turbo_encode_coarse(const RowShape& shape, const float* x, std::uint8_t* page, int slot, float* rest);
template <int kBits>
void turbo_decode(const RowShape& shape, const std::uint8_t* page, int begin, int end, float* out);

// Spec section 6.
void f16_encode(const RowShape& shape, const float* x, std::uint8_t* page, int slot);
void f16_decode(const RowShape& shape, const std::uint8_t* page, int begin, int end, float* out);
void q8_0_encode(const RowShape& shape, const float* x, std::uint8_t* page, int slot);
void q8_0_decode(const RowShape& shape, const std::uint8_t* page, int begin, int end, float* out);
void q4_0_encode(const RowShape& shape, const float* x, std::uint8_t* page, int slot);
void q4_0_decode(const RowShape& shape, const std::uint8_t* page, int begin, int end, float* out);

}  // namespace tq::reference
