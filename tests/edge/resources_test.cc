#include "edge/resources.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "edge/help_text.h"

namespace tq::edge {
namespace {

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string file_of(const std::string& entry) {
  return R"({"format":"turboquant-edge-resources","version":1,"note":"x","entries":[)" + entry + "]}";
}

constexpr const char* kEntry =
    R"({"country":"GB","kind":"line","name":"N","phone":"1","source":"S","recorded":"2026-11-28","languages":["en"]})";

// What everybody knows, written here a second time.
TEST(EdgeResources, BuiltInNumbers) {
  const Resources& resources = Resources::built_in();
  const struct {
    const char* country;
    const char* line;
    const char* emergency;
  } expected[] = {{"US", "988", "911"},
                  {"CA", "988", "911"},
                  {"GB", "116 123", "999"},
                  {"IE", "116 123", "112"},
                  {"AU", "13 11 14", "000"},
                  {"NZ", "1737", "111"},
                  {"DE", "0800 111 0 111", "112"},
                  {"AT", "142", "112"},
                  {"CH", "143", "112"},
                  {"FR", "3114", "112"},
                  {"ES", "024", "112"},
                  {"NL", "113", "112"}};
  for (const auto& e : expected) {
    const auto entries = resources.of(e.country, false);
    ASSERT_GE(entries.size(), 2U) << e.country;
    EXPECT_FALSE(entries.front().is_emergency);
    EXPECT_TRUE(holds(entries.front().phone, e.line)) << e.country;
    EXPECT_TRUE(entries.back().is_emergency);
    EXPECT_TRUE(holds(entries.back().phone, e.emergency)) << e.country;
    EXPECT_TRUE(resources.of(e.country, true).front().is_emergency);
  }
  for (const std::string& country : resources.countries()) {
    EXPECT_TRUE(resources.of(country, true).front().is_emergency) << country << " has an emergency number";
  }
}

TEST(EdgeResources, NobodyCheckedThemAndTheySaySo) {
  const Resources& resources = Resources::built_in();
  EXPECT_TRUE(holds(resources.note(), "not checked online"));
  EXPECT_EQ(resources.due("2026-12-01", 36500).size(), resources.all().size());
}

TEST(EdgeResources, Due) {
  const std::string entry = kEntry;
  const auto checked = [&](const std::string& date) {
    const auto resources =
        Resources::parse(file_of(entry.substr(0, entry.size() - 1) + R"(,"verified":")" + date + "\"}"));
    EXPECT_TRUE(resources) << resources.error().message;
    return *resources;
  };
  EXPECT_TRUE(checked("2026-11-01").due("2026-12-01", 30).empty());
  EXPECT_EQ(checked("2026-11-01").due("2026-12-02", 30).size(), 1U);
  EXPECT_EQ(checked("2027-01-01").due("2026-12-01", 30).size(), 1U) << "in the future";
  EXPECT_EQ(*day_number("1970-01-02"), 1);
  EXPECT_EQ(*day_number("2024-03-01") - *day_number("2024-02-28"), 2) << "a leap year";
  for (const char* date :
       {"", "2026-13-01", "2026-02-30", "2026-1-1", "26-01-01", "2026/01/01", "2026-01-0x"}) {
    EXPECT_FALSE(day_number(date)) << date;
  }
}

TEST(EdgeResources, HostileFiles) {
  ASSERT_TRUE(Resources::parse(file_of(kEntry)));
  const std::string entry = kEntry;
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = entry;
    changed.replace(changed.find(from), from.size(), to);
    return file_of(changed);
  };
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), file_of(""), file_of("5"), file_of("{}"),
        with("\"GB\"", "\"gb\""), with("\"GB\"", "7"), with("\"line\"", "\"web\""), with("\"1\"", "null"),
        with("\"N\"", "\"\\u001b[2J\""), with("\"S\"", "\"\""), with("2026-11-28", "yesterday"),
        with("\"N\"", "\"" + std::string(501, 'x') + "\""), with("\"1\"", "{\"a\":1}")}) {
    EXPECT_FALSE(Resources::parse(text)) << text.substr(0, 200);
  }
}

TEST(EdgeResources, CountryOfALocale) {
  EXPECT_EQ(country_of_locale("en_GB.UTF-8"), "GB");
  EXPECT_EQ(country_of_locale("de_AT"), "AT");
  EXPECT_EQ(country_of_locale("ca_ES@valencia"), "ES");
  for (const char* locale : {"", "C", "C.UTF-8", "POSIX", "en", "en_", "en_G", "en_GBR", "en_gb"}) {
    EXPECT_EQ(country_of_locale(locale), "") << locale;
  }
}

TEST(EdgeHelpText, HasTheNumbersFirstThingsFirst) {
  const Resources& resources = Resources::built_in();
  Screening crisis;
  crisis.level = Level::kCrisis;
  const std::string text = help_text(crisis, resources, {.country = "GB"});
  EXPECT_LT(text.find("999"), text.find("116 123")) << "danger: the emergency number first";
  Screening concern;
  concern.level = Level::kConcern;
  const std::string soft = help_text(concern, resources, {.country = "GB"});
  EXPECT_LT(soft.find("116 123"), soft.find("999"));
  EXPECT_LT(help_text(concern, resources, {.country = "GB", .is_repeated = true}).size(), soft.size());
  EXPECT_EQ(help_text(crisis, resources, {.country = "GB", .is_repeated = true}), text)
      << "danger is not abridged";
}

TEST(EdgeHelpText, AHintIsShort) {
  const Resources& resources = Resources::built_in();
  Screening hint;
  hint.level = Level::kHint;
  const std::string text = help_text(hint, resources, {.country = "GB"});
  EXPECT_TRUE(holds(text, "116 123") && !holds(text, "999")) << text;
  EXPECT_LE(std::ranges::count(text, '\n'), 4) << text;
  EXPECT_LT(help_text(hint, resources, {.country = "GB", .is_repeated = true}).size(), text.size());
  EXPECT_TRUE(holds(help_text(hint, Resources(), {}), "112")) << "without any lines";
  // A country of which only an emergency number is known.
  const auto few = Resources::parse(
      R"({"format": "turboquant-edge-resources", "version": 1, "entries": [{"country": "FI", "kind": "emergency",
          "name": "Emergency", "phone": "112", "source": "x", "recorded": "2026-11-28"}]})");
  ASSERT_TRUE(few) << few.error().message;
  EXPECT_TRUE(holds(help_text(hint, *few, {.country = "FI"}), "112"));
}

TEST(EdgeHelpText, NeverEmptyAndInItsLanguage) {
  for (const Level level : {Level::kUnreadable, Level::kConcern, Level::kCrisis}) {
    for (const char* country : {"", "XX", "GB", "DE"}) {
      for (const char* language : {"en", "de", "es", "fr", "xx"}) {
        Screening screening;
        screening.level = level;
        screening.language = language;
        const std::string text = help_text(screening, Resources::built_in(), {.country = country});
        EXPECT_TRUE(holds(text, "112") || holds(text, "999")) << text;
        EXPECT_GT(text.size(), 200U);
      }
    }
  }
  Screening german;
  german.level = Level::kConcern;
  german.language = "de";
  EXPECT_TRUE(holds(help_text(german, Resources::built_in(), {.country = "DE"}), "Menschen"));
  Screening anyone;
  anyone.level = Level::kCrisis;
  EXPECT_TRUE(holds(help_text(anyone, Resources(), {}), "112")) << "without any lines";
}

}  // namespace
}  // namespace tq::edge
