// Decode attention as the engine calls it, over caches of one sequence whose layers together exceed any
// last-level cache.
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "attention/attention.h"
#include "bench/measure.h"
#include "ops/kernels.h"

namespace tq {
namespace bench {
namespace {

class AttentionBench {
 public:
  static Expected<std::unique_ptr<AttentionBench>> create(const AttentionBenchOptions& options, KvType type,
                                                          Isa isa, std::int64_t n_tokens, ThreadPool& pool) {
    const auto sized = CodecSet::create({.layers = {{type, type}}}, options.head_dim, isa);
    if (!sized) return sized.error();
    const auto layer_bytes =
        static_cast<std::size_t>(2 * n_tokens * options.n_kv_heads) * sized->k(0).token_bytes();
    const std::size_t n_layers = (kCacheBytes + layer_bytes - 1) / layer_bytes;
    CachePlan plan;
    plan.layers.assign(n_layers, {type, type});
    auto codecs = CodecSet::create(plan, options.head_dim, isa);
    if (!codecs) return codecs.error();
    std::unique_ptr<AttentionBench> made(
        new AttentionBench(options, std::move(*codecs), isa, n_tokens, pool));
    auto cache = KvCache::create(
        made->codecs_, {static_cast<int>(n_layers), options.n_kv_heads, options.head_dim}, n_tokens);
    if (!cache) return cache.error();
    made->cache_ = std::move(*cache);
    made->fill(static_cast<int>(n_layers));
    return made;
  }

  // Of all layers, as one token after the other needs them.
  void attend() {
    const SequenceRows rows{&cache_, n_tokens_ - options_.n_rows, 0, options_.n_rows};
    for (int layer = 0; layer < cache_.shape().n_layers; ++layer) {
      attention_.run({.layer = layer,
                      .sequences = std::span(&rows, 1),
                      .n_heads = options_.n_heads,
                      .scale = options_.score_std / std::sqrt(static_cast<float>(options_.head_dim)),
                      .q = q_.data(),
                      .ld_q = width(),
                      .out = out_.data(),
                      .ld_out = width(),
                      .sparse_v = options_.sparse_v});
    }
  }
  // One token's keys and values, of all layers.
  void store() {
    for (int layer = 0; layer < cache_.shape().n_layers; ++layer) {
      cache_.store(layer, n_tokens_ - 1, q_.data(), q_.data());
    }
  }

  AttentionTiming timing(double seconds, Stream& stream) {
    const Measured attention = measure(seconds, &stream, [&] { attend(); });
    const Measured encoding = measure(seconds / 4, nullptr, [&] { store(); });
    const double layers = cache_.shape().n_layers;
    const double bytes = 2.0 * static_cast<double>(n_tokens_) * options_.n_kv_heads *
                         static_cast<double>(codecs_.k(0).token_bytes());
    const double rate = bytes * layers / attention.seconds;
    return {.type = codecs_.k(0).type(),
            .isa = {},
            .n_tokens = n_tokens_,
            .seconds = attention.seconds / layers,
            .encode_seconds = encoding.seconds / layers,
            .bytes = bytes,
            .of_stream = rate * attention.stream_seconds / stream.bytes()};
  }

 private:
  AttentionBench(const AttentionBenchOptions& options, CodecSet codecs, Isa isa, std::int64_t n_tokens,
                 ThreadPool& pool)
      : options_(options),
        n_tokens_(n_tokens),
        codecs_(std::move(codecs)),
        attention_(kernels_for(isa), pool),
        q_(gaussian(static_cast<std::size_t>(width() * options.n_rows), 4)),
        out_(q_.size()) {}

  std::int64_t width() const { return static_cast<std::int64_t>(options_.n_heads) * options_.head_dim; }

  // A page of each KV head is encoded; all others of all layers are copies: same values, own memory.
  void fill(int n_layers) {
    const auto row_floats =
        static_cast<std::size_t>(options_.n_kv_heads) * static_cast<std::size_t>(options_.head_dim);
    for (int t = 0; t < std::min<std::int64_t>(kPageTokens, n_tokens_); ++t) {
      const auto seed = static_cast<unsigned>(10 + 2 * t);
      cache_.store(0, t, gaussian(row_floats, seed).data(), gaussian(row_floats, seed + 1).data());
    }
    const std::int64_t n_pages = (n_tokens_ + kPageTokens - 1) / kPageTokens;
    for (int layer = 0; layer < n_layers; ++layer) {
      for (int head = 0; head < options_.n_kv_heads; ++head) {
        for (std::int64_t page = 0; page < n_pages; ++page) {
          if (layer == 0 && page == 0) continue;
          const std::size_t bytes = codecs_.k(0).page_bytes();
          std::memcpy(cache_.k_page(layer, head, page), cache_.k_page(0, head, 0), bytes);
          std::memcpy(cache_.v_page(layer, head, page), cache_.v_page(0, head, 0), bytes);
        }
      }
    }
  }

  AttentionBenchOptions options_;
  std::int64_t n_tokens_;
  CodecSet codecs_;
  KvCache cache_;
  Attention attention_;
  std::vector<float> q_;
  std::vector<float> out_;
};

Expected<void> check(const AttentionBenchOptions& options) {
  if (options.n_heads < 1 || options.n_kv_heads < 1 || options.n_heads % options.n_kv_heads != 0) {
    return Error{ErrorCode::kBadArgument, std::to_string(options.n_heads) + " heads cannot share " +
                                              std::to_string(options.n_kv_heads) +
                                              " KV heads evenly; give a multiple."};
  }
  for (const std::int64_t n_tokens : options.n_tokens) {
    if (options.n_rows >= 1 && options.n_rows <= kDecodeRows && n_tokens >= options.n_rows) continue;
    return Error{ErrorCode::kBadArgument,
                 "decode attention is of 1 to 8 new tokens, and the cache holds at least them."};
  }
  return {};
}

}  // namespace
}  // namespace bench

Expected<void> bench_attention(const AttentionBenchOptions& options,
                               const std::function<void(const AttentionTiming&)>& visitor) {
  if (const auto ok = bench::check(options); !ok) return ok.error();
  const auto isas = bench::isas_of(options.kernels);
  if (!isas) return isas.error();
  ThreadPool pool(bench::thread_count(options.kernels));
  auto stream = bench::Stream::create(pool);
  if (!stream) return stream.error();
  for (const std::int64_t n_tokens : options.n_tokens) {
    for (const KvType type : options.kernels.types) {
      for (const Isa isa : *isas) {
        const auto run = bench::AttentionBench::create(options, type, isa, n_tokens, pool);
        if (!run) return run.error();
        AttentionTiming timing = (*run)->timing(options.kernels.seconds, *stream);
        timing.isa = isa_name(isa);
        visitor(timing);
      }
    }
  }
  return {};
}

}  // namespace tq
