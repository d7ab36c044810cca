// One client's TCP connection as a stream of bytes, bounded in time and size: a client that sends too much,
// too slowly, or reads nothing is let go.
#pragma once

#include <httplib.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>

#include "server/http/message.h"

namespace tq::server::http {

struct ConnectionLimits {
  std::size_t max_head_bytes = std::size_t{64} << 10;  // request line and headers
  std::size_t max_body_bytes = std::size_t{32} << 20;
  std::chrono::seconds idle{5};    // between two requests
  std::chrono::seconds head{10};   // for all of a request's head
  std::chrono::seconds stall{60};  // without a byte, in either direction
};

class Connection final : public httplib::Stream, public Peer {
 public:
  Connection(socket_t socket, const ConnectionLimits& limits) : socket_(socket), limits_(limits) {}
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Waits for the first byte of another request. False when there will be none.
  bool wait_for_request(const std::function<bool()>& is_stopping);
  void head_is_read();   // what comes now is the body
  void take_any_body();  // which has no limit
  // After this response the connection is of no more use: part of the request may be unread.
  void close_after_response() { is_closing_ = true; }
  bool is_closing() const { return is_closing_; }

  bool is_readable() const override { return true; }
  bool is_writable() const override { return is_connected(); }
  bool is_connected() const override;
  ssize_t read(char* data, std::size_t size) override;
  ssize_t write(const char* data, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  using Clock = std::chrono::steady_clock;

  bool fill();

  socket_t socket_;
  const ConnectionLimits& limits_;
  std::array<char, 16384> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of what was received and not read yet
  std::size_t allowance_ = 0;        // bytes that this part of the request may still have
  Clock::time_point deadline_;       // of the head
  bool is_closing_ = false;
  std::atomic<bool> is_broken_ = false;  // other threads ask is_connected()
};

}  // namespace tq::server::http
