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

std::span<const File> files();  // index.html first

// Whether a person's browser asks, and not a program.
bool wants_page(const http::Request& request);

http::Response serve(const File& file, const http::Request& request);

}  // namespace tq::server::web
