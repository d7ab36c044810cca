#include "attention/decode_plan.h"

namespace tq {
namespace {

// Chunks are of 4 pages, and grow in proportion to their position from page 256 (token 32768) on: what the
// partials take is bounded by the logarithm of the context, and there is work enough for every thread.
constexpr std::int64_t kChunkPages = 4;
constexpr std::int64_t kChunkShare = 64;

// Up to this many queries a page costs what reading it costs, beyond it what the products cost.
constexpr int kQueriesAtMemorySpeed = 4;

}  // namespace

std::vector<std::int64_t> chunk_borders(std::int64_t n_pages) {
  std::vector<std::int64_t> borders = {0};
  while (borders.back() < n_pages) {
    borders.push_back(borders.back() + std::max(kChunkPages, borders.back() / kChunkShare));
  }
  return borders;
}

DecodePlan::DecodePlan(const AttentionInput& input) {
  std::int64_t last_page = 0;
  for (const SequenceRows& rows : input.sequences) {
    if (rows.n_rows <= kDecodeRows) {
      last_page = std::max(last_page, pages_for(rows.first_position + rows.n_rows));
    }
  }
  borders_ = chunk_borders(last_page);
  for (const SequenceRows& rows : input.sequences) {
    if (rows.n_rows > 0 && rows.n_rows <= kDecodeRows) add_sequence(input, rows);
  }
}

void DecodePlan::add_sequence(const AttentionInput& input, const SequenceRows& rows) {
  const KvShape& shape = rows.cache->shape();
  DecodeRun run{};
  run.rows = &rows;
  run.group = input.n_heads / shape.n_kv_heads;
  run.n_queries = run.group * static_cast<int>(rows.n_rows);
  run.pages = {visible_tokens(input, rows.first_position).begin / kPageTokens,
               pages_for(rows.first_position + rows.n_rows)};
  const std::int64_t last = rows.first_position + rows.n_rows - 1;
  run.full_pages = {pages_for(visible_tokens(input, last).begin), (rows.first_position + 1) / kPageTokens};
  run.first_chunk = chunk_holding(run.pages.begin);
  run.n_chunks = chunk_from(run.pages.end) - run.first_chunk;
  run.page_cost = std::max(run.n_queries, kQueriesAtMemorySpeed);
  run.chunk_floats = (run.n_queries * (shape.head_dim + 2) + 15) / 16 * 16;
  max_queries_ = std::max(max_queries_, run.n_queries);
  for (run.kv_head = 0; run.kv_head < shape.n_kv_heads; ++run.kv_head) {
    run.cost_before = total_cost_;
    run.partials = partial_floats_;
    total_cost_ += (run.pages.end - run.pages.begin) * run.page_cost;
    partial_floats_ += run.n_chunks * run.chunk_floats;
    runs_.push_back(run);
  }
}

std::int64_t DecodePlan::chunk_from(std::int64_t page) const {
  return std::lower_bound(borders_.begin(), borders_.end(), page) - borders_.begin();
}

std::int64_t DecodePlan::chunk_holding(std::int64_t page) const {
  return std::upper_bound(borders_.begin(), borders_.end(), page) - borders_.begin() - 1;
}

Range DecodePlan::chunks_of(const DecodeRun& run, const Range& share) const {
  const auto chunk_at = [&](std::int64_t cost) {
    if (cost <= run.cost_before) return run.first_chunk;
    const std::int64_t page = run.pages.begin + (cost - run.cost_before + run.page_cost - 1) / run.page_cost;
    return std::min(chunk_from(page), run.first_chunk + run.n_chunks);
  };
  return {chunk_at(share.begin), chunk_at(share.end)};
}

}  // namespace tq
