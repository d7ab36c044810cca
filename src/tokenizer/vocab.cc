#include "tokenizer/vocab.h"

#include <array>
#include <cmath>

#include "tokenizer/spaces.h"
#include "tokenizer/utf8.h"

namespace tq {
namespace {

// Far above any model; keeps ids and sums in 32 bits, and leaves room for the pieces of a StringIndex.
constexpr std::size_t kMaxTokens = StringIndex::kMaxNumber / 2;

Error bad_file(const GgufFile& file, const std::string& what) {
  return Error{ErrorCode::kBadFile, file.path() + ": " + what + "."};
}

std::uint8_t attr_of_type(std::int64_t type) {
  switch (type) {
    case 1:
      return kAttrNormal;
    case 2:
      return kAttrUnknown;
    case 3:
      return kAttrControl;
    case 4:
      return kAttrUserDefined;
    case 5:
      return kAttrUnused;
    case 6:
      return kAttrByte;
    default:
      return kAttrNone;
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// "<0x0A>" -> "\n"; anything else stands for itself.
std::string byte_token_bytes(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::string(text);
  const int high = hex_digit(text[3]), low = hex_digit(text[4]);
  if (high < 0 || low < 0) return std::string(text);
  return std::string(1, static_cast<char>(high << 4 | low));
}

// What a token stands for.
std::string bytes_of(VocabKind kind, std::string_view text, std::uint8_t attr) {
  if ((attr & (kAttrUnknown | kAttrControl | kAttrUserDefined)) != 0) return std::string(text);
  if ((attr & kAttrNormal) != 0) {
    if (kind != VocabKind::kByteLevel) return unescape_spaces(text);
    std::string bytes;
    // A text outside the byte alphabet can't come out of BPE, only out of a hostile or broken vocabulary.
    return decode_byte_text(text, bytes) ? bytes : std::string(text);
  }
  return (attr & kAttrByte) != 0 ? byte_token_bytes(text) : std::string();  // the others print nothing
}

void fill_bytes(Vocab& vocab) {
  for (std::size_t i = 0; i < vocab.size(); ++i) {
    vocab.bytes.push(bytes_of(vocab.kind, vocab.texts[i], vocab.attrs[i]));
  }
  vocab.bytes.fit();
}

Expected<void> load_entries(const GgufFile& file, Vocab& vocab) {
  auto tokens = file.get_strings("tokenizer.ggml.tokens");
  if (!tokens) return tokens.error();
  if (*tokens == nullptr || (*tokens)->empty()) return bad_file(file, "it has no tokenizer.ggml.tokens");
  const std::vector<std::string_view>& texts = **tokens;
  if (texts.size() > kMaxTokens) return bad_file(file, "tokenizer.ggml.tokens is too long");
  auto types = file.get_ints("tokenizer.ggml.token_type");
  if (!types) return types.error();
  if (*types != nullptr && (*types)->size() != texts.size()) {
    return bad_file(file, "tokenizer.ggml.token_type has " + std::to_string((*types)->size()) +
                              " entries for " + std::to_string(texts.size()) + " tokens");
  }
  vocab.attrs.assign(texts.size(), kAttrNormal);
  vocab.texts.reserve(texts.size());
  vocab.by_text = StringIndex(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    vocab.texts.push(texts[i].empty() ? "[EMPTY_" + std::to_string(i) + "]" : texts[i]);
    if (*types != nullptr) vocab.attrs[i] = attr_of_type((**types)[i]);
    const auto token = static_cast<Token>(i);
    const Token same = vocab.by_text.insert(token, vocab.texts);
    if (same != token) {
      return bad_file(file, "tokens " + std::to_string(same) + " and " + std::to_string(i) +
                                " have the same text " + quoted(vocab.texts[i]));
    }
  }
  vocab.texts.fit();
  return {};
}

Expected<void> load_scores(const GgufFile& file, Vocab& vocab) {
  const GgufValue* value = file.find("tokenizer.ggml.scores");
  if (value == nullptr) return {};
  const auto* array = std::get_if<GgufArray>(value);
  if (array == nullptr) return bad_file(file, "tokenizer.ggml.scores is not an array");
  const std::size_t size = std::visit([](const auto& values) { return values.size(); }, *array);
  if (size != vocab.size()) {
    return bad_file(file, "tokenizer.ggml.scores has " + std::to_string(size) + " entries for " +
                              std::to_string(vocab.size()) + " tokens");
  }
  vocab.scores.resize(size);
  for (std::size_t i = 0; i < size; ++i) {
    float& score = vocab.scores[i];
    if (const auto* floats = std::get_if<std::vector<double>>(array)) {
      score = static_cast<float>((*floats)[i]);
    } else if (const auto* ints = std::get_if<std::vector<std::int64_t>>(array)) {
      score = static_cast<float>((*ints)[i]);
    }
    if (!std::isfinite(score))
      return bad_file(file, "the score of token " + std::to_string(i) + " is not finite");
  }
  return {};
}

// By byte, the token that stands for it where no other does: "<0x41>" or, in GPT-2's alphabet, one whose text
// is exactly this byte.
void index_bytes(Vocab& vocab) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (unsigned b = 0; b < 256; ++b) {
    const std::string byte(1, static_cast<char>(b));
    const Token named = vocab.find({std::array{'<', '0', 'x', kHex[b >> 4], kHex[b & 15], '>'}.data(), 6});
    vocab.byte_tokens[b] = vocab.kind == VocabKind::kByteLevel || named < 0 ? vocab.find(byte) : named;
  }
}

// Compact texts, to be compared with others.
struct CompactTexts {
  struct Text {
    const Vocab& vocab;
    Token token;
    bool operator==(std::string_view text) const {
      const auto odd = vocab.odd_texts.find(token);
      return odd != vocab.odd_texts.end() ? odd->second == text
                                          : is_escaped(text, vocab.bytes[static_cast<std::size_t>(token)]);
    }
  };
  const Vocab& vocab;
  Text operator[](std::size_t i) const { return {vocab, static_cast<Token>(i)}; }
};

}  // namespace

bool decode_byte_text(std::string_view text, std::string& bytes) {
  bytes.clear();
  while (!text.empty()) {
    const Utf8Char c = decode_lenient(text);
    const int byte = char_to_byte(c.code);
    if (byte < 0) return false;
    bytes.push_back(static_cast<char>(byte));
    text.remove_prefix(static_cast<std::size_t>(c.length));
  }
  return true;
}

Token Vocab::find(std::string_view text) const {
  return texts.size() > 0 ? by_text.find(text, texts) : by_text.find(text, CompactTexts{*this});
}

void Vocab::compact_texts() {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!is_escaped(texts[i], bytes[i])) odd_texts.emplace(static_cast<Token>(i), texts[i]);
  }
  texts = {};
}

void Vocab::forget_texts() {
  texts = {};
  by_text = {};
  scores = {};
}

// In GPT-2's alphabet llama.cpp takes the bytes of a byte's spelling, not the byte, and drops those without a
// token.
void Vocab::spell_bytes(std::string_view text, std::vector<Token>& out) const {
  bool is_unknown = false;
  for (const char c : text) {
    std::string spelling(1, c);
    if (kind == VocabKind::kByteLevel) {
      spelling.clear();
      append_utf8(spelling, byte_to_char(static_cast<std::uint8_t>(c)));
    }
    for (const char part : spelling) {
      const Token token = byte_tokens[static_cast<unsigned char>(part)];
      if (token >= 0) out.push_back(token);
      is_unknown = is_unknown || token < 0;
    }
  }
  if (is_unknown && kind == VocabKind::kSentencePiece && unknown >= 0) out.push_back(unknown);
}

Expected<VocabKind> vocab_kind(const GgufFile& file) {
  auto model = file.get_string("tokenizer.ggml.model");
  if (!model) return model.error();
  struct Known {
    std::string_view model;
    VocabKind kind;
  };
  for (const Known& known : {Known{"gpt2", VocabKind::kByteLevel}, Known{"gemma4", VocabKind::kMergedChars},
                             Known{"llama", VocabKind::kSentencePiece}, Known{"t5", VocabKind::kUnigram},
                             Known{"bert", VocabKind::kWordPiece}}) {
    if (*model == known.model) return known.kind;
  }
  return Error{ErrorCode::kUnsupported,
               file.path() + ": the tokenizer " + quoted(*model) +
                   " (tokenizer.ggml.model) is not supported; known are gpt2, gemma4, llama, t5, bert."};
}

Expected<Vocab> Vocab::load(const GgufFile& file) {
  auto kind = vocab_kind(file);
  if (!kind) return kind.error();
  Vocab vocab;
  vocab.kind = *kind;
  if (auto ok = load_entries(file, vocab); !ok) return ok.error();
  if (auto ok = load_scores(file, vocab); !ok) return ok.error();
  if (auto ok = load_roles(file, vocab); !ok) return ok.error();
  fill_bytes(vocab);
  index_bytes(vocab);
  return vocab;
}

}  // namespace tq
