// $ref and allOf: what a schema says elsewhere, or in several places.
#include <algorithm>
#include <utility>

#include "sampler/schema/converter.h"

namespace tq::schema {
namespace {

// Schemas that allOf may put together: a few lines of references can ask for any number.
constexpr int kMaxParts = 5000;

}  // namespace

const Json* Converter::target(const std::string& pointer, const std::string& path) {
  const auto none = [&]() -> const Json* {
    fail(path + "/$ref",
         "'" + pointer + "' is nowhere in the schema; references are to places in it, like #/$defs/name");
    return nullptr;
  };
  if (!pointer.starts_with('#')) return none();
  const Json* at = &root_;
  for (std::size_t begin = 1; begin < pointer.size();) {
    if (pointer[begin] != '/') return none();
    const std::size_t end = std::min(pointer.find('/', begin + 1), pointer.size());
    std::string key = pointer.substr(begin + 1, end - begin - 1);
    for (const auto& [code, c] : {std::pair{"~1", "/"}, {"~0", "~"}}) {
      for (std::size_t i = key.find(code); i != std::string::npos; i = key.find(code, i + 1))
        key.replace(i, 2, c);
    }
    begin = end;
    if (at->is_object() && at->contains(key)) {
      at = &(*at)[key];
    } else if (at->is_array() && !key.empty() && key.size() < 9 &&
               std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; }) &&
               std::stoul(key) < at->size()) {
      at = &(*at)[std::stoul(key)];
    } else {
      return none();
    }
  }
  return at;
}

// A rule of its own, so that a schema may contain itself.
std::string Converter::reference(const std::string& pointer, const std::string& path) {
  if (std::ranges::find(open_, pointer) != open_.end())
    return fail(path, "'" + pointer + "' refers to itself and to nothing else");
  if (const auto known = references_.find(pointer); known != references_.end()) return known->second;
  const Json* schema = target(pointer, path);
  if (schema == nullptr) return "";
  std::string name = rules_.reserve(last_part(pointer));
  references_[pointer] = name;
  open_.push_back(pointer);
  rules_.set(name, value(*schema, pointer.substr(1)));
  if (!open_.empty() && open_.back() == pointer) open_.pop_back();
  return name;
}

Json Converter::flattened(const Json& schema, const std::string& path) {
  if (failed() || !schema.is_object()) return schema;
  if (++depth_ > kMaxNesting || ++parts_ > kMaxParts) {
    fail(path, "the schema is nested too deeply, or refers to itself");
    return {};
  }
  Json result = schema;
  result.erase("$ref");
  result.erase("allOf");
  const auto add = [&](const Json& part, const std::string& where) {
    if (failed()) return;
    auto together = merged(std::move(result), flattened(part, where));
    if (!together) fail(where, together.error().message);
    result = together ? *std::move(together) : Json();
  };
  if (schema.contains("$ref")) {
    const Json& ref = schema["$ref"];
    const Json* referred = ref.is_string() ? target(ref.get<std::string>(), path) : nullptr;
    if (referred == nullptr) fail(path + "/$ref", "a reference must be a string");
    if (referred != nullptr) add(*referred, path + "/$ref");
  }
  if (schema.contains("allOf")) {
    const Json& parts = schema["allOf"];
    if (!parts.is_array() || parts.empty()) fail(path + "/allOf", "there must be a list of schemas");
    for (std::size_t i = 0; i < parts.size() && !failed(); ++i)
      add(parts[i], path + "/allOf/" + std::to_string(i));
  }
  --depth_;
  return result;
}

}  // namespace tq::schema
