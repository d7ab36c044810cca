// What the server has done since it started, counted by the scheduler and read by anybody.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "tq/speculation.h"

namespace tq::server {

struct Metrics {
  std::atomic<std::uint64_t> prompt_tokens = 0;  // computed
  std::atomic<std::uint64_t> cached_tokens = 0;  // of prompts: found in the cache
  std::atomic<std::uint64_t> answer_tokens = 0;
  std::atomic<std::uint64_t> prompt_microseconds =
      0;  // of requests, from their first step to their first token
  std::atomic<std::uint64_t> decode_microseconds = 0;  // from there to their end
  std::atomic<std::uint64_t> longest = 0;              // prompt with its answer, in tokens
  std::atomic<std::uint64_t> steps = 0;                // forward passes
  std::atomic<std::uint64_t> busy_slots = 0;           // summed over steps
  std::atomic<std::uint64_t> drafted_tokens = 0;       // guesses that were checked
  std::atomic<std::uint64_t> accepted_tokens = 0;      // those that were right
  std::array<std::atomic<std::uint64_t>, kMaxDraft + 1> draft_passes = {};  // checks by how many were right
  std::atomic<std::uint64_t> finished = 0;                                  // requests by how they ended
  std::atomic<std::uint64_t> cancelled = 0;
  std::atomic<std::uint64_t> failed = 0;
  std::atomic<std::uint64_t> refused = 0;  // the queue was full
};

}  // namespace tq::server
