#include "server/scheduler/answer_text.h"

#include <algorithm>

namespace tq::server {

AnswerText::AnswerText(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
}

std::string AnswerText::push(std::string_view bytes, std::optional<ScoredToken> scored) {
  if (scored) scored_.push_back({std::move(*scored), n_taken_ + held_.size()});
  const std::size_t n_old = held_.size();
  held_ += characters_.push(bytes);
  std::string stop = search(n_old);
  if (!stop.empty()) return stop;
  n_sure_ = held_.size() - unsure();
  return stop;
}

std::string AnswerText::search(std::size_t n_old) {
  std::size_t earliest = std::string::npos;
  std::string found;
  for (const std::string& stop : stops_) {
    // What is old holds no stop string, but may hold the beginning of one.
    const std::size_t from = n_old - std::min(n_old, stop.size() - 1);
    const std::size_t at = held_.find(stop, from);
    if (at < earliest) {
      earliest = at;
      found = stop;
    }
  }
  if (found.empty()) return found;
  held_.resize(earliest);
  n_sure_ = earliest;
  std::erase_if(scored_, [end = n_taken_ + earliest](const Scored& s) { return s.begin >= end; });
  return found;
}

std::size_t AnswerText::unsure() const {
  std::size_t longest = 0;
  for (const std::string& stop : stops_) {
    const std::size_t most = std::min(stop.size() - 1, held_.size());
    for (std::size_t n = most; n > longest; --n) {
      if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, n))) longest = n;
    }
  }
  return longest;
}

void AnswerText::finish() {
  held_ += characters_.finish();
  n_sure_ = held_.size();
}

Piece AnswerText::take() {
  Piece piece{.text = held_.substr(0, n_sure_), .tokens = {}};
  held_.erase(0, n_sure_);
  n_taken_ += n_sure_;
  n_sure_ = 0;
  while (!scored_.empty() && (scored_.front().begin < n_taken_ || held_.empty())) {
    piece.tokens.push_back(std::move(scored_.front().token));
    scored_.pop_front();
  }
  return piece;
}

}  // namespace tq::server
