// Attention of sequences' few new tokens. Chunks of tokens are shared out to the threads, each K and V page
// is read once for all queries of its KV head, and a chunk leaves softmax partials (maximum, sum, mixed
// values), as in FlashDecoding. Whoever finishes the last chunk of a KV head merges its partials.
#include <atomic>
#include <cmath>
#include <utility>

#include "attention/decode_plan.h"

namespace tq {
namespace {

// A sequence's first and last page bound its softmax's sum from below, for sparse_v. They are scored once
// more for that, which pays from so many pages on.
constexpr std::int64_t kBoundPages = 16;

// Softmax partials of a chunk: values[d] = sum of exp(s_t - max) v_t[d], sum = sum of exp(s_t - max).
struct Partials {
  float* values;  // [n_queries, head_dim]
  float* max;     // [n_queries]
  float* sum;     // [n_queries]; 0: no token of the chunk is seen
};

// What one thread does: chunks of a run after begin(run), and merges.
class ChunkDecoder {
 public:
  ChunkDecoder(const AttentionInput& input, const DecodePlan& plan, const Kernels& kernels,
               std::vector<float>& scratch, float* partials)
      : input_(input),
        plan_(plan),
        kernels_(kernels),
        k_(input.sequences.front().cache->codecs().k(input.layer)),
        v_(input.sequences.front().cache->codecs().v(input.layer)),
        head_dim_(k_.head_dim()),
        partials_(partials) {
    const std::size_t page = kMaxGroupQueries * kPageTokens;
    const auto queries = static_cast<std::size_t>(kMaxGroupQueries) * static_cast<std::size_t>(head_dim_);
    const auto blocks =
        static_cast<std::size_t>((plan.max_queries() + kMaxGroupQueries - 1) / kMaxGroupQueries);
    block_floats_ = (k_.query_bytes(kMaxGroupQueries) + 63) / 64 * 16;
    float* p = reserve_scratch(scratch, blocks * (block_floats_ + kMaxGroupQueries) + 2 * page + queries);
    prepared_ = std::exchange(p, p + blocks * block_floats_);
    scores_ = std::exchange(p, p + page);
    weights_ = std::exchange(p, p + page);
    least_ = std::exchange(p, p + blocks * kMaxGroupQueries);
    rotated_ = p;
  }

  // Prepares the queries of a run.
  void begin(const DecodeRun& run) {
    run_ = &run;
    for (int first = 0; first < run.n_queries; first += kMaxGroupQueries) {
      const int n = block_size(first);
      for (int i = 0; i < n; ++i) {
        const float* q = input_.q + row_of(first + i) * input_.ld_q + head_offset(first + i);
        std::copy(q, q + head_dim_, rotated_ + i * head_dim_);
        k_.rotate(rotated_ + i * head_dim_);
      }
      k_.prepare_queries(rotated_, n, prepared(first));
    }
    std::fill(least_, least_ + run.n_queries, kNoScore);
    if (input_.sparse_v <= 0 || run.pages.end - run.pages.begin < kBoundPages) return;
    // Rows are at most 8 tokens apart, so their first pages are two at most, and so are their last.
    for (const std::int64_t page :
         {run.pages.begin, run.pages.begin + 1, run.pages.end - 2, run.pages.end - 1}) {
      bound_sums(page);
    }
  }

  void attend(std::int64_t chunk) {
    const Partials out = partials_of(chunk);
    std::fill(out.values, out.values + run_->n_queries * head_dim_, 0.0F);
    std::fill(out.max, out.max + run_->n_queries, kNoScore);
    std::fill(out.sum, out.sum + run_->n_queries, 0.0F);
    const Range pages = plan_.chunk_pages(chunk);
    const std::int64_t end = std::min(pages.end, run_->pages.end);
    for (std::int64_t page = std::max(pages.begin, run_->pages.begin); page < end; ++page) {
      for (int first = 0; first < run_->n_queries; first += kMaxGroupQueries) attend_page(page, first, out);
    }
  }

  // Partials of all chunks to the outputs of every query.
  void merge() {
    for (int query = 0; query < run_->n_queries; ++query) {
      float* out = input_.out + row_of(query) * input_.ld_out + head_offset(query);
      merge_query(query, out);
      v_.unrotate(out);
    }
  }

 private:
  int block_size(int first) const { return std::min(run_->n_queries - first, kMaxGroupQueries); }
  std::int64_t row_of(int query) const { return run_->rows->first_row + query / run_->group; }
  std::int64_t head_of(int query) const { return run_->kv_head * run_->group + query % run_->group; }
  std::int64_t head_offset(int query) const { return head_of(query) * head_dim_; }
  std::byte* prepared(int first) const {
    return reinterpret_cast<std::byte*>(prepared_ +
                                        static_cast<std::size_t>(first / kMaxGroupQueries) * block_floats_);
  }
  Partials partials_of(std::int64_t chunk) const {
    float* values = partials_ + run_->partials + (chunk - run_->first_chunk) * run_->chunk_floats;
    float* max = values + static_cast<std::int64_t>(run_->n_queries) * head_dim_;
    return {values, max, max + run_->n_queries};
  }
  // Tokens of a page that a query sees; may be none.
  Range visible_in(std::int64_t page, int query) const {
    const Range seen = visible_tokens(input_, run_->rows->first_position + query / run_->group);
    const auto in_page = [&](std::int64_t token) {
      return std::clamp<std::int64_t>(token - page * kPageTokens, 0, kPageTokens);
    };
    return {in_page(seen.begin), in_page(seen.end)};
  }

  // Whether a page is the first or the last that a query sees: of its own row, so that rows do not depend on
  // each other. Few pages are not worth a bound.
  bool bounds(std::int64_t page, int query) const {
    const Range seen = visible_tokens(input_, run_->rows->first_position + query / run_->group);
    const std::int64_t first = seen.begin / kPageTokens;
    const std::int64_t last = (seen.end - 1) / kPageTokens;
    return (page == first || page == last) && last - first >= kBoundPages;
  }

  // Raises least_ to the logarithm of the sum over the tokens of one page, for the queries that it bounds.
  void bound_sums(std::int64_t page) {
    const std::byte* keys = run_->rows->cache->k_page(input_.layer, run_->kv_head, page);
    for (int first = 0; first < run_->n_queries; first += kMaxGroupQueries) {
      const int n = block_size(first);
      const auto begin = static_cast<int>(visible_in(page, first).begin);
      const auto end = static_cast<int>(visible_in(page, first + n - 1).end);
      if (begin < end) k_.score(keys, begin, end, prepared(first), n, scores_);
      for (int i = 0; i < n; ++i) {
        const Range seen = visible_in(page, first + i);
        if (seen.begin >= seen.end || !bounds(page, first + i)) continue;
        const float scale = cap_scores(i, seen);
        const float* scores = scores_ + i * kPageTokens + seen.begin;
        const float max = kernels_.max(scores, seen.end - seen.begin) * scale;
        const float sum = kernels_.exp_sum(scores, scale, max, seen.end - seen.begin, weights_);
        least_[first + i] = std::max(least_[first + i], max + std::log(sum));
      }
    }
  }

  // Soft-caps scores of query i of the block; returns the scale that is left to apply.
  float cap_scores(int i, const Range& seen) {
    if (input_.softcap <= 0) return input_.scale;
    kernels_.softcap(scores_ + i * kPageTokens + seen.begin, input_.scale, input_.softcap,
                     seen.end - seen.begin);
    return 1.0F;
  }

  // Queries [first, first + at most kMaxGroupQueries) over one page. Each keeps to the tokens it sees.
  void attend_page(std::int64_t page, int first, const Partials& out) {
    const int n = block_size(first);
    const bool full = page >= run_->full_pages.begin && page < run_->full_pages.end;
    const auto seen_by = [&](int i) { return full ? Range{0, kPageTokens} : visible_in(page, first + i); };
    // Later rows see later tokens, so the block sees what lies between the first's begin and the last's end.
    const auto begin = static_cast<int>(seen_by(0).begin);
    const auto end = static_cast<int>(seen_by(n - 1).end);
    if (begin >= end) return;
    KvCache& cache = *run_->rows->cache;
    k_.score(cache.k_page(input_.layer, run_->kv_head, page), begin, end, prepared(first), n, scores_);
    for (int i = 0; i < n; ++i) {
      const Range seen = seen_by(i);
      float* weights = weights_ + i * kPageTokens;
      const std::int64_t from = std::min<std::int64_t>(seen.begin, end);
      std::fill(weights + begin, weights + from, 0.0F);
      if (seen.begin < seen.end) weigh(i, seen, first + i, out);
      std::fill(weights + std::max(seen.end, from), weights + end, 0.0F);
    }
    v_.mix(cache.v_page(input_.layer, run_->kv_head, page), begin, end, weights_, n,
           out.values + first * head_dim_);
  }

  // Scores of one page to weights, for query i of the block; rescales what was mixed so far when the maximum
  // grows.
  void weigh(int i, const Range& seen, int query, const Partials& out) {
    const float* scores = scores_ + i * kPageTokens + seen.begin;
    float* weights = weights_ + i * kPageTokens + seen.begin;
    const std::int64_t n = seen.end - seen.begin;
    const float scale = cap_scores(i, seen);
    float& max = out.max[query];
    const float new_max = std::max(max, kernels_.max(scores, n) * scale);
    if (out.sum[query] == 0) {  // nothing yet that could shrink
      max = new_max;
    } else if (new_max > max) {
      const float shrink = std::exp(max - new_max);
      out.sum[query] *= shrink;
      float* values = out.values + static_cast<std::int64_t>(query) * head_dim_;
      for (int d = 0; d < head_dim_; ++d) values[d] *= shrink;
      max = new_max;
    }
    out.sum[query] += kernels_.exp_sum(scores, scale, max, n, weights);
    if (least_[query] > kNoScore) drop_small(query, max, out.sum[query], n, weights);
  }

  // Zeroes weights below sparse_v / (tokens that the query sees) of the sum of all weights, or rather of what
  // that sum has at least: what is known of the chunk, or of the first or last page. No more than sparse_v of
  // the weights can so be lost.
  void drop_small(int query, float max, float sum, std::int64_t n, float* weights) {
    const Range seen = visible_tokens(input_, run_->rows->first_position + query / run_->group);
    const float share = input_.sparse_v / static_cast<float>(seen.end - seen.begin);
    const float limit = share * std::max(sum, std::exp(least_[query] - max));
    for (std::int64_t t = 0; t < n; ++t) weights[t] = weights[t] < limit ? 0.0F : weights[t];
  }

  void merge_query(int query, float* out) const {
    float max = input_.sinks != nullptr ? input_.sinks[head_of(query)] : kNoScore;
    const std::int64_t end = run_->first_chunk + run_->n_chunks;
    for (std::int64_t chunk = run_->first_chunk; chunk < end; ++chunk) {
      const Partials p = partials_of(chunk);
      if (p.sum[query] != 0) max = std::max(max, p.max[query]);
    }
    float sum = input_.sinks != nullptr ? std::exp(input_.sinks[head_of(query)] - max) : 0.0F;
    std::fill(out, out + head_dim_, 0.0F);
    for (std::int64_t chunk = run_->first_chunk; chunk < end; ++chunk) {
      const Partials p = partials_of(chunk);
      if (p.sum[query] == 0) continue;
      const float weight = std::exp(p.max[query] - max);
      sum += weight * p.sum[query];
      const float* values = p.values + static_cast<std::int64_t>(query) * head_dim_;
      for (int d = 0; d < head_dim_; ++d) out[d] += weight * values[d];
    }
    for (int d = 0; d < head_dim_; ++d) out[d] /= sum;
  }

  const AttentionInput& input_;
  const DecodePlan& plan_;
  const Kernels& kernels_;
  const KvCodec& k_;
  const KvCodec& v_;
  int head_dim_;
  float* partials_;
  const DecodeRun* run_ = nullptr;
  std::size_t block_floats_;  // of the prepared queries of a block
  float* prepared_;           // [blocks of kMaxGroupQueries]
  float* scores_;             // [kMaxGroupQueries, kPageTokens]
  float* weights_;            // [kMaxGroupQueries, kPageTokens]
  float* least_;              // [queries] logarithm of what a query's sum has at least; kNoScore: unknown
  float* rotated_;            // [kMaxGroupQueries, head_dim]
};

}  // namespace

std::size_t Attention::partial_bytes(int n_heads, int head_dim, std::int64_t n_ctx) {
  const std::size_t n_chunks = chunk_borders((n_ctx + kPageTokens - 1) / kPageTokens).size() - 1;
  return n_chunks * static_cast<std::size_t>(n_heads * (head_dim + 2)) * sizeof(float);
}

void Attention::decode(const AttentionInput& input) {
  const DecodePlan plan(input);
  if (plan.runs().empty()) return;
  std::vector<std::int64_t> pending;  // chunks of a run that nobody has finished
  for (const DecodeRun& run : plan.runs()) pending.push_back(run.n_chunks);
  float* partials = reserve_scratch(partials_, static_cast<std::size_t>(plan.partial_floats()));

  pool_->run([&](int thread) {
    const Range share = share_of(plan.total_cost(), thread, pool_->size());
    ChunkDecoder decoder(input, plan, *kernels_, scratch_[static_cast<std::size_t>(thread)], partials);
    for (std::size_t i = 0; i < pending.size(); ++i) {
      const DecodeRun& run = plan.runs()[i];
      const Range chunks = plan.chunks_of(run, share);
      const std::int64_t n = chunks.end - chunks.begin;
      if (n <= 0) continue;
      decoder.begin(run);
      for (std::int64_t chunk = chunks.begin; chunk < chunks.end; ++chunk) decoder.attend(chunk);
      // Releases this thread's partials to whoever merges, and if that is this one acquires all others'.
      if (std::atomic_ref(pending[i]).fetch_sub(n, std::memory_order_acq_rel) == n) decoder.merge();
    }
  });
}

}  // namespace tq
