// The vocabulary of a GGUF: each token's text, bytes and attributes, and the ids with a role.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "gguf/gguf.h"
#include "tq/error.h"
#include "tq/text.h"

namespace tq {

// Bits, as llama.cpp's token attributes. A token can be both user-defined and control.
enum TokenAttr : std::uint8_t {
  kAttrNone = 0,
  kAttrNormal = 1,
  kAttrUnknown = 2,
  kAttrControl = 4,
  kAttrUserDefined = 8,
  kAttrUnused = 16,
  kAttrByte = 32,
};

struct Vocab {
  static Expected<Vocab> load(const GgufFile& file);

  struct Entry {
    std::string text;   // as the file spells it (GPT-2's byte alphabet for normal tokens)
    std::string bytes;  // what it stands for
    std::uint8_t attr = kAttrNormal;
  };

  Token find(std::string_view text) const;  // -1 when no token has this text

  std::vector<Entry> entries;                           // by id
  std::unordered_map<std::string_view, Token> by_text;  // views into `entries`
  std::unordered_set<Token> end_of_generation;
  Token bos = -1;
  Token eos = -1;
};

// The bytes that a text in GPT-2's alphabet stands for; false when it holds a character outside it.
bool decode_byte_text(std::string_view text, std::string& bytes);

}  // namespace tq
