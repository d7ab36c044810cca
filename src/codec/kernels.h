// What a format family implements for one ISA, and where a row lies in a page. Internal to src/codec.
//
// The per-ISA files include this header under their own instruction set, so it must not define anything that
// the linker could share with baseline code: plain structs, declarations and static constexpr functions only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tq/codec.h"

namespace tq {

// A page is [128][code_bytes] codes, then [128][scales] binary16 scales (norms), little endian.
struct RowShape {
  int head_dim;
  int code_bytes;  // of one row
  int scales;      // of one row: one a turbo group, one a q8_0 or q4_0 block, none for f16
};

static constexpr int kRowsPerPage = 128;

static inline std::size_t page_bytes(const RowShape& shape) {
  return static_cast<std::size_t>(kRowsPerPage) * (shape.code_bytes + 2 * shape.scales);
}
static inline const std::uint8_t* row_codes(const RowShape& shape, const std::uint8_t* page, int slot) {
  return page + static_cast<std::size_t>(slot) * shape.code_bytes;
}
static inline std::uint8_t* row_codes(const RowShape& shape, std::uint8_t* page, int slot) {
  return page + static_cast<std::size_t>(slot) * shape.code_bytes;
}
static inline const std::uint16_t* row_scales(const RowShape& shape, const std::uint8_t* page, int slot) {
  return reinterpret_cast<const std::uint16_t*>(page +
                                                static_cast<std::size_t>(kRowsPerPage) * shape.code_bytes) +
         static_cast<std::size_t>(slot) * shape.scales;
}
static inline std::uint16_t* row_scales(const RowShape& shape, std::uint8_t* page, int slot) {
  return reinterpret_cast<std::uint16_t*>(page + static_cast<std::size_t>(kRowsPerPage) * shape.code_bytes) +
         static_cast<std::size_t>(slot) * shape.scales;
}

// The verbs of KvCodec (codec.h says what each means) for one type and ISA.
struct CodecKernels {
  void (*rotate)(const RowShape&, float* x);    // null: the identity
  void (*unrotate)(const RowShape&, float* x);  // null: the identity
  void (*encode)(const RowShape&, const float* x, std::uint8_t* page, int slot);
  void (*decode)(const RowShape&, const std::uint8_t* page, int begin, int end, float* out);
  std::size_t (*query_bytes)(const RowShape&, int n_queries);
  void (*prepare)(const RowShape&, const float* q, int n_queries, std::uint8_t* prepared);
  void (*score)(const RowShape&, const std::uint8_t* page, int begin, int end, const std::uint8_t* prepared,
                int n_queries, float* scores);
  void (*mix)(const RowShape&, const std::uint8_t* page, int begin, int end, const float* weights,
              int n_queries, float* acc);
};

// One a file kernels_<isa>.cc; only those of this processor family are compiled in.
const CodecKernels* codec_kernels_scalar(KvType type);
const CodecKernels* codec_kernels_avx2(KvType type);
const CodecKernels* codec_kernels_avx512(KvType type);
const CodecKernels* codec_kernels_neon(KvType type);

}  // namespace tq
