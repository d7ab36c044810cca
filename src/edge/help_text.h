// What a person in danger reads: short, plain, to humans who can help.
#pragma once

#include <string>
#include <string_view>

#include "edge/detector.h"
#include "edge/resources.h"

namespace tq::edge {

struct HelpOptions {
  std::string country = {};  // "GB"; empty or unknown: what holds everywhere, and each country's first line
  bool is_repeated = false;  // the whole was shown before in this chat: a reminder does
};

// The text for what a screening found, in the language of the signs where there is one. Never empty.
std::string help_text(const Screening& screening, const Resources& resources, const HelpOptions& options);
// A row for each entry of a country; empty where there is none.
std::string resource_lines(const Resources& resources, std::string_view country, bool emergency_first);

}  // namespace tq::edge
