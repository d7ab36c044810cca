#include "base/program_output.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

namespace tq::machine {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxOutputBytes = std::size_t{1} << 20;
constexpr int kCannotStart = 127;

// Between fork and exec only what is safe in a child of a process with threads.
[[noreturn]] void become_program(char* const* words, int output) {
  const int null = ::open("/dev/null", O_RDWR);
  if (null < 0) ::_exit(kCannotStart);
  ::dup2(null, STDIN_FILENO);
  ::dup2(null, STDERR_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::execvp(words[0], words);
  ::_exit(kCannotStart);
}

// Everything until the end of the pipe; nullopt when `deadline` comes first.
std::optional<std::string> read_until(int pipe, Clock::time_point deadline) {
  std::string text;
  std::array<char, 4096> block;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return std::nullopt;
    pollfd wait{pipe, POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::min<long long>(left, 60'000)));
    if (ready <= 0) continue;
    const ssize_t n = ::read(pipe, block.data(), block.size());
    if (n == 0) return text;
    if (n < 0 && errno != EINTR) return std::nullopt;
    if (n > 0 && text.size() < kMaxOutputBytes) text.append(block.data(), static_cast<std::size_t>(n));
  }
}

// Its exit code; nullopt when it does not end in time.
std::optional<int> wait_until(pid_t child, Clock::time_point deadline) {
  int status = 0;
  while (true) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (ended < 0 && errno != EINTR) return std::nullopt;
    if (Clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace

std::optional<std::string> program_output(const std::vector<std::string>& words,
                                          std::chrono::milliseconds limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  std::vector<char*> raw;
  raw.reserve(words.size() + 1);
  for (const std::string& word : words)
    raw.push_back(const_cast<char*>(word.c_str()));  // exec does not write
  raw.push_back(nullptr);
  std::array<int, 2> pipe;
  if (words.empty() || ::pipe(pipe.data()) != 0) return std::nullopt;
  for (const int end : pipe) ::fcntl(end, F_SETFD, FD_CLOEXEC);
  const pid_t child = ::fork();
  if (child == 0) become_program(raw.data(), pipe[1]);
  ::close(pipe[1]);
  auto text = child > 0 ? read_until(pipe[0], deadline) : std::nullopt;
  ::close(pipe[0]);
  if (child <= 0) return std::nullopt;
  auto code = text ? wait_until(child, deadline) : std::nullopt;
  if (!code) {
    ::kill(child, SIGKILL);
    wait_until(child, Clock::now() + std::chrono::milliseconds(200));
    return std::nullopt;
  }
  return *code == kCannotStart ? std::nullopt : text;
}

}  // namespace tq::machine
