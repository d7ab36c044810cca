// `turboquant run`: options, and the choice between one answer and a chat.
#include "run.h"

#include <chrono>
#include <filesystem>
#include <limits>
#include <system_error>

#include "auto_cache.h"
#include "command_line.h"
#include "console.h"
#include "report.h"
#include "sampler_options.h"
#include "startup_memory.h"

namespace tq::app {
namespace {

constexpr const char* kRunExamples =
    "Without -p and -f this is a chat: in the terminal with line editing (/help lists its commands), or one "
    "message\n"
    "a line when standard input is no terminal.\n"
    "\n"
    "A prompt becomes one user turn of the model's chat template. With --raw, or when the model has no "
    "template, it\n"
    "is the whole text that the model sees, and special tokens written in it count.\n"
    "\n"
    "Examples:\n"
    "  turboquant run -m model.gguf -p \"Why is the sky blue?\" -n 200\n"
    "  turboquant run -m model.gguf -f book.txt -c 32768 -ctk q8_0 -ctv turbo3 --verbose\n"
    "  turboquant run -m model.gguf --raw -p \"Once upon a time\" --temp 0\n"
    "  turboquant run -m model.gguf -p \"List three rivers.\" --json --seed 7 | jq -r .text\n"
    "  turboquant run -m model.gguf -p \"Describe a river.\" -j "
    "'{\"properties\":{\"name\":{\"type\":\"string\"}}}'\n"
    "  git diff | turboquant run -m model.gguf -f - --system \"Summarise this change.\"";

constexpr std::int64_t kNoMaximum = std::numeric_limits<std::int64_t>::max();

void add_input_options(CLI::App& app, RunOptions& options) {
  app.add_option("-m,--model", options.engine.model_path, "GGUF file")->type_name("FILE")->required();
  app.add_option("-p,--prompt", options.prompt, "what to answer")->type_name("TEXT");
  app.add_option("-f,--file", options.prompt_file, "the same from a file, - for standard input")
      ->type_name("FILE");
  app.add_option("--system", options.system, "system message")->type_name("TEXT");
  app.add_flag("--raw", options.raw, "use the prompt as it is, without the chat template");
}

void add_engine_options(CLI::App& app, RunOptions& options) {
  EngineOptions& engine = options.engine;
  add_integer(
      app, "-n,--predict", [&](std::int64_t n) { options.max_tokens = n; }, 0, kNoMaximum,
      "at most N tokens of answer [until it ends or the context is full]");
  add_context_option(app, engine, options.open, 1,
                     "context: tokens of prompt and answers together, auto: as many as fit [the model's]");
  add_cache_options(app, engine, &options.open);
  add_disk_cache_options(app, engine.disk_cache);
  add_swa_full(app, engine);
  add_integer(
      app, "-t,--threads", [&](std::int64_t n) { engine.n_threads = static_cast<int>(n); }, 1,
      std::numeric_limits<int>::max(), "threads [one a physical core]");
}

void add_session_options(CLI::App& app, RunOptions& options) {
  app.add_option("--session,--prompt-cache", options.session_file,
                 "go on with the cache in this file, if there is one, and save it there in the end")
      ->type_name("FILE");
}

// Guesses that are checked several at a time. None of these changes the text.
void add_speculation_options(CLI::App& app, RunOptions& options) {
  add_guess_options(app, options.guesses);
  SpeculationOptions& speculation = options.speculation;
  add_integer(
      app, "--draft-max", [&](std::int64_t n) { speculation.max_draft = static_cast<int>(n); }, 1, kMaxDraft,
      "at most N guesses at a time [7]");
  add_integer(
      app, "--draft-min", [&](std::int64_t n) { speculation.min_draft = static_cast<int>(n); }, 0, kMaxDraft,
      "check no fewer than N guesses [1]");
}

// Options that contradict each other.
Expected<void> check(const RunOptions& options) {
  const auto refuse = [](const char* message) { return Error{ErrorCode::kBadArgument, message}; };
  const bool has_prompt = options.prompt || options.prompt_file;
  if (options.prompt && options.prompt_file) return refuse("-p and -f both give a prompt; use one of them.");
  if (options.raw && options.system)
    return refuse("--system needs the chat template, which --raw turns off.");
  if (options.raw && !has_prompt) return refuse("--raw needs a prompt; give one with -p or -f.");
  if (const auto ok = check(options.guesses); !ok) return ok.error();
  if (options.n_logprobs && options.guesses.any()) {
    return refuse("--logprobs does not go with guesses (--lookup, --draft-model); leave one of them out.");
  }
  if (options.json && !has_prompt) return refuse("--json needs a prompt; give one with -p or -f.");
  if (options.n_logprobs && !options.json) return refuse("--logprobs needs --json, which prints them.");
  return {};
}

int run(const RunOptions& options) {
  if (const auto ok = check(options); !ok) return fail(ok.error());
  RunOptions planned = options;
  if (const auto ok = choose_cache(planned.open, planned.engine, planned.verbose); !ok)
    return fail(ok.error());
  return planned.prompt || planned.prompt_file ? run_once(planned) : run_chat(planned);
}

}  // namespace

void add_run_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "Answer a prompt, or chat");
  command->footer(kRunExamples);
  const auto group = [command](const char* name) { command->option_defaults()->group(name); };
  add_input_options(*command, *options);
  add_engine_options(*command, *options);
  group("Sessions and guesses");
  add_session_options(*command, *options);
  add_speculation_options(*command, *options);
  group("Sampling");
  add_sampler_options(*command, options->sampler);
  group("Penalties and biases");
  add_penalty_options(*command, options->sampler);
  group("Grammar");
  add_grammar_options(*command, options->grammar);
  group("Output");
  command->add_flag("--json", options->json, "print one JSON object instead of text");
  add_integer(
      *command, "--logprobs", [options](std::int64_t n) { options->n_logprobs = static_cast<int>(n); }, 0,
      1000, "with --json: log probabilities of the tokens and of the N most likely ones");
  command->add_flag("--verbose", options->verbose, "say on stderr what is loaded, used and done");
  command->add_flag("--profile", options->profile, "say on stderr where the time of generating went");
  command->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

namespace {

Expected<void> start_speculation(Runtime& runtime, const RunOptions& options) {
  if (!options.guesses.any()) return {};
  auto draft = load_draft(options.guesses, options.engine, runtime.engine->n_ctx());
  if (!draft) return draft.error();
  runtime.draft_engine = *std::move(draft);
  auto drafter = make_drafter(options.guesses, *runtime.engine, runtime.draft_engine.get());
  if (!drafter) return drafter.error();
  auto speculator = Speculator::create(*runtime.engine, *std::move(drafter), options.speculation);
  if (!speculator) return speculator.error();
  runtime.speculator = *std::move(speculator);
  return {};
}

Expected<void> restore_session(Runtime& runtime, const RunOptions& options) {
  std::error_code ignored;  // what cannot be looked at cannot be opened either, and that says why
  if (!options.session_file || !std::filesystem::exists(*options.session_file, ignored)) return {};
  return runtime.session->restore(*options.session_file);
}

}  // namespace

Expected<void> save_session(const Runtime& runtime, const RunOptions& options) {
  if (!options.session_file) return {};
  return runtime.session->save(*options.session_file);
}

Expected<Runtime> load_runtime(const RunOptions& options) {
  Runtime runtime;
  // First: it costs nothing to refuse.
  auto grammar = load_grammar(options.grammar);
  if (!grammar) return grammar.error();
  if (const auto ok = check(options.sampler); !ok) return ok.error();
  const auto start = std::chrono::steady_clock::now();
  auto engine = Engine::load(options.engine);
  if (!engine) return engine.error();
  auto session = (*engine)->create_session();
  if (!session) return session.error();
  SamplerOptions sampler_options = options.sampler;
  sampler_options.grammar = *std::move(grammar);
  const bool needs_vocabulary = sampler_options.grammar || sampler_options.dry_multiplier != 0.0F;
  auto sampler = Sampler::create(sampler_options, needs_vocabulary ? (*engine)->vocabulary() : nullptr);
  if (!sampler) return sampler.error();
  runtime.load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  runtime.engine = *std::move(engine);
  runtime.session = *std::move(session);
  runtime.sampler = *std::move(sampler);
  if (const auto ok = start_speculation(runtime, options); !ok) return ok.error();
  if (const auto ok = restore_session(runtime, options); !ok) return ok.error();
  release_startup_memory();
  const auto warning = key_bias_warning(runtime.engine->cache_plan(), runtime.engine->info().key_bias);
  if (!warning.empty()) note("warning: " + warning);
  if (options.verbose) note(describe(runtime, options));
  return runtime;
}

Expected<std::vector<Token>> encode_messages(const Engine& engine, std::span<const ChatMessage> messages) {
  auto tokens = engine.encode_chat(messages);
  const bool is_template_broken =
      !tokens && engine.has_chat_template() && tokens.error().code != ErrorCode::kBadArgument;
  if (!is_template_broken) return tokens;
  Error error = tokens.error();
  while (error.message.ends_with('.')) error.message.pop_back();
  error.message += "; -p TEXT --raw leaves the template out.";
  return error;
}

void PrefillProgress::operator()(std::int64_t done, std::int64_t total) {
  const std::int64_t tenths = done * 10 / total;
  if (tenths == tenths_) return;
  tenths_ = tenths;
  note("prompt: " + std::to_string(done) + " of " + std::to_string(total) + " tokens");
}

}  // namespace tq::app
