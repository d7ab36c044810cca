#include "interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace tq::app {
namespace {

volatile std::sig_atomic_t interrupts = 0;

// Holds a byte while there is an interrupt. A blocked read() would miss one that comes just before it, or in
// another thread; poll() on this does not.
std::array<int, 2> wake_pipe = {-1, -1};

extern "C" void on_interrupt(int /*signal*/) {
  const int saved = errno;
  interrupts = 1;
  const char byte = 0;
  [[maybe_unused]] const ssize_t n = ::write(wake_pipe[1], &byte, 1);  // full: enough are in it
  errno = saved;
}

void open_wake_pipe() {
  if (wake_pipe[0] >= 0 || ::pipe(wake_pipe.data()) != 0) return;
  for (const int fd : wake_pipe) {
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
}

}  // namespace

InterruptScope::InterruptScope(Again again) {
  open_wake_pipe();
  clear();
  ::sigaction(SIGINT, nullptr, &before_);
  if (before_.sa_handler == SIG_IGN) return;  // started in the background: Ctrl-C is meant for others
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = again == Again::kKills ? static_cast<int>(SA_RESETHAND) : 0;
  ::sigaction(SIGINT, &action, nullptr);
}

InterruptScope::~InterruptScope() { ::sigaction(SIGINT, &before_, nullptr); }

bool InterruptScope::interrupted() { return interrupts != 0; }

void InterruptScope::clear() {
  interrupts = 0;
  std::array<char, 64> bytes;
  while (::read(wake_pipe[0], bytes.data(), bytes.size()) > 0) {
  }
}

bool InterruptScope::wait_readable(int fd) {
  std::array<pollfd, 2> waited = {{{fd, POLLIN, 0}, {wake_pipe[0], POLLIN, 0}}};
  while (!interrupted()) {
    if (::poll(waited.data(), waited.size(), -1) < 0 && errno != EINTR) return true;  // the read will say why
    if (waited[0].revents != 0 && !interrupted()) return true;
  }
  return false;
}

}  // namespace tq::app
