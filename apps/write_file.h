// A file that appears under its name only when it is whole; an old one stays as it was until then.
#pragma once

#include <sys/types.h>

#include <string>

#include "tq/error.h"

namespace tq::app {

Expected<void> write_file(const std::string& path, const std::string& text, mode_t mode = 0644);

}  // namespace tq::app
