#include "console.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "tq/utf8.h"

namespace tq::app {
namespace {

bool is_control(unsigned char c) { return c < 0x20 || c == 0x7F; }

}  // namespace

std::string printable(std::string_view text) {
  Utf8Stream stream;
  std::string whole = stream.push(text);
  whole += stream.finish();
  std::string out;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto c = static_cast<unsigned char>(whole[i]);
    // U+0080 to U+009F are control characters too; in UTF-8 they begin with C2.
    const bool is_c1 = c == 0xC2 && static_cast<unsigned char>(whole[i + 1]) < 0xA0;
    if (is_c1) c = static_cast<unsigned char>(whole[++i]);
    if (is_control(c) || is_c1) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\x%02X", c);
      out += escaped.data();
    } else {
      out.push_back(static_cast<char>(c));
    }
  }
  return out;
}

std::string printable_lines(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t end = text.find('\n');
    out += printable(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

int fail(const Error& error) {
  note("turboquant: " + printable(error.message) + (error.message.ends_with('.') ? "" : "."));
  return error.code == ErrorCode::kBadArgument ? kExitUsage : kExitFailed;
}

void note(std::string_view line) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void Output::write(std::string_view text) {
  while (!text.empty() && is_open()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      reason_ = errno;
      return;
    }
    const auto n = static_cast<std::size_t>(written);
    if (n > 0) at_line_start_ = text[n - 1] == '\n';
    text.remove_prefix(n);
  }
}

void Output::end_line() {
  if (!at_line_start_) write("\n");
}

int Output::finish(int code) const {
  if (is_open() || reason_ == EPIPE) return code;
  return fail(
      {ErrorCode::kIo, std::string("cannot write to standard output: ") + std::strerror(reason_) + "."});
}

std::string fixed(double value, int decimals) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

std::string human_bytes(std::size_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024.0;
  return fixed(value, unit == 0 ? 0 : 1) + " " + kUnits[unit];
}

std::string human_count(std::int64_t count) {
  constexpr std::array kUnits = {"", " K", " M", " B", " T"};
  auto value = static_cast<double>(count);
  std::size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < kUnits.size(); ++unit) value /= 1000.0;
  return fixed(value, unit == 0 ? 0 : 1) + kUnits[unit];
}

std::string rate(std::int64_t count, double seconds) {
  return count > 0 && seconds > 0.0 ? fixed(static_cast<double>(count) / seconds, 1) + " t/s" : "";
}

}  // namespace tq::app
