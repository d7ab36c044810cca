// `turboquant run` with a prompt: one answer, streamed or as JSON, and how it went.
#include "console.h"
#include "interrupt.h"
#include "report.h"
#include "run.h"
#include "text_input.h"

namespace tq::app {
namespace {

constexpr std::size_t kMaxPromptBytes = std::size_t{256} << 20;  // more than any context holds

Expected<std::string> read_prompt(const RunOptions& options) {
  std::string text;
  if (options.prompt) {
    text = *options.prompt;
  } else {
    auto file = *options.prompt_file == "-" ? read_standard_input(kMaxPromptBytes)
                                            : read_file(*options.prompt_file, kMaxPromptBytes);
    if (!file) return file.error();
    text = *std::move(file);
    // The newline that ends a text file is no part of the prompt.
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
  }
  if (text.empty()) return Error{ErrorCode::kBadArgument, "the prompt is empty; give text with -p or -f."};
  if (const auto ok = check_utf8(text, "the prompt"); !ok) return ok.error();
  if (options.system) {
    if (const auto ok = check_utf8(*options.system, "the system message"); !ok) return ok.error();
  }
  return text;
}

Expected<std::vector<Token>> prompt_tokens(const Engine& engine, const std::string& prompt,
                                           const RunOptions& options) {
  if (options.raw || !engine.has_chat_template()) {
    if (options.system) {
      return Error{ErrorCode::kBadArgument,
                   "--system needs a chat template, and this model has none; put it into the prompt."};
    }
    return engine.encode(prompt, SpecialText::kParse, true);
  }
  std::vector<ChatMessage> messages;
  if (options.system) messages.push_back({"system", *options.system});
  messages.push_back({"user", prompt});
  return encode_messages(engine, messages);
}

void say_why_it_stopped(const Generation& generation, const Engine& engine) {
  if (generation.stop != StopReason::kContext) return;
  note("the context of " + std::to_string(engine.n_ctx()) + " tokens is full, so the answer ends here; " +
       context_advice(engine, "shorten the prompt") + ".");
}

int answer(const Runtime& runtime, const std::vector<Token>& prompt, const RunOptions& options) {
  Output output;
  GenerationRequest request{.prompt = prompt,
                            .max_tokens = options.max_tokens,
                            .n_logprobs = options.n_logprobs,
                            .on_text = {},
                            .on_prefill = {},
                            .speculator = runtime.speculator.get()};
  if (!options.json) {
    request.on_text = [&output](std::string_view text) {
      output.write(text);
      return output.is_open();
    };
  }
  request.profile = options.profile;
  if (options.verbose) request.on_prefill = PrefillProgress();

  const InterruptScope scope(InterruptScope::Again::kKills);
  const auto generation = generate(*runtime.engine, *runtime.session, *runtime.sampler, request);
  output.end_line();
  if (!generation) return fail(generation.error());
  const auto saved = save_session(runtime, options);
  if (options.json) output.write(to_json(*generation, runtime, options) + "\n");
  if (output.is_open()) say_why_it_stopped(*generation, *runtime.engine);
  if (output.is_open() && !options.json) {
    note(summary(*generation, *runtime.session, options.engine));
    if (runtime.speculator && options.verbose) note(describe(runtime.speculator->stats()));
  }
  if (output.is_open() && generation->profile) note(profile_line(*generation));
  if (!saved) return output.finish(fail(saved.error()));
  return output.finish(generation->stop == StopReason::kInterrupted ? kExitInterrupted : kExitOk);
}

}  // namespace

int run_once(const RunOptions& options) {
  const auto prompt = read_prompt(options);
  if (!prompt) return fail(prompt.error());
  const auto runtime = load_runtime(options);
  if (!runtime) return fail(runtime.error());
  const auto tokens = prompt_tokens(*runtime->engine, *prompt, options);
  if (!tokens) return fail(tokens.error());
  return answer(*runtime, *tokens, options);
}

}  // namespace tq::app
