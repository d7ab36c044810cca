// f16: rows of IEEE binary16, rounded to nearest even (spec section 6.1).
#include "codec/reference.h"
#include "base/f16.h"

namespace tq::reference {

void f16_encode(const RowShape& shape, const float* x, std::uint8_t* page, int slot) {
  auto* row = reinterpret_cast<std::uint16_t*>(row_codes(shape, page, slot));
  for (int i = 0; i < shape.head_dim; ++i) row[i] = f32_to_f16(x[i]);
}

void f16_decode(const RowShape& shape, const std::uint8_t* page, int begin, int end, float* out) {
  for (int t = begin; t < end; ++t, out += shape.head_dim) {
    const auto* row = reinterpret_cast<const std::uint16_t*>(row_codes(shape, page, t));
    for (int i = 0; i < shape.head_dim; ++i) out[i] = f16_to_f32(row[i]);
  }
}

}  // namespace tq::reference
