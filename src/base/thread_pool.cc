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
// Workers that are there take their parts at once. Looking for parts that nobody took, in the cache line that
// they write to, can wait a microsecond or so; done at once in each region it cost 2 % of decode.
constexpr int kSpinsBeforeTaking = 64;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) {
  for (int i = 1; i < n_threads; ++i) workers_.emplace_back([this] { work(); });
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
    const std::uint32_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
    pending_.store(static_cast<std::uint32_t>(workers_.size()), std::memory_order_relaxed);
    ticket_.store(std::uint64_t{epoch} << 32 | 1, std::memory_order_release);  // part 0 is taken
    epoch_.store(epoch, std::memory_order_release);
    epoch_.notify_all();
  }
  function(context, 0);
  int spins = 0;
  while (pending_.load(std::memory_order_acquire) != 0) {
    if (++spins == kSpinsBeforeTaking) {
      take_parts(epoch_.load(std::memory_order_relaxed));
    } else if (spins < kSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

// function_ and context_ stay the region's as long as a part of it that was taken is not done.
void ThreadPool::take_parts(std::uint32_t epoch) {
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (ticket >> 32 == epoch) {
    const auto index = static_cast<std::uint32_t>(ticket);
    if (index > workers_.size()) return;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acquire)) continue;
    function_(context_, static_cast<int>(index));
    pending_.fetch_sub(1, std::memory_order_release);
    ticket = ticket_.load(std::memory_order_acquire);
  }
}

void ThreadPool::work() {
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
    take_parts(now);
  }
}

int default_thread_count() { return default_thread_count(machine::MachineSource::this_machine()); }

int default_thread_count(const machine::MachineSource& source) {
  const std::string status = source.read("/proc/self/status").value_or("");
  const std::vector<int> online =
      machine::processors_in_list(source.read_line("/sys/devices/system/cpu/online"));
  std::set<std::pair<std::uint64_t, std::uint64_t>> cores;  // (package, core)
  for (const int cpu :
       machine::processors_in_list(machine::field(status, "Cpus_allowed_list").value_or(""))) {
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
