// How the decode attention of a batch is cut into work. A sequence's tokens are cut in chunks whose borders
// are the same for every sequence, batch and thread count; threads only differ in which chunks they take. A
// chunk's softmax partial is thus always the same bits, and partials are merged in order of position.
#pragma once

#include <cstdint>
#include <vector>

#include "attention/attention.h"

namespace tq {

// One KV head of one sequence: its queries (all heads of the group, of all rows) go over pages together.
struct DecodeRun {
  const SequenceRows* rows;
  int kv_head;
  int group;                  // query heads of the KV head
  int n_queries;              // group * n_rows, numbered row by row
  Range pages;                // that some row sees
  Range full_pages;           // that all rows see all of
  std::int64_t first_chunk;   // that has such a page
  std::int64_t n_chunks;      // of those
  std::int64_t page_cost;     // in the units of DecodePlan::total_cost
  std::int64_t cost_before;   // of all earlier runs
  std::int64_t partials;      // where its partials begin, in floats: [n_chunks, partial_floats]
  std::int64_t chunk_floats;  // of one chunk's partials, a multiple of 16
};

// Pages at which the chunks begin that cover [0, n_pages), and where the last of them ends.
std::vector<std::int64_t> chunk_borders(std::int64_t n_pages);

class DecodePlan {
 public:
  explicit DecodePlan(const AttentionInput& input);

  const std::vector<DecodeRun>& runs() const { return runs_; }
  std::int64_t total_cost() const { return total_cost_; }
  std::int64_t partial_floats() const { return partial_floats_; }
  int max_queries() const { return max_queries_; }  // of a run

  // Pages of a chunk, not yet cut to those that the run sees.
  Range chunk_pages(std::int64_t chunk) const {
    return {borders_[static_cast<std::size_t>(chunk)], borders_[static_cast<std::size_t>(chunk) + 1]};
  }
  // The chunks of a run that belong to a share of the total cost: those that begin in it.
  Range chunks_of(const DecodeRun& run, const Range& share) const;

 private:
  void add_sequence(const AttentionInput& input, const SequenceRows& rows);
  std::int64_t chunk_from(std::int64_t page) const;  // the first chunk that begins at or after the page
  std::int64_t chunk_holding(std::int64_t page) const;

  std::vector<DecodeRun> runs_;
  std::vector<std::int64_t> borders_;  // pages where chunks begin, and where the last ends
  std::int64_t total_cost_ = 0;
  std::int64_t partial_floats_ = 0;
  int max_queries_ = 0;
};

}  // namespace tq
