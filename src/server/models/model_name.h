// Names of models as Ollama has them: [HOST/][NAMESPACE/]NAME[:TAG]. They become paths, so each part is
// checked.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tq::server {

struct ModelName {
  std::string host = "registry.ollama.ai";
  std::string user = "library";
  std::string name = {};
  std::string tag = "latest";

  // Empty where the text is no name: too long, or of other characters than a file's name may safely have.
  static std::optional<ModelName> parse(std::string_view text);
  // Without what is understood: "llama3.2:1b", "hf.co/user/model:q4", and "smollm2" for its tag "latest".
  std::string text() const;
  std::string tagged_text() const;  // the same, always with its tag
  // HOST/NAMESPACE/NAME/TAG
  std::string path() const { return host + "/" + user + "/" + name + "/" + tag; }

  bool operator==(const ModelName&) const = default;
};

// Letters, digits, '_', '-' and '.', and neither '-' nor '.' in front: never a way to another folder.
bool is_plain_name(std::string_view part);
// Any file's name as such a part.
std::string plain_name_of(std::string_view file_name);

// "sha256:" and 64 hexadecimal digits: the digits; empty for anything else.
std::optional<std::string> parse_digest(std::string_view text);

}  // namespace tq::server
