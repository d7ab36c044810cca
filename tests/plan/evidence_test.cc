// Reports of verify as evidence: which model they are of, and what they say of its caches.
#include "plan/evidence.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "plan/quality.h"

namespace tq::plan {
namespace {

const ModelIdentity kModel{.name = "Some Model", .architecture = "llama", .n_params = 1234};

std::string report(const std::string& go, const std::string& gates,
                   const std::string& baseline = "K f16, V f16", int parameters = 1234) {
  return R"({"format": "turboquant-eval-report-1", "go": )" + go +
         R"(, "facts": {"model": "Some Model", "architecture": "llama", "tested": "K q8_0, V turbo4", "baseline": ")" +
         baseline + R"(", "parameters": )" + std::to_string(parameters) + R"(}, "gates": [)" + gates + "]}";
}

const std::string kKld = R"({"gate": "kld", "numbers": {"mean": 0.012, "top1": 0.93, "tokens": 2048}})";
const std::string kMatrix =
    R"({"gate": "matrix", "numbers": {"pairs": [{"k": "q8_0", "v": "turbo4", "kld": 0.02, "top1": 0.9},
                                               {"k": "turbo4", "v": "turbo3", "kld": 0.3, "top1": 0.5}]}})";

TEST(Evidence, ReadsTheGatesThatMeasureDivergence) {
  Evidence evidence;
  ASSERT_TRUE(evidence.add_report(report("true", kKld + "," + kMatrix), kModel));
  const Measured* tested = evidence.find("K q8_0, V turbo4");
  ASSERT_NE(tested, nullptr);
  EXPECT_DOUBLE_EQ(tested->mean_kl, 0.012);  // on more tokens than the matrix
  EXPECT_DOUBLE_EQ(tested->top1, 0.93);
  EXPECT_FALSE(tested->is_no_go);
  ASSERT_NE(evidence.find("K turbo4, V turbo3"), nullptr);
  EXPECT_DOUBLE_EQ(evidence.find("K turbo4, V turbo3")->mean_kl, 0.3);
  EXPECT_EQ(evidence.find("K f16, V f16"), nullptr);
}

TEST(Evidence, ANoGoStaysWhateverElseIsMeasured) {
  Evidence evidence;
  evidence.add_report(report("false", kKld), kModel);
  evidence.add_report(report("true", kKld), kModel);
  EXPECT_TRUE(evidence.find("K q8_0, V turbo4")->is_no_go);
}

TEST(Evidence, OthersReportsSayNothing) {
  for (const std::string& other :
       {report("true", kKld, "K q8_0, V q8_0"), report("true", kKld, "K f16, V f16", 1235), std::string("{}"),
        std::string("[1"), std::string(R"({"format": 3, "facts": []})")}) {
    Evidence evidence;
    EXPECT_FALSE(evidence.add_report(other, kModel)) << other;
    EXPECT_TRUE(evidence.empty());
  }
}

TEST(Evidence, BrokenGatesAreLeftOut) {
  Evidence evidence;
  EXPECT_TRUE(evidence.add_report(report("true", R"({"gate": "kld", "numbers": {"mean": "x"}}, 7, null,
      {"gate": "matrix", "numbers": {"pairs": {"k": 1}}}, {"gate": "matrix", "numbers": {"pairs": [3]}})"),
                                  kModel));
  EXPECT_TRUE(evidence.empty());
}

TEST(Evidence, FindsReportsInAFolder) {
  const std::string folder = ::testing::TempDir() + "/tq_evidence";
  std::filesystem::create_directories(folder + "/one");
  std::ofstream(folder + "/one/report.json") << report("true", kKld);
  std::ofstream(folder + "/report.json") << report("true", kMatrix);
  Evidence evidence;
  evidence.add_folder(folder, kModel);
  EXPECT_NE(evidence.find("K q8_0, V turbo4"), nullptr);
  EXPECT_NE(evidence.find("K turbo4, V turbo3"), nullptr);
  evidence.add_folder(folder + "/no such folder", kModel);
  std::filesystem::remove_all(folder);
}

// docs/results.md: the measured fronts of SmolLM2 and, where its keys allow, Qwen2.5-Coder. The estimate has
// to rank them and to be of the right size.
TEST(EstimatedLoss, IsCloseToWhatWasMeasured) {
  const struct {
    KvType k, v;
    double kl;
  } front[] = {{KvType::kTurbo2, KvType::kTurbo2, 1.203}, {KvType::kTurbo3, KvType::kTurbo2, 0.351},
               {KvType::kTurbo4, KvType::kTurbo2, 0.172}, {KvType::kTurbo4, KvType::kTurbo3, 0.077},
               {KvType::kTurbo4, KvType::kTurbo4, 0.069}, {KvType::kQ8_0, KvType::kTurbo2, 0.074},
               {KvType::kQ8_0, KvType::kTurbo3, 0.028},   {KvType::kQ8_0, KvType::kTurbo4, 0.007}};
  for (const auto& [k, v, kl] : front) {
    const double ratio = estimated_loss({{30, {k, v}}}) / kl;
    EXPECT_GT(ratio, 0.6) << kv_type_name(k) << "/" << kv_type_name(v);
    EXPECT_LT(ratio, 1.6) << kv_type_name(k) << "/" << kv_type_name(v);
  }
}

}  // namespace
}  // namespace tq::plan
