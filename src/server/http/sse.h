// Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
#pragma once

#include <string>
#include <string_view>

namespace tq::server::http {

inline constexpr const char* kEventStream = "text/event-stream";

// `data` has no line breaks, as JSON in one line has not.
inline std::string sse(std::string_view data) { return "data: " + std::string(data) + "\n\n"; }
inline std::string sse(std::string_view event, std::string_view data) {
  return "event: " + std::string(event) + "\n" + sse(data);
}

}  // namespace tq::server::http
