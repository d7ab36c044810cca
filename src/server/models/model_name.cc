#include "server/models/model_name.h"

#include <algorithm>
#include <vector>

namespace tq::server {
namespace {

constexpr std::size_t kMaxPart = 200;

// Not <cctype>'s, which ask the locale.
bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name_character(char c) { return is_alphanumeric(c) || c == '_' || c == '-' || c == '.'; }

}  // namespace

bool is_plain_name(std::string_view part) {
  return !part.empty() && part.size() <= kMaxPart && part.front() != '-' && part.front() != '.' &&
         std::ranges::all_of(part, is_name_character);
}

std::string plain_name_of(std::string_view file_name) {
  std::string name(file_name.substr(0, kMaxPart));
  std::ranges::replace_if(
      name, [](char c) { return !is_name_character(c); }, '-');
  if (name.empty() || name.front() == '-' || name.front() == '.') name.insert(0, "_");
  return name.substr(0, kMaxPart);
}

std::optional<ModelName> ModelName::parse(std::string_view text) {
  ModelName result;
  const std::size_t slash = text.rfind('/');
  const std::size_t colon = text.rfind(':');
  // A colon before the last slash is of the host's port, which a folder's name cannot have.
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    result.tag = text.substr(colon + 1);
    text = text.substr(0, colon);
  }
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (parts.size() > 3) return std::nullopt;
  result.name = parts.back();
  if (parts.size() > 1) result.user = parts[parts.size() - 2];
  if (parts.size() > 2) result.host = parts.front();
  for (const std::string* part : {&result.host, &result.user, &result.name, &result.tag}) {
    if (!is_plain_name(*part)) return std::nullopt;
  }
  return result;
}

std::string ModelName::tagged_text() const {
  const ModelName defaults;
  std::string prefix;
  if (host != defaults.host) {
    prefix = host + "/" + user + "/";
  } else if (user != defaults.user) {
    prefix = user + "/";
  }
  return prefix + name + ":" + tag;
}

std::string ModelName::text() const {
  constexpr std::string_view kLatest = ":latest";
  std::string result = tagged_text();
  if (result.ends_with(kLatest)) result.resize(result.size() - kLatest.size());
  return result;
}

std::optional<std::string> parse_digest(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  constexpr std::size_t kDigits = 64;
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (text.size() != kDigits || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  return std::string(text);
}

}  // namespace tq::server
