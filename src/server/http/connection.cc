#include "server/http/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

namespace tq::server::http {
namespace {

using std::chrono::milliseconds;

// How long a waiting connection takes to notice that the server stops.
constexpr milliseconds kLook{100};
// Bytes and time for what a client still sends when it has been told no: closing at once would reset the
// connection, and it would never read the answer.
constexpr std::size_t kMaxLinger = std::size_t{1} << 20;
constexpr milliseconds kLingerTime{500};

// The events that came within `time`; 0 when none did.
short wait_for(int socket, short events, milliseconds time) {
  pollfd waited = {socket, events, 0};
  const int n = ::poll(&waited, 1, static_cast<int>(std::max<std::int64_t>(time.count(), 0)));
  return n > 0 ? waited.revents : short{0};
}

void name_of(const sockaddr_storage& address, std::string& ip, int& port) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  if (address.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof(v4));
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    port = ntohs(v4.sin_port);
  } else if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof(v6));
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    port = ntohs(v6.sin6_port);
  }
  ip = text.data();
}

}  // namespace

Connection::~Connection() {
  ::shutdown(socket_, SHUT_WR);
  if (is_closing_ && !is_broken_) {
    const Clock::time_point end = Clock::now() + kLingerTime;
    for (std::size_t n = 0; n < kMaxLinger && Clock::now() < end;) {
      if (wait_for(socket_, POLLIN, kLook) == 0) continue;
      const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got <= 0) break;
      n += static_cast<std::size_t>(got);
    }
  }
  ::close(socket_);
}

bool Connection::wait_for_request(const std::function<bool()>& is_stopping) {
  const Clock::time_point end = Clock::now() + limits_.idle;
  while (begin_ == end_) {
    if (is_stopping() || Clock::now() >= end || is_broken_) return false;
    if (wait_for(socket_, POLLIN, kLook) == 0) continue;
    allowance_ = limits_.max_head_bytes;
    deadline_ = Clock::now() + limits_.head;
    if (!fill()) return false;
  }
  allowance_ = limits_.max_head_bytes;
  deadline_ = Clock::now() + limits_.head;
  return true;
}

void Connection::head_is_read() {
  allowance_ = limits_.max_body_bytes + limits_.max_head_bytes;  // chunks have heads too
  deadline_ = Clock::time_point::max();
}

void Connection::take_any_body() { allowance_ = std::numeric_limits<std::size_t>::max(); }

bool Connection::is_connected() const {
  if (is_broken_) return false;
  return (wait_for(socket_, POLLRDHUP, milliseconds(0)) & (POLLRDHUP | POLLHUP | POLLERR)) == 0;
}

// Receives what there is, waiting for at least one byte.
bool Connection::fill() {
  while (true) {
    const Clock::time_point now = Clock::now();
    const auto stall = std::chrono::duration_cast<milliseconds>(limits_.stall);
    const auto left = deadline_ == Clock::time_point::max()
                          ? stall
                          : std::min(stall, std::chrono::duration_cast<milliseconds>(deadline_ - now));
    if (left.count() <= 0 || wait_for(socket_, POLLIN, left) == 0) break;
    const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got > 0) {
      begin_ = 0;
      end_ = static_cast<std::size_t>(got);
      return true;
    }
    if (got == 0 || (errno != EINTR && errno != EAGAIN)) break;
  }
  is_broken_ = true;
  return false;
}

ssize_t Connection::read(char* data, std::size_t size) {
  if (is_broken_) return -1;
  if (allowance_ == 0) {
    is_closing_ = true;
    return -1;
  }
  if (begin_ == end_ && !fill()) return -1;
  const std::size_t n = std::min({size, end_ - begin_, allowance_});
  std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), n, data);
  begin_ += n;
  allowance_ -= n;
  return static_cast<ssize_t>(n);
}

ssize_t Connection::write(const char* data, std::size_t size) {
  std::size_t written = 0;
  while (written < size && !is_broken_) {
    const ssize_t n = ::send(socket_, data + written, size - written, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      written += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      const short events =
          wait_for(socket_, POLLOUT, std::chrono::duration_cast<milliseconds>(limits_.stall));
      is_broken_ = (events & POLLOUT) == 0;
    } else if (errno != EINTR) {
      is_broken_ = true;
    }
  }
  return is_broken_ ? -1 : static_cast<ssize_t>(size);
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (::getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0) name_of(address, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0) name_of(address, ip, port);
}

}  // namespace tq::server::http
