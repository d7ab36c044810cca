#include "server/api/reasoning.h"

#include <algorithm>
#include <utility>

namespace tq::server {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr std::string_view kSpace = " \t\r\n";

void trim_front(std::string& text) { text.erase(0, std::min(text.find_first_not_of(kSpace), text.size())); }

std::string_view without_trailing_space(std::string_view text) {
  const std::size_t last = text.find_last_not_of(kSpace);
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace

ReasoningSplitter::ReasoningSplitter(Start start)
    : place_(start == Start::kOff      ? Place::kContent
             : start == Start::kBefore ? Place::kBefore
                                       : Place::kInside) {}

ReasoningSplitter::Start ReasoningSplitter::start_after(std::string_view prompt) {
  return without_trailing_space(prompt).ends_with(kOpen) ? Start::kInside : Start::kBefore;
}

SplitText ReasoningSplitter::push(std::string_view text) {
  held_ += text;
  SplitText result;
  const bool can_go_on = (place_ != Place::kBefore || leave_before()) &&
                         (place_ != Place::kInside || leave_inside(result.reasoning)) &&
                         (place_ != Place::kAfter || leave_after());
  if (can_go_on) result.content = std::exchange(held_, {});
  return result;
}

SplitText ReasoningSplitter::finish() {
  is_over_ = true;
  return push({});
}

// False while what is held could still become <think>.
bool ReasoningSplitter::leave_before() {
  const std::string_view text =
      std::string_view(held_).substr(std::min(held_.find_first_not_of(kSpace), held_.size()));
  if (text.starts_with(kOpen)) {
    held_ = text.substr(kOpen.size());
    place_ = Place::kInside;
    return true;
  }
  if (!is_over_ && kOpen.starts_with(text)) return false;
  place_ = Place::kContent;
  return true;
}

// Gives out what is certainly reasoning; space around it is not. False until </think> is there.
bool ReasoningSplitter::leave_inside(std::string& reasoning) {
  if (!has_reasoning_) trim_front(held_);
  const std::size_t close = held_.find(kClose);
  std::string_view sure = std::string_view(held_).substr(0, close);
  if (close == std::string::npos && !is_over_) {
    std::size_t unsure = std::min(kClose.size() - 1, sure.size());
    while (!sure.ends_with(kClose.substr(0, unsure))) --unsure;
    sure.remove_suffix(unsure);
  }
  sure = without_trailing_space(sure);
  reasoning = sure;
  has_reasoning_ = has_reasoning_ || !reasoning.empty();
  held_.erase(0, close == std::string::npos ? reasoning.size() : close + kClose.size());
  if (close == std::string::npos) {
    if (is_over_) held_.clear();
    return false;
  }
  place_ = Place::kAfter;
  return true;
}

// The space between reasoning and answer belongs to neither.
bool ReasoningSplitter::leave_after() {
  trim_front(held_);
  if (held_.empty()) return false;
  place_ = Place::kContent;
  return true;
}

}  // namespace tq::server
