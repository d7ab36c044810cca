// Codecs of the types whose rows have two parts (spec section 2): a page holds the first part of all rows and
// then the second. Each part has kernels of its own, so nothing here depends on the ISA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "codec/codec.h"
#include "codec/kernels.h"

namespace tq {

inline std::uint8_t* bytes(std::byte* p) { return reinterpret_cast<std::uint8_t*>(p); }
inline const std::uint8_t* bytes(const std::byte* p) { return reinterpret_cast<const std::uint8_t*>(p); }

struct CodecPart {
  RowShape shape;
  const CodecKernels* kernels;
};

// turbo2q and turbo3q: `first` is coarse, `second` holds the signs of what it leaves, after another rotation.
std::unique_ptr<KvCodec> make_residual_codec(KvType type, const CodecPart& first, const CodecPart& second);

// turbo25 and turbo35: `first` has the regular channels, `second` the outliers, which are the last.
std::unique_ptr<KvCodec> make_mixed_codec(KvType type, const CodecPart& first, const CodecPart& second);

}  // namespace tq
