// Binding a file's tensors to a model's parts.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "gguf/gguf.h"
#include "ops/linear.h"
#include "tq/error.h"

namespace tq {

// What an error says of a tensor that is not there.
std::string missing_tensor(std::string_view name);

// What a model's weights take.
struct WeightBytes {
  std::size_t packed = 0;   // matrices in the kernels' form, as parts of an arena
  std::size_t floats = 0;   // norms, biases
  std::size_t in_file = 0;  // read where they are in the mapped file: the kernel's to drop and read again
};

// Reads tensors under one prefix ("blk.3.") and remembers the first error (a tensor that is missing, has
// another shape or a type we cannot use), so that a caller can read on and check once.
class WeightReader {
 public:
  // Matrices are repacked into the arena.
  WeightReader(const GgufFile& file, Arena& arena, ThreadPool& pool, std::string prefix = "")
      : file_(file), arena_(&arena), pool_(&pool), prefix_(std::move(prefix)) {}
  // Repacks nothing, but adds up what a reader that does would take. The matrices it gives out are empty.
  WeightReader(const GgufFile& file, WeightBytes& bytes, std::string prefix = "")
      : file_(file), bytes_(&bytes), prefix_(std::move(prefix)) {}

  bool has(std::string_view name) const { return file_.find_tensor(prefix_ + std::string(name)) != nullptr; }
  // A matrix whose rows are read one at a time, as it is in the file.
  const TensorView* table(std::string_view name, std::int64_t n, std::int64_t n_rows);
  // A table is read in the file while the model runs, not out of a matrix that is repacked, too.
  void keeps_in_file(const TensorView& table) {
    if (bytes_ != nullptr) bytes_->in_file += table.data.size();
  }
  // A weight matrix, repacked for the kernels.
  Linear linear(std::string_view name, std::int64_t n_in, std::int64_t n_out);
  // Outputs [first, first + n) of a matrix that has n_out: one of several matrices stored as one.
  Linear linear_part(std::string_view name, std::int64_t n_in, std::int64_t n_out, std::int64_t first,
                     std::int64_t n);
  // n_matrices of them that one tensor holds.
  std::vector<Linear> linears(std::string_view name, std::int64_t n_in, std::int64_t n_out,
                              std::int64_t n_matrices);
  // A small matrix as floats, row after row.
  std::vector<float> matrix(std::string_view name, std::int64_t n, std::int64_t n_rows);
  // n values as floats (norm weights, biases).
  std::vector<float> vector(std::string_view name, std::int64_t n);
  // The same, empty when the file has no such tensor.
  std::vector<float> optional_vector(std::string_view name, std::int64_t n);

  const std::optional<Error>& error() const { return error_; }

 private:
  // nullptr when the tensor is missing or has another shape.
  const TensorView* tensor(const std::string& name, std::initializer_list<std::int64_t> shape);
  // The same, also when its type can't be turned into floats.
  const TensorView* float_tensor(const std::string& name, std::initializer_list<std::int64_t> shape);
  Linear pack(const TensorView& matrix);
  void count(const TensorView& matrix);
  void fail(ErrorCode code, const std::string& message);

  const GgufFile& file_;
  Arena* arena_ = nullptr;
  ThreadPool* pool_ = nullptr;
  WeightBytes* bytes_ = nullptr;  // set: only counted
  std::string prefix_;
  std::optional<Error> error_;
};

}  // namespace tq
