// Chat templates behind pipes, for the Python oracle test.
//
//   render_main < requests > answers
//
// A request is a line of JSON: {"template", "variables", "add_generation_prompt", "bos_token", "eos_token"},
// of which only the first must be there. Its answer is a line of JSON: {"segments": [[text, is it plain?],
// ...]} or {"error"}.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "tokenizer/chat_template.h"

namespace {

using Json = nlohmann::ordered_json;

Json answer(const Json& request) {
  const auto parsed = tq::ChatTemplate::parse(request.at("template").get<std::string>());
  if (!parsed) return {{"error", parsed.error().message}};
  const std::string bos = request.value("bos_token", ""), eos = request.value("eos_token", "");
  const std::string variables = request.contains("variables") ? request["variables"].dump() : "";
  const auto rendered =
      parsed->render({.messages = {},
                      .add_generation_prompt = request.value("add_generation_prompt", false),
                      .bos_token = bos,
                      .eos_token = eos,
                      .variables = variables});
  if (!rendered) return {{"error", rendered.error().message}};
  Json segments = Json::array();
  for (const tq::TextSegment& segment : *rendered) {
    segments.push_back({segment.text, segment.special == tq::SpecialText::kPlain});
  }
  return {{"segments", std::move(segments)}};
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const Json reply = answer(Json::parse(line));
    std::cout << reply.dump(-1, ' ', true, Json::error_handler_t::replace) << '\n';
  }
  return 0;
}
