#include "eval/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "eval/corpus.h"

namespace tq::eval {
namespace {

constexpr std::size_t kMaxJournalBytes = std::size_t{256} << 20;
constexpr const char* kFormat = "turboquant-eval-journal-1";

Error io_error(const std::string& path, const char* verb) {
  return {ErrorCode::kIo,
          "cannot " + std::string(verb) + " the journal " + path + ": " + std::strerror(errno) + "."};
}

struct Content {
  Results results;
  std::size_t whole_bytes = 0;  // up to the end of the last whole line
};

// " (tested: \"K f16, V f16\" then, \"K q8_0, V q8_0\" now)", of the first fact that differs.
std::string difference(const Json& then, const Json& now) {
  if (!then.is_object() || !now.is_object()) return "";
  const auto text = [](const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  for (const auto& [name, value] : now.items()) {
    if (const Json old = then.value(name, Json()); old != value)
      return " (" + name + ": " + text(old) + " then, " + text(value) + " now)";
  }
  return "";
}

// A crash may have cut the last line; whatever else is no journal is refused.
Expected<Content> read_content(const std::string& path, const Json& fingerprint) {
  const auto text = read_whole_file(path, kMaxJournalBytes);
  if (!text) return text.error();
  Content content;
  std::string_view rest(*text);
  for (std::size_t line = 1; rest.find('\n') != std::string_view::npos; ++line) {
    const std::string_view one = rest.substr(0, rest.find('\n'));
    const Json object = Json::parse(one, nullptr, false);
    const auto bad = [&](const std::string& problem) {
      std::string message = path;
      message.append(":").append(std::to_string(line)).append(": ").append(problem);
      return Error{ErrorCode::kBadFile, message.append("; measure anew without --resume.")};
    };
    if (!object.is_object()) return bad("this is no journal of turboquant verify");
    if (line == 1) {
      if (object.value("format", Json()) != kFormat) return bad("this is no journal of turboquant verify");
      const Json of = object.value("of", Json());
      if (of != fingerprint) {
        return bad("the journal is of another model, cache, corpus or profile" + difference(of, fingerprint));
      }
    } else {
      const auto key = object.find("unit");
      if (key == object.end() || !key->is_string() || !object.contains("result"))
        return bad("a unit is broken");
      content.results[key->get<std::string>()] = object["result"];
    }
    rest.remove_prefix(one.size() + 1);
  }
  content.whole_bytes = text->size() - rest.size();
  return content;
}

}  // namespace

Expected<Journal> Journal::open(const std::string& path, const Json& fingerprint, bool resume) {
  Journal journal;
  journal.path_ = path;
  Content content;
  if (resume && ::access(path.c_str(), F_OK) == 0) {
    auto read = read_content(path, fingerprint);
    if (!read) return read.error();
    content = std::move(*read);
  } else {
    const std::string old = path + ".old";  // a forgotten --resume costs nothing
    if (::rename(path.c_str(), old.c_str()) != 0 && errno != ENOENT) return io_error(path, "put away");
  }
  journal.fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0644);
  if (journal.fd_ < 0) return io_error(path, "open");
  if (::ftruncate(journal.fd_, static_cast<off_t>(content.whole_bytes)) != 0) return io_error(path, "write");
  journal.results_ = std::move(content.results);
  if (content.whole_bytes == 0) {
    if (const auto ok = journal.write_line({{"format", kFormat}, {"of", fingerprint}}); !ok)
      return ok.error();
  }
  return journal;
}

Journal::Journal(Journal&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)), results_(std::move(other.results_)) {}

Journal& Journal::operator=(Journal&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(results_, other.results_);
  return *this;
}

Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
}

Expected<void> Journal::add(const std::string& key, const Json& result) {
  results_[key] = result;
  return fd_ < 0 ? Expected<void>() : write_line({{"unit", key}, {"result", result}});
}

Expected<void> Journal::write_line(const Json& object) {
  const std::string line = object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t n = ::write(fd_, line.data() + done, line.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error(path_, "write");
    done += static_cast<std::size_t>(n);
  }
  if (::fsync(fd_) != 0) return io_error(path_, "write");
  return {};
}

}  // namespace tq::eval
