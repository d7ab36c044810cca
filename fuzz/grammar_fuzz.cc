// Grammars come from requests, and so does what is matched. Before the first zero byte the input is GBNF; the
// rest is a text, one that the grammar is walked along byte by byte and token by token.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sampler/grammar/matcher.h"
#include "tokenizer/utf8.h"

namespace {

// All bytes, and some tokens of several.
std::shared_ptr<const tq::VocabularyImpl> vocabulary() {
  static const auto all = [] {
    static std::vector<std::string> tokens = {"",         "ab",       "\": \"", "{\"",  "}}",
                                              "\xc3\xa9", "\xe2\x82", "\xac.",  "true", "10"};
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    return std::static_pointer_cast<const tq::VocabularyImpl>(tq::Vocabulary::create({
        .n_tokens = static_cast<tq::Token>(tokens.size()),
        .bytes = [](tq::Token token) -> std::string_view { return tokens[static_cast<std::size_t>(token)]; },
        .ends_generation = [](tq::Token token) { return token == 0; },
        .encode = [](std::string_view) { return std::vector<tq::Token>(); },
    }));
  }();
  return all;
}

void require(bool condition) {
  if (!condition) std::abort();
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const int length = tq::strict_utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(static_cast<std::size_t>(length));
  }
  return true;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view gbnf = input.substr(0, input.find('\0'));
  const std::string_view text =
      gbnf.size() < size ? input.substr(gbnf.size() + 1).substr(0, 200) : std::string_view();
  const auto grammar = tq::Grammar::from_gbnf(gbnf);
  if (!grammar) return 0;
  const bool matches = (*grammar)->matches(text);
  require(!matches || is_utf8(text));

  tq::Matcher matcher(std::static_pointer_cast<const tq::GrammarImpl>(*grammar), vocabulary());
  bool is_alive = true;
  int masks = 4;  // the slow part
  for (const char byte : text) {
    const tq::Token token = 10 + static_cast<unsigned char>(byte);
    is_alive = is_alive && matcher.allows(token);
    if (masks-- > 0) {
      const auto mask = matcher.mask();
      for (tq::Token t = 0; t < vocabulary()->n_tokens(); ++t)
        require((mask[static_cast<std::size_t>(t) / 64] >> (t % 64) & 1U) == (matcher.allows(t) ? 1U : 0U));
    }
    matcher.accept(token);
  }
  require(matches == (is_alive && matcher.allows(0)));
  return 0;
}
