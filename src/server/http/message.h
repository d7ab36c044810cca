// HTTP as the handlers see it: a request that has been read, a response to be written, at once or as a
// stream.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tq::server::http {

// Who asked. The connection may end at any moment. Any thread may ask about it.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual bool is_connected() const = 0;
};

struct Request {
  std::string method;
  std::string path;  // without the query
  std::map<std::string, std::string> query = {};
  std::map<std::string, std::string> headers = {};  // names in lower case
  std::string body = {};
  int read_error = 0;                      // 400 or 413: the body could not be read
  std::vector<std::string> captures = {};  // what stood for the {} of the route, in order
  const Peer* peer = nullptr;
  // Of requests whose body may be of any size (HttpOptions::streams_body): hands it out in pieces; once.
  // False when it broke off, or `take` returned false. `body` is empty then.
  std::function<bool(const std::function<bool(std::string_view)>& take)> read_body = {};

  std::string_view header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
  }
};

class Writer {
 public:
  virtual ~Writer() = default;
  // False once nobody reads any more; writing then does nothing.
  virtual bool write(std::string_view bytes) = 0;
  virtual bool is_connected() const = 0;
};

struct Response {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
  // Writes the body piece by piece instead; called once, after the head has been sent.
  std::function<void(Writer&)> stream = {};
};

using Handler = std::function<Response(const Request&)>;

}  // namespace tq::server::http
