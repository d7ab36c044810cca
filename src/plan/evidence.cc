#include "plan/evidence.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tq/cache_plan.h"

namespace tq::plan {
namespace {

using Json = nlohmann::json;

constexpr const char* kFormat = "turboquant-eval-report-1";
constexpr std::uintmax_t kMaxReportBytes = std::uintmax_t{16} << 20;

// value/at/path as T; nothing when it is missing or of another type.
template <class T>
std::optional<T> value_at(const Json& json, const char* path) {
  const Json::json_pointer pointer(path);
  if (!json.contains(pointer)) return std::nullopt;
  const Json& value = json.at(pointer);
  if constexpr (std::is_same_v<T, std::string>) {
    if (!value.is_string()) return std::nullopt;
  } else {
    if (!value.is_number()) return std::nullopt;
  }
  return value.get<T>();
}

bool is_of(const Json& report, const ModelIdentity& model) {
  return value_at<std::string>(report, "/format") == kFormat &&
         value_at<std::string>(report, "/facts/model") == model.name &&
         value_at<std::string>(report, "/facts/architecture") == model.architecture &&
         value_at<std::int64_t>(report, "/facts/parameters") == model.n_params &&
         value_at<std::string>(report, "/facts/baseline") == "K f16, V f16";
}

std::string read_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error || size > kMaxReportBytes) return "";
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

bool Evidence::add_report(std::string_view json, const ModelIdentity& model) {
  const Json report = Json::parse(json, nullptr, false);
  if (!report.is_object() || !is_of(report, model)) return false;
  const bool is_no_go = report.contains("go") && report.at("go") == false;
  const auto tested = value_at<std::string>(report, "/facts/tested").value_or("");
  if (!report.contains("gates") || !report.at("gates").is_array()) return true;
  for (const Json& gate : report.at("gates")) {
    const auto name = value_at<std::string>(gate, "/gate");
    const auto mean = value_at<double>(gate, "/numbers/mean");
    const auto top1 = value_at<double>(gate, "/numbers/top1");
    if (name == "kld" && mean && top1) {
      add(tested, {*mean, *top1, value_at<std::int64_t>(gate, "/numbers/tokens").value_or(0), is_no_go});
    }
    if (name != "matrix" || !gate.contains(Json::json_pointer("/numbers/pairs"))) continue;
    for (const Json& pair : gate.at("numbers").at("pairs")) {
      if (!pair.is_object()) continue;
      const auto k = value_at<std::string>(pair, "/k");
      const auto v = value_at<std::string>(pair, "/v");
      const auto kld = value_at<double>(pair, "/kld");
      if (k && v && kld) {
        add("K " + *k + ", V " + *v, {*kld, value_at<double>(pair, "/top1").value_or(0), 0, false});
      }
    }
  }
  return true;
}

void Evidence::add(const std::string& description, const Measured& measured) {
  const auto [place, is_new] = caches_.emplace(description, measured);
  if (is_new) return;
  const bool is_no_go = place->second.is_no_go || measured.is_no_go;
  if (measured.n_tokens >= place->second.n_tokens) place->second = measured;
  place->second.is_no_go = is_no_go;
}

void Evidence::add_folder(const std::string& folder, const ModelIdentity& model) {
  std::vector<std::filesystem::path> reports = {std::filesystem::path(folder) / "report.json"};
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    reports.push_back(entry.path() / "report.json");
  }
  std::ranges::sort(reports);
  for (const auto& path : reports) {
    if (std::filesystem::is_regular_file(path, ignored)) add_report(read_file(path), model);
  }
}

const Measured* Evidence::find(const std::string& description) const {
  const auto found = caches_.find(description);
  return found == caches_.end() ? nullptr : &found->second;
}

}  // namespace tq::plan
