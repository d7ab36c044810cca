// `turboquant edge`: notices that somebody may be in danger of suicide, and shows where there is help.
// Without a network, on small machines; a model may add to what rules find, and never delays or takes back.
#include "edge.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <limits>

#include "command_line.h"
#include "console.h"
#include "text_input.h"

namespace tq::app {
namespace {

constexpr const char* kEdgeExamples =
    "Examples:\n"
    "  turboquant edge check \"I can't go on\"               help, if the message asks for it\n"
    "  turboquant edge chat -m model.gguf                  a chat in which every message is checked first\n"
    "  turboquant edge resources --country GB              where there is help\n"
    "  turboquant edge evaluate                            how often the check is right\n"
    "\n"
    "This is no medical device. docs/edge.md says how to deploy it and what it can't do.";

constexpr std::size_t kMaxMessageBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxFileBytes = std::size_t{4} << 20;

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::string text(10, '\0');
  text.resize(std::strftime(text.data(), text.size() + 1, "%Y-%m-%d", &parts));
  return text;
}

// Help for a message that could not even be read.
void write_help(Output& output, const std::string& problem, const EdgeOptions& options) {
  edge::Screening screening;
  screening.level = edge::Level::kUnreadable;
  screening.reason = problem;
  const edge::Resources resources = resources_of(options);
  output.write(options.json ? screening_json(screening, {}, resources, options)
                            : edge::help_text(screening, resources, {.country = country_of(options)}));
}

int check(const EdgeOptions& options) {
  const auto message =
      options.text ? Expected<std::string>(*options.text) : read_standard_input(kMaxMessageBytes);
  Output output;
  if (!message) {
    write_help(output, message.error().message, options);
    fail(message.error());
    return output.finish(kExitHelp);
  }
  const edge::Resources resources = resources_of(options);
  edge::Screening screening = edge::Detector::built_in().screen(*message);
  const auto show = [&](const std::optional<edge::Judgement>& judgement) {
    if (options.json) {
      output.write(screening_json(screening, judgement, resources, options));
    } else if (screening.needs_help()) {
      output.write(edge::help_text(screening, resources, {.country = country_of(options)}));
    }
  };
  // Help that the rules ask for waits for nothing.
  if (screening.needs_help() || !options.model) {
    show({});
    return output.finish(screening.needs_help() ? kExitHelp : kExitOk);
  }
  EdgeModel model(options);
  std::optional<edge::Judgement> judgement;
  screening = ask_model(model, *message, std::move(screening), judgement);
  show(judgement);
  if (!judgement->problem.empty()) note("turboquant: " + printable(judgement->problem));
  const int code = output.finish(screening.needs_help() ? kExitHelp : kExitOk);
  if (model.is_stuck()) std::_Exit(code);
  return code;
}

std::string resource_text(const edge::Resources& resources, const std::vector<std::string>& countries) {
  std::string text;
  for (const std::string& country : countries) {
    text += country + "\n" + edge::resource_lines(resources, country, false);
  }
  return text;
}

// `entries`: those that are looked at, all or a country's.
int list_due(const edge::Resources& resources, const std::vector<edge::Resource>& entries,
             const std::string& country, const EdgeOptions& options) {
  auto due = resources.due(today(), *options.check_days);
  if (!country.empty())
    std::erase_if(due, [&](const edge::Resource& entry) { return entry.country != country; });
  Output output;
  if (options.json) {
    output.write(resources_json(resources, due));
  } else {
    for (const edge::Resource& entry : due) {
      output.write(entry.country + "  " + printable(entry.name) + ": " +
                   (entry.verified.empty() ? "never checked (recorded " + entry.recorded + ")"
                                           : "last checked " + entry.verified) +
                   "; source: " + printable(entry.source) +
                   (entry.note.empty() ? "" : "; note: " + printable(entry.note)) + "\n");
    }
    output.write(std::to_string(due.size()) + " of " + std::to_string(entries.size()) +
                 " entries were not checked within " + std::to_string(*options.check_days) + " days.\n");
  }
  return output.finish(due.empty() ? kExitOk : kExitFailed);
}

int show_resources(const EdgeOptions& options) {
  const edge::Resources resources = resources_of(options);
  const std::string country = options.country.empty() ? std::string() : country_of(options);
  if (!country.empty() && !resources.has(country)) {
    return fail({ErrorCode::kBadArgument, "no help lines are known for '" + country +
                                              "'; there are those of " + joined(resources.countries(), ", ") +
                                              ". In danger call the local emergency number; from most "
                                              "mobile phones 112 reaches it."});
  }
  const auto entries = country.empty() ? resources.all() : resources.of(country, false);
  if (options.check_days) return list_due(resources, entries, country, options);
  Output output;
  if (options.json) {
    output.write(resources_json(resources, entries));
  } else {
    output.write(printable_lines(
        resource_text(resources, country.empty() ? resources.countries() : std::vector{country})));
  }
  return output.finish(kExitOk);
}

// "62.1 % (55.7-68.1)": a share of `n` and its interval of 95 % confidence.
std::string share_text(std::int64_t hits, std::int64_t n) {
  if (n == 0) return "unknown";
  const edge::Interval interval = edge::confidence_interval(hits, n);
  return fixed(100.0 * static_cast<double>(hits) / static_cast<double>(n), 1) + " % (" +
         fixed(100.0 * interval.low, 1) + "-" + fixed(100.0 * interval.high, 1) + ")";
}

std::string counts_text(const edge::Counts& counts) {
  return "recall " + share_text(counts.true_positives, counts.risks()) + ", precision " +
         share_text(counts.true_positives, counts.alarms()) + ", false alarms " +
         share_text(counts.false_positives, counts.harmless());
}

std::string evaluation_text(const std::string& title, const edge::Evaluation& evaluation, bool lists) {
  const edge::Counts& total = evaluation.total;
  std::string text = title + ": " + std::to_string(total.risks() + total.harmless()) + " sentences, F1 " +
                     fixed(total.f1(), 3) +
                     "; in brackets 95 % confidence\n  rules: " + counts_text(evaluation.rules) +
                     "\n  with hints: " + counts_text(total) + "\n";
  for (const auto& [language, counts] : evaluation.by_language)
    text += "  " + language + ": " + counts_text(counts) + "\n";
  for (const auto& [kind, counts] : evaluation.by_kind) {
    if (counts.risks() > 0) {
      text += "  " + kind + ": noticed " + std::to_string(counts.true_positives) + " of " +
              std::to_string(counts.risks()) + "\n";
    }
    if (counts.harmless() > 0) {
      text += "  " + kind + ": left alone " + std::to_string(counts.true_negatives) + " of " +
              std::to_string(counts.harmless()) + "\n";
    }
  }
  for (const edge::Sample& sample : lists ? evaluation.missed : std::vector<edge::Sample>())
    text += "  missed: " + printable(sample.text) + "\n";
  for (const edge::Sample& sample : lists ? evaluation.false_alarms : std::vector<edge::Sample>())
    text += "  false alarm: " + printable(sample.text) + "\n";
  return text;
}

Expected<std::vector<NamedEvaluation>> evaluate_all(const EdgeOptions& options, const edge::Screen& screen) {
  std::vector<std::pair<std::string, std::string>> texts;
  if (options.data) {
    auto file = read_file(*options.data, kMaxFileBytes);
    if (!file) return file.error();
    texts.emplace_back("all", *std::move(file));
  } else {
    for (const edge::Split split :
         {edge::Split::kDevelopment, edge::Split::kHeldOut, edge::Split::kHard, edge::Split::kQuiet})
      texts.emplace_back(edge::split_name(split), edge::built_in_samples(split));
  }
  std::vector<NamedEvaluation> evaluations;
  for (const auto& [name, text] : texts) {
    const auto samples = edge::parse_samples(text);
    if (!samples)
      return Error{samples.error().code, options.data.value_or(name) + ": " + samples.error().message};
    evaluations.emplace_back(name, edge::evaluate_detector(*samples, screen));
  }
  return evaluations;
}

int evaluate(const EdgeOptions& options) {
  std::unique_ptr<EdgeModel> model = options.model ? std::make_unique<EdgeModel>(options) : nullptr;
  if (model) {
    if (const auto loaded = model->get(); !loaded) return fail(loaded.error());
  }
  const auto evaluations = evaluate_all(options, [&](std::string_view text) {
    edge::Screening screening = edge::Detector::built_in().screen(text);
    if (!model || (screening.needs_help() && !options.model_alone)) return screening;
    std::optional<edge::Judgement> judgement;
    if (options.model_alone) screening = {};
    return ask_model(*model, std::string(text), std::move(screening), judgement);
  });
  if (!evaluations) return fail(evaluations.error());
  Output output;
  if (options.json) {
    output.write(evaluation_json(*evaluations, options));
  } else {
    for (const auto& [name, evaluation] : *evaluations)
      output.write(evaluation_text(name, evaluation, options.list));
  }
  return output.finish(kExitOk);
}

}  // namespace

std::string country_of(const EdgeOptions& options) {
  std::string country = options.country;
  if (country.empty()) {
    if (const char* set = std::getenv("TURBOQUANT_COUNTRY"); set != nullptr) country = set;
  }
  for (char& c : country) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* locale = std::getenv(name);
    if (country.empty() && locale != nullptr) country = edge::country_of_locale(locale);
  }
  return country;
}

bool is_edge_message(const std::vector<std::string>& words) {
  return words.size() >= 2 && words[0] == "edge" && (words[1] == "check" || words[1] == "chat");
}

void show_help_for_words(const std::vector<std::string>& words, const std::string& problem) {
  EdgeOptions options;
  options.json = std::ranges::find(words, "--json") != words.end();
  Output output;
  write_help(output, problem, options);
}

edge::Resources resources_of(const EdgeOptions& options) {
  if (!options.resources) return edge::Resources::built_in();
  const auto text = read_file(*options.resources, kMaxFileBytes);
  auto own = text ? edge::Resources::parse(*text) : Expected<edge::Resources>(text.error());
  if (own) return *std::move(own);
  note("turboquant: " + printable(own.error().message) + " The built-in help lines are used.");
  return edge::Resources::built_in();
}

namespace {

void add_common_options(CLI::App& app, const std::shared_ptr<EdgeOptions>& options) {
  app.add_option("--country", options->country, "two letters [TURBOQUANT_COUNTRY or the locale's]")
      ->type_name("XX");
  app.add_option("--resources", options->resources, "help lines of your own (JSON)")->type_name("FILE");
}

CLI::Option* add_model_options(CLI::App& app, const std::shared_ptr<EdgeOptions>& options) {
  CLI::Option* model =
      app.add_option("-m,--model", options->model, "GGUF file whose judgement is added")->type_name("FILE");
  app.add_option("--threshold", options->judge.threshold,
                 "log-odds from which the model sees danger; lower: more help [1]")
      ->check(is_number_between(-100.0, 100.0))
      ->type_name("X");
  add_integer(
      app, "--judge-timeout",
      [options](std::int64_t n) { options->judge.time_limit = std::chrono::milliseconds(n); }, 1, 3600000,
      "milliseconds for a judgement; help is shown when they are over [10000]");
  add_integer(
      app, "--load-timeout", [options](std::int64_t n) { options->load_limit = std::chrono::seconds(n); }, 1,
      3600, "seconds for loading the model [120]");
  add_integer(
      app, "-c,--ctx-size", [options](std::int64_t n) { options->n_ctx = n; }, 256,
      std::numeric_limits<int>::max(), "context in tokens [1024]");
  add_integer(
      app, "-t,--threads", [options](std::int64_t n) { options->n_threads = static_cast<int>(n); }, 1,
      std::numeric_limits<int>::max(), "threads [one a physical core]");
  return model;
}

void add_checking_commands(CLI::App& edge, Command& chosen) {
  const auto options = std::make_shared<EdgeOptions>();
  CLI::App* command = edge.add_subcommand("check", "Check one message, and show help if it asks for it");
  command->footer(
      "Programs give the message by standard input, or after --, since a word that begins with - is an\n"
      "option. Exit code 0: the message was read and no sign was found. 3: help was shown. 2: wrong "
      "options;\n"
      "help is shown all the same. The message is not kept.");
  command
      ->add_option_function<std::vector<std::string>>(
          "text", [options](const std::vector<std::string>& words) { options->text = joined(words, " "); },
          "the message [standard input]")
      ->type_name("TEXT")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_flag("--json", options->json, "print one JSON object");
  add_common_options(*command, options);
  add_model_options(*command, options);
  command->callback([&chosen, options] { chosen = [options] { return check(*options); }; });

  const auto chat = std::make_shared<EdgeOptions>();
  command = edge.add_subcommand("chat", "A chat in which every message is checked first");
  command->footer(
      "Help is shown before the model has loaded, and whatever becomes of the model. Ctrl-D ends the chat.");
  add_common_options(*command, chat);
  add_model_options(*command, chat)->required();
  add_integer(
      *command, "-n,--predict", [chat](std::int64_t n) { chat->max_tokens = n; }, 1, 1 << 20,
      "at most N tokens an answer [200]");
  command->callback([&chosen, chat] { chosen = [chat] { return run_edge_chat(*chat); }; });
}

void add_data_commands(CLI::App& edge, Command& chosen) {
  const auto options = std::make_shared<EdgeOptions>();
  CLI::App* command = edge.add_subcommand("resources", "Crisis lines and emergency numbers");
  add_common_options(*command, options);
  command->add_flag("--json", options->json, "print JSON, to edit and give with --resources");
  add_integer(
      *command, "--check-data", [options](std::int64_t n) { options->check_days = n; }, 0, 36500,
      "list entries that nobody checked within N days; exit code 1 if there are any");
  command->callback([&chosen, options] { chosen = [options] { return show_resources(*options); }; });

  const auto evaluation = std::make_shared<EdgeOptions>();
  evaluation->judge.time_limit = std::chrono::minutes(1);
  command = edge.add_subcommand("evaluate", "How often the check is right on labelled sentences");
  command
      ->add_option("--data", evaluation->data,
                   "sentences in place of the built-in ones: label, class, language, text")
      ->type_name("FILE");
  command->add_flag("--list", evaluation->list, "list what was missed and what was a false alarm");
  command->add_flag("--json", evaluation->json, "print one JSON object");
  CLI::Option* model = add_model_options(*command, evaluation);
  command->add_flag("--model-alone", evaluation->model_alone, "judge the model without the rules")
      ->needs(model);
  command->callback([&chosen, evaluation] { chosen = [evaluation] { return evaluate(*evaluation); }; });
}

}  // namespace

void add_edge_command(CLI::App& app, Command& chosen) {
  CLI::App* command =
      app.add_subcommand("edge", "Notice that somebody may be in danger, and show where there is help");
  command->footer(kEdgeExamples);
  command->require_subcommand(1);
  add_checking_commands(*command, chosen);
  add_data_commands(*command, chosen);
}

}  // namespace tq::app
