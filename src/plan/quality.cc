#include "plan/quality.h"

#include <iterator>

namespace tq::plan {
namespace {

// Relative errors of stored rows, measured on SmolLM2's keys and values (docs/decisions/codec-distortion.md).
struct Distortion {
  KvType type;
  double k, v;
};
constexpr Distortion kDistortions[] = {
    {KvType::kF16, 0, 0},
    {KvType::kQ8_0, .00006, .00004},
    {KvType::kQ4_0, .01563, .00956},
    {KvType::kTurbo4, .00859, .00894},
    {KvType::kTurbo35, .01406, .01986},
    {KvType::kTurbo3, .03194, .03347},
    {KvType::kTurbo25, .05321, .07594},
    {KvType::kTurbo2, .11905, .12678},
    {KvType::kTurbo3Q, .05952, .06289},
    {KvType::kTurbo2Q, .19117, .20090},
};
static_assert(std::size(kDistortions) == kAllKvTypes.size());

// Nats a unit of error, fitted to the fronts of docs/results.md.
constexpr double kKeyWeight = 7.0;
constexpr double kValueWeight = 0.7;

const Distortion& distortion_of(KvType type) {
  for (const Distortion& d : kDistortions) {
    if (d.type == type) return d;
  }
  return kDistortions[0];
}

}  // namespace

double estimated_loss(const CachePlan& plan) {
  if (plan.layers.empty()) return 0;
  double sum = 0;
  for (const LayerTypes& layer : plan.layers) {
    sum += kKeyWeight * distortion_of(layer.k).k + kValueWeight * distortion_of(layer.v).v;
  }
  return sum / static_cast<double>(plan.layers.size());
}

}  // namespace tq::plan
