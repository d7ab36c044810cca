#include "tokenizer/utf8.h"

#include <algorithm>
#include <array>

namespace tq {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

constexpr bool stands_for_itself(unsigned b) {
  return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
}

constexpr std::array<std::uint16_t, 256> make_byte_chars() {
  std::array<std::uint16_t, 256> chars{};
  std::uint16_t next = 0x100;
  for (unsigned b = 0; b < 256; ++b) chars[b] = stands_for_itself(b) ? static_cast<std::uint16_t>(b) : next++;
  return chars;
}

constexpr std::array<std::uint16_t, 256> kByteChars = make_byte_chars();

constexpr std::array<std::int16_t, 0x144> make_char_bytes() {
  std::array<std::int16_t, 0x144> bytes{};
  for (auto& b : bytes) b = -1;
  for (unsigned b = 0; b < 256; ++b) bytes[kByteChars[b]] = static_cast<std::int16_t>(b);
  return bytes;
}

constexpr std::array<std::int16_t, 0x144> kCharBytes = make_char_bytes();

}  // namespace

Utf8Char decode_lenient(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const int length = lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 0;
  if (length == 0 || static_cast<std::size_t>(length) > text.size()) return {kReplacement, 1};
  std::uint32_t code = lead & (0x7Fu >> length);
  for (int i = 1; i < length; ++i) {
    if (!is_continuation(text[static_cast<std::size_t>(i)])) return {kReplacement, 1};
    code = code << 6 | (static_cast<unsigned char>(text[static_cast<std::size_t>(i)]) & 0x3Fu);
  }
  // llama.cpp cannot write these back (it throws); treated here like any other broken sequence.
  if (code > 0x10FFFF) return {kReplacement, 1};
  return {code, length};
}

std::size_t lead_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return std::min(length, text.size());
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

int strict_utf8_length(std::string_view text, bool* incomplete) {
  if (text.empty()) return 0;
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return 1;
  const int length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  for (int i = 1; i < length; ++i) {
    if (static_cast<std::size_t>(i) >= text.size()) {
      if (incomplete != nullptr) *incomplete = true;
      return 0;
    }
    // The second byte's range shuts out overlong forms, surrogates and what lies above U+10FFFF.
    const unsigned low = i == 1 && lead == 0xE0 ? 0xA0 : i == 1 && lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = i == 1 && lead == 0xED ? 0x9F : i == 1 && lead == 0xF4 ? 0x8F : 0xBF;
    const auto byte = static_cast<unsigned char>(text[static_cast<std::size_t>(i)]);
    if (byte < low || byte > high) return 0;
  }
  return length;
}

std::uint32_t byte_to_char(std::uint8_t byte) { return kByteChars[byte]; }

int char_to_byte(std::uint32_t code) { return code < kCharBytes.size() ? kCharBytes[code] : -1; }

}  // namespace tq
