// The web page for people: the files of page/, which the build puts into the program (embed.cmake).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/http/message.h"

namespace tq::server::web {

struct File {
  std::string_view name;  // "app.js"
  std::string_view content_type;
  std::string_view content;
};

// A file as it is served.
class ServedFile {
 public:
  explicit ServedFile(const File& file);
  const File& file() const { return file_; }
  http::Response serve(const http::Request& request) const;

 private:
  File file_;
  std::string tag_;
};

std::span<const File> files();  // index.html first

// Whether a person's browser asks, and not a program.
bool wants_page(const http::Request& request);

}  // namespace tq::server::web
