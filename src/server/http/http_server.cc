#include "server/http/http_server.h"

#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "server/http/connection.h"

namespace tq::server::http {
namespace {

// Connections over the limit are served too, by "503" alone; threads for them:
constexpr int kSpareThreads = 8;
constexpr std::size_t kMaxKeptAlive = 1000;  // requests that clients are told a connection takes

// Which connection this thread serves: httplib's requests do not say.
thread_local Connection* current_connection = nullptr;

// A thread for each open connection, started when it is needed and kept for the next one.
class ConnectionThreads final : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(int max_threads) : max_threads_(static_cast<std::size_t>(max_threads)) {}

  void enqueue(std::function<void()> task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    if (tasks_.size() > n_idle_ && threads_.size() < max_threads_) {
      threads_.emplace_back([this] { work(); });
    } else {
      changed_.notify_one();
    }
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      is_ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      ++n_idle_;
      changed_.wait(lock, [this] { return is_ending_ || !tasks_.empty(); });
      --n_idle_;
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::size_t max_threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::size_t n_idle_ = 0;
  bool is_ending_ = false;
  std::vector<std::thread> threads_;
};

class SinkWriter final : public Writer {
 public:
  explicit SinkWriter(httplib::DataSink& sink) : sink_(sink) {}
  bool write(std::string_view bytes) override {
    is_open_ = is_open_ && sink_.write(bytes.data(), bytes.size());
    return is_open_;
  }
  bool is_connected() const override { return is_open_ && sink_.is_writable(); }

 private:
  httplib::DataSink& sink_;
  bool is_open_ = true;
};

Request to_request(const httplib::Request& from) {
  Request request{.method = from.method, .path = from.path};
  request.peer = current_connection;
  for (const auto& [name, value] : from.params) request.query[name] = value;
  for (const auto& [name, value] : from.headers) {
    std::string lower = name;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    request.headers[lower] = value;
  }
  return request;
}

void send(Response from, const std::string& version, httplib::Response& to) {
  to.status = from.status;
  for (const auto& [name, value] : from.headers) to.set_header(name.c_str(), value);
  if (!from.stream) {
    to.set_content(from.body, from.content_type);
    return;
  }
  const auto provide = [stream = std::move(from.stream)](std::size_t, httplib::DataSink& sink) {
    SinkWriter writer(sink);
    stream(writer);
    if (writer.is_connected()) sink.done();
    return writer.is_connected();
  };
  if (version == "HTTP/1.0") {
    current_connection->close_after_response();
    to.set_content_provider(from.content_type, provide);
  } else {
    to.set_chunked_content_provider(from.content_type, provide);
  }
}

class Implementation final : public HttpServer, private httplib::Server {
 public:
  Implementation(const HttpOptions& options, Gate gate, http::Handler handler)
      : options_(options), gate_(std::move(gate)), handler_(std::move(handler)) {
    limits_.stall = std::chrono::seconds(options.stall_seconds);
    limits_.max_body_bytes = options.max_body_bytes;
    new_task_queue = [this] { return new ConnectionThreads(options_.max_connections + kSpareThreads); };
    set_payload_max_length(
        std::numeric_limits<std::size_t>::max());  // read_body() and announced_error() count
    set_keep_alive_max_count(kMaxKeptAlive);
    set_pre_routing_handler(
        [this](const httplib::Request& req, httplib::Response& res) { return before_body(req, res); });
    const auto with_body = [this](const httplib::Request& req, httplib::Response& res,
                                  const httplib::ContentReader& read) { answer(req, res, &read); };
    Post(".*", with_body).Put(".*", with_body).Patch(".*", with_body).Delete(".*", with_body);
    set_error_handler([this](const httplib::Request&, httplib::Response& res) {
      const bool is_httplibs = res.body.empty() && !res.content_provider_;
      if (is_httplibs && options_.error_body)
        res.set_content(options_.error_body(res.status), "application/json");
    });
    // Not httplib's own, which share the port with another program that listens on it.
    set_socket_options([](socket_t socket) {
      const int on = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    });
    Get(".*", [this](const httplib::Request& req, httplib::Response& res) { answer(req, res, nullptr); });
  }

  ~Implementation() override {
    stop_listening();
    wait();
  }

  bool bind() {
    if (options_.port != 0) {
      port_ = bind_to_port(options_.host, options_.port) ? options_.port : -1;
    } else {
      port_ = bind_to_any_port(options_.host);
    }
    // httplib lets five wait to be accepted; a burst of clients is more.
    return port_ > 0 && ::listen(svr_sock_, options_.max_connections) == 0;
  }
  void start() {
    thread_ = std::thread([this] { listen_after_bind(); });
    while (!is_running() && !is_stopping_) std::this_thread::yield();
  }

  int port() const override { return port_; }
  void stop_listening() override {
    if (is_stopping_.exchange(true)) return;
    httplib::Server::stop();
  }
  void wait() override {
    if (thread_.joinable()) thread_.join();
  }

 private:
  HandlerResponse before_body(const httplib::Request& req, httplib::Response& res) {
    const auto refuse = [&](Response response) {
      if (announces_body(req)) close_after(response);
      send(std::move(response), req.version, res);
      return HandlerResponse::Handled;
    };
    Request request = to_request(req);
    if (auto refusal = gate_(request)) return refuse(std::move(*refusal));
    // httplib would read all of a body that is too large, to throw it away.
    request.read_error = announced_error(req, streams_body(request));
    if (request.read_error != 0) return refuse(handler_(request));
    if (req.method == "OPTIONS") return refuse(handler_(to_request(req)));
    return HandlerResponse::Unhandled;
  }

  // What is wrong with the body by the headers alone; 0: nothing.
  int announced_error(const httplib::Request& req, bool has_no_limit) const {
    if (!is_coding_known(req)) return 400;
    if (!req.has_header("Content-Length")) return 0;
    if (req.has_header("Transfer-Encoding") || req.get_header_value_count("Content-Length") > 1) return 400;
    const std::string text = req.get_header_value("Content-Length");
    std::size_t length = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), length);
    const bool is_too_large = length > limits_.max_body_bytes && !has_no_limit;
    if (status == std::errc::result_out_of_range || is_too_large) return 413;
    return status == std::errc() && end == text.data() + text.size() ? 0 : 400;
  }

  // Of others nobody here could tell where the body ends.
  static bool is_coding_known(const httplib::Request& req) {
    if (!req.has_header("Transfer-Encoding")) return true;
    const std::string coding = req.get_header_value("Transfer-Encoding");
    return req.get_header_value_count("Transfer-Encoding") == 1 &&
           std::ranges::equal(coding, std::string_view("chunked"), {},
                              [](char c) { return std::tolower(static_cast<unsigned char>(c)); });
  }

  // A request without these has none, whatever its method (RFC 9112, 6.3).
  static bool announces_body(const httplib::Request& req) {
    return req.has_header("Transfer-Encoding") ||
           (req.has_header("Content-Length") && req.get_header_value("Content-Length") != "0");
  }

  // What is left of a body must not be taken for the next request.
  static void close_after(Response& response) {
    current_connection->close_after_response();
    response.headers.emplace_back("Connection", "close");
  }

  bool streams_body(const Request& request) const {
    return options_.streams_body && options_.streams_body(request);
  }

  void answer(const httplib::Request& req, httplib::Response& res, const httplib::ContentReader* read) {
    Request request = to_request(req);
    if (read != nullptr && streams_body(request)) {
      answer_reading(req, res, *read, std::move(request));
      return;
    }
    const bool has_body = announces_body(req);
    if (read != nullptr && has_body && !read_body(*read, request.body)) {
      current_connection->close_after_response();
      const bool is_too_large = request.body.size() > limits_.max_body_bytes || res.status == 413;
      request.read_error = is_too_large ? 413 : 400;
    }
    Response response = handler_(request);
    if (read == nullptr && has_body) close_after(response);
    send(std::move(response), req.version, res);
  }

  // Its handler reads the body, or leaves it, and the connection is of no more use.
  void answer_reading(const httplib::Request& req, httplib::Response& res, const httplib::ContentReader& read,
                      Request request) {
    current_connection->take_any_body();
    bool is_read = false;
    request.read_body = [&](const std::function<bool(std::string_view)>& take) {
      is_read = !announces_body(req) || read([&](const char* data, std::size_t size) {
        return take({data, size});
      });
      return is_read;
    };
    Response response = handler_(request);
    if (!is_read) close_after(response);
    send(std::move(response), req.version, res);
  }

  // Counted after it was decompressed.
  bool read_body(const httplib::ContentReader& read, std::string& body) const {
    return read([&](const char* data, std::size_t size) {
      body.append(data, size);
      return body.size() <= limits_.max_body_bytes;
    });
  }

  bool process_and_close_socket(socket_t socket) override {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    Connection connection(socket, limits_);
    const int n_open = ++n_open_;
    if (n_open > options_.max_connections) {
      refuse(connection);
    } else {
      serve(connection);
    }
    --n_open_;
    return true;
  }

  static void refuse(Connection& connection) {
    constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: "
        "close\r\n\r\n";
    connection.close_after_response();
    connection.write(kFull.data(), kFull.size());
  }

  void serve(Connection& connection) {
    current_connection = &connection;
    const auto is_stopping = [this] { return is_stopping_.load(); };
    while (connection.wait_for_request(is_stopping)) {
      bool is_last = false;
      const auto head_is_read = [&connection](httplib::Request&) { connection.head_is_read(); };
      const bool ok = process_request(connection, is_stopping_, is_last, head_is_read);
      if (!ok || is_last || connection.is_closing() || is_stopping_) break;
    }
    current_connection = nullptr;
  }

  HttpOptions options_;
  ConnectionLimits limits_;
  Gate gate_;
  http::Handler handler_;
  int port_ = -1;
  std::atomic<bool> is_stopping_ = false;
  std::atomic<int> n_open_ = 0;
  std::thread thread_;
};

}  // namespace

Expected<std::unique_ptr<HttpServer>> HttpServer::listen(const HttpOptions& options, Gate gate,
                                                         Handler handler) {
  auto server = std::make_unique<Implementation>(options, std::move(gate), std::move(handler));
  if (!server->bind()) {
    return Error{ErrorCode::kIo, "cannot listen on " + options.host + ":" + std::to_string(options.port) +
                                     "; the port is in use, or the address not of this machine (--host, "
                                     "--port)."};
  }
  server->start();
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace tq::server::http
