// A Session is one timeline of tokens with its compressed KV cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "tq/error.h"
#include "tq/text.h"

namespace tq {

class Session {
 public:
  // Called once for each newly computed position, in order, with its logits [n_vocab].
  using LogitsVisitor = std::function<void(std::int64_t position, std::span<const float> logits)>;

  virtual ~Session() = default;

  // Makes the cache hold exactly `tokens` (at least one) and returns the logits [n_vocab] after the last of
  // them, valid until the next call. The common prefix with what is cached is reused, the rest is computed;
  // the last token is always computed. kContextFull when tokens do not fit n_ctx; the session is then
  // unchanged. Long inputs run in batches: to show progress or allow a stop, sync growing prefixes.
  virtual Expected<std::span<const float>> sync(std::span<const Token> tokens,
                                                const LogitsVisitor& visitor = {}) = 0;

  virtual std::span<const Token> tokens() const = 0;  // what the cache holds
  virtual std::int64_t n_ctx() const = 0;
  virtual std::size_t kv_bytes() const = 0;      // cache bytes that the held tokens occupy (whole pages)
  virtual std::size_t kv_bytes_f16() const = 0;  // what the same pages would take as f16
};

}  // namespace tq
