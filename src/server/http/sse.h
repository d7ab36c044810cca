// Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "server/http/message.h"

namespace tq::server::http {

// An answer of events, which `write` writes.
inline Response event_stream(std::function<void(Writer&)> write) {
  return {.content_type = "text/event-stream",
          .headers = {{"Cache-Control", "no-cache"}},
          .stream = std::move(write)};
}

// `data` has no line breaks, as JSON in one line has not.
inline std::string sse(std::string_view data) { return "data: " + std::string(data) + "\n\n"; }
inline std::string sse(std::string_view event, std::string_view data) {
  return "event: " + std::string(event) + "\n" + sse(data);
}

}  // namespace tq::server::http
