// `turboquant bench [engine]`: tokens per second of one model on this machine. No sampling and no text: what
// is timed is the engine. bench/engine/compare.py runs it beside llama.cpp.
#include "bench.h"

#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "auto_cache.h"
#include "bench_kernels.h"
#include "command_line.h"
#include "console.h"
#include "startup_memory.h"
#include "stopwatch.h"
#include "tq/sampler.h"
#include "tq/session.h"
#include "tq/version.h"

namespace tq::app {
namespace {

// Any tokens do: speed does not depend on which. Texts of other numbers share no prefix.
std::vector<Token> some_tokens(std::int64_t n, int n_vocab, int number = 0) {
  std::vector<Token> tokens(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < tokens.size(); ++i)
    tokens[i] = static_cast<Token>((100 + 7 * i + static_cast<std::size_t>(number)) %
                                   static_cast<std::size_t>(n_vocab));
  return tokens;
}

// As measure() in steps of one, under a profile, each step's logits sampled as `run` does by default.
Expected<ProfileReport> profile(Session& session, std::span<const Token> tokens, std::size_t from,
                                std::size_t to) {
  const auto sampler = Sampler::create({});
  if (!sampler) return sampler.error();
  const Profile running;
  for (std::size_t end = from + 1; end <= to; ++end) {
    const auto logits = session.sync(tokens.first(end));
    if (!logits) return logits.error();
    (*sampler)->sample(*logits, tokens.first(end));
  }
  return running.report();
}

// Brings `session` from whatever it holds to `to` tokens in steps of `step`; tokens per second of the new
// ones.
Expected<double> measure(Session& session, std::span<const Token> tokens, std::size_t from, std::size_t to,
                         std::size_t step) {
  const auto start = Clock::now();
  for (std::size_t end = from; end < to;) {
    end = std::min(end + step, to);
    if (const auto logits = session.sync(tokens.first(end)); !logits) return logits.error();
  }
  return static_cast<double>(to - from) / seconds_since(start);
}

// Tokens per second of all sessions together, each of which generates `options.decode` tokens behind `depth`.
Expected<ParallelRate> measure_parallel(Engine& engine, std::int64_t depth, const BenchOptions& options) {
  const auto n = static_cast<std::size_t>(options.engine.n_parallel);
  const auto begin = static_cast<std::size_t>(std::max<std::int64_t>(depth, 1));
  const std::size_t end = begin + static_cast<std::size_t>(options.decode);
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<std::vector<Token>> texts;
  for (std::size_t i = 0; i < n; ++i) {
    auto session = engine.create_session();
    if (!session) return session.error();
    sessions.push_back(*std::move(session));
    texts.push_back(some_tokens(static_cast<std::int64_t>(end), engine.info().n_vocab, static_cast<int>(i)));
    if (const auto ok = sessions.back()->sync(std::span(texts[i]).first(begin)); !ok) return ok.error();
  }
  std::optional<Profile> running;
  if (options.profile) running.emplace();
  const auto start = Clock::now();
  std::vector<Work> work(n);
  for (std::size_t at = begin + 1; at <= end; ++at) {
    for (std::size_t i = 0; i < n; ++i) {
      work[i] = {.session = sessions[i].get(), .tokens = std::span(texts[i]).first(at)};
    }
    engine.step(work);
    for (const Work& w : work) {
      if (w.result && !*w.result) return w.result->error();
    }
  }
  ParallelRate result{static_cast<double>(n * (end - begin)) / seconds_since(start), std::nullopt};
  if (running) result.profile = running->report();
  return result;
}

// The longest text that is measured.
std::int64_t tokens_needed(const BenchOptions& options) {
  const std::int64_t deepest = *std::ranges::max_element(options.depths);
  return std::max(options.prefill, std::max<std::int64_t>(deepest, 1) + options.decode);
}

// Measures one model, once or again and again; then caches are filled once for all rounds.
class Rounds {
 public:
  static Expected<Rounds> create(Engine& engine, const BenchOptions& options);
  Expected<BenchResult> measure();

 private:
  Rounds(Engine& engine, const BenchOptions& options, std::unique_ptr<Session> session);
  Expected<double> prefill();
  Expected<Session*> filled(std::int64_t depth);
  Expected<void> decode(std::int64_t depth, Session& session, BenchResult& result);

  Engine* engine_;
  const BenchOptions* options_;
  std::vector<Token> tokens_;
  std::unique_ptr<Session> session_;
  std::map<std::int64_t, std::unique_ptr<Session>> kept_;  // between rounds, by depth
  int n_prompts_ = 0;
};

// Decode follows some token, so depth 0 is one.
std::size_t first_decoded(std::int64_t depth) {
  return static_cast<std::size_t>(std::max<std::int64_t>(depth, 1));
}

Rounds::Rounds(Engine& engine, const BenchOptions& options, std::unique_ptr<Session> session)
    : engine_(&engine),
      options_(&options),
      tokens_(some_tokens(tokens_needed(options), engine.info().n_vocab)),
      session_(std::move(session)) {}

Expected<Rounds> Rounds::create(Engine& engine, const BenchOptions& options) {
  auto session = engine.create_session();
  if (!session) return session.error();
  // Once for nothing: memory is touched, threads are awake.
  const std::vector<Token> other(8, 1);
  if (const auto ok = (*session)->sync(other); !ok) return ok.error();
  return Rounds(engine, options, *std::move(session));
}

// Each time of a text that begins differently, so that no prefix is shared.
Expected<double> Rounds::prefill() {
  const auto prompt = some_tokens(options_->prefill, engine_->info().n_vocab, ++n_prompts_);
  return app::measure(*session_, prompt, 0, prompt.size(), prompt.size());
}

// A session that holds all tokens before the first that is decoded at `depth`.
Expected<Session*> Rounds::filled(std::int64_t depth) {
  auto& kept = kept_[depth];
  Session& session = kept ? *kept : *session_;
  if (const auto ok = session.sync(std::span<const Token>(tokens_).first(first_decoded(depth))); !ok)
    return ok.error();
  if (kept || !options_->follow) return &session;
  auto fork = session.fork();
  if (!fork) return fork.error();
  kept = *std::move(fork);
  return kept.get();
}

Expected<void> Rounds::decode(std::int64_t depth, Session& session, BenchResult& result) {
  const std::span<const Token> all(tokens_);
  const std::size_t begin = first_decoded(depth);
  const std::size_t end = begin + static_cast<std::size_t>(options_->decode);
  const auto rate = app::measure(session, all, begin, end, 1);
  if (!rate) return rate.error();
  result.decode[depth] = *rate;
  if (!options_->profile) return {};
  if (const auto ok = session.sync(all.first(begin)); !ok) return ok.error();
  const auto report = profile(session, all, begin, end);
  if (!report) return report.error();
  result.profiles[depth] = *report;
  return {};
}

Expected<BenchResult> Rounds::measure() {
  BenchResult result;
  const auto rate = prefill();
  if (!rate) return rate.error();
  result.prefill = *rate;
  for (const std::int64_t depth : std::set(options_->depths.begin(), options_->depths.end())) {
    const auto session = filled(depth);
    if (!session) return session.error();
    if (const auto ok = decode(depth, **session, result); !ok) return ok.error();
  }
  if (options_->engine.n_parallel == 1) return result;
  if (!options_->follow) session_.reset();  // the cache is for n_parallel sessions
  for (const std::int64_t depth : options_->depths) {
    const auto total = measure_parallel(*engine_, depth, *options_);
    if (!total) return total.error();
    result.parallel[depth] = *total;
  }
  return result;
}

// One round, or one for each line of standard input, whose results are printed as they come.
Expected<void> run(Engine& engine, const BenchOptions& options, double load_seconds, Output& output) {
  auto rounds = Rounds::create(engine, options);
  if (!rounds) return rounds.error();
  std::string line;
  while (!options.follow || std::getline(std::cin, line)) {
    auto result = rounds->measure();
    if (!result) return result.error();
    result->load_seconds = load_seconds;
    output.write(options.json ? bench_json(*result, engine, options) : bench_text(*result, engine, options));
    if (!options.follow) break;
  }
  return {};
}

int bench(const BenchOptions& options) {
  const auto start = Clock::now();
  EngineOptions engine_options = options.engine;
  engine_options.n_ctx =
      std::max<std::int64_t>(tokens_needed(options), 128);  // no memory for what is not measured
  if (options.follow) engine_options.n_parallel += static_cast<int>(options.depths.size());  // the kept ones
  if (const auto ok = choose_cache(options.open, engine_options, false); !ok) return fail(ok.error());
  const auto engine = Engine::load(engine_options);
  if (!engine) return fail(engine.error());
  const double load_seconds = seconds_since(start);
  release_startup_memory();
  Output output;
  if (const auto ok = run(**engine, options, load_seconds, output); !ok) return fail(ok.error());
  return output.finish(kExitOk);
}

nlohmann::ordered_json profile_json(const ProfileReport& report) {
  return {{"seconds", report.total}, {"linear", report.linear},     {"attention", report.attention},
          {"encode", report.encode}, {"sampling", report.sampling}, {"other", report.other()}};
}

}  // namespace

std::string bench_text(const BenchResult& result, const Engine& engine, const BenchOptions& options) {
  const auto line = [](std::string what, double rate) {
    what.resize(24, ' ');
    return what + fixed(rate, 1) + " t/s\n";
  };
  std::string text = printable(engine.info().name) + ", " + engine.cache_description() + ", " +
                     std::string(engine.isa()) + ", " + std::to_string(engine.n_threads()) +
                     " threads, loaded in " + fixed(result.load_seconds, 2) + " s\n";
  text += line("prefill " + std::to_string(options.prefill), result.prefill);
  for (const auto& [depth, rate] : result.decode) {
    text += line("decode at " + std::to_string(depth), rate);
    if (const auto report = result.profiles.find(depth); report != result.profiles.end())
      text += "  " + describe(report->second, options.decode) + "\n";
  }
  for (const auto& [depth, together] : result.parallel) {
    text += line(std::to_string(options.engine.n_parallel) + " sessions at " + std::to_string(depth),
                 together.rate);
    if (together.profile) text += "  " + describe(*together.profile, options.decode) + "\n";
  }
  return text;
}

std::string bench_json(const BenchResult& result, const Engine& engine, const BenchOptions& options) {
  nlohmann::ordered_json decode;
  for (const auto& [depth, rate] : result.decode) decode[std::to_string(depth)] = rate;
  nlohmann::ordered_json profiles;
  for (const auto& [depth, report] : result.profiles) profiles[std::to_string(depth)] = profile_json(report);
  nlohmann::ordered_json parallel = nlohmann::ordered_json::object();
  nlohmann::ordered_json parallel_profiles = nlohmann::ordered_json::object();
  for (const auto& [depth, together] : result.parallel) {
    parallel[std::to_string(depth)] = together.rate;
    if (together.profile) parallel_profiles[std::to_string(depth)] = profile_json(*together.profile);
  }
  nlohmann::ordered_json object = {
      {"program", "turboquant " + std::string(kVersion)},
      {"model", options.engine.model_path},
      {"cache", engine.cache_description()},
      {"isa", engine.isa()},
      {"threads", engine.n_threads()},
      {"load_s", result.load_seconds},
      {"prefill", {{std::to_string(options.prefill), result.prefill}}},
      {"decode", decode},
      {"sessions", options.engine.n_parallel},
      {"parallel", parallel},
  };
  if (options.profile) {
    object["profile"] = profiles;
    object["parallel_profile"] = parallel_profiles;
  }
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

namespace {

void add_engine_options(CLI::App& command, const std::shared_ptr<BenchOptions>& options) {
  command.add_option("-m,--model", options->engine.model_path, "GGUF file")->type_name("FILE");
  add_cache_options(command, options->engine, &options->open);
  add_swa_full(command, options->engine);
  constexpr std::int64_t kMost = 1 << 24;
  add_integer(
      command, "-t,--threads", [=](std::int64_t n) { options->engine.n_threads = static_cast<int>(n); }, 1,
      std::numeric_limits<int>::max(), "threads [one a physical core]");
  add_integer(
      command, "--prefill", [=](std::int64_t n) { options->prefill = n; }, 1, kMost,
      "tokens of prompt [512]");
  add_integer(
      command, "--decode", [=](std::int64_t n) { options->decode = n; }, 1, kMost,
      "tokens generated at each depth [64]");
  add_integer(
      command, "--parallel", [=](std::int64_t n) { options->engine.n_parallel = static_cast<int>(n); }, 1,
      256, "also measure so many sessions that decode together [1: no]");
  command.add_option("--depths", options->depths, "tokens in the cache before, with commas [0,4096]")
      ->delimiter(',')
      ->check(CLI::Range(std::int64_t{0}, kMost))
      ->type_name("N,...");
  command.add_flag("--profile", options->profile, "say where the time of decoding goes");
  command.add_flag("--follow", options->follow,
                   "measure once more, with the same caches, for each line of standard input");
  command.add_flag("--json", options->json, "print one JSON object");
}

}  // namespace

// `bench` alone is `bench engine`.
void add_bench_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "Measure tokens per second, or the kernels alone");
  CLI::App* engine = command->add_subcommand("engine", "Measure a model's tokens per second (the default)");
  command->require_subcommand(0, 1);
  command->footer(
      "Example:\n  turboquant bench -m model.gguf -ctk turbo4 -ctv turbo4 --depths 0,4096,32768\n\n"
      "bench/engine/compare.py runs this beside llama.cpp and prints ratios.");
  add_engine_options(*command, options);
  add_engine_options(*engine, options);
  const auto choose = [&chosen, options] {
    if (options->engine.model_path.empty()) throw CLI::RequiredError("--model");
    chosen = [options] { return bench(*options); };
  };
  command->callback([=] {
    if (command->get_subcommands().empty()) choose();
  });
  engine->callback(choose);
  add_bench_codec_command(*command, chosen);
  add_bench_attention_command(*command, chosen);
}

}  // namespace tq::app
