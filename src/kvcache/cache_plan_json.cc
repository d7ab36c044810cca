// The file of a cache plan. It is hostile input: whatever is not exactly a plan is refused.
#include <nlohmann/json.hpp>

#include "tq/cache_plan.h"

namespace tq {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "turboquant-cache-plan";
constexpr int kVersion = 1;
constexpr std::size_t kMaxLayers = 1024;

Error refuse(const std::string& reason) {
  return {ErrorCode::kBadFile, "the cache plan cannot be used: " + reason +
                                   "; write one with turboquant attention-fidelity --apply."};
}

Expected<KvType> type_of(const Json& layer, const char* side, std::size_t index) {
  const auto found = layer.find(side);
  if (found == layer.end() || !found->is_string()) {
    return refuse("layer " + std::to_string(index) + " has no \"" + side + "\"");
  }
  const auto type = parse_kv_type(found->get<std::string>());
  if (!type) return refuse("layer " + std::to_string(index) + ": " + type.error().message);
  return *type;
}

}  // namespace

std::string cache_plan_json(const CachePlan& plan) {
  Json layers = Json::array();
  for (const LayerTypes& layer : plan.layers) {
    layers.push_back({{"k", kv_type_name(layer.k)}, {"v", kv_type_name(layer.v)}});
  }
  const Json object = {{"format", kFormat}, {"version", kVersion}, {"layers", std::move(layers)}};
  return object.dump(1) + "\n";
}

Expected<CachePlan> parse_cache_plan(std::string_view json) {
  const Json object = Json::parse(json, nullptr, false);
  if (!object.is_object()) return refuse("it is no JSON object");
  if (object.value("format", Json()) != kFormat)
    return refuse("its \"format\" is not " + std::string(kFormat));
  if (object.value("version", Json()) != kVersion) {
    return refuse("its \"version\" is not " + std::to_string(kVersion));
  }
  const auto layers = object.find("layers");
  if (layers == object.end() || !layers->is_array() || layers->empty() || layers->size() > kMaxLayers) {
    return refuse("\"layers\" is not a list of 1 to " + std::to_string(kMaxLayers) + " layers");
  }
  CachePlan plan;
  for (std::size_t i = 0; i < layers->size(); ++i) {
    const auto k = type_of((*layers)[i], "k", i);
    if (!k) return k.error();
    const auto v = type_of((*layers)[i], "v", i);
    if (!v) return v.error();
    plan.layers.push_back({*k, *v});
  }
  return plan;
}

}  // namespace tq
