#include "server/scheduler/scheduler.h"

#include <algorithm>
#include <future>

namespace tq::server {
namespace {

// Sessions share whole pages of the cache.
constexpr std::size_t kPage = 128;

}  // namespace

struct Scheduler::Visit {
  int slot;
  const std::function<void(std::unique_ptr<Session>&)>& use;
  std::promise<bool> done = {};
};

Expected<std::unique_ptr<Scheduler>> Scheduler::create(Engine& engine, const SchedulerOptions& options) {
  std::unique_ptr<Scheduler> scheduler(new Scheduler(engine, options));
  for (int id = 0; id < options.n_slots; ++id) {
    auto session = engine.create_session();
    if (!session) return session.error();
    std::unique_ptr<Drafter> drafter;
    if (options.make_drafter && !engine.info().is_recurrent) {
      auto made = options.make_drafter();
      if (!made) return made.error();
      drafter = *std::move(made);
    }
    scheduler->slots_.emplace_back(engine, id, *std::move(session), std::move(drafter));
  }
  scheduler->publish_status();
  scheduler->thread_ = std::thread([s = scheduler.get()] { s->run(); });
  return scheduler;
}

Scheduler::Scheduler(Engine& engine, const SchedulerOptions& options) : engine_(engine), options_(options) {}

Scheduler::~Scheduler() { shut_down(Clock::now()); }

Scheduler::Submission Scheduler::submit(std::vector<GenerationRequest> requests,
                                        std::function<bool()> is_connected) {
  const auto stream =
      std::make_shared<AnswerStream>(static_cast<int>(requests.size()), wakeup_, std::move(is_connected));
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return {.admission = Admission::kShuttingDown};
    if (queue_.size() + requests.size() > options_.max_queued + idle_slots()) {
      ++metrics_.refused;
      return {.admission = Admission::kQueueFull};
    }
    const Clock::time_point now = Clock::now();
    const bool has_timeout = options_.timeout.count() > 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      queue_.push_back({.request = std::move(requests[i]),
                        .stream = stream,
                        .choice = static_cast<int>(i),
                        .number = ++last_number_,
                        .arrived = now,
                        .deadline = has_timeout ? now + options_.timeout : Clock::time_point::max()});
    }
  }
  wakeup_->signal();
  return {.stream = stream};
}

std::size_t Scheduler::idle_slots() const {
  return static_cast<std::size_t>(std::ranges::count(status_, false, &SlotStatus::is_busy));
}

int Scheduler::retry_after() const {
  const double finished = static_cast<double>(std::max<std::uint64_t>(metrics_.finished, 1));
  const double busy = static_cast<double>(metrics_.prompt_microseconds + metrics_.decode_microseconds) / 1e6;
  const double turns = static_cast<double>(queued()) / options_.n_slots;
  return static_cast<int>(std::clamp(busy / finished * turns, 1.0, 60.0));
}

bool Scheduler::with_idle_slot(int id, const std::function<void(std::unique_ptr<Session>&)>& use) {
  if (id < 0 || id >= options_.n_slots) return false;
  Visit visit{.slot = id, .use = use};
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return false;
    visits_.push_back(&visit);
  }
  wakeup_->signal();
  return visit.done.get_future().get();
}

void Scheduler::shut_down(Clock::time_point deadline) {
  {
    const std::lock_guard lock(mutex_);
    closing_ = closing_ ? std::min(*closing_, deadline) : deadline;
  }
  wakeup_->signal();
  if (thread_.joinable()) thread_.join();
}

std::vector<SlotStatus> Scheduler::slots() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

std::size_t Scheduler::queued() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void Scheduler::run() {
  while (!is_done()) {
    drop_ended();
    serve_visits();
    fill_slots();
    publish_status();
    if (!step()) wakeup_->wait_until(next_deadline());
  }
}

// Nothing comes any more, and nothing is left.
bool Scheduler::is_done() {
  const std::lock_guard lock(mutex_);
  if (!closing_ || !visits_.empty() || !queue_.empty()) return false;
  return std::ranges::none_of(slots_, &Slot::is_busy);
}

// Requests whose reader has left, whose time is over, or that the end of the program cuts short.
void Scheduler::drop_ended() {
  const Clock::time_point now = Clock::now();
  std::vector<Job> ended;
  bool is_over = false;
  bool is_closing = false;
  {
    const std::lock_guard lock(mutex_);
    is_closing = closing_.has_value();
    is_over = is_closing && now >= *closing_;
    const auto has_ended = [&](const Job& job) {
      return is_closing || job.stream->is_cancelled() || now >= job.deadline;
    };
    for (Job& job : queue_) {
      if (has_ended(job)) ended.push_back(std::move(job));
    }
    std::erase_if(queue_, [](const Job& job) { return job.stream == nullptr; });
  }
  for (const Job& job : ended) {
    const auto reason = is_closing ? FinishReason::kShutdown : FinishReason::kTimeout;
    job.stream->put({job.choice, Outcome{.reason = reason}});
  }
  for (Slot& slot : slots_) {
    if (!slot.is_busy()) continue;
    if (slot.job().stream->is_abandoned()) {
      slot.abandon(metrics_);
    } else if (is_over || now >= slot.job().deadline) {
      slot.end(is_over ? FinishReason::kShutdown : FinishReason::kTimeout, metrics_);
    }
  }
}

void Scheduler::serve_visits() {
  std::vector<Visit*> ready;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(visits_, [&](Visit* visit) {
      if (slots_[static_cast<std::size_t>(visit->slot)].is_busy()) return false;
      ready.push_back(visit);
      return true;
    });
  }
  if (ready.empty()) return;
  for (Visit* visit : ready) visit->use(slots_[static_cast<std::size_t>(visit->slot)].owned_session());
  publish_status();
  for (Visit* visit : ready) visit->done.set_value(true);  // the visit is gone after this
}

void Scheduler::fill_slots() {
  const std::lock_guard lock(mutex_);
  for (auto job = queue_.begin(); job != queue_.end();) {
    Slot* const slot = slot_for(*job);
    // Without a slot the next one may want another; of one that is abandoned the reader will say so.
    if (slot == nullptr || job->stream->is_abandoned()) {
      ++job;
      continue;
    }
    if (!job->request.reuse_cache) {
      // A new session holds nothing of its own; what other sessions computed is the same bit for bit.
      if (auto session = engine_.create_session()) slot->owned_session() = *std::move(session);
    }
    slot->start(std::move(*job));
    job = queue_.erase(job);
  }
}

// The idle slot that holds most of the prompt; among equals the one that was used longest ago.
Slot* Scheduler::slot_for(const Job& job) {
  Slot* best = nullptr;
  std::size_t best_common = 0;
  for (Slot& slot : slots_) {
    const bool is_wanted = !job.request.slot || *job.request.slot == slot.id();
    if (slot.is_busy() || !is_wanted || is_visited(slot.id())) continue;
    const std::size_t common = slot.common_prefix(job.request.prompt);
    const bool is_better = best == nullptr || common > best_common ||
                           (common == best_common && slot.last_job() < best->last_job());
    if (is_better) {
      best = &slot;
      best_common = common;
    }
  }
  return best;
}

bool Scheduler::is_visited(int slot) const {
  return std::ranges::any_of(visits_, [slot](const Visit* visit) { return visit->slot == slot; });
}

// One forward pass for all that can go on. False when none can.
bool Scheduler::step() {
  guess();
  std::vector<Work> work;
  std::vector<Slot*> who;
  for (Slot& slot : slots_) {
    if (!slot.is_busy() || !slot.job().stream->has_room() || waits_for_earlier(slot)) continue;
    work.push_back(slot.work());
    who.push_back(&slot);
  }
  if (work.empty()) return false;
  engine_.step(work);
  ++metrics_.steps;
  metrics_.busy_slots += work.size();
  for (std::size_t i = 0; i < work.size(); ++i) {
    who[i]->computed(work[i].n_computed);
    if (!work[i].result) continue;
    if (const auto& logits = *work[i].result; logits) {
      who[i]->advance(*logits, metrics_);
    } else {
      who[i]->end(FinishReason::kError, metrics_, logits.error());
    }
  }
  return true;
}

// Guesses and company spend the same reserve: a pass of few rows waits for memory, and more rows cost it
// little.
void Scheduler::guess() {
  if (!options_.make_drafter) return;
  constexpr std::ptrdiff_t kFreeRows = 1 + kMaxDraft;
  const auto n_decoding =
      std::ranges::count_if(slots_, [](const Slot& slot) { return slot.is_busy() && !slot.is_prefilling(); });
  if (n_decoding == 0) return;
  const auto most = std::min<std::ptrdiff_t>(kFreeRows / n_decoding - 1, options_.speculation.max_draft);
  for (Slot& slot : slots_) {
    if (slot.is_busy() && slot.job().stream->has_room())
      slot.guess(options_.speculation.min_draft, static_cast<int>(most));
  }
}

// An earlier prompt is computing the pages that this one would have to compute too: it is cheaper to wait and
// share them.
bool Scheduler::waits_for_earlier(const Slot& slot) const {
  if (!slot.is_prefilling()) return false;
  return std::ranges::any_of(slots_, [&](const Slot& other) {
    if (!other.is_busy() || !other.is_prefilling() || other.job().number >= slot.job().number) return false;
    if (!other.job().stream->has_room()) return false;
    const auto prompt = slot.tokens();
    const auto common =
        static_cast<std::size_t>(std::ranges::mismatch(prompt, other.tokens()).in1 - prompt.begin());
    const std::size_t shared = common / kPage * kPage;
    return shared > slot.common_prefix(prompt) && shared > other.common_prefix(other.tokens());
  });
}

Clock::time_point Scheduler::next_deadline() const {
  const std::lock_guard lock(mutex_);
  Clock::time_point next = closing_.value_or(Clock::time_point::max());
  for (const Job& job : queue_) next = std::min(next, job.deadline);
  for (const Slot& slot : slots_) {
    if (slot.is_busy()) next = std::min(next, slot.job().deadline);
  }
  return next;
}

void Scheduler::publish_status() {
  std::vector<SlotStatus> status;
  for (const Slot& slot : slots_) {
    SlotStatus s{.id = slot.id(),
                 .job = slot.last_job(),
                 .is_busy = slot.is_busy(),
                 .is_guessing = slot.is_guessing(),
                 .n_cached = static_cast<std::int64_t>(slot.session().tokens().size()),
                 .kv_bytes = slot.session().kv_bytes(),
                 .kv_bytes_f16 = slot.session().kv_bytes_f16()};
    if (slot.is_busy()) {
      s.n_prompt = static_cast<std::int64_t>(slot.job().request.prompt.size());
      s.n_answer = slot.answer_tokens();
    }
    status.push_back(s);
  }
  const std::lock_guard lock(mutex_);
  status_ = std::move(status);
}

}  // namespace tq::server
