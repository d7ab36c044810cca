// The state of a session, as the batch runner advances it.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kvcache/kv_cache.h"
#include "tq/text.h"

namespace tq {

struct Timeline {
  explicit Timeline(KvCache empty) : cache(std::move(empty)) {}

  std::vector<Token> tokens;  // those that the cache holds
  KvCache cache;
  // The first tokens were computed in one particular way, by prefill attention throughout, and so have the
  // one set of bytes that other sessions may be given (docs/decisions/cache-pool.md).
  std::int64_t n_canonical = 0;
  std::vector<float> logits;  // [n_vocab] after the last token; empty before the first
};

}  // namespace tq
