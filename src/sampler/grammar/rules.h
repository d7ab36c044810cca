// A grammar as the matcher runs it: rules of elements in one array, so that a place in it is a number.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sampler/grammar/char_set.h"
#include "tq/error.h"
#include "tq/grammar.h"

namespace tq {

enum class Op : std::uint8_t {
  kChars,   // one character of the set `value`
  kCall,    // the rule `value`
  kRepeat,  // the rule `value`, at least `min` and at most `max` times
  kEnd,     // of an alternative
};

inline constexpr std::int32_t kUnbounded = -1;

struct Element {
  Op op = Op::kEnd;
  std::int32_t value = 0;
  std::int32_t min = 0;
  std::int32_t max = 0;
};

struct Rule {
  std::string name;                        // of the written rule that it is, or is part of
  std::size_t offset = 0;                  // where the text defines or first mentions it
  std::vector<std::int32_t> alternatives;  // where each begins in Rules::elements
  bool can_be_empty = false;
};

struct Rules {
  std::vector<Element> elements;
  std::vector<Rule> rules;
  std::vector<CharSet> sets;
  std::int32_t root = 0;
};

class GrammarImpl final : public Grammar {
 public:
  explicit GrammarImpl(Rules rules) : rules_(std::move(rules)) {}
  bool matches(std::string_view text) const override;
  const Rules& rules() const { return rules_; }

 private:
  Rules rules_;
};

// parser.cc; the text's errors, and left recursion.
Expected<Rules> parse_gbnf(std::string_view text);

// Fills in `can_be_empty`, and takes it into account in repetitions: what can be empty can be so any number
// of times. Returns a rule that calls itself before it has matched anything, -1 when there is none.
std::int32_t analyse(Rules& rules);

}  // namespace tq
