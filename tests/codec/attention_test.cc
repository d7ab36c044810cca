// score and mix against double precision over the decoded rows, within the bounds of spec section 7.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/f16.h"
#include "codec/reference.h"
#include "codec_testing.h"

namespace tq {
namespace {

struct Filled {
  std::unique_ptr<KvCodec> codec;
  AlignedBytes page;
  std::vector<float> rows;  // [kPageTokens, head_dim], decoded
};

Filled filled_page(KvType type, int dim, Isa isa, unsigned seed) {
  auto codec = make_codec(type, dim, isa);
  AlignedBytes page(codec->page_bytes());
  const std::size_t n = static_cast<std::size_t>(dim);
  std::vector<float> rows(n * kPageTokens);
  for (int slot = 0; slot < kPageTokens; ++slot) {
    std::vector<float> row =
        gaussian(n, seed * 1000 + static_cast<unsigned>(slot), 1.0f + static_cast<float>(slot % 5));
    if (slot % 7 == 0) row[n / 3] = 30.0f;
    if (slot % 31 == 0) row.assign(n, 0.0f);
    codec->encode(row.data(), page.data(), slot);
  }
  codec->decode(page.data(), 0, kPageTokens, rows.data());
  return {std::move(codec), std::move(page), std::move(rows)};
}

// The norm of a group of a part, from the page itself.
double group_norm(Filled& f, const PartLayout& part, int t, int group) {
  std::uint16_t norm = 0;
  std::memcpy(&norm, f.page.data() + part.scales_at() + 2 * (t * part.groups() + group), 2);
  return f16_to_f32(norm);
}

double largest_centroid(int bits) {
  return bits == 1 ? 0.0705238 : bits == 2 ? 0.1335034 : bits == 3 ? 0.190207 : 0.2415291;
}

std::vector<double> magnitudes(const float* x, int n) {
  std::vector<double> m(x, x + n);
  for (double& v : m) v = std::fabs(v);
  return m;
}

// |y| of the values of a group: from the decoded row where the part alone makes them, else at most the norm
// times the largest centroid (which is exact for one bit).
std::vector<double> group_magnitudes(Filled& f, const PartLayout& part, int t, int start, int n) {
  if (!is_residual(f.codec->type()))
    return magnitudes(f.rows.data() + t * f.codec->head_dim() + part.start + start, n);
  return std::vector<double>(static_cast<std::size_t>(n),
                             group_norm(f, part, t, start / 128) * largest_centroid(part.bits));
}

double sum(const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0); }

// Spec section 7.2: queries and centroids (or codes) may be rounded to signed bytes group by group, and sums
// of n binary32 products carry n roundings at most.
double group_score_bound(const std::vector<double>& q, const std::vector<double>& y, double centroid_scale) {
  const double n = static_cast<double>(q.size());
  const double q_max = *std::max_element(q.begin(), q.end());
  return (q_max * sum(y) + centroid_scale * (sum(q) + n * q_max / 254)) / 254;
}

double rounding_bound(const std::vector<double>& q, const std::vector<double>& y, int head_dim) {
  return head_dim * 0x1p-23 * std::inner_product(q.begin(), q.end(), y.begin(), 0.0);
}

double turbo_score_bound(Filled& f, int t, const float* q) {
  const int dim = f.codec->head_dim();
  double bound = 0.0;
  for (const PartLayout& part : parts_of(f.codec->type(), dim)) {
    std::vector<float> query(q + part.start, q + part.start + part.n);
    RowShape shape{};
    shape.head_dim = part.n;
    if (part.of_residual) reference::turbo_rotate<true>(shape, query.data());
    for (int start = 0; start < part.n; start += 128) {
      const int n = std::min(128, part.n - start);
      const std::vector<double> q_g = magnitudes(query.data() + start, n);
      const std::vector<double> y_g = group_magnitudes(f, part, t, start, n);
      const double scale = group_norm(f, part, t, start / 128) * largest_centroid(part.bits);
      bound += group_score_bound(q_g, y_g, scale) + rounding_bound(q_g, y_g, dim);
    }
  }
  return bound;
}

double score_bound(Filled& f, int t, const float* q) {
  const int dim = f.codec->head_dim();
  if (is_turbo(f.codec->type())) return turbo_score_bound(f, t, q) + 1e-30;
  const float* k = f.rows.data() + t * dim;
  double bound = rounding_bound(magnitudes(q, dim), magnitudes(k, dim), dim);
  for (int start = 0; start < dim && f.codec->type() != KvType::kF16; start += 32)
    bound += group_score_bound(magnitudes(q + start, 32), magnitudes(k + start, 32), 0.0);
  return bound + 1e-30;
}

// Spec section 7.2: of turbo rows, weight * norm and centroids may be rounded to integers, the former against
// the largest of the rows of the call. Of a residual, the error of a value is at most that of its group.
void add_turbo_mix_bounds(Filled& f, const PartLayout& part, int begin, int end, const float* weights,
                          std::vector<double>& bounds) {
  const double step_c = largest_centroid(part.bits) / 2047;
  for (int d = 0; d < part.n; ++d) {
    const int group = d / 128;
    double largest = 0.0, bound = 0.0;
    for (int t = begin; t < end; ++t)
      largest = std::max(largest, std::fabs(weights[t]) * group_norm(f, part, t, group));
    for (int t = begin; t < end; ++t) {
      const double norm = group_norm(f, part, t, group);
      const double e = std::fabs(weights[t]) * norm;
      if (e == 0.0) continue;
      const double y = group_magnitudes(f, part, t, d, 1)[0];
      bound += (largest / 8191 * (y / norm + step_c / 2) + step_c * e) / 2;
      bound += (end - begin + 8) * 0x1p-23 * std::fabs(weights[t]) * y;
    }
    const double spread = part.of_residual ? std::sqrt(std::min(128, part.n - 128 * group)) : 1.0;
    bounds[static_cast<std::size_t>(part.start + d)] += spread * bound;
  }
}

std::vector<double> mix_bounds(Filled& f, int begin, int end, const float* weights) {
  const int dim = f.codec->head_dim();
  std::vector<double> bounds(static_cast<std::size_t>(dim), 1e-30);
  if (is_turbo(f.codec->type())) {
    for (const PartLayout& part : parts_of(f.codec->type(), dim))
      add_turbo_mix_bounds(f, part, begin, end, weights, bounds);
    return bounds;
  }
  for (int d = 0; d < dim; ++d) {
    for (int t = begin; t < end; ++t) {
      const double y = std::fabs(f.rows[static_cast<std::size_t>(t * dim + d)]);
      bounds[static_cast<std::size_t>(d)] += (end - begin + 8) * 0x1p-23 * std::fabs(weights[t]) * y;
    }
  }
  return bounds;
}

class Attention : public ::testing::TestWithParam<std::tuple<KvType, Isa>> {};

INSTANTIATE_TEST_SUITE_P(Codec, Attention,
                         ::testing::Combine(::testing::ValuesIn(kAllKvTypes),
                                            ::testing::ValuesIn(codec_isas())),
                         type_isa_name);

constexpr float kUntouched = -12345.0f;

// Scores rotated queries and compares with double precision.
void compare_scores(Filled& f, int begin, int end, int n_queries, const std::vector<float>& q) {
  const int dim = f.codec->head_dim();
  const std::size_t n = static_cast<std::size_t>(dim);
  AlignedBytes prepared(f.codec->query_bytes(n_queries));
  f.codec->prepare_queries(q.data(), n_queries, prepared.data());
  std::vector<float> scores(static_cast<std::size_t>(n_queries) * kPageTokens, kUntouched);
  f.codec->score(f.page.data(), begin, end, prepared.data(), n_queries, scores.data());
  for (int h = 0; h < n_queries; ++h) {
    for (int t = 0; t < kPageTokens; ++t) {
      const float score = scores[static_cast<std::size_t>(h * kPageTokens + t)];
      if (t < begin || t >= end) {
        ASSERT_EQ(score, kUntouched) << "head " << h << " row " << t;
        continue;
      }
      const float* k = f.rows.data() + static_cast<std::size_t>(t) * n;
      const float* qh = q.data() + static_cast<std::size_t>(h) * n;
      double exact = 0.0;
      for (int d = 0; d < dim; ++d) exact += static_cast<double>(qh[d]) * k[d];
      ASSERT_NEAR(score, exact, score_bound(f, t, qh)) << "dim " << dim << " head " << h << " row " << t;
    }
  }
}

void check_scores(Filled& f, int begin, int end, int n_queries) {
  const std::size_t n = static_cast<std::size_t>(f.codec->head_dim());
  std::vector<float> q = gaussian(n * static_cast<std::size_t>(n_queries), static_cast<unsigned>(n_queries));
  q[n / 2] = 9.0f;
  for (int h = 0; h < n_queries; ++h) f.codec->rotate(q.data() + static_cast<std::size_t>(h) * n);
  compare_scores(f, begin, end, n_queries, q);
}

// Mixes with the weights [n_queries, kPageTokens] and compares with double precision.
void compare_mix(Filled& f, int begin, int end, int n_queries, const std::vector<float>& weights) {
  const std::size_t n = static_cast<std::size_t>(f.codec->head_dim());
  const std::size_t heads = static_cast<std::size_t>(n_queries);
  const std::vector<float> before(heads * n, 0.125f);
  std::vector<float> acc = before;
  f.codec->mix(f.page.data(), begin, end, weights.data(), n_queries, acc.data());
  for (std::size_t h = 0; h < heads; ++h) {
    const std::vector<double> bounds = mix_bounds(f, begin, end, weights.data() + h * kPageTokens);
    for (std::size_t d = 0; d < n; ++d) {
      double exact = before[h * n + d];
      for (int t = begin; t < end; ++t) {
        exact += static_cast<double>(weights[h * kPageTokens + static_cast<std::size_t>(t)]) *
                 f.rows[static_cast<std::size_t>(t) * n + d];
      }
      const double rounding =
          0x1p-23 * (std::fabs(exact) + before[h * n + d]);  // of adding to what was there
      ASSERT_NEAR(acc[h * n + d], exact, bounds[d] + rounding)
          << "head_dim " << n << " head " << h << " dim " << d << " rows " << begin << ".." << end;
    }
  }
}

void check_mix(Filled& f, int begin, int end, int n_queries) {
  const std::size_t heads = static_cast<std::size_t>(n_queries);
  std::vector<float> weights = gaussian(heads * kPageTokens, 77u + static_cast<unsigned>(n_queries));
  for (std::size_t i = 0; i < weights.size(); i += 3) weights[i] = 0.0f;
  for (std::size_t h = 0; h < heads; ++h) weights[h * kPageTokens + 20] = 0.0f;  // a row nobody wants
  compare_mix(f, begin, end, n_queries, weights);
}

TEST_P(Attention, ScoreIsWithinTheBound) {
  const auto [type, isa] = GetParam();
  for (const int dim : test_dims(type)) {
    Filled f = filled_page(type, dim, isa, 1);
    check_scores(f, 0, kPageTokens, 4);
    check_scores(f, 5, 38, 1);
  }
}

// All bits of the codes set or none, which no encoder writes, and queries at the ends of their range, of the
// rows' signs and against them: the largest sums that a kernel's narrow integers have to hold.
TEST_P(Attention, ScoresOfExtremesDoNotOverflow) {
  const auto [type, isa] = GetParam();
  constexpr int kDim = 128;
  if (type == KvType::kF16 || is_mixed(type) || is_residual(type)) return;
  for (const int byte : {0x00, 0x7f, 0x80, 0xff}) {
    SCOPED_TRACE(byte);
    Filled f = filled_page(type, kDim, isa, 6);
    const int groups = is_turbo(type) ? 1 : kDim / 32;
    std::memset(f.page.data(), byte, f.page.size() - static_cast<std::size_t>(2 * groups * kPageTokens));
    f.codec->decode(f.page.data(), 0, kPageTokens, f.rows.data());
    std::vector<float> q(2 * kDim);
    for (std::size_t d = 0; d < kDim; ++d) {
      q[d] = std::copysign(1.0f, f.rows[kDim + d]);
      q[kDim + d] = -q[d];
    }
    ASSERT_NO_FATAL_FAILURE(compare_scores(f, 0, kPageTokens, 2, q));
  }
}

TEST_P(Attention, MixIsWithinTheBound) {
  const auto [type, isa] = GetParam();
  for (const int dim : test_dims(type)) {
    Filled f = filled_page(type, dim, isa, 2);
    check_mix(f, 0, kPageTokens, 4);
    check_mix(f, 5, 38, 1);
  }
}

TEST_P(Attention, AnyNumberOfQueriesAndAnyRange) {
  const auto [type, isa] = GetParam();
  Filled f = filled_page(type, 64, isa, 3);
  for (int n_queries = 1; n_queries <= kMaxGroupQueries; ++n_queries) {
    check_scores(f, 16, 49, n_queries);
    check_mix(f, 16, 49, n_queries);
  }
  for (const auto& [begin, end] : {std::pair(0, 0), std::pair(0, 1), std::pair(127, 128), std::pair(15, 17),
                                   std::pair(64, 128), std::pair(1, 127)}) {
    check_scores(f, begin, end, 3);
    check_mix(f, begin, end, 3);
  }
}

// Softmax weights: all rows wanted, a few of them far above the rest, or all of them tiny because other pages
// hold the maximum.
TEST_P(Attention, MixOfSoftmaxWeights) {
  const auto [type, isa] = GetParam();
  for (const int dim : {64, 128}) {
    Filled f = filled_page(type, dim, isa, 5);
    for (const float scale : {1.0f, 1e-12f, 1e-30f, 1e-41f, 1e30f}) {
      std::vector<float> weights = gaussian(3 * kPageTokens, 6, 4.0f);
      for (float& w : weights) w = scale * std::exp(w - 12.0f);
      compare_mix(f, 0, kPageTokens, 3, weights);
      compare_mix(f, 0, 77, 3, weights);
    }
  }
}

// Few rows have weight, in one place or scattered.
TEST_P(Attention, MixOfFewRows) {
  const auto [type, isa] = GetParam();
  Filled f = filled_page(type, 192, isa, 6);
  for (const auto& rows :
       {std::vector<std::size_t>{}, {0}, {127}, {3, 4}, {15, 16, 17}, {1, 64, 126}, {31, 97}}) {
    std::vector<float> weights(2 * kPageTokens, 0.0f);
    for (const std::size_t t : rows) weights[t] = 1.0f + static_cast<float>(t);
    if (!rows.empty()) weights[kPageTokens + rows.back()] = -0.5f;
    compare_mix(f, 0, kPageTokens, 2, weights);
  }
}

// A mistake of the model must not be hidden by the cache, and must stay in its own row.
TEST_P(Attention, NonFiniteRowsScoreNanAndOnlyThey) {
  const auto [type, isa] = GetParam();
  const auto codec = make_codec(type, 64, isa);
  AlignedBytes page(codec->page_bytes());
  for (int slot = 0; slot < kPageTokens; ++slot) {
    std::vector<float> row = gaussian(64, static_cast<unsigned>(slot));
    if (slot == 9) row[33] = std::numeric_limits<float>::quiet_NaN();
    codec->encode(row.data(), page.data(), slot);
  }
  const std::vector<float> q = gaussian(64, 1);
  AlignedBytes prepared(codec->query_bytes(1));
  codec->prepare_queries(q.data(), 1, prepared.data());
  std::vector<float> scores(kPageTokens);
  codec->score(page.data(), 0, kPageTokens, prepared.data(), 1, scores.data());
  for (std::size_t t = 0; t < kPageTokens; ++t) EXPECT_EQ(std::isnan(scores[t]), t == 9) << t;

  // Rows that no head gives weight are not read: the sparse path of attention depends on it.
  std::vector<float> weights(kPageTokens, 0.5f);
  std::vector<float> acc(64, 0.0f);
  weights[9] = 0.0f;
  codec->mix(page.data(), 0, kPageTokens, weights.data(), 1, acc.data());
  for (const float v : acc) EXPECT_TRUE(std::isfinite(v));
  weights[9] = 1e-6f;
  codec->mix(page.data(), 0, kPageTokens, weights.data(), 1, acc.data());
  EXPECT_TRUE(std::isnan(acc[33]));
}

TEST_P(Attention, ZeroQueryScoresZero) {
  const auto [type, isa] = GetParam();
  Filled f = filled_page(type, 128, isa, 4);
  const std::vector<float> q(128, 0.0f);
  AlignedBytes prepared(f.codec->query_bytes(1));
  f.codec->prepare_queries(q.data(), 1, prepared.data());
  std::vector<float> scores(kPageTokens, 1.0f);
  f.codec->score(f.page.data(), 0, kPageTokens, prepared.data(), 1, scores.data());
  for (const float s : scores) EXPECT_EQ(s, 0.0f);
}

}  // namespace
}  // namespace tq
