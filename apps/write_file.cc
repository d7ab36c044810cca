#include "write_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tq::app {
namespace {

// Writes and syncs everything; 0 or errno. Closes the descriptor.
int write_and_close(int fd, const std::string& text, mode_t mode) {
  int reason = ::fchmod(fd, mode) == 0 ? 0 : errno;
  for (std::size_t done = 0; done < text.size() && reason == 0;) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      reason = errno;
    }
  }
  if (reason == 0 && ::fsync(fd) != 0) reason = errno;
  if (::close(fd) != 0 && reason == 0) reason = errno;
  return reason;
}

Error save_error(const std::string& path, int reason) {
  return {ErrorCode::kIo, "cannot save to " + path + ": " + std::strerror(reason) + "."};
}

}  // namespace

Expected<void> write_file(const std::string& path, const std::string& text, mode_t mode) {
  std::string temporary = path + ".XXXXXX";  // in the same folder, so that the rename is atomic
  const int fd = ::mkstemp(temporary.data());
  if (fd < 0) return save_error(path, errno);
  int reason = write_and_close(fd, text, mode);
  if (reason == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) reason = errno;
  if (reason == 0) return {};
  ::unlink(temporary.c_str());
  return save_error(path, reason);
}

}  // namespace tq::app
