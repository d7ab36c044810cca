// JSON at the server's edges: hostile bodies in, with errors that name the field; well-formed UTF-8 out.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace tq::server {

using Json = nlohmann::ordered_json;

// Throws ApiError when the text is no JSON object or nests too deeply.
Json parse_object(std::string_view text);
std::optional<Json> try_parse(std::string_view text);  // any value; empty where parse_object() would throw
std::string dump(const Json& json);                    // in one line

// The members of an object, checked as they are read. One that is null counts as missing.
class Fields {
 public:
  // `object` must outlive this; `path` is what stands before a name in errors: "messages[2]."
  explicit Fields(const Json& object, std::string path = {}) : object_(object), path_(std::move(path)) {}

  const Json* find(const char* name) const;
  std::optional<bool> boolean(const char* name) const;
  std::optional<std::int64_t> integer(const char* name, std::int64_t min,
                                      std::int64_t max = std::numeric_limits<std::int64_t>::max()) const;
  std::optional<double> number(const char* name, double min, double max) const;
  std::optional<std::string> string(const char* name) const;
  const Json* array(const char* name) const;
  const Json* object(const char* name) const;

  std::string path(const char* name) const { return path_ + name; }
  [[noreturn]] void refuse_type(const char* name, const std::string& wanted) const;

 private:
  const Json& object_;
  std::string path_;
};

}  // namespace tq::server
