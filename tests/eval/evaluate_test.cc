// The whole way on a model of a few kilobytes: caches compared with themselves, interruption and resuming.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "../model/tiny_model.h"
#include "tq/eval.h"

namespace tq {
namespace {

using Json = nlohmann::json;

class Evaluate : public testing::Test {
 protected:
  Evaluate()
      : file_(TinyModel{.n_layers = 2, .n_embd = 128}.bytes()), folder_(testing::TempDir() + "tq_evaluate") {
    std::filesystem::create_directories(folder_);
    std::ofstream corpus(folder_ + "/corpus.txt");
    for (int i = 0; i < 700; ++i) corpus << "line " << i * i % 997 << " of a text\n";
    options_.model_path = file_.path();
    options_.n_threads = 1;
    options_.corpus = {folder_ + "/corpus.txt"};
    options_.journal = folder_ + "/journal.jsonl";
    options_.gates = {"perplexity", "kld", "trajectory", "attention-fidelity"};
  }
  ~Evaluate() override { std::filesystem::remove_all(folder_); }

  Json report(KvType type) {
    options_.tested = {.type_k = type, .type_v = type};
    const auto outcome = evaluate(options_);
    EXPECT_TRUE(outcome) << outcome.error().message;
    return outcome ? Json::parse(outcome->json) : Json();
  }
  static Json numbers(const Json& report, const std::string& gate) {
    for (const Json& one : report["gates"]) {
      if (one["gate"] == gate) return one["numbers"];
    }
    return {};
  }

  TempFile file_;
  std::string folder_;
  EvalOptions options_;
};

TEST_F(Evaluate, ACacheComparedWithItselfIsExactlyEqual) {
  const Json same = report(KvType::kF16);
  EXPECT_EQ(same["go"], true) << same["reasons"];
  EXPECT_EQ(numbers(same, "kld")["max"], 0.0);
  EXPECT_EQ(numbers(same, "kld")["top1"], 1.0);
  EXPECT_EQ(numbers(same, "trajectory")["prefix_agreement"], 1.0);
  const Json layers = numbers(same, "attention-fidelity")["layers"];
  for (const Json& layer : layers) EXPECT_NEAR(layer.get<double>(), 1.0, 1e-6);
  EXPECT_EQ(numbers(same, "perplexity")["512"]["baseline"], numbers(same, "perplexity")["512"]["tested"]);
}

// A token is a byte here: needle and question alone have more than a hundred, and the template as many as it
// pleases.
TEST_F(Evaluate, NeedlesLeaveRoomForTheTemplate) {
  options_.gates = {"needle"};
  for (const std::size_t n : {250, 600}) {
    const TempFile file(TinyModel{
        .n_layers = 2, .n_embd = 128, .chat_template = std::string(n, '.') + "{{ messages[0].content }}"}
                            .bytes());
    options_.model_path = file.path();
    options_.journal = folder_ + "/" + std::to_string(n) + ".jsonl";
    report(KvType::kF16);
    std::ifstream journal(*options_.journal);
    int n_cells = 0;
    for (std::string line; std::getline(journal, line);) {
      const Json unit = Json::parse(line);
      if (!unit.contains("result")) continue;
      ++n_cells;
      for (const Json& answer : unit["result"]["baseline_text"]) EXPECT_NE(answer, "") << line;
    }
    EXPECT_GT(n_cells, 0);
  }
}

TEST_F(Evaluate, FewerBitsAreFartherAway) {
  double kld = 0.0;
  double cosine = 1.0;
  for (const KvType type : {KvType::kQ8_0, KvType::kTurbo4, KvType::kTurbo3, KvType::kTurbo2}) {
    const Json one = report(type);
    const double mean = numbers(one, "kld")["mean"].get<double>();
    EXPECT_GT(mean, kld) << kv_type_name(type);
    kld = mean;
    const double worst = numbers(one, "attention-fidelity")["layers"][0].get<double>();
    EXPECT_LT(worst, cosine) << kv_type_name(type);
    cosine = worst;
  }
}

TEST_F(Evaluate, WhatWasMeasuredSurvivesAnInterrupt) {
  int looks = 0;
  int units = 0;
  std::string first;
  options_.progress = [&](const std::string& unit, double, std::optional<double>) {
    if (!unit.empty()) ++units;
  };
  options_.interrupted = [&] { return units >= 3 && ++looks > 0; };
  const auto stopped = evaluate(options_);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted);
  std::ifstream journal(*options_.journal);
  const auto lines = std::count(std::istreambuf_iterator<char>(journal), {}, '\n');
  EXPECT_EQ(lines, 3);  // what it is of, and two units

  options_.interrupted = {};
  options_.progress = {};
  options_.resume = true;
  const auto resumed = evaluate(options_);
  ASSERT_TRUE(resumed) << resumed.error().message;
  options_.resume = false;
  options_.journal.reset();
  const auto at_once = evaluate(options_);
  ASSERT_TRUE(at_once);
  EXPECT_EQ(resumed->json, at_once->json);
}

TEST_F(Evaluate, MistakesAreSentences) {
  options_.gates = {"perplexty"};
  EXPECT_NE(evaluate(options_).error().message.find("perplexty"), std::string::npos);
  options_.gates = {"kld"};
  options_.corpus = {folder_ + "/nothing.txt"};
  EXPECT_NE(evaluate(options_).error().message.find("nothing.txt"), std::string::npos);
  options_.corpus = {folder_ + "/bad.txt"};
  std::ofstream(folder_ + "/bad.txt") << "ab\xFF";
  EXPECT_NE(evaluate(options_).error().message.find("not UTF-8 at byte offset 2"), std::string::npos);
  std::ofstream(folder_ + "/bad.txt") << "short";
  EXPECT_NE(evaluate(options_).error().message.find("the corpus has"), std::string::npos);
}

TEST_F(Evaluate, APlanOfAnotherModelIsRefused) {
  options_.tested.plan = CachePlan{{{KvType::kF16, KvType::kF16}}};
  const auto outcome = evaluate(options_);
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message.find("1 layers"), std::string::npos);
}

}  // namespace
}  // namespace tq
