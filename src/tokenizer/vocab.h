// The vocabulary of a GGUF: each token's text, bytes and attributes, and the ids with a role.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "gguf/gguf.h"
#include "tokenizer/string_table.h"
#include "tq/error.h"
#include "tq/text.h"

namespace tq {

// How a vocabulary spells text (tokenizer.ggml.model).
enum class VocabKind {
  kByteLevel,      // "gpt2": bytes in GPT-2's alphabet, merged by a list
  kMergedChars,    // "gemma4": characters, spaces as U+2581, merged by a list; <0x41> for what is missing
  kSentencePiece,  // "llama": the same spelling, merged by score
  kUnigram,        // "t5": the same spelling, the most probable split
  kWordPiece,      // "bert": words begin with U+2581, the longest match first
};

// Bits, as llama.cpp's token attributes. A token can be both user-defined and control.
enum TokenAttr : std::uint8_t {
  kAttrNone = 0,
  kAttrNormal = 1,
  kAttrUnknown = 2,
  kAttrControl = 4,
  kAttrUserDefined = 8,
  kAttrUnused = 16,
  kAttrByte = 32,
  kAttrStripsLeft = 64,    // swallows the white space before it
  kAttrStripsRight = 128,  // and after it
};

struct Vocab {
  static Expected<Vocab> load(const GgufFile& file);

  std::size_t size() const { return attrs.size(); }
  Token find(std::string_view text) const;  // -1 when no token has this text
  bool is_control(Token token) const {
    return (attrs[static_cast<std::size_t>(token)] & (kAttrControl | kAttrUnknown)) != 0;
  }
  // Frees the texts, what finds them, and the scores: most encoders need them only while they are built.
  void forget_texts();
  // Frees the texts that follow from the bytes, most of them; find() still knows all.
  void compact_texts();
  // Appends the tokens of single bytes for a text that no token spells; what they lack becomes unknown or
  // nothing.
  void spell_bytes(std::string_view text, std::vector<Token>& out) const;

  VocabKind kind = VocabKind::kByteLevel;
  // By id.
  StringTable texts;                // as the file spells them, see VocabKind; empty once forgotten or compact
  StringTable bytes;                // what they stand for
  std::vector<float> scores;        // finite; empty: all 0
  std::vector<std::uint8_t> attrs;  // TokenAttr
  StringIndex by_text;
  std::map<Token, std::string>
      odd_texts;  // of compact texts those that are not the bytes with escaped spaces
  std::unordered_set<Token> end_of_generation;
  Token bos = -1;
  Token eos = -1;
  Token unknown = -1;
  Token separator = -1;
  FillMarkers fill = {};
  std::array<Token, 256> byte_tokens;  // -1 where there is none
};

Expected<VocabKind> vocab_kind(const GgufFile& file);
// Fills in the ids with a role and the attributes that follow from them.
Expected<void> load_roles(const GgufFile& file, Vocab& vocab);

// The bytes that a text in GPT-2's alphabet stands for; false when it holds a character outside it.
bool decode_byte_text(std::string_view text, std::string& bytes);

}  // namespace tq
