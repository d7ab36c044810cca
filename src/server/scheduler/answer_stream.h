// The bounded channel from the scheduler to the one who asked. The scheduler never waits for a reader: what
// has no room is not generated until there is some.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
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
  // `is_connected` says whether the client is still there; empty: always. It is called by the scheduler's
  // thread, and no more once cancel() has returned.
  AnswerStream(int n_choices, std::shared_ptr<Wakeup> scheduler, std::function<bool()> is_connected)
      : n_open_(n_choices), scheduler_(std::move(scheduler)), is_connected_(std::move(is_connected)) {}

  // The reader's side. Empty when nothing came before `deadline`.
  std::optional<Event> next(Clock::time_point deadline);
  void cancel();  // nobody reads any more
  // Whether all choices have ended and their outcomes were read.
  bool is_finished() const { return n_open_ == 0; }

  // The scheduler's side.
  void put(Event event);
  bool has_room() const;
  bool is_cancelled() const { return cancelled_; }
  // Cancelled, or its client has hung up, which the reader may not have noticed yet.
  bool is_abandoned() const;

 private:
  static constexpr std::size_t kRoom = 64;  // events

  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Event> events_;
  int n_open_;  // the reader's: choices without an outcome
  std::atomic<bool> cancelled_ = false;
  std::shared_ptr<Wakeup> scheduler_;
  mutable std::mutex connection_mutex_;
  std::function<bool()> is_connected_;
};

}  // namespace tq::server
