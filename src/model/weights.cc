#include "model/weights.h"

#include <algorithm>
#include <array>
#include <span>

#include "gguf/dequantize.h"

namespace tq {
namespace {

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

std::string missing_tensor(std::string_view name) {
  return "the tensor '" + std::string(name) +
         "' is missing; the file is incomplete or of another architecture.";
}

void WeightReader::fail(ErrorCode code, const std::string& message) {
  if (!error_) error_ = Error{code, file_.path() + ": " + message};
}

const TensorView* WeightReader::tensor(const std::string& name, std::initializer_list<std::int64_t> shape) {
  const TensorView* tensor = file_.find_tensor(name);
  if (tensor == nullptr) {
    fail(ErrorCode::kBadFile, missing_tensor(name));
    return nullptr;
  }
  std::array<std::int64_t, 4> wanted = {1, 1, 1, 1};
  std::copy(shape.begin(), shape.end(), wanted.begin());
  if (tensor->shape != wanted) {
    fail(ErrorCode::kBadFile, "the tensor '" + name + "' has the shape " + shape_text(tensor->shape) +
                                  ", but the model's metadata asks for " + shape_text(wanted) + ".");
    return nullptr;
  }
  return tensor;
}

const TensorView* WeightReader::float_tensor(const std::string& name,
                                             std::initializer_list<std::int64_t> shape) {
  const TensorView* found = tensor(name, shape);
  if (found == nullptr || can_dequantize(found->type)) return found;
  const auto traits = ggml_type_traits(found->type);
  fail(ErrorCode::kUnsupported, "the tensor '" + name + "' has the type " +
                                    std::string(traits ? traits->name : "?") +
                                    ", which is not supported yet; use another quantisation of the model.");
  return nullptr;
}

const TensorView* WeightReader::table(std::string_view name, std::int64_t n, std::int64_t n_rows) {
  return float_tensor(prefix_ + std::string(name), {n, n_rows});
}

Linear WeightReader::linear(std::string_view name, std::int64_t n_in, std::int64_t n_out) {
  return linear_part(name, n_in, n_out, 0, n_out);
}

Linear WeightReader::linear_part(std::string_view name, std::int64_t n_in, std::int64_t n_out,
                                 std::int64_t first, std::int64_t n) {
  const TensorView* whole = tensor(prefix_ + std::string(name), {n_in, n_out});
  if (whole == nullptr) return {};
  const std::size_t row_bytes = whole->data.size() / static_cast<std::size_t>(n_out);
  TensorView part = *whole;
  part.shape[1] = n;
  part.data = whole->data.subspan(static_cast<std::size_t>(first) * row_bytes,
                                  static_cast<std::size_t>(n) * row_bytes);
  return pack(part);
}

// As pack() would have it: the file's pages are given back as they are read.
void WeightReader::count(const TensorView& matrix) {
  const auto packed = Linear::packed_bytes(matrix);
  if (!packed) return fail(packed.error().code, packed.error().message);
  bytes_->packed += Arena::part_bytes(*packed);
  if (*packed == 0) bytes_->in_file += matrix.data.size();
}

Linear WeightReader::pack(const TensorView& matrix) {
  if (bytes_ != nullptr) {
    count(matrix);
    return {};
  }
  // As it goes, or a large matrix would be in memory twice.
  const auto release = [this](std::span<const std::byte> part) { file_.release_pages(part); };
  auto packed = Linear::pack(matrix, *arena_, *pool_, release);
  if (!packed) {
    fail(packed.error().code, packed.error().message);
    return {};
  }
  return std::move(*packed);
}

std::vector<Linear> WeightReader::linears(std::string_view name, std::int64_t n_in, std::int64_t n_out,
                                          std::int64_t n_matrices) {
  std::vector<Linear> layers;
  const TensorView* all = tensor(prefix_ + std::string(name), {n_in, n_out, n_matrices});
  for (std::int64_t i = 0; all != nullptr && !error_ && i < n_matrices; ++i) {
    layers.push_back(pack(all->matrix(i)));
  }
  return layers;
}

std::vector<float> WeightReader::matrix(std::string_view name, std::int64_t n, std::int64_t n_rows) {
  const TensorView* values = float_tensor(prefix_ + std::string(name), {n, n_rows});
  if (values == nullptr) return {};
  std::vector<float> floats(static_cast<std::size_t>(n * n_rows));
  if (bytes_ != nullptr) bytes_->floats += floats.size() * sizeof(float);
  const std::size_t row_bytes = values->data.size() / static_cast<std::size_t>(n_rows);
  for (std::int64_t row = 0; row < n_rows; ++row) {
    dequantize_row(values->type, values->data.data() + static_cast<std::size_t>(row) * row_bytes, n,
                   floats.data() + row * n);
  }
  file_.release_pages(values->data);
  return floats;
}

std::vector<float> WeightReader::vector(std::string_view name, std::int64_t n) {
  const TensorView* values = float_tensor(prefix_ + std::string(name), {n});
  if (values == nullptr) return {};
  std::vector<float> floats(static_cast<std::size_t>(n));
  if (bytes_ != nullptr) bytes_->floats += floats.size() * sizeof(float);
  dequantize_row(values->type, values->data.data(), n, floats.data());
  file_.release_pages(values->data);
  return floats;
}

std::vector<float> WeightReader::optional_vector(std::string_view name, std::int64_t n) {
  return has(name) ? vector(name, n) : std::vector<float>{};
}

}  // namespace tq
