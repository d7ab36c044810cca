// What `turboquant edge --json` prints; docs/schemas/edge.json describes it.
#include <nlohmann/json.hpp>

#include "edge.h"

namespace tq::app {
namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json resource_json(const edge::Resource& entry) {
  return {{"country", entry.country},
          {"kind", entry.is_emergency ? "emergency" : "line"},
          {"name", entry.name},
          {"phone", text_or_null(entry.phone)},
          {"text", text_or_null(entry.text)},
          {"hours", text_or_null(entry.hours)},
          {"languages", entry.languages},
          {"source", entry.source},
          {"recorded", entry.recorded},
          {"verified", text_or_null(entry.verified)},
          {"note", text_or_null(entry.note)}};
}

Json list_json(const std::vector<edge::Resource>& entries) {
  Json list = Json::array();
  for (const edge::Resource& entry : entries) list.push_back(resource_json(entry));
  return list;
}

Json interval_json(std::int64_t hits, std::int64_t n) {
  if (n == 0) return nullptr;
  const edge::Interval interval = edge::confidence_interval(hits, n);
  return {interval.low, interval.high};
}

// A share of nothing is unknown.
Json share_json(double share, std::int64_t n) { return n == 0 ? Json(nullptr) : Json(share); }

Json counts_json(const edge::Counts& counts) {
  return {{"true_positives", counts.true_positives},
          {"false_negatives", counts.false_negatives},
          {"false_positives", counts.false_positives},
          {"true_negatives", counts.true_negatives},
          {"recall", share_json(counts.recall(), counts.risks())},
          {"precision", share_json(counts.precision(), counts.alarms())},
          {"f1", share_json(counts.f1(), counts.risks() + counts.alarms())},
          {"false_alarm_rate", share_json(counts.false_alarm_rate(), counts.harmless())},
          {"recall_interval", interval_json(counts.true_positives, counts.risks())},
          {"precision_interval", interval_json(counts.true_positives, counts.alarms())},
          {"false_alarm_interval", interval_json(counts.false_positives, counts.harmless())}};
}

Json samples_json(const std::vector<edge::Sample>& samples) {
  Json list = Json::array();
  for (const edge::Sample& sample : samples) {
    list.push_back({{"class", sample.kind}, {"language", sample.language}, {"text", sample.text}});
  }
  return list;
}

Json split_json(const edge::Evaluation& evaluation, bool lists) {
  Json json = counts_json(evaluation.total);
  json["rules"] = counts_json(evaluation.rules);
  for (const auto& [key, groups] :
       {std::pair("by_class", &evaluation.by_kind), std::pair("by_language", &evaluation.by_language)}) {
    json[key] = Json::object();
    for (const auto& [name, counts] : *groups) json[key][name] = counts_json(counts);
  }
  if (lists) {
    json["missed"] = samples_json(evaluation.missed);
    json["false_alarms"] = samples_json(evaluation.false_alarms);
  }
  return json;
}

std::string printed(const Json& json) {
  // Messages and files may be any bytes.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string screening_json(const edge::Screening& screening, const std::optional<edge::Judgement>& judgement,
                           const edge::Resources& resources, const EdgeOptions& options) {
  Json signs = Json::array();
  for (const edge::Sign& sign : screening.signs) {
    signs.push_back({{"level", edge::level_name(sign.level)},
                     {"words", sign.words},
                     {"rule", sign.rule},
                     {"language", sign.language},
                     {"denied", sign.is_denied}});
  }
  const std::string country = country_of(options);
  Json json = {{"level", edge::level_name(screening.level)},
               {"help", screening.needs_help()},
               {"reason", text_or_null(screening.reason)},
               {"signs", signs},
               {"hint", screening.hint ? Json(*screening.hint) : Json(nullptr)},
               {"model", nullptr},
               {"country", text_or_null(country)},
               {"help_text", nullptr},
               {"resources", Json::array()}};
  if (judgement) {
    json["model"] = {{"danger", judgement->sees_danger},
                     {"score", judgement->problem.empty() ? Json(judgement->score) : Json(nullptr)},
                     {"threshold", options.judge.threshold},
                     {"problem", text_or_null(judgement->problem)}};
  }
  if (screening.needs_help()) {
    json["help_text"] = edge::help_text(screening, resources, {.country = country});
    json["resources"] = list_json(resources.of(country, screening.level == edge::Level::kCrisis));
  }
  return printed(json);
}

std::string resources_json(const edge::Resources& resources, const std::vector<edge::Resource>& entries) {
  return printed({{"format", "turboquant-edge-resources"},
                  {"version", 1},
                  {"note", resources.note()},
                  {"entries", list_json(entries)}});
}

std::string evaluation_json(const std::vector<NamedEvaluation>& evaluations, const EdgeOptions& options) {
  Json json = {{"data", options.data ? *options.data : std::string("built-in")},
               {"model", options.model ? Json(*options.model) : Json(nullptr)}};
  for (const auto& [name, evaluation] : evaluations) json[name] = split_json(evaluation, options.list);
  return printed(json);
}

}  // namespace tq::app
