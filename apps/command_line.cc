#include "command_line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <sstream>

#include "console.h"
#include "text_input.h"

namespace tq::app {
namespace {

constexpr std::array<std::array<std::string_view, 2>, 4> kSpellings = {{{"-ctk", "--cache-type-k"},
                                                                        {"-ctv", "--cache-type-v"},
                                                                        {"-md", "--draft-model"},
                                                                        {"-np", "--parallel"}}};

// Options after which such a word is text.
constexpr std::array<std::string_view, 3> kTextOptions = {"-p", "--prompt", "--system"};

// The spelling for CLI11 of a word that follows `previous`.
std::string_view normalized(std::string_view word, std::string_view previous) {
  if (std::ranges::find(kTextOptions, previous) != kTextOptions.end()) return word;
  const auto spelling = std::ranges::find(kSpellings, word, [](const auto& pair) { return pair[0]; });
  return spelling == kSpellings.end() ? word : (*spelling)[1];
}

// The whole text as a number; false when it is none, or one that T cannot hold.
template <class T>
bool parse_number(const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(text.data(), end, value);
  return status == std::errc() && stop == end;
}

// "--context" of "-c,--context,--ctx-size": the name that errors say.
std::string long_name(const std::string& names) {
  const std::size_t begin = names.find("--");
  return names.substr(begin, names.find(',', begin) - begin);
}

// `is_auto`: set where the text is "auto"; null where that is no type.
CLI::Option* add_kv_type(CLI::App& app, const std::string& name, KvType& value, bool* is_auto,
                         const std::string& help) {
  const std::string otherwise = is_auto != nullptr && *is_auto ? " [auto]" : " [turbo4]";
  const auto set = [name, &value, is_auto](const std::string& text) {
    if (is_auto != nullptr) *is_auto = text == "auto";
    if (is_auto != nullptr && *is_auto) return;
    const auto type = parse_kv_type(text);
    if (!type) throw CLI::ValidationError(name, type.error().message);
    value = *type;
  };
  return app.add_option_function<std::string>(name, set, help + otherwise)
      ->type_name(is_auto != nullptr ? "TYPE|auto" : "TYPE");
}

CLI::Option* add_plan(CLI::App& app, EngineOptions& options) {
  constexpr std::size_t kMaxPlanBytes = std::size_t{1} << 20;
  const auto set = [&options](const std::string& path) {
    const auto text = read_file(path, kMaxPlanBytes);
    if (!text) throw CLI::ValidationError("--cache-plan", text.error().message);
    const auto plan = parse_cache_plan(*text);
    if (!plan) throw CLI::ValidationError("--cache-plan", path + ": " + plan.error().message);
    options.cache_plan = *plan;
  };
  return app
      .add_option_function<std::string>(
          "--cache-plan", set, "types layer by layer instead, from a file of attention-fidelity --apply")
      ->type_name("FILE");
}

// "20G", "512M": a whole number of bytes, or of KiB, MiB, GiB, TiB. Empty: it is none.
std::optional<std::uint64_t> parse_size(std::string text) {
  constexpr std::string_view kUnits = "KMGT";
  int shift = 0;
  if (!text.empty() && kUnits.find(text.back()) != std::string_view::npos) {
    shift = 10 * static_cast<int>(kUnits.find(text.back()) + 1);
    text.pop_back();
  }
  std::uint64_t number = 0;
  if (!parse_number(text, number) || number > std::numeric_limits<std::uint64_t>::max() >> shift) return {};
  return number << shift;
}

}  // namespace

std::vector<std::string> normalized_words(int argc, const char* const* argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) words.emplace_back(normalized(argv[i], argv[i - 1]));
  return words;
}

std::string_view one_dash_spelling(std::string_view name) {
  const auto spelling = std::ranges::find(kSpellings, name, [](const auto& pair) { return pair[1]; });
  return spelling == kSpellings.end() ? std::string_view() : (*spelling)[0];
}

CLI::Validator is_number_between(double min, double max) {
  return {[min, max](const std::string& text) {
            double value = 0.0;
            if (CLI::detail::lexical_cast(text, value) && value >= min && value <= max) return std::string();
            std::ostringstream problem;
            problem << "'" << text << "' is not a number from " << min << " to " << max;
            return problem.str();
          },
          ""};
}

CLI::Option* add_integer(CLI::App& app, const std::string& names, std::function<void(std::int64_t)> set,
                         std::int64_t min, std::int64_t max, const std::string& help) {
  const auto parse = [names, set = std::move(set), min, max](const std::string& text) {
    std::int64_t value = 0;
    if (parse_number(text, value) && value >= min && value <= max) {
      set(value);
      return;
    }
    const bool bounded = max != std::numeric_limits<std::int64_t>::max();
    throw CLI::ValidationError(long_name(names),
                               "'" + text + "' is not a whole number " +
                                   (bounded ? "from " + std::to_string(min) + " to " + std::to_string(max)
                                            : "of " + std::to_string(min) + " or more"));
  };
  return app.add_option_function<std::string>(names, parse, help)->type_name("N");
}

CLI::Option* add_context(CLI::App& app, const std::string& names, std::function<void(std::int64_t)> set,
                         std::function<void()> set_auto, const std::string& help, std::int64_t min) {
  const auto parse = [names, set = std::move(set), set_auto = std::move(set_auto),
                      min](const std::string& text) {
    std::int64_t value = 0;
    if (text == "auto" || text == "max") {
      set_auto();
    } else if (parse_number(text, value) && value >= min) {
      set(value);
    } else {
      throw CLI::ValidationError(long_name(names), "'" + text + "' is neither a whole number of " +
                                                       std::to_string(min) + " or more nor auto or max");
    }
  };
  return app.add_option_function<std::string>(names, parse, help)->type_name("N|auto");
}

CLI::Option* add_float(CLI::App& app, const std::string& names, float& value, const std::string& help) {
  const auto parse = [names, &value](const std::string& text) {
    if (!parse_number(text, value)) {
      throw CLI::ValidationError(long_name(names), "'" + text + "' is not a number");
    }
  };
  return app.add_option_function<std::string>(names, parse, help)->type_name("X");
}

void add_disk_cache_options(CLI::App& app, DiskCacheOptions& options) {
  options.note = [](const std::string& line) { note(printable(line)); };
  app.add_option("--cache-dir", options.folder,
                 "folder that keeps computed pages of prompts, so that they need not be computed again")
      ->type_name("FOLDER");
  app.add_option_function<std::string>(
         "--cache-disk",
         [&options](const std::string& text) {
           const auto size = parse_size(text);
           if (!size)
             throw CLI::ValidationError("--cache-disk", "'" + text + "' is no size; write 20G or 512M");
           options.max_bytes = *size;
         },
         "bytes that the folder may take, with K, M, G or T [10G]")
      ->type_name("SIZE");
}

CacheOptions add_cache_options(CLI::App& app, EngineOptions& options, AutoCache* open) {
  const std::string types = "f16, q8_0, q4_0, turbo4, turbo35, turbo3, turbo25, turbo2, turbo3q or turbo2q";
  const std::string or_auto = open != nullptr ? ", auto: the planner's choice (turboquant fit)" : "";
  return {
      add_kv_type(app, "--cache-type-k", options.type_k, open != nullptr ? &open->type_k : nullptr,
                  "(-ctk) type of cached keys: " + types + or_auto),
      add_kv_type(app, "--cache-type-v", options.type_v, open != nullptr ? &open->type_v : nullptr,
                  "(-ctv) type of cached values" + or_auto),
      add_integer(
          app, "--layer-adaptive",
          [&options](std::int64_t n) { options.layer_adaptive = static_cast<int>(n); }, 0, 7,
          "preset that keeps some layers at a better type, 0: none")
          ->envname("TURBO_LAYER_ADAPTIVE"),
      add_plan(app, options),
  };
}

void add_swa_full(CLI::App& app, EngineOptions& options) {
  app.add_flag("--swa-full", options.swa_full,
               "layers with a window keep all tokens, so that going back in a text never computes it anew");
}

void add_context_option(CLI::App& app, EngineOptions& options, AutoCache& open, std::int64_t min,
                        const std::string& help) {
  add_context(
      app, "-c,--ctx-size",
      [&](std::int64_t n) {
        options.n_ctx = n;
        open.context = false;
      },
      [&] { open.context = true; }, help, min);
}

}  // namespace tq::app
