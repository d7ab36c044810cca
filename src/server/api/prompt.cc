#include "server/api/prompt.h"

#include <algorithm>

#include "server/api/error.h"
#include "tq/utf8.h"

namespace tq::server {
namespace {

// Texts and tokens one after the other.
std::vector<Token> read_mixed(const Json& list, const Engine& engine) {
  std::vector<Token> tokens;
  bool begins = true;
  for (const Json& item : list) {
    if (item.is_string()) {
      const auto more = engine.encode(item.get<std::string>(), SpecialText::kParse, begins);
      tokens.insert(tokens.end(), more.begin(), more.end());
    } else {
      const auto token = read_token(item, engine);
      if (!token) refuse("a prompt of tokens has one that the model does not have.", "prompt");
      tokens.push_back(*token);
    }
    begins = false;
  }
  return tokens;
}

std::vector<Token> read_prompt(const Json& prompt, const Engine& engine) {
  if (prompt.is_string()) return read_mixed(Json::array({prompt}), engine);
  if (prompt.is_array()) return read_mixed(prompt, engine);
  if (!prompt.is_object())
    refuse("'prompt' has to be a text, a list of tokens, or a list of these.", "prompt");
  const Fields fields(prompt, "prompt.");
  if (const Json* const media = fields.array("multimodal_data"); media != nullptr && !media->empty())
    refuse("'prompt.multimodal_data': this server reads text alone; send no images.", "prompt");
  const auto text = fields.string("prompt_string");
  if (!text) refuse("'prompt.prompt_string' is missing.", "prompt");
  return read_mixed(Json::array({*text}), engine);
}

void append(const std::string& text, const Engine& engine, std::vector<Token>& prompt) {
  const auto tokens = engine.encode(text, SpecialText::kPlain, false);
  prompt.insert(prompt.end(), tokens.begin(), tokens.end());
}

// Files of a repository one after the other, as models with both markers have learnt them; without, as text.
// The names of what has none here are llama-server's.
void append_repository(const GapText& text, const Engine& engine, std::vector<Token>& prompt) {
  const FillMarkers& markers = engine.info().fill;
  const bool are_marked = markers.repository >= 0 && markers.file >= 0;
  if (are_marked) {
    prompt.push_back(markers.repository);
    append("myproject\n", engine, prompt);
  }
  for (const GapText::File& file : text.files) {
    if (are_marked) prompt.push_back(markers.file);
    append(file.name + "\n" + file.text, engine, prompt);
  }
  if (!are_marked) return;
  prompt.push_back(markers.file);
  append("filename\n", engine, prompt);
}

}  // namespace

std::optional<Token> read_token(const Json& value, const Engine& engine) {
  if (!value.is_number_integer()) return std::nullopt;
  const auto number = value.get<std::int64_t>();
  if (number < 0 || number >= engine.info().n_vocab) return std::nullopt;
  return static_cast<Token>(number);
}

std::vector<std::vector<Token>> read_prompts(const Json& prompt, const Engine& engine) {
  // A number makes a list one prompt; texts alone, or lists, are a prompt each.
  const bool is_list =
      prompt.is_array() && !prompt.empty() &&
      (std::ranges::none_of(prompt, &Json::is_number) || std::ranges::any_of(prompt, &Json::is_structured));
  if (!is_list) return {read_prompt(prompt, engine)};
  std::vector<std::vector<Token>> prompts;
  for (const Json& one : prompt) prompts.push_back(read_prompt(one, engine));
  return prompts;
}

std::vector<Token> fill_prompt(const GapText& text, const Engine& engine) {
  const FillMarkers& markers = engine.info().fill;
  if (!markers.are_there()) {
    throw ApiError{.status = 501,
                   .message =
                       "this model has no markers to fill a gap between two texts; use one that was "
                       "made for code.",
                   .type = "not_supported_error"};
  }
  std::vector<Token> prompt = engine.encode("", SpecialText::kPlain, true);  // BOS, where the model wants it
  if (text.is_in_repository) append_repository(text, engine, prompt);
  prompt.push_back(markers.prefix);
  append(text.before, engine, prompt);
  prompt.push_back(markers.suffix);
  append(text.after, engine, prompt);
  prompt.push_back(markers.middle);
  return prompt;
}

std::string text_of(const std::vector<Token>& tokens, const Engine& engine) {
  std::string text;
  Utf8Stream characters;
  for (const Token token : tokens) text += characters.push(engine.token_bytes(token, SpecialText::kParse));
  return text + characters.finish();
}

}  // namespace tq::server
