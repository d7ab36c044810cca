// The texts that Linux keeps in /proc and /sys, taken apart. They may be missing, cut or of a newer kernel:
// what is not understood is left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tq::machine {

std::vector<std::string_view> split(std::string_view text, char separator);  // without empty parts
std::string_view trimmed(std::string_view text);

// A decimal number at the beginning of `text` after blanks; nullopt when there is none or it does not fit.
std::optional<std::uint64_t> leading_number(std::string_view text);

// The text after "key:" or "key =" at the beginning of a line, trimmed: "24684100 kB" for "MemTotal".
std::optional<std::string_view> field(std::string_view text, std::string_view key);

// field() as a number of bytes, where the text counts kB.
std::optional<std::uint64_t> kilobyte_field(std::string_view text, std::string_view key);

// Of /proc/meminfo: what programs could still have. Kernels before 3.14 do not say it; free and cached memory
// stand for it there.
std::optional<std::uint64_t> available_bytes(std::string_view meminfo);

// "0-3,8,10-11" -> the numbers of those processors, rising and less than 65536.
std::vector<int> processors_in_list(std::string_view list);
// How many that are.
int count_in_list(std::string_view list);

struct CpuInfo {
  std::string name;   // "AMD EPYC 7763 64-Core Processor"; empty on most Arm kernels
  std::string board;  // "Model" of a Raspberry Pi, "Hardware" of a phone
  int n_cpus = 0;
  int n_cores = 0;  // pairs of (physical id, core id); n_cpus where those are not given
  std::vector<std::string> isas;
};

// /proc/cpuinfo of x86-64 and Arm.
CpuInfo parse_cpuinfo(std::string_view text);

// "[always] madvise never" -> always
std::string bracketed_word(std::string_view text);

}  // namespace tq::machine
