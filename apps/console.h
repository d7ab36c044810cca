// What every command shares with its terminal: exit codes, sentences on stderr, text on stdout, units for
// people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tq/error.h"

namespace tq::app {

enum ExitCode : int { kExitOk = 0, kExitFailed = 1, kExitUsage = 2, kExitInterrupted = 130 };

// Control characters as \xNN and broken UTF-8 as U+FFFD: names from files must not drive a terminal.
std::string printable(std::string_view text);
std::string printable_lines(std::string_view text);  // the same, line ends stay

// "turboquant: <message>" on stderr. Returns the exit code: 2 for an impossible request, 1 for everything
// else.
int fail(const Error& error);
// A line on stderr.
void note(std::string_view line);

// Standard output. What is written reaches the reader at once. After a failure, writes do nothing.
class Output {
 public:
  void write(std::string_view text);
  void end_line();  // begins a new line unless at the beginning of one
  bool is_open() const { return reason_ == 0; }
  // The exit code of a program that has written all it wants to: `code`, unless the output failed. A reader
  // that left early (| head) has what it wants and is no failure.
  int finish(int code) const;

 private:
  bool at_line_start_ = true;
  int reason_ = 0;  // errno of the first failure
};

// "avx2, avx512": strings or views of them.
template <class Words>
std::string joined(const Words& words, std::string_view between) {
  std::string text;
  for (const std::string_view word : words) {
    if (!text.empty()) text += between;
    text += word;
  }
  return text;
}

std::string human_bytes(std::size_t bytes);            // "4.5 MiB"
std::string human_count(std::int64_t count);           // "134.5 M"
std::string fixed(double value, int decimals);         // "96.1"
std::string rate(std::int64_t count, double seconds);  // "96.1 t/s"; empty when nothing was measured

}  // namespace tq::app
