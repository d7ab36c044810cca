#include "sampler_options.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "command_line.h"
#include "text_input.h"

namespace tq::app {
namespace {

constexpr std::size_t kMaxGrammarBytes = std::size_t{4} << 20;

void add_int(CLI::App& app, const char* name, int& value, int min, const char* help) {
  add_integer(
      app, name, [&value](std::int64_t n) { value = static_cast<int>(n); }, min,
      std::numeric_limits<int>::max(), help);
}

// Options that may be given several times.
void add_list(CLI::App& app, const char* name, const char* type, const char* help,
              const std::function<void(const std::string&)>& add) {
  const auto add_all = [add](const std::vector<std::string>& values) {
    for (const std::string& value : values) add(value);
  };
  app.add_option_function<std::vector<std::string>>(name, add_all, help)
      ->type_name(type)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

// "15043+1.5", "15043-inf"
LogitBias parse_bias(const std::string& text) {
  LogitBias result{};
  const char* end = text.data() + text.size();
  const auto [sign, token_status] = std::from_chars(text.data(), end, result.token);
  const bool has_sign = token_status == std::errc() && sign != end && (*sign == '+' || *sign == '-');
  const auto [stop, bias_status] = std::from_chars(has_sign ? sign + 1 : end, end, result.bias);
  if (!has_sign || bias_status != std::errc() || stop != end || sign[1] == '-') {
    throw CLI::ValidationError("--logit-bias", "'" + text + "' is not like 15043+1 or 15043-inf");
  }
  if (*sign == '-') result.bias = -result.bias;
  return result;
}

// Newlines are hard to type on a command line.
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '\\' && i + 1 < text.size();
    if (is_escape) ++i;
    result += !is_escape ? text[i] : text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i];
  }
  return result;
}

}  // namespace

void add_sampler_options(CLI::App& app, SamplerOptions& o) {
  add_float(app, "--temp", o.temperature, "temperature, 0: always the most likely token [0.8]");
  add_float(app, "--dynatemp-range", o.dynamic_temperature_range,
            "temperature by the entropy, within X of --temp, 0: off [0]");
  add_float(app, "--dynatemp-exp", o.dynamic_temperature_exponent, "its exponent [1]");
  add_int(app, "--top-k", o.top_k, 0, "only the N most likely tokens, 0: off [40]");
  add_float(app, "--top-p", o.top_p, "only the likeliest tokens that make up X, 1: off [0.95]");
  add_float(app, "--min-p", o.min_p, "only tokens at least X as likely as the first, 0: off [0.05]");
  add_float(app, "--typical", o.typical_p, "only locally typical tokens that make up X, 1: off [1]");
  add_float(app, "--top-nsigma", o.top_n_sigma,
            "only logits within X standard deviations of the best, below 0: off [-1]");
  add_float(app, "--xtc-probability", o.xtc_probability,
            "how often to leave out all but the last likely token, 0: off [0]");
  add_float(app, "--xtc-threshold", o.xtc_threshold, "what likely means, above 0.5: off [0.1]");
  add_integer(
      app, "--mirostat", [&o](std::int64_t n) { o.mirostat = static_cast<int>(n); }, 0, 2,
      "2: mirostat instead of --top-nsigma to --xtc-probability [0]");
  add_float(app, "--mirostat-ent", o.mirostat_tau, "its target entropy in bits, tau [5]");
  add_float(app, "--mirostat-lr", o.mirostat_eta, "its learning rate, eta [0.1]");
  add_integer(
      app, "--seed", [&o](std::int64_t n) { o.seed = static_cast<std::uint64_t>(n); }, 0,
      std::numeric_limits<std::int64_t>::max(),
      "the same seed gives the same text, 0: another one each time [0]");
}

void add_penalty_options(CLI::App& app, SamplerOptions& o) {
  add_int(app, "--repeat-last-n", o.penalty_last_n, -1, "tokens that the next three look at, -1: all [64]");
  add_float(app, "--repeat-penalty", o.repeat_penalty, "against tokens that were there, 1: off [1]");
  add_float(app, "--presence-penalty", o.presence_penalty, "subtracted from their logits, 0: off [0]");
  add_float(app, "--frequency-penalty", o.frequency_penalty, "the same each time, 0: off [0]");
  add_float(app, "--dry-multiplier", o.dry_multiplier, "against sequences that were there (DRY), 0: off [0]");
  add_float(app, "--dry-base", o.dry_base, "by how much the penalty grows with each token [1.75]");
  add_int(app, "--dry-allowed-length", o.dry_allowed_length, 0, "sequences that long are free [2]");
  add_int(app, "--dry-penalty-last-n", o.dry_penalty_last_n, -1, "tokens that DRY looks at, -1: all [-1]");
  const auto breaker = [&o, is_first = true](const std::string& text) mutable {
    if (std::exchange(is_first, false)) o.dry_sequence_breakers.clear();
    if (text != "none") o.dry_sequence_breakers.push_back(unescaped(text));
  };
  add_list(app, "--dry-sequence-breaker", "TEXT",
           "no sequence goes across it; may be repeated, none: there is none [\\n : \" *]", breaker);
  add_list(app, "-l,--logit-bias", "TOKEN(+/-)BIAS",
           "change a token's logit: 15043+1, 15043-inf; may be repeated",
           [&o](const std::string& text) { o.logit_bias.push_back(parse_bias(text)); });
}

void add_grammar_options(CLI::App& app, GrammarSource& source) {
  app.add_option("--grammar", source.gbnf, "answers are texts of this grammar (GBNF)")->type_name("TEXT");
  app.add_option("--grammar-file", source.gbnf_file, "the same from a file")->type_name("FILE");
  app.add_option("-j,--json-schema", source.schema, "answers are JSON of this schema, {}: any object")
      ->type_name("TEXT");
  app.add_option("--json-schema-file", source.schema_file, "the same from a file")->type_name("FILE");
}

Expected<std::shared_ptr<const Grammar>> load_grammar(const GrammarSource& source) {
  const int n = static_cast<int>(source.gbnf.has_value()) + static_cast<int>(source.gbnf_file.has_value()) +
                static_cast<int>(source.schema.has_value()) +
                static_cast<int>(source.schema_file.has_value());
  if (n == 0) return std::shared_ptr<const Grammar>();
  if (n > 1) {
    return Error{ErrorCode::kBadArgument,
                 "--grammar, --grammar-file, --json-schema and --json-schema-file exclude each other."};
  }
  const bool is_schema = source.schema || source.schema_file;
  const auto& inline_text = is_schema ? source.schema : source.gbnf;
  const auto& path = is_schema ? source.schema_file : source.gbnf_file;
  const Expected<std::string> text = path ? read_file(*path, kMaxGrammarBytes) : *inline_text;
  if (!text) return text.error();
  return is_schema ? Grammar::from_json_schema(*text) : Grammar::from_gbnf(*text);
}

}  // namespace tq::app
