#include "base/thread_pool.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "base/cgroup.h"
#include "base/machine_source.h"
#include "base/proc_text.h"

namespace tq {
namespace {

// About 50 microseconds of spinning: longer than the serial stretches between the regions of one token, much
// shorter than a pause between requests.
constexpr int kSpins = 2000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) {
  for (int i = 1; i < n_threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_erased(Function function, void* context) {
  if (!workers_.empty()) {
    function_ = function;
    context_ = context;
    pending_.store(static_cast<std::uint32_t>(workers_.size()), std::memory_order_relaxed);
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
  }
  function(context, 0);
  int spins = 0;
  while (pending_.load(std::memory_order_acquire) != 0) {
    if (++spins < kSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::work(int index) {
  std::uint32_t seen = 0;
  while (true) {
    int spins = 0;
    std::uint32_t now = epoch_.load(std::memory_order_acquire);
    while (now == seen) {
      if (++spins < kSpins) {
        pause();
      } else {
        epoch_.wait(seen, std::memory_order_acquire);
      }
      now = epoch_.load(std::memory_order_acquire);
    }
    seen = now;
    if (stopping_.load(std::memory_order_relaxed)) return;
    function_(context_, index);
    pending_.fetch_sub(1, std::memory_order_release);
  }
}

int default_thread_count() { return default_thread_count(machine::MachineSource::this_machine()); }

int default_thread_count(const machine::MachineSource& source) {
  const std::string status = source.read("/proc/self/status").value_or("");
  const std::vector<int> online =
      machine::processors_in_list(source.read_line("/sys/devices/system/cpu/online"));
  std::set<std::pair<std::uint64_t, std::uint64_t>> cores;  // (package, core)
  for (const int cpu : machine::processors_in_list(machine::field(status, "Cpus_allowed_list").value_or(""))) {
    // The mask may name processors that the machine could have but has not.
    if (!online.empty() && !std::binary_search(online.begin(), online.end(), cpu)) continue;
    const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    const auto number = [&](const char* name) {
      return machine::leading_number(source.read_line(topology + name));
    };
    cores.emplace(number("physical_package_id").value_or(0),
                  number("core_id").value_or(static_cast<std::uint64_t>(cpu)));
  }
  const auto n_cores = static_cast<double>(std::max<std::size_t>(cores.size(), 1));
  const auto quota = machine::read_cpu_quota(source, machine::find_cgroups(source));
  return static_cast<int>(std::clamp(std::ceil(quota.value_or(n_cores)), 1.0, n_cores));
}

}  // namespace tq
