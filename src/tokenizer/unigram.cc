#include "tokenizer/unigram.h"

#include <algorithm>
#include <limits>

#include "tokenizer/spaces.h"
#include "tokenizer/utf8.h"

namespace tq {
namespace {

constexpr float kUnknownPenalty = 10.0f;

// How many bytes of `text` lead along some path of the trie.
std::size_t path_length(const Trie& trie, std::string_view text) {
  Trie::Node node = Trie::kRoot;
  for (std::size_t i = 0; i < text.size(); ++i) {
    node = trie.child(node, text[i]);
    if (node == Trie::kNoNode) return i;
  }
  return text.size();
}

}  // namespace

UnigramEncoder::UnigramEncoder(const Vocab& vocab, Charsmap charsmap, Options options)
    : vocab_(vocab), charsmap_(std::move(charsmap)), options_(options) {
  std::vector<std::pair<std::string_view, std::int32_t>> tokens, user_defined;
  float lowest = std::numeric_limits<float>::max();
  for (std::size_t i = 0; i < vocab.size(); ++i) {
    const std::uint8_t attr = vocab.attrs[i];
    const float score = vocab.scores.empty() ? 0.0F : vocab.scores[i];
    const std::pair<std::string_view, std::int32_t> item(vocab.texts[i], static_cast<std::int32_t>(i));
    scores_.push_back((attr & kAttrUserDefined) != 0 ? 0.0 : static_cast<double>(score));
    if ((attr & kAttrNormal) != 0) lowest = std::min(lowest, score);
    if ((attr & (kAttrNormal | kAttrUserDefined | kAttrUnused)) != 0 &&
        !vocab.is_control(static_cast<Token>(i))) {
      tokens.push_back(item);
    }
    if ((attr & kAttrUserDefined) != 0) user_defined.push_back(item);
  }
  unknown_score_ = static_cast<double>(lowest - kUnknownPenalty);
  tokens_ = Trie(std::move(tokens));
  user_defined_ = Trie(std::move(user_defined));
}

// What llama.cpp makes of it: user-defined tokens (and, as there, beginnings of them) stay as they are.
std::string UnigramEncoder::normalise(std::string_view text) const {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  bool has_prefix = false, in_word = false;
  while (!text.empty()) {
    std::size_t consumed = path_length(user_defined_, text);
    std::string_view replacement = text.substr(0, consumed);
    if (consumed == 0) {
      if (const auto match = charsmap_.longest(text)) {
        consumed = match->length;
        replacement = match->replacement;
      } else {
        const Utf8Char c = decode_lenient(text);
        consumed = static_cast<std::size_t>(c.length);
        const bool is_broken = c.code == kReplacement && c.length == 1;
        replacement = is_broken ? std::string_view("\xEF\xBF\xBD") : text.substr(0, consumed);
      }
    }
    text.remove_prefix(consumed);
    for (const char c : replacement) {
      if (c == ' ') {
        in_word = false;
        if (!options_.merges_spaces) out += kEscapedSpace;
        continue;
      }
      if (!in_word && (options_.merges_spaces || (options_.adds_space_prefix && !has_prefix))) {
        out += kEscapedSpace;
        has_prefix = true;
      }
      in_word = true;
      out += c;
    }
  }
  return out;
}

void UnigramEncoder::encode(std::string_view raw, bool /*opens*/, std::vector<Token>& out) const {
  const std::string text = normalise(raw);
  if (text.empty()) return;
  struct Best {  // the best way to a place in the text
    double score = -std::numeric_limits<double>::max();
    std::size_t from = 0;
    Token token = -1;
  };
  std::vector<Best> best(text.size() + 1);
  best[0].score = 0;
  const auto reach = [&best](std::size_t from, std::size_t to, double score, Token token) {
    if (score > best[to].score) best[to] = {score, from, token};
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t character = lead_length(std::string_view(text).substr(at));
    const double score = best[at].score;
    bool has_character = false;
    Trie::Node node = Trie::kRoot;
    for (std::size_t end = at; end < text.size();) {
      node = tokens_.child(node, text[end++]);
      if (node == Trie::kNoNode) break;
      const Token token = tokens_.value(node);
      if (token < 0) continue;
      has_character = has_character || end - at == character;
      reach(at, end, score + scores_[static_cast<std::size_t>(token)], token);
    }
    if (!has_character) reach(at, at + character, score + unknown_score_, vocab_.unknown);
    at += character;
  }
  const std::size_t first = out.size();
  bool after_unknown = false;
  for (std::size_t at = text.size(); at > 0; at = best[at].from) {
    const Token token = best[at].token;
    const bool is_unknown = token == vocab_.unknown;
    // A run of unknown characters is one unknown token.
    if (token >= 0 && !(is_unknown && after_unknown)) out.push_back(token);
    after_unknown = is_unknown;
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
}

}  // namespace tq
