#include "server/api/answer_markup.h"

#include <algorithm>

namespace tq::server {

AnswerMarkup::AnswerMarkup(const Engine& engine)
    : engine_(engine), format_(detect_answer_format(engine.chat_template())) {
  const std::vector<std::string> markers = answer_markers(format_);
  for (Token token = 0; token < engine.info().n_vocab; ++token) {
    if (!engine.token_bytes(token).empty()) continue;
    const std::string_view name = engine.token_bytes(token, SpecialText::kParse);
    if (std::ranges::find(markers, name) != markers.end()) tokens_.push_back(token);
  }
}

std::shared_ptr<const Vocabulary> AnswerMarkup::vocabulary() const {
  std::call_once(vocabulary_once_, [this] {
    const auto bytes = [this](Token token) {
      const bool is_marker = std::ranges::binary_search(tokens_, token);
      return engine_.token_bytes(token, is_marker ? SpecialText::kParse : SpecialText::kPlain);
    };
    const auto encode = [&engine = engine_](std::string_view text) {  // is kept
      return engine.encode(text, SpecialText::kPlain, false);
    };
    vocabulary_ = tokens_.empty()
                      ? engine_.vocabulary()
                      : Vocabulary::create(
                            {.n_tokens = engine_.info().n_vocab,
                             .bytes = bytes,
                             .ends_generation = [this](Token t) { return engine_.is_end_of_generation(t); },
                             .encode = encode});
  });
  return vocabulary_;
}

}  // namespace tq::server
