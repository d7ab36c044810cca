// Files that appear under their names only when they are whole; what had a name before stays until then.
#pragma once

#include <string>
#include <string_view>

#include "tq/error.h"

namespace tq {

enum class FileAccess {
  kOwner,     // readable by its owner alone
  kEveryone,  // readable by all
};

Expected<void> write_file(const std::string& path, std::string_view contents, FileAccess access);

}  // namespace tq
