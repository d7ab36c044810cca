// Machines of files: those of tests/plan/machines, and small ones that a test writes itself.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/machine_source.h"

namespace tq::plan {

// Paths and their texts.
using Files = std::vector<std::pair<std::string, std::string>>;

class RecordedMachine {
 public:
  explicit RecordedMachine(const Files& files) {
    static int count = 0;
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ("machine-" + std::string(test->name()) + "-" + std::to_string(count++));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    for (const auto& [path, text] : files) write(path, text);
  }
  ~RecordedMachine() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  RecordedMachine(const RecordedMachine&) = delete;
  RecordedMachine& operator=(const RecordedMachine&) = delete;

  // One of tests/plan/machines.
  explicit RecordedMachine(const char* name) : RecordedMachine(Files{}) {
    std::ifstream archive(std::string(TQ_SOURCE_DIR) + "/tests/plan/machines/" + std::string(name) + ".txt");
    EXPECT_TRUE(archive.is_open()) << name;
    std::string path, text, line;
    while (std::getline(archive, line)) {
      if (!line.starts_with("==> ")) {
        text += line + "\n";
        continue;
      }
      if (!path.empty()) write(path, text);
      path = line.substr(4);
      text.clear();
    }
    write(path, text);
  }

  void write(const std::string& path, const std::string& text) {
    const std::size_t arrow = path.find(" -> ");
    const std::filesystem::path file = folder_.string() + path.substr(0, arrow);
    std::filesystem::create_directories(file.parent_path());
    if (arrow != std::string::npos) {
      std::filesystem::create_symlink(path.substr(arrow + 4), file);
    } else {
      std::ofstream(file, std::ios::binary) << text;
    }
  }

  machine::MachineSource source() const { return machine::MachineSource::recorded(folder_.string()); }
  std::string folder() const { return folder_.string(); }

 private:
  std::filesystem::path folder_;
};

}  // namespace tq::plan
