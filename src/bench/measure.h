// What the benches share: the stream they are set against, repetition and medians.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/thread_pool.h"
#include "tq/bench.h"

namespace tq::bench {

// Caches are several times as large as any last-level cache, so that they come from memory.
inline constexpr std::size_t kCacheBytes = std::size_t{160} << 20;

// Reads memory as the kernels do: contiguous shares, prefetched.
class Stream {
 public:
  static Expected<Stream> create(ThreadPool& pool);
  double pass();  // seconds to read all of it once
  double bytes() const { return static_cast<double>(buffer_.size()); }

 private:
  Stream(ThreadPool& pool, Buffer buffer);

  ThreadPool* pool_;
  Buffer buffer_;
  std::vector<std::uint64_t> sums_;  // keep the reads alive
};

double median(std::vector<double> values);
std::vector<float> gaussian(std::size_t n, unsigned seed);
Expected<std::vector<Isa>> isas_of(const KernelBenchOptions& options);
int thread_count(const KernelBenchOptions& options);

template <class Body>
double seconds_of(Body&& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Medians over calls of `body` for `budget` seconds, each followed by a pass of the stream where there is
// one.
struct Measured {
  double seconds;         // of a call
  double stream_seconds;  // for as many bytes as the stream has
};

template <class Body>
Measured measure(double budget, Stream* stream, Body&& body) {
  std::vector<double> calls;
  std::vector<double> passes;
  body();  // memory is touched, threads are awake
  for (double spent = 0.0; spent < budget || calls.size() < 3;) {
    calls.push_back(seconds_of(body));
    spent += calls.back();
    if (stream == nullptr) continue;
    passes.push_back(stream->pass());
    spent += passes.back();
  }
  return {median(calls), passes.empty() ? 0.0 : median(passes)};
}

}  // namespace tq::bench
