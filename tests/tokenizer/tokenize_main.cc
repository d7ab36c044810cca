// The tokenizer behind pipes, for the Python oracle test.
//
//   tokenize_main model.gguf < requests > answers
//
// A request is one byte and its data (integers are little-endian uint32, a string is its length and its
// bytes):
//   'p' string           encode as plain text          -> n, n ids, string (what the ids decode to)
//   's' string           encode, special tokens parsed -> the same
//   'f' string           the same, framed by add_special()
//   'g' n, n x (byte, string)  encode segments, byte 1 for parsed -> the same
//   'v'                  the vocabulary: n, then n x (string with special, string plain, byte end of
//   generation)
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "gguf/gguf.h"
#include "tokenizer/tokenizer.h"

namespace {

std::uint32_t read_u32() {
  unsigned char b[4] = {};
  if (std::fread(b, 1, 4, stdin) != 4) return 0;
  return b[0] | b[1] << 8 | b[2] << 16 | static_cast<std::uint32_t>(b[3]) << 24;
}

std::string read_string() {
  std::string text(read_u32(), '\0');
  text.resize(std::fread(text.data(), 1, text.size(), stdin));
  return text;
}

void write_u32(std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) std::putchar(static_cast<int>(value >> shift & 0xFF));
}

void write_string(std::string_view text) {
  write_u32(static_cast<std::uint32_t>(text.size()));
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void answer(const tq::Tokenizer& tokenizer, const std::vector<tq::Token>& ids) {
  write_u32(static_cast<std::uint32_t>(ids.size()));
  for (const tq::Token id : ids) write_u32(static_cast<std::uint32_t>(id));
  write_string(tokenizer.decode(ids, tq::SpecialText::kParse));
}

void answer_vocabulary(const tq::Tokenizer& tokenizer) {
  write_u32(static_cast<std::uint32_t>(tokenizer.vocab_size()));
  for (tq::Token id = 0; id < tokenizer.vocab_size(); ++id) {
    write_string(tokenizer.token_bytes(id, tq::SpecialText::kParse));
    write_string(tokenizer.token_bytes(id, tq::SpecialText::kPlain));
    std::putchar(tokenizer.is_end_of_generation(id) ? 1 : 0);
  }
}

void answer_framed(const tq::Tokenizer& tokenizer) {
  std::vector<tq::Token> ids = tokenizer.encode(read_string(), tq::SpecialText::kParse);
  tokenizer.add_special(ids);
  answer(tokenizer, ids);
}

void answer_segments(const tq::Tokenizer& tokenizer) {
  std::vector<tq::TextSegment> segments(read_u32());
  for (tq::TextSegment& segment : segments) {
    segment.special = std::getchar() == 1 ? tq::SpecialText::kParse : tq::SpecialText::kPlain;
    segment.text = read_string();
  }
  answer(tokenizer, tokenizer.encode_segments(segments));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto file = tq::GgufFile::open(argv[1]);
  if (!file) {
    std::fprintf(stderr, "%s\n", file.error().message.c_str());
    return 1;
  }
  auto tokenizer = tq::Tokenizer::from_gguf(*file);
  if (!tokenizer) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message.c_str());
    return 1;
  }
  for (int command = std::getchar(); command != EOF; command = std::getchar()) {
    if (command == 'p') answer(*tokenizer, tokenizer->encode(read_string(), tq::SpecialText::kPlain));
    if (command == 's') answer(*tokenizer, tokenizer->encode(read_string(), tq::SpecialText::kParse));
    if (command == 'f') answer_framed(*tokenizer);
    if (command == 'g') answer_segments(*tokenizer);
    if (command == 'v') answer_vocabulary(*tokenizer);
  }
  return 0;
}
