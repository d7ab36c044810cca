#include "plan/targets.h"

#include <algorithm>
#include <cassert>
#include <nlohmann/json.hpp>

#include "codec/codec.h"
#include "kvcache/cache_memory.h"
#include "model/pass.h"
#include "plan/hardware.h"
#include "plan/memory_model.h"

namespace tq::plan {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kContextStep = 1024;

FactSource read_source(const Json& json) {
  return {json.at("text").get<std::string>(), json.at("date").get<std::string>(),
          json.at("estimate").get<bool>()};
}

AttentionGroup read_group(const Json& json) {
  return {json.at("layers").get<int>(), json.at("kv_heads").get<int>(), json.at("head_dim").get<int>(),
          json.value("window", std::int64_t{0})};
}

TargetModel read_model(const Json& json) {
  TargetModel model;
  model.name = json.at("name").get<std::string>();
  model.quant = json.at("quant").get<std::string>();
  model.architecture = json.at("architecture").get<std::string>();
  model.file_bytes = json.at("file_bytes").get<std::uint64_t>();
  model.work_bytes = static_cast<std::uint64_t>(json.at("work_gb").get<double>() * static_cast<double>(kGiB));
  model.state_bytes = json.at("state_bytes").get<std::uint64_t>();
  model.max_context = json.at("max_context").get<std::int64_t>();
  model.contexts = json.at("contexts").get<std::vector<std::int64_t>>();
  for (const Json& group : json.at("groups")) model.groups.push_back(read_group(group));
  const Json& sources = json.at("sources");
  model.shape = read_source(sources.at("shape"));
  model.file = read_source(sources.at("file"));
  model.work = read_source(sources.at("work"));
  return model;
}

std::uint64_t row_bytes(KvType type, int head_dim) {
  const auto codec = KvCodec::create(type, head_dim, Isa::kScalar);
  assert(codec);  // parse_target_models refuses other sizes of heads
  return codec ? (*codec)->token_bytes() : 0;
}

}  // namespace

const std::vector<KvType>& target_types() {
  static const std::vector<KvType> types = {KvType::kF16, KvType::kQ8_0, KvType::kTurbo4, KvType::kTurbo3,
                                            KvType::kTurbo2};
  return types;
}

Expected<std::vector<TargetModel>> parse_target_models(std::string_view json) {
  std::vector<TargetModel> models;
  try {
    const Json table = Json::parse(json);
    for (const Json& model : table.at("models")) models.push_back(read_model(model));
  } catch (const Json::exception& error) {
    return Error{ErrorCode::kBadFile,
                 std::string("the table of target models is wrong: ") + error.what() + "."};
  }
  for (const TargetModel& model : models) {
    for (const AttentionGroup& group : model.groups) {
      const bool has_codecs = std::all_of(target_types().begin(), target_types().end(), [&](KvType type) {
        return static_cast<bool>(KvCodec::create(type, group.head_dim, Isa::kScalar));
      });
      if (has_codecs && group.n_layers > 0 && group.n_kv_heads > 0) continue;
      return Error{ErrorCode::kBadFile, "the table of target models has layers of " + model.name +
                                            " that no cache can hold: " + std::to_string(group.n_layers) +
                                            " of " + std::to_string(group.n_kv_heads) + " heads of " +
                                            std::to_string(group.head_dim) + "."};
    }
  }
  return models;
}

std::uint64_t usable_bytes(std::uint64_t memory_bytes) {
  return memory_bytes - std::min(5 * kGiB, memory_bytes / 4);
}

std::uint64_t cache_bytes(const TargetModel& model, KvType type, std::int64_t context) {
  std::uint64_t bytes = 0;
  for (const AttentionGroup& group : model.groups) {
    const std::int64_t pages =
        group.window > 0 ? windowed_blocks(group.window, context, 1, kMaxDenseBatch) : pages_for(context);
    const auto rows = static_cast<std::uint64_t>(pages) * kPageTokens *
                      static_cast<std::uint64_t>(group.n_layers) *
                      static_cast<std::uint64_t>(group.n_kv_heads);
    bytes += 2 * rows * row_bytes(type, group.head_dim);  // keys and values
  }
  return bytes;
}

std::uint64_t required_bytes(const TargetModel& model, KvType type, std::int64_t context) {
  return model.file_bytes + model.work_bytes + kStateCopies * model.state_bytes +
         cache_bytes(model, type, context);
}

std::optional<KvType> best_type(const TargetModel& model, std::int64_t context, std::uint64_t memory_bytes) {
  for (const KvType type : target_types()) {
    if (required_bytes(model, type, context) <= usable_bytes(memory_bytes)) return type;
  }
  return std::nullopt;
}

std::int64_t longest_context(const TargetModel& model, KvType type, std::uint64_t memory_bytes) {
  const std::uint64_t budget = usable_bytes(memory_bytes);
  std::int64_t fits = 0;
  std::int64_t too_long = model.max_context / kContextStep + 1;
  while (too_long - fits > 1) {
    const std::int64_t steps = fits + (too_long - fits) / 2;
    (required_bytes(model, type, steps * kContextStep) <= budget ? fits : too_long) = steps;
  }
  return fits * kContextStep;
}

}  // namespace tq::plan
