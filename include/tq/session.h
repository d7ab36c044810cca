// A Session is one timeline of tokens with its compressed KV cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "tq/error.h"
#include "tq/text.h"

namespace tq {

class Session {
 public:
  // Called once for each newly computed position, in order, with its logits [n_vocab].
  using LogitsVisitor = std::function<void(std::int64_t position, std::span<const float> logits)>;

  virtual ~Session() = default;

  // Makes the cache hold exactly `tokens` (at least one) and returns the logits [n_vocab] after the last of
  // them, valid until the next call. The common prefix with what is cached, here or by other sessions, is
  // reused, the rest is computed. The last token is always computed; of a prompt's own prefix its last few,
  // so that going back gives the same bits as starting with it. Long inputs run in batches: to show progress
  // or allow a stop, sync growing prefixes, or use Engine::step().
  //
  // kContextFull when tokens do not fit n_ctx, and the session is unchanged; nothing is ever dropped
  // silently. To go on with part of a text (a context shift), sync that part: what follows a gap is computed
  // anew, as its positions differ. kOutOfMemory when other sessions fill the engine's cache; the common
  // prefix is kept.
  virtual Expected<std::span<const float>> sync(std::span<const Token> tokens,
                                                const LogitsVisitor& visitor = {}) = 0;

  // How many of the first of `tokens` sync() would not compute, by what this session holds. Where the model
  // has recurrent layers these are fewer than the two have in common unless all that is held goes on: such
  // layers go back to the end of the last prompt, to before the last few tokens that came together, or to
  // nothing.
  virtual std::int64_t reusable(std::span<const Token> tokens) const = 0;

  // Gives up all but the first n tokens, without computing: those that follow count as never synced. Where
  // the model cannot go back so far (reusable()), fewer stay.
  virtual void truncate(std::int64_t n_tokens) = 0;

  // Another session with the same tokens. They share cache memory until one of them writes; kOutOfMemory
  // where the model has a state beside the cache that does not fit twice.
  virtual Expected<std::unique_ptr<Session>> fork() const = 0;

  // The tokens and their cache, to a file that appears when it is whole. Any engine with the same model and
  // cache types can restore it (Engine::create_session() may have another n_ctx): on the same instruction set
  // what is computed next is the same bit for bit. A file that is not accepted leaves the session unchanged;
  // kOutOfMemory leaves it empty.
  virtual Expected<void> save(const std::string& path) const = 0;
  virtual Expected<void> restore(const std::string& path) = 0;

  virtual std::span<const Token> tokens() const = 0;  // what the cache holds
  virtual std::int64_t n_ctx() const = 0;
  virtual std::size_t kv_bytes() const = 0;      // cache bytes that the held tokens occupy (whole pages)
  virtual std::size_t kv_bytes_f16() const = 0;  // what the same pages would take as f16
};

}  // namespace tq
