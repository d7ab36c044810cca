// Ctrl-C as a question that a loop asks, while a scope that wants it is open.
#pragma once

#include <csignal>

namespace tq::app {

class InterruptScope {
 public:
  enum class Again {
    kKills,  // a second Ctrl-C ends the program at once, should the first take too long to act
    kAsks,   // every Ctrl-C only asks
  };
  explicit InterruptScope(Again again);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  static bool interrupted();
  static void clear();
  // Waits until `fd` can be read; false when interrupted before, however shortly before the wait began.
  static bool wait_readable(int fd);

 private:
  struct sigaction before_ {};
};

}  // namespace tq::app
