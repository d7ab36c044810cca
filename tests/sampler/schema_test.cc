// JSON schemas by example; test_json_schema.py compares them with a validator.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tq/grammar.h"

namespace tq {
namespace {

void expect_schema(const std::string& schema, const std::vector<std::string>& accepted,
                   const std::vector<std::string>& refused) {
  const auto grammar = Grammar::from_json_schema(schema);
  ASSERT_TRUE(grammar) << schema << "\n" << grammar.error().message;
  for (const std::string& text : accepted)
    EXPECT_TRUE((*grammar)->matches(text)) << schema << "\n" << text << "\n" << *json_schema_to_gbnf(schema);
  for (const std::string& text : refused)
    EXPECT_FALSE((*grammar)->matches(text)) << schema << "\n" << text << "\n" << *json_schema_to_gbnf(schema);
}

TEST(JsonSchema, Scalars) {
  expect_schema(R"({"type":"boolean"})", {"true", "false"}, {"null", "True", "1"});
  expect_schema(R"({"type":"integer"})", {"0", "-5", "123"}, {"01", "1.5", "+1", "\"1\""});
  expect_schema(R"({"type":"number"})", {"0", "-1.5", "2e10", "1.25E-3"}, {".5", "1.", "NaN"});
  expect_schema(R"({"type":"string"})", {R"("")", R"("a\n\u00e9\ud83e\udd8a")", "\"\xc3\xa9\""},
                {"\"\n\"", R"("\q")", R"("\ud83e")", R"("a)", "a"});
  expect_schema(R"({"type":["string","null"]})", {"null", R"("a")"}, {"1"});
  expect_schema(R"({"const":"a\"b\\"})", {R"("a\"b\\")"}, {R"("a")"});
  expect_schema(R"({"enum":[1,"x",null,{"a":[1]}]})",
                {"1", R"("x")", "null", R"({"a": [1]})", R"({"a":[1]})"}, {"x", "2"});
}

TEST(JsonSchema, StringsWithLengthFormatAndPattern) {
  expect_schema(R"({"type":"string","minLength":2,"maxLength":3})",
                {R"("ab")", R"("a\n\t")", "\"\xc3\xa9\xc3\xa9\""}, {R"("a")", R"("abcd")"});
  expect_schema(R"({"type":"string","minLength":2,"maxLength":2})", {R"("\ud83e\udd8ax")"},
                {R"("\ud83e\udd8a")"});
  expect_schema(R"({"type":"string","format":"date"})", {R"("2024-02-29")"},
                {R"("2024-13-01")", R"("24-01-01")"});
  expect_schema(R"({"type":"string","format":"date-time"})",
                {R"("2024-02-29T23:59:00Z")", R"("2024-02-29T23:59:00.5+01:00")"},
                {R"("2024-02-29 23:59:00Z")"});
  expect_schema(R"({"format":"uuid"})", {R"("123e4567-e89b-12d3-a456-426614174000")"}, {R"("123")"});
  expect_schema(R"({"type":"string","pattern":"^[a-c]{2}(x|yz)?$"})", {R"("ab")", R"("ccyz")"},
                {R"("a")", R"("abxyz")"});
  expect_schema(R"({"type":"string","pattern":"b+"})", {R"("abbc")", R"("b")"}, {R"("ac")", R"("")"});
  expect_schema(R"({"type":"string","pattern":"^\\d+\\.\\d\\s[^\"a]$"})", {R"("12.5 b")", R"("1.0\t\\")"},
                {R"("12.5 a")", R"("12.5 "")", R"("12x5 b")"});
  expect_schema(R"({"type":"string","pattern":"^[\\^\\]\\-a][^\\^]\\^$"})",
                {R"("^a^")", R"("]-^")", R"("-]^")"}, {R"("b-^")", R"("a^^")"});
  expect_schema(R"({"type":"string","pattern":"^\"\\\\$"})", {R"("\"\\")"}, {R"(""\")"});
  expect_schema(R"({"type":"string","pattern":"^(?:ab){2,}$|^c"})", {R"("abab")", R"("cxx")"},
                {R"("ab")", R"("xc")"});
}

TEST(JsonSchema, IntegerBounds) {
  for (const auto& [low, high] : std::vector<std::pair<int, int>>{
           {0, 0}, {1, 9}, {5, 123}, {-7, 12}, {-120, -8}, {100, 999}, {99, 1001}, {-1, 0}, {17, 1712}}) {
    const auto grammar = Grammar::from_json_schema(R"({"type":"integer","minimum":)" + std::to_string(low) +
                                                   R"(,"maximum":)" + std::to_string(high) + "}");
    ASSERT_TRUE(grammar);
    for (int x = -2000; x <= 2000; ++x)
      ASSERT_EQ((*grammar)->matches(std::to_string(x)), x >= low && x <= high)
          << low << " " << x << " " << high;
  }
  for (const int bound : {-100, -9, -1, 0, 1, 7, 10, 99, 1234}) {
    const auto at_least =
        Grammar::from_json_schema(R"({"type":"integer","minimum":)" + std::to_string(bound) + "}");
    const auto below =
        Grammar::from_json_schema(R"({"type":"integer","exclusiveMaximum":)" + std::to_string(bound) + "}");
    for (int x = -3000; x <= 3000; ++x) {
      ASSERT_EQ((*at_least)->matches(std::to_string(x)), x >= bound) << bound << " " << x;
      ASSERT_EQ((*below)->matches(std::to_string(x)), x < bound) << bound << " " << x;
    }
  }
  expect_schema(R"({"type":"number","minimum":0,"maximum":1})", {"0", "0.75", "1", "1.0"},
                {"1.01", "-0.5", "2"});
  expect_schema(R"({"type":"number","minimum":-2})", {"-1.5", "-2", "-2.0", "7.25"}, {"-2.5", "-3"});
}

TEST(JsonSchema, Objects) {
  const std::string schema = R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"},
    "c":{"type":"boolean"}},"required":["b"]})";
  expect_schema(
      schema, {R"({"b":null})", R"({"a": 1, "b": null, "c": true})", "{\n  \"b\": null,\n  \"c\": false\n}"},
      {"{}", R"({"a":1})", R"({"b":null,"a":1})", R"({"b":null,})", R"({"b":null,"d":1})"});
  expect_schema(R"({"properties":{"a":{"type":"integer"},"b":{"type":"null"}}})",
                {"{}", R"({"a":1})", R"({"b":null})", R"({"a":1,"b":null})"},
                {R"({"b":null,"b":null})", R"({,"b":null})"});
  expect_schema(
      R"({"type":"object","properties":{"ab":{"type":"integer"}},"additionalProperties":{"type":"null"}})",
      {R"({})", R"({"ab":1})", R"({"ab":1,"a":null,"abc":null,"b":null,"":null})", R"({"x":null})"},
      {R"({"ab":null})", R"({"x":1})", R"({"a\u0062":null})"});
  expect_schema(R"({"properties":{"]":true,"^":true,"-a":true},"additionalProperties":{"type":"null"}})",
                {R"({"]":1,"^":2,"-a":3,"_":null,"-b":null,"^^":null})"}, {R"({"_":1})"});
  expect_schema(R"({"type":"object","additionalProperties":false})", {"{}", "{ }"}, {R"({"a":1})"});
  expect_schema(
      R"({"type":"object","properties":{"a":true},"required":["a","z"],"additionalProperties":true})",
      {R"({"a":[1],"z":{}})", R"({"a":1,"z":2,"q":3})"}, {R"({"a":1})", R"({"a":1,"z":2,"z":3})"});
  expect_schema(R"({})", {"{}", R"({"a":[1,{"b":null}]})"}, {"1", "[]"});
}

TEST(JsonSchema, Arrays) {
  expect_schema(R"({"type":"array","items":{"type":"integer"}})", {"[]", "[1]", "[1, 2,3]"},
                {"[1,]", "[null]", "1"});
  expect_schema(R"({"items":{"type":"integer"},"minItems":2,"maxItems":3})", {"[1,2]", "[1,2,3]"},
                {"[1]", "[1,2,3,4]"});
  expect_schema(R"({"items":{"type":"integer"},"maxItems":1})", {"[]", "[1]"}, {"[1,2]"});
  expect_schema(R"({"type":"array","maxItems":0})", {"[]", "[ ]"}, {"[1]"});
  expect_schema(R"({"prefixItems":[{"type":"integer"},{"type":"null"}]})", {"[1,null]"},
                {"[1]", "[1,null,2]"});
  expect_schema(R"({"prefixItems":[{"type":"integer"}],"items":{"type":"null"},"maxItems":3})",
                {"[1]", "[1,null]", "[1,null,null]"}, {"[]", "[1,2]", "[1,null,null,null]"});
  expect_schema(R"({"type":"array","items":{}})", {"[1,\"a\",{}]"}, {"["});
}

TEST(JsonSchema, ReferencesAndCombinations) {
  expect_schema(
      R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},
    "next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"]}}})",
      {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"},
      {R"({"v":1})", R"({"v":1,"next":2})"});
  expect_schema(R"({"type":"array","items":{"$ref":"#"}})", {"[]", "[[],[[]]]"}, {"[1]"});
  expect_schema(R"({"oneOf":[{"type":"integer"},{"type":"null"}]})", {"1", "null"}, {"true"});
  expect_schema(R"({"allOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},
    {"$ref":"#/$defs/b"}],"$defs":{"b":{"properties":{"b":{"type":"null"}},"required":["b"]}}})",
                {R"({"a":1,"b":null})"}, {R"({"a":1})", R"({"b":null})"});
  expect_schema(R"({"allOf":[{"enum":[1,2,3]},{"enum":[2,3,4]}]})", {"2", "3"}, {"1", "4"});
  expect_schema(R"({"type":"integer","minimum":1,"allOf":[{"minimum":3},{"maximum":5}]})", {"3", "5"},
                {"1", "6"});
  expect_schema(R"({"type":"object","properties":{"a":{"type":"null"}},"required":["a"],
    "anyOf":[{"properties":{"b":{"type":"integer"}},"required":["b"]},{"properties":{"c":{"type":"integer"}}}]})",
                {R"({"a":null,"b":1})", R"({"a":null})", R"({"a":null,"c":1})"},
                {R"({"b":1})", R"({"a":null,"b":1,"c":1})"});
}

void expect_schema_refused(const std::string& schema, const std::string& path, const std::string& what) {
  const auto grammar = json_schema_to_gbnf(schema);
  ASSERT_FALSE(grammar) << schema;
  EXPECT_NE(grammar.error().message.find(path), std::string::npos) << grammar.error().message;
  EXPECT_NE(grammar.error().message.find(what), std::string::npos) << grammar.error().message;
}

TEST(JsonSchema, ErrorsNameTheirPath) {
  expect_schema_refused("{", "JSON schema", "not valid JSON");
  expect_schema_refused("3", "at its root", "must be an object");
  expect_schema_refused(R"({"type":"text"})", "at /type", "'text'");
  expect_schema_refused(R"({"properties":{"a":{"items":{"type":7}}}})", "at /properties/a/items/type",
                        "string or a list");
  expect_schema_refused(R"({"properties":{"a":{"not":{}}}})", "at /properties/a/not",
                        "'not' cannot be turned");
  expect_schema_refused(R"({"type":"array","uniqueItems":true})", "at /uniqueItems", "cannot");
  expect_schema_refused(R"({"properties":{"a":{"$ref":"#/$defs/x"}}})", "at /properties/a/$ref", "#/$defs/x");
  expect_schema_refused(R"({"$ref":"https://example.org/x"})", "$ref", "references are to places in it");
  expect_schema_refused(R"({"$ref":"#"})", "JSON schema", "refers to itself");
  expect_schema_refused(R"({"anyOf":[{"$ref":"#/anyOf/1"},{"$ref":"#/anyOf/0"}]})", "JSON schema",
                        "refers to itself");
  expect_schema_refused(R"({"allOf":[{"$ref":"#"}]})", "JSON schema", "itself");
  expect_schema_refused(R"({"type":"string","pattern":"^(?=a)$"})", "at /pattern", "offset");
  expect_schema_refused(R"({"type":"string","pattern":"a**"})", "at /pattern", "nothing to repeat");
  expect_schema_refused(R"({"type":"string","pattern":"^a$","minLength":1})", "at /pattern",
                        "cannot be combined");
  expect_schema_refused(R"({"type":"integer","minimum":5,"maximum":3})", "at its root", "below the minimum");
  expect_schema_refused(R"({"type":"array","minItems":-1})", "at /minItems", "whole number");
  expect_schema_refused(R"({"type":"number","minimum":0.5})", "at /minimum", "whole number");
  expect_schema_refused(R"({"type":"object","required":["a"],"additionalProperties":false})", "at /required",
                        "'a'");
  expect_schema_refused(R"({"enum":[]})", "at /enum", "no value");
  expect_schema_refused(R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})", "at /allOf/1", "'pattern'");
  expect_schema_refused(std::string(100000, '['), "JSON schema", "nested too deeply");
  std::string doubling = R"({"allOf":[{"$ref":"#/$defs/0"}],"$defs":{"60":{})";
  for (int i = 0; i < 60; ++i) {
    const std::string next = R"({"$ref":"#/$defs/)" + std::to_string(i + 1) + R"("})";
    doubling += ",\"" + std::to_string(i) + R"(":{"allOf":[)" + next + "," + next + "]}";
  }
  expect_schema_refused(doubling + "}}", "JSON schema", "too deeply");
}

}  // namespace
}  // namespace tq
