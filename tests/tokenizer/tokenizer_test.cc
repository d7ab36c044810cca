// What the oracles cannot show: damaged vocabularies, promises that llama.cpp does not make, and time on
// hostile texts. Ids on real vocabularies are compared with llama.cpp's in test_vocabularies_oracle.py.
#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>

#include "../gguf/gguf_writer.h"

namespace tq {
namespace {

using std::string_literals::operator""s;

enum Type : std::int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6 };

struct TokenRow {
  std::string text;
  Type type = kNormal;
  float score = 0;
};

GgufWriter vocabulary(std::string_view model, const std::vector<TokenRow>& rows,
                      const std::vector<std::string>& merges = {}) {
  Bytes texts, types, scores, merge_texts;
  for (const TokenRow& row : rows) {
    texts.text(row.text);
    types.put(static_cast<std::int32_t>(row.type));
    scores.put(row.score);
  }
  for (const std::string& merge : merges) merge_texts.text(merge);
  GgufWriter writer;
  writer.string("tokenizer.ggml.model", model)
      .array("tokenizer.ggml.tokens", Gguf::string, rows.size(), texts)
      .array("tokenizer.ggml.token_type", Gguf::i32, rows.size(), types)
      .array("tokenizer.ggml.scores", Gguf::f32, rows.size(), scores)
      .array("tokenizer.ggml.merges", Gguf::string, merges.size(), merge_texts);
  return writer;
}

Tokenizer load(const GgufWriter& writer) {
  const Parsed parsed(writer);
  EXPECT_TRUE(parsed.file) << parsed.error();
  auto tokenizer = Tokenizer::from_gguf(*parsed.file);
  if (!tokenizer) ADD_FAILURE() << tokenizer.error().message;
  return std::move(*tokenizer);
}

std::string load_error(const GgufWriter& writer) {
  const Parsed parsed(writer);
  EXPECT_TRUE(parsed.file) << parsed.error();
  const auto tokenizer = Tokenizer::from_gguf(*parsed.file);
  return tokenizer ? "no error" : tokenizer.error().message;
}

using Ids = std::vector<Token>;

const std::vector<TokenRow> kLetters = {{"<unk>", kUnknown}, {"<s>", kControl},   {"</s>", kControl},
                                        {"\u2581"},          {"a", kNormal, -3},  {"b", kNormal, -4},
                                        {"ab", kNormal, -1}, {"aa", kNormal, -2}, {"aaaa", kNormal, -2.5F},
                                        {"<", kNormal, -5},  {"s>", kNormal, -1}, {"s", kNormal, -6},
                                        {">", kNormal, -7},  {"<0x63>", kByte}};

TEST(Tokenizer, NamesTheKnownModelsWhenOneIsUnknown) {
  const std::string error = load_error(vocabulary("rwkv", kLetters));
  for (const char* part : {"\"rwkv\"", "gpt2", "gemma4", "llama", "t5", "bert"}) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  }
}

TEST(Tokenizer, RefusesScoresThatAreNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<TokenRow> rows = kLetters;
    rows[4].score = bad;
    EXPECT_NE(load_error(vocabulary("llama", rows)).find("score of token 4"), std::string::npos);
  }
}

TEST(Tokenizer, RefusesADamagedCharsmap) {
  for (const std::string& map : {"abc"s, "\xff\xff\xff\xff\0"s, "\4\0\0\0aaaa"s, "\4\0\0\0aaaab"s}) {
    GgufWriter writer = vocabulary("t5", kLetters);
    writer.array("tokenizer.ggml.precompiled_charsmap", Gguf::u8, map.size(), Bytes().raw(map));
    EXPECT_NE(load_error(writer).find("precompiled_charsmap is damaged"), std::string::npos) << map.size();
  }
}

TEST(Tokenizer, CharsmapThatPointsOutsideReplacesNothing) {
  // Root with base 1, unit 1 ^ 'a' = 96 a leaf parent of label 'a', whose value lies far outside the
  // replacements.
  std::vector<std::uint32_t> units(256, 0);
  units[0] = 1u << 10;
  units['a' ^ 1] = 'a' | 1u << 8 | 1u << 10;
  units[('a' ^ 1) ^ 1] = 1u << 31 | 12345;
  Bytes map;
  map.put(static_cast<std::uint32_t>(units.size() * 4));
  for (const std::uint32_t unit : units) map.put(unit);
  map.raw("\0"s);
  GgufWriter writer = vocabulary("t5", kLetters);
  writer.array("tokenizer.ggml.precompiled_charsmap", Gguf::u8, map.size(), map);
  EXPECT_EQ(load(writer).encode("a", SpecialText::kPlain), Ids({4}));
}

TEST(Tokenizer, SentencePieceMergesByScore) {
  const Tokenizer tokenizer = load(vocabulary("llama", kLetters));
  EXPECT_EQ(tokenizer.encode("aab", SpecialText::kPlain), Ids({3, 4, 6}));
  EXPECT_EQ(tokenizer.encode("aaaa ab", SpecialText::kPlain), Ids({3, 8, 3, 6}));
  EXPECT_EQ(tokenizer.decode(Ids({3, 8, 3, 6})), "aaaa ab");
  EXPECT_EQ(tokenizer.encode("ac", SpecialText::kPlain), Ids({3, 4, 13}));
  EXPECT_EQ(tokenizer.encode("ad", SpecialText::kPlain), Ids({3, 4, 0}));  // neither a token nor a byte's
}

// Merging would spell a control token in each of these.
TEST(Tokenizer, PlainTextNeverBecomesAControlToken) {
  const std::vector<TokenRow> rows = {{"<unk>", kUnknown}, {"x"}, {"s"}, {"y"}, {"sy"}, {"xsy", kControl}};
  const std::vector<std::string> merges = {"s y", "x sy"};
  for (const char* model : {"gpt2", "gemma4", "llama", "t5", "bert"}) {
    GgufWriter writer = vocabulary(model, rows, merges);
    writer.key("tokenizer.ggml.add_space_prefix", Gguf::boolean, Bytes().put(std::uint8_t{0}))
        .string("tokenizer.ggml.pre", "llama-bpe")
        .u32("tokenizer.ggml.unknown_token_id", 0);
    const Tokenizer tokenizer = load(writer);
    // WordPiece's words begin with U+2581, which none of these tokens does.
    EXPECT_EQ(tokenizer.encode("xsy", SpecialText::kPlain), model == "bert"s ? Ids({0}) : Ids({1, 4}))
        << model;
    EXPECT_EQ(tokenizer.encode("xsy", SpecialText::kParse), Ids({5})) << model;
  }
}

TEST(Tokenizer, UnknownRunsAreOneTokenInAUnigram) {
  const Tokenizer tokenizer = load([] {
    GgufWriter writer = vocabulary("t5", kLetters);
    writer.u32("tokenizer.ggml.unknown_token_id", 0);
    return writer;
  }());
  EXPECT_EQ(tokenizer.encode("xyzab", SpecialText::kPlain), Ids({0, 6}));
}

TEST(Tokenizer, AddsWhatTheModelExpects) {
  Ids ids = {7};
  load(vocabulary("llama", kLetters)).add_special(ids);
  EXPECT_EQ(ids, Ids({1, 7}));
  GgufWriter both = vocabulary("llama", kLetters);
  both.key("tokenizer.ggml.add_eos_token", Gguf::boolean, Bytes().put(std::uint8_t{1}));
  ids = {7};
  load(both).add_special(ids);
  EXPECT_EQ(ids, Ids({1, 7, 2}));
}

// A quadratic step would take hours on these, not seconds.
TEST(Tokenizer, HostileTextsTakeLinearTime) {
  constexpr std::size_t kBytes = std::size_t{1} << 19;
  const std::vector<TokenRow> pieces = {{"a"},
                                        {"aa", kNormal, -1},
                                        {"aaaa", kNormal, -2},
                                        {"\u2581"},
                                        {"\u2581\u2581"},
                                        {"\u0120"},
                                        {"\u0120\u0120"},
                                        {"\n"},
                                        {"\n\n", kUserDefined},
                                        {"<x>", kControl}};
  const std::vector<std::string> merges = {"a a", "aa aa", "\u2581 \u2581", "\u0120 \u0120"};
  std::string specials;
  while (specials.size() < kBytes) specials += "<x>\n\na";
  for (const char* model : {"gpt2", "gemma4", "llama", "t5", "bert"}) {
    const Tokenizer tokenizer = load(vocabulary(model, pieces, merges));
    const auto start = std::chrono::steady_clock::now();
    for (const char c : {'a', ' ', '\n', '1', '!', '\xff', '\xe2'}) {
      tokenizer.encode(std::string(kBytes, c), SpecialText::kParse);
    }
    tokenizer.encode(specials, SpecialText::kParse);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    EXPECT_LT(seconds, 60) << model;
  }
}

}  // namespace
}  // namespace tq
