#include "bench/measure.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <utility>

namespace tq {
namespace bench {
namespace {

constexpr std::size_t kStreamBytes = std::size_t{256} << 20;

}  // namespace

Stream::Stream(ThreadPool& pool, Buffer buffer)
    : pool_(&pool), buffer_(std::move(buffer)), sums_(static_cast<std::size_t>(pool.size()) * 8) {
  std::memset(buffer_.data(), 1, buffer_.size());
}

Expected<Stream> Stream::create(ThreadPool& pool) {
  auto buffer = Buffer::allocate(kStreamBytes);
  if (!buffer) return buffer.error();
  return Stream(pool, std::move(*buffer));
}

double Stream::pass() {
  return seconds_of([&] {
    pool_->run([&](int thread) {
      const auto n = static_cast<std::int64_t>(buffer_.size() / sizeof(std::uint64_t));
      const Range share = share_of(n, thread, pool_->size(), 64);
      const auto* words = buffer_.as<std::uint64_t>();
      std::uint64_t sum[16] = {};
      for (std::int64_t i = share.begin; i < share.end; i += 16) {
        __builtin_prefetch(words + i + 512);  // two pages ahead, as far as the kernels look
        __builtin_prefetch(words + i + 520);
        for (int lane = 0; lane < 16; ++lane) sum[lane] ^= words[i + lane];
      }
      for (const std::uint64_t lane : sum) sums_[static_cast<std::size_t>(thread) * 8] ^= lane;
    });
  });
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<float> gaussian(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

Expected<std::vector<Isa>> isas_of(const KernelBenchOptions& options) {
  if (options.isas.empty()) {
    const auto isa = select_isa();
    if (!isa) return isa.error();
    return std::vector{*isa};
  }
  std::vector<Isa> isas;
  std::string names;
  for (const Isa isa : supported_isas()) {
    const std::string name(isa_name(isa));
    names += (names.empty() ? "" : ", ") + name;
    if (std::ranges::count(options.isas, name) > 0) isas.push_back(isa);
  }
  if (isas.size() == options.isas.size()) return isas;
  return Error{ErrorCode::kBadArgument,
               "an instruction set that was asked for does not run here; there are " + names + "."};
}

int thread_count(const KernelBenchOptions& options) {
  return options.n_threads > 0 ? options.n_threads : default_thread_count();
}

}  // namespace bench

Expected<double> stream_bandwidth(int n_threads) {
  ThreadPool pool(n_threads > 0 ? n_threads : default_thread_count());
  auto stream = bench::Stream::create(pool);
  if (!stream) return stream.error();
  double best = stream->pass();
  for (int repeat = 0; repeat < 10; ++repeat) best = std::min(best, stream->pass());
  return stream->bytes() / best;
}

}  // namespace tq
