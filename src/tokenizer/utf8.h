// UTF-8 as the tokenizer needs it: lenient decoding with llama.cpp's rules, strict lengths, GPT-2's byte
// alphabet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tq {

inline constexpr std::uint32_t kReplacement = 0xFFFD;

struct Utf8Char {
  std::uint32_t code;
  int length;  // bytes consumed, >= 1
};

// The code point at the front of non-empty `text`, as llama.cpp reads it: overlong forms and surrogates are
// accepted, any byte that starts no sequence is U+FFFD of length 1.
Utf8Char decode_lenient(std::string_view text);

// What the first byte of non-empty `text` says of the length of its character, at most the whole text:
// llama.cpp's cut into characters, valid or not.
std::size_t lead_length(std::string_view text);

// Appends the UTF-8 form; surrogates get the three bytes their number calls for.
void append_utf8(std::string& out, std::uint32_t code);

// Length of the well-formed sequence (Unicode table 3-7) at the front of `text`; 0 when there is none. When
// the text ends inside a sequence that could still become well-formed, `incomplete` is set.
int strict_utf8_length(std::string_view text, bool* incomplete = nullptr);

// GPT-2 spells each byte as a printable character: itself where printable, else U+0100 and up.
std::uint32_t byte_to_char(std::uint8_t byte);
int char_to_byte(std::uint32_t code);  // -1 when the character stands for no byte

}  // namespace tq
