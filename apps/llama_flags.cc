// The list follows llama-server --help of 2026 (llama.cpp, tools/server/README.md).
#include "llama_flags.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "console.h"
#include "llama_environment.h"

namespace tq::app {
namespace {

enum class Value : std::uint8_t {
  kNone,
  kOne,
  kSwitch,  // on, off or auto, which may be left out
};
enum class Verdict : std::uint8_t {
  kIgnored,  // `why` is the note
  kRefused,  // unless its value is `neutral`
  kRenamed,  // to `why`
  kDefault,  // of ours: left out when its value is `neutral`
};

struct Group {
  std::string_view names;
  Value value;
  Verdict verdict;
  std::string_view why;
  std::string_view neutral = {};
};

constexpr std::string_view kCpu = "models run on the processor";
constexpr std::string_view kThreads = "-t sets all threads, and where they run is not chosen";
constexpr std::string_view kPages = "prompts share whatever is in the cache, page by page";
constexpr std::string_view kGuesses =
    "how many guesses a pass checks follows from how many requests there are; answers are the same";
constexpr std::string_view kNoDownload =
    "nothing is loaded from the network; download the file, and give it with -m";
constexpr std::string_view kNoImages = "images are not read, and requests with one are refused";
constexpr std::string_view kRope = "positions are always computed as the model's file says";
constexpr std::string_view kLog =
    "the log has a line a request; --log-format json, --log-disable and --log-file are there";
constexpr std::string_view kPerRequest = "it is not an option of the server; say it in a request";

constexpr auto kGroups = std::to_array<Group>({
    // The machine.
    {"-ngl --gpu-layers --n-gpu-layers -sm --split-mode -ts --tensor-split -mg --main-gpu -dev --device -ot "
     "--override-tensor -ncmoe --n-cpu-moe -ncffn --n-cpu-ffn --rpc",
     Value::kOne, Verdict::kIgnored, kCpu},
    {"-cmoe --cpu-moe -kvo --kv-offload -nkvo --no-kv-offload --op-offload --no-op-offload --no-host",
     Value::kNone, Verdict::kIgnored, kCpu},
    {"-fit --fit", Value::kSwitch, Verdict::kIgnored,
     "-ctk auto -ctv auto -c auto fit the cache to the memory"},
    {"-fitt --fit-target -fitc --fit-ctx", Value::kOne, Verdict::kIgnored,
     "-ctk auto -ctv auto -c auto fit the cache to the memory"},
    {"-tb --threads-batch -C --cpu-mask -Cr --cpu-range --cpu-strict --prio --poll -Cb --cpu-mask-batch -Crb "
     "--cpu-range-batch --cpu-strict-batch --prio-batch --poll-batch --threads-http --numa",
     Value::kOne, Verdict::kIgnored, kThreads},
    {"--mlock", Value::kNone, Verdict::kIgnored, "memory is not locked"},
    {"--mmap --no-mmap -dio --direct-io -ndio --no-direct-io --repack -nr --no-repack --check-tensors",
     Value::kNone, Verdict::kIgnored, "files are read in one way, and checked"},
    {"-lm --load-mode -lzm --lazy-mode", Value::kOne, Verdict::kIgnored,
     "files are read in one way, and checked"},
    // Computing.
    {"-fa --flash-attn", Value::kSwitch, Verdict::kIgnored, "attention never stores its whole matrix"},
    {"-b --batch-size -ub --ubatch-size", Value::kOne, Verdict::kIgnored, "the size of a pass is not chosen"},
    {"-cb --cont-batching -nocb --no-cont-batching --warmup --no-warmup --perf --no-perf --verbose-prompt",
     Value::kNone, Verdict::kIgnored, "requests are computed together as they come"},
    {"-kvu --kv-unified -no-kvu --no-kv-unified --cache-idle-slots --no-cache-idle-slots "
     "--cache-prompt",
     Value::kNone, Verdict::kIgnored, kPages},
    {"-cram --cache-ram -ctxcp --ctx-checkpoints --swa-checkpoints -cms --checkpoint-min-step --cache-reuse "
     "--kv-unified-per-slot -dt --defrag-thold -sps --slot-prompt-similarity",
     Value::kOne, Verdict::kIgnored, kPages},
    {"--no-cache-prompt", Value::kNone, Verdict::kIgnored, "\"cache_prompt\": false in a request does that"},
    {"--no-context-shift", Value::kNone, Verdict::kIgnored, "an answer ends where the context is full"},
    {"--context-shift", Value::kNone, Verdict::kIgnored, "an answer ends where the context is full"},
    {"--keep", Value::kOne, Verdict::kIgnored, "an answer ends where the context is full"},
    {"--spec-draft-model", Value::kOne, Verdict::kRenamed, "--draft-model"},
    {"--spec-draft-p-min", Value::kOne, Verdict::kRenamed, "--draft-p-min"},
    {"--draft --draft-n --draft-max --spec-draft-n-max --draft-min --draft-n-min --spec-draft-n-min "
     "--draft-p-split -ctkd --cache-type-k-draft --spec-draft-type-k -ctvd --cache-type-v-draft "
     "--spec-draft-type-v -ngld --gpu-layers-draft --n-gpu-layers-draft --spec-draft-ngl -devd "
     "--device-draft "
     "-cd --ctx-size-draft -td --threads-draft -tbd --threads-batch-draft",
     Value::kOne, Verdict::kIgnored, kGuesses},
    {"-lcs --lookup-cache-static -lcd --lookup-cache-dynamic --spec-type", Value::kOne, Verdict::kIgnored,
     "--lookup guesses from the text itself, and -md with a smaller model"},
    {"--rope-scaling --rope-scale --rope-freq-base --rope-freq-scale --yarn-orig-ctx --yarn-ext-factor "
     "--yarn-attn-factor --yarn-beta-slow --yarn-beta-fast --override-kv",
     Value::kOne, Verdict::kRefused, kRope},
    {"--lora --lora-scaled --control-vector --control-vector-scaled --control-vector-layer-range",
     Value::kOne, Verdict::kRefused, "adapters are not supported; merge them into the model's file"},
    // Which model.
    {"-hf -hfr --hf-repo -hff --hf-file -mu --model-url -dr --docker-repo -hfd --hf-repo-draft", Value::kOne,
     Verdict::kRefused, kNoDownload},
    {"-hft --hf-token", Value::kOne, Verdict::kIgnored, "nothing is loaded from the network"},
    {"--offline", Value::kNone, Verdict::kIgnored, "nothing is loaded from the network"},
    {"-mm --mmproj -mmu --mmproj-url -mmdev --mmproj-device --image-min-tokens --image-max-tokens "
     "--mtmd-batch-max-tokens --video-fps --video-timestamp-interval --video-ffmpeg-dir --media-path",
     Value::kOne, Verdict::kIgnored, kNoImages},
    {"--mmproj-auto --no-mmproj --no-mmproj-auto --mmproj-offload --no-mmproj-offload", Value::kNone,
     Verdict::kIgnored, kNoImages},
    {"--models-dir", Value::kOne, Verdict::kRenamed, "--model-dir"},
    {"--models-max", Value::kOne, Verdict::kIgnored, "--models-memory says how much loaded models may take"},
    {"--models-autoload --no-models-autoload", Value::kNone, Verdict::kIgnored,
     "a model is loaded when a request names it"},
    {"--models-preset", Value::kOne, Verdict::kRefused, "there are no presets; --model-dir serves a folder"},
    {"--tags", Value::kOne, Verdict::kIgnored, "models have no tags"},
    // Prompts and answers.
    {"--jinja --no-jinja", Value::kNone, Verdict::kIgnored, "templates are always Jinja"},
    {"-rea --reasoning", Value::kOne, Verdict::kRefused,
     "write --chat-template-kwargs '{\"enable_thinking\": false}', or true", "auto"},
    {"--reasoning-effort", Value::kOne, Verdict::kRefused,
     "write --chat-template-kwargs '{\"reasoning_effort\": \"low\"}'", "default"},
    {"--reasoning-budget", Value::kOne, Verdict::kRefused, "reasoning has no budget of its own", "-1"},
    {"--prefill-assistant", Value::kNone, Verdict::kIgnored,
     "an assistant's message at the end is always gone on from"},
    {"--no-prefill-assistant", Value::kNone, Verdict::kRefused,
     "say \"continue_final_message\": false in a request"},
    {"--reasoning-preserve --no-reasoning-preserve", Value::kNone, Verdict::kIgnored,
     "the template decides about earlier reasoning"},
    {"-r --reverse-prompt", Value::kOne, Verdict::kRefused,
     "it is not an option of the server; say \"stop\" in a request"},
    {"--grammar --grammar-file -j --json-schema -jf --json-schema-file", Value::kOne, Verdict::kRefused,
     "it is not an option of the server; say \"grammar\" or \"response_format\" in a request"},
    {"--samplers --sampler-seq --sampling-seq", Value::kOne, Verdict::kRefused,
     "samplers have one order, which docs/sampling.md says"},
    {"--adaptive-target --adaptive-decay", Value::kOne, Verdict::kRefused, "this sampler is not there", "-1"},
    {"--ignore-eos -sp --special", Value::kNone, Verdict::kRefused, kPerRequest},
    {"-bs --backend-sampling -e --escape --no-escape --spm-infill", Value::kNone, Verdict::kIgnored,
     "it changes nothing here"},
    {"--temperature", Value::kOne, Verdict::kRenamed, "--temp"},
    {"--top-n-sigma", Value::kOne, Verdict::kRenamed, "--top-nsigma"},
    {"--typical-p", Value::kOne, Verdict::kRenamed, "--typical"},
    {"-s --seed", Value::kOne, Verdict::kDefault, "--seed", "-1"},
    {"-n --predict --n-predict", Value::kOne, Verdict::kDefault, "--predict", "-1"},
    {"-np --parallel", Value::kOne, Verdict::kDefault, "--parallel", "-1"},
    {"-t --threads", Value::kOne, Verdict::kDefault, "--threads", "-1"},
    {"--embedding --embeddings", Value::kNone, Verdict::kIgnored,
     "/v1/embeddings is always there, beside the rest"},
    {"--pooling", Value::kOne, Verdict::kRefused, "embeddings are pooled as the model's file says"},
    {"--embd-normalize", Value::kOne, Verdict::kRefused, "embeddings have the length 1", "2"},
    {"--rerank --reranking", Value::kNone, Verdict::kRefused, "there is no reranking"},
    // HTTP.
    {"--ssl-key-file --ssl-cert-file", Value::kOne, Verdict::kRefused,
     "there is no TLS; put a reverse proxy in front"},
    {"--api-prefix", Value::kOne, Verdict::kRefused, "paths have no prefix; let a reverse proxy take it off"},
    {"--path", Value::kOne, Verdict::kRefused, "the page is part of the program"},
    {"--reuse-port", Value::kNone, Verdict::kRefused, "a port has one server"},
    {"--cors-origins", Value::kOne, Verdict::kRenamed, "--cors"},
    {"--cors-methods --cors-headers", Value::kOne, Verdict::kIgnored, "--cors says all"},
    {"--cors-credentials --no-cors-credentials", Value::kNone, Verdict::kIgnored, "--cors says all"},
    {"-to", Value::kOne, Verdict::kRenamed, "--timeout"},
    {"--sse-ping-interval", Value::kOne, Verdict::kIgnored, "streams have no pings"},
    {"--props", Value::kNone, Verdict::kIgnored, "GET /props is always there, and nothing is changed by it"},
    {"--ui --webui", Value::kNone, Verdict::kIgnored, "the page is there unless --no-web is given"},
    {"--no-ui", Value::kNone, Verdict::kRenamed, "--no-web"},
    {"--ui-config --webui-config --ui-config-file --webui-config-file", Value::kOne, Verdict::kIgnored,
     "the page keeps its settings in the browser"},
    {"--tools --tools-runtime --mcp-servers-config --mcp-servers-json", Value::kOne, Verdict::kRefused,
     "the server runs no tools; clients do"},
    {"-ag --agent --ui-mcp-proxy --webui-mcp-proxy", Value::kNone, Verdict::kRefused,
     "the server runs no tools; clients do"},
    {"-no-ag --no-agent --no-ui-mcp-proxy --no-webui-mcp-proxy", Value::kNone, Verdict::kIgnored,
     "the server runs no tools"},
    {"--cache-disk-dir", Value::kOne, Verdict::kRenamed, "--cache-dir"},
    // The log.
    {"--log-jsonl", Value::kNone, Verdict::kRenamed, "--log-format=json"},
    {"--log-colors", Value::kSwitch, Verdict::kIgnored, kLog},
    {"-lv --verbosity --log-verbosity", Value::kOne, Verdict::kIgnored, kLog},
    {"-v --log-verbose --no-log-jsonl --log-prefix --no-log-prefix --log-timestamps --no-log-timestamps",
     Value::kNone, Verdict::kIgnored, kLog},
    // What llama-server prints and ends.
    {"-cl --cache-list", Value::kNone, Verdict::kRefused,
     "nothing was downloaded; GET /v1/models lists what is served"},
    {"--list-devices", Value::kNone, Verdict::kRefused, "turboquant doctor describes the machine"},
    {"--completion-bash", Value::kNone, Verdict::kRefused, "turboquant completion bash prints it"},
});

bool has_name(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(' '), names.size());
    if (names.substr(0, end) == name) return true;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return false;
}

bool is_switch(std::string_view word) {
  constexpr auto kWords = std::to_array<std::string_view>(
      {"on", "off", "auto", "1", "0", "true", "false", "enabled", "disabled"});
  return std::ranges::find(kWords, word) != kWords.end();
}

const Group* find_group(std::string_view name) {
  const auto* const found =
      std::ranges::find_if(kGroups, [name](const Group& group) { return has_name(group.names, name); });
  return found == kGroups.end() ? nullptr : &*found;
}

}  // namespace

Expected<std::vector<std::string>> translated_llama_flags(const std::vector<std::string>& words,
                                                          std::vector<std::string>& notes) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t equals = words[i].starts_with("--") ? words[i].find('=') : std::string::npos;
    const std::string name = words[i].substr(0, equals);
    const Group* const group = find_group(name);
    if (group == nullptr) {
      result.push_back(words[i]);
      continue;
    }
    std::optional<std::string> value;
    if (equals != std::string::npos) {
      value = words[i].substr(equals + 1);
    } else if (i + 1 < words.size() &&
               (group->value == Value::kOne || (group->value == Value::kSwitch && is_switch(words[i + 1])))) {
      value = words[++i];
    }
    const bool is_neutral = value && !group->neutral.empty() && *value == group->neutral;
    if (group->verdict == Verdict::kRefused && !is_neutral) {
      return Error{ErrorCode::kBadArgument, name + ": " + std::string(group->why)};
    }
    if (group->verdict == Verdict::kIgnored) {
      notes.push_back(printable(name) + " of llama-server changes nothing: " + std::string(group->why));
    } else if (group->verdict == Verdict::kRenamed || (group->verdict == Verdict::kDefault && !is_neutral)) {
      result.emplace_back(group->why);
      if (value) result.push_back(*std::move(value));
    }
  }
  return result;
}

Expected<std::vector<std::string>> serve_words(std::vector<std::string> words) {
  if (words.empty() || (words.front() != "serve" && words.front() != "ollama")) return words;
  // In Ollama's place its variables are read; help is the same whatever they say.
  constexpr auto kWithout = std::to_array<std::string_view>({"ollama", "--ollama", "--help", "-h"});
  const bool reads_environment = std::ranges::find_first_of(words, kWithout) == words.end();
  if (reads_environment) {
    std::vector<std::string> names;
    auto more = llama_environment_words(words, names);
    if (!more) return more.error();
    std::string line = "from the environment:";
    for (const std::string& name : names) line += " " + name;
    if (!names.empty()) note(line);
    words.insert(words.begin() + 1, more->begin(), more->end());
  }
  std::vector<std::string> notes;
  auto translated = translated_llama_flags(words, notes);
  for (const std::string& line : notes) note(line);
  return translated;
}

}  // namespace tq::app
