// Tokens -> the text of an answer as it may be shown: whole characters, and nothing that could turn out to be
// the beginning of a stop string.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/scheduler/request.h"
#include "tq/utf8.h"

namespace tq::server {

class AnswerText {
 public:
  explicit AnswerText(std::vector<std::string> stops);

  // The bytes of the next token. The stop string that the text came to, empty when to none: the text then
  // ends before it, and nothing more may be pushed.
  std::string push(std::string_view bytes, std::optional<ScoredToken> scored);
  // The text ends here, with what was held back.
  void finish();
  // What can be shown since the last call.
  Piece take();

 private:
  struct Scored {
    ScoredToken token;
    std::size_t begin;  // of its text in the answer
  };

  std::string search(std::size_t n_old);
  // Bytes at the end of held_ that begin a stop string.
  std::size_t unsure() const;

  std::vector<std::string> stops_;
  Utf8Stream characters_;
  std::string held_;           // characters that take() has not given out
  std::size_t n_sure_ = 0;     // of held_: what it may
  std::size_t n_taken_ = 0;    // bytes of the answer before held_
  std::deque<Scored> scored_;  // those that take() has not given out
};

}  // namespace tq::server
