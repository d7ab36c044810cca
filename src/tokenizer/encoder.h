// What turns plain text into ids; one implementation for each kind of vocabulary.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/vocab.h"
#include "tq/error.h"
#include "tq/text.h"

namespace tq {

class Encoder {
 public:
  virtual ~Encoder() = default;

  // Appends the ids of `text`, in which special tokens have no meaning. `opens`: it stands at the beginning
  // or after a special token. Any bytes are accepted. Safe to call from several threads at once.
  virtual void encode(std::string_view text, bool opens, std::vector<Token>& out) const = 0;
  // Whether it looks for tokens in the vocabulary by their texts, and at their scores, once it is built.
  virtual bool finds_texts() const { return false; }
};

// What the file says of splitting text into words; nothing where the kind of vocabulary knows no such step.
Expected<PreTokenizerSpec> pre_tokenizer_of(const GgufFile& file, VocabKind kind);

// `vocab` must outlive the encoder.
Expected<std::unique_ptr<Encoder>> make_encoder(const GgufFile& file, const Vocab& vocab);

}  // namespace tq
