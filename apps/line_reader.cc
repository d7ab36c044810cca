#include "line_reader.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "interrupt.h"

namespace tq::app {
namespace {

// Reads by itself, because a C++ stream does not come back when interrupted.
class PlainReader final : public LineReader {
 public:
  explicit PlainReader(bool shows_prompt) : shows_prompt_(shows_prompt) {}

  Result read(const char* prompt) override {
    if (shows_prompt_) std::fprintf(stderr, "%s", prompt);
    std::size_t searched = 0;
    while (true) {
      const std::size_t newline = ahead_.find('\n', searched);
      if (newline != std::string::npos) return {Event::kLine, take_line(newline)};
      searched = ahead_.size();
      if (!InterruptScope::wait_readable(STDIN_FILENO)) return {Event::kInterrupted, {}};
      std::array<char, 4096> block;
      const ssize_t n = ::read(STDIN_FILENO, block.data(), block.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      ahead_.append(block.data(), static_cast<std::size_t>(n));
    }
    if (ahead_.empty()) return {Event::kEnd, {}};
    return {Event::kLine, take_line(ahead_.size())};  // a last line without a newline
  }

 private:
  std::string take_line(std::size_t length) {
    std::string line = ahead_.substr(0, length);
    ahead_.erase(0, length + 1);
    if (line.ends_with('\r')) line.pop_back();
    return line;
  }

  bool shows_prompt_;
  std::string ahead_;  // read, but not yet given out
};

}  // namespace

std::unique_ptr<LineReader> make_pipe_reader() { return std::make_unique<PlainReader>(false); }

#ifndef TQ_HAVE_LIBEDIT
std::unique_ptr<LineReader> make_terminal_reader() { return std::make_unique<PlainReader>(true); }
#endif

}  // namespace tq::app
