#include "codec/two_parts.h"

#include <algorithm>

#include "codec/turbo/layout.h"

namespace tq {
namespace {

constexpr int kMaxRows = kMaxGroupQueries * turbo::kMaxHeadDim;  // floats of one row for every query head

// What residual and mixed types share: where the parts lie, and that scores add up.
class TwoPartCodec : public KvCodec {
 public:
  std::size_t query_bytes(int n_queries) const override {
    return first_.kernels->query_bytes(first_.shape, n_queries) +
           second_.kernels->query_bytes(second_.shape, n_queries);
  }

  void score(const std::byte* page, int begin, int end, const std::byte* prepared, int n_queries,
             float* scores) const override {
    first_.kernels->score(first_.shape, bytes(page), begin, end, bytes(prepared), n_queries, scores);
    float more[kMaxGroupQueries * kPageTokens];
    second_.kernels->score(second_.shape, second_page(page), begin, end,
                           bytes(prepared) + first_.kernels->query_bytes(first_.shape, n_queries), n_queries,
                           more);
    for (int h = 0; h < n_queries; ++h) {
      for (int t = begin; t < end; ++t) scores[h * kPageTokens + t] += more[h * kPageTokens + t];
    }
  }

 protected:
  TwoPartCodec(KvType type, int head_dim, const CodecPart& first, const CodecPart& second)
      : KvCodec(type, head_dim, own_page_bytes(first.shape) + own_page_bytes(second.shape)),
        first_(first),
        second_(second) {
    first_.shape.page_bytes = second_.shape.page_bytes = page_bytes();
  }

  // Page and prepared queries begin with what belongs to the first part.
  std::uint8_t* second_page(std::byte* page) const { return bytes(page) + own_page_bytes(first_.shape); }
  const std::uint8_t* second_page(const std::byte* page) const {
    return bytes(page) + own_page_bytes(first_.shape);
  }
  std::uint8_t* second_query(std::byte* prepared, int n_queries) const {
    return bytes(prepared) + first_.kernels->query_bytes(first_.shape, n_queries);
  }

  CodecPart first_;
  CodecPart second_;
};

// A row is what the coarse part decodes to, plus the signs rotated back by the second rotation. So a query
// meets the signs after that rotation, and their mix is rotated back before it is added.
class ResidualCodec final : public TwoPartCodec {
 public:
  ResidualCodec(KvType type, const CodecPart& first, const CodecPart& second)
      : TwoPartCodec(type, first.shape.head_dim, first, second) {}

  void rotate(float* x) const override { first_.kernels->rotate(first_.shape, x); }
  void unrotate(float* x) const override { first_.kernels->unrotate(first_.shape, x); }

  void encode(const float* x, std::byte* page, int slot) const override {
    float rest[turbo::kMaxHeadDim];
    first_.kernels->encode_coarse(first_.shape, x, bytes(page), slot, rest);
    second_.kernels->encode(second_.shape, rest, second_page(page), slot);
  }

  void decode(const std::byte* page, int begin, int end, float* out) const override {
    first_.kernels->decode(first_.shape, bytes(page), begin, end, out);
    float rest[turbo::kMaxHeadDim];
    for (int t = begin; t < end; ++t, out += head_dim()) {
      second_.kernels->decode(second_.shape, second_page(page), t, t + 1, rest);
      second_.kernels->unrotate(second_.shape, rest);
      for (int d = 0; d < head_dim(); ++d) out[d] += rest[d];
    }
  }

  void prepare_queries(const float* q, int n_queries, std::byte* prepared) const override {
    first_.kernels->prepare(first_.shape, q, n_queries, bytes(prepared));
    float turned[kMaxRows];
    std::copy_n(q, n_queries * head_dim(), turned);
    for (int h = 0; h < n_queries; ++h) second_.kernels->rotate(second_.shape, turned + h * head_dim());
    second_.kernels->prepare(second_.shape, turned, n_queries, second_query(prepared, n_queries));
  }

  void mix(const std::byte* page, int begin, int end, const float* weights, int n_queries,
           float* acc) const override {
    first_.kernels->mix(first_.shape, bytes(page), begin, end, weights, n_queries, acc);
    float rest[kMaxRows];
    std::fill_n(rest, n_queries * head_dim(), 0.0f);
    second_.kernels->mix(second_.shape, second_page(page), begin, end, weights, n_queries, rest);
    for (int h = 0; h < n_queries; ++h) second_.kernels->unrotate(second_.shape, rest + h * head_dim());
    for (int i = 0; i < n_queries * head_dim(); ++i) acc[i] += rest[i];
  }
};

// The parts are ranges of channels, each a row of its own with its own rotation and norms.
class MixedCodec final : public TwoPartCodec {
 public:
  MixedCodec(KvType type, const CodecPart& first, const CodecPart& second)
      : TwoPartCodec(type, first.shape.head_dim + second.shape.head_dim, first, second) {}

  void rotate(float* x) const override {
    first_.kernels->rotate(first_.shape, x);
    second_.kernels->rotate(second_.shape, x + regular());
  }
  void unrotate(float* x) const override {
    first_.kernels->unrotate(first_.shape, x);
    second_.kernels->unrotate(second_.shape, x + regular());
  }

  void encode(const float* x, std::byte* page, int slot) const override {
    first_.kernels->encode(first_.shape, x, bytes(page), slot);
    second_.kernels->encode(second_.shape, x + regular(), second_page(page), slot);
  }

  void decode(const std::byte* page, int begin, int end, float* out) const override {
    for (int t = begin; t < end; ++t, out += head_dim()) {
      first_.kernels->decode(first_.shape, bytes(page), t, t + 1, out);
      second_.kernels->decode(second_.shape, second_page(page), t, t + 1, out + regular());
    }
  }

  void prepare_queries(const float* q, int n_queries, std::byte* prepared) const override {
    prepare_part(first_, q, 0, n_queries, bytes(prepared));
    prepare_part(second_, q, regular(), n_queries, second_query(prepared, n_queries));
  }

  void mix(const std::byte* page, int begin, int end, const float* weights, int n_queries,
           float* acc) const override {
    add_mix(first_, bytes(page), 0, begin, end, weights, n_queries, acc);
    add_mix(second_, second_page(page), regular(), begin, end, weights, n_queries, acc);
  }

 private:
  int regular() const { return first_.shape.head_dim; }

  // `start`: the first value of the part.
  void prepare_part(const CodecPart& part, const float* q, int start, int n_queries,
                    std::uint8_t* prepared) const {
    const int n = part.shape.head_dim;
    float values[kMaxRows];
    std::fill_n(values, n_queries * n, 0.0f);  // GCC cannot see that the copies leave nothing out
    for (int h = 0; h < n_queries; ++h) std::copy_n(q + h * head_dim() + start, n, values + h * n);
    part.kernels->prepare(part.shape, values, n_queries, prepared);
  }

  void add_mix(const CodecPart& part, const std::uint8_t* page, int start, int begin, int end,
               const float* weights, int n_queries, float* acc) const {
    const int n = part.shape.head_dim;
    float mixed[kMaxRows];
    std::fill_n(mixed, n_queries * n, 0.0f);
    part.kernels->mix(part.shape, page, begin, end, weights, n_queries, mixed);
    for (int h = 0; h < n_queries; ++h) {
      for (int d = 0; d < n; ++d) acc[h * head_dim() + start + d] += mixed[h * n + d];
    }
  }
};

}  // namespace

std::unique_ptr<KvCodec> make_residual_codec(KvType type, const CodecPart& first, const CodecPart& second) {
  return std::make_unique<ResidualCodec>(type, first, second);
}

std::unique_ptr<KvCodec> make_mixed_codec(KvType type, const CodecPart& first, const CodecPart& second) {
  return std::make_unique<MixedCodec>(type, first, second);
}

}  // namespace tq
