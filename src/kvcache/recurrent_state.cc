#include "kvcache/recurrent_state.h"

#include <cstring>
#include <utility>

namespace tq {

Expected<RecurrentState> RecurrentState::create(const RecurrentShape& shape) {
  RecurrentState state;
  state.shape_ = shape;
  auto buffer = Buffer::allocate(shape.bytes());
  if (!buffer) {
    return Error{buffer.error().code,
                 "the state of the model's recurrent layers does not fit: " + buffer.error().message};
  }
  state.buffer_ = std::move(*buffer);
  return state;
}

void RecurrentState::clear() {
  if (bytes() > 0) std::memset(buffer_.data(), 0, bytes());
}

void RecurrentState::copy_from(const RecurrentState& other) {
  if (bytes() > 0) std::memcpy(buffer_.data(), other.buffer_.data(), bytes());
}

}  // namespace tq
