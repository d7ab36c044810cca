// The ten prompts that the baseline and the tested cache both answer, and what can be checked of an answer
// without a person.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tq::eval {

struct AnswerCheck {
  const char* name;
  bool (*holds)(std::string_view answer);
};

struct Prompt {
  const char* subject;
  bool has_filler = false;          // {filler} in the first message stands for a long text
  std::vector<std::string> turns;   // what the user says, one after another
  std::vector<AnswerCheck> checks;  // of the last answer
};

const std::vector<Prompt>& ten_prompts();

}  // namespace tq::eval
