// Rows and pages for the codec's tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "../base/gaussian.h"
#include "codec/codec.h"
#include "codec_isas.h"

namespace tq {

inline const std::vector<int> kTurboDims = {16, 32, 48, 64, 80, 96, 112, 128, 192, 256, 320, 512, 576, 1024};
inline const std::vector<int> kBlockDims = {32, 64, 96, 128, 192, 256, 320, 512, 576, 1024};

inline bool is_supported(Isa isa) {
  const std::vector<Isa> isas = supported_isas();
  return std::find(isas.begin(), isas.end(), isa) != isas.end();
}

// Names a test's parameter: turbo4_avx512.
inline std::string type_isa_name(const ::testing::TestParamInfo<std::tuple<KvType, Isa>>& p) {
  return std::string(kv_type_name(std::get<0>(p.param))) + "_" + std::string(isa_name(std::get<1>(p.param)));
}

inline bool is_mixed(KvType type) { return type == KvType::kTurbo25 || type == KvType::kTurbo35; }
inline bool is_residual(KvType type) { return type == KvType::kTurbo2Q || type == KvType::kTurbo3Q; }
inline std::vector<int> test_dims(KvType type) {
  std::vector<int> dims = is_turbo(type) ? kTurboDims : kBlockDims;
  if (type == KvType::kF16) dims.insert(dims.end(), {2, 14, 30, 66, 90});
  if (is_mixed(type)) dims.erase(dims.begin());  // 16 is too small for two parts
  return dims;
}

// One part of a turbo row, as spec section 2 lays it out.
struct PartLayout {
  int start;  // its values in the row
  int n;
  int bits;
  bool of_residual;    // after the second rotation
  std::size_t offset;  // bytes from the page's start
  int groups() const { return (n + 127) / 128; }
  std::size_t scales_at() const { return offset + static_cast<std::size_t>(kPageTokens * n * bits / 8); }
  std::size_t end() const { return scales_at() + static_cast<std::size_t>(kPageTokens * 2 * groups()); }
};

inline std::vector<PartLayout> parts_of(KvType type, int dim) {
  const int outliers = dim / 32 * 16;
  PartLayout first{0, dim, 0, false, 0};
  switch (type) {
    case KvType::kTurbo25:
    case KvType::kTurbo35: {
      first.n = dim - outliers;
      first.bits = type == KvType::kTurbo25 ? 2 : 3;
      return {first, {first.n, outliers, first.bits + 1, false, first.end()}};
    }
    case KvType::kTurbo2Q:
    case KvType::kTurbo3Q:
      first.bits = type == KvType::kTurbo2Q ? 1 : 2;
      return {first, {0, dim, 1, true, first.end()}};
    default:
      first.bits = static_cast<int>(type) - static_cast<int>(KvType::kTurbo2) + 2;
      return {first};
  }
}

inline std::unique_ptr<KvCodec> make_codec(KvType type, int head_dim, Isa isa) {
  Expected<std::unique_ptr<KvCodec>> codec = KvCodec::create(type, head_dim, isa);
  if (!codec) ADD_FAILURE() << codec.error().message;
  return std::move(*codec);
}

// Bytes at an address aligned to 64, of exactly the size asked for, so that a sanitizer sees any access
// beyond.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::size_t size, int fill = 0xee) : size_(size), raw_(size + 63) {
    std::fill(data(), data() + size, static_cast<std::byte>(fill));
  }
  std::byte* data() {
    const auto address = reinterpret_cast<std::uintptr_t>(raw_.data());
    return raw_.data() + ((address + 63) / 64 * 64 - address);
  }
  std::size_t size() const { return size_; }
  bool operator==(AlignedBytes& other) { return std::equal(data(), data() + size_, other.data()); }

 private:
  std::size_t size_;
  std::vector<std::byte> raw_;
};

// Finite rows that probe a rule each; see spec section 5.
inline std::vector<std::vector<float>> finite_rows(int dim) {
  const std::size_t n = static_cast<std::size_t>(dim);
  std::vector<std::vector<float>> rows;
  for (unsigned seed = 0; seed < 20; ++seed)
    rows.push_back(gaussian(n, seed, std::pow(10.0f, seed % 7 - 3.0f)));
  rows.push_back(std::vector<float>(n, 0.0f));
  rows.push_back(std::vector<float>(n, -0.0f));
  rows.push_back(std::vector<float>(n, 1e-42f));
  rows.push_back(std::vector<float>(n, 0x1p-40f));
  rows.push_back(std::vector<float>(n, -2.5f));
  rows.push_back(gaussian(n, 100, 3e4f));
  rows.push_back(gaussian(n, 101, 3e37f));
  rows.push_back(std::vector<float>(n, std::numeric_limits<float>::max()));
  std::vector<float> row(n, 0.0f);
  row[n / 2] = 7.0f;
  rows.push_back(row);  // one-hot
  row[n / 2 - 1] = -7.0f;
  rows.push_back(row);  // exact zeros after the rotation: ties
  for (std::size_t i = 0; i < n; ++i) row[i] = static_cast<float>(i % 16) - 7.5f;
  rows.push_back(row);  // ties of the block formats
  row = gaussian(n, 102);
  for (float& v : row) v = v * 0.05f + 4.0f;
  rows.push_back(row);  // a large constant
  return rows;
}

inline std::vector<std::vector<float>> adversarial_rows(int dim) {
  std::vector<std::vector<float>> rows = finite_rows(dim);
  const float inf = std::numeric_limits<float>::infinity();
  const float odd_nan = std::bit_cast<float>(0xffa12345u);  // negative, signalling, with a payload
  for (const float bad : {inf, -inf, std::numeric_limits<float>::quiet_NaN(), odd_nan}) {
    rows.push_back(gaussian(static_cast<std::size_t>(dim), 7));
    rows.back()[static_cast<std::size_t>(dim) - 1] = bad;
    rows.push_back(gaussian(static_cast<std::size_t>(dim), 8));
    rows.back()[0] = bad;
  }
  return rows;
}

// Equal bits, any NaN equal to any other.
inline ::testing::AssertionResult same_floats(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size())
    return ::testing::AssertionFailure() << "sizes " << a.size() << " and " << b.size();
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
    if (!same)
      return ::testing::AssertionFailure() << "first mismatch at " << i << ": " << a[i] << " and " << b[i];
  }
  return ::testing::AssertionSuccess();
}

// Locates the first byte that differs in a page: row and position, or "scales".
inline ::testing::AssertionResult same_pages(AlignedBytes& a, AlignedBytes& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a.data()[i] != b.data()[i]) {
      return ::testing::AssertionFailure()
             << "first mismatch at byte " << i << " of " << a.size() << ": " << static_cast<int>(a.data()[i])
             << " and " << static_cast<int>(b.data()[i]);
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace tq
