#include "server/web/web_page.h"

#include <array>
#include <cstdio>

#include "base/hash.h"

namespace tq::server::web {
namespace {

// Nothing is loaded from elsewhere, and nothing runs but the page's own files: what a model writes stays
// text.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// Weak: the bytes on the wire may be compressed.
std::string tag_of(const File& file) {
  const auto hash = hash64(std::as_bytes(std::span(file.content)));
  std::array<char, 32> text = {};
  std::snprintf(text.data(), text.size(), "W/\"%016llx\"", static_cast<unsigned long long>(hash));
  return text.data();
}

}  // namespace

bool wants_page(const http::Request& request) {
  return request.header("accept").find("text/html") != std::string_view::npos;
}

ServedFile::ServedFile(const File& file) : file_(file), tag_(tag_of(file)) {}

http::Response ServedFile::serve(const http::Request& request) const {
  http::Response response{.content_type = std::string(file_.content_type),
                          .headers = {{"ETag", tag_},
                                      {"Cache-Control", "no-cache"},
                                      {"Content-Security-Policy", kPolicy},
                                      {"Cross-Origin-Resource-Policy", "same-origin"},
                                      {"Referrer-Policy", "no-referrer"},
                                      {"X-Content-Type-Options", "nosniff"},
                                      {"X-Frame-Options", "DENY"}}};
  if (request.header("if-none-match").find(tag_) != std::string_view::npos) {
    response.status = 304;
  } else {
    response.body = std::string(file_.content);
  }
  return response;
}

}  // namespace tq::server::web
