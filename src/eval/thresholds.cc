#include "eval/thresholds.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <set>

namespace tq::eval {
namespace {

struct Threshold {
  const char* gate;
  const char* name;
  double value;
  double min, max;  // what makes sense
  const char* help;
};

constexpr double kAny = 1e9;

// In the order of the gates. docs/validation.md says where the figures come from.
constexpr std::array kThresholds = {
    Threshold{"perplexity", "max_increase", 0.5, 0, kAny, "perplexity minus the baseline's, at most"},
    Threshold{"perplexity", "kill_increase", 1.0, 0, kAny,
              "beyond this the cache type is not to be used at all"},
    Threshold{"kld", "max_mean", 0.10, 0, kAny, "mean KL divergence in nats"},
    Threshold{"kld", "max_p99", 1.0, 0, kAny, "its 99th percentile"},
    Threshold{"kld", "max_single", 10.0, 0, kAny, "the largest of any position"},
    Threshold{"kld", "min_top1", 0.85, 0, 1, "share of positions where both caches name the same token"},
    Threshold{"trajectory", "min_step_agreement", 0.90, 0, 1,
              "the same next token along the baseline's own text"},
    Threshold{"trajectory", "min_prefix_agreement", 0.25, 0, 1,
              "share of a free greedy text before it parts"},
    Threshold{"long-answer", "max_damage", 0.25, 0, kAny,
              "nats a token by which the baseline likes the text less"},
    Threshold{"long-answer", "max_repetition", 0.15, 0, 1, "repeated 4-grams beyond the baseline's share"},
    Threshold{"perturbation", "max_excess", 0.15, 0, 1,
              "drift of answers when the prompt is changed a little, beyond the baseline's"},
    Threshold{"needle", "min_retrieval", 1.0, 0, 1,
              "found, of the cells where the baseline finds the needle"},
    Threshold{"prompts", "min_good", 9, 0, 10, "prompts of the ten without degradation"},
    Threshold{"prompts", "max_repetition", 0.20, 0, 1, "repeated 4-grams beyond the baseline's share"},
    Threshold{"prompts", "min_length", 0.5, 0, 1, "length of an answer relative to the baseline's"},
    Threshold{"attention-fidelity", "min_cosine", 0.995, -1, 1, "attention output of every layer and head"},
    Threshold{"endurance", "max_slowdown", 1.25, 1, kAny,
              "growth of time a token by depth relative to the baseline's growth"},
    Threshold{"endurance", "max_drift", 1.10, 1, kAny,
              "time a token of a long conversation relative to a fresh session of the same text"},
    Threshold{"endurance", "max_memory_growth", 0.05, 0, kAny,
              "growth of the process after the warm-up turns"},
    Threshold{"endurance", "min_recall", 1.0, 0, 1, "planted facts recalled, of those the baseline recalls"},
    Threshold{"endurance", "max_bad_answers", 0.10, 0, 1,
              "empty, looping or broken answers beyond the baseline's"},
    Threshold{"speed", "min_decode", 0.90, 0, kAny, "tokens a second relative to the baseline"},
    Threshold{"speed", "kill_decode", 0.75, 0, kAny, "below this the cache type is not to be used at all"},
    Threshold{"speed", "max_first_token", 1.10, 0, kAny, "time to the first token relative to the baseline"},
    Threshold{"memory", "max_deviation", 0.15, 0, kAny,
              "of measured cache memory from the calculated, relative"},
    Threshold{"ceiling", "min_context", 65536, 1, kAny, "tokens of context, where the model allows as many"},
    Threshold{"ceiling", "memory_gib", 0, 0, kAny,
              "memory limit to search under; 0: what this machine has now"},
    Threshold{"matrix", "max_kld", 0.10, 0, kAny, "mean KL divergence for a pair to be recommended"},
};

std::string key_of(std::string_view gate, std::string_view name) {
  return std::string(gate) + "." + std::string(name);
}

const Threshold* find(const std::string& gate, const std::string& name) {
  for (const Threshold& t : kThresholds) {
    if (gate == t.gate && name == t.name) return &t;
  }
  return nullptr;
}

bool has_gate(const std::string& gate) {
  return std::ranges::any_of(kThresholds, [&](const Threshold& t) { return gate == t.gate; });
}

std::string number(double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.6g", value);
  return text.data();
}

Error at_line(const std::string& file, int line, const std::string& problem) {
  return {ErrorCode::kBadFile, file + ":" + std::to_string(line + 1) + ": " + problem +
                                   "; turboquant verify --print-gates shows all thresholds."};
}

Expected<double> read_value(const YAML::Node& node, const Threshold& t, const std::string& file) {
  double value = 0.0;
  const int line = node.Mark().line;
  if (!node.IsScalar() || !YAML::convert<double>::decode(node, value) || !std::isfinite(value)) {
    return at_line(file, line, key_of(t.gate, t.name) + " is not a number");
  }
  if (value < t.min || value > t.max) {
    return at_line(file, line,
                   key_of(t.gate, t.name) + " is " + number(value) + ", outside " + number(t.min) + " to " +
                       number(t.max));
  }
  return value;
}

}  // namespace

Thresholds::Thresholds() {
  for (const Threshold& t : kThresholds) values_[key_of(t.gate, t.name)] = t.value;
}

Expected<Thresholds> Thresholds::parse(const std::string& yaml, const std::string& name) {
  Thresholds result;
  try {  // yaml-cpp throws on what is no YAML
    const YAML::Node root = YAML::Load(yaml);
    if (root.IsNull()) return result;
    if (!root.IsMap()) return at_line(name, 0, "the gate file is no map of gates");
    std::set<const Threshold*> given;
    for (const auto& gate : root) {
      const auto gate_name = gate.first.as<std::string>();
      const int line = gate.first.Mark().line;
      if (gate.second.IsNull() && has_gate(gate_name)) continue;  // all of its thresholds are left out
      if (!gate.second.IsMap()) return at_line(name, line, "'" + gate_name + "' is no map of thresholds");
      for (const auto& entry : gate.second) {
        const auto entry_name = entry.first.as<std::string>();
        const Threshold* known = find(gate_name, entry_name);
        if (known == nullptr) {
          return at_line(name, entry.first.Mark().line,
                         "there is no threshold " + key_of(gate_name, entry_name));
        }
        const auto value = read_value(entry.second, *known, name);
        if (!value) return value.error();
        if (!given.insert(known).second) {
          return at_line(name, entry.first.Mark().line, key_of(gate_name, entry_name) + " is given twice");
        }
        result.values_[key_of(gate_name, entry_name)] = *value;
      }
    }
  } catch (const YAML::Exception& e) {
    return at_line(name, e.mark.line, "it is not readable as YAML (" + e.msg + ")");
  }
  if (const auto ok = result.check_order(name); !ok) return ok.error();
  return result;
}

// What is killed must also fail.
Expected<void> Thresholds::check_order(const std::string& file) const {
  const struct {
    const char *gate, *fails, *kills;
    bool fails_above;
  } pairs[] = {{"perplexity", "max_increase", "kill_increase", true},
               {"speed", "min_decode", "kill_decode", false}};
  for (const auto& pair : pairs) {
    const double fails = get(pair.gate, pair.fails), kills = get(pair.gate, pair.kills);
    if (pair.fails_above ? kills >= fails : kills <= fails) continue;
    return Error{ErrorCode::kBadFile, file + ": " + key_of(pair.gate, pair.kills) + " is " + number(kills) +
                                          (pair.fails_above ? ", below " : ", above ") +
                                          key_of(pair.gate, pair.fails) + " " + number(fails) +
                                          "; change both."};
  }
  return {};
}

double Thresholds::get(std::string_view gate, std::string_view name) const {
  const auto found = values_.find(key_of(gate, name));
  assert(found != values_.end());
  return found->second;
}

std::string Thresholds::yaml() const {
  std::string text = "# Thresholds of turboquant verify. What is left out keeps its default.\n";
  std::string_view gate;
  for (const Threshold& t : kThresholds) {
    if (gate != t.gate) text += std::string(t.gate) + ":\n";
    gate = t.gate;
    std::string line = "  " + std::string(t.name) + ": " + number(get(t.gate, t.name));
    line.resize(std::max<std::size_t>(line.size() + 2, 32), ' ');
    text += line + "# " + t.help + "\n";
  }
  return text;
}

}  // namespace tq::eval
