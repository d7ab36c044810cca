#include "server/models/model_pool.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/memory.h"
#include "server/api/answer.h"
#include "server/api/chat_messages.h"
#include "server/api/error.h"
#include "server/api/sampling.h"

namespace tq::server {
namespace {

using namespace std::chrono_literals;

// How soon a client's leaving is noticed while it waits for a model.
constexpr auto kLook = 50ms;
// Of a model whose context nobody chose, unless it was made for less.
constexpr std::int64_t kDefaultContext = 8192;

ApiError shutting_down() { return *failure_of({.reason = FinishReason::kShutdown}); }

std::string in_gib(std::size_t bytes) {
  const std::size_t tenths = (bytes * 10 + (std::size_t{1} << 29)) >> 30;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GiB";
}

ApiError not_found(const std::string& name) {
  return {.status = 404,
          .message = "model '" + name + "' not found; GET /v1/models lists those there are.",
          .param = "model",
          .code = "model_not_found"};
}

// Options that a model was made with, by Ollama's names, which are mostly those of requests.
void apply_params(const std::string& params, ServedModel& served) {
  if (params.empty()) return;
  const Json json = parse_object(params);
  const Fields fields(json);
  served.defaults = read_sampling(fields, served);
  served.stops = read_stops(fields);
  const auto n = fields.integer("num_predict", -2);
  if (n && *n >= 0) served.max_tokens = n;
}

std::int64_t context_of(const StoredModel& model) {
  if (model.params.empty()) return 0;
  const Json json = parse_object(model.params);
  return Fields(json).integer("num_ctx", 0).value_or(0);
}

}  // namespace

http::Response hold(ModelLease model, http::Response response) {
  if (!response.stream) return response;
  response.stream = [model = std::move(model), write = std::move(response.stream)](http::Writer& writer) {
    write(writer);
  };
  return response;
}

struct ModelPool::Entry {
  enum class State { kEmpty, kLoading, kReady, kUnloading };

  std::string path;
  State state = State::kEmpty;
  std::unique_ptr<Engine> owned;  // null for the first, which belongs to the caller
  Engine* engine = nullptr;
  std::unique_ptr<Scheduler> scheduler;
  std::shared_ptr<const AnswerMarkup> markup;
  StoredModel model;      // that it was last lent as
  std::size_t bytes = 0;  // of the budget
  std::int64_t n_ctx = 0;
  std::int64_t n_ctx_wanted = 0;  // more than n_ctx: to be loaded anew
  int n_users = 0;
  int n_waiting = 0;
  std::uint64_t last_use = 0;
  std::chrono::seconds keep_alive{0};
  bool was_used = false;  // since `expires` was set
  Clock::time_point expires = Clock::time_point::max();
  std::uint64_t n_failures = 0;
  std::optional<ApiError> failure = {};  // of the last load

  bool is_idle() const { return state == State::kReady && n_users == 0 && n_waiting == 0; }
};

class ModelPool::Lease {
 public:
  Lease(ModelPool& pool, Entry& entry, ServedModel served)
      : model(std::move(served)), pool_(pool), entry_(entry) {}
  ~Lease() { pool_.give_back(entry_); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  ServedModel model;

 private:
  ModelPool& pool_;
  Entry& entry_;
};

ModelPool::ModelPool(const ServerOptions& options, Note note)
    : options_(options), note_(std::move(note)), catalog_(options.models, note_) {
  budget_ = options.models.memory_bytes > 0 ? options.models.memory_bytes : available_memory() / 4 * 3;
}

Expected<std::unique_ptr<ModelPool>> ModelPool::create(const ServerOptions& options, Engine* first,
                                                       Note note) {
  std::unique_ptr<ModelPool> pool(new ModelPool(options, std::move(note)));
  if (first != nullptr) {
    auto entry = std::make_unique<Entry>();
    entry->path = canonical_path(options.model_path);
    entry->engine = first;
    entry->n_ctx = first->n_ctx();
    auto scheduler = Scheduler::create(*first, pool->scheduler_options(*first));
    if (!scheduler) return scheduler.error();
    entry->scheduler = *std::move(scheduler);
    entry->markup = std::make_shared<const AnswerMarkup>(*first);
    entry->state = Entry::State::kReady;
    entry->keep_alive = -1s;
    StoredModel& model = pool->first_model_;
    model.name.name =
        options.alias.empty() ? std::filesystem::path(options.model_path).stem().string() : options.alias;
    model.path = entry->path;
    std::error_code ignored;
    const auto size = std::filesystem::file_size(options.model_path, ignored);
    model.size = ignored ? 0 : size;
    model.modified = unix_time();
    model.digest = sha256(options.model_path + "\n" + std::to_string(model.size));
    entry->model = model;
    EngineOptions engine = options.models.engine;
    engine.model_path = options.model_path;
    const auto needed = Engine::memory_needed(engine);
    entry->bytes = needed ? *needed : model.size;
    if (options.models.memory_bytes == 0) pool->budget_ += entry->bytes;  // it is not available any more
    pool->first_ = entry.get();
    pool->entries_.emplace(model.path, std::move(entry));
  }
  pool->reaper_ = std::thread([p = pool.get()] { p->unload_expired(); });
  return pool;
}

ModelPool::~ModelPool() { shut_down(Clock::now()); }

void ModelPool::shut_down(Clock::time_point deadline) {
  std::vector<Scheduler*> schedulers;
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  changed_.notify_all();
  if (reaper_.joinable()) reaper_.join();
  {
    // Nothing is unloaded any more.
    const std::lock_guard lock(mutex_);
    for (const auto& [path, entry] : entries_) {
      if (entry->state == Entry::State::kReady) schedulers.push_back(entry->scheduler.get());
    }
  }
  for (Scheduler* const scheduler : schedulers) scheduler->shut_down(deadline);
}

// --- names

std::vector<StoredModel> ModelPool::list() const {
  std::vector<StoredModel> models = catalog_.list();
  if (first_ == nullptr) return models;
  std::erase_if(models, [&](const StoredModel& model) { return model.name == first_model_.name; });
  models.insert(models.begin(), first_model_);
  return models;
}

std::optional<StoredModel> ModelPool::find(const std::string& name) const {
  const bool is_first =
      first_ != nullptr && (name == first_model_.name.name || name == first_model_.name.tagged_text());
  if (is_first) return first_model_;
  return value_or_throw(catalog_.find(name));
}

StoredModel ModelPool::resolve(const std::string& name) const {
  if (has_one()) return first_model_;
  if (name.empty()) {
    if (first_ != nullptr) return first_model_;
    const auto models = catalog_.list();
    if (models.size() == 1) return models.front();
    refuse("'model' is missing; GET /v1/models lists those there are.", "model");
  }
  auto model = find(name);
  if (!model) throw not_found(name);
  return *std::move(model);
}

// --- loading

EngineOptions ModelPool::engine_options(const std::string& path, std::int64_t n_ctx) const {
  EngineOptions options = options_.models.engine;
  options.model_path = path;
  options.n_parallel = options_.n_parallel;
  options.disk_cache.note = note_;
  const auto facts = value_or_throw(catalog_.facts(path));
  const std::int64_t usual = options.n_ctx > 0 ? options.n_ctx : kDefaultContext;
  options.n_ctx = std::min(std::max(usual, n_ctx), facts.n_ctx_train);
  return options;
}

SchedulerOptions ModelPool::scheduler_options(const Engine& engine) const {
  SchedulerOptions scheduling{.n_slots = options_.n_parallel,
                              .max_queued = options_.max_queued,
                              .timeout = std::chrono::seconds(options_.request_seconds),
                              .speculation = options_.speculation};
  if (options_.make_drafter) {
    scheduling.make_drafter = [&engine, make = options_.make_drafter] { return make(engine); };
  }
  return scheduling;
}

ModelLease ModelPool::acquire(const ModelWish& wish) {
  const StoredModel model = resolve(wish.name);
  ModelWish whole = wish;
  if (whole.n_ctx == 0) whole.n_ctx = context_of(model);
  if (whole.n_ctx > 0)
    whole.n_ctx = std::min(whole.n_ctx, value_or_throw(catalog_.facts(model.path)).n_ctx_train);
  Lock lock(mutex_);
  std::unique_ptr<Entry>& place = entries_[model.path];
  if (!place) {
    place = std::make_unique<Entry>();
    place->path = model.path;
  }
  Entry& entry = *place;
  ++entry.n_waiting;
  try {
    wait_until_ready(entry, whole, lock);
  } catch (...) {
    --entry.n_waiting;
    changed_.notify_all();
    throw;
  }
  --entry.n_waiting;
  return lend(entry, model, whole);
}

void ModelPool::wait_until_ready(Entry& entry, const ModelWish& wish, Lock& lock) {
  const std::uint64_t n_failures = entry.n_failures;
  while (true) {
    if (is_closing_) throw shutting_down();
    if (entry.n_failures > n_failures) throw ApiError(*entry.failure);
    if (!wish.is_wanted()) throw ApiError{.status = 499, .message = "the client left."};
    if (&entry != first_) entry.n_ctx_wanted = std::max(entry.n_ctx_wanted, wish.n_ctx);
    const bool is_large_enough = entry.n_ctx >= entry.n_ctx_wanted || &entry == first_;
    if (entry.state == Entry::State::kReady && is_large_enough) return;
    if (entry.state == Entry::State::kReady && entry.n_users == 0) {
      unload(entry, lock);
      continue;
    }
    if (entry.state == Entry::State::kEmpty && try_load(entry, wish.n_ctx, lock)) continue;
    changed_.wait_for(lock, kLook);
  }
}

// False when others have to end first.
bool ModelPool::try_load(Entry& entry, std::int64_t n_ctx, Lock& lock) {
  const EngineOptions options = engine_options(entry.path, std::max(n_ctx, entry.n_ctx_wanted));
  const std::size_t needed = value_or_throw(Engine::memory_needed(options));
  const std::size_t pinned = first_ != nullptr ? first_->bytes : 0;
  if (needed + pinned > budget_) {
    entry.n_ctx_wanted = 0;
    throw ApiError{
        .status = 500,
        .message = "the model needs " + in_gib(needed) + " with a context of " +
                   std::to_string(options.n_ctx) + " tokens for each of " +
                   std::to_string(options.n_parallel) + " requests, but models may have " +
                   in_gib(budget_ - std::min(pinned, budget_)) +
                   " (--models-memory); use a shorter context (num_ctx, -c) or fewer (--parallel).",
        .type = "server_error"};
  }
  if (!make_room(needed, lock)) return false;
  if (entry.state != Entry::State::kEmpty) return true;  // somebody else was quicker
  entry.state = Entry::State::kLoading;
  entry.bytes = needed;
  lock.unlock();
  note_("loading " + entry.path + " with a context of " + std::to_string(options.n_ctx));
  const auto started = start(entry, options);
  lock.lock();
  if (!started) {
    entry.state = Entry::State::kEmpty;
    entry.bytes = 0;
    entry.n_ctx_wanted = 0;
    ++entry.n_failures;
    entry.failure =
        ApiError{.status = 500, .message = "cannot load: " + started.error().message, .type = "server_error"};
  } else {
    entry.state = Entry::State::kReady;
    entry.n_ctx = options.n_ctx;
    entry.keep_alive = options_.models.keep_alive;
    start_to_expire(entry);
  }
  changed_.notify_all();
  return true;
}

Expected<void> ModelPool::start(Entry& entry, const EngineOptions& options) const {
  auto engine = Engine::load(options);
  if (!engine) return engine.error();
  SchedulerOptions scheduling = scheduler_options(**engine);
  if (scheduling.make_drafter && !(*engine)->info().is_recurrent) try_drafter(entry, scheduling);
  auto scheduler = Scheduler::create(**engine, scheduling);
  if (!scheduler) return scheduler.error();
  entry.owned = *std::move(engine);
  entry.engine = entry.owned.get();
  entry.scheduler = *std::move(scheduler);
  entry.markup = std::make_shared<const AnswerMarkup>(*entry.engine);
  return {};
}

// Not every model gets on with what guesses ahead; of one that does, the first is used.
void ModelPool::try_drafter(const Entry& entry, SchedulerOptions& scheduling) const {
  auto drafter = scheduling.make_drafter();
  if (!drafter) {
    note_(entry.path + " is served without guesses: " + drafter.error().message);
    scheduling.make_drafter = {};
    return;
  }
  const auto first = std::make_shared<std::unique_ptr<Drafter>>(*std::move(drafter));
  scheduling.make_drafter = [first, make = scheduling.make_drafter]() -> Expected<std::unique_ptr<Drafter>> {
    if (*first) return std::exchange(*first, nullptr);
    return make();
  };
}

bool ModelPool::make_room(std::size_t needed, Lock& lock) {
  while (true) {
    std::size_t used = 0;
    for (const auto& [path, entry] : entries_) used += entry->bytes;
    if (used + needed <= budget_) return true;
    Entry* const victim = longest_unused();
    if (victim == nullptr) return false;
    unload(*victim, lock);
  }
}

ModelPool::Entry* ModelPool::longest_unused() {
  Entry* found = nullptr;
  for (const auto& [path, entry] : entries_) {
    if (!entry->is_idle() || entry.get() == first_) continue;
    if (found == nullptr || entry->last_use < found->last_use) found = entry.get();
  }
  return found;
}

void ModelPool::unload(Entry& entry, Lock& lock) {
  entry.state = Entry::State::kUnloading;
  auto scheduler = std::move(entry.scheduler);
  auto markup = std::move(entry.markup);
  auto engine = std::move(entry.owned);
  lock.unlock();
  note_("unloading " + entry.path);
  scheduler.reset();  // before what it steps
  markup.reset();
  engine.reset();
  lock.lock();
  entry.engine = nullptr;
  entry.state = Entry::State::kEmpty;
  entry.bytes = 0;
  entry.n_ctx = 0;
  changed_.notify_all();
}

// --- lending

ModelLease ModelPool::lend(Entry& entry, const StoredModel& model, const ModelWish& wish) {
  ServedModel served{.engine = *entry.engine,
                     .scheduler = *entry.scheduler,
                     .name = model.name.text(),
                     .path = model.path,
                     .created = model.modified,
                     .defaults = options_.sampler,
                     .splits_reasoning = options_.splits_reasoning,
                     .slot_save_path = options_.slot_save_path,
                     .template_variables = options_.template_variables,
                     .markup = entry.markup,
                     .system = model.system,
                     .max_tokens = options_.max_tokens};
  if (&entry == first_) served.name = model.name.name;
  apply_params(model.params, served);
  if (!model.messages.empty()) {
    const auto messages = try_parse(model.messages);
    if (messages && messages->is_array() && !messages->empty()) served.preamble = read_messages(*messages);
  }
  auto lease = std::make_shared<const Lease>(*this, entry, std::move(served));
  ++entry.n_users;
  if (!wish.is_look) {
    entry.last_use = ++n_uses_;
    entry.model = model;
    entry.was_used = true;
    if (&entry != first_) entry.keep_alive = wish.keep_alive.value_or(options_.models.keep_alive);
  }
  return {lease, &lease->model};
}

void ModelPool::give_back(Entry& entry) {
  {
    const std::lock_guard lock(mutex_);
    if (--entry.n_users == 0 && entry.was_used) start_to_expire(entry);
  }
  changed_.notify_all();
}

void ModelPool::start_to_expire(Entry& entry) {
  const bool stays = entry.keep_alive < 0s;
  entry.was_used = false;
  entry.expires = stays ? Clock::time_point::max() : Clock::now() + entry.keep_alive;
}

std::vector<LoadedModel> ModelPool::loaded() const {
  const std::lock_guard lock(mutex_);
  std::vector<LoadedModel> models;
  for (const auto& [path, entry] : entries_) {
    if (entry->state != Entry::State::kReady) continue;
    LoadedModel loaded{
        .model = entry->model, .bytes = entry->bytes, .n_ctx = entry->n_ctx, .is_busy = entry->n_users > 0};
    if (entry->keep_alive >= 0s) {
      const auto left = loaded.is_busy ? entry->keep_alive : entry->expires - Clock::now();
      loaded.expires_in = std::max(std::chrono::duration_cast<std::chrono::seconds>(left), 0s);
    }
    models.push_back(std::move(loaded));
  }
  return models;
}

bool ModelPool::unload(const std::string& name) {
  const StoredModel model = resolve(name);
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(model.path);
    if (found == entries_.end() || found->second->state != Entry::State::kReady) return false;
    if (found->second.get() == first_) return false;
    found->second->keep_alive = 0s;
    found->second->expires = Clock::now();
  }
  changed_.notify_all();
  return true;
}

// The reaper's.
void ModelPool::unload_expired() {
  Lock lock(mutex_);
  while (!is_closing_) {
    auto next = Clock::time_point::max();
    Entry* expired = nullptr;
    for (const auto& [path, entry] : entries_) {
      if (!entry->is_idle() || entry.get() == first_) continue;
      if (entry->expires <= Clock::now()) {
        expired = entry.get();
      } else {
        next = std::min(next, entry->expires);
      }
    }
    if (expired != nullptr) {
      unload(*expired, lock);
    } else if (next == Clock::time_point::max()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, next);
    }
  }
}

}  // namespace tq::server
