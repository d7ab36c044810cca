#include "tokenizer/tokenizer.h"

#include "gguf/gguf.h"
#include "tokenizer/bpe.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/vocab.h"

namespace tq {

struct Tokenizer::Impl {
  Vocab vocab;
  SpecialTokens specials;
  PreTokenizer pre;
  Bpe bpe;
  bool adds_bos;
  std::string chat_template, model_name, pre_name;

  std::vector<Token> encode(std::string_view text, std::span<const ByteRange> untrusted) const;
};

namespace {

Expected<bool> read_adds_bos(const GgufFile& file, bool fallback, Token bos) {
  constexpr const char* kKey = "tokenizer.ggml.add_bos_token";
  auto adds = file.get_bool_or(kKey, fallback && bos >= 0);
  if (adds && *adds && bos < 0) {
    return Error{ErrorCode::kBadFile, file.path() + ": " + kKey + " is true, but there is no bos_token_id."};
  }
  return adds;
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Expected<Tokenizer> Tokenizer::from_gguf(const GgufFile& file) {
  auto model = file.get_string("tokenizer.ggml.model");
  if (!model) return model.error();
  if (*model != "gpt2") {
    return Error{ErrorCode::kUnsupported, file.path() + ": the tokenizer " + quoted(*model) +
                                              " is not supported; only \"gpt2\" (byte-level BPE) is."};
  }
  auto pre_name = file.get_string_or("tokenizer.ggml.pre", "default");
  if (!pre_name) return pre_name.error();
  auto spec = find_pre_tokenizer(*pre_name);
  if (!spec) return spec.error();
  auto pre = PreTokenizer::compile(*spec);
  if (!pre) return pre.error();
  auto chat_template = file.get_string_or("tokenizer.chat_template", "");
  if (!chat_template) return chat_template.error();
  auto merges = file.get_strings("tokenizer.ggml.merges");
  if (!merges) return merges.error();
  if (*merges == nullptr)
    return Error{ErrorCode::kBadFile, file.path() + ": it has no tokenizer.ggml.merges."};
  auto vocab = Vocab::load(file);
  if (!vocab) return vocab.error();
  auto adds_bos = read_adds_bos(file, spec->adds_bos, vocab->bos);
  if (!adds_bos) return adds_bos.error();
  auto specials =
      SpecialTokens::build(*vocab);  // its views follow the vocabulary, whose entries stay in place
  if (!specials) return specials.error();
  Bpe bpe(*vocab, **merges, spec->ignore_merges);
  return Tokenizer(std::unique_ptr<Impl>(new Impl{std::move(*vocab), std::move(*specials), std::move(*pre),
                                                  std::move(bpe), *adds_bos, std::string(*chat_template),
                                                  std::string(*model), std::string(*pre_name)}));
}

std::vector<Token> Tokenizer::Impl::encode(std::string_view text,
                                           std::span<const ByteRange> untrusted) const {
  std::vector<Token> out;
  Bpe::Scratch scratch;
  for (const Fragment& fragment : specials.split(text, untrusted)) {
    if (fragment.token >= 0) {
      out.push_back(fragment.token);
      continue;
    }
    pre.split(text.substr(fragment.range.begin, fragment.range.end - fragment.range.begin),
              [&](std::string_view word) { bpe.encode(word, scratch, out); });
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

std::string_view Tokenizer::token_bytes(Token token, SpecialText special) const {
  if (token < 0 || token >= vocab_size()) return {};
  const Vocab::Entry& entry = impl_->vocab.entries[static_cast<std::size_t>(token)];
  if (special == SpecialText::kPlain && (entry.attr & (kAttrControl | kAttrUnknown)) != 0) return {};
  return entry.bytes;
}

std::string Tokenizer::decode(std::span<const Token> tokens, SpecialText special) const {
  std::string out;
  for (const Token token : tokens) out += token_bytes(token, special);
  return out;
}

int Tokenizer::vocab_size() const { return static_cast<int>(impl_->vocab.entries.size()); }
bool Tokenizer::adds_bos() const { return impl_->adds_bos; }
Token Tokenizer::bos() const { return impl_->vocab.bos; }
Token Tokenizer::eos() const { return impl_->vocab.eos; }
bool Tokenizer::is_end_of_generation(Token token) const {
  return impl_->vocab.end_of_generation.count(token) > 0;
}
std::string_view Tokenizer::chat_template() const { return impl_->chat_template; }
std::string_view Tokenizer::model_name() const { return impl_->model_name; }
std::string_view Tokenizer::pre_name() const { return impl_->pre_name; }

}  // namespace tq
