// What the recurrent layers of a sequence remember: one fixed block of floats a layer, whatever the text's
// length. It cannot be rewound, only kept, copied or cleared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/memory.h"
#include "tq/error.h"

namespace tq {

struct RecurrentShape {
  int n_layers = 0;  // recurrent ones
  std::int64_t layer_floats = 0;

  std::size_t bytes() const { return static_cast<std::size_t>(n_layers * layer_floats) * sizeof(float); }
};

class RecurrentState {
 public:
  // All zeros, the state before the first token; kOutOfMemory when it does not fit.
  static Expected<RecurrentState> create(const RecurrentShape& shape);

  float* layer(int index) { return buffer_.as<float>() + index * shape_.layer_floats; }
  const RecurrentShape& shape() const { return shape_; }
  std::size_t bytes() const { return shape_.bytes(); }
  std::span<std::byte> contents() { return {buffer_.data(), bytes()}; }
  std::span<const std::byte> contents() const { return {buffer_.data(), bytes()}; }

  void clear();
  void copy_from(const RecurrentState& other);  // of the same shape

 private:
  RecurrentShape shape_;
  Buffer buffer_;
};

}  // namespace tq
