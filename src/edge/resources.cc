#include "edge/resources.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>

#include "edge/data.h"

namespace tq::edge {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostEntries = 10000;
constexpr std::size_t kMostFieldBytes = 500;  // of one field

bool is_country(std::string_view text) {
  return text.size() == 2 && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

// Fields are shown on a terminal: no control characters.
bool is_shown_safely(std::string_view text) {
  return text.size() <= kMostFieldBytes &&
         std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; }) &&
         text.find("\xC2\x9B") == std::string_view::npos;
}

class EntryReader {
 public:
  EntryReader(const Json& entry, std::size_t index) : entry_(entry), index_(index) {}

  Expected<Resource> read() {
    if (!entry_.is_object()) return error("is no object");
    Resource r;
    r.country = text("country");
    const std::string kind = text("kind");
    r.is_emergency = kind == "emergency";
    r.name = text("name");
    r.phone = text("phone");
    r.text = text("text");
    r.hours = text("hours");
    r.source = text("source");
    r.recorded = text("recorded");
    r.verified = text("verified");
    r.note = text("note");
    const auto languages = entry_.find("languages");
    if (languages != entry_.end() && languages->is_array()) {
      for (const Json& language : *languages) {
        if (language.is_string()) r.languages.push_back(language.get<std::string>());
      }
    }
    if (!problem_.empty()) return error(problem_);
    if (!is_country(r.country)) return error("has no \"country\" of two capitals");
    if (kind != "emergency" && kind != "line") return error("is neither of \"kind\" line nor emergency");
    if (r.name.empty() || r.source.empty()) return error("needs a \"name\" and a \"source\"");
    if (r.phone.empty() && r.text.empty()) return error("has neither \"phone\" nor \"text\"");
    if (!day_number(r.recorded)) return error("needs the date on which it was \"recorded\" (2026-11-28)");
    if (!r.verified.empty() && !day_number(r.verified)) return error("has a \"verified\" that is no date");
    return r;
  }

 private:
  std::string text(const char* key) {
    const auto found = entry_.find(key);
    if (found == entry_.end() || found->is_null()) return {};
    if (!found->is_string() || !is_shown_safely(found->get_ref<const std::string&>())) {
      problem_ = "has a \"" + std::string(key) + "\" that is no short line of text";
      return {};
    }
    return found->get<std::string>();
  }

  Error error(const std::string& problem) const {
    return {ErrorCode::kBadFile,
            "entry " + std::to_string(index_ + 1) + " of the help lines " + problem + "."};
  }

  const Json& entry_;
  std::size_t index_;
  std::string problem_;
};

}  // namespace

Expected<Resources> Resources::parse(std::string_view json) {
  const auto refuse = [](const char* what) {
    return Error{ErrorCode::kBadFile, std::string("the file of help lines cannot be used: ") + what +
                                          "; turboquant edge resources --json prints one to begin with."};
  };
  const Json object = Json::parse(json, nullptr, false);
  if (!object.is_object()) return refuse("it is no JSON object");
  if (object.value("format", Json()) != "turboquant-edge-resources" || object.value("version", Json()) != 1)
    return refuse("it is not of format turboquant-edge-resources, version 1");
  const auto entries = object.find("entries");
  if (entries == object.end() || !entries->is_array() || entries->empty() || entries->size() > kMostEntries)
    return refuse("\"entries\" is no list of help lines");
  Resources resources;
  const auto note = object.find("note");
  if (note != object.end() && note->is_string()) resources.note_ = note->get<std::string>();
  for (std::size_t i = 0; i < entries->size(); ++i) {
    auto entry = EntryReader((*entries)[i], i).read();
    if (!entry) return entry.error();
    resources.entries_.push_back(*std::move(entry));
  }
  return resources;
}

const Resources& Resources::built_in() {
  static const Resources resources = [] {
    auto parsed = parse(data::resources());
    return parsed ? *std::move(parsed) : Resources();
  }();
  return resources;
}

std::vector<std::string> Resources::countries() const {
  std::set<std::string> names;
  for (const Resource& entry : entries_) names.insert(entry.country);
  return {names.begin(), names.end()};
}

bool Resources::has(std::string_view country) const {
  return std::ranges::any_of(entries_, [country](const Resource& entry) { return entry.country == country; });
}

std::vector<Resource> Resources::of(std::string_view country, bool emergency_first) const {
  std::vector<Resource> found;
  for (const Resource& entry : entries_) {
    if (entry.country == country) found.push_back(entry);
  }
  std::stable_partition(found.begin(), found.end(), [emergency_first](const Resource& entry) {
    return entry.is_emergency == emergency_first;
  });
  return found;
}

std::vector<Resource> Resources::due(std::string_view today, std::int64_t days) const {
  const auto now = day_number(today);
  std::vector<Resource> found;
  for (const Resource& entry : entries_) {
    const auto checked = day_number(entry.verified);
    // What was checked in the future was not checked.
    if (!now || !checked || *now - *checked > days || *checked > *now) found.push_back(entry);
  }
  return found;
}

Expected<std::int64_t> day_number(std::string_view date) {
  const Error error{ErrorCode::kBadArgument, "'" + std::string(date) + "' is no date like 2026-11-28."};
  if (date.size() != 10 || date[4] != '-' || date[7] != '-') return error;
  const auto number = [date](std::size_t at, std::size_t size) {
    int value = -1;
    const auto read = std::from_chars(date.data() + at, date.data() + at + size, value);
    return read.ec == std::errc() && read.ptr == date.data() + at + size ? value : -1;
  };
  const int year = number(0, 4);
  const int month = number(5, 2);
  const int day = number(8, 2);
  const std::chrono::year_month_day whole{std::chrono::year(year),
                                          std::chrono::month(static_cast<unsigned>(month)),
                                          std::chrono::day(static_cast<unsigned>(day))};
  if (year < 1970 || month < 1 || day < 1 || !whole.ok()) return error;
  return std::chrono::sys_days(whole).time_since_epoch().count();
}

std::string country_of_locale(std::string_view locale) {
  const std::size_t at = locale.find('_');
  if (at == std::string_view::npos || at + 3 > locale.size()) return {};
  const std::string_view country = locale.substr(at + 1, 2);
  const bool ends = at + 3 == locale.size() || locale[at + 3] == '.' || locale[at + 3] == '@';
  return is_country(country) && ends ? std::string(country) : std::string();
}

}  // namespace tq::edge
