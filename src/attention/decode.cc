// Attention of one new token. The work (KV head x token) is one line cut into equal, contiguous shares, one a
// thread; each K and V row is read once for all query heads of its KV head. A thread's results are softmax
// partials (maximum, sum, mixed values) that merge by log-sum-exp, as in FlashDecoding.
#include <algorithm>
#include <cmath>

#include "attention/attention.h"

namespace tq {
namespace {

// Shares are cut at multiples of this many tokens.
constexpr std::int64_t kGrain = 32;
constexpr float kNoScore = -1e30F;

// Softmax partial of one query head: values[d] = sum of exp(s_t - max) v_t[d], sum = sum of exp(s_t - max).
struct Partial {
  float* max;
  float* sum;
  float* values;  // [head_dim]
};

std::int64_t partial_floats(int head_dim) { return head_dim + 2; }

Partial partial_at(float* base, std::int64_t index, int head_dim) {
  float* p = base + index * partial_floats(head_dim);
  return {p, p + 1, p + 2};
}

// One thread's view of the query heads that share a KV head, at most kMaxGroupQueries at a time.
class GroupDecoder {
 public:
  GroupDecoder(const AttentionInput& input, const SequenceRows& rows, const Kernels& kernels,
               std::vector<float>& scratch)
      : input_(input),
        cache_(*rows.cache),
        q_(input.q + rows.first_row * input.ld_q),
        kernels_(kernels),
        k_(cache_.codecs().k(input.layer)),
        v_(cache_.codecs().v(input.layer)),
        head_dim_(cache_.shape().head_dim) {
    const std::size_t page = kMaxGroupQueries * kPageTokens;
    const std::size_t queries =
        static_cast<std::size_t>(kMaxGroupQueries) * static_cast<std::size_t>(head_dim_);
    const std::size_t prepared = (k_.query_bytes(kMaxGroupQueries) + 63) / 64 * 16;  // floats
    float* p = reserve_scratch(scratch, 2 * page + 2 * queries + prepared);
    prepared_ = reinterpret_cast<std::byte*>(p);
    scores_ = p + prepared;
    weights_ = scores_ + page;
    rotated_ = weights_ + page;
    mixed_ = rotated_ + queries;
  }

  // Attends tokens [begin, end) of kv_head for heads [head, head + n); partials are written at `first`.
  void run(int kv_head, int head, int n, std::int64_t begin, std::int64_t end, float* first) {
    for (int h = 0; h < n; ++h) {
      const float* q = q_ + static_cast<std::int64_t>(head + h) * head_dim_;
      std::copy(q, q + head_dim_, rotated_ + h * head_dim_);
      k_.rotate(rotated_ + h * head_dim_);
      const Partial partial = partial_at(first, h, head_dim_);
      *partial.max = kNoScore;
      *partial.sum = 0;
    }
    std::fill(mixed_, mixed_ + n * head_dim_, 0.0F);
    k_.prepare_queries(rotated_, n, prepared_);
    for (std::int64_t page = begin / kPageTokens; page * kPageTokens < end; ++page) {
      const int from = static_cast<int>(std::max<std::int64_t>(begin - page * kPageTokens, 0));
      const int to = static_cast<int>(std::min<std::int64_t>(end - page * kPageTokens, kPageTokens));
      k_.score(cache_.k_page(input_.layer, kv_head, page), from, to, prepared_, n, scores_);
      for (int h = 0; h < n; ++h) weigh(h, from, to, partial_at(first, h, head_dim_));
      v_.mix(cache_.v_page(input_.layer, kv_head, page), from, to, weights_, n, mixed_);
    }
    for (int h = 0; h < n; ++h) {
      std::copy(mixed_ + h * head_dim_, mixed_ + (h + 1) * head_dim_, partial_at(first, h, head_dim_).values);
    }
  }

 private:
  // Scores of one page to weights; rescales what was mixed so far when the maximum grows.
  void weigh(int h, int from, int to, Partial partial) {
    const float* scores = scores_ + h * kPageTokens + from;
    const float max = std::max(*partial.max, kernels_.max(scores, to - from) * input_.scale);
    if (max > *partial.max) {
      const float shrink = std::exp(*partial.max - max);
      *partial.sum *= shrink;
      for (int d = 0; d < head_dim_; ++d) mixed_[h * head_dim_ + d] *= shrink;
      *partial.max = max;
    }
    *partial.sum += kernels_.exp_sum(scores, input_.scale, max, to - from, weights_ + h * kPageTokens + from);
  }

  const AttentionInput& input_;
  KvCache& cache_;
  const float* q_;  // [n_heads, head_dim]
  const Kernels& kernels_;
  const KvCodec& k_;
  const KvCodec& v_;
  int head_dim_;
  std::byte* prepared_;
  float* scores_;   // [queries, kPageTokens]
  float* weights_;  // [queries, kPageTokens]
  float* rotated_;  // [queries, head_dim]
  float* mixed_;    // [queries, head_dim]
};

}  // namespace

void Attention::decode(const AttentionInput& input, const SequenceRows& rows) {
  const KvCache& cache = *rows.cache;
  const int head_dim = cache.shape().head_dim;
  const int n_kv_heads = cache.shape().n_kv_heads;
  const int group = input.n_heads / n_kv_heads;
  const std::int64_t n = rows.first_position + 1;
  const std::int64_t units = (n + kGrain - 1) / kGrain;  // a KV head
  const std::int64_t thread_floats = input.n_heads * partial_floats(head_dim);
  partials_.resize(static_cast<std::size_t>(thread_floats * pool_->size()));

  pool_->run([&](int thread) {
    float* partials = partials_.data() + thread * thread_floats;
    for (int h = 0; h < input.n_heads; ++h) *partial_at(partials, h, head_dim).sum = 0;
    GroupDecoder decoder(input, rows, *kernels_, scratch_[static_cast<std::size_t>(thread)]);
    const Range share = share_of(units * n_kv_heads, thread, pool_->size());
    for (std::int64_t at = share.begin; at < share.end;) {
      const std::int64_t kv_head = at / units;
      const std::int64_t stop = std::min(share.end, (kv_head + 1) * units);
      const std::int64_t begin = (at - kv_head * units) * kGrain;
      const std::int64_t end = std::min((stop - kv_head * units) * kGrain, n);
      for (int h = 0; h < group; h += kMaxGroupQueries) {
        const int head = static_cast<int>(kv_head) * group + h;
        decoder.run(static_cast<int>(kv_head), head, std::min(group - h, kMaxGroupQueries), begin, end,
                    partials + head * partial_floats(head_dim));
      }
      at = stop;
    }
  });

  const KvCodec& v = cache.codecs().v(input.layer);
  for (int h = 0; h < input.n_heads; ++h) {
    float max = kNoScore;
    for (int t = 0; t < pool_->size(); ++t) {
      const Partial p = partial_at(partials_.data() + t * thread_floats, h, head_dim);
      if (*p.sum > 0) max = std::max(max, *p.max);
    }
    float* out = input.out + rows.first_row * input.ld_out + static_cast<std::int64_t>(h) * head_dim;
    std::fill(out, out + head_dim, 0.0F);
    float sum = 0;
    for (int t = 0; t < pool_->size(); ++t) {
      const Partial p = partial_at(partials_.data() + t * thread_floats, h, head_dim);
      if (*p.sum <= 0) continue;
      const float weight = std::exp(*p.max - max);
      sum += weight * *p.sum;
      for (int d = 0; d < head_dim; ++d) out[d] += weight * p.values[d];
    }
    for (int d = 0; d < head_dim; ++d) out[d] /= sum;
    v.unrotate(out);
  }
}

}  // namespace tq
