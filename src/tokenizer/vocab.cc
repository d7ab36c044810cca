#include "tokenizer/vocab.h"

#include <array>
#include <cmath>

#include "tokenizer/spaces.h"
#include "tokenizer/utf8.h"

namespace tq {
namespace {

constexpr std::size_t kMaxTokens = std::size_t{1}
                                   << 24;  // far above any model; keeps ids and sums in 32 bits

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
std::string byte_token_bytes(const std::string& text) {
  if (text.size() != 6 || text.compare(0, 3, "<0x") != 0 || text[5] != '>') return text;
  const int high = hex_digit(text[3]), low = hex_digit(text[4]);
  if (high < 0 || low < 0) return text;
  return std::string(1, static_cast<char>(high << 4 | low));
}

void fill_bytes(VocabKind kind, Vocab::Entry& entry) {
  if ((entry.attr & (kAttrUnknown | kAttrControl | kAttrUserDefined)) != 0) {
    entry.bytes = entry.text;
  } else if ((entry.attr & kAttrNormal) != 0) {
    if (kind != VocabKind::kByteLevel) {
      entry.bytes = unescape_spaces(entry.text);
    } else if (!decode_byte_text(entry.text, entry.bytes)) {
      // A text outside the byte alphabet can't come out of BPE, only out of a hostile or broken vocabulary.
      entry.bytes = entry.text;
    }
  } else if ((entry.attr & kAttrByte) != 0) {
    entry.bytes = byte_token_bytes(entry.text);
  }  // unused and undefined tokens print nothing
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
  vocab.entries.resize(texts.size());
  vocab.by_text.reserve(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    Vocab::Entry& entry = vocab.entries[i];
    entry.text = texts[i].empty() ? "[EMPTY_" + std::to_string(i) + "]" : std::string(texts[i]);
    if (*types != nullptr) entry.attr = attr_of_type((**types)[i]);
    const auto [same, inserted] = vocab.by_text.emplace(entry.text, static_cast<Token>(i));
    if (!inserted) {
      return bad_file(file, "tokens " + std::to_string(same->second) + " and " + std::to_string(i) +
                                " have the same text " + quoted(entry.text));
    }
  }
  return {};
}

Expected<void> load_scores(const GgufFile& file, Vocab& vocab) {
  const GgufValue* value = file.find("tokenizer.ggml.scores");
  if (value == nullptr) return {};
  const auto* array = std::get_if<GgufArray>(value);
  if (array == nullptr) return bad_file(file, "tokenizer.ggml.scores is not an array");
  const std::size_t size = std::visit([](const auto& values) { return values.size(); }, *array);
  if (size != vocab.entries.size()) {
    return bad_file(file, "tokenizer.ggml.scores has " + std::to_string(size) + " entries for " +
                              std::to_string(vocab.entries.size()) + " tokens");
  }
  for (std::size_t i = 0; i < size; ++i) {
    float& score = vocab.entries[i].score;
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
  const auto found = by_text.find(text);
  return found == by_text.end() ? -1 : found->second;
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
  for (Entry& entry : vocab.entries) fill_bytes(vocab.kind, entry);
  index_bytes(vocab);
  return vocab;
}

}  // namespace tq
