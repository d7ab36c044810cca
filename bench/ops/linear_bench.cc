// Linear layers of each weight type and ISA on all cores: products of a prompt and of eight tokens, in
// operations a second (two a weight), and of a single token, in bytes of packed weights a second, and the
// time packing takes.
//
//   build/release/bench/ops/linear_bench --benchmark_filter='Q4_K/avx512' --benchmark_repetitions=5
//
// 192 MiB of weights or so, several times what the last-level cache holds, as layers of 2048 inputs.
#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "gguf/quant_group.h"
#include "ops/linear.h"

namespace tq {
namespace {

constexpr std::int64_t kIn = 2048;
constexpr std::int64_t kOut = 8192;
constexpr int kLayers = 16;
constexpr std::int64_t kFew = 8;  // tokens of sessions that decode together

ThreadPool& pool() {
  static ThreadPool pool(default_thread_count());
  return pool;
}

// Random bytes, as speed does not depend on values; any that read as a scale are made small.
std::vector<std::byte> random_bytes(GgmlType type) {
  const GgmlTypeTraits traits = *ggml_type_traits(type);
  std::vector<std::byte> bytes(static_cast<std::size_t>(kIn * kOut / traits.block_size) * traits.block_bytes);
  std::mt19937 random(1);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random() & 0x3b);
  return bytes;
}

struct Case {
  GgmlType type;
  Isa isa;
  std::int64_t n_tokens;
};

void run(benchmark::State& state, const Case& c) {
  const std::vector<std::byte> bytes = random_bytes(c.type);
  const TensorView view = {
      .name = "w", .type = c.type, .n_dims = 2, .shape = {kIn, kOut, 1, 1}, .data = bytes};
  const int n_layers = c.n_tokens <= kFew ? kLayers : 1;
  const auto packed = Linear::packed_bytes(view);
  if (!packed) return state.SkipWithError(packed.error().message.c_str());
  auto arena = Arena::allocate(static_cast<std::size_t>(n_layers) * Arena::part_bytes(*packed));
  if (!arena) return state.SkipWithError(arena.error().message.c_str());
  std::vector<Linear> layers;
  for (int i = 0; i < n_layers; ++i) {
    auto layer = Linear::pack(view, *arena, pool());
    if (!layer) return state.SkipWithError(layer.error().message.c_str());
    layers.push_back(std::move(*layer));
  }
  Compute compute(kernels_for(c.isa), pool());
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(c.n_tokens * kIn));
  for (float& v : x) v = normal(random);
  std::vector<float> y(static_cast<std::size_t>(c.n_tokens * kOut));
  for (auto _ : state) {
    for (const Linear& layer : layers) {
      compute.linear(x.data(), kIn, c.n_tokens, std::array{LinearOutput{&layer, y.data(), kOut}});
    }
    benchmark::ClobberMemory();
  }
  const auto passes = static_cast<double>(layers.size()) * static_cast<double>(state.iterations());
  state.counters["op/s"] = benchmark::Counter(passes * 2 * static_cast<double>(kIn * kOut * c.n_tokens),
                                              benchmark::Counter::kIsRate);
  state.counters["B/s"] = benchmark::Counter(passes * static_cast<double>(layers.front().packed_bytes()),
                                             benchmark::Counter::kIsRate);
  state.counters["bits"] =
      8.0 * static_cast<double>(layers.front().packed_bytes()) / static_cast<double>(kIn * kOut);
}

void pack(benchmark::State& state, GgmlType type) {
  const std::vector<std::byte> bytes = random_bytes(type);
  const TensorView view = {.name = "w", .type = type, .n_dims = 2, .shape = {kIn, kOut, 1, 1}, .data = bytes};
  for (auto _ : state) benchmark::DoNotOptimize(Linear::pack(view, pool()));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

void register_all() {
  for (std::uint32_t id = 0; id < 64; ++id) {
    const auto type = static_cast<GgmlType>(id);
    if (quant_reader(type) == nullptr) continue;
    const std::string name(ggml_type_traits(type)->name);
    benchmark::RegisterBenchmark(("pack/" + name).c_str(), [=](auto& s) { pack(s, type); })->UseRealTime();
    for (const Isa isa : supported_isas()) {
      if (isa == Isa::kScalar) continue;
      for (const std::int64_t n : {std::int64_t{1}, kFew, std::int64_t{512}}) {
        const std::string full = name + "/" + std::string(isa_name(isa)) + "/" + std::to_string(n);
        benchmark::RegisterBenchmark(full.c_str(), [=](auto& s) { run(s, {type, isa, n}); })->UseRealTime();
      }
    }
  }
}

}  // namespace
}  // namespace tq

int main(int argc, char** argv) {
  tq::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
