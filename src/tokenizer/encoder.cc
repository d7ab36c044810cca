#include "tokenizer/encoder.h"

#include "tokenizer/bpe_encoder.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/unigram.h"
#include "tokenizer/wordpiece.h"

namespace tq {
namespace {

using Result = Expected<std::unique_ptr<Encoder>>;

Result make_bpe(const GgufFile& file, const Vocab& vocab) {
  auto merges = file.get_strings("tokenizer.ggml.merges");
  if (!merges) return merges.error();
  if (*merges == nullptr) {
    return Error{ErrorCode::kBadFile, file.path() + ": it has no tokenizer.ggml.merges."};
  }
  auto spec = pre_tokenizer_of(file, vocab.kind);
  if (!spec) return spec.error();
  auto pre = PreTokenizer::compile(*spec);
  if (!pre) return pre.error();
  Bpe bpe(vocab, **merges, spec->ignore_merges);
  if (vocab.kind == VocabKind::kMergedChars) {
    return Result(std::make_unique<LineBpeEncoder>(std::move(*pre), std::move(bpe)));
  }
  return Result(std::make_unique<BpeEncoder>(std::move(*pre), std::move(bpe), spec->ignore_merges));
}

Result make_sentencepiece(const GgufFile& file, const Vocab& vocab) {
  auto adds_space_prefix = file.get_bool_or("tokenizer.ggml.add_space_prefix", true);
  if (!adds_space_prefix) return adds_space_prefix.error();
  return Result(std::make_unique<SentencePieceEncoder>(vocab, *adds_space_prefix));
}

Result make_unigram(const GgufFile& file, const Vocab& vocab) {
  auto charsmap = Charsmap::load(file);
  if (!charsmap) return charsmap.error();
  auto adds_space_prefix = file.get_bool_or("tokenizer.ggml.add_space_prefix", false);
  if (!adds_space_prefix) return adds_space_prefix.error();
  auto merges_spaces = file.get_bool_or("tokenizer.ggml.remove_extra_whitespaces", false);
  if (!merges_spaces) return merges_spaces.error();
  return Result(std::make_unique<UnigramEncoder>(
      vocab, std::move(*charsmap),
      UnigramEncoder::Options{.adds_space_prefix = *adds_space_prefix, .merges_spaces = *merges_spaces}));
}

Result make_wordpiece(const GgufFile& file, const Vocab& vocab) {
  auto lower_case = file.get_bool_or("tokenizer.ggml.normalizer.lowercase", true);
  if (!lower_case) return lower_case.error();
  auto strips_accents = file.get_bool_or("tokenizer.ggml.normalizer.strip_accents", *lower_case);
  if (!strips_accents) return strips_accents.error();
  return Result(std::make_unique<WordPieceEncoder>(
      vocab, WordPieceEncoder::Options{.lower_case = *lower_case, .strips_accents = *strips_accents}));
}

}  // namespace

Expected<PreTokenizerSpec> pre_tokenizer_of(const GgufFile& file, VocabKind kind) {
  if (kind == VocabKind::kMergedChars) return line_pre_tokenizer();
  if (kind != VocabKind::kByteLevel) return PreTokenizerSpec{};
  auto name = file.get_string_or("tokenizer.ggml.pre", "default");
  if (!name) return name.error();
  return find_pre_tokenizer(*name);
}

Result make_encoder(const GgufFile& file, const Vocab& vocab) {
  switch (vocab.kind) {
    case VocabKind::kByteLevel:
    case VocabKind::kMergedChars:
      return make_bpe(file, vocab);
    case VocabKind::kSentencePiece:
      return make_sentencepiece(file, vocab);
    case VocabKind::kUnigram:
      return make_unigram(file, vocab);
    case VocabKind::kWordPiece:
      return make_wordpiece(file, vocab);
  }
  return Error{ErrorCode::kUnsupported, file.path() + ": its tokenizer is not supported."};
}

}  // namespace tq
