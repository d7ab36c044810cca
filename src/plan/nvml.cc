#include "plan/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <future>
#include <thread>
#include <utility>

namespace tq::plan {
namespace {

// nvml.h: NVML_SUCCESS, and the sizes of names (NVML_DEVICE_NAME_V2_BUFFER_SIZE) and versions.
constexpr int kSuccess = 0;
constexpr unsigned kNameBytes = 96;
constexpr unsigned kVersionBytes = 80;
constexpr unsigned kMaxDevices = 1024;

using Device = void*;

// nvmlMemory_t
struct Memory {
  unsigned long long total, free, used;
};

// The library's functions, as long as it is open.
class Nvml {
 public:
  explicit Nvml(const std::string& library) : handle_(::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) return;
    find("nvmlInit_v2", start_);
    find("nvmlShutdown", stop_);
    find("nvmlSystemGetDriverVersion", driver_version_);
    find("nvmlDeviceGetCount_v2", device_count_);
    find("nvmlDeviceGetHandleByIndex_v2", device_);
    find("nvmlDeviceGetName", name_);
    find("nvmlDeviceGetMemoryInfo", memory_);
    is_started_ = is_complete_ && start_() == kSuccess;
  }
  ~Nvml() {
    if (is_started_) stop_();
    if (handle_ != nullptr) ::dlclose(handle_);
  }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  std::optional<std::vector<Gpu>> gpus() const {
    unsigned n = 0;
    if (!is_started_ || device_count_(&n) != kSuccess) return std::nullopt;
    std::array<char, kVersionBytes> version{};
    if (driver_version_(version.data(), kVersionBytes - 1) != kSuccess) version[0] = '\0';
    std::vector<Gpu> found;
    for (unsigned i = 0; i < std::min(n, kMaxDevices); ++i) {
      if (auto gpu = gpu_at(i)) {
        gpu->driver = version.data();
        found.push_back(*std::move(gpu));
      }
    }
    return found;
  }

 private:
  template <class Function>
  void find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(handle_, name));
    is_complete_ = is_complete_ && function != nullptr;
  }

  std::optional<Gpu> gpu_at(unsigned index) const {
    Device device = nullptr;
    Memory memory{};
    if (device_(index, &device) != kSuccess || memory_(device, &memory) != kSuccess) return std::nullopt;
    std::array<char, kNameBytes> name{};
    if (name_(device, name.data(), kNameBytes - 1) != kSuccess) name[0] = '\0';
    return Gpu{.name = name.data(),
               .total_bytes = memory.total,
               .free_bytes = std::min(memory.free, memory.total),
               .driver = {},
               .is_unified = false,
               .working_set_bytes = memory.total};
  }

  void* handle_;
  bool is_complete_ = true;
  bool is_started_ = false;
  int (*start_)() = nullptr;
  int (*stop_)() = nullptr;
  int (*driver_version_)(char* version, unsigned bytes) = nullptr;
  int (*device_count_)(unsigned* n) = nullptr;
  int (*device_)(unsigned index, Device* device) = nullptr;
  int (*name_)(Device device, char* name, unsigned bytes) = nullptr;
  int (*memory_)(Device device, Memory* memory) = nullptr;
};

}  // namespace

std::optional<std::vector<Gpu>> read_nvml(const std::string& library, std::chrono::milliseconds limit) {
  std::packaged_task<std::optional<std::vector<Gpu>>()> task([library] { return Nvml(library).gpus(); });
  auto result = task.get_future();
  std::thread(std::move(task)).detach();
  if (result.wait_for(limit) != std::future_status::ready) return std::nullopt;
  return result.get();
}

}  // namespace tq::plan
