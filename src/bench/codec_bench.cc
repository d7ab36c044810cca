// The codec's verbs, for each type, ISA and head size.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "bench/measure.h"
#include "codec/codec.h"

namespace tq {
namespace bench {
namespace {

// What one thread needs to attend.
struct Scratch {
  alignas(64) float scores[kMaxGroupQueries * kPageTokens];
  alignas(64) float acc[kMaxGroupQueries * 1024];
};

// One codec with a page of rows, prepared queries and weights.
class Workload {
 public:
  static Expected<std::unique_ptr<Workload>> create(KvType type, int head_dim, int queries, Isa isa) {
    auto codec = KvCodec::create(type, head_dim, isa);
    if (!codec) return codec.error();
    std::unique_ptr<Workload> made(new Workload(std::move(*codec), queries));
    if (const auto ok = made->fill(); !ok) return ok.error();
    return made;
  }

  const KvCodec& codec() const { return *codec_; }
  const Buffer& page() const { return page_; }

  void encode_page() {
    for (int slot = 0; slot < kPageTokens; ++slot) codec_->encode(row(slot), page_.data(), slot);
  }
  void decode_page() { codec_->decode(page_.data(), 0, kPageTokens, decoded_.data()); }
  void score(const std::byte* page, Scratch& s) const {
    codec_->score(page, 0, kPageTokens, prepared_.data(), queries_, s.scores);
  }
  void mix(const std::byte* page, Scratch& s) const {
    codec_->mix(page, 0, kPageTokens, weights_.data(), queries_, s.acc);
  }

 private:
  Workload(std::unique_ptr<KvCodec> codec, int queries) : codec_(std::move(codec)), queries_(queries) {}

  Expected<void> fill() {
    const auto dim = static_cast<std::size_t>(codec_->head_dim());
    const auto queries = static_cast<std::size_t>(queries_);
    auto page = Buffer::allocate(codec_->page_bytes());
    if (!page) return page.error();
    auto prepared = Buffer::allocate(codec_->query_bytes(queries_));
    if (!prepared) return prepared.error();
    page_ = std::move(*page);
    prepared_ = std::move(*prepared);
    rows_ = gaussian(dim * kPageTokens, 1);
    decoded_.resize(rows_.size());
    std::vector<float> q = gaussian(dim * queries, 2);
    for (std::size_t h = 0; h < queries; ++h) codec_->rotate(q.data() + h * dim);
    codec_->prepare_queries(q.data(), queries_, prepared_.data());
    weights_ = gaussian(queries * kPageTokens, 3);
    for (float& w : weights_) w = std::exp(w);
    encode_page();
    return {};
  }

  const float* row(int slot) const {
    return rows_.data() + static_cast<std::ptrdiff_t>(slot) * codec_->head_dim();
  }

  std::unique_ptr<KvCodec> codec_;
  int queries_;
  std::vector<float> rows_;     // [kPageTokens, head_dim]
  std::vector<float> decoded_;  // [kPageTokens, head_dim]
  std::vector<float> weights_;  // [queries, kPageTokens]
  Buffer page_;
  Buffer prepared_;
};

class CodecBench {
 public:
  CodecBench(Workload& workload, ThreadPool& pool, Stream& stream, double seconds)
      : workload_(workload), pool_(pool), stream_(stream), seconds_(seconds) {
    for (int i = 0; i < pool.size(); ++i) scratch_.push_back(std::make_unique<Scratch>());
  }

  // All pages are copies of one: same values, own memory.
  Expected<void> fill_cache() {
    const std::size_t bytes = workload_.codec().page_bytes();
    pages_ = static_cast<std::int64_t>((kCacheBytes + bytes - 1) / bytes / 2 * 2);
    auto cache = Buffer::allocate(static_cast<std::size_t>(pages_) * bytes);
    if (!cache) return cache.error();
    cache_ = std::move(*cache);
    for (std::int64_t p = 0; p < pages_; ++p) std::memcpy(at(p), workload_.page().data(), bytes);
    return {};
  }

  CodecTiming encode() {
    return in_cache("encode", [&] { workload_.encode_page(); });
  }
  CodecTiming decode() {
    return in_cache("decode", [&] { workload_.decode_page(); });
  }
  CodecTiming score() {
    return over_cache("score", pages_, 1, [&](std::int64_t p, Scratch& s) { workload_.score(at(p), s); });
  }
  CodecTiming mix() {
    return over_cache("mix", pages_, 1, [&](std::int64_t p, Scratch& s) { workload_.mix(at(p), s); });
  }
  CodecTiming attend() {
    return over_cache("attend", pages_ / 2, 2, [&](std::int64_t p, Scratch& s) {
      workload_.score(at(p), s);
      workload_.mix(at(pages_ / 2 + p), s);
    });
  }

 private:
  std::byte* at(std::int64_t page) {
    return cache_.data() + static_cast<std::size_t>(page) * workload_.codec().page_bytes();
  }

  template <class Body>
  CodecTiming in_cache(std::string_view verb, Body body) {
    const Measured measured = measure(seconds_, nullptr, [&] {
      for (int i = 0; i < kCallsPerSample; ++i) body();
    });
    return timing(verb, measured, kCallsPerSample * kPageTokens, 1);
  }

  // Every page once, shared out between the threads.
  template <class Body>
  CodecTiming over_cache(std::string_view verb, std::int64_t pages, int streams, Body body) {
    const Measured measured = measure(seconds_, &stream_, [&] {
      pool_.run([&](int thread) {
        Scratch& own = *scratch_[static_cast<std::size_t>(thread)];
        std::fill(std::begin(own.acc), std::end(own.acc), 0.0F);
        const Range share = share_of(pages, thread, pool_.size());
        for (std::int64_t p = share.begin; p < share.end; ++p) body(p, own);
      });
    });
    return timing(verb, measured, pages * kPageTokens, streams);
  }

  CodecTiming timing(std::string_view verb, const Measured& measured, std::int64_t rows, int streams) const {
    const KvCodec& codec = workload_.codec();
    const double bytes = static_cast<double>(rows) * streams * static_cast<double>(codec.token_bytes());
    const double rate = bytes / measured.seconds;
    return {.verb = verb,
            .type = codec.type(),
            .isa = {},
            .head_dim = codec.head_dim(),
            .ns_per_row = measured.seconds * 1e9 / static_cast<double>(rows),
            .bytes_per_second = rate,
            .of_stream = rate * measured.stream_seconds / stream_.bytes()};
  }

  static constexpr int kCallsPerSample = 8;  // a page takes as little as a clock's tick or two

  Workload& workload_;
  ThreadPool& pool_;
  Stream& stream_;
  double seconds_;
  std::int64_t pages_ = 0;
  Buffer cache_;
  std::vector<std::unique_ptr<Scratch>> scratch_;
};

}  // namespace
}  // namespace bench

Expected<double> codec_setup_seconds(const KernelBenchOptions& options, int head_dim) {
  const auto isas = bench::isas_of(options);
  if (!isas) return isas.error();
  const auto row = bench::gaussian(static_cast<std::size_t>(head_dim), 1);
  std::vector<float> x(row.size());
  alignas(64) static constexpr float kWeights[kPageTokens] = {1.0F};
  std::vector<float> scores(kPageTokens);
  double seconds = 0.0;
  for (const KvType type : options.types) {
    for (const Isa isa : *isas) {
      std::unique_ptr<KvCodec> codec;
      seconds += bench::seconds_of([&] {
        if (auto made = KvCodec::create(type, head_dim, isa)) codec = std::move(*made);
      });
      if (codec == nullptr) continue;
      auto page = Buffer::allocate(codec->page_bytes());
      auto prepared = Buffer::allocate(codec->query_bytes(1));
      if (!page || !prepared)
        return Error{ErrorCode::kOutOfMemory, "no memory for a page; close other programs."};
      seconds += bench::seconds_of([&] {
        codec->encode(row.data(), page->data(), 0);
        x = row;
        codec->rotate(x.data());
        codec->prepare_queries(x.data(), 1, prepared->data());
        codec->score(page->data(), 0, 1, prepared->data(), 1, scores.data());
        codec->mix(page->data(), 0, 1, kWeights, 1, x.data());
        codec->unrotate(x.data());
      });
    }
  }
  return seconds;
}

Expected<void> bench_codec(const CodecBenchOptions& options,
                           const std::function<void(const CodecTiming&)>& visitor) {
  using bench::CodecBench;
  const auto isas = bench::isas_of(options.kernels);
  if (!isas) return isas.error();
  ThreadPool pool(bench::thread_count(options.kernels));
  auto stream = bench::Stream::create(pool);
  if (!stream) return stream.error();
  for (const KvType type : options.kernels.types) {
    for (const int head_dim : options.head_dims) {
      for (const Isa isa : *isas) {
        const auto workload = bench::Workload::create(type, head_dim, options.queries, isa);
        if (!workload) return workload.error();
        CodecBench run(**workload, pool, *stream, options.kernels.seconds);
        if (const auto ok = run.fill_cache(); !ok) return ok.error();
        for (const auto verb : {&CodecBench::encode, &CodecBench::decode, &CodecBench::score,
                                &CodecBench::mix, &CodecBench::attend}) {
          CodecTiming timing = (run.*verb)();
          timing.isa = isa_name(isa);
          visitor(timing);
        }
      }
    }
  }
  return {};
}

}  // namespace tq
