#include "named_templates.h"

#include <algorithm>
#include <iterator>

namespace tq::app {
namespace {

enum class Trims { kNothing, kAssistant, kAll };

// What stands round the words of each role. The texts are llama.cpp's (src/llama-chat.cpp), with which
// tests/server/test_named_templates.py compares them.
struct Format {
  std::string_view name;
  std::string_view user_begin, user_end;
  std::string_view assistant_begin, assistant_end;
  std::string_view system_begin, system_end;  // the latter ends the system's part of a turn, or its turn
  bool system_is_in_turn = false;             // the first words of the user's turn, behind user_begin
  Trims trims = Trims::kNothing;
  std::string_view before_later_turns = {};
};

constexpr Format kFormats[] = {
    {"chatml", "<|im_start|>user\n", "<|im_end|>\n", "<|im_start|>assistant\n", "<|im_end|>\n",
     "<|im_start|>system\n", "<|im_end|>\n"},
    {"deepseek", "### Instruction:\n", "\n", "### Response:\n", "\n<|EOT|>\n", "", ""},
    {"gemma", "<start_of_turn>user\n", "<end_of_turn>\n", "<start_of_turn>model\n", "<end_of_turn>\n", "",
     "\n\n", true, Trims::kAll},
    {"llama2", "[INST] ", " [/INST]", "", "</s>", "", "\n", true},
    {"llama2-sys", "[INST] ", " [/INST]", "", "</s>", "<<SYS>>\n", "\n<</SYS>>\n\n", true},
    {"llama2-sys-bos", "[INST] ", " [/INST]", "", "</s>", "<<SYS>>\n", "\n<</SYS>>\n\n", true,
     Trims::kNothing, "<s>"},
    {"llama2-sys-strip", "[INST] ", " [/INST]", "", "</s>", "<<SYS>>\n", "\n<</SYS>>\n\n", true, Trims::kAll},
    {"llama3", "<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>",
     "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>",
     "<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>", false, Trims::kAll},
    {"mistral-v1", " [INST] ", " [/INST]", " ", "</s>", "", "\n\n", true},
    {"mistral-v3", "[INST] ", "[/INST]", " ", "</s>", "", "\n\n", true, Trims::kAssistant},
    {"mistral-v3-tekken", "[INST]", "[/INST]", "", "</s>", "", "\n\n", true},
    {"mistral-v7", "[INST] ", "[/INST]", " ", "</s>", "[SYSTEM_PROMPT] ", "[/SYSTEM_PROMPT]"},
    {"mistral-v7-tekken", "[INST]", "[/INST]", "", "</s>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"},
    {"openchat", "GPT4 Correct User: ", "<|end_of_turn|>", "GPT4 Correct Assistant: ", "<|end_of_turn|>", "",
     "<|end_of_turn|>"},
    {"phi3", "<|user|>\n", "<|end|>\n", "<|assistant|>\n", "<|end|>\n", "<|system|>\n", "<|end|>\n"},
    {"phi4", "<|im_start|>user<|im_sep|>", "<|im_end|>", "<|im_start|>assistant<|im_sep|>", "<|im_end|>",
     "<|im_start|>system<|im_sep|>", "<|im_end|>"},
    {"vicuna", "USER: ", "\n", "ASSISTANT: ", "</s>\n", "", "\n\n"},
    {"vicuna-orca", "USER: ", "\n", "ASSISTANT: ", "</s>\n", "SYSTEM: ", "\n"},
    {"zephyr", "<|user|>\n", "<|endoftext|>\n", "<|assistant|>\n", "<|endoftext|>\n", "<|system|>\n",
     "<|endoftext|>\n"},
};

// A statement that writes the text.
std::string written(std::string_view text) {
  std::string literal = "{{ '";
  for (const char c : text) literal += c == '\n' ? "\\n" : std::string(1, c);
  return literal + "' }}";
}

std::string words(const Format& format, bool of_assistant) {
  const bool trims = format.trims == Trims::kAll || (format.trims == Trims::kAssistant && of_assistant);
  return trims ? "{{ message.content | trim }}" : "{{ message.content }}";
}

// Roles other than system and assistant (results of tools) are the user's. A system message that is in the
// user's turn has begun it.
std::string jinja(const Format& f) {
  const std::string begin_turn =
      "{% if not loop.first %}" + written(f.before_later_turns) + "{% endif %}" + written(f.user_begin);
  const std::string system_begin = f.system_is_in_turn ? begin_turn : "";
  const std::string user_begin =
      f.system_is_in_turn
          ? "{% if loop.first or loop.previtem.role != 'system' %}" + begin_turn + "{% endif %}"
          : begin_turn;
  // The generation prompt: the tokens of answers begin with their space.
  const std::string_view answer_begin =
      f.assistant_begin.substr(0, f.assistant_begin.find_last_not_of(' ') + 1);
  return "{% if add_bos_token %}{{ bos_token }}{% endif %}"
         "{% for message in messages %}{% if message.role == 'system' %}" +
         system_begin + written(f.system_begin) + words(f, false) + written(f.system_end) +
         "{% elif message.role == 'assistant' %}" + written(f.assistant_begin) + words(f, true) +
         written(f.assistant_end) + "{% else %}" + user_begin + words(f, false) + written(f.user_end) +
         "{% endif %}{% endfor %}{% if add_generation_prompt %}" + written(answer_begin) + "{% endif %}";
}

}  // namespace

std::string named_template(std::string_view name) {
  const auto* const found = std::ranges::find(kFormats, name, &Format::name);
  return found == std::end(kFormats) ? std::string() : jinja(*found);
}

std::vector<std::string> template_names() {
  std::vector<std::string> names;
  for (const Format& format : kFormats) names.emplace_back(format.name);
  return names;
}

}  // namespace tq::app
