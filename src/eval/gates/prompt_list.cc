#include "eval/gates/prompt_list.h"

#include <algorithm>
#include <array>

#include "eval/gate.h"
#include "eval/text_stats.h"

namespace tq::eval {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::size_t lines_that_begin(std::string_view text, std::string_view prefix) {
  std::size_t count = text.starts_with(prefix) ? 1 : 0;
  for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    count += text.substr(at + 1).starts_with(prefix) ? 1 : 0;
  }
  return count;
}

// From the first { to the last }.
bool has_json_object(std::string_view text) {
  const std::size_t begin = text.find('{');
  const std::size_t end = text.rfind('}');
  return begin != std::string_view::npos && end != std::string_view::npos && begin < end &&
         Json::accept(text.substr(begin, end - begin + 1));
}

bool has_list(std::string_view text) {
  return lines_that_begin(text, "- ") + lines_that_begin(text, "* ") + lines_that_begin(text, "1.") > 0;
}

std::size_t share_of(std::string_view text, const std::vector<std::string_view>& words) {
  return static_cast<std::size_t>(
      std::ranges::count_if(words, [&](auto word) { return mentions(text, word); }));
}

bool is_spanish(std::string_view text) {
  return share_of(text, {"el", "la", "de", "que", "y", "los", "en"}) >= 4;
}
bool is_english(std::string_view text) {
  return share_of(text, {"the", "of", "and", "a", "to", "in", "is"}) >= 3;
}

const AnswerCheck kEnglish{"is English", is_english};

std::string conversation_start() {
  return "I run a small web shop on one machine with PostgreSQL. It gets slow every evening. What should I "
         "look at "
         "first?";
}

constexpr const char* kBuggyCode =
    "Find and fix all three bugs, and list them:\n\n```python\ndef mean(values):\n    total = 0\n    for i "
    "in "
    "range(1, len(values)):\n        total += values[i]\n    return total / len(value)\n\ndef is_even(n):\n  "
    "  return "
    "n % 2 == 1\n```";

constexpr const char* kNumberedFacts =
    "Ten facts. 1: the lighthouse is green. 2: the ferry leaves at ten. 3: the baker's name is Marit. 4: the "
    "clock is "
    "slow. 5: the bridge has nine arches. 6: the doctor has two dogs. 7: the school is closed on Monday. 8: "
    "the well is "
    "dry. 9: the mill was sold. 10: the road is new.\n\n{filler}\n\nWhat is fact number 3, the name of the "
    "baker?";

constexpr const char* kRules =
    "Describe the city of Lisbon. Follow these eight rules: 1. Begin with a heading that starts with #. 2. "
    "Then one "
    "sentence. 3. Then exactly three points, each on a line that starts with a hyphen. 4. At most 12 words a "
    "point. "
    "5. No exclamation marks. 6. Mention the river Tagus. 7. Mention the year 1755. 8. End with the word "
    "END.";

std::vector<Prompt> first_five() {
  return {
      {"summary of a long text",
       true,
       {"{filler}\n\nSummarise the text above: a heading, then a list of its five main points, each with a "
        "short quotation."},
       {kEnglish, {"has a list", has_list}}},
      {"reasoning in steps",
       false,
       {"A farmer sells 24 eggs a day at 3 for 1 euro. Feed costs 2 euros a day. On Sundays nothing is sold, "
        "but the "
        "hens eat. He saves half of what is left in a week and buys tools for 11 euros. How much of the "
        "savings "
        "remains? Think step by step."},
       {kEnglish,
        {"uses the numbers", [](std::string_view t) { return mentions(t, "8") || mentions(t, "48"); }}}},
      {"writing code",
       false,
       {"Write a Python script with three functions that read a CSV file, filter its rows by a column, and "
        "write the "
        "result. Use type hints and handle errors."},
       {{"has code", [](std::string_view t) { return contains(t, "def ") || contains(t, "import "); }}}},
      {"finding bugs",
       false,
       {kBuggyCode},
       {{"names a bug", [](std::string_view t) { return contains(t, "value") || contains(t, "range"); }}}},
      {"recall of an early fact",
       true,
       {kNumberedFacts},
       {{"knows the fact", [](std::string_view t) { return mentions(t, "Marit"); }}}},
  };
}

std::vector<Prompt> last_five() {
  return {
      {"a short story",
       false,
       {"Write a story of 500 words set in a lighthouse in winter. The keeper is a retired clockmaker, and "
        "at the end "
        "it turns out that the ship she waits for has been in the harbour all the time."},
       {kEnglish, {"keeps to the setting", [](std::string_view t) { return mentions(t, "lighthouse"); }}}},
      {"conversation of ten turns",
       false,
       {conversation_start(), "How do I find the slow queries?", "Show me the setting for that.",
        "The log says that one query scans the whole orders table. Why?", "Which index would help?",
        "What does that index cost when rows are written?", "Could the machine just need more memory?",
        "How do I see what the cache does?", "Write down the three most important steps so far.",
        "Which table did I say is scanned as a whole?"},
       {{"remembers", [](std::string_view t) { return mentions(t, "orders"); }}}},
      {"a JSON schema",
       false,
       {"Generate a JSON schema for a customer order with at least 15 fields, nested objects for address and "
        "payment, "
        "and validation rules. Answer with JSON only."},
       {{"begins an object", [](std::string_view t) { return contains(t, "{"); }},
        {"is valid JSON", has_json_object}}},
      {"translation",
       false,
       {"Translate into Spanish, then explain two of your choices: \"The old clock in the tower had stopped "
        "years ago, "
        "but nobody in the village wanted to say so, because it was right twice a day.\""},
       {{"has Spanish", is_spanish}}},
      {"eight rules of format",
       false,
       {kRules},
       {{"has a heading", [](std::string_view t) { return lines_that_begin(t, "#") > 0; }},
        {"has three points", [](std::string_view t) { return lines_that_begin(t, "-") == 3; }},
        {"no exclamation marks", [](std::string_view t) { return !contains(t, "!"); }},
        {"mentions the river", [](std::string_view t) { return mentions(t, "Tagus"); }},
        {"ends with END", [](std::string_view t) { return folded(t).ends_with("end"); }}}},
  };
}

}  // namespace

const std::vector<Prompt>& ten_prompts() {
  static const std::vector<Prompt> prompts = [] {
    std::vector<Prompt> all = first_five();
    for (Prompt& prompt : last_five()) all.push_back(std::move(prompt));
    return all;
  }();
  return prompts;
}

}  // namespace tq::eval
