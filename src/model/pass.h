// One forward pass: the batch it computes, and the memory and machinery it computes with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "attention/attention.h"
#include "base/memory.h"
#include "model/config.h"
#include "ops/linear.h"
#include "tq/error.h"
#include "tq/text.h"

namespace tq {

// Tokens computed together: the rows of one or more sequences, one sequence after another.
struct Batch {
  std::span<const Token> tokens;            // [rows]
  std::span<const SequenceRows> sequences;  // cover the rows in order; each sequence at most once

  std::int64_t size() const { return static_cast<std::int64_t>(tokens.size()); }
  const SequenceRows& sequence_of(std::int64_t row) const {
    const auto next = std::ranges::upper_bound(sequences, row, {}, &SequenceRows::first_row);
    return *std::prev(next);
  }
  std::int64_t position_of(std::int64_t row) const {
    const SequenceRows& sequence = sequence_of(row);
    return sequence.first_position + row - sequence.first_row;
  }
};

// Most tokens in one forward pass; more only costs memory.
inline constexpr std::int64_t kMaxBatch = 512;
// Most tokens in one pass of a model without experts. 256 rows fill the matrix kernels as well; only experts,
// of which each takes a few of the rows, want more.
inline constexpr std::int64_t kMaxDenseBatch = 256;
// Beside the weights of a narrow model the activations of 256 rows show. With 128 its prompts are read 2 %
// slower (docs/decisions/resident-memory.md).
inline constexpr std::int64_t kMaxNarrowBatch = 128;
inline constexpr int kNarrowEmbd = 768;  // the widest of them
constexpr std::int64_t max_batch_of(const ModelConfig& config) {
  if (config.mixture) return kMaxBatch;
  return config.n_embd <= kNarrowEmbd ? kMaxNarrowBatch : kMaxDenseBatch;
}
// Rows that a feed-forward block computes together: its inner activations are a model's widest. As many fill
// the kernels as well.
inline constexpr std::int64_t kFeedForwardRows = 128;
// Rows of logits computed at once when all are wanted: bounds that buffer.
inline constexpr std::int64_t kLogitRows = 32;

// Rows of activations, one a token.
struct Rows {
  float* data = nullptr;
  std::int64_t n = 0;   // values of a row
  std::int64_t ld = 0;  // floats from a row to the next
  float* row(std::int64_t t) const { return data + t * ld; }
};

// Activations of one forward pass, [max_batch, ld] each unless said otherwise. Those of attention, of
// recurrence and of the feed-forward part lie in the same memory, and so do the logits: writing to one may
// overwrite the others.
class Workspace {
 public:
  static Expected<Workspace> create(const ModelConfig& config);
  // Bytes that are written to: of all rows of activations, and of n_logits rows of logits, at most
  // kLogitRows.
  static std::size_t bytes(const ModelConfig& config, std::int64_t n_logits);

  std::int64_t max_batch = kMaxBatch;
  Rows x;                    // residual stream [n_embd]
  Rows h;                    // what a block reads, then its output [n_embd]
  Rows q;                    // [n_heads * head_dim]
  Rows k;                    // [n_kv_heads * head_dim]
  Rows v;                    // [n_kv_heads * head_dim]
  Rows mixed;                // attention output [n_heads * head_dim]
  Rows gate;                 // [n_ff], kFeedForwardRows rows; of a mixture's expert max_batch
  Rows up;                   // the same
  std::vector<Rows> angles;  // cosines and sines of each of the config's ropes [n_rot]
  Rows logits;               // [n_vocab], kLogitRows rows
  Rows gated_q;              // queries and gates, head by head [2 * n_heads * head_dim]

  struct {
    Rows input;  // of the convolution [n_qkv]
    Rows qkv;    // its output [n_qkv]
    Rows gate;   // [n_value]
    Rows decay;  // [n_value_heads]
    Rows beta;   // [n_value_heads]
    Rows mixed;  // the heads' outputs [n_value]
  } delta;       // of recurrent layers

  struct {
    Rows scores;    // of the router [n_experts]
    Rows weights;   // of the experts' outputs, most of them 0 [n_experts]
    Rows gathered;  // rows of one expert, then what it makes of them [n_embd]
    Rows sum;       // [n_embd]
  } experts;        // of mixtures

 private:
  // Rows by when they are needed.
  struct Stages {
    std::vector<Rows*> always, attention, recurrence, feed_forward;
    std::int64_t feed_forward_rows = 0;
  };
  // Sets what each row holds.
  Stages lay_out(const ModelConfig& config);
  std::size_t bytes_of(const Stages& stages, std::int64_t n_logits) const;

  Buffer buffer_;
};

struct Pass {
  const Batch& batch;
  Compute& compute;
  Attention& attention;
  Workspace& w;

  const Kernels& kernels() const { return compute.kernels(); }
  // Calls body(token) for each token of the batch.
  template <class Body>
  void for_tokens(Body&& body) const {
    compute.for_tokens(batch.size(), std::forward<Body>(body));
  }
};

}  // namespace tq
