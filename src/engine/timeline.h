// The state of a session, as the batch runner advances it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/recurrent_timeline.h"
#include "kvcache/kv_cache.h"
#include "tq/text.h"

namespace tq {

struct Timeline {
  Timeline(KvCache empty, RecurrentTimeline unused) : cache(std::move(empty)), recurrent(std::move(unused)) {}

  // How many of the first of `wanted`, which has at least one, need not be computed.
  std::int64_t reusable(std::span<const Token> wanted) const {
    return cache.resumable(recurrent.reusable(shared(wanted), static_cast<std::int64_t>(tokens.size())));
  }
  // How many of them the timeline begins with, but for the last: it is computed even when it is cached, as
  // its logits are the result.
  std::int64_t shared(std::span<const Token> wanted) const {
    const std::int64_t common = std::ranges::mismatch(tokens, wanted).in2 - wanted.begin();
    return std::min(common, static_cast<std::int64_t>(wanted.size()) - 1);
  }

  std::vector<Token> tokens;  // those that the cache holds
  KvCache cache;
  RecurrentTimeline recurrent;
  // The first tokens were computed in one particular way, by prefill attention throughout, and so have the
  // one set of bytes that other sessions may be given (docs/decisions/cache-pool.md).
  std::int64_t n_canonical = 0;
  std::vector<float> logits;  // [n_vocab] after the last token; empty before the first
};

}  // namespace tq
