// Who listens on the ports that turboquant's servers take by default.
#include <algorithm>
#include <charconv>
#include <map>

#include "base/proc_text.h"
#include "plan/doctor.h"

namespace tq::plan {
namespace {

constexpr int kServePort = 8080;
constexpr int kOllamaPort = 11434;

// Port -> inode of its listening socket, from lines such as
// "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 ..."
void read_listeners(std::string_view table, std::map<int, std::string>& listeners) {
  constexpr std::string_view kListening = "0A";
  for (const std::string_view line : split(table, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() < 10 || words[3] != kListening) continue;
    const std::size_t colon = words[1].rfind(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view digits = words[1].substr(colon + 1);
    int port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port, 16);
    if (error == std::errc()) listeners.emplace(port, words[9]);
  }
}

struct Process {
  std::string id, name;
};

// The process that has the socket open; nullopt when it is another user's.
std::optional<Process> owner_of(const MachineSource& source, const std::string& inode) {
  const std::string socket = "socket:[" + inode + "]";
  for (const std::string& id : source.list("/proc")) {
    if (!leading_number(id)) continue;
    const std::string folder = "/proc/" + id + "/fd/";
    for (const std::string& file : source.list(folder)) {
      if (source.link_target(folder + file) == socket)
        return Process{id, source.read_line("/proc/" + id + "/comm")};
    }
  }
  return std::nullopt;
}

Finding examine_port(const MachineSource& source, const std::map<int, std::string>& listeners, int port) {
  const std::string name = "port-" + std::to_string(port);
  const std::string command = port == kServePort ? "turboquant serve" : "turboquant ollama";
  const auto listener = listeners.find(port);
  if (listener == listeners.end()) return {name, Health::kOk, "free for " + command, ""};
  const auto owner = owner_of(source, listener->second);
  const std::string who = owner ? owner->name + " (process " + owner->id + ")" : "another user's program";
  if (owner && owner->name == "turboquant") return {name, Health::kOk, who + " listens", ""};
  return {name, Health::kWarn, who + " listens",
          "End it" + std::string(port == kOllamaPort ? " (systemctl stop ollama)" : "") + ", or start " +
              command + " with another --port."};
}

}  // namespace

void examine_ports(const Examination& examination, std::vector<Finding>& findings) {
  const auto tcp = examination.source.read("/proc/net/tcp");
  const auto tcp6 = examination.source.read("/proc/net/tcp6");
  if (!tcp && !tcp6) return;
  std::map<int, std::string> listeners;
  read_listeners(tcp.value_or(""), listeners);
  read_listeners(tcp6.value_or(""), listeners);
  for (const int port : {kServePort, kOllamaPort}) {
    findings.push_back(examine_port(examination.source, listeners, port));
  }
}

}  // namespace tq::plan
