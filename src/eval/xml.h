// Text of others inside HTML and SVG.
#pragma once

#include <string>
#include <string_view>

namespace tq::eval {

// `text` with markup made harmless, in element content and in double-quoted attributes. Control characters,
// which neither format allows, become U+FFFD; line ends and tabs stay.
std::string xml(std::string_view text);

}  // namespace tq::eval
