// `turboquant fit -m FILE` for people.
#include <algorithm>

#include "console.h"
#include "fit_model.h"

namespace tq::app {
namespace {

std::string left(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size() + 1), ' ');
  return text;
}

std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string mebibytes(double bytes) { return fixed(bytes / (1 << 20), 1); }

std::string head_text(const ModelPlan& plan) {
  const MemoryUse& use = plan.chosen().memory;
  const MemoryBudget& budget = plan.budget;
  std::string text = left("model", 10) + printable(plan.model) + " (" + printable(plan.architecture) +
                     "), made for " + std::to_string(plan.n_ctx_train) + " tokens\n";
  text += left("memory", 10) + human_bytes(budget.bytes()) + " may be taken";
  if (budget.headroom > 0) {
    text += ": " + human_bytes(budget.available) + " are free, " + human_bytes(budget.headroom) +
            " are left to others";
  }
  text += "\n" + left("without", 10) + human_bytes(use.total() - use.cache) + " without the cache: weights " +
          human_bytes(use.weights);
  const auto part = [&text](const char* name, std::size_t bytes) {
    if (bytes > 0) text += std::string(", ") + name + " " + human_bytes(bytes);
  };
  part("read in the file", use.in_file);
  part("vocabulary", use.vocabulary);
  part("workspace", use.workspace);
  part("program", use.program);
  part("recurrent states", use.states);
  part("sessions", use.sessions);
  return text + "\n";
}

const CacheChoice* pair_of(const ModelPlan& plan, KvType k, KvType v) {
  const auto found = std::ranges::find_if(plan.candidates, [&](const CacheChoice& c) {
    return c.type_k == k && c.type_v == v && c.layer_adaptive == 0;
  });
  return found == plan.candidates.end() ? nullptr : &*found;
}

// Every K type with every V type.
std::string pairs_text(const ModelPlan& plan) {
  std::string text = "\ncache in bytes a token, keys down, values across\n" + left("", 9);
  for (const KvType v : kAllKvTypes) text += right(std::string(kv_type_name(v)), 9);
  text += "\n";
  for (const KvType k : kAllKvTypes) {
    std::string row = left(std::string(kv_type_name(k)), 9);
    bool has_any = false;
    for (const KvType v : kAllKvTypes) {
      const CacheChoice* pair = pair_of(plan, k, v);
      row += right(pair != nullptr ? fixed(pair->bytes_per_token, 0) : "-", 9);
      has_any = has_any || pair != nullptr;
    }
    if (has_any) text += row + "\n";
  }
  return text;
}

// Whether no plain pair of types loses less for as few bytes.
bool is_on_front(const CacheChoice& choice, const ModelPlan& plan) {
  return choice.layer_adaptive == 0 && std::ranges::none_of(plan.candidates, [&](const CacheChoice& other) {
           return other.layer_adaptive == 0 && other.loss < choice.loss &&
                  other.bytes_per_token <= choice.bytes_per_token;
         });
}

// The best ones: the chosen one, those on the front, and presets, which count when they were measured.
bool is_listed(const CacheChoice& choice, const ModelPlan& plan) {
  return &choice == &plan.chosen() || is_on_front(choice, plan) ||
         (choice.is_measured && choice.layer_adaptive != 0);
}

const char* source_of_loss(const CacheChoice& c) {
  if (c.is_baseline()) return "by definition";
  return c.is_measured ? "measured" : "estimated";
}

std::string row_text(const CacheChoice& c, bool is_chosen, bool is_given) {
  // One pair of types does not describe a plan of --cache-plan.
  const auto type = [&](KvType t) { return left(is_given ? "by layer" : std::string(kv_type_name(t)), 9); };
  return std::string(is_chosen ? "* " : "  ") + type(c.type_k) + type(c.type_v) +
         right(c.layer_adaptive == 0 ? "-" : std::to_string(c.layer_adaptive), 6) +
         right(fixed(c.bytes_per_token, 0), 9) + right(mebibytes(static_cast<double>(c.memory.cache)), 11) +
         right(mebibytes(static_cast<double>(c.memory.peak())), 11) + right(std::to_string(c.max_ctx), 10) +
         right(fixed(c.loss, 4), 9) + "  " + source_of_loss(c) + (c.fits() ? "" : ", does not fit") +
         (c.objection.empty() ? "" : ", " + c.objection) + "\n";
}

std::string table_text(const ModelPlan& plan, const FitModelOptions& options) {
  std::string text = "\n  " + left("K", 9) + left("V", 9) + right("preset", 6) + right("B/token", 9) +
                     right("cache MiB", 11) + right("total MiB", 11) + right("longest", 10) +
                     right("loss", 9) + "\n";
  for (const CacheChoice& choice : plan.candidates) {
    if (options.all || is_listed(choice, plan))
      text += row_text(choice, &choice == &plan.chosen(), options.engine.cache_plan.has_value());
  }
  return text;
}

std::string speed_text(const Speed& speed) {
  std::string text;
  for (const SpeedPrediction& s : speed) {
    text += left(text.empty() ? "\nspeed" : "", text.empty() ? 11 : 10) + "decode at " +
            right(std::to_string(s.depth), 5) + right(fixed(s.decode, 1), 9) + " t/s, prefill of " +
            right(std::to_string(std::max(s.depth, kShortPrompt)), 5) + right(fixed(s.prefill, 1), 9) +
            " t/s (predicted)\n";
  }
  return text;
}

}  // namespace

std::string plan_text(const ModelPlan& plan, const FitModelOptions& options, const Speed& speed) {
  std::string text = head_text(plan);
  if (!options.planner.cache_plan && !options.planner.type_k && !options.planner.type_v)
    text += pairs_text(plan);
  text += table_text(plan, options);
  text += speed_text(speed) + "\n";
  for (const std::string& reason : plan.reasons) text += "- " + printable(reason) + "\n";
  return text + "\n" + printable(plan_command(plan, options)) + "\n";
}

}  // namespace tq::app
