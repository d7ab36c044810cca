// Metadata: value types, arrays, keys, and the typed getters.
#include <cmath>
#include <limits>

#include "gguf_writer.h"

namespace tq {
namespace {

template <class T>
const T& value_of(const Parsed& parsed, std::string_view key) {
  const GgufValue* value = parsed->find(key);
  EXPECT_NE(value, nullptr) << key;
  return std::get<T>(*value);
}

template <class T>
const std::vector<T>& array_of(const Parsed& parsed, std::string_view key) {
  return std::get<std::vector<T>>(value_of<GgufArray>(parsed, key));
}

// A key of each type with the lowest and the highest value, alone and in an array.
template <class T>
void check_integer(Gguf type) {
  const T low = std::numeric_limits<T>::min();
  const T high = std::is_same_v<T, std::uint64_t> ? static_cast<T>(std::numeric_limits<std::int64_t>::max())
                                                  : std::numeric_limits<T>::max();
  GgufWriter writer;
  writer.key("low", type, Bytes().put(low)).key("high", type, Bytes().put(high));
  writer.array("both", type, 2, Bytes().put(low).put(high)).array("none", type, 0, Bytes());
  const Parsed parsed(writer);
  ASSERT_TRUE(parsed.file) << parsed.error();
  const auto low64 = static_cast<std::int64_t>(low), high64 = static_cast<std::int64_t>(high);
  EXPECT_EQ(value_of<std::int64_t>(parsed, "low"), low64);
  EXPECT_EQ(value_of<std::int64_t>(parsed, "high"), high64);
  EXPECT_EQ(array_of<std::int64_t>(parsed, "both"), (std::vector<std::int64_t>{low64, high64}));
  EXPECT_TRUE(array_of<std::int64_t>(parsed, "none").empty());
}

TEST(GgufMetadata, IntegersOfEveryWidthAreWidened) {
  check_integer<std::uint8_t>(Gguf::u8);
  check_integer<std::int8_t>(Gguf::i8);
  check_integer<std::uint16_t>(Gguf::u16);
  check_integer<std::int16_t>(Gguf::i16);
  check_integer<std::uint32_t>(Gguf::u32);
  check_integer<std::int32_t>(Gguf::i32);
  check_integer<std::uint64_t>(Gguf::u64);
  check_integer<std::int64_t>(Gguf::i64);
}

TEST(GgufMetadata, FloatsBooleansAndStrings) {
  GgufWriter writer;
  writer.key("f32", Gguf::f32, Bytes().put(0.1f)).key("f64", Gguf::f64, Bytes().put(0.1));
  writer.key("no", Gguf::boolean, Bytes().put('\0')).key("yes", Gguf::boolean, Bytes().put('\1'));
  writer.string("bytes", std::string_view("\xff\0\n", 3)).string("empty", "");
  writer.array("f32s", Gguf::f32, 2, Bytes().put(-1.5f).put(2.5f))
      .array("f64s", Gguf::f64, 1, Bytes().put(1e300));
  writer.array("bools", Gguf::boolean, 2, Bytes().put('\1').put('\0'));
  writer.array("texts", Gguf::string, 3, Bytes().text("a").text("").text("long enough"));
  const Parsed parsed(writer);
  ASSERT_TRUE(parsed.file) << parsed.error();
  EXPECT_EQ(value_of<double>(parsed, "f32"), static_cast<double>(0.1f));
  EXPECT_EQ(value_of<double>(parsed, "f64"), 0.1);
  EXPECT_EQ(value_of<bool>(parsed, "no"), false);
  EXPECT_EQ(value_of<bool>(parsed, "yes"), true);
  EXPECT_EQ(value_of<std::string_view>(parsed, "bytes"), std::string_view("\xff\0\n", 3));
  EXPECT_EQ(value_of<std::string_view>(parsed, "empty"), "");
  EXPECT_EQ(array_of<double>(parsed, "f32s"), (std::vector<double>{-1.5, 2.5}));
  EXPECT_EQ(array_of<double>(parsed, "f64s"), (std::vector<double>{1e300}));
  EXPECT_EQ(array_of<bool>(parsed, "bools"), (std::vector<bool>{true, false}));
  EXPECT_EQ(array_of<std::string_view>(parsed, "texts"),
            (std::vector<std::string_view>{"a", "", "long enough"}));
}

TEST(GgufMetadata, KeepsTheFilesOrder) {
  const Parsed parsed(GgufWriter().u32("b", 1).u32("c", 2).u32("a", 3));
  ASSERT_TRUE(parsed.file) << parsed.error();
  std::string order;
  for (const auto& [key, value] : parsed->metadata()) order += key;
  EXPECT_EQ(order, "bca");
  EXPECT_EQ(value_of<std::int64_t>(parsed, "a"), 3);
}

TEST(GgufMetadata, ValuesThatDoNotFitAreRefused) {
  const std::uint64_t large = std::uint64_t{1} << 63;
  expect_bad(GgufWriter().key("big", Gguf::u64, Bytes().put(large)),
             "\"big\" holds 9223372036854775808, which is too large");
  expect_bad(GgufWriter().array("big", Gguf::u64, 2, Bytes().put(std::uint64_t{1}).put(large)), "too large");
  expect_bad(GgufWriter().key("flag", Gguf::boolean, Bytes().put('\2')),
             "\"flag\" holds 2, but a boolean is 0 or 1");
  expect_bad(GgufWriter().array("flag", Gguf::boolean, 2, Bytes().put('\1').put('\xff')),
             "holds 255, but a boolean");
}

TEST(GgufMetadata, UnknownTypesAndNestedArraysAreRefused) {
  for (const std::uint32_t type : {13u, 0xffffffffu}) {
    const auto id = static_cast<Gguf>(type);
    expect_bad(GgufWriter().key("k", id, Bytes().put(0.0)),
               "\"k\" has the unknown value type " + std::to_string(type));
    expect_bad(GgufWriter().array("k", id, 1, Bytes().put(0.0)), "\"k\" has the unknown value type");
  }
  const Bytes inner = Bytes().put(Gguf::u8).put(std::uint64_t{0});
  expect_bad(GgufWriter().array("k", Gguf::array, 1, inner), "\"k\" is an array of arrays",
             ErrorCode::kUnsupported);
}

TEST(GgufMetadata, ArraysThatTheFileCannotHoldFailBeforeMemoryIsReserved) {
  const Bytes some = Bytes().put(0.0).put(0.0).put(0.0);
  for (std::uint32_t type = 0; type <= static_cast<std::uint32_t>(Gguf::f64); ++type) {
    const auto id = static_cast<Gguf>(type);
    if (id == Gguf::array) continue;
    // 2^60 to 2^63 elements of 1 to 8 bytes: some of the products wrap around to 0.
    for (const int bits : {36, 60, 61, 62, 63}) {
      expect_bad(GgufWriter().array("k", id, std::uint64_t{1} << bits, some),
                 "end inside the metadata key \"k\"");
    }
    expect_bad(GgufWriter().array("k", id, ~std::uint64_t{0}, some), "end inside the metadata key \"k\"");
  }
}

TEST(GgufMetadata, StringsThatTheFileCannotHoldAreRefused) {
  for (const std::uint64_t length : {std::uint64_t{9}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    const Bytes text = Bytes().put(length).raw("12345678");
    expect_bad(GgufWriter().key("k", Gguf::string, text),
               "\"k\", which lacks at least " + std::to_string(length - 8) + " more; download it again");
    expect_bad(GgufWriter().array("k", Gguf::string, 1, text), "end inside the metadata key \"k\"");
  }
}

TEST(GgufMetadata, NamesThatTheFileCannotHoldAreRefused) {
  for (const std::uint64_t length : {std::uint64_t{17}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    const Bytes file =
        Bytes().raw("GGUF").put(3u).put(std::uint64_t{0}).put(std::uint64_t{1}).put(length).fill(16, 'a');
    expect_bad(file.bytes(),
               "end inside the name of metadata key 1, which lacks at least " + std::to_string(length - 16));
  }
}

TEST(GgufMetadata, KeysMustBeSane) {
  expect_bad(GgufWriter().u32("", 1).u32("b", 2), "the name of metadata key 1 is \"\"");
  expect_bad(GgufWriter().u32("a", 1).u32("b\n", 2), "the name of metadata key 2 is \"b\\x0a\"");
  expect_bad(GgufWriter().u32("\x7f", 1), "printable ASCII");
  expect_bad(GgufWriter().u32("\xc3\xa9", 1), "printable ASCII");
  expect_bad(GgufWriter().u32(std::string_view("a\0b", 3), 1), "is \"a\\x00b\"");
  expect_bad(GgufWriter().u32(std::string(65536, 'a'), 1), "1 to 65535 printable ASCII characters");
  expect_good(GgufWriter().u32(std::string(65535, 'a'), 1));
  expect_good(GgufWriter().u32("any key ~!", 1));
}

TEST(GgufMetadata, DuplicateKeysAreRefused) {
  expect_bad(GgufWriter().u32("a", 1).u32("b", 2).u32("a", 1), "the metadata key \"a\" appears twice");
}

// The same key under each kind of value, for the getters.
class GgufGetters : public ::testing::Test {
 protected:
  GgufGetters()
      : parsed_(GgufWriter()
                    .u32("int", 7)
                    .key("float", Gguf::f32, Bytes().put(1.5f))
                    .key("nan", Gguf::f32, Bytes().put(std::nanf("")))
                    .key("inf", Gguf::f64, Bytes().put(HUGE_VAL))
                    .key("bool", Gguf::boolean, Bytes().put('\1'))
                    .string("string", "text")
                    .array("ints", Gguf::i32, 2, Bytes().put(-1).put(2))
                    .array("floats", Gguf::f32, 1, Bytes().put(0.5f))
                    .array("strings", Gguf::string, 1, Bytes().text("one"))) {}

  // The error names the file, the key, what is there and what was wanted.
  template <class T>
  static void expect_error(const Expected<T>& value, std::string_view part) {
    ASSERT_FALSE(value) << part;
    EXPECT_EQ(value.error().code, ErrorCode::kBadFile);
    EXPECT_EQ(value.error().message, "x.gguf: the metadata key " + std::string(part) + ".");
  }

  const Parsed parsed_;
  const GgufFile& file_ = *parsed_.file;
};

TEST_F(GgufGetters, GiveWhatIsThere) {
  EXPECT_EQ(*file_.get_int("int", 7, 7), 7);
  EXPECT_EQ(*file_.get_int_or("int", 0, 7, 3), 7);
  EXPECT_EQ(*file_.get_float("float"), 1.5);
  EXPECT_EQ(*file_.get_float_or("float", 2.0), 1.5);
  EXPECT_EQ(*file_.get_bool_or("bool", false), true);
  EXPECT_EQ(*file_.get_string("string"), "text");
  EXPECT_EQ(*file_.get_string_or("string", "other"), "text");
  EXPECT_EQ(**file_.get_ints("ints"), (std::vector<std::int64_t>{-1, 2}));
  EXPECT_EQ(**file_.get_floats("floats"), (std::vector<double>{0.5}));
  EXPECT_EQ(**file_.get_strings("strings"), (std::vector<std::string_view>{"one"}));
}

TEST_F(GgufGetters, AbsentKeysGiveTheFallbackOrAnError) {
  EXPECT_EQ(*file_.get_int_or("x", 0, 5, -9), -9);  // the fallback needs not be in range
  EXPECT_EQ(*file_.get_float_or("x", 2.0), 2.0);
  EXPECT_EQ(*file_.get_bool_or("x", true), true);
  EXPECT_EQ(*file_.get_string_or("x", "other"), "other");
  EXPECT_EQ(*file_.get_ints("x"), nullptr);
  EXPECT_EQ(*file_.get_floats("x"), nullptr);
  EXPECT_EQ(*file_.get_strings("x"), nullptr);
  const std::string_view missing = "\"x\" is missing; the file is incomplete or of another kind of model";
  expect_error(file_.get_int("x", 0, 1), missing);
  expect_error(file_.get_float("x"), missing);
  expect_error(file_.get_string("x"), missing);
}

TEST_F(GgufGetters, WrongTypesAreErrorsWithAndWithoutFallback) {
  expect_error(file_.get_int("string", 0, 9), "\"string\" is \"text\", but should be an integer from 0 to 9");
  expect_error(file_.get_int_or("float", 0, 9, 1), "\"float\" is 1.5, but should be an integer from 0 to 9");
  expect_error(file_.get_int("ints", 0, 9),
               "\"ints\" is [2 integers: -1, 2], but should be an integer from 0 to 9");
  expect_error(file_.get_float("int"), "\"int\" is 7, but should be a float");
  expect_error(file_.get_float_or("bool", 1), "\"bool\" is true, but should be a float");
  expect_error(file_.get_string("int"), "\"int\" is 7, but should be a string");
  expect_error(file_.get_string_or("int", ""), "\"int\" is 7, but should be a string");
  expect_error(file_.get_bool_or("int", true), "\"int\" is 7, but should be a boolean");
  expect_error(file_.get_ints("int"), "\"int\" is 7, but should be an array of integers");
  expect_error(file_.get_ints("floats"), "\"floats\" is [1 floats: 0.5], but should be an array of integers");
  expect_error(file_.get_floats("ints"), "\"ints\" is [2 integers: -1, 2], but should be an array of floats");
  expect_error(file_.get_strings("string"), "\"string\" is \"text\", but should be an array of strings");
}

TEST_F(GgufGetters, ValuesOutOfRangeAreErrors) {
  expect_error(file_.get_int("int", 8, 9), "\"int\" is 7, but should be an integer from 8 to 9");
  expect_error(file_.get_int("int", 0, 6), "\"int\" is 7, but should be an integer from 0 to 6");
  expect_error(file_.get_int_or("int", 0, 6, 1), "\"int\" is 7, but should be an integer from 0 to 6");
  expect_error(file_.get_float("nan"), "\"nan\" is nan, but should be a finite float");
  expect_error(file_.get_float_or("inf", 1), "\"inf\" is inf, but should be a finite float");
}

}  // namespace
}  // namespace tq
