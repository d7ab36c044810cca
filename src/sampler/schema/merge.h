// allOf: several schemas of one value -> one schema.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tq/error.h"

namespace tq::schema {

using Json = nlohmann::ordered_json;

// Keywords that say nothing about a value.
bool is_annotation(const std::string& keyword);

// A schema of what both schemas allow. Properties that only one of them has are taken together, even where
// the other has no additional properties: that is what people mean by it. The error's message names the
// keyword on which the two disagree.
Expected<Json> merged(Json a, const Json& b);

}  // namespace tq::schema
