// Where there is help: crisis lines and emergency numbers by country, each with its source and the day it was
// last checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tq/error.h"

namespace tq::edge {

struct Resource {
  std::string country;  // ISO 3166, "GB"
  bool is_emergency = false;
  std::string name;
  std::string phone;  // empty: none
  std::string text;   // how to write: "text HOME to 741741"; empty: not possible
  std::string hours;  // "24/7"; empty: not known
  std::vector<std::string> languages;
  std::string source;    // the organisation whose number it is
  std::string recorded;  // the day it was written down, "2026-11-28"
  std::string verified;  // the day somebody last checked it with the source; empty: nobody has
  std::string note;      // for whoever checks it: what is doubtful; empty: nothing known
};

class Resources {
 public:
  // kBadFile says which entry is wrong and how.
  static Expected<Resources> parse(std::string_view json);
  // Those of this build.
  static const Resources& built_in();

  const std::string& note() const { return note_; }
  const std::vector<Resource>& all() const { return entries_; }
  std::vector<std::string> countries() const;  // sorted
  bool has(std::string_view country) const;
  // Lines first, then emergency numbers; the other way round where danger is at hand.
  std::vector<Resource> of(std::string_view country, bool emergency_first) const;
  // Entries that nobody checked within `days` before `today` ("2026-11-28").
  std::vector<Resource> due(std::string_view today, std::int64_t days) const;

 private:
  std::string note_;
  std::vector<Resource> entries_;
};

// Days since 1970 of "2026-11-28"; kBadArgument when it is no date.
Expected<std::int64_t> day_number(std::string_view date);

// "GB" for "en_GB.UTF-8"; empty when the name of a locale says no country.
std::string country_of_locale(std::string_view locale);

}  // namespace tq::edge
