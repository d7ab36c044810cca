// One interface over every KV element type: encode rows into pages, and attend over pages without unpacking
// them to memory. spec/turboquant.md specifies the bytes and the arithmetic.
//
// Vectors live in two domains. Keys, values and queries arrive in the model's domain. The turbo types store
// rows of the rotated domain; a query is rotated once (rotate), all scores and mixes then happen there, and
// the mixed output is rotated back once (unrotate). For the other types both are the identity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/cpu.h"
#include "tq/codec.h"
#include "tq/error.h"

namespace tq {

// Tokens a page holds, for one layer and one KV head. Pages are the unit of sharing and of storage; their
// bytes do not depend on the process or the ISA that wrote them.
inline constexpr int kPageTokens = 128;

// Query heads that may share one KV head in one score/mix call.
inline constexpr int kMaxGroupQueries = 16;

// One per (type, head_dim). Stateless after creation, so every thread may use it. All float buffers may be
// unaligned; pages are 64-byte aligned. Page bytes are equal on every ISA; scores and mixes agree within the
// bound of spec section "Attention arithmetic".
class KvCodec {
 public:
  // head_dim: a multiple of 16 in [16, 1024] for turbo types, of 32 for q8_0 and q4_0, of 2 for f16.
  static Expected<std::unique_ptr<KvCodec>> create(KvType type, int head_dim, Isa isa);
  virtual ~KvCodec() = default;

  KvType type() const { return type_; }
  int head_dim() const { return head_dim_; }
  std::size_t page_bytes() const { return page_bytes_; }                 // a multiple of 64
  std::size_t token_bytes() const { return page_bytes_ / kPageTokens; }  // what one row costs

  virtual void rotate(float* x) const = 0;    // x: [head_dim], in place
  virtual void unrotate(float* x) const = 0;  // x: [head_dim], in place

  // Stores row x [head_dim] (model domain) as token `slot` of a page.
  virtual void encode(const float* x, std::byte* page, int slot) const = 0;

  // Rows [begin, end) of a page as floats of the rotated domain: out [end - begin, head_dim].
  virtual void decode(const std::byte* page, int begin, int end, float* out) const = 0;

  // Bytes of scratch that prepare_queries fills for n_queries heads.
  virtual std::size_t query_bytes(int n_queries) const = 0;
  // q: [n_queries, head_dim], already rotated, 1 <= n_queries <= kMaxGroupQueries. The result is what score
  // reads (for example int8 lanes in the kernel's order); 64-byte aligned.
  virtual void prepare_queries(const float* q, int n_queries, std::byte* prepared) const = 0;

  // score and mix go at memory speed where the pages of a head follow each other in memory: while they work
  // on one they fetch the next. Rows and weights beside [begin, end) may be read, but never count.

  // scores[h * kPageTokens + t] = q_h . k_t for rows t in [begin, end); other entries are left alone.
  virtual void score(const std::byte* page, int begin, int end, const std::byte* prepared, int n_queries,
                     float* scores) const = 0;

  // acc[h * head_dim + d] += sum over t in [begin, end) of weights[h * kPageTokens + t] * v_t[d]. A row whose
  // weights are zero for every head is not read, so a caller makes attention sparse by zeroing weights.
  virtual void mix(const std::byte* page, int begin, int end, const float* weights, int n_queries,
                   float* acc) const = 0;

 protected:
  KvCodec(KvType type, int head_dim, std::size_t page_bytes)
      : type_(type), head_dim_(head_dim), page_bytes_(page_bytes) {}

 private:
  KvType type_;
  int head_dim_;
  std::size_t page_bytes_;
};

}  // namespace tq
