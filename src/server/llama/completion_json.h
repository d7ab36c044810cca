// POST /completion in llama-server's words: what is asked, and each of its answers.
#pragma once

#include <string>
#include <vector>

#include "server/api/answer.h"

namespace tq::server::llama {

struct CompletionCall {
  AnswerOptions options;
  std::vector<std::vector<Token>> prompts = {};
  std::vector<std::string> response_fields = {};  // of a whole answer; none: all
  bool streams = false;
  bool returns_tokens = false;

  std::size_t n_choices() const { return prompts.size() * static_cast<std::size_t>(options.n); }
  const std::vector<Token>& prompt_of(int choice) const {
    return prompts[static_cast<std::size_t>(choice) / static_cast<std::size_t>(options.n)];
  }
};

CompletionCall read_completion_call(const ServedModel& model, const http::Request& request);
// The same, where the prompt is a text with a gap: "input_prefix", "input_suffix", "input_extra", "prompt".
CompletionCall read_infill_call(const ServedModel& model, const http::Request& request);

// An answer so far. `piece` is all of it, or empty in a stream, which told it already.
struct CompletionText {
  Piece piece = {};
  std::int64_t n_tokens = 0;
  bool has_new_line = false;

  void count(const Piece& more);
  void add(Piece more);  // and count it
};

// The next piece of a stream. `text` is the answer with it.
Json piece_json(const CompletionCall& call, const ServedModel& model, int choice, const Piece& piece,
                const CompletionText& text);
// The whole answer, or the end of a stream.
Json answer_json(const CompletionCall& call, const ServedModel& model, int choice, const CompletionText& text,
                 const Outcome& outcome);

}  // namespace tq::server::llama
