// Attention of a batch of tokens, FlashAttention style: queries side by side in vector lanes, pages streamed
// past them with an online softmax, so memory grows with the block and never with the context.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "attention/attention.h"

namespace tq {
namespace {

// Queries a task keeps in flight; each page is decoded once for all of them.
constexpr std::int64_t kTaskLanes = 256;

// Queries (token, head of the group) of one KV head, numbered token-major, [first, first + count).
class LaneTask {
 public:
  LaneTask(const AttentionInput& input, const SequenceRows& rows, const Kernels& kernels,
           std::vector<float>& scratch)
      : input_(input),
        rows_(rows),
        cache_(*rows.cache),
        kernels_(kernels),
        k_(cache_.codecs().k(input.layer)),
        v_(cache_.codecs().v(input.layer)),
        head_dim_(cache_.shape().head_dim),
        group_(input.n_heads / cache_.shape().n_kv_heads) {
    const std::int64_t lanes = kTaskLanes * head_dim_;
    const std::int64_t page = static_cast<std::int64_t>(kPageTokens) * head_dim_;
    float* p = reserve_scratch(scratch, scratch_floats(head_dim_));
    const auto take = [&p](std::int64_t n) { return std::exchange(p, p + n); };
    q_ = take(lanes);
    o_ = take(lanes);
    keys_ = take(page);
    values_ = take(page);
    scores_ = take(static_cast<std::int64_t>(kPageTokens) * kAttentionLanes);
    max_ = take(kTaskLanes);
    sum_ = take(kTaskLanes);
    begin_ = take(kAttentionLanes);
    end_ = take(kAttentionLanes);
    shrink_ = take(kAttentionLanes);
    row_ = take(head_dim_);
  }

  static std::size_t scratch_floats(int head_dim) {
    const std::int64_t rows = 2 * kTaskLanes + 2 * kPageTokens + 1;
    return static_cast<std::size_t>(rows * head_dim + kPageTokens * kAttentionLanes + 2 * kTaskLanes +
                                    3 * kAttentionLanes);
  }

  void run(int kv_head, std::int64_t first, std::int64_t count) {
    kv_head_ = kv_head;
    first_ = first;
    count_ = count;
    load_queries();
    std::fill(o_, o_ + kTaskLanes * head_dim_, 0.0F);
    std::fill(max_, max_ + kTaskLanes, kNoScore);
    std::fill(sum_, sum_ + kTaskLanes, 0.0F);
    const Range seen = {visible(first).begin, visible(first + count - 1).end};  // by some query
    for (std::int64_t page = seen.begin / kPageTokens; page * kPageTokens < seen.end; ++page) {
      attend_page(page, static_cast<int>(std::min<std::int64_t>(seen.end - page * kPageTokens, kPageTokens)));
    }
    store_outputs();
  }

 private:
  Range visible(std::int64_t lane) const {
    return visible_tokens(input_, rows_.first_position + lane / group_);
  }
  // Offset of a lane's head in a row of q or out.
  std::int64_t head_offset(std::int64_t lane) const {
    return (kv_head_ * group_ + lane % group_) * head_dim_;
  }

  // Rotated queries, transposed: q_[block][d][lane].
  void load_queries() {
    for (std::int64_t i = 0; i < kTaskLanes; ++i) {
      float* column = q_ + i / kAttentionLanes * kAttentionLanes * head_dim_ + i % kAttentionLanes;
      if (i < count_) {
        const std::int64_t lane = first_ + i;
        const float* q = input_.q + (rows_.first_row + lane / group_) * input_.ld_q + head_offset(lane);
        std::copy(q, q + head_dim_, row_);
        k_.rotate(row_);
      } else {
        std::fill(row_, row_ + head_dim_, 0.0F);
      }
      for (int d = 0; d < head_dim_; ++d) column[d * kAttentionLanes] = row_[d];
    }
  }

  void attend_page(std::int64_t page, int n_tokens) {
    k_.decode(cache_.k_page(input_.layer, kv_head_, page), 0, n_tokens, keys_);
    v_.decode(cache_.v_page(input_.layer, kv_head_, page), 0, n_tokens, values_);
    for (std::int64_t block = 0; block * kAttentionLanes < count_; ++block) {
      const std::int64_t base = block * kAttentionLanes;
      const std::int64_t rows = see_page(page, base, n_tokens);
      if (rows <= 0) continue;
      kernels_.lane_scores(keys_, q_ + base * head_dim_, rows, head_dim_, scores_);
      float scale = input_.scale;
      if (input_.softcap > 0) {
        kernels_.softcap(scores_, std::exchange(scale, 1.0F), input_.softcap, rows * kAttentionLanes);
      }
      kernels_.lane_softmax(scores_, rows, scale, begin_, end_, max_ + base, sum_ + base, shrink_);
      kernels_.lane_mix(values_, scores_, shrink_, rows, head_dim_, o_ + base * head_dim_);
    }
  }

  // What the lanes of a block see of a page, into begin_ and end_. Returns how many of its rows are needed.
  std::int64_t see_page(std::int64_t page, std::int64_t base, std::int64_t n_tokens) {
    for (int l = 0; l < kAttentionLanes; ++l) {
      const Range seen = visible(first_ + std::min(base + l, count_ - 1));
      begin_[l] = static_cast<float>(std::max<std::int64_t>(seen.begin - page * kPageTokens, 0));
      end_[l] = static_cast<float>(std::min<std::int64_t>(seen.end - page * kPageTokens, n_tokens));
    }
    // Later lanes see later tokens.
    return begin_[0] < static_cast<float>(n_tokens) ? static_cast<std::int64_t>(end_[kAttentionLanes - 1])
                                                    : 0;
  }

  void store_outputs() {
    for (std::int64_t i = 0; i < count_; ++i) {
      float shrink = 1.0F;
      if (input_.sinks != nullptr) {
        const float sink = input_.sinks[kv_head_ * group_ + (first_ + i) % group_];
        const float max = std::max(max_[i], sink);
        shrink = std::exp(max_[i] - max);
        sum_[i] = sum_[i] * shrink + std::exp(sink - max);
      }
      const std::int64_t lane = first_ + i;
      const float* column = o_ + i / kAttentionLanes * kAttentionLanes * head_dim_ + i % kAttentionLanes;
      float* out = input_.out + (rows_.first_row + lane / group_) * input_.ld_out + head_offset(lane);
      for (int d = 0; d < head_dim_; ++d) out[d] = column[d * kAttentionLanes] * shrink / sum_[i];
      v_.unrotate(out);
    }
  }

  const AttentionInput& input_;
  const SequenceRows& rows_;
  KvCache& cache_;
  const Kernels& kernels_;
  const KvCodec& k_;
  const KvCodec& v_;
  int head_dim_;
  std::int64_t group_;
  int kv_head_ = 0;
  std::int64_t first_ = 0;
  std::int64_t count_ = 0;
  float* q_;       // [kTaskLanes / lanes, head_dim, lanes]
  float* o_;       // [kTaskLanes / lanes, head_dim, lanes]
  float* keys_;    // [kPageTokens, head_dim]
  float* values_;  // [kPageTokens, head_dim]
  float* scores_;  // [kPageTokens, lanes]
  float* max_;     // [kTaskLanes]
  float* sum_;     // [kTaskLanes]
  float* begin_;   // [lanes] first token of the page that is seen
  float* end_;     // [lanes] first one that no longer is
  float* shrink_;  // [lanes]
  float* row_;     // [head_dim]
};

}  // namespace

std::size_t Attention::scratch_bytes(int head_dim, int n_threads) {
  return LaneTask::scratch_floats(head_dim) * sizeof(float) * static_cast<std::size_t>(n_threads);
}

void Attention::prefill(const AttentionInput& input, const SequenceRows& rows) {
  const KvCache& cache = *rows.cache;
  const std::int64_t lanes = rows.n_rows * (input.n_heads / cache.shape().n_kv_heads);
  const std::int64_t blocks = (lanes + kTaskLanes - 1) / kTaskLanes;
  const std::int64_t tasks = blocks * cache.shape().n_kv_heads;
  std::atomic<std::int64_t> next{0};
  pool_->run([&](int thread) {
    LaneTask task(input, rows, *kernels_, scratch_[static_cast<std::size_t>(thread)]);
    for (std::int64_t i = next++; i < tasks; i = next++) {
      // Late blocks see the most tokens: start them first, so that the threads finish together.
      const std::int64_t first = (blocks - 1 - i / cache.shape().n_kv_heads) * kTaskLanes;
      task.run(static_cast<int>(i % cache.shape().n_kv_heads), first, std::min(kTaskLanes, lanes - first));
    }
  });
}

}  // namespace tq
