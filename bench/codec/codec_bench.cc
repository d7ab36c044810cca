// The codec's verbs for each type, ISA and shape: bytes/s, ns a row, and the share of the bandwidth at which
// this machine reads memory, measured first.
//
//   build/release/bench/codec/codec_bench --benchmark_filter='turbo4/avx512' --benchmark_repetitions=5
//
// encode and decode work on one page, in one thread. score, mix and attention (both, page by page, as
// decoding does) go over a cache several times as large as L3 with a thread a core. Its pages are copies of
// one: same values, own memory.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "codec/codec.h"

namespace tq {
namespace {

constexpr std::size_t kTokens = 32768;                       // of a sequence
constexpr std::size_t kCacheBytes = std::size_t{160} << 20;  // K and V, rounded up to whole sequences
constexpr struct Shape {
  int head_dim;
  int queries;
} kShapes[] = {{64, 3}, {128, 4}, {128, 1}, {256, 4}};

ThreadPool& pool() {
  static ThreadPool pool(default_thread_count());
  return pool;
}

// Bytes a second that all threads together read in one pass over more memory than the caches hold; best of
// several.
double stream_bandwidth() {
  constexpr std::size_t kBytes = std::size_t{512} << 20;
  Expected<Buffer> buffer = Buffer::allocate(kBytes);
  if (!buffer) return 0.0;
  std::memset(buffer->data(), 1, kBytes);
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(pool().size()) * 8);
  double best = 0.0;
  for (int repeat = 0; repeat < 10; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    pool().run([&](int thread) {
      const Range share = share_of(kBytes / sizeof(std::uint64_t), thread, pool().size(), 64);
      const auto* words = buffer->as<std::uint64_t>();
      std::uint64_t sum[16] = {};
      for (std::int64_t i = share.begin; i < share.end; i += 16) {
        __builtin_prefetch(words + i + 512);  // two pages ahead, as far as the kernels look
        __builtin_prefetch(words + i + 520);
        for (int lane = 0; lane < 16; ++lane) sum[lane] ^= words[i + lane];
      }
      for (const std::uint64_t lane : sum) sums[static_cast<std::size_t>(thread) * 8] ^= lane;
    });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, kBytes / seconds.count());
  }
  benchmark::DoNotOptimize(sums.data());
  return best;
}

double g_stream = 0.0;

std::vector<float> gaussian(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

// What one thread needs to attend.
struct Scratch {
  alignas(64) float scores[kMaxGroupQueries * kPageTokens];
  alignas(64) float acc[kMaxGroupQueries * 1024];
};

class Bench {
 public:
  Bench(KvType type, Isa isa, Shape shape)
      : shape_(shape), codec_(std::move(*KvCodec::create(type, shape.head_dim, isa))) {
    const std::size_t n = static_cast<std::size_t>(shape.head_dim);
    row_ = gaussian(n, 1);
    // The fastest ISA fills the page: bytes do not depend on it.
    const auto filler = std::move(*KvCodec::create(type, shape.head_dim, supported_isas().back()));
    page_ = std::move(*Buffer::allocate(codec_->page_bytes()));
    for (int slot = 0; slot < kPageTokens; ++slot) {
      filler->encode(gaussian(n, static_cast<unsigned>(slot)).data(), page_.data(), slot);
    }
    const std::size_t queries = static_cast<std::size_t>(shape.queries);
    std::vector<float> q = gaussian(n * queries, 2);
    for (int h = 0; h < shape.queries; ++h) codec_->rotate(q.data() + h * shape.head_dim);
    prepared_ = std::move(*Buffer::allocate(codec_->query_bytes(shape.queries)));
    codec_->prepare_queries(q.data(), shape.queries, prepared_.data());
    weights_ = gaussian(queries * kPageTokens, 3);
    for (float& w : weights_) w = std::exp(w);
  }

  void encode(benchmark::State& state) {
    int slot = 0;
    while (state.KeepRunning()) {
      codec_->encode(row_.data(), page_.data(), slot);
      slot = (slot + 1) % kPageTokens;
      benchmark::ClobberMemory();
    }
    report(state, 1, 1);
  }
  void decode(benchmark::State& state) {
    std::vector<float> out(static_cast<std::size_t>(shape_.head_dim) * kPageTokens);
    while (state.KeepRunning()) {
      codec_->decode(page_.data(), 0, kPageTokens, out.data());
      benchmark::ClobberMemory();
    }
    report(state, kPageTokens, 1);
  }
  void score(benchmark::State& state) {
    over_cache(state, 1, [&](std::byte* pages, Scratch& s) { score_page(pages, s); });
  }
  void mix(benchmark::State& state) {
    over_cache(state, 1, [&](std::byte* pages, Scratch& s) { mix_page(pages, s); });
  }
  void attention(benchmark::State& state) {
    over_cache(state, 2, [&](std::byte* pages, Scratch& s) {
      score_page(pages, s);
      mix_page(pages + cache_.size() / 2, s);
    });
  }

 private:
  void score_page(const std::byte* page, Scratch& s) const {
    codec_->score(page, 0, kPageTokens, prepared_.data(), shape_.queries, s.scores);
  }
  void mix_page(const std::byte* page, Scratch& s) const {
    codec_->mix(page, 0, kPageTokens, weights_.data(), shape_.queries, s.acc);
  }

  // Calls body for every page of the first 1 / streams of the cache, the pages shared out between the
  // threads.
  template <class Body>
  void over_cache(benchmark::State& state, std::size_t streams, Body body) {
    const std::size_t sequence = streams * kTokens * codec_->token_bytes();
    const std::size_t size = (kCacheBytes + sequence - 1) / sequence * sequence;
    cache_ = std::move(*Buffer::allocate(size));
    const std::size_t bytes = codec_->page_bytes();
    for (std::size_t at = 0; at < size; at += bytes) std::memcpy(cache_.data() + at, page_.data(), bytes);
    const auto pages = static_cast<std::int64_t>(size / bytes / streams);
    std::vector<std::unique_ptr<Scratch>> scratch;
    scratch.reserve(static_cast<std::size_t>(pool().size()));
    for (int i = 0; i < pool().size(); ++i) scratch.push_back(std::make_unique<Scratch>());
    while (state.KeepRunning()) {
      pool().run([&](int thread) {
        Scratch& own = *scratch[static_cast<std::size_t>(thread)];
        std::fill(own.acc, own.acc + shape_.queries * shape_.head_dim, 0.0f);
        const Range share = share_of(pages, thread, pool().size());
        for (std::int64_t p = share.begin; p < share.end; ++p) {
          body(cache_.data() + static_cast<std::size_t>(p) * bytes, own);
        }
        benchmark::DoNotOptimize(own.scores);
        benchmark::DoNotOptimize(own.acc);
      });
    }
    report(state, static_cast<double>(pages) * kPageTokens, static_cast<double>(streams));
    cache_ = Buffer();
  }

  // An iteration handled `rows` tokens, of each the rows of `streams` streams (K, V).
  void report(benchmark::State& state, double rows, double streams) const {
    using benchmark::Counter;
    const double bytes = rows * streams * static_cast<double>(codec_->token_bytes());
    const auto per_iteration = Counter::kIsIterationInvariantRate;
    state.counters["ns_per_token"] = Counter(rows * 1e-9, per_iteration | Counter::kInvert);
    state.counters["bytes_per_s"] = Counter(bytes, per_iteration);
    state.counters["of_stream"] = Counter(bytes / g_stream, per_iteration);
  }

  Shape shape_;
  std::unique_ptr<KvCodec> codec_;
  std::vector<float> row_;
  std::vector<float> weights_;  // [queries, kPageTokens]
  Buffer page_;
  Buffer prepared_;
  Buffer cache_;
};

using Verb = void (Bench::*)(benchmark::State&);
constexpr struct {
  const char* name;
  Verb run;
} kVerbs[] = {{"encode", &Bench::encode},
              {"decode", &Bench::decode},
              {"score", &Bench::score},
              {"mix", &Bench::mix},
              {"attention", &Bench::attention}};

void register_all() {
  for (const auto& verb : kVerbs) {
    for (const KvType type : kAllKvTypes) {
      for (const Isa isa : supported_isas()) {
        for (const Shape shape : kShapes) {
          const std::string name = std::string(verb.name) + "/" + std::string(kv_type_name(type)) + "/" +
                                   std::string(isa_name(isa)) + "/d" + std::to_string(shape.head_dim) + "q" +
                                   std::to_string(shape.queries);
#ifndef __clang_analyzer__  // which takes the library's registry for a leak
          benchmark::RegisterBenchmark(name.c_str(), [=, run = verb.run](benchmark::State& state) {
            Bench bench(type, isa, shape);
            (bench.*run)(state);
          })->UseRealTime();
#endif
        }
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
  tq::g_stream = tq::stream_bandwidth();
  std::printf("stream read: %.1f GB/s with %d threads\n", tq::g_stream / 1e9, tq::pool().size());
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
