// The model of `turboquant edge`: loaded beside everything else, waited for only when nothing else is left to
// do.
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "edge.h"

namespace tq::app {

struct EdgeModel::State {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_done = false;
  Expected<Loaded> loaded = Error{ErrorCode::kInterrupted, "the model is not loaded yet."};
  std::chrono::steady_clock::time_point deadline;
};

namespace {

Expected<EdgeModel::Loaded> load(const EdgeOptions& options) {
  std::error_code error;
  // A pipe or a device would block where it is opened.
  if (!std::filesystem::is_regular_file(*options.model, error)) {
    return Error{ErrorCode::kIo, "cannot read " + *options.model + ": " +
                                     (error ? error.message() : std::string("it is no regular file")) + "."};
  }
  EngineOptions engine_options;
  engine_options.model_path = *options.model;
  engine_options.n_ctx = options.n_ctx;
  engine_options.n_threads = options.n_threads;
  engine_options.n_parallel = 2;  // a conversation and the judge
  auto engine = Engine::load(engine_options);
  if (!engine && options.n_ctx > 1) {  // a model of a shorter context
    engine_options.n_ctx = 0;
    if (engine.error().code == ErrorCode::kBadArgument) engine = Engine::load(engine_options);
  }
  if (!engine) return engine.error();
  auto judge = edge::Judge::create(**engine, options.judge);
  if (!judge) return judge.error();
  return EdgeModel::Loaded{.engine = *std::move(engine), .judge = *std::move(judge)};
}

}  // namespace

EdgeModel::EdgeModel(const EdgeOptions& options) : state_(std::make_shared<State>()) {
  state_->deadline = std::chrono::steady_clock::now() + options.load_limit;
  std::thread([state = state_, options] {
    auto loaded = load(options);
    const std::scoped_lock lock(state->mutex);
    state->loaded = std::move(loaded);
    state->is_done = true;
    state->changed.notify_all();
  }).detach();
}

EdgeModel::~EdgeModel() = default;

Expected<EdgeModel::Loaded*> EdgeModel::get() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_until(lock, state_->deadline, [this] { return state_->is_done; });
  if (!state_->is_done) {
    return Error{ErrorCode::kInterrupted, "the model is not loaded in time; --load-timeout allows it more."};
  }
  if (!state_->loaded) return state_->loaded.error();
  return &*state_->loaded;
}

bool EdgeModel::is_stuck() const {
  const std::scoped_lock lock(state_->mutex);
  return !state_->is_done;
}

edge::Screening ask_model(EdgeModel& model, const std::string& message, edge::Screening screening,
                          std::optional<edge::Judgement>& judgement) {
  const auto loaded = model.get();
  judgement = loaded ? (*loaded)->judge->judge(message)
                     : edge::Judgement{.sees_danger = true, .score = 0.0, .problem = loaded.error().message};
  return edge::with_judgement(std::move(screening), *judgement);
}

}  // namespace tq::app
