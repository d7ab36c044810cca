// An answer under way -> content, reasoning and calls. Every byte goes to one of three places: reasoning,
// content, or the reader of a call; in content, markers are looked for.
#include <utility>

#include "tokenizer/tool_calls/call_markers.h"
#include "tokenizer/tool_calls/json_scanner.h"
#include "tokenizer/tool_calls/limits.h"
#include "tokenizer/tool_calls/until.h"

namespace tq {

class AnswerParser::Impl final : private tool_calls::CallSink {
 public:
  explicit Impl(const Options& options)
      : types_(options.tools),
        syntax_(options.format.syntax),
        is_bare_(!options.tools.empty() && (syntax_ == ToolSyntax::kLlama3 || syntax_ == ToolSyntax::kJson)),
        id_seed_(options.id_seed),
        reasoning_open_(options.format.reasoning_open),
        reasoning_close_(options.format.reasoning_close),
        reasoning_end_(reasoning_close_) {
    if (!options.tools.empty()) markers_ = tool_calls::call_markers(syntax_);
    if (!reasoning_open_.empty() && !reasoning_close_.empty()) {
      markers_.push_back({.text = reasoning_open_, .opens = Marker::Opens::kReasoning, .only_fresh = true});
      if (options.starts_in_reasoning) mode_ = Mode::kReasoning;
      drops_spaces_ = options.starts_in_reasoning;
    }
  }
  Impl(const Impl&) = delete;  // readers refer to it
  Impl& operator=(const Impl&) = delete;

  std::vector<AnswerEvent> push(std::string_view piece) {
    for (const char c : piece) {
      take(c);
      ++offset_;
    }
    return std::exchange(events_, {});
  }

  std::vector<AnswerEvent> finish() {
    if (mode_ == Mode::kReasoning) {
      say_held(Kind::kReasoning, reasoning_end_.held_back());
    } else {
      // An answer that ends in a call was cut: half an escape or a closing marker is no text for people.
      if (in_call_) raw_.clear();
      if (mode_ == Mode::kCall) give_up_call();
      if (pending_.empty() && is_fresh_ && n_calls_ > 0) spaces_.clear();
      say_held(Kind::kContent, pending_);
    }
    return std::exchange(events_, {});
  }

 private:
  using Kind = AnswerEvent::Kind;
  using Marker = tool_calls::Marker;
  enum class Mode : std::uint8_t { kContent, kReasoning, kCall };

  void take(char c) {
    switch (mode_) {
      case Mode::kContent:
        return content(c);
      case Mode::kReasoning:
        return reasoning(c);
      case Mode::kCall:
        return call(c);
    }
  }

  // No marker contains its own first byte again but for ```, so that a text that is none can begin one only
  // with the byte at which it failed.
  void content(char c) {
    pending_ += c;
    bool may_be_marker = false;
    for (const Marker& marker : markers_) {
      if ((marker.only_fresh && !is_fresh_) || !marker.text.starts_with(pending_)) continue;
      if (marker.text.size() == pending_.size()) return open(marker);
      may_be_marker = true;
    }
    if (!close_.empty() && is_fresh_ && close_.starts_with(pending_)) {
      if (close_.size() == pending_.size()) return after_close();
      may_be_marker = true;
    }
    if (may_be_marker) return;
    pending_.pop_back();
    if (!pending_.empty()) {
      for (const char held : std::exchange(pending_, {})) say(held);
      return content(c);
    }
    const bool goes_on = is_fresh_ && !close_.empty() && json_goes_on_;
    if (c == '{' && ((is_bare_ && is_fresh_) || goes_on)) {
      start_call(tool_calls::read_json_calls(goes_on ? nullptr : &types_), close_, "");
      return call(c);
    }
    if (c == ';' && is_bare_ && is_fresh_ && n_calls_ > 0) {  // between Llama's calls
      spaces_ += c;
      return;
    }
    say(c);
  }

  void open(const Marker& marker) {
    pending_.clear();
    if (marker.opens == Marker::Opens::kReasoning) {
      spaces_.clear();
      mode_ = Mode::kReasoning;
      drops_spaces_ = true;
      return;
    }
    start_call(tool_calls::reader_after(marker, syntax_, types_), marker.close, marker.text);
    json_goes_on_ = marker.opens == Marker::Opens::kTagged || marker.opens == Marker::Opens::kJson;
  }

  // The call's closing marker, white space around it included, says nothing.
  void after_close() {
    pending_.clear();
    spaces_.clear();
    close_ = {};
  }

  // Content that is no marker. White space waits for what comes after it.
  void say(char c) {
    if (tool_calls::is_space(c) && spaces_.size() < tool_calls::kMaxSpaces) {
      spaces_ += c;
      return;
    }
    if (drops_spaces_) spaces_.clear();
    if (drops_spaces_ && tool_calls::is_space(c)) return;
    spaces_ += c;
    emit(Kind::kContent, spaces_);
    spaces_.clear();
    is_fresh_ = drops_spaces_ = false;
    close_ = {};
  }

  void reasoning(char c) {
    const bool is_over = reasoning_end_.push(c, [&](char byte) {
      spaces_ += byte;
      if (tool_calls::is_space(byte) && spaces_.size() < tool_calls::kMaxSpaces) return;
      if (drops_spaces_) spaces_.erase(0, spaces_.find_first_not_of(" \n\r\t"));
      if (!spaces_.empty()) drops_spaces_ = false;
      emit(Kind::kReasoning, spaces_);
      spaces_.clear();
    });
    if (!is_over) return;
    spaces_.clear();
    mode_ = Mode::kContent;
    is_fresh_ = drops_spaces_ = true;
  }

  void start_call(std::unique_ptr<tool_calls::CallReader> reader, std::string_view close,
                  std::string_view marker) {
    reader_ = std::move(reader);
    mode_ = Mode::kCall;
    raw_ = (drops_spaces_ ? "" : spaces_) + std::string(marker);
    raw_begin_ = offset_ + (marker.empty() ? 0 : 1) - raw_.size();
    spaces_.clear();
    next_close_ = close;
    has_called_ = false;
  }

  void call(char c) {
    has_told_ = false;
    const tool_calls::Read read = reader_->push(c, *this);
    if (read == tool_calls::Read::kBad) {
      give_up_call();
      return content(c);
    }
    if (has_told_) {
      raw_.clear();
    } else {
      raw_ += c;
    }
    if (read == tool_calls::Read::kDone && has_called_) {
      reader_.reset();
      mode_ = Mode::kContent;
      is_fresh_ = true;
      drops_spaces_ = false;
      close_ = next_close_;
    } else if (read == tool_calls::Read::kDone || raw_.size() > tool_calls::kMaxHeld) {
      ++offset_;  // the byte at hand is part of the raw text
      give_up_call();
      --offset_;
    }
  }

  // What was held back is content; what was given out of a call stays an incomplete one.
  void give_up_call() {
    reader_.reset();
    mode_ = Mode::kContent;
    close_ = {};
    is_fresh_ = drops_spaces_ = false;
    if (in_call_) {
      in_call_ = false;
      events_.push_back({.kind = Kind::kCallEnd, .call = n_calls_++, .offset = offset_ - raw_.size()});
    }
    emit(Kind::kContent, raw_);
    raw_.clear();
  }

  void begin(const std::string& name) override {
    events_.push_back({.kind = Kind::kCallBegin,
                       .call = n_calls_,
                       .id = tool_calls::call_id(syntax_, id_seed_, n_calls_),
                       .name = name,
                       .offset = raw_begin_});
    in_call_ = has_told_ = has_called_ = true;
  }

  void arguments(std::string_view json) override {
    has_told_ = has_told_ || !json.empty();
    emit(Kind::kArguments, json);
  }

  void end() override {
    in_call_ = false;
    has_told_ = true;
    raw_begin_ = offset_ + 1;
    events_.push_back(
        {.kind = Kind::kCallEnd, .call = n_calls_++, .is_complete = true, .offset = raw_begin_});
  }

  void emit(Kind kind, std::string_view text) {
    if (text.empty()) return;
    if (events_.empty() || events_.back().kind != kind)
      events_.push_back({.kind = kind, .call = kind == Kind::kArguments ? n_calls_ : 0});
    events_.back().text += text;
  }

  void say_held(Kind kind, std::string_view held) {
    if (drops_spaces_) spaces_.clear();
    emit(kind, spaces_);
    emit(kind, held);
    spaces_.clear();
  }

  tool_calls::ParameterTypes types_;
  std::vector<Marker> markers_;
  ToolSyntax syntax_;
  bool is_bare_;  // a call may begin with its '{'
  std::uint64_t id_seed_;
  std::string reasoning_open_, reasoning_close_;
  tool_calls::Until reasoning_end_;

  Mode mode_ = Mode::kContent;
  std::vector<AnswerEvent> events_;  // of the piece at hand
  std::size_t offset_ = 0;           // of the byte at hand in the answer
  std::string pending_;              // may be a marker's beginning
  std::string spaces_;               // before what comes next
  bool is_fresh_ = true;             // no content since the start, reasoning or a call
  bool drops_spaces_ = false;        // ... and white space here only sets apart
  std::string_view close_;           // marker that may end the call before
  bool json_goes_on_ = false;        // another object may follow before it

  std::unique_ptr<tool_calls::CallReader> reader_;
  std::string_view next_close_;
  std::string raw_;            // bytes of the call that no event tells of: content if it goes wrong
  std::size_t raw_begin_ = 0;  // where the call's markup begins
  std::size_t n_calls_ = 0;    // that have ended
  bool in_call_ = false;       // begun, not ended
  bool has_told_ = false;      // the byte at hand became part of an event
  bool has_called_ = false;    // by the reader at hand
};

AnswerParser::AnswerParser(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
AnswerParser::AnswerParser(AnswerParser&&) noexcept = default;
AnswerParser& AnswerParser::operator=(AnswerParser&&) noexcept = default;
AnswerParser::~AnswerParser() = default;

std::vector<AnswerEvent> AnswerParser::push(std::string_view piece) { return impl_->push(piece); }
std::vector<AnswerEvent> AnswerParser::finish() { return impl_->finish(); }

Answer parse_answer(const AnswerParser::Options& options, std::string_view text) {
  AnswerParser parser(options);
  std::vector<AnswerEvent> events = parser.push(text);
  const std::size_t n_pushed = events.size();
  for (AnswerEvent& event : parser.finish()) events.push_back(std::move(event));
  Answer answer;
  std::size_t begin = 0;  // of the call at hand, in the text
  for (std::size_t i = 0; i < events.size(); ++i) {
    AnswerEvent& event = events[i];
    switch (event.kind) {
      case AnswerEvent::Kind::kContent:
        answer.content += event.text;
        break;
      case AnswerEvent::Kind::kReasoning:
        answer.reasoning += event.text;
        break;
      case AnswerEvent::Kind::kCallBegin:
        answer.calls.push_back({std::move(event.id), std::move(event.name), ""});
        begin = event.offset;
        break;
      case AnswerEvent::Kind::kArguments:
        answer.calls.back().arguments += event.text;
        break;
      case AnswerEvent::Kind::kCallEnd:
        answer.calls.back().is_complete = event.is_complete;
        if (event.is_complete || i >= n_pushed) break;
        answer.calls.pop_back();
        answer.content += text.substr(begin, event.offset - begin);
        break;
    }
  }
  return answer;
}

}  // namespace tq
