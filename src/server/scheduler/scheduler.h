// Many requests, one engine: the thread that owns Engine::step(). Requests wait in a bounded queue, first
// come first served, and run in slots that advance together, one forward pass after the other (continuous
// batching).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/scheduler/slot.h"

namespace tq::server {

struct SchedulerOptions {
  int n_slots = 1;
  std::size_t max_queued = 64;      // requests that wait for a slot; more are refused
  std::chrono::seconds timeout{0};  // of a request, its wait included; 0: none
  // Makes what guesses ahead in one slot; empty: nobody does. Answers are the same, to the bit. Not used
  // where the model has recurrent layers, which cannot take back a wrong guess and be as before.
  std::function<Expected<std::unique_ptr<Drafter>>()> make_drafter = {};
  SpeculationOptions speculation = {};
};

enum class Admission {
  kAccepted,
  kQueueFull,
  kShuttingDown,
};

struct SlotStatus {
  int id = 0;
  std::uint64_t job = 0;  // its request's number, or that of the last one; 0: none yet
  bool is_busy = false;
  bool is_guessing = false;   // something guesses ahead in it
  std::int64_t n_prompt = 0;  // of the request
  std::int64_t n_answer = 0;
  std::int64_t n_cached = 0;  // tokens that the session holds
  std::size_t kv_bytes = 0;
  std::size_t kv_bytes_f16 = 0;
};

class Scheduler {
 public:
  // The engine must outlive it, and nobody else may step it meanwhile.
  static Expected<std::unique_ptr<Scheduler>> create(Engine& engine, const SchedulerOptions& options);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  struct Submission {
    Admission admission = Admission::kAccepted;
    std::shared_ptr<AnswerStream> stream = {};
  };
  // All or none of the requests, whose prompts fit the context; they are the choices of one stream. No
  // forward pass begins for them once `is_connected` is false (AnswerStream).
  Submission submit(std::vector<GenerationRequest> requests, std::function<bool()> is_connected = {});
  // Seconds after which it may be worth asking again.
  int retry_after() const;

  // Runs `use` on the scheduler's thread while the slot is idle, and waits for it. False when there is no
  // such slot, or the scheduler is shutting down.
  bool with_idle_slot(int id, const std::function<void(std::unique_ptr<Session>& session)>& use);

  // No more requests; those there are may go on until `deadline`, then their streams end with kShutdown.
  // Returns when all have ended.
  void shut_down(Clock::time_point deadline);

  std::vector<SlotStatus> slots() const;
  std::size_t queued() const;
  const Metrics& metrics() const { return metrics_; }
  int n_slots() const { return options_.n_slots; }
  // Requests that are taken at once while nothing else runs.
  std::size_t capacity() const { return options_.max_queued + static_cast<std::size_t>(options_.n_slots); }

 private:
  struct Visit;

  Scheduler(Engine& engine, const SchedulerOptions& options);

  std::size_t idle_slots() const;  // by the last status
  void run();
  bool is_done();
  void drop_ended();
  void serve_visits();
  void fill_slots();
  Slot* slot_for(const Job& job);
  bool is_visited(int slot) const;
  bool step();
  void guess();
  bool waits_for_earlier(const Slot& slot) const;
  Clock::time_point next_deadline() const;
  void publish_status();

  Engine& engine_;
  SchedulerOptions options_;
  Metrics metrics_;
  std::shared_ptr<Wakeup> wakeup_ = std::make_shared<Wakeup>();

  mutable std::mutex mutex_;  // over what follows, until the slots
  std::deque<Job> queue_;
  std::deque<Visit*> visits_;
  std::optional<Clock::time_point> closing_;
  std::uint64_t last_number_ = 0;
  std::vector<SlotStatus> status_;

  std::vector<Slot> slots_;  // the thread's own
  std::thread thread_;
};

}  // namespace tq::server
