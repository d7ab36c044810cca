// What the tests of attention share: a filled cache, and softmax attention over it in double precision.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "../base/gaussian.h"
#include "../codec/codec_isas.h"
#include "attention/attention.h"

namespace tq {

struct Shape {
  int n_heads;
  int n_kv_heads;
  int head_dim;
};

struct Case {
  Shape shape;
  KvType type_k;
  KvType type_v;
  Isa isa;
  int n_threads = 2;
  // As in AttentionInput.
  std::int64_t window = 0;
  float softcap = 0.0F;
  bool sinks = false;

  std::string text() const {
    return std::string(kv_type_name(type_k)) + "/" + std::string(kv_type_name(type_v)) + " " +
           std::string(isa_name(isa)) + " heads " + std::to_string(shape.n_heads) + "/" +
           std::to_string(shape.n_kv_heads) + " dim " + std::to_string(shape.head_dim) + " threads " +
           std::to_string(n_threads) + " window " + std::to_string(window) + " softcap " +
           std::to_string(softcap) + (sinks ? " sinks" : "");
  }
};

// A cache of one layer filled with Gaussian keys and values. Caches of one `codecs` can be in one batch.
class Filled {
 public:
  Filled(const Case& c, const CodecSet& codecs, std::int64_t n_tokens, unsigned seed = 0)
      : case_(c), codecs_(codecs), n_tokens_(n_tokens) {
    const Shape& s = c.shape;
    auto cache = KvCache::create(codecs, {1, s.n_kv_heads, s.head_dim}, n_tokens);
    EXPECT_TRUE(cache) << cache.error().message;
    cache_ = std::make_unique<KvCache>(std::move(*cache));
    const auto width = static_cast<std::size_t>(s.n_kv_heads * s.head_dim);
    const auto n = static_cast<std::size_t>(n_tokens);
    const std::vector<float> keys = gaussian(n * width, seed + 1), values = gaussian(n * width, seed + 2);
    for (std::size_t t = 0; t < n; ++t) {
      cache_->store(0, static_cast<std::int64_t>(t), &keys[t * width], &values[t * width]);
    }
  }

  static CodecSet codecs_of(const Case& c) {
    auto codecs = CodecSet::create({.layers = {{c.type_k, c.type_v}}}, c.shape.head_dim, c.isa);
    EXPECT_TRUE(codecs) << codecs.error().message;
    return std::move(*codecs);
  }

  KvCache& cache() { return *cache_; }
  std::int64_t n_tokens() const { return n_tokens_; }

  // Softmax attention of one query head at a position, in double precision: [head_dim].
  std::vector<double> exact(const float* q, int head, std::int64_t position, float scale,
                            const float* sinks) {
    if (decoded_.empty()) decode_all();
    const auto dim = static_cast<std::size_t>(case_.shape.head_dim);
    const auto& rows =
        decoded_[static_cast<std::size_t>(head / (case_.shape.n_heads / case_.shape.n_kv_heads))];
    const std::int64_t first = case_.window > 0 ? std::max<std::int64_t>(position + 1 - case_.window, 0) : 0;
    std::vector<float> query(q, q + dim);
    codecs_.k(0).rotate(query.data());
    std::vector<double> weights;
    for (std::int64_t t = first; t <= position; ++t) {
      const float* const key = &rows.k[static_cast<std::size_t>(t) * dim];
      double score = 0;
      for (std::size_t d = 0; d < dim; ++d) score += static_cast<double>(query[d]) * key[d];
      score *= scale;
      weights.push_back(case_.softcap > 0 ? case_.softcap * std::tanh(score / case_.softcap) : score);
    }
    double largest = *std::max_element(weights.begin(), weights.end());
    if (sinks != nullptr) largest = std::max<double>(largest, sinks[head]);
    double total = sinks != nullptr ? std::exp(sinks[head] - largest) : 0;
    for (double& w : weights) total += w = std::exp(w - largest);
    std::vector<double> out(dim, 0.0);
    for (std::int64_t t = first; t <= position; ++t) {
      const float* const value = &rows.v[static_cast<std::size_t>(t) * dim];
      const double weight = weights[static_cast<std::size_t>(t - first)] / total;
      for (std::size_t d = 0; d < dim; ++d) out[d] += weight * value[d];
    }
    std::vector<float> rotated(out.begin(), out.end());
    codecs_.v(0).unrotate(rotated.data());
    return {rotated.begin(), rotated.end()};
  }

 private:
  struct Decoded {  // of one KV head, still rotated: [n_tokens][head_dim]
    std::vector<float> k, v;
  };

  void decode_all() {
    const auto dim = static_cast<std::size_t>(case_.shape.head_dim);
    decoded_.resize(static_cast<std::size_t>(case_.shape.n_kv_heads));
    for (int kv_head = 0; kv_head < case_.shape.n_kv_heads; ++kv_head) {
      Decoded& rows = decoded_[static_cast<std::size_t>(kv_head)];
      rows.k.resize(static_cast<std::size_t>(n_tokens_) * dim);
      rows.v.resize(rows.k.size());
      for (std::int64_t t = 0; t < n_tokens_; t += kPageTokens) {
        const int n = static_cast<int>(std::min<std::int64_t>(kPageTokens, n_tokens_ - t));
        const auto at = static_cast<std::size_t>(t) * dim;
        codecs_.k(0).decode(cache_->k_page(0, kv_head, t / kPageTokens), 0, n, &rows.k[at]);
        codecs_.v(0).decode(cache_->v_page(0, kv_head, t / kPageTokens), 0, n, &rows.v[at]);
      }
    }
  }

  Case case_;
  const CodecSet& codecs_;
  std::int64_t n_tokens_;
  std::unique_ptr<KvCache> cache_;
  std::vector<Decoded> decoded_ = {};
};

// Rows of queries and of results, with something between them that must stay as it was.
struct Rows {
  std::int64_t ld;
  std::vector<float> q;
  std::vector<float> out;

  Rows(const Case& c, std::int64_t n_rows, unsigned seed = 99)
      : ld(static_cast<std::int64_t>(c.shape.n_heads) * c.shape.head_dim + 5),
        q(gaussian(static_cast<std::size_t>(ld * n_rows), seed)),
        out(q.size(), 1e9F) {}

  AttentionInput input(const Case& c, std::span<const SequenceRows> sequences, const float* sinks) {
    return {.layer = 0,
            .sequences = sequences,
            .n_heads = c.shape.n_heads,
            .scale = 1.5F / std::sqrt(static_cast<float>(c.shape.head_dim)),
            .q = q.data(),
            .ld_q = ld,
            .out = out.data(),
            .ld_out = ld,
            .window = c.window,
            .softcap = c.softcap,
            .sinks = c.sinks ? sinks : nullptr};
  }
};

inline std::vector<float> sink_logits(const Case& c) {
  return gaussian(static_cast<std::size_t>(c.shape.n_heads), 77);
}

}  // namespace tq
