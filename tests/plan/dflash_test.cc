// The planner's choices are those that the project's first planner made; the logs have the form of
// python -m dflash.benchmark and of the recorded runs.
#include "plan/dflash/dflash.h"
#include "recorded_machine.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

namespace tq::plan {
namespace {

DflashPair pair_of(std::string_view slug) {
  const auto pair = find_dflash_pair(slug);
  EXPECT_TRUE(pair);
  return *pair;
}

DflashReport report_of(std::string_view slug, double memory_gb = 36.0) {
  return {.machine_label = "M3 Max 36GB",
          .memory_gb = memory_gb,
          .pair = pair_of(slug),
          .benchmark = {},
          .results = {},
          .plain = {}};
}

DflashResults results_of(std::string_view log) {
  auto results = read_dflash_results(log);
  EXPECT_TRUE(results) << results.error().message;
  return results ? *std::move(results) : DflashResults{};
}

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// What the benchmark prints into a file: `rich` wraps at 80 columns there.
constexpr const char* kLog =
    "$ python -m dflash.benchmark --backend mlx --model Qwen/Qwen3.5-4B --draft-model "
    "z-lab/Qwen3.5-4B-DFlash "
    "--dataset gsm8k --max-samples 1 --enable-thinking\n"
    "100%|##########| 1/1 [01:07<00:00, 67.1s/it]\n"
    "Baseline throughput: 22.35 tok/s\n"
    "DFlash throughput:  46.78 tok/s\n"
    "Decoding speedup: 2.09\n"
    "Average Acceptance length: 6.48\n"
    "Acceptance length histogram: ['0.3%', '11.1%', '12.7%', '10.4%', '11.7%', '7.6%',\n"
    "'7.0%', '3.8%', '5.1%', '6.3%', '2.8%', '3.8%', '2.2%', '1.9%', '0.9%', '2.5%',\n"
    "'9.8%']\n";

TEST(DflashPlan, TakesTheLargestPairThatFits) {
  EXPECT_EQ(select_dflash_pair(36).slug, "qwen35-9b");
  EXPECT_EQ(select_dflash_pair(36).base_model, "Qwen/Qwen3.5-9B");
  EXPECT_EQ(select_dflash_pair(36).draft_model, "z-lab/Qwen3.5-9B-DFlash");
  EXPECT_EQ(select_dflash_pair(28).slug, "qwen35-9b");
  EXPECT_EQ(select_dflash_pair(27.9).slug, "qwen35-4b");
  EXPECT_EQ(select_dflash_pair(20).slug, "qwen35-4b");
  EXPECT_EQ(select_dflash_pair(20).base_model, "Qwen/Qwen3.5-4B");
  EXPECT_EQ(select_dflash_pair(8).slug, "qwen35-4b") << "nothing fits: the smallest";
  const auto unknown = find_dflash_pair("qwen35-70b");
  ASSERT_FALSE(unknown);
  EXPECT_TRUE(holds(unknown.error().message, "qwen35-4b and qwen35-9b"));
}

TEST(DflashPlan, FactsOfThePairs) {
  EXPECT_DOUBLE_EQ(pair_of("qwen35-4b").weights_gb, 9.68);
  EXPECT_DOUBLE_EQ(pair_of("qwen35-9b").weights_gb, 19.93);
  EXPECT_DOUBLE_EQ(pair_of("qwen35-4b").minimum_memory_gb, 16.0);
  EXPECT_DOUBLE_EQ(pair_of("qwen35-9b").minimum_memory_gb, 28.0);
  EXPECT_EQ(pair_of("qwen35-9b").draft_window, 4096);
}

TEST(DflashPlan, CommandIsUpstreams) {
  EXPECT_EQ(dflash_command(pair_of("qwen35-9b"), {.dataset = "gsm8k", .max_samples = 64, .thinking = true}),
            "python -m dflash.benchmark --backend mlx \\\n"
            "  --model Qwen/Qwen3.5-9B \\\n"
            "  --draft-model z-lab/Qwen3.5-9B-DFlash \\\n"
            "  --dataset gsm8k \\\n"
            "  --max-samples 64 \\\n"
            "  --enable-thinking \\\n"
            "  --draft-sliding-window-size 4096");
  EXPECT_FALSE(holds(dflash_command(pair_of("qwen35-4b"), {.thinking = false}), "thinking"));
  const auto setup = dflash_setup(pair_of("qwen35-4b"), {});
  ASSERT_EQ(setup.size(), 6U);
  EXPECT_EQ(setup[2], "git clone https://github.com/z-lab/dflash.git");
  EXPECT_EQ(setup[4], "pip install -e .[mlx]");
}

TEST(DflashPlan, MemoryOfTheMachine) {
  const auto memory_of = [](const Files& files) {
    const RecordedMachine machine(files);
    return detect_memory_gb(machine.source());
  };
  const auto linux_box =
      memory_of({{"/proc/meminfo", "MemFree: 12 kB\nMemTotal:       37748736 kB\nMemAvailable: 1 kB\n"}});
  ASSERT_TRUE(linux_box);
  EXPECT_DOUBLE_EQ(*linux_box, 36.0);
  const auto mac = memory_of({{"/commands/sysctl", "hw.memsize: 25769803776\nhw.ncpu: 8\n"}});
  ASSERT_TRUE(mac);
  EXPECT_DOUBLE_EQ(*mac, 24.0);
  for (const char* text : {"", "MemFree: 12 kB\n", "MemTotal:", "MemTotal: x kB", "MemTotal: -5 kB"}) {
    const auto none = memory_of({{"/proc/meminfo", text}});
    ASSERT_FALSE(none) << text;
    EXPECT_TRUE(holds(none.error().message, "--memory-gb"));
  }
  const auto here = detect_memory_gb(MachineSource::this_machine());
  ASSERT_TRUE(here);
  EXPECT_GT(*here, 0.1);
}

TEST(DflashReportTest, TemplateHasItsParts) {
  const std::string text = dflash_markdown(report_of("qwen35-9b"));
  for (const char* part :
       {"DFlash Apple Silicon Benchmark Report", "M3 Max 36GB", "Qwen/Qwen3.5-9B", "19.93 GB",
        "plain MLX or llama.cpp speculative decoding", "Worth operationalizing locally?", "- [ ] Yes",
        "- [ ] No", "- [ ] Needs more data", "- Throughput (tok/s):\n", "GPU timeout",
        "pip install -e .[mlx]\n", "pip install -e '.[mlx]'"}) {
    EXPECT_TRUE(holds(text, part)) << part << "\n" << text;
  }
}

TEST(DflashResultsTest, UpstreamsLog) {
  for (const std::string& log : {std::string(kLog), "\x1b[1;36m" + std::string(kLog) + "\x1b[0m"}) {
    const DflashResults r = results_of(log);
    EXPECT_DOUBLE_EQ(r.baseline.value_or(0), 22.35);
    EXPECT_DOUBLE_EQ(r.throughput.value_or(0), 46.78);
    EXPECT_DOUBLE_EQ(r.speedup.value_or(0), 2.09);
    EXPECT_DOUBLE_EQ(r.acceptance_mean.value_or(0), 6.48);
    ASSERT_EQ(r.acceptance.size(), 17U);
    EXPECT_DOUBLE_EQ(r.acceptance[1], 0.111);
    EXPECT_DOUBLE_EQ(r.acceptance[16], 0.098);
    EXPECT_EQ(r.samples, 1);
    EXPECT_EQ(r.base_model, "Qwen/Qwen3.5-4B");
    EXPECT_EQ(r.draft_model, "z-lab/Qwen3.5-4B-DFlash");
    EXPECT_FALSE(r.peak_memory_gb);
    // The histogram's own mean is close to the mean over answers that is printed.
    double mean = 0;
    for (std::size_t n = 0; n < r.acceptance.size(); ++n) mean += static_cast<double>(n) * r.acceptance[n];
    EXPECT_NEAR(mean, 6.48, 0.5);
  }
}

TEST(DflashResultsTest, ServersLogAndTheLatestRunCounts) {
  const DflashResults r = results_of(
      "Throughput:       10.00 tok/s\nAccept length:    2.0\n"
      "Num prompts:      1024\nThroughput:       1,234.50 tok/s\n"
      "Accept length:    5.125\n");
  EXPECT_DOUBLE_EQ(r.throughput.value_or(0), 1234.5);
  EXPECT_DOUBLE_EQ(r.acceptance_mean.value_or(0), 5.125);
  EXPECT_EQ(r.samples, 1024);
}

TEST(DflashResultsTest, PeakMemoryOfTime) {
  const auto memory = [](const std::string& tail) {
    return results_of(kLog + tail).peak_memory_gb.value_or(0);
  };
  EXPECT_DOUBLE_EQ(memory("         12884901888  maximum resident set size\n"), 12.0);
  EXPECT_DOUBLE_EQ(memory("  12884901888  maximum resident set size\n  13958643712  peak memory footprint\n"),
                   13.0);
  EXPECT_DOUBLE_EQ(memory("\tMaximum resident set size (kbytes): 12582912\n"), 12.0);
}

TEST(DflashResultsTest, TurboquantAndLlama) {
  // 5 passes without a right guess, 3 with one, 2 with two: 10 passes, 17 tokens.
  const DflashResults json = results_of(
      R"({"timings":{"generated_tokens_per_second":30.5},"speculation":{"drafted":20,"accepted":7,)"
      R"("passes_by_accepted":[5,3,2,0]}})");
  EXPECT_DOUBLE_EQ(json.throughput.value_or(0), 30.5);
  EXPECT_DOUBLE_EQ(json.acceptance_mean.value_or(0), 1.7);
  EXPECT_EQ(json.acceptance, (std::vector<double>{0, 0.5, 0.3, 0.2, 0}));
  const DflashResults summary = results_of(
      "prompt 12 tokens 80.0 t/s | generated 17 tokens 30.5 t/s | KV 1.0 MiB turbo4/turbo4, f16 would be 4.0 "
      "MiB "
      "(3.9x)\nguesses: 7 of 20 right (35.0 %); passes by right guesses: 5x0 3x1 2x2\n");
  EXPECT_DOUBLE_EQ(summary.throughput.value_or(0), 30.5);
  EXPECT_DOUBLE_EQ(summary.acceptance_mean.value_or(0), 1.7);
  const DflashResults llama = results_of(
      "encoded   10 tokens in    0.5 seconds, speed:   20.0 t/s\n"
      "decoded  170 tokens in    5.0 seconds, speed:   34.0 t/s\n\nn_draft   = 8\nn_predict = 170\nn_drafted "
      "= 96\n"
      "n_accept  = 70\naccept    = 72.9%\n");
  EXPECT_DOUBLE_EQ(llama.throughput.value_or(0), 34.0);
  EXPECT_DOUBLE_EQ(llama.acceptance_mean.value_or(0), 1.7);
  EXPECT_EQ(llama.source, "llama.cpp");
}

TEST(DflashResultsTest, RunThatDied) {
  const DflashResults r = results_of(
      "libc++abi: terminating due to uncaught exception of type std::runtime_error:\n[METAL] Command buffer "
      "execution failed:\n  Caused GPU Timeout Error (00000002:kIOGPUCommandBufferCallbackErrorTimeout)\n");
  EXPECT_FALSE(r.throughput);
  EXPECT_TRUE(holds(r.failure, "Caused GPU Timeout Error")) << r.failure;
  DflashReport report = report_of("qwen35-9b");
  report.results = r;
  const DflashAdvice advice = advise(report);
  EXPECT_EQ(advice.verdict, DflashVerdict::kNo);
  ASSERT_EQ(advice.reasons.size(), 2U);
  EXPECT_TRUE(holds(advice.reasons[1], "--pair qwen35-4b"));
  report.pair = pair_of("qwen35-4b");
  EXPECT_EQ(advise(report).reasons.size(), 1U);
}

TEST(DflashResultsTest, HostileLogs) {
  const std::string many(200000, '[');
  for (const std::string& text :
       {std::string(), std::string("hello"), std::string("\x1b["), std::string("DFlash throughput:"),
        std::string("DFlash throughput: 1e999"), std::string("DFlash throughput: nan"),
        std::string("DFlash throughput: -5"), std::string("DFlash throughput: 99999999999 tok/s"),
        std::string("DFlash throughput: ......"), std::string("{\"timings\":[]}"),
        std::string("{\"timings\":{}}"), std::string("| generated 5 tokens"), std::string("| generated "),
        many, std::string("Acceptance length histogram: ]["), std::string("decoded speed:")}) {
    const auto results = read_dflash_results(text);
    ASSERT_FALSE(results) << text.substr(0, 50);
    EXPECT_EQ(results.error().code, ErrorCode::kBadFile);
  }
  // A histogram that is none is left out, the rest stays.
  for (const char* list : {"['50.0%', '20.0%']", "['x%']", "['300%']", "[", "[]"}) {
    const DflashResults r =
        results_of("DFlash throughput: 5 tok/s\nAcceptance length histogram: " + std::string(list) + "\n");
    EXPECT_TRUE(r.acceptance.empty()) << list;
  }
  EXPECT_FALSE(read_dflash_results(std::string((std::size_t{16} << 20) + 1, ' ')));
}

TEST(DflashAdviceTest, ComparesWithPlainSpeculation) {
  DflashReport report = report_of("qwen35-4b");
  EXPECT_EQ(advise(report).verdict, DflashVerdict::kNeedsMoreData);
  report.results = results_of(kLog);
  EXPECT_EQ(advise(report).verdict, DflashVerdict::kNeedsMoreData) << "no plain speculation";
  report.plain = DflashResults{};
  report.plain->throughput = 30.0;
  EXPECT_EQ(advise(report).verdict, DflashVerdict::kNeedsMoreData) << "one sample";
  report.results->samples = 128;
  EXPECT_EQ(advise(report).verdict, DflashVerdict::kYes) << "46.78 beside 30";
  const std::string text = dflash_markdown(report);
  EXPECT_TRUE(holds(text, "- [x] Yes") && holds(text, "- Speed-up: 2.09x") && holds(text, "1.56 times"))
      << text;
  report.plain->throughput = 44.0;
  EXPECT_EQ(advise(report).verdict, DflashVerdict::kNo) << "1.06 times";
  report.plain->throughput = 30.0;
  report.results->peak_memory_gb = 35.0;
  EXPECT_EQ(advise(report).verdict, DflashVerdict::kNo) << "35 of 36 GB";
  report.results->peak_memory_gb = 12.0;
  report.results->speedup = 0.9;
  EXPECT_EQ(advise(report).verdict, DflashVerdict::kNo) << "slower than no guesses";
}

}  // namespace
}  // namespace tq::plan
