// JSON schema -> GBNF: one function a kind of value. Paths are JSON pointers into the schema.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sampler/schema/gbnf_text.h"
#include "sampler/schema/merge.h"

namespace tq::schema {

inline constexpr int kMaxNesting = 128;

std::string last_part(const std::string& path);  // of a JSON pointer, for the names of rules

class Converter {
 public:
  // `rules` takes the rules that the schema needs.
  Converter(const Json& root, RuleSet& rules) : root_(root), rules_(rules) {}

  // An expression for the schema's values.
  Expected<std::string> convert();

 private:
  // An expression for the values of a schema; to be put into a sequence. Empty after an error, of which the
  // first one stays.
  std::string value(const Json& schema, const std::string& path);
  std::string reference(const std::string& pointer, const std::string& path);
  std::string alternatives(const Json& schema, const char* keyword, const std::string& path);
  std::string of_types(const Json& schema, const std::string& path);
  std::string of_type(const Json& schema, const std::string& type, const std::string& path);
  std::string constant(const Json& value);

  std::string object(const Json& schema, const std::string& path);  // object.cc
  std::string other_properties(const Json& schema, const std::string& path);
  std::string name_except(const std::vector<std::string>& names);
  std::string array(const Json& schema, const std::string& path);
  std::string string(const Json& schema, const std::string& path);
  std::string integer(const Json& schema, const std::string& path);
  std::string number(const Json& schema, const std::string& path);

  // Without $ref and allOf at its top.
  Json flattened(const Json& schema, const std::string& path);
  const Json* target(const std::string& pointer, const std::string& path);
  bool check_keywords(const Json& schema, const std::string& path);

  // A bound such as minItems: a whole number of 0 or more.
  std::int64_t count(const Json& schema, const char* keyword, std::int64_t otherwise,
                     const std::string& path);
  std::optional<std::int64_t> whole_bound(const Json& schema, const char* keyword, const std::string& path);
  bool check_order(std::int64_t min, std::int64_t max, const std::string& path);

  std::string rule(const std::string& path, const std::string& body);
  std::string fail(const std::string& path, const std::string& what);
  bool failed() const { return error_.has_value(); }

  const Json& root_;
  RuleSet& rules_;
  std::map<std::string, std::string> references_;  // pointer -> rule
  std::vector<std::string> open_;  // references followed since the last bracket: of a loop there is no end
  int depth_ = 0;
  int parts_ = 0;  // schemas that were put together
  std::optional<Error> error_;
};

// The same for a schema's text.
Expected<std::string> values_of(std::string_view schema, RuleSet& rules);

}  // namespace tq::schema
