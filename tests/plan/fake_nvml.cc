// What NVIDIA's management library exports, of a machine with two cards and a chip that shares memory. The
// file's name says how it fails: fake_nvml_KIND.
#include <chrono>
#include <cstdio>
#include <thread>

extern "C" {

struct FakeMemory {
  unsigned long long total, free, used;
};

int nvmlInit_v2() {
#if defined(FAKE_NVML_HANGS)
  std::this_thread::sleep_for(std::chrono::seconds(2));
#elif defined(FAKE_NVML_FAILS)
  return 9;  // NVML_ERROR_DRIVER_NOT_LOADED
#endif
  return 0;
}

int nvmlShutdown() { return 0; }

int nvmlSystemGetDriverVersion(char* version, unsigned bytes) {
  std::snprintf(version, bytes, "580.159.04");
  return 0;
}

int nvmlDeviceGetCount_v2(unsigned* n) {
  *n = 3;
  return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  static int devices[3] = {0, 1, 2};
  *device = &devices[index];
  return 0;
}

int nvmlDeviceGetName(void* device, char* name, unsigned bytes) {
  std::snprintf(name, bytes, "NVIDIA Card %d", *static_cast<int*>(device));
  return 0;
}

#if !defined(FAKE_NVML_IS_OLD)
int nvmlDeviceGetMemoryInfo(void* device, FakeMemory* memory) {
  const int index = *static_cast<int*>(device);
  if (index == 1) return 3;  // NVML_ERROR_NOT_SUPPORTED
  *memory = {24ULL << 30, (20ULL - static_cast<unsigned>(index)) << 30, 4ULL << 30};
  return 0;
}
#endif

}  // extern "C"
