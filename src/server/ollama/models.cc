// GET /api/tags and POST /api/show
#include "server/ollama/endpoints.h"
#include "server/ollama/format.h"
#include "tq/tool_calls.h"

namespace tq::server::ollama {
namespace {

std::string time_of(const StoredModel& model) {
  return iso_time(std::chrono::system_clock::time_point(std::chrono::seconds(model.modified)));
}

Json capabilities(const ModelFacts& facts, const std::string& path) {
  Json list = {"completion", "embedding"};
  if (fills_gaps(path)) list.push_back("insert");
  const AnswerFormat format = detect_answer_format(facts.chat_template);
  if (format.template_lists_tools) list.push_back("tools");
  if (!format.reasoning_open.empty()) list.push_back("thinking");
  return list;
}

// A Modelfile's text in quotes.
std::string in_quotes(const std::string& text) { return "\"\"\"" + text + "\"\"\""; }

// "temperature 0.5", a line an option, as Ollama shows them.
std::string parameter_lines(const StoredModel& model) {
  if (model.params.empty()) return "";
  const auto params = try_parse(model.params);
  if (!params || !params->is_object()) return "";
  std::string lines;
  for (const auto& [key, value] : params->items()) {
    for (const Json& one : value.is_array() ? value : Json::array({value})) {
      lines += (lines.empty() ? "" : "\n") + key + " " + dump(one);
    }
  }
  return lines;
}

std::string modelfile(const StoredModel& model, const std::string& chat_template,
                      const std::string& parameters) {
  std::string text = "FROM " + model.path + "\nTEMPLATE " + in_quotes(chat_template) + "\n";
  if (!model.system.empty()) text += "SYSTEM " + in_quotes(model.system) + "\n";
  for (std::size_t begin = 0; begin < parameters.size();) {
    const std::size_t end = std::min(parameters.find('\n', begin), parameters.size());
    text += "PARAMETER " + parameters.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  if (!model.license.empty()) text += "LICENSE " + in_quotes(model.license) + "\n";
  const auto messages = try_parse(model.messages);
  for (const Json& message : messages && messages->is_array() ? *messages : Json::array()) {
    if (!message.is_object()) continue;
    text += "MESSAGE " + message.value("role", "") + " " + in_quotes(message.value("content", "")) + "\n";
  }
  return text;
}

}  // namespace

http::Response list_models(ModelPool& pool, const http::Request& /*request*/) {
  Json models = Json::array();
  for (const StoredModel& model : pool.list()) {
    const auto facts = pool.catalog().facts(model.path);
    const std::string name = model.name.tagged_text();
    models.push_back({{"name", name},
                      {"model", name},
                      {"modified_at", time_of(model)},
                      {"size", model.size},
                      {"digest", model.digest},
                      {"details", facts ? details_json(*facts) : Json::object()}});
  }
  return {.body = dump({{"models", std::move(models)}})};
}

http::Response show_model(ModelPool& pool, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  const StoredModel model = find_or_throw(pool, model_name(fields));
  const ModelFacts facts = value_or_throw(pool.catalog().facts(model.path));
  const std::string& text = model.template_text.empty() ? facts.chat_template : model.template_text;
  const std::string parameters = parameter_lines(model);
  const bool is_verbose = fields.boolean("verbose").value_or(false);
  Json info = Json::parse(is_verbose ? value_or_throw(whole_metadata(model.path)) : facts.metadata_json);
  info["general.parameter_count"] = facts.n_params;
  Json json = {{"modelfile", modelfile(model, text, parameters)},
               {"template", text},
               {"details", details_json(facts)},
               {"model_info", std::move(info)},
               {"capabilities", capabilities(facts, model.path)},
               {"modified_at", time_of(model)}};
  if (!parameters.empty()) json["parameters"] = parameters;
  if (!model.license.empty()) json["license"] = model.license;
  if (!model.system.empty()) json["system"] = model.system;
  if (const auto messages = try_parse(model.messages); messages && messages->is_array())
    json["messages"] = *messages;
  return {.body = dump(json)};
}

}  // namespace tq::server::ollama
