// What tests of requests share: a tiny model with its engine and scheduler.
#pragma once

#include <memory>
#include <stdexcept>
#include <utility>

#include "../model/tiny_model.h"
#include "server/api/served_model.h"

namespace tq::server {

class TinyServedModel {
 public:
  explicit TinyServedModel(int n_slots, const TinyModel& made = {}) : file_(made.bytes()) {
    engine_ = loaded(Engine::load({.model_path = file_.path(), .n_threads = 1, .n_parallel = n_slots}));
    scheduler_ = loaded(Scheduler::create(*engine_, {.n_slots = n_slots}));
  }

  Engine& engine() { return *engine_; }
  ServedModel model() const {
    return {.engine = *engine_, .scheduler = *scheduler_, .name = "tiny", .path = ""};
  }

 private:
  template <class T>
  static T loaded(Expected<T> made) {  // or the tests end, with the reason
    if (!made) throw std::runtime_error(made.error().message);
    return *std::move(made);
  }

  TempFile file_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Scheduler> scheduler_;
};

}  // namespace tq::server
