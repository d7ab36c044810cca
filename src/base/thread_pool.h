// A fixed team of threads for data-parallel kernels. A decode step of a small model opens a few hundred
// parallel regions, so a region costs about a microsecond: workers spin briefly before they sleep.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace tq {

namespace machine {
class MachineSource;
}

struct Range {
  std::int64_t begin;
  std::int64_t end;
};

// The contiguous share of [0, n) of member `index` of `count`, cut at multiples of `grain`. Contiguous on
// purpose: alternating tiles halved the measured bandwidth of matrix-vector products.
inline Range share_of(std::int64_t n, int index, int count, std::int64_t grain = 1) {
  const std::int64_t grains = (n + grain - 1) / grain;
  const std::int64_t begin = grains * index / count * grain;
  const std::int64_t end = grains * (index + 1) / count * grain;
  return {std::min(begin, n), std::min(end, n)};
}

class ThreadPool {
 public:
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(thread_index) once on every thread of the team, this one being index 0, and returns when all
  // are done. Not reentrant; one caller at a time. `body` must not throw.
  template <class Body>
  void run(Body&& body) {
    run_erased(
        [](void* context, int index) { (*static_cast<std::remove_reference_t<Body>*>(context))(index); },
        &body);
  }

 private:
  using Function = void (*)(void* context, int index);

  void run_erased(Function function, void* context);
  void work(int index);

  std::vector<std::thread> workers_;
  Function function_ = nullptr;
  void* context_ = nullptr;
  alignas(64) std::atomic<std::uint32_t> epoch_{0};    // bumped to start a region
  alignas(64) std::atomic<std::uint32_t> pending_{0};  // workers that have not finished the region
  std::atomic<bool> stopping_{false};
};

// The number of threads to use unless told otherwise: physical cores that this process may run on, and not
// more than its control groups give it time for, rounded up.
int default_thread_count();
int default_thread_count(const machine::MachineSource& source);

}  // namespace tq
