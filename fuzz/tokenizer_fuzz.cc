// A small vocabulary made of the input, of any kind, and a text for it: whatever they are, ids are in range,
// and encoding in parts of one origin is encoding the whole.
//
// The input: a byte each for tokenizer.ggml.model, tokenizer.ggml.pre and flags; then, each up to a zero
// byte, the tokens (one a line: type digit, score letter, text), the merges (one a line) and the text; the
// rest is a charsmap.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/gguf.h"
#include "tokenizer/tokenizer.h"

namespace {

constexpr std::array<std::string_view, 5> kModels = {"gpt2", "gemma4", "llama", "t5", "bert"};
constexpr std::array<std::string_view, 16> kPres = {
    "default", "gpt-2",      "smollm",    "llama-bpe",      "qwen2",       "qwen35",
    "gpt-4o",  "tekken",     "falcon",    "deepseek-coder", "deepseek-v3", "youtu",
    "viking",  "exaone-moe", "chameleon", "deepseek-llm"};

enum GgufType : std::uint32_t { kU8 = 0, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9 };

void require(bool holds) {
  if (!holds) std::abort();
}

// Just enough of a writer.
class Writer {
 public:
  void string(std::string_view key, std::string_view value) {
    begin(key, kString);
    text(value);
  }
  void boolean(std::string_view key, bool value) {
    begin(key, kBool);
    metadata_ += value ? '\1' : '\0';
  }
  void array(std::string_view key, GgufType type, std::size_t count) {
    begin(key, kArray);
    number(type, 4);
    number(count, 8);
  }
  void number(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) metadata_ += static_cast<char>(value >> (8 * i));
  }
  void text(std::string_view value) {
    number(value.size(), 8);
    metadata_ += value;
  }
  std::string file() const {
    Writer header;
    header.metadata_ = "GGUF";
    header.number(3, 4);
    header.number(0, 8);
    header.number(n_keys_, 8);
    return header.metadata_ + metadata_;
  }

 private:
  void begin(std::string_view key, GgufType type) {
    ++n_keys_;
    text(key);
    number(type, 4);
  }

  std::string metadata_;
  std::uint64_t n_keys_ = 0;
};

std::string_view take(std::string_view& rest, char end) {
  const std::string_view part = rest.substr(0, rest.find(end));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return part;
}

std::vector<std::string_view> lines(std::string_view text) {
  std::vector<std::string_view> result;
  while (!text.empty()) result.push_back(take(text, '\n'));
  return result;
}

void write_tokens(Writer& writer, std::string_view text) {
  const std::vector<std::string_view> rows = lines(text);
  const auto at = [](std::string_view row, std::size_t i) { return i < row.size() ? row[i] : 'a'; };
  writer.array("tokenizer.ggml.tokens", kString, rows.size());
  for (const std::string_view row : rows) writer.text(row.substr(std::min<std::size_t>(2, row.size())));
  writer.array("tokenizer.ggml.token_type", kI32, rows.size());
  for (const std::string_view row : rows) writer.number(static_cast<unsigned>(at(row, 0) - '0') % 8, 4);
  writer.array("tokenizer.ggml.scores", kF32, rows.size());
  for (const std::string_view row : rows) {
    const float score = -static_cast<float>(static_cast<unsigned char>(at(row, 1)));
    std::uint32_t bits = 0;
    static_assert(sizeof bits == sizeof score);
    __builtin_memcpy(&bits, &score, sizeof bits);
    writer.number(bits, 4);
  }
}

void check_encode(const tq::Tokenizer& tokenizer, std::string_view text) {
  for (const tq::SpecialText special : {tq::SpecialText::kPlain, tq::SpecialText::kParse}) {
    const std::vector<tq::Token> ids = tokenizer.encode(text, special);
    for (const tq::Token id : ids) require(id >= 0 && id < tokenizer.vocab_size());
    const std::size_t half = text.size() / 2;
    const std::vector<tq::TextSegment> parts = {{std::string(text.substr(0, half)), special},
                                                {std::string(text.substr(half)), special}};
    require(tokenizer.encode_segments(parts) == ids);
    std::vector<tq::Token> framed = ids;
    tokenizer.add_special(framed);
    for (const tq::Token id : framed) require(id >= 0 && id < tokenizer.vocab_size());
    static_cast<void>(tokenizer.decode(framed, special));
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data) + 3, size - 3);
  const std::string_view tokens = take(rest, '\0'), merges = take(rest, '\0'), text = take(rest, '\0');
  Writer writer;
  writer.string("tokenizer.ggml.model", kModels[data[0] % kModels.size()]);
  writer.string("tokenizer.ggml.pre", kPres[data[1] % kPres.size()]);
  writer.string("general.name", (data[2] & 1) != 0 ? "Phi-3" : "x");
  writer.boolean("tokenizer.ggml.add_space_prefix", (data[2] & 2) != 0);
  writer.boolean("tokenizer.ggml.remove_extra_whitespaces", (data[2] & 4) != 0);
  write_tokens(writer, tokens);
  const std::vector<std::string_view> merge_rows = lines(merges);
  writer.array("tokenizer.ggml.merges", kString, merge_rows.size());
  for (const std::string_view merge : merge_rows) writer.text(merge);
  if (!rest.empty()) {
    writer.array("tokenizer.ggml.precompiled_charsmap", kU8, rest.size());
    for (const char c : rest) writer.number(static_cast<unsigned char>(c), 1);
  }
  const std::string bytes = writer.file();
  const auto file = tq::GgufFile::parse(std::as_bytes(std::span(bytes)), "input.gguf");
  require(static_cast<bool>(file));
  const auto tokenizer = tq::Tokenizer::from_gguf(*file);
  if (!tokenizer) {
    require(!tokenizer.error().message.empty() && tokenizer.error().message.back() == '.');
    return 0;
  }
  check_encode(*tokenizer, text);
  return 0;
}
