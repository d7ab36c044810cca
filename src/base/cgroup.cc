#include "base/cgroup.h"

#include <algorithm>
#include <string>

#include "base/proc_text.h"

namespace tq::machine {
namespace {

// Version 1 writes "no limit" as the largest number of whole pages.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;
constexpr std::size_t kMaxDepth = 64;

struct Hierarchy {
  int version = 2;
  std::string mount;  // "/sys/fs/cgroup/memory"
  std::string group;  // the process's group below it: "/user.slice/session.scope"; empty: the mount itself
};

// A mount of /proc/self/mountinfo: "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup
// rw,memory".
struct Mount {
  std::string_view root, point, type, options;
};

std::optional<Mount> parse_mount(std::string_view line) {
  const std::size_t dash = line.find(" - ");
  if (dash == std::string_view::npos) return std::nullopt;
  const auto before = split(line.substr(0, dash), ' ');
  const auto after = split(line.substr(dash + 3), ' ');
  if (before.size() < 5 || after.size() < 3) return std::nullopt;
  return Mount{before[3], before[4], after[0], after[2]};
}

bool lists(std::string_view names, std::string_view name) {
  const auto parts = split(names, ',');
  return std::find(parts.begin(), parts.end(), name) != parts.end();
}

// The process's group of a line of /proc/self/cgroup: "4:memory:/docker/abc", version 2 "0::/user.slice".
std::optional<std::string_view> group_of(std::string_view text, std::string_view controller) {
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string_view names = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? names.empty() : lists(names, controller)) return line.substr(second + 1);
  }
  return std::nullopt;
}

// A container sees its own group as the mount's root, but /proc/self/cgroup may name it as the host does.
std::string below_mount(std::string_view group, std::string_view root) {
  const bool is_below = group.starts_with(root) && (group.size() == root.size() || group[root.size()] == '/');
  if (root != "/" && is_below) group.remove_prefix(root.size());
  if (group.empty() || group == "/" || group.find("..") != std::string_view::npos) return {};
  return std::string(group);
}

// `controller` of version 1, empty: version 2.
std::optional<Hierarchy> find_hierarchy(const MachineSource& source, std::string_view controller) {
  const std::string groups = source.read("/proc/self/cgroup").value_or("");
  const std::string mounts = source.read("/proc/self/mountinfo").value_or("");
  const auto group = group_of(groups, controller);
  if (!group) return std::nullopt;
  for (const std::string_view line : split(mounts, '\n')) {
    const auto mount = parse_mount(line);
    if (!mount) continue;
    const bool is_it = controller.empty() ? mount->type == "cgroup2"
                                          : mount->type == "cgroup" && lists(mount->options, controller);
    if (!is_it) continue;
    Hierarchy found{controller.empty() ? 2 : 1, std::string(mount->point), below_mount(*group, mount->root)};
    if (!source.exists(found.mount + found.group)) found.group.clear();
    return found;
  }
  return std::nullopt;
}

// Folders from the process's group up to the mount.
void add_groups_upwards(const Hierarchy& hierarchy, std::vector<CgroupFolder>& folders) {
  std::string group = hierarchy.group;
  for (std::size_t depth = 0; depth < kMaxDepth; ++depth) {
    folders.push_back({hierarchy.version, hierarchy.mount + group});
    if (group.empty()) break;
    group.resize(std::min(group.rfind('/'), group.size() - 1));
  }
}

// nullopt for a missing file and for "max".
std::optional<std::uint64_t> read_number(const MachineSource& source, const std::string& path) {
  return leading_number(source.read_line(path));
}

// Bytes of file pages that nobody used lately: the kernel drops them before it refuses memory.
std::uint64_t inactive_file_bytes(const MachineSource& source, const std::string& folder,
                                  std::string_view key) {
  const std::string stat = source.read(folder + "/memory.stat").value_or("");
  for (const std::string_view line : split(stat, '\n')) {
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ' ') continue;
    return leading_number(line.substr(key.size())).value_or(0);
  }
  return 0;
}

// "50000 100000" is half a processor; "max 100000" is no limit.
std::optional<double> quota(std::string_view quota_us, std::string_view period_us) {
  const auto part = leading_number(quota_us);
  const auto period = leading_number(period_us);
  if (!part || !period || *part == 0 || *period == 0) return std::nullopt;
  return static_cast<double>(*part) / static_cast<double>(*period);
}

}  // namespace

Cgroups find_cgroups(const MachineSource& source) {
  Cgroups groups;
  // A controller is in one of the two versions; a machine may have both mounted.
  for (const char* controller : {"memory", ""}) {
    if (const auto found = find_hierarchy(source, controller)) add_groups_upwards(*found, groups.memory);
  }
  for (const char* controller : {"cpu", ""}) {
    if (const auto found = find_hierarchy(source, controller)) add_groups_upwards(*found, groups.cpu);
  }
  return groups;
}

std::vector<MemoryLimit> read_memory_limits(const MachineSource& source, const Cgroups& groups) {
  std::vector<MemoryLimit> limits;
  for (const CgroupFolder& group : groups.memory) {
    const bool is_v2 = group.version == 2;
    const auto names = is_v2 ? std::vector<const char*>{"/memory.max", "/memory.high"}
                             : std::vector<const char*>{"/memory.limit_in_bytes"};
    for (const char* name : names) {
      const auto limit = read_number(source, group.path + name);
      if (!limit || *limit >= kNoLimit) continue;
      const std::uint64_t used =
          read_number(source, group.path + (is_v2 ? "/memory.current" : "/memory.usage_in_bytes"))
              .value_or(0);
      const std::uint64_t idle =
          inactive_file_bytes(source, group.path, is_v2 ? "inactive_file" : "total_inactive_file");
      limits.push_back({*limit, used - std::min(used, idle), group.path + name});
    }
  }
  return limits;
}

std::optional<double> read_cpu_quota(const MachineSource& source, const Cgroups& groups) {
  std::optional<double> cpus;
  for (const CgroupFolder& group : groups.cpu) {
    std::optional<double> found;
    if (group.version == 2) {
      const std::string line = source.read_line(group.path + "/cpu.max");
      const auto words = split(line, ' ');
      if (words.size() == 2) found = quota(words[0], words[1]);
    } else {
      found = quota(source.read_line(group.path + "/cpu.cfs_quota_us"),
                    source.read_line(group.path + "/cpu.cfs_period_us"));
    }
    if (found && (!cpus || *found < *cpus)) cpus = found;
  }
  return cpus;
}

}  // namespace tq::machine
