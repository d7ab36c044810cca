#include "eval/thresholds.h"

#include <gtest/gtest.h>

namespace tq::eval {
namespace {

std::string error_of(const std::string& yaml) {
  const auto parsed = Thresholds::parse(yaml, "gates.yaml");
  return parsed ? "no error" : parsed.error().message;
}

TEST(Thresholds, PrintedDefaultsReadBackAsThemselves) {
  const Thresholds defaults;
  const auto read = Thresholds::parse(defaults.yaml(), "printed");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->yaml(), defaults.yaml());
  EXPECT_EQ(defaults.get("perplexity", "max_increase"), 0.5);
  EXPECT_EQ(defaults.get("attention-fidelity", "min_cosine"), 0.995);
}

TEST(Thresholds, AFileChangesWhatItNames) {
  const auto read = Thresholds::parse("kld:\n  max_mean: 0.02\n", "mine");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->get("kld", "max_mean"), 0.02);
  EXPECT_EQ(read->get("kld", "max_p99"), Thresholds().get("kld", "max_p99"));
  EXPECT_TRUE(Thresholds::parse("", "empty"));
  EXPECT_TRUE(Thresholds::parse("kld:\n  # max_mean: 0.02\n", "all left out"));
}

TEST(Thresholds, ErrorsSayTheLine) {
  EXPECT_NE(error_of("kld:\n  max_men: 1\n").find("gates.yaml:2: there is no threshold kld.max_men"),
            std::string::npos);
  EXPECT_NE(error_of("kld:\n  max_mean: many\n").find("gates.yaml:2: kld.max_mean is not a number"),
            std::string::npos);
  EXPECT_NE(error_of("kld:\n  max_mean: .nan\n").find("is not a number"), std::string::npos);
  EXPECT_NE(error_of("kld:\n\n  min_top1: 1.5\n").find("gates.yaml:3: kld.min_top1 is 1.5, outside 0 to 1"),
            std::string::npos);
  EXPECT_NE(error_of("kld: 3\n").find("gates.yaml:1: 'kld' is no map"), std::string::npos);
  EXPECT_NE(error_of("kdl:\n").find("gates.yaml:1: 'kdl' is no map"), std::string::npos);
  EXPECT_NE(
      error_of("kld:\n  max_mean: 1\n  max_mean: 2\n").find("gates.yaml:3: kld.max_mean is given twice"),
      std::string::npos);
  EXPECT_NE(error_of("- a\n").find("no map of gates"), std::string::npos);
  EXPECT_NE(error_of("kld: {max_mean: [}\n").find("gates.yaml:1: it is not readable as YAML"),
            std::string::npos);
  EXPECT_NE(error_of("[a]: {max_mean: 1}\n").find("gates.yaml"), std::string::npos);  // a key that is no text
}

// Else a value could be allowed and a reason to kill at once.
TEST(Thresholds, WhatIsKilledMustFail) {
  EXPECT_NE(error_of("perplexity:\n  max_increase: 2\n").find("perplexity.kill_increase is 1, below"),
            std::string::npos);
  EXPECT_EQ(error_of("perplexity:\n  max_increase: 2\n  kill_increase: 2\n"), "no error");
  EXPECT_NE(error_of("speed:\n  min_decode: 0.7\n").find("speed.kill_decode is 0.75, above"),
            std::string::npos);
}

}  // namespace
}  // namespace tq::eval
