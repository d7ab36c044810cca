#include "tokenizer/wordpiece.h"

#include <utf8proc.h>

#include <array>

#include "tokenizer/spaces.h"
#include "tokenizer/utf8.h"

namespace tq {
namespace {

bool is_white_space(std::uint32_t code) {
  return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
         code == 0x205F || code == 0x3000;
}

// Each stands alone, like a word. The ranges are BERT's, with the gap that its Rust form and llama.cpp have.
bool is_chinese(std::uint32_t code) {
  struct Range {
    std::uint32_t first, last;
  };
  constexpr std::array kRanges = {Range{0x3400, 0x4DBF},   Range{0x4E00, 0x9FFF},   Range{0xF900, 0xFAFF},
                                  Range{0x20000, 0x2A6DF}, Range{0x2A700, 0x2B73F}, Range{0x2B740, 0x2B81F},
                                  Range{0x2B920, 0x2CEAF}, Range{0x2F800, 0x2FA1F}};
  for (const Range& range : kRanges) {
    if (code >= range.first && code <= range.last) return true;
  }
  return false;
}

// The first character of the canonical decomposition: a letter without its accents.
std::uint32_t without_accents(std::uint32_t code) {
  std::array<utf8proc_int32_t, 32> parts = {};
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), parts.data(), parts.size(),
                                         UTF8PROC_DECOMPOSE, nullptr);
  return n > 0 ? static_cast<std::uint32_t>(parts[0]) : code;
}

enum class CharClass { kLetter, kAlone, kMark, kDropped };

CharClass class_of(std::uint32_t code) {
  if (is_chinese(code)) return CharClass::kAlone;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return CharClass::kAlone;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
      return code < 0x7F ? CharClass::kAlone : CharClass::kLetter;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return CharClass::kMark;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
      return CharClass::kDropped;
    default:
      return CharClass::kLetter;
  }
}

}  // namespace

WordPieceEncoder::WordPieceEncoder(const Vocab& vocab, Options options) : vocab_(vocab), options_(options) {
  std::vector<std::pair<std::string_view, std::int32_t>> tokens;
  for (std::size_t i = 0; i < vocab.size(); ++i) {
    const auto token = static_cast<Token>(i);
    if (!vocab.is_control(token)) tokens.emplace_back(vocab.texts[i], token);
  }
  tokens_ = Trie(std::move(tokens));
}

void WordPieceEncoder::encode_word(std::string_view word, std::vector<Token>& out) const {
  const std::size_t first = out.size();
  while (!word.empty()) {
    Token longest = -1;
    std::size_t length = 0;
    Trie::Node node = Trie::kRoot;
    for (std::size_t i = 0; i < word.size(); ++i) {
      node = tokens_.child(node, word[i]);
      if (node == Trie::kNoNode) break;
      if (tokens_.value(node) < 0) continue;
      longest = tokens_.value(node);
      length = i + 1;
    }
    if (longest < 0) {
      out.resize(first);
      if (vocab_.unknown >= 0) out.push_back(vocab_.unknown);
      return;
    }
    out.push_back(longest);
    word.remove_prefix(length);
  }
}

void WordPieceEncoder::encode(std::string_view text, bool /*opens*/, std::vector<Token>& out) const {
  std::string word(kEscapedSpace);
  const auto finish_word = [&] {
    if (word.size() > kEscapedSpace.size()) encode_word(word, out);
    word.resize(kEscapedSpace.size());
  };
  while (!text.empty()) {
    const Utf8Char c = decode_lenient(text);
    text.remove_prefix(static_cast<std::size_t>(c.length));
    std::uint32_t code = options_.strips_accents ? without_accents(c.code) : c.code;
    if (is_white_space(code)) {
      finish_word();
      continue;
    }
    const CharClass kind = class_of(code);
    if (code == 0 || code == kReplacement || kind == CharClass::kDropped) continue;
    if (kind == CharClass::kMark && options_.strips_accents) continue;
    if (options_.lower_case)
      code = static_cast<std::uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
    if (kind == CharClass::kAlone) finish_word();
    append_utf8(word, code);
    if (kind == CharClass::kAlone) finish_word();
  }
  finish_word();
}

}  // namespace tq
