// Text <-> token ids, built only from a GGUF's own metadata (tokenizer.ggml.*).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tq/error.h"
#include "tq/text.h"

namespace tq {

class GgufFile;

// A part of a prompt whose origin is known: template text is kParse, what a user wrote is kPlain.
struct TextSegment {
  std::string text;
  SpecialText special;
};

class Tokenizer {
 public:
  // Byte-level BPE, SentencePiece's BPE and unigram, WordPiece (see VocabKind). Another tokenizer.ggml.model
  // or an unknown tokenizer.ggml.pre is kUnsupported; metadata that contradicts itself is kBadFile.
  static Expected<Tokenizer> from_gguf(const GgufFile& file);
  // Bytes that it and the file's metadata come to hold, estimated from the numbers of tokens and merges and
  // the length of their texts.
  static std::size_t memory_needed(const GgufFile& file);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Adds no BOS or EOS; see add_special(). Any bytes are accepted: invalid UTF-8 is encoded as llama.cpp
  // encodes it. Safe to call from several threads at once.
  std::vector<Token> encode(std::string_view text, SpecialText special) const;

  // The ids of the segments' joined text, except that a control token is recognised only where every byte of
  // it comes from kParse segments. So user text cannot forge one, not even together with its neighbours, and
  // when user text spells no control token the result equals encode(joined, kParse).
  std::vector<Token> encode_segments(std::span<const TextSegment> segments) const;

  // Puts round a text what the model expects of one that is no rendered template: BOS before it, and after it
  // EOS or (BERT) the separator.
  void add_special(std::vector<Token>& tokens) const;

  // The bytes of one token; a token may be part of a character, so a printer must wait for whole UTF-8
  // sequences (Utf8Stream). Empty for ids out of range; control tokens give their text only when `special` is
  // kParse.
  std::string_view token_bytes(Token token, SpecialText special = SpecialText::kPlain) const;
  // The tokens' bytes, without the space that SentencePiece puts before a text.
  std::string decode(std::span<const Token> tokens, SpecialText special = SpecialText::kPlain) const;

  int vocab_size() const;
  Token bos() const;      // -1 when the model has none
  bool adds_bos() const;  // whether add_special() puts a token in front
  Token eos() const;
  const FillMarkers& fill_markers() const;
  bool is_end_of_generation(Token token) const;  // eos, eot, eom and their like
  std::string_view chat_template() const;        // Jinja source; empty when the model has none

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tq
