// Grammars that constrain what a model may say: GBNF, llama.cpp's dialect of BNF, and JSON schemas.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tq/error.h"

namespace tq {

// Immutable; samplers of any thread may share one.
class Grammar {
 public:
  // Texts of the rule `root`. Rules refer to each other in any order, but never to themselves on the left:
  // `a ::= a "x"` is refused. An error names line and column.
  static Expected<std::shared_ptr<const Grammar>> from_gbnf(std::string_view text);
  // Texts of json_schema_to_gbnf().
  static Expected<std::shared_ptr<const Grammar>> from_json_schema(std::string_view schema);
  virtual ~Grammar() = default;

  virtual bool matches(std::string_view text) const = 0;  // all of it, UTF-8
};

// The grammar of a JSON schema's values, as GBNF. Properties come in the schema's order; white space is what
// JSON writers put between values: none, one space, or a line break and an indentation of up to 20.
// Like llama.cpp, an object with `properties` has no others unless `additionalProperties` says so, oneOf is
// read as anyOf, and the schema {} is any object. What a grammar cannot say (`not`, `uniqueItems`, ...) is
// refused with the path of the place, annotations (`title`, unknown formats) are left out.
Expected<std::string> json_schema_to_gbnf(std::string_view schema);

}  // namespace tq
