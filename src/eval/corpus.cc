#include "eval/corpus.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include "tq/utf8.h"

namespace tq::eval {
namespace {

constexpr std::size_t kMaxCorpusBytes = std::size_t{1} << 30;

constexpr const char* kFolder = "/usr/share/games/fortunes/";
constexpr std::array kFiles = {"people",    "science",     "work",      "wisdom", "literature", "cookie",
                               "computers", "definitions", "humorists", "law",    "politics"};

// A fortune file's entries are parted by lines of one percent sign.
std::string without_separators(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    out += line == "%\n" || line == "%" ? "\n" : line;
    text.remove_prefix(end);
  }
  return out;
}

Expected<std::string> read_text(const std::string& path) {
  auto text = read_whole_file(path, kMaxCorpusBytes);
  if (!text) return text;
  if (const auto offset = invalid_utf8_offset(*text)) {
    return Error{ErrorCode::kBadFile,
                 path + " is not UTF-8 at byte offset " + std::to_string(*offset) + "; convert it first."};
  }
  return text;
}

}  // namespace

Expected<std::string> read_whole_file(const std::string& path, std::size_t max_bytes) {
  const auto failed = [&](const std::string& reason) {
    return Error{ErrorCode::kIo, "cannot read " + path + ": " + reason + "."};
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (!file) return failed(std::strerror(errno));
  std::string text;
  std::array<char, 1 << 16> block;
  while (const std::size_t n = std::fread(block.data(), 1, block.size(), file.get())) {
    text.append(block.data(), n);
    if (text.size() > max_bytes) return failed("it is larger than " + std::to_string(max_bytes) + " bytes");
  }
  if (std::ferror(file.get()) != 0) return failed(std::strerror(errno));
  return text;
}

Expected<std::string> read_corpus(const std::vector<std::string>& files) {
  std::string all;
  for (const std::string& path : files) {
    auto text = read_text(path);
    if (!text) return text;
    all += *text;
  }
  if (!files.empty()) return all;
  for (const char* name : kFiles) {
    const auto text = read_text(std::string(kFolder) + name);
    if (!text) {
      return Error{ErrorCode::kIo,
                   "there is no text to measure with: " + std::string(kFolder) + name +
                       " cannot be read; install the Debian packages fortunes and fortunes-min, or "
                       "give your own text with --corpus FILE."};
    }
    all += without_separators(*text);
  }
  return all;
}

}  // namespace tq::eval
