// The state of a session, as the batch runner advances it.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kvcache/kv_cache.h"
#include "kvcache/recurrent_state.h"
#include "tq/text.h"

namespace tq {

// What recurrent layers remember of a timeline, all empty for models without them. Such memory cannot be
// rewound: a text that does not go on from all tokens starts again from the mark, or from nothing.
struct RecurrentTimeline {
  static Expected<RecurrentTimeline> create(const RecurrentShape& shape) {
    auto state = RecurrentState::create(shape);
    if (!state) return state.error();
    auto mark = RecurrentState::create(shape);
    if (!mark) return mark.error();
    return RecurrentTimeline{std::move(*state), std::move(*mark)};
  }
  bool is_used() const { return state.bytes() > 0; }

  RecurrentState state;       // after all tokens
  RecurrentState mark;        // after the first n_marked: the last prompt
  std::int64_t n_marked = 0;  // 0: no mark
};

struct Timeline {
  Timeline(KvCache empty, RecurrentTimeline unused) : cache(std::move(empty)), recurrent(std::move(unused)) {}

  std::vector<Token> tokens;  // those that the cache holds
  KvCache cache;
  RecurrentTimeline recurrent;
  // The first tokens were computed in one particular way, by prefill attention throughout, and so have the
  // one set of bytes that other sessions may be given (docs/decisions/cache-pool.md).
  std::int64_t n_canonical = 0;
  std::vector<float> logits;  // [n_vocab] after the last token; empty before the first
};

}  // namespace tq
