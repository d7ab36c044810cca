#include "eval/process.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>

namespace tq::eval {
namespace {

constexpr int kInputFd = 3;

Error system_error(const char* what) {
  return {ErrorCode::kIo,
          std::string("cannot measure in a process of its own: ") + what + ": " + std::strerror(errno) + "."};
}

// Between fork and exec only what is safe in a child of a process with threads.
[[noreturn]] void become(const char* program, char* const* arguments, int input, int output,
                         std::optional<std::size_t> address_space) {
  if (address_space) {
    const rlimit limit{*address_space, *address_space};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) ::_exit(127);
  }
  const int null = ::open("/dev/null", O_RDWR);
  // `input` may be any number, 3 as well: dup2 onto itself would keep close-on-exec.
  const int moved = ::dup(input);
  if (null < 0 || moved < 0) ::_exit(127);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(null, STDIN_FILENO);
  ::dup2(null, STDERR_FILENO);
  if (moved != kInputFd) ::dup2(moved, kInputFd);
  ::execv(program, arguments);
  ::_exit(127);
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> block;
  while (true) {
    const ssize_t n = ::read(fd, block.data(), block.size());
    if (n > 0) text.append(block.data(), static_cast<std::size_t>(n));
    if (n == 0 || (n < 0 && errno != EINTR)) return text;
  }
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

}  // namespace

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  if (!(file >> total >> resident)) return 0;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

Expected<ChildResult> run_child(const std::string& program, const std::vector<std::string>& arguments,
                                const std::string& input, std::optional<std::size_t> address_space) {
  const Descriptor file(::memfd_create("input", MFD_CLOEXEC));
  if (file.get() < 0) return system_error("memfd_create");
  if (::write(file.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size()) ||
      ::lseek(file.get(), 0, SEEK_SET) != 0) {
    return system_error("write");
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("pipe");
  const Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);

  std::vector<std::string> words = arguments;
  words.insert(words.begin(), program);
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return system_error("fork");
  if (child == 0) become(program.c_str(), pointers.data(), file.get(), writing.get(), address_space);
  writing.close();
  ChildResult result;
  result.output = read_all(reading.get());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return system_error("waitpid");
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return result;
}

}  // namespace tq::eval
