// The list follows llama-server --help of 2026 (llama.cpp, tools/server/README.md).
#include "llama_environment.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace tq::app {
namespace {

// LLAMA_ARG_CTX_SIZE=4096 -> --ctx-size=4096
struct Setting {
  std::string_view variable, option;
  std::string_view instead = {};  // spellings on the command line that the variable would be added to
};

constexpr auto kSettings = std::to_array<Setting>({
    {"LLAMA_ARG_MODEL", "--model"},
    {"LLAMA_ARG_ALIAS", "--alias"},
    {"LLAMA_ARG_CTX_SIZE", "--ctx-size"},
    {"LLAMA_ARG_N_PREDICT", "--predict"},
    {"LLAMA_ARG_N_PARALLEL", "--parallel"},
    {"LLAMA_ARG_THREADS", "--threads"},
    {"LLAMA_ARG_SPEC_DRAFT_MODEL", "--model-draft"},
    {"LLAMA_ARG_CACHE_TYPE_K", "--cache-type-k"},
    {"LLAMA_ARG_CACHE_TYPE_V", "--cache-type-v"},
    {"LLAMA_ARG_HOST", "--host"},
    {"LLAMA_ARG_PORT", "--port"},
    {"LLAMA_ARG_TIMEOUT", "--timeout"},
    {"LLAMA_API_KEY", "--api-key", "--api-key"},
    {"LLAMA_ARG_API_KEY_FILE", "--api-key-file"},
    {"LLAMA_ARG_CORS_ORIGINS", "--cors-origins", "--cors-origins --cors"},
    {"LLAMA_ARG_MODELS_DIR", "--models-dir", "--models-dir --model-dir"},
    {"LLAMA_ARG_SLOT_SAVE_PATH", "--slot-save-path"},
    {"LLAMA_ARG_CHAT_TEMPLATE", "--chat-template"},
    {"LLAMA_ARG_CHAT_TEMPLATE_FILE", "--chat-template-file"},
    {"LLAMA_ARG_CHAT_TEMPLATE_KWARGS", "--chat-template-kwargs"},
    {"LLAMA_ARG_THINK", "--reasoning-format"},
    {"LLAMA_ARG_REASONING", "--reasoning"},
    {"LLAMA_ARG_REASONING_EFFORT", "--reasoning-effort"},
    {"LLAMA_ARG_THINK_BUDGET", "--reasoning-budget"},
    {"LLAMA_ARG_TEMPERATURE", "--temp"},
    {"LLAMA_ARG_TOP_K", "--top-k"},
    {"LLAMA_ARG_TOP_P", "--top-p"},
    {"LLAMA_ARG_MIN_P", "--min-p"},
    {"LLAMA_ARG_REPEAT_PENALTY", "--repeat-penalty"},
    {"LLAMA_ARG_PRESENCE_PENALTY", "--presence-penalty"},
    {"LLAMA_ARG_FREQUENCY_PENALTY", "--frequency-penalty"},
    {"LLAMA_ARG_LOG_FILE", "--log-file"},
    // Those that are refused, and some that many set and that mean nothing here.
    {"LLAMA_ARG_HF_REPO", "--hf-repo"},
    {"LLAMA_ARG_HF_FILE", "--hf-file"},
    {"LLAMA_ARG_MODEL_URL", "--model-url"},
    {"LLAMA_ARG_DOCKER_REPO", "--docker-repo"},
    {"LLAMA_ARG_MODELS_PRESET", "--models-preset"},
    {"LLAMA_ARG_SSL_KEY_FILE", "--ssl-key-file"},
    {"LLAMA_ARG_SSL_CERT_FILE", "--ssl-cert-file"},
    {"LLAMA_ARG_API_PREFIX", "--api-prefix"},
    {"LLAMA_ARG_STATIC_PATH", "--path"},
    {"LLAMA_ARG_TOOLS", "--tools"},
    {"LLAMA_ARG_MCP_SERVERS_CONFIG", "--mcp-servers-config"},
    {"LLAMA_ARG_MCP_SERVERS_JSON", "--mcp-servers-json"},
    {"LLAMA_ARG_POOLING", "--pooling"},
    {"LLAMA_ARG_ROPE_SCALING_TYPE", "--rope-scaling"},
    {"LLAMA_ARG_ROPE_SCALE", "--rope-scale"},
    {"LLAMA_ARG_ROPE_FREQ_BASE", "--rope-freq-base"},
    {"LLAMA_ARG_ROPE_FREQ_SCALE", "--rope-freq-scale"},
    {"LLAMA_ARG_YARN_ORIG_CTX", "--yarn-orig-ctx"},
    {"LLAMA_ARG_YARN_EXT_FACTOR", "--yarn-ext-factor"},
    {"LLAMA_ARG_YARN_ATTN_FACTOR", "--yarn-attn-factor"},
    {"LLAMA_ARG_YARN_BETA_SLOW", "--yarn-beta-slow"},
    {"LLAMA_ARG_YARN_BETA_FAST", "--yarn-beta-fast"},
    {"LLAMA_ARG_N_GPU_LAYERS", "--n-gpu-layers"},
    {"LLAMA_ARG_SPLIT_MODE", "--split-mode"},
    {"LLAMA_ARG_TENSOR_SPLIT", "--tensor-split"},
    {"LLAMA_ARG_MAIN_GPU", "--main-gpu"},
    {"LLAMA_ARG_DEVICE", "--device"},
    {"LLAMA_ARG_FLASH_ATTN", "--flash-attn"},
    {"LLAMA_ARG_BATCH", "--batch-size"},
    {"LLAMA_ARG_UBATCH", "--ubatch-size"},
    {"LLAMA_ARG_MMPROJ", "--mmproj"},
    {"LLAMA_ARG_CACHE_REUSE", "--cache-reuse"},
    {"LLAMA_ARG_CACHE_RAM", "--cache-ram"},
    {"LLAMA_ARG_MODELS_MAX", "--models-max"},
});

// LLAMA_ARG_ENDPOINT_METRICS=1 -> --metrics
struct Switch {
  std::string_view variable, on, off;  // options; empty: as it is anyway
  std::string_view instead = {};       // spellings on the command line that decide
};

constexpr auto kSwitches = std::to_array<Switch>({
    {"LLAMA_ARG_ENDPOINT_METRICS", "--metrics", ""},
    {"LLAMA_ARG_ENDPOINT_SLOTS", "--slots", "--no-slots", "--slots --no-slots"},
    {"LLAMA_ARG_UI", "", "--no-web", "--ui --webui --no-ui --no-web --no-webui"},
    {"LLAMA_ARG_SWA_FULL", "--swa-full", ""},
    {"LLAMA_ARG_LOG_JSONL", "--log-jsonl", ""},
    {"LLAMA_ARG_RERANKING", "--reranking", ""},
    {"LLAMA_ARG_REUSE_PORT", "--reuse-port", ""},
    {"LLAMA_ARG_AGENT", "--agent", ""},
    {"LLAMA_ARG_UI_MCP_PROXY", "--ui-mcp-proxy", ""},
    {"LLAMA_ARG_CACHE_PROMPT", "", "--no-cache-prompt"},
    {"LLAMA_ARG_CONTEXT_SHIFT", "--context-shift", ""},
});

std::string value_of(std::string_view variable) {
  const std::string name(variable);
  const char* const value =
      std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): before there are threads
  return value == nullptr ? "" : value;
}

std::optional<bool> is_on(std::string_view text) {
  constexpr auto kOn = std::to_array<std::string_view>({"1", "on", "true", "enabled"});
  constexpr auto kOff = std::to_array<std::string_view>({"0", "off", "false", "disabled"});
  if (std::ranges::find(kOn, text) != kOn.end()) return true;
  return std::ranges::find(kOff, text) != kOff.end() ? std::optional(false) : std::nullopt;
}

// Whether one of the options, which are parted by spaces, is among the words: --name or --name=value.
bool is_given(std::string_view options, const std::vector<std::string>& words) {
  while (!options.empty()) {
    const std::size_t end = std::min(options.find(' '), options.size());
    const std::string_view name = options.substr(0, end);
    const bool is_there = std::ranges::any_of(
        words, [name](std::string_view word) { return word.substr(0, word.find('=')) == name; });
    if (is_there) return true;
    options.remove_prefix(std::min(end + 1, options.size()));
  }
  return false;
}

}  // namespace

Expected<std::vector<std::string>> llama_environment_words(const std::vector<std::string>& given,
                                                           std::vector<std::string>& names) {
  std::vector<std::string> words;
  for (const Setting& setting : kSettings) {
    const std::string value = value_of(setting.variable);
    if (value.empty() || is_given(setting.instead, given)) continue;
    names.emplace_back(setting.variable);
    words.push_back(std::string(setting.option) + "=" + value);
  }
  for (const Switch& one : kSwitches) {
    const std::string value = value_of(one.variable);
    if (value.empty() || is_given(one.instead, given)) continue;
    const auto on = is_on(value);
    if (!on)
      return Error{ErrorCode::kBadArgument,
                   std::string(one.variable) + "=" + value + " has to be on or off."};
    names.emplace_back(one.variable);
    const std::string_view option = *on ? one.on : one.off;
    if (!option.empty()) words.emplace_back(option);
  }
  return words;
}

}  // namespace tq::app
