// Where facts about a machine come from: files such as /proc/meminfo and what programs such as nvidia-smi
// print.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tq::machine {

class MachineSource {
 public:
  static MachineSource this_machine() { return MachineSource("", true); }

  // A machine that was recorded in `folder`: its files below it at their paths (folder/proc/meminfo), and in
  // folder/commands/NAME what program NAME printed.
  static MachineSource recorded(std::string folder) { return {std::move(folder), false}; }

  bool is_this_machine() const { return is_this_machine_; }

  // Paths are absolute: "/proc/meminfo". Text beyond the first MiB is left out; nullopt when there is nothing
  // to read.
  std::optional<std::string> read(std::string_view path) const;
  // The first line without its end and blanks around it; empty when there is none.
  std::string read_line(std::string_view path) const;
  bool exists(std::string_view path) const;
  // Where a symbolic link points to: "socket:[492]" for one of /proc/PID/fd; empty when it is none or not
  // ours to read.
  std::string link_target(std::string_view path) const;
  // Names in a folder, sorted, at most 4096 of them.
  std::vector<std::string> list(std::string_view folder) const;

  // What the program words[0] prints on standard output, whatever its exit code (sysctl fails when one of
  // many names is unknown); nullopt when it is missing, prints nothing, or is not done after `limit`.
  std::optional<std::string> run(const std::vector<std::string>& words,
                                 std::chrono::milliseconds limit = std::chrono::seconds(5)) const;

 private:
  MachineSource(std::string root, bool is_this_machine)
      : root_(std::move(root)), is_this_machine_(is_this_machine) {}

  std::string root_;
  bool is_this_machine_;
};

}  // namespace tq::machine
