// Values as `info` shows them.
#include "gguf_writer.h"

namespace tq {
namespace {

TEST(Describe, Scalars) {
  EXPECT_EQ(describe(std::int64_t{-5}), "-5");
  EXPECT_EQ(describe(true), "true");
  EXPECT_EQ(describe(false), "false");
  EXPECT_EQ(describe(static_cast<double>(1e-5f)), "1e-05");  // stored as float32: as short as it was written
  EXPECT_EQ(describe(0.1), "0.1");
  EXPECT_EQ(describe(100000.0), "1e+05");
  EXPECT_EQ(describe(std::string_view("text")), "\"text\"");
}

TEST(Describe, ArraysShowTheirSizeAndStart) {
  EXPECT_EQ(describe(GgufArray(std::vector<std::int64_t>{})), "[0 integers]");
  EXPECT_EQ(describe(GgufArray(std::vector<std::int64_t>{1, 2, 3, 4})), "[4 integers: 1, 2, 3, 4]");
  EXPECT_EQ(describe(GgufArray(std::vector<std::int64_t>{1, 2, 3, 4, 5})), "[5 integers: 1, 2, 3, 4, ...]");
  EXPECT_EQ(describe(GgufArray(std::vector<double>{0.5})), "[1 floats: 0.5]");
  EXPECT_EQ(describe(GgufArray(std::vector<bool>{true, false})), "[2 booleans: true, false]");
  EXPECT_EQ(describe(GgufArray(std::vector<std::string_view>{"a", "\n"})), "[2 strings: \"a\", \"\\x0a\"]");
}

TEST(Describe, LongTextIsCut) {
  EXPECT_EQ(quoted("0123456789", 10), "\"0123456789\"");
  EXPECT_EQ(quoted("0123456789a", 10), "\"0123456789...\"");
  EXPECT_EQ(describe(std::string_view("0123456789"), 4), "\"0123...\"");
  EXPECT_EQ(quoted("", 0), "\"\"");
}

TEST(Describe, TextCannotSteerATerminal) {
  EXPECT_EQ(quoted("a\x1b[31m\r\n\t\x7f"), "\"a\\x1b[31m\\x0d\\x0a\\x09\\x7f\"");
  EXPECT_EQ(quoted("\xc2\x9b"), "\"\\xc2\\x9b\"");  // U+009B, which terminals read as ESC [
  EXPECT_EQ(quoted("\xc2\x9f\xc2\xa0"), "\"\\xc2\\x9f\xc2\xa0\"");
}

TEST(Describe, Utf8StaysAndOtherBytesAreEscaped) {
  EXPECT_EQ(quoted("\xc4\xa0h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82"),
            "\"\xc4\xa0h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82\"");
  EXPECT_EQ(quoted("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"),
            "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"");
  for (const std::string_view bad :
       {"\x80", "\xff", "\xf5\x80\x80\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x99", "\xc3\x28", "\xbf\xbf",
        "\xf8\x90\x80\x80"}) {
    EXPECT_EQ(quoted(bad).rfind("\"\\x", 0), 0u) << quoted(bad);
  }
  for (std::size_t n = 1; n < 4; ++n) {  // cut before bytes that would complete it
    EXPECT_EQ(quoted(std::string_view("\xf0\x9f\x99\x82", n)).rfind("\"\\xf0", 0), 0u);
  }
}

}  // namespace
}  // namespace tq
