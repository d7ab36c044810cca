// Regular expressions of JSON schemas -> GBNF of the JSON strings that match them.
#pragma once

#include <string>
#include <string_view>

#include "sampler/schema/gbnf_text.h"
#include "tq/error.h"

namespace tq::schema {

// An expression for what stands between the quotes. ECMAScript's syntax without lookaround, back references,
// word boundaries and Unicode properties; ^ and $ only where an alternative begins and ends. The error's
// message is a part of a sentence: "... at offset 3".
Expected<std::string> pattern_to_gbnf(std::string_view pattern, RuleSet& rules);

}  // namespace tq::schema
