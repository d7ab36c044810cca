#include "server/scheduler/answer_stream.h"

namespace tq::server {

void Wakeup::signal() {
  {
    const std::lock_guard lock(mutex_);
    is_set_ = true;
  }
  changed_.notify_one();
}

void Wakeup::wait_until(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const auto is_set = [this] { return is_set_; };
  if (deadline == Clock::time_point::max()) {
    changed_.wait(lock, is_set);
  } else {
    changed_.wait_until(lock, deadline, is_set);
  }
  is_set_ = false;
}

std::optional<Event> AnswerStream::next(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  if (!filled_.wait_until(lock, deadline, [this] { return !events_.empty(); })) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  const bool made_room = events_.size() + 1 == kRoom;
  lock.unlock();
  if (made_room) scheduler_->signal();
  if (std::holds_alternative<Outcome>(event.what)) --n_open_;
  return event;
}

void AnswerStream::cancel() {
  cancelled_ = true;
  {
    const std::lock_guard lock(connection_mutex_);
    is_connected_ = nullptr;
  }
  scheduler_->signal();
}

void AnswerStream::put(Event event) {
  {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  filled_.notify_one();
}

bool AnswerStream::is_abandoned() const {
  const std::lock_guard lock(connection_mutex_);
  return cancelled_ || (is_connected_ && !is_connected_());
}

bool AnswerStream::has_room() const {
  const std::lock_guard lock(mutex_);
  return events_.size() < kRoom;
}

}  // namespace tq::server
