#include "model/key_bias.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "gguf/dequantize.h"

namespace tq {
namespace {

// Rows of W_K that are looked at, evenly spread: the weights of large models take long to go through.
constexpr std::int64_t kRows = 128;

// One row of a tensor of n values a row; empty when it is not as expected.
std::vector<float> row_of(const TensorView* tensor, std::int64_t n, std::int64_t row) {
  if (tensor == nullptr || tensor->shape[0] != n || row >= tensor->shape[1] || !can_dequantize(tensor->type))
    return {};
  std::vector<float> values(static_cast<std::size_t>(n));
  const std::size_t row_bytes =
      tensor->data.size() / static_cast<std::size_t>(tensor->element_count() / tensor->shape[0]);
  dequantize_row(tensor->type, tensor->data.data() + static_cast<std::size_t>(row) * row_bytes, n,
                 values.data());
  return values;
}

double energy(const std::vector<float>& x) {
  double sum = 0.0;
  for (const float value : x) sum += static_cast<double>(value) * static_cast<double>(value);
  return sum;
}

// The mean over rows times their number; 0 when there is nothing to go by.
double key_energy(const TensorView& weight, const std::vector<float>& norm) {
  const std::int64_t n_rows = weight.shape[1];
  const std::int64_t step = std::max<std::int64_t>(1, n_rows / kRows);
  double sum = 0.0;
  std::int64_t n = 0;
  for (std::int64_t row = 0; row < n_rows; row += step, ++n) {
    std::vector<float> values = row_of(&weight, weight.shape[0], row);
    if (values.size() != norm.size()) return 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) values[i] *= norm[i];
    sum += energy(values);
  }
  return n == 0 ? 0.0 : sum / static_cast<double>(n) * static_cast<double>(n_rows);
}

float ratio_of(const GgufFile& file, int layer) {
  const std::string prefix = "blk." + std::to_string(layer) + ".";
  const TensorView* bias = file.find_tensor(prefix + "attn_k.bias");
  const TensorView* weight = file.find_tensor(prefix + "attn_k.weight");
  const TensorView* norm = file.find_tensor(prefix + "attn_norm.weight");
  if (bias == nullptr || weight == nullptr || norm == nullptr) return 0.0F;
  const double keys = key_energy(*weight, row_of(norm, weight->shape[0], 0));
  const double constant = energy(row_of(bias, weight->shape[1], 0));
  return keys > 0.0 ? static_cast<float>(std::sqrt(constant / keys)) : 0.0F;
}

}  // namespace

std::vector<float> key_bias_ratios(const GgufFile& file, int n_layers) {
  std::vector<float> ratios;
  ratios.reserve(static_cast<std::size_t>(n_layers));
  for (int layer = 0; layer < n_layers; ++layer) ratios.push_back(ratio_of(file, layer));
  if (std::ranges::all_of(ratios, [](float ratio) { return ratio == 0.0F; })) ratios.clear();
  return ratios;
}

}  // namespace tq
