// What follows from the rules alone: which of them can be empty, and whether one is left-recursive.
#include "sampler/grammar/rules.h"

#include <algorithm>

#include "sampler/grammar/states.h"

namespace tq {
namespace {

bool can_be_empty(const Rules& rules, const Element& element) {
  if (element.op == Op::kRepeat && element.min == 0) return true;
  return element.op != Op::kChars && rules.rules[static_cast<std::size_t>(element.value)].can_be_empty;
}

// Elements of an alternative from its front, up to and with the first that cannot be empty.
template <class Visit>
bool visit_front(const Rules& rules, std::int32_t begin, const Visit& visit) {
  for (auto at = static_cast<std::size_t>(begin); rules.elements[at].op != Op::kEnd; ++at) {
    visit(rules.elements[at]);
    if (!can_be_empty(rules, rules.elements[at])) return false;
  }
  return true;
}

// An alternative is empty when all its elements are; each rule found empty settles one of them wherever it is
// called. Linear in the grammar's size.
void find_empty_rules(Rules& rules) {
  struct Alternative {
    std::int32_t rule;
    int unsettled;  // elements that are not known to be empty
  };
  std::vector<Alternative> alternatives;
  std::vector<std::vector<std::size_t>> callers(rules.rules.size());  // alternatives, once a call
  std::vector<std::int32_t> found;
  const auto settle = [&](std::int32_t id) {
    Rule& rule = rules.rules[static_cast<std::size_t>(id)];
    if (!rule.can_be_empty) found.push_back(id);
    rule.can_be_empty = true;
  };
  for (std::size_t id = 0; id < rules.rules.size(); ++id) {
    for (const std::int32_t begin : rules.rules[id].alternatives) {
      int unsettled = 0;
      for (auto at = static_cast<std::size_t>(begin); rules.elements[at].op != Op::kEnd; ++at) {
        const Element& element = rules.elements[at];
        if (can_be_empty(rules, element)) continue;
        ++unsettled;
        if (element.op != Op::kChars)
          callers[static_cast<std::size_t>(element.value)].push_back(alternatives.size());
      }
      alternatives.push_back({static_cast<std::int32_t>(id), unsettled});
      if (unsettled == 0) settle(static_cast<std::int32_t>(id));
    }
  }
  while (!found.empty()) {
    const auto id = static_cast<std::size_t>(found.back());
    found.pop_back();
    for (const std::size_t at : callers[id]) {
      if (--alternatives[at].unsettled == 0) settle(alternatives[at].rule);
    }
  }
}

std::vector<std::int32_t> called_first(const Rules& rules, const Rule& rule) {
  std::vector<std::int32_t> called;
  for (const std::int32_t begin : rule.alternatives) {
    visit_front(rules, begin, [&](const Element& element) {
      if (element.op != Op::kChars) called.push_back(element.value);
    });
  }
  return called;
}

// Depth first, without recursion of ours: files are hostile.
std::int32_t find_left_recursion(const Rules& rules) {
  enum class Mark : std::uint8_t { kNew, kOpen, kDone };
  struct Visit {
    std::int32_t rule;
    std::vector<std::int32_t> todo;
  };
  std::vector<Mark> marks(rules.rules.size(), Mark::kNew);
  for (std::size_t first = 0; first < rules.rules.size(); ++first) {
    if (marks[first] != Mark::kNew) continue;
    std::vector<Visit> path;
    const auto enter = [&](std::int32_t rule) {
      marks[static_cast<std::size_t>(rule)] = Mark::kOpen;
      path.push_back({rule, called_first(rules, rules.rules[static_cast<std::size_t>(rule)])});
    };
    enter(static_cast<std::int32_t>(first));
    while (!path.empty()) {
      if (path.back().todo.empty()) {
        marks[static_cast<std::size_t>(path.back().rule)] = Mark::kDone;
        path.pop_back();
        continue;
      }
      const std::int32_t next = path.back().todo.back();
      path.back().todo.pop_back();
      const Mark mark = marks[static_cast<std::size_t>(next)];
      if (mark == Mark::kOpen) return next;
      if (mark == Mark::kNew) enter(next);
    }
  }
  return -1;
}

}  // namespace

std::int32_t analyse(Rules& rules) {
  find_empty_rules(rules);
  for (Element& element : rules.elements) {
    if (element.op == Op::kRepeat && rules.rules[static_cast<std::size_t>(element.value)].can_be_empty)
      element.min = 0;
  }
  return find_left_recursion(rules);
}

bool GrammarImpl::matches(std::string_view text) const {
  States states(rules_);
  States::Id state = states.start();
  for (const char byte : text) state = states.next(state, static_cast<std::uint8_t>(byte));
  return states.is_complete(state);
}

Expected<std::shared_ptr<const Grammar>> Grammar::from_gbnf(std::string_view text) {
  auto rules = parse_gbnf(text);
  if (!rules) return rules.error();
  return std::shared_ptr<const Grammar>(std::make_shared<const GrammarImpl>(*std::move(rules)));
}

Expected<std::shared_ptr<const Grammar>> Grammar::from_json_schema(std::string_view schema) {
  const auto gbnf = json_schema_to_gbnf(schema);
  if (!gbnf) return gbnf.error();
  return from_gbnf(*gbnf);
}

}  // namespace tq
