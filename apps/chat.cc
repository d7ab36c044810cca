// The chat's loop: reads a message, answers it. chat_commands.cc has what begins with a slash.
#include "chat.h"

#include <unistd.h>

#include "interrupt.h"
#include "report.h"
#include "text_input.h"

namespace tq::app {
namespace {

constexpr const char* kPrompt = "> ";
constexpr const char* kContinuedPrompt = ". ";

constexpr const char* kStartAnew = "start a new conversation with /clear";

}  // namespace

Chat::Chat(Runtime& runtime, const RunOptions& options, bool is_terminal)
    : runtime_(runtime),
      options_(options),
      is_terminal_(is_terminal),
      reader_(is_terminal ? make_terminal_reader() : make_pipe_reader()) {
  if (options.system) messages_.push_back({"system", *options.system});
}

int Chat::run() {
  const InterruptScope scope(InterruptScope::Again::kAsks);
  bool was_asked = false;
  while (!done_ && output_.is_open()) {
    const auto message = read_message();
    if (!message) break;
    was_asked = true;
    handle(*message);
    if (!is_terminal_ && InterruptScope::interrupted()) interrupted_ = true;
    done_ = done_ || interrupted_;
  }
  if (const auto ok = save_session(runtime_, options_); !ok) complain(ok.error());
  if (interrupted_) return output_.finish(kExitInterrupted);
  if (!was_asked && !is_terminal_) {
    return fail({ErrorCode::kBadArgument, "there is no prompt; give one with -p, -f or on standard input."});
  }
  return output_.finish(failed_ && !is_terminal_ ? kExitFailed : kExitOk);
}

LineReader::Result Chat::read_lines() {
  auto result = reader_->read(kPrompt);
  while (result.event == LineReader::Event::kLine && result.line.ends_with('\\')) {
    auto next = reader_->read(kContinuedPrompt);
    if (next.event == LineReader::Event::kInterrupted) return next;
    result.line.back() = '\n';
    result.line += next.line;
    if (next.event == LineReader::Event::kEnd) break;
  }
  return result;
}

std::optional<std::string> Chat::read_message() {
  bool warned = false;
  while (true) {
    InterruptScope::clear();
    auto [event, line] = read_lines();
    if (event == LineReader::Event::kEnd) {
      if (is_terminal_) note("");
      return std::nullopt;
    }
    if (event == LineReader::Event::kInterrupted) {
      if (is_terminal_) note("");
      interrupted_ = (warned && line.empty()) || !is_terminal_;
      if (interrupted_) return std::nullopt;
      note("(Ctrl-C again, Ctrl-D or /exit ends the chat)");
      warned = true;
      continue;
    }
    warned = false;
    if (!line.empty()) return std::move(line);
  }
}

void Chat::handle(const std::string& message) {
  if (const auto ok = check_utf8(message, "this message"); !ok) {
    complain(ok.error());
  } else if (message.front() == '/') {
    obey(message);
  } else {
    ask(message);
  }
}

void Chat::ask(const std::string& question) {
  messages_.push_back({"user", question});
  // Without an answer the question is taken back, so that it can be asked again in other words.
  if (!answer()) messages_.pop_back();
}

Expected<std::vector<Token>> Chat::prompt() const {
  auto tokens = encode_messages(*runtime_.engine, messages_);
  if (!tokens) return tokens.error();
  if (static_cast<std::int64_t>(tokens->size()) >= runtime_.session->n_ctx()) {
    return Error{ErrorCode::kContextFull, "the conversation of " + std::to_string(tokens->size()) +
                                              " tokens leaves no room in the context of " +
                                              std::to_string(runtime_.session->n_ctx()) + "; " +
                                              context_advice(*runtime_.engine, kStartAnew) + "."};
  }
  return tokens;
}

bool Chat::answer() {
  InterruptScope::clear();
  const auto tokens = prompt();
  if (!tokens) {
    complain(tokens.error());
    return false;
  }
  GenerationRequest request{.prompt = *tokens,
                            .max_tokens = options_.max_tokens,
                            .on_text = {},
                            .on_prefill = {},
                            .speculator = runtime_.speculator.get()};
  request.on_text = [this](std::string_view text) {
    output_.write(text);
    return output_.is_open();
  };
  request.profile = options_.profile;
  if (options_.verbose) request.on_prefill = PrefillProgress();
  auto generation = generate(*runtime_.engine, *runtime_.session, *runtime_.sampler, request);
  output_.end_line();
  if (!generation) {
    complain(generation.error());
    return false;
  }
  explain(*generation);
  const bool was_cut_before_text = generation->stop == StopReason::kInterrupted && generation->text.empty();
  if (!was_cut_before_text) messages_.push_back({"assistant", generation->text});
  last_ = *std::move(generation);
  return !was_cut_before_text;
}

void Chat::explain(const Generation& generation) {
  if (generation.stop == StopReason::kInterrupted) {
    note(generation.text.empty() ? "(stopped before an answer; the message is taken back)" : "(stopped)");
  }
  if (generation.stop == StopReason::kContext) {
    complain({ErrorCode::kContextFull, "the context of " + std::to_string(runtime_.session->n_ctx()) +
                                           " tokens is full, so the answer ends here; " +
                                           context_advice(*runtime_.engine, kStartAnew) + "."});
  }
  if (options_.verbose) note(summary(generation, *runtime_.session, options_.engine));
  if (generation.profile) note(profile_line(generation));
  if (options_.verbose && runtime_.speculator) note(describe(runtime_.speculator->stats()));
}

void Chat::complain(const Error& error) {
  fail(error);
  failed_ = true;
}

int run_chat(const RunOptions& options) {
  if (options.system) {
    if (const auto ok = check_utf8(*options.system, "the system message"); !ok) return fail(ok.error());
  }
  auto runtime = load_runtime(options);
  if (!runtime) return fail(runtime.error());
  const Engine& engine = *runtime->engine;
  const ChatMessage greeting{"user", "Hello"};
  const auto usable = encode_messages(engine, {&greeting, 1});
  if (!usable && usable.error().code != ErrorCode::kBadArgument) return fail(usable.error());
  const bool is_terminal = ::isatty(STDIN_FILENO) != 0;
  if (is_terminal) {
    note(printable(engine.info().name) + ", context " + std::to_string(engine.n_ctx()) + ", cache " +
         engine.cache_description() + "; /help lists commands, Ctrl-D ends the chat");
  }
  return Chat(*runtime, options, is_terminal).run();
}

}  // namespace tq::app
