// A profile -> the server that it means. Everything that is wrong is found in one go, each with its line.
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <initializer_list>
#include <optional>

#include "server/profile/command_words.h"
#include "server/profile/endpoint.h"
#include "tq/codec.h"
#include "tq/server_profile.h"

namespace tq {
namespace server {
namespace {

constexpr std::int64_t kMinContext = 8192;
constexpr std::int64_t kMaxLayerAdaptive = 7;
constexpr const char* kLayerVariable = "TURBO_LAYER_ADAPTIVE";

std::optional<std::int64_t> whole(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Of a command line: the last value of an option by any of its names.
std::optional<std::string> value_of(const std::vector<std::string>& words,
                                    std::initializer_list<std::string_view> names) {
  std::optional<std::string> value;
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (const std::string_view name : names) {
      if (words[i] == name && i + 1 < words.size()) value = words[i + 1];
      if (name.starts_with("--") && words[i].starts_with(std::string(name) + "="))
        value = words[i].substr(name.size() + 1);
    }
  }
  return value;
}

class ProfileReader {
 public:
  explicit ProfileReader(const std::string& name) : name_(name) {}

  ServerProfile read(const std::string& yaml) {
    try {  // yaml-cpp throws on what is no YAML
      const YAML::Node root = YAML::Load(yaml);
      if (const auto primary = primary_of(root)) read_primary(*primary);
    } catch (const YAML::Exception& e) {
      problem(e.mark.line + 1, "it is not readable as YAML (" + e.msg + "); correct it there");
    }
    return std::move(result_);
  }

 private:
  void problem(int line, const std::string& text) {
    result_.problems.push_back(name_ + ":" + std::to_string(line) + ": " + text + ".");
  }
  void note(int line, const std::string& text) {
    result_.notes.push_back(name_ + ":" + std::to_string(line) + ": " + text + ".");
  }
  static int line_of(const YAML::Node& node) { return node.Mark().line + 1; }

  // A member that has to be there. `example` is what could be written.
  std::optional<YAML::Node> member(const YAML::Node& map, const std::string& path, const std::string& name,
                                   const std::string& example) {
    const YAML::Node node = map[name];
    if (node.IsDefined() && !node.IsNull()) return node;
    problem(node.IsDefined() ? line_of(node) : line_of(map),
            "'" + path + name + "' is missing; add `" + example + "`");
    return std::nullopt;
  }
  std::optional<YAML::Node> section(const YAML::Node& map, const std::string& path, const std::string& name,
                                    const std::string& example) {
    auto node = member(map, path, name, example);
    if (!node || node->IsMap()) return node;
    problem(line_of(*node), "'" + path + name + "' is no section; write `" + example + "`");
    return std::nullopt;
  }
  std::optional<std::string> text(const YAML::Node& map, const std::string& path, const std::string& name,
                                  const std::string& example) {
    const auto node = member(map, path, name, example);
    if (!node) return std::nullopt;
    if (node->IsScalar()) return node->Scalar();
    problem(line_of(*node), "'" + path + name + "' is no text; write `" + example + "`");
    return std::nullopt;
  }

  std::optional<YAML::Node> primary_of(const YAML::Node& root) {
    if (!root.IsMap()) {
      problem(1, "the profile is no map of sections; begin it with `providers:`");
      return std::nullopt;
    }
    const auto providers = section(root, "", "providers", "providers: {primary: ...}");
    if (!providers) return std::nullopt;
    return section(*providers, "providers.", "primary", "primary: {endpoint: ...}");
  }

  void read_primary(const YAML::Node& primary) {
    read_endpoint(primary);
    if (const auto turboquant =
            section(primary, kPath, "turboquant", "turboquant: {enabled: true, kv_type: turbo4}"))
      read_turboquant(*turboquant);
    if (const auto context = section(primary, kPath, "context", "context: {max_tokens: 32768}"))
      read_context(*context);
    if (const YAML::Node model = primary["model"]; model.IsDefined() && model.IsScalar())
      model_ = model.Scalar();
    read_command(primary);
  }

  void read_endpoint(const YAML::Node& primary) {
    const std::string example = "endpoint: http://127.0.0.1:8080";
    const auto url = text(primary, kPath, "endpoint", example);
    if (url) {
      auto endpoint = parse_endpoint(*url);
      if (endpoint) {
        endpoint_ = *std::move(endpoint);
      } else {
        problem(line_of(primary["endpoint"]), "the endpoint '" + *url + "' " + endpoint.error().message);
      }
    }
    const auto api = text(primary, kPath, "api_path", "api_path: /v1/chat/completions");
    if (!api || !endpoint_) return;
    const std::string path = endpoint_->path + *api;
    if (path == "/v1/chat/completions" || path == "/chat/completions") return;
    problem(line_of(primary["api_path"]),
            "endpoint and api_path make the path '" + path +
                "', which the server does not have; write `api_path: /v1/chat/completions` and an endpoint "
                "without a path");
  }

  void read_turboquant(const YAML::Node& section_) {
    const std::string path = std::string(kPath) + "turboquant.";
    const auto enabled = text(section_, path, "enabled", "enabled: true");
    bool is_enabled = false;
    if (enabled && !(YAML::convert<bool>::decode(section_["enabled"], is_enabled) && is_enabled)) {
      problem(line_of(section_["enabled"]),
              "turboquant.enabled is '" + *enabled +
                  "', and a server of an uncompressed cache is not what a profile "
                  "starts; write `enabled: true`");
    }
    if (const auto type = text(section_, path, "kv_type", "kv_type: turbo4")) {
      const auto known = parse_kv_type(*type);
      if (known && is_turbo(*known)) {
        kv_type_ = *type;
      } else {
        problem(line_of(section_["kv_type"]),
                "'" + *type +
                    "' is no TurboQuant type; write `kv_type: turbo4` (or turbo35, turbo3, turbo25, turbo2)");
      }
    }
    if (const YAML::Node layers = section_["layer_adaptive"]; layers.IsDefined())
      set_layers(layers.IsScalar() ? layers.Scalar() : "", line_of(layers), "turboquant.layer_adaptive");
    constexpr std::array<std::string_view, 3> kKnown = {"enabled", "kv_type", "layer_adaptive"};
    for (const auto& entry : section_) {
      const std::string& key = entry.first.Scalar();
      if (std::ranges::find(kKnown, key) != kKnown.end()) continue;
      note(line_of(entry.first),
           "'turboquant." + key +
               "' is not known here and changes nothing; enabled, kv_type and layer_adaptive are");
    }
  }

  void set_layers(const std::string& value, int line, const std::string& what) {
    const auto number = whole(value);
    if (!number || *number < 0 || *number > kMaxLayerAdaptive) {
      problem(line, what + " is '" + value + "'; it has to be a preset from 0 to 7 (0: none)");
    } else if (layers_ && *layers_ != *number) {
      problem(line, what + " is " + value + ", but " + std::to_string(*layers_) +
                        " elsewhere in the profile; keep one of them");
    } else {
      layers_ = number;
    }
  }

  void read_context(const YAML::Node& section_) {
    const std::string path = std::string(kPath) + "context.";
    const auto value = text(section_, path, "max_tokens", "max_tokens: 32768");
    if (!value) return;
    max_tokens_ = whole(*value);
    if (max_tokens_ && *max_tokens_ >= kMinContext) return;
    problem(line_of(section_["max_tokens"]),
            "context.max_tokens is '" + *value + "'; an agent needs at least " + std::to_string(kMinContext));
    max_tokens_.reset();
  }

  void read_command(const YAML::Node& primary) {
    const auto node =
        member(primary, kPath, "server_command", "server_command: turboquant serve -m model.gguf");
    if (!node) return;
    result_.command_line = line_of(*node);
    ServerCommand command;
    if (node->IsSequence()) {
      for (const YAML::Node& word : *node) command.words.push_back(word.IsScalar() ? word.Scalar() : "");
    } else {
      auto parsed = parse_server_command(node->IsScalar() ? node->Scalar() : "");
      if (!parsed) return command_problem(parsed.error().message);
      command = *std::move(parsed);
    }
    for (const auto& [variable, value] : command.environment) {
      if (variable == kLayerVariable) {
        set_layers(value, result_.command_line, kLayerVariable);
      } else {
        command_problem("sets " + variable + ", which changes nothing here; remove it");
      }
    }
    if (take_program(command.words)) compare(std::move(command.words));
  }

  void command_problem(const std::string& text) { problem(result_.command_line, "server_command " + text); }

  bool take_program(std::vector<std::string>& words) {
    const std::string program = words.empty() ? "" : std::filesystem::path(words.front()).filename().string();
    const bool is_ours = program == "turboquant" && words.size() > 1 && words[1] == "serve";
    if (!is_ours && program != "llama-server") {
      command_problem(
          "does not start `turboquant serve` (or llama-server, whose options have the same names)");
      return false;
    }
    words.erase(words.begin(), words.begin() + (is_ours ? 2 : 1));
    return true;
  }

  // The command's options beside what the profile says elsewhere; what it leaves out is added.
  void compare(std::vector<std::string> words) {
    if (!value_of(words, {"-m", "--model"})) command_problem("names no model; add `-m model.gguf`");
    compare_cache(words);
    compare_address(words);
    const auto layers = value_of(words, {"--layer-adaptive"});
    if (layers) {
      set_layers(*layers, result_.command_line, "--layer-adaptive");
    } else if (layers_) {
      words.insert(words.end(), {"--layer-adaptive", std::to_string(*layers_)});
    }
    if (!model_.empty() && !value_of(words, {"-a", "--alias"})) words.insert(words.end(), {"-a", model_});
    result_.arguments = std::move(words);
  }

  void compare_cache(std::vector<std::string>& words) {
    if (!kv_type_.empty()) {
      const auto keys = value_of(words, {"-ctk", "--cache-type-k"});
      const auto values = value_of(words, {"-ctv", "--cache-type-v"});
      // Keys may have more bits than the values: some models need it.
      const bool is_better = keys == "f16" || keys == "q8_0";
      if (keys && *keys != kv_type_ && !is_better)
        command_problem("has -ctk " + *keys + ", but kv_type is " + kv_type_ + "; make them the same");
      if (values && *values != kv_type_)
        command_problem("has -ctv " + *values + ", but kv_type is " + kv_type_ + "; make them the same");
      if (!keys) words.insert(words.end(), {"-ctk", kv_type_});
      if (!values) words.insert(words.end(), {"-ctv", kv_type_});
    }
    if (!max_tokens_) return;
    const std::string wanted = std::to_string(*max_tokens_);
    const auto context = value_of(words, {"-c", "--ctx-size"});
    if (!context) {
      words.insert(words.end(), {"-c", wanted});
    } else if (const auto n = whole(*context); n && *n < *max_tokens_ && *n != 0) {
      command_problem("has -c " + *context + ", less than context.max_tokens; write `-c " + wanted + "`");
    }
  }

  void compare_address(std::vector<std::string>& words) {
    if (!endpoint_) return;
    if (endpoint_->is_tls) {
      note(result_.command_line,
           "the endpoint is https and the server speaks http: a proxy has to stand between");
      return;
    }
    const std::string port = std::to_string(endpoint_->port);
    const auto told = value_of(words, {"--port"});
    if (!told) words.insert(words.end(), {"--port", port});
    if (told && *told != port) {
      command_problem("has --port " + *told + ", but the endpoint has " + port + "; make them the same");
    }
    const std::string address = endpoint_->address();
    const auto host = value_of(words, {"--host"});
    if (!host && address.empty()) {
      command_problem("has no --host, and the endpoint's name '" + endpoint_->host +
                      "' does not say where to listen; add `--host ADDRESS`");
    } else if (!host) {
      words.insert(words.end(), {"--host", address});
    } else if (const bool is_any = *host == "0.0.0.0" || *host == "::";
               !is_any && !address.empty() && *host != address && *host != endpoint_->host) {
      command_problem("listens on " + *host + ", where an agent that asks " + endpoint_->host +
                      " finds nobody; make them the same");
    }
  }

  static constexpr const char* kPath = "providers.primary.";

  const std::string& name_;
  ServerProfile result_;
  std::optional<Endpoint> endpoint_;
  std::string kv_type_;
  std::string model_;
  std::optional<std::int64_t> max_tokens_;
  std::optional<std::int64_t> layers_;
};

}  // namespace
}  // namespace server

ServerProfile read_server_profile(const std::string& yaml, const std::string& name) {
  return server::ProfileReader(name).read(yaml);
}

}  // namespace tq
