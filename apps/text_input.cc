#include "text_input.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "console.h"
#include "tq/utf8.h"

namespace tq::app {
namespace {

Error io_error(const std::string& name, const std::string& reason) {
  return {ErrorCode::kIo, "cannot read " + name + ": " + reason + "."};
}

Expected<std::string> read_all(int fd, const std::string& name, std::size_t max_bytes) {
  std::string text;
  std::array<char, 1 << 16> block;
  while (true) {
    const ssize_t n = ::read(fd, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error(name, std::strerror(errno));
    if (n == 0) return text;
    text.append(block.data(), static_cast<std::size_t>(n));
    if (text.size() > max_bytes) return io_error(name, "it is larger than " + human_bytes(max_bytes));
  }
}

}  // namespace

Expected<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return io_error(path, std::strerror(errno));
  auto text = read_all(fd, path, max_bytes);
  ::close(fd);
  return text;
}

Expected<std::string> read_standard_input(std::size_t max_bytes) {
  return read_all(STDIN_FILENO, "standard input", max_bytes);
}

Expected<void> check_utf8(std::string_view text, std::string_view what) {
  const auto offset = invalid_utf8_offset(text);
  if (!offset) return {};
  std::array<char, 8> byte{};
  std::snprintf(byte.data(), byte.size(), "0x%02X", static_cast<unsigned char>(text[*offset]));
  return Error{ErrorCode::kBadArgument, std::string(what) + " is not UTF-8 at byte offset " +
                                            std::to_string(*offset) + " (" + byte.data() +
                                            "); convert it to UTF-8 first."};
}

}  // namespace tq::app
