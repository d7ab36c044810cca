#include "base/machine_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/program_output.h"

namespace tq::machine {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxNames = 4096;

// Plain read(): files of /proc and /sys have no size to ask for. A pipe or a device in a recorded folder must
// not hang.
std::optional<std::string> read_text(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::string text;
  std::array<char, 16384> block;
  bool ok = true;
  while (text.size() < kMaxFileBytes) {
    const ssize_t n = ::read(file, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    ok = n >= 0;
    if (n <= 0) break;
    text.append(block.data(), static_cast<std::size_t>(n));
  }
  ::close(file);
  if (!ok) return std::nullopt;
  text.resize(std::min(text.size(), kMaxFileBytes));
  return text;
}

}  // namespace

std::optional<std::string> MachineSource::read(std::string_view path) const {
  return read_text(root_ + std::string(path));
}

std::string MachineSource::read_line(std::string_view path) const {
  std::string line = read(path).value_or("");
  line.resize(
      std::min(line.find_first_of("\n\0", 0, 2), line.size()));  // the device tree ends its texts with NUL
  const std::size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string::npos) return {};
  return line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

bool MachineSource::exists(std::string_view path) const {
  std::error_code ignored;
  return std::filesystem::exists(root_ + std::string(path), ignored);
}

std::string MachineSource::link_target(std::string_view path) const {
  std::error_code error;
  const auto target = std::filesystem::read_symlink(root_ + std::string(path), error);
  return error ? std::string() : target.string();
}

std::vector<std::string> MachineSource::list(std::string_view folder) const {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(root_ + std::string(folder), error);
  while (!error && entry != std::filesystem::directory_iterator() && names.size() < kMaxNames) {
    names.push_back(entry->path().filename().string());
    entry.increment(error);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<std::string> MachineSource::run(const std::vector<std::string>& words,
                                              std::chrono::milliseconds limit) const {
  auto text = is_this_machine_ ? program_output(words, limit) : read("/commands/" + words.front());
  if (text && text->empty()) text.reset();
  return text;
}

}  // namespace tq::machine
