// The bounded channel from the scheduler to the one who asked. The scheduler never waits for a reader: what
// has no room is not generated until there is some.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "server/scheduler/request.h"

namespace tq::server {

// Tells the scheduler to look again: a request came, a reader made room or left.
class Wakeup {
 public:
  void signal();
  // Until signalled since the last wait, or `deadline`.
  void wait_until(Clock::time_point deadline);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_set_ = false;
};

// Shared by the reader and the scheduler.
class AnswerStream {
 public:
  AnswerStream(int n_choices, std::shared_ptr<Wakeup> scheduler)
      : n_open_(n_choices), scheduler_(std::move(scheduler)) {}

  // The reader's side. Empty when nothing came before `deadline`.
  std::optional<Event> next(Clock::time_point deadline);
  void cancel();  // nobody reads any more
  // Whether all choices have ended and their outcomes were read.
  bool is_finished() const { return n_open_ == 0; }

  // The scheduler's side.
  void put(Event event);
  bool has_room() const;
  bool is_cancelled() const { return cancelled_; }

 private:
  static constexpr std::size_t kRoom = 64;  // events

  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Event> events_;
  int n_open_;  // the reader's: choices without an outcome
  std::atomic<bool> cancelled_ = false;
  std::shared_ptr<Wakeup> scheduler_;
};

}  // namespace tq::server
