// The instruction sets whose codecs and attention are tested.
#pragma once

#include <vector>

#include "base/cpu.h"

namespace tq {

// Those with codecs of their own: AVX-VNNI's are AVX2's.
inline std::vector<Isa> codec_isas() {
  std::vector<Isa> isas = supported_isas();
  std::erase(isas, Isa::kAvxVnni);
  return isas;
}

}  // namespace tq
