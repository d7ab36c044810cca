#include "tokenizer/sentencepiece.h"

#include <bit>

#include "tokenizer/utf8.h"
#include "tokenizer/word_cache.h"

namespace tq {
namespace {

constexpr std::int32_t kNoToken = -1;
constexpr std::int32_t kUnknownYet = -2;

// Falls as the score grows, and is equal for equal scores. The sum makes -0 a 0.
std::int32_t rank_of(float score) {
  const auto bits = std::bit_cast<std::int32_t>(score + 0.0f);
  return ~(bits ^ ((bits >> 31) & 0x7FFFFFFF));
}

}  // namespace

SentencePieceEncoder::SentencePieceEncoder(const Vocab& vocab, bool adds_space_prefix)
    : vocab_(vocab), adds_space_prefix_(adds_space_prefix) {
  for (std::size_t i = 0; i < vocab.size(); ++i) cuts_.add(vocab.texts[i]);
}

// A control token is never made from text (SentencePiece says so; llama.cpp lets `<`, `s>` become `<s>`).
Token SentencePieceEncoder::find(std::string_view text) const {
  const Token token = vocab_.find(text);
  return token >= 0 && vocab_.is_control(token) ? kNoToken : token;
}

void SentencePieceEncoder::encode(std::string_view text, bool opens, std::vector<Token>& out) const {
  if (text.empty()) return;
  std::string escaped = escape_spaces(text);
  if (opens && adds_space_prefix_) escaped.insert(0, kEscapedSpace);
  Merger merger;
  WordCache cache(escaped.size());
  const std::string_view all = escaped;
  std::size_t begin = 0;
  const auto finish_word = [&](std::size_t end) {
    if (begin == end) return;
    const std::string_view word = all.substr(begin, end - begin);
    cache.encode(word, out, [&] { encode_word(word, merger, out); });
    begin = end;
  };
  for (std::size_t at = 0; at < all.size(); at += lead_length(all.substr(at))) {
    if (at > 0 && all.substr(at, kEscapedSpace.size()) == kEscapedSpace && cuts_.allowed_after(all[at - 1])) {
      finish_word(at);
    }
  }
  finish_word(all.size());
}

void SentencePieceEncoder::encode_word(std::string_view word, Merger& merger, std::vector<Token>& out) const {
  merger.clear();
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t length = lead_length(word.substr(at));
    merger.add(static_cast<std::uint32_t>(length), kUnknownYet);
    at += length;
  }
  merger.run([&](const MergeSymbol& left, const MergeSymbol& right) {
    const Token token = find(word.substr(left.begin, left.size + right.size));
    if (token < 0) return MergeResult{};
    const float score = vocab_.scores.empty() ? 0.0F : vocab_.scores[static_cast<std::size_t>(token)];
    return MergeResult{rank_of(score), token, true};
  });
  merger.for_each([&](const MergeSymbol& symbol) {
    const std::string_view text = word.substr(symbol.begin, symbol.size);
    const Token token = symbol.piece == kUnknownYet ? find(text) : symbol.piece;
    if (token >= 0) {
      out.push_back(token);
    } else {
      vocab_.spell_bytes(text, out);
    }
  });
}

}  // namespace tq
