#include "tokenizer/tokenizer.h"

#include "gguf/gguf.h"
#include "tokenizer/encoder.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/vocab.h"

namespace tq {

struct Tokenizer::Impl {
  Vocab vocab;
  SpecialTokens specials;  // with views into `vocab`, like the encoder
  std::unique_ptr<Encoder> encoder;
  Token before = -1, after = -1;   // see add_special()
  bool drops_first_space = false;  // of a decoded text
  std::string chat_template;

  std::vector<Token> encode(std::string_view text, std::span<const ByteRange> untrusted) const;
};

namespace {

// The token that `key` asks for at one end of a text: -1 for none. `fallback`: what files without the key
// mean.
Expected<Token> token_at_end(const GgufFile& file, const char* key, bool fallback, Token token,
                             const char* id_key) {
  auto adds = file.get_bool_or(key, fallback && token >= 0);
  if (!adds) return adds.error();
  if (*adds && token < 0) {
    return Error{ErrorCode::kBadFile, file.path() + ": " + key + " is true, but there is no " + id_key + "."};
  }
  return *adds ? token : Token{-1};
}

Expected<Token> token_before(const GgufFile& file, const Vocab& vocab) {
  switch (vocab.kind) {
    case VocabKind::kByteLevel: {
      auto spec = pre_tokenizer_of(file, vocab.kind);
      if (!spec) return spec.error();
      return token_at_end(file, "tokenizer.ggml.add_bos_token", spec->adds_bos, vocab.bos, "bos_token_id");
    }
    case VocabKind::kMergedChars:  // Gemma 4 needs it, though early files deny it
    case VocabKind::kWordPiece:
      return vocab.bos;
    case VocabKind::kSentencePiece:
      return token_at_end(file, "tokenizer.ggml.add_bos_token", true, vocab.bos, "bos_token_id");
    case VocabKind::kUnigram:
      break;
  }
  return token_at_end(file, "tokenizer.ggml.add_bos_token", false, vocab.bos, "bos_token_id");
}

Expected<Token> token_after(const GgufFile& file, const Vocab& vocab) {
  if (vocab.kind == VocabKind::kWordPiece) return vocab.separator;
  return token_at_end(file, "tokenizer.ggml.add_eos_token", vocab.kind == VocabKind::kUnigram, vocab.eos,
                      "eos_token_id");
}

// What a vocabulary's tables hold once it is loaded, for each token, each byte of text and each merge: tests
// compare with malloc.
struct VocabCosts {
  double token, byte, merge;
};

VocabCosts vocab_costs(VocabKind kind) {
  switch (kind) {
    case VocabKind::kByteLevel:
    case VocabKind::kMergedChars:
      return {9, 0.8, 12};  // GPT-2's alphabet spells some bytes as two
    case VocabKind::kSentencePiece:
      return {17, 0.9, 0};
    case VocabKind::kUnigram:
    case VocabKind::kWordPiece:
      return {30, 2, 0};
  }
  return {};
}

}  // namespace

std::size_t Tokenizer::memory_needed(const GgufFile& file) {
  const auto kind = vocab_kind(file);
  const auto tokens = file.get_strings("tokenizer.ggml.tokens");
  if (!kind || !tokens || *tokens == nullptr) return 0;
  const auto merges = file.get_strings("tokenizer.ggml.merges");
  const VocabCosts costs = vocab_costs(*kind);
  constexpr double kOther = 64 << 10;  // special tokens, the chat template
  double bytes = kOther + costs.token * static_cast<double>((*tokens)->size());
  if (merges && *merges != nullptr) bytes += costs.merge * static_cast<double>((*merges)->size());
  for (const std::string_view text : **tokens) bytes += costs.byte * static_cast<double>(text.size());
  return static_cast<std::size_t>(bytes);
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Expected<Tokenizer> Tokenizer::from_gguf(const GgufFile& file) {
  auto chat_template = file.get_string_or("tokenizer.chat_template", "");
  if (!chat_template) return chat_template.error();
  auto vocab = Vocab::load(file);
  if (!vocab) return vocab.error();
  auto impl = std::make_unique<Impl>();
  impl->vocab = std::move(*vocab);
  impl->chat_template = *chat_template;
  auto before = token_before(file, impl->vocab);
  if (!before) return before.error();
  auto after = token_after(file, impl->vocab);
  if (!after) return after.error();
  impl->before = *before;
  impl->after = *after;
  auto specials = SpecialTokens::build(impl->vocab);
  if (!specials) return specials.error();
  impl->specials = std::move(*specials);
  auto encoder = make_encoder(file, impl->vocab);
  if (!encoder) return encoder.error();
  impl->encoder = std::move(*encoder);
  if (impl->encoder->finds_texts()) {
    impl->vocab.compact_texts();
  } else {
    impl->vocab.forget_texts();
  }
  const bool has_prefix = impl->vocab.kind == VocabKind::kSentencePiece;
  auto adds_space_prefix = file.get_bool_or("tokenizer.ggml.add_space_prefix", has_prefix);
  if (!adds_space_prefix) return adds_space_prefix.error();
  impl->drops_first_space = *adds_space_prefix;
  return Tokenizer(std::move(impl));
}

std::vector<Token> Tokenizer::Impl::encode(std::string_view text,
                                           std::span<const ByteRange> untrusted) const {
  std::vector<Token> out;
  bool opens = true;
  for (const Fragment& fragment : specials.split(text, untrusted)) {
    if (fragment.token >= 0) {
      out.push_back(fragment.token);
    } else {
      encoder->encode(text.substr(fragment.range.begin, fragment.range.end - fragment.range.begin), opens,
                      out);
    }
    opens = fragment.token >= 0;
  }
  return out;
}

std::vector<Token> Tokenizer::encode(std::string_view text, SpecialText special) const {
  const ByteRange all = {0, text.size()};
  return impl_->encode(text, {&all, special == SpecialText::kPlain ? std::size_t{1} : 0});
}

std::vector<Token> Tokenizer::encode_segments(std::span<const TextSegment> segments) const {
  std::string text;
  std::vector<ByteRange> untrusted;
  for (const TextSegment& segment : segments) {
    if (segment.special == SpecialText::kPlain && !segment.text.empty()) {
      untrusted.push_back({text.size(), text.size() + segment.text.size()});
    }
    text += segment.text;
  }
  return impl_->encode(text, untrusted);
}

void Tokenizer::add_special(std::vector<Token>& tokens) const {
  if (impl_->before >= 0) tokens.insert(tokens.begin(), impl_->before);
  if (impl_->after >= 0) tokens.push_back(impl_->after);
}

std::string_view Tokenizer::token_bytes(Token token, SpecialText special) const {
  if (token < 0 || token >= vocab_size()) return {};
  if (special == SpecialText::kPlain && impl_->vocab.is_control(token)) return {};
  return impl_->vocab.bytes[static_cast<std::size_t>(token)];
}

std::string Tokenizer::decode(std::span<const Token> tokens, SpecialText special) const {
  std::string out;
  bool may_drop = impl_->drops_first_space;
  for (const Token token : tokens) {
    std::string_view bytes = token_bytes(token, special);
    if (may_drop && bytes.starts_with(' ')) bytes.remove_prefix(1);
    may_drop = false;
    out += bytes;
  }
  return out;
}

int Tokenizer::vocab_size() const { return static_cast<int>(impl_->vocab.size()); }
Token Tokenizer::bos() const { return impl_->vocab.bos; }
bool Tokenizer::adds_bos() const { return impl_->before >= 0; }
Token Tokenizer::eos() const { return impl_->vocab.eos; }
const FillMarkers& Tokenizer::fill_markers() const { return impl_->vocab.fill; }
bool Tokenizer::is_end_of_generation(Token token) const {
  return impl_->vocab.end_of_generation.count(token) > 0;
}
std::string_view Tokenizer::chat_template() const { return impl_->chat_template; }

}  // namespace tq
