// Arrays, strings and numbers.
#include <cmath>
#include <limits>
#include <utility>

#include "sampler/schema/converter.h"
#include "sampler/schema/integer_range.h"
#include "sampler/schema/pattern.h"

namespace tq::schema {

std::int64_t Converter::count(const Json& schema, const char* keyword, std::int64_t otherwise,
                              const std::string& path) {
  if (!schema.contains(keyword)) return otherwise;
  const Json& value = schema[keyword];
  constexpr std::int64_t kMax = 1'000'000;
  if (value.is_number_integer() && value >= 0 && value <= kMax) return value.get<std::int64_t>();
  fail(path + "/" + keyword, std::string("'") + keyword + "' must be a whole number from 0 to 1000000");
  return otherwise;
}

bool Converter::check_order(std::int64_t min, std::int64_t max, const std::string& path) {
  if (max >= 0 && max < min) fail(path, "the maximum is below the minimum, so there is no value");
  return !failed();
}

std::string Converter::array(const Json& schema, const std::string& path) {
  const std::int64_t min = count(schema, "minItems", 0, path);
  const std::int64_t max = count(schema, "maxItems", -1, path);
  if (!check_order(min, max, path)) return "";
  // Both forms of a tuple: prefixItems, and the items of older drafts.
  const bool is_old_tuple = schema.contains("items") && schema["items"].is_array();
  const char* tuple = is_old_tuple ? "items" : "prefixItems";
  const Json first = schema.value(tuple, Json::array());
  if (!first.is_array()) return fail(path + "/" + tuple, "there must be a list of schemas");
  const Json more = schema.value(is_old_tuple ? "additionalItems" : "items", Json(first.empty()));
  const auto n = static_cast<std::int64_t>(first.size());
  if (max >= 0 && n > max)
    return fail(path + "/maxItems", "there are more items in the schema than maxItems");
  if (more == false && min > n)
    return fail(path + "/minItems", "there are fewer items in the schema than minItems");

  const std::vector<std::string> open = std::exchange(open_, {});
  const std::string space = " " + rules_.primitive("space") + " ";
  std::string items;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    items += (i == 0 ? "" : "\",\"" + space) +
             value(first[at], path + "/" + tuple + "/" + std::to_string(i)) + space;
  }
  if (more != false && max != n) {
    const std::string item = rule(path + "/item", value(more, path + "/items") + space);
    const std::string next = "( \",\"" + space + item + " )";
    const auto less = [](std::int64_t bound, std::int64_t by) {
      return bound < 0 ? bound : std::max<std::int64_t>(0, bound - by);
    };
    if (n > 0) {
      items += repeated(next, less(min, n), less(max, n));
    } else {
      items = "( " + item + " " + (max == 1 ? "" : repeated(next, less(min, 1), less(max, 1))) + " )" +
              (min == 0 ? "?" : "");
    }
  }
  open_ = open;
  return rule(path, "\"[\"" + space + items + " \"]\"");
}

std::string Converter::string(const Json& schema, const std::string& path) {
  const std::int64_t min = count(schema, "minLength", 0, path);
  const std::int64_t max = count(schema, "maxLength", -1, path);
  if (!check_order(min, max, path)) return "";
  const Json format = schema.value("format", Json());
  const bool has_format = format == "date" || format == "time" || format == "date-time" || format == "uuid";
  const bool has_length = min > 0 || max >= 0;
  if (schema.contains("pattern")) {
    const Json& pattern = schema["pattern"];
    if (!pattern.is_string()) return fail(path + "/pattern", "the pattern must be a string");
    if (has_length || has_format)
      return fail(path + "/pattern",
                  "a pattern cannot be combined with a length or a format; put them into the pattern");
    const auto body = pattern_to_gbnf(pattern.get<std::string>(), rules_);
    if (!body) return fail(path + "/pattern", body.error().message);
    return rule(path, "\"\\\"\" " + *body + " \"\\\"\"");
  }
  if (has_format) {
    if (has_length) return fail(path + "/format", "a format cannot be combined with a length");
    return rule(path, "\"\\\"\" " + rules_.primitive(format.get<std::string>()) + " \"\\\"\"");
  }
  if (!has_length) return rules_.primitive("string");
  return rule(path, "\"\\\"\" " + repeated(rules_.primitive("char"), min, max) + " \"\\\"\"");
}

// A bound on numbers, which has to be whole.
std::optional<std::int64_t> Converter::whole_bound(const Json& schema, const char* keyword,
                                                   const std::string& path) {
  if (!schema.contains(keyword)) return std::nullopt;
  const Json& value = schema[keyword];
  constexpr double kLargest = 9e15;  // every whole number below is a double
  const double number = value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
  if (value.is_number_integer() && std::abs(number) <= 9e18) return value.get<std::int64_t>();
  if (std::abs(number) <= kLargest && number == std::floor(number)) return static_cast<std::int64_t>(number);
  fail(path + "/" + keyword, std::string("'") + keyword + "' must be a whole number");
  return std::nullopt;
}

std::string Converter::integer(const Json& schema, const std::string& path) {
  Bounds bounds{whole_bound(schema, "minimum", path), whole_bound(schema, "maximum", path)};
  if (const auto above = whole_bound(schema, "exclusiveMinimum", path))
    bounds.min = std::max(bounds.min.value_or(*above + 1), *above + 1);
  if (const auto below = whole_bound(schema, "exclusiveMaximum", path))
    bounds.max = std::min(bounds.max.value_or(*below - 1), *below - 1);
  if (failed()) return "";
  if (!bounds.min && !bounds.max) return rules_.primitive("integer");
  if (bounds.min && bounds.max && *bounds.max < *bounds.min)
    return fail(path, "the maximum is below the minimum, so there is no value");
  return rule(path, integer_range(bounds));
}

std::string Converter::number(const Json& schema, const std::string& path) {
  for (const char* keyword : {"exclusiveMinimum", "exclusiveMaximum"}) {
    if (schema.contains(keyword))
      return fail(path + "/" + keyword,
                  std::string("'") + keyword + "' is supported for integers only; use an inclusive bound");
  }
  const Bounds bounds{whole_bound(schema, "minimum", path), whole_bound(schema, "maximum", path)};
  if (failed()) return "";
  if (!bounds.min && !bounds.max) return rules_.primitive("number");
  if (bounds.min && bounds.max && *bounds.max < *bounds.min)
    return fail(path, "the maximum is below the minimum, so there is no value");
  return rule(path, number_range(bounds));
}

}  // namespace tq::schema
