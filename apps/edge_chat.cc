// `turboquant edge chat`: each message is checked, and help shown, before the model is waited for.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "console.h"
#include "edge.h"
#include "generate.h"
#include "interrupt.h"
#include "line_reader.h"
#include "tq/sampler.h"

namespace tq::app {
namespace {

constexpr const char* kFriendly =
    "You are a kind assistant on a small device. Answer briefly and in plain words. Never give ways to hurt "
    "oneself "
    "or others.";

// Once somebody may be in danger, for the rest of the chat.
constexpr const char* kCareful =
    "You are a warm, calm listener on a small device without internet. Answer briefly, in plain words. Never "
    "give "
    "ways to hurt oneself or others, amounts of medicine, or a diagnosis, and never judge, argue or promise. "
    "If "
    "someone may be in danger, say that you care, ask whether they are safe now, and encourage them to talk "
    "to a "
    "person they trust, a crisis line or the emergency number. You are a program, not a person.";

class EdgeChat {
 public:
  explicit EdgeChat(const EdgeOptions& options)
      : options_(options),
        resources_(resources_of(options)),
        is_terminal_(::isatty(STDIN_FILENO) != 0),
        reader_(is_terminal_ ? make_terminal_reader() : make_pipe_reader()),
        model_(options) {}

  int run() {
    const InterruptScope scope(InterruptScope::Again::kAsks);
    if (is_terminal_)
      note("Ctrl-D ends the chat. I'm a program; turboquant edge resources lists people who can help.");
    while (output_.is_open()) {
      InterruptScope::clear();
      const auto [event, line] = reader_->read("> ");
      if (event == LineReader::Event::kInterrupted) break;
      if (!line.empty()) handle(line);
      if (event == LineReader::Event::kEnd) break;
    }
    return output_.finish(kExitOk);
  }

  bool is_stuck() const { return model_.is_stuck(); }

 private:
  void handle(const std::string& message) {
    edge::Screening screening = edge::Detector::built_in().screen(message);
    show_help(screening);
    if (screening.level <= edge::Level::kHint) {  // the model may see more in it
      std::optional<edge::Judgement> judgement;
      const edge::Level before = screening.level;
      screening = ask_model(model_, message, std::move(screening), judgement);
      if (!judgement->problem.empty()) note("turboquant: " + printable(judgement->problem));
      if (screening.level != before) show_help(screening);
    }
    answer(message, screening);
  }

  void show_help(const edge::Screening& screening) {
    if (!screening.needs_help()) return;
    const bool is_hint = screening.level == edge::Level::kHint;
    const bool is_repeated = has_helped_ || (is_hint && has_hinted_);
    (is_hint ? has_hinted_ : has_helped_) = true;
    output_.write(edge::help_text(screening, resources_,
                                  {.country = country_of(options_), .is_repeated = is_repeated}));
    output_.write("\n");
  }

  void answer(const std::string& message, const edge::Screening& screening) {
    const auto loaded = model_.get();
    if (!loaded) return complain(loaded.error());
    messages_.push_back({"user", message});
    auto text = generate_answer(*(*loaded)->engine, screening.needs_help());
    if (!text) {
      messages_.pop_back();
      return complain(text.error());
    }
    messages_.push_back({"assistant", *std::move(text)});
  }

  // Its answer is held back until it was checked, where somebody may be in danger.
  Expected<std::string> generate_answer(Engine& engine, bool is_careful) {
    if (const auto ok = prepare(engine); !ok) return ok.error();
    auto tokens = prompt(engine);
    if (!tokens) return tokens.error();
    GenerationRequest request{
        .prompt = *tokens, .max_tokens = options_.max_tokens, .on_text = {}, .on_prefill = {}};
    request.on_text = [this, is_careful](std::string_view text) {
      if (!is_careful) output_.write(text);
      return output_.is_open();
    };
    auto generation = generate(engine, *session_, *sampler_, request);
    if (!generation) return generation.error();
    if (is_careful) output_.write(checked(generation->text));
    output_.end_line();
    return std::move(generation->text);
  }

  // A small model may say what must not be said, if only by repeating it: an answer in which the rules find
  // anything is not shown.
  static std::string checked(const std::string& text) {
    const bool is_safe = edge::Detector::built_in().screen(text).level <= edge::Level::kHint;
    return is_safe ? text
                   : "(The model's answer is left out: it might hurt. The people above are there for you.)";
  }

  Expected<void> prepare(Engine& engine) {
    if (session_) return {};
    auto session = engine.create_session();
    if (!session) return session.error();
    auto sampler = Sampler::create({.temperature = 0.3F});
    if (!sampler) return sampler.error();
    session_ = *std::move(session);
    sampler_ = *std::move(sampler);
    return {};
  }

  // The instructions and as many of the last messages as leave room for an answer.
  Expected<std::vector<Token>> prompt(const Engine& engine) {
    const char* instructions = has_helped_ ? kCareful : kFriendly;
    while (true) {
      std::vector<ChatMessage> all = {{"system", instructions}};
      all.insert(all.end(), messages_.begin(), messages_.end());
      auto tokens = engine.encode_chat(all);
      if (!tokens) {  // templates that know no system message
        all.erase(all.begin());
        all.front().content = std::string(instructions) + "\n\n" + all.front().content;
        tokens = engine.encode_chat(all);
      }
      if (!tokens) return tokens.error();
      const auto room = session_->n_ctx() - static_cast<std::int64_t>(tokens->size());
      if (room >= std::min<std::int64_t>(options_.max_tokens, session_->n_ctx() / 4)) return tokens;
      if (messages_.size() < 3) {
        return Error{ErrorCode::kContextFull,
                     "this message leaves no room for an answer; write a shorter one."};
      }
      messages_.erase(messages_.begin(), messages_.begin() + 2);
    }
  }

  void complain(const Error& error) {
    fail(error);
    if (!std::exchange(has_complained_, true)) note("The model cannot answer; messages are still checked.");
  }

  const EdgeOptions& options_;
  edge::Resources resources_;
  bool is_terminal_;
  std::unique_ptr<LineReader> reader_;
  EdgeModel model_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Sampler> sampler_;
  std::vector<ChatMessage> messages_;
  Output output_;
  bool has_helped_ = false;
  bool has_hinted_ = false;
  bool has_complained_ = false;
};

}  // namespace

int run_edge_chat(const EdgeOptions& options) {
  EdgeChat chat(options);
  const int code = chat.run();
  if (chat.is_stuck()) std::_Exit(code);
  return code;
}

}  // namespace tq::app
