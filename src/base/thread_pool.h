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

  // Calls body(index) once for each index below size(), and returns when all are done. Each is for a thread
  // of the team, 0 for this one; but where a thread has not come yet (it sleeps, or another program has its
  // core), one that is done takes its part over. So no part may wait for another. Not reentrant; one caller
  // at a time. `body` must not throw.
  template <class Body>
  void run(Body&& body) {
    run_erased(
        [](void* context, int index) { (*static_cast<std::remove_reference_t<Body>*>(context))(index); },
        &body);
  }

 private:
  using Function = void (*)(void* context, int index);

  void run_erased(Function function, void* context);
  void work();
  void take_parts(std::uint32_t epoch);

  std::vector<std::thread> workers_;
  Function function_ = nullptr;
  void* context_ = nullptr;
  alignas(64) std::atomic<std::uint32_t> epoch_{0};  // bumped to start a region
  // The region's epoch in the upper half, the first index that nobody took in the lower: whoever comes late,
  // after the region's end, takes nothing of the next by mistake.
  std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<std::uint32_t> pending_{0};  // parts that are not done
  std::atomic<bool> stopping_{false};
};

// The number of threads to use unless told otherwise: physical cores that this process may run on, and not
// more than its control groups give it time for, rounded up.
int default_thread_count();
int default_thread_count(const machine::MachineSource& source);

}  // namespace tq
