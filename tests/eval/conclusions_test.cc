// Each gate can pass, and each can fail: conclusions from results written by hand, on both sides of a bound.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "../model/tiny_model.h"
#include "eval/gate.h"

namespace tq::eval {
namespace {

class Conclusions : public testing::Test {
 protected:
  Conclusions() : file_(TinyModel{}.bytes()) {
    auto engine = Engine::load({.model_path = file_.path(), .n_ctx = 1, .n_threads = 1});
    EXPECT_TRUE(engine) << engine.error().message;
    context_.engine = *std::move(engine);
    context_.sizes = sizes_of(EvalProfile::kQuick);
    context_.options.program = "turboquant";
    context_.corpus.assign(8192, 5);
    context_.tested.layers.assign(2, {KvType::kTurbo4, KvType::kTurbo4});
  }

  // The same result for every unit of a gate: `baseline` where the key says so.
  Results results_of(std::string_view gate, const Json& tested, const Json& baseline) {
    Results results;
    for (const Unit& unit : gate_named(gate).units(context_)) {
      results[unit.key] = unit.key.ends_with("/baseline") ? baseline : tested;
    }
    EXPECT_FALSE(results.empty()) << gate;
    return results;
  }
  std::vector<Check> conclude(std::string_view gate, const Json& tested, const Json& baseline = {}) {
    return gate_named(gate).conclude(context_, results_of(gate, tested, baseline), Thresholds()).checks;
  }
  static const Gate& gate_named(std::string_view name) {
    return **std::ranges::find_if(all_gates(), [&](const auto& gate) { return gate->name() == name; });
  }

  TempFile file_;
  EvalContext context_;
};

Verdict worst(const std::vector<Check>& checks) {
  EXPECT_FALSE(checks.empty());
  for (const Verdict verdict : {Verdict::kKill, Verdict::kFail, Verdict::kBaselineFails, Verdict::kPass}) {
    if (std::ranges::any_of(checks, [&](const Check& c) { return c.verdict == verdict; })) return verdict;
  }
  return Verdict::kSkipped;
}

TEST_F(Conclusions, Perplexity) {
  const auto of = [](double value) {
    return Json{{"n_ctx", 512}, {"windows", 2}, {"tokens", 100}, {"value", value}, {"standard_error", 0.1}};
  };
  EXPECT_EQ(worst(conclude("perplexity", of(10.4), of(10))), Verdict::kPass);
  EXPECT_EQ(worst(conclude("perplexity", of(10.6), of(10))), Verdict::kFail);
  EXPECT_EQ(worst(conclude("perplexity", of(11.1), of(10))), Verdict::kKill);
}

TEST_F(Conclusions, Kld) {
  const auto of = [](double mean, double p99, double max, double top1) {
    return Json{{"tokens", 64}, {"mean", mean}, {"standard_error", 0},        {"p99", p99},
                {"max", max},   {"top1", top1}, {"by_position", {mean, mean}}};
  };
  EXPECT_EQ(worst(conclude("kld", of(0.05, 0.9, 9, 0.9))), Verdict::kPass);
  EXPECT_EQ(worst(conclude("kld", of(0.11, 0.9, 9, 0.9))), Verdict::kFail);
  EXPECT_EQ(worst(conclude("kld", of(0.05, 1.1, 9, 0.9))), Verdict::kFail);
  EXPECT_EQ(worst(conclude("kld", of(0.05, 0.9, 11, 0.9))), Verdict::kFail);
  EXPECT_EQ(worst(conclude("kld", of(0.05, 0.9, 9, 0.8))), Verdict::kFail);
  EXPECT_EQ(worst(conclude("kld", of(std::nan(""), 0.9, 9, 0.9))), Verdict::kFail);
}

TEST_F(Conclusions, Trajectory) {
  const auto of = [](int prefix, int steps) {
    return Json{{"tokens", 100}, {"prefix", prefix}, {"steps", steps}};
  };
  EXPECT_EQ(worst(conclude("trajectory", of(30, 91))), Verdict::kPass);
  EXPECT_EQ(worst(conclude("trajectory", of(30, 89))), Verdict::kFail);
  EXPECT_EQ(worst(conclude("trajectory", of(24, 91))), Verdict::kFail);
}

TEST_F(Conclusions, LongAnswer) {
  const auto of = [](double nll, double repetition) {
    return Json{
        {"nll_by_quarter", {nll, nll, nll, nll}}, {"nll", nll}, {"repetition", repetition}, {"text", ""}};
  };
  const auto verdict = [&](double nll, double repetition) {
    return worst(conclude("long-answer", Json{{"baseline", of(1.0, 0.1)}, {"tested", of(nll, repetition)}}));
  };
  EXPECT_EQ(verdict(1.2, 0.1), Verdict::kPass);
  EXPECT_EQ(verdict(1.3, 0.1), Verdict::kFail);
  EXPECT_EQ(verdict(1.0, 0.3), Verdict::kFail);
  EXPECT_EQ(verdict(std::nan(""), 0.1), Verdict::kFail);
}

TEST_F(Conclusions, Perturbation) {
  const Json answer = {1, 2, 3, 4};
  const Json other = {1, 2, 9, 9};  // half of it
  const auto of = [&](const Json& baseline, const Json& tested) {
    return conclude("perturbation", Json{{"baseline", {answer, baseline, baseline, baseline, baseline}},
                                         {"tested", {answer, tested, tested, tested, tested}}});
  };
  EXPECT_EQ(worst(of(answer, answer)), Verdict::kPass);
  EXPECT_EQ(worst(of(other, other)), Verdict::kPass);  // the model itself drifts as much
  EXPECT_EQ(worst(of(other, answer)), Verdict::kPass);
  EXPECT_EQ(worst(of(answer, other)), Verdict::kFail);
  EXPECT_EQ(worst(of(answer, Json::array())), Verdict::kFail);
  // What always writes the same nonsense does not drift from itself; it is far from the baseline all the
  // same.
  const Json nonsense = {7, 7, 7, 7};
  EXPECT_EQ(
      worst(conclude("perturbation", Json{{"baseline", {answer, answer, answer, answer, answer}},
                                          {"tested", {nonsense, nonsense, nonsense, nonsense, nonsense}}})),
      Verdict::kFail);
}

TEST_F(Conclusions, NeedleCountsOnlyWhatTheBaselineFinds) {
  const auto of = [](std::array<bool, 2> baseline, std::array<bool, 2> tested) {
    return Json{
        {"baseline", baseline}, {"tested", tested}, {"baseline_text", {"", ""}}, {"tested_text", {"", ""}}};
  };
  const auto both = conclude("needle", of({true, true}, {true, true}));
  EXPECT_EQ(worst(both), Verdict::kPass);
  EXPECT_EQ(worst(conclude("needle", of({true, true}, {true, false}))), Verdict::kFail);
  EXPECT_EQ(worst(conclude("needle", of({true, false}, {true, false}))), Verdict::kBaselineFails);
  // Lengths beyond the tiny model's context are said, not passed.
  EXPECT_TRUE(std::ranges::any_of(both, [](const Check& c) { return c.verdict == Verdict::kSkipped; }));
}

TEST_F(Conclusions, AttentionFidelityProposesWhatItMeasured) {
  const auto of = [](const char* name, const char* k, double cosine, double bytes) {
    const Json heads = {{cosine, 1.0}, {1.0, 1.0}};
    return Json{{"name", name},
                {"k", {k, k}},
                {"v", {"turbo4", "turbo4"}},
                {"bytes_per_token", {bytes, bytes}},
                {"cosine", heads},
                {"smallest", heads}};
  };
  const Json good = Json::array({of("tested", "turbo4", 0.996, 8), of("b", "q8_0", 0.999, 16)});
  EXPECT_EQ(worst(conclude("attention-fidelity", good)), Verdict::kPass);
  const Json bad = Json::array(
      {of("tested", "turbo4", 0.99, 8), of("dear", "f16", 0.999, 32), of("b", "q8_0", 0.997, 16)});
  const auto report = gate_named("attention-fidelity")
                          .conclude(context_, results_of("attention-fidelity", bad, {}), Thresholds());
  EXPECT_EQ(worst(report.checks), Verdict::kFail);
  ASSERT_TRUE(report.proposed_plan);
  EXPECT_EQ(report.proposed_plan->layers[0].k, KvType::kQ8_0);    // the cheapest that is good enough
  EXPECT_EQ(report.proposed_plan->layers[1].k, KvType::kTurbo4);  // good enough as it is
}

TEST_F(Conclusions, Prompts) {
  Results results;
  const auto units = gate_named("prompts").units(context_);
  const auto fill = [&](int broken) {
    for (const Unit& unit : units) {
      const auto of = [](const Json& tokens) {
        return Json{{"tokens", tokens},
                    {"text", "x"},
                    {"checks", Json::array_t(5, true)},
                    {"repetition", 0},
                    {"ascii", 1}};
      };
      const Json whole = {1, 2, 3, 4};
      results[unit.key] = {{"baseline", of(whole)}, {"tested", of(broken-- > 0 ? Json{1} : whole)}};
    }
    return worst(gate_named("prompts").conclude(context_, results, Thresholds()).checks);
  };
  ASSERT_EQ(units.size(), 10U);
  EXPECT_EQ(fill(0), Verdict::kPass);
  EXPECT_EQ(fill(1), Verdict::kPass);
  EXPECT_EQ(fill(2), Verdict::kFail);
}

TEST_F(Conclusions, Matrix) {
  const auto of = [](double kld) {
    return Json::array(
        {{{"k", "turbo4"}, {"v", "turbo4"}, {"bytes_per_token", 10}, {"kld", kld}, {"top1", 1}}});
  };
  EXPECT_EQ(worst(conclude("matrix", of(0.09))), Verdict::kPass);
  EXPECT_EQ(worst(conclude("matrix", of(0.11))), Verdict::kFail);
}

TEST_F(Conclusions, Endurance) {
  struct Case {
    double late_seconds = 1.5, late_bytes = 100, aged_seconds = 1.0;
    bool bad = false, recalled = true;
  };
  const auto side = [](const Case& c) {
    Json turns = Json::array();
    for (int i = 0; i < 9; ++i) {
      turns.push_back({{"tokens", 10 * i},
                       {"token_seconds", i < 6 ? 1.0 : c.late_seconds},
                       {"process_bytes", i < 6 ? 100.0 : c.late_bytes},
                       {"bad", c.bad && i > 6},
                       {"asks", i == 8},
                       {"recalled", c.recalled && i == 8},
                       {"text", ""}});
    }
    const Json aged = {c.aged_seconds, c.aged_seconds, 99.0};  // one slow round does not decide
    return Json{{"turns", turns}, {"age", {{"aged", aged}, {"fresh", {1.0, 1.0, 1.0}}}}};
  };
  const auto verdict = [&](const Case& baseline, const Case& tested) {
    return worst(conclude("endurance", Json{{"baseline", side(baseline)}, {"tested", side(tested)}}));
  };
  EXPECT_EQ(verdict({}, {}), Verdict::kPass);
  EXPECT_EQ(verdict({.late_seconds = 3}, {.late_seconds = 3}), Verdict::kPass);  // a slow hour hits both
  EXPECT_EQ(verdict({}, {.late_seconds = 2.0}), Verdict::kFail);
  EXPECT_EQ(verdict({}, {.late_bytes = 120}), Verdict::kFail);
  EXPECT_EQ(verdict({}, {.aged_seconds = 1.2}), Verdict::kFail);
  EXPECT_EQ(verdict({.aged_seconds = 1.2}, {}), Verdict::kPass);
  // On a busy machine nothing is said about time, whatever was measured; the rest still counts.
  Json busy{{"baseline", side({})}, {"tested", side({.late_seconds = 9})}};
  busy["baseline"]["age"]["fresh"] = {1.0, 1.6, 1.6};
  const auto checks = conclude("endurance", busy);
  EXPECT_EQ(worst(checks), Verdict::kPass);
  EXPECT_EQ(checks.front().verdict, Verdict::kSkipped);
  EXPECT_EQ(verdict({}, {.bad = true}), Verdict::kFail);
  EXPECT_EQ(verdict({}, {.recalled = false}), Verdict::kFail);
  EXPECT_EQ(verdict({.recalled = false}, {}), Verdict::kBaselineFails);
  EXPECT_EQ(worst(gate_named("endurance").conclude(context_, {}, Thresholds()).checks), Verdict::kSkipped);
}

TEST_F(Conclusions, OneCodeForEveryQuestionIsNoRecall) {
  // Asked for boat (4417), garden (8052) and tower (2936) at the end of nine turns.
  const auto recall = [&](const std::vector<std::string>& baseline, const std::vector<std::string>& tested) {
    const auto side = [](const std::vector<std::string>& answers) {
      Json turns = Json::array();
      for (std::size_t i = 0; i < 9; ++i) {
        const std::string text = i < 6 ? "" : answers[i - 6];
        turns.push_back({{"tokens", 10 * i},
                         {"token_seconds", 1.0},
                         {"process_bytes", 100.0},
                         {"bad", false},
                         {"asks", i >= 6},
                         {"text", text},
                         {"recalled", i >= 6 && text.find(std::array{"4417", "8052", "2936"}[i - 6]) !=
                                                    std::string::npos}});
      }
      return Json{{"turns", turns}, {"age", {{"aged", {1.0}}, {"fresh", {1.0}}}}};
    };
    return conclude("endurance", Json{{"baseline", side(baseline)}, {"tested", side(tested)}}).back().verdict;
  };
  const std::vector<std::string> right = {"It is 4417.", "8052", "2936"}, loop = {"2936.", " 2936", "2936!"};
  EXPECT_EQ(recall(right, right), Verdict::kPass);
  EXPECT_EQ(recall(loop, right), Verdict::kBaselineFails);
  EXPECT_EQ(recall(right, loop), Verdict::kFail);
  EXPECT_EQ(recall({"4417", "no idea", "2936"}, right), Verdict::kPass);
  EXPECT_EQ(recall(right, {"4417", "4417", "2936"}), Verdict::kFail);
}

TEST_F(Conclusions, Speed) {
  const auto of = [](double first, double decode) {
    const Json seconds = {{1.0, first}, {1.0, first}, {1.0, 99.0}};  // one slow round does not decide
    const Json rates = {{100.0, decode}, {100.0, decode}, {100.0, 1.0}};
    return Json{{"depth", 64}, {"first_token_seconds", seconds}, {"decode_rate", rates}};
  };
  EXPECT_EQ(worst(conclude("speed", of(1.09, 91))), Verdict::kPass);
  EXPECT_EQ(worst(conclude("speed", of(1.11, 91))), Verdict::kFail);
  EXPECT_EQ(worst(conclude("speed", of(1.0, 89))), Verdict::kFail);
  EXPECT_EQ(worst(conclude("speed", of(1.0, 74))), Verdict::kKill);
}

TEST_F(Conclusions, MemoryAndCeiling) {
  context_.options.program.clear();
  EXPECT_TRUE(gate_named("ceiling").units(context_).empty());  // nothing to start: said, not passed
  EXPECT_EQ(worst(gate_named("ceiling").conclude(context_, {}, Thresholds()).checks), Verdict::kSkipped);
  const auto probe = [](double peak, double kv) {
    return Json{{"peak_bytes", peak}, {"calculated_bytes", kv}};
  };
  const auto memory = [&](double peak) {
    const Results results = {
        {"memory", {{"tokens", 9}, {"small", probe(100, 10)}, {"large", probe(peak, 110)}}}};
    return worst(gate_named("memory").conclude(context_, results, Thresholds()).checks);
  };
  EXPECT_EQ(memory(210), Verdict::kPass);
  EXPECT_EQ(memory(216), Verdict::kFail);
  EXPECT_EQ(memory(100), Verdict::kFail);  // too little means that the wrong thing was measured
  const auto ceiling = [&](int tokens) {
    const Results results = {
        {"ceiling/0.000", {{"limit_bytes", 1e9}, {"baseline", 100}, {"tested", tokens}}}};
    return worst(gate_named("ceiling").conclude(context_, results, Thresholds()).checks);
  };
  EXPECT_EQ(ceiling(1200), Verdict::kPass);  // the tiny model's own context
  EXPECT_EQ(ceiling(1024), Verdict::kFail);
}

}  // namespace
}  // namespace tq::eval
