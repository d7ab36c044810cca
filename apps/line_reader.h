// Lines that people type into a chat, or that a script pipes into it.
#pragma once

#include <memory>
#include <string>

namespace tq::app {

class LineReader {
 public:
  enum class Event { kLine, kInterrupted, kEnd };
  struct Result {
    Event event;
    // Without its newline; pasted text may have newlines inside. After kInterrupted: what was typed and is
    // now dropped, as far as the reader knows.
    std::string line;
  };

  virtual ~LineReader() = default;
  // Shows `prompt` where there is a terminal to show it on. An InterruptScope must be open for Ctrl-C to
  // return.
  virtual Result read(const char* prompt) = 0;
};

std::unique_ptr<LineReader> make_pipe_reader();
// With line editing and history where the build has libedit.
std::unique_ptr<LineReader> make_terminal_reader();

}  // namespace tq::app
