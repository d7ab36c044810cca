// What a format family implements for one ISA, and where a row lies in a page. Internal to src/codec.
//
// The per-ISA files include this header under their own instruction set, so it must not define anything that
// the linker could share with baseline code: plain structs, declarations and static constexpr functions only.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tq {

static constexpr int kRowsPerPage = 128;

// How rows, or one part of rows of two parts, are stored.
enum class RowFormat : std::uint8_t {
  kF16,
  kQ8_0,
  kQ4_0,
  kTurbo2,
  kTurbo3,
  kTurbo4,
  kCoarse1,  // 1 and 2 bits with the least-squares norm: what they leave is stored beside them
  kCoarse2,
  kSigns,  // of a residual after the second rotation
};

// A page is [128][code_bytes] codes, then [128][scales] binary16 scales (norms), little endian; or two of
// these in turn, each with its own shape.
struct RowShape {
  int head_dim;            // values
  int code_bytes;          // of one row
  int scales;              // of one row: one a turbo group, one a q8_0 or q4_0 block, none for f16
  std::size_t page_bytes;  // from a page to the next, other parts included
};

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

// The bytes of a page that holds this shape alone.
static inline std::size_t own_page_bytes(const RowShape& shape) {
  return static_cast<std::size_t>(kRowsPerPage) * (shape.code_bytes + 2 * shape.scales);
}

// The verbs of KvCodec (codec.h says what each means) for one format and ISA.
struct CodecKernels {
  void (*rotate)(const RowShape&, float* x);    // null: the identity
  void (*unrotate)(const RowShape&, float* x);  // null: the identity
  void (*encode)(const RowShape&, const float* x, std::uint8_t* page, int slot);
  // Coarse formats: also what is left of the rotated row, [head_dim].
  void (*encode_coarse)(const RowShape&, const float* x, std::uint8_t* page, int slot, float* rest);
  void (*decode)(const RowShape&, const std::uint8_t* page, int begin, int end, float* out);
  std::size_t (*query_bytes)(const RowShape&, int n_queries);
  void (*prepare)(const RowShape&, const float* q, int n_queries, std::uint8_t* prepared);
  void (*score)(const RowShape&, const std::uint8_t* page, int begin, int end, const std::uint8_t* prepared,
                int n_queries, float* scores);
  void (*mix)(const RowShape&, const std::uint8_t* page, int begin, int end, const float* weights,
              int n_queries, float* acc);
};

// One a file kernels_<isa>.cc; only those of this processor family are compiled in.
const CodecKernels& codec_kernels_scalar(RowFormat format);
const CodecKernels& codec_kernels_avx2(RowFormat format);
const CodecKernels& codec_kernels_avx512(RowFormat format);
const CodecKernels& codec_kernels_neon(RowFormat format);
const CodecKernels& codec_kernels_dotprod(RowFormat format);

}  // namespace tq
