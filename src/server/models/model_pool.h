// The models in memory: loaded when a request wants one, kept for a while after the last, and put out, the
// longest unused first, where another one needs the room. Requests for one file share its engine and
// scheduler.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/api/served_model.h"
#include "server/http/message.h"
#include "server/models/catalog.h"
#include "tq/engine.h"
#include "tq/server.h"

namespace tq::server {

// What a request wants.
struct ModelWish {
  std::string name;                                       // empty: whatever there is
  std::optional<std::chrono::seconds> keep_alive = {};    // none: the pool's; negative: for good
  std::int64_t n_ctx = 0;                                 // at least; 0: any
  std::function<bool()> is_wanted = [] { return true; };  // whether somebody still waits for it
  bool is_look = false;  // does not count as use: a model that nobody asks anything still expires
};

struct LoadedModel {
  StoredModel model;  // by the name that it was last asked for
  std::size_t bytes = 0;
  std::int64_t n_ctx = 0;
  bool is_busy = false;
  std::optional<std::chrono::seconds> expires_in = {};  // none: it stays
};

// The response, and the model until it has been written.
http::Response hold(ModelLease model, http::Response response);

class ModelPool {
 public:
  using Note = std::function<void(const std::string&)>;

  // `first` is loaded and stays so; null: there is none.
  static Expected<std::unique_ptr<ModelPool>> create(const ServerOptions& options, Engine* first, Note note);
  ~ModelPool();
  ModelPool(const ModelPool&) = delete;
  ModelPool& operator=(const ModelPool&) = delete;

  // Waits while it is loaded or others have to end first. Throws ApiError when it can't be had.
  ModelLease acquire(const ModelWish& wish);
  // One file and nothing else: every name means it.
  bool has_one() const { return first_ != nullptr && catalog_.is_empty(); }
  std::vector<StoredModel> list() const;
  std::optional<StoredModel> find(const std::string& name) const;  // throws where it is damaged
  std::vector<LoadedModel> loaded() const;
  // As soon as nobody uses it. False when it is not loaded.
  bool unload(const std::string& name);
  const Catalog& catalog() const { return catalog_; }

  // No more requests; those there are may go on until `deadline`.
  void shut_down(Clock::time_point deadline);

 private:
  struct Entry;
  class Lease;
  using Lock = std::unique_lock<std::mutex>;

  ModelPool(const ServerOptions& options, Note note);

  StoredModel resolve(const std::string& name) const;
  EngineOptions engine_options(const std::string& path, std::int64_t n_ctx) const;
  SchedulerOptions scheduler_options(const Engine& engine) const;
  void wait_until_ready(Entry& entry, const ModelWish& wish, Lock& lock);
  bool try_load(Entry& entry, std::int64_t n_ctx, Lock& lock);
  bool make_room(std::size_t needed, Lock& lock);
  Entry* longest_unused();
  void unload(Entry& entry, Lock& lock);
  Expected<void> start(Entry& entry, const EngineOptions& options) const;
  void try_drafter(const Entry& entry, SchedulerOptions& scheduling) const;
  ModelLease lend(Entry& entry, const StoredModel& model, const ModelWish& wish);
  void give_back(Entry& entry);
  static void start_to_expire(Entry& entry);
  void unload_expired();

  ServerOptions options_;
  Note note_;
  Catalog catalog_;
  std::size_t budget_ = 0;
  mutable std::mutex mutex_;  // over what follows
  std::condition_variable changed_;
  std::map<std::string, std::unique_ptr<Entry>> entries_;  // by path; they stay when they are unloaded
  Entry* first_ = nullptr;
  StoredModel first_model_;
  std::uint64_t n_uses_ = 0;
  bool is_closing_ = false;
  std::thread reaper_;
};

}  // namespace tq::server
