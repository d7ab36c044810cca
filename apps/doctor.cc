// `turboquant doctor`: what about this machine would slow turboquant down or keep it from starting.
#include "plan/doctor.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "command_line.h"
#include "console.h"
#include "hardware_report.h"

namespace tq::app {
namespace {

using plan::Finding;
using plan::Health;

constexpr const char* kDoctorExamples =
    "Each line is ok, warn (slower than it could be, or in the way of a server) or problem (something will "
    "not work),\n"
    "with what to do. Exit code: 0 without problems, 1 with one, 2 for wrong options.\n"
    "\n"
    "Examples:\n"
    "  turboquant doctor\n"
    "  turboquant doctor --json | jq -r '.checks[] | select(.status != \"ok\") | .advice'";

struct DoctorOptions {
  std::string machine;
  bool json = false;
};

nlohmann::ordered_json findings_json(const std::vector<Finding>& findings, const plan::Hardware& hardware) {
  nlohmann::ordered_json json = {{"status", plan::health_name(plan::worst(findings))},
                                 {"checks", nlohmann::ordered_json::array()}};
  for (const Finding& finding : findings) {
    json["checks"].push_back({{"name", finding.name},
                              {"status", plan::health_name(finding.health)},
                              {"found", finding.found},
                              {"advice", finding.advice.empty() ? nlohmann::ordered_json(nullptr)
                                                                : nlohmann::ordered_json(finding.advice)}});
  }
  json["hardware"] = hardware_json(hardware);
  return json;
}

std::string padded_word(std::string_view word, std::size_t columns) {
  return std::string(word) + std::string(columns - std::min(columns, word.size()), ' ');
}

std::string findings_text(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += padded_word(plan::health_name(finding.health), 9) + padded_word(finding.name, 15) +
            printable(finding.found) + "\n";
    if (!finding.advice.empty()) text += std::string(24, ' ') + "-> " + printable(finding.advice) + "\n";
  }
  const auto count = [&](Health health) {
    return std::count_if(findings.begin(), findings.end(),
                         [&](const Finding& f) { return f.health == health; });
  };
  const auto counted = [&](Health health, const std::string& noun) {
    const auto n = count(health);
    return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
  };
  return text + "\n" + counted(Health::kProblem, "problem") + ", " + counted(Health::kWarn, "warning") + "\n";
}

int doctor(const DoctorOptions& options) {
  const plan::MachineSource source = options.machine.empty() ? plan::MachineSource::this_machine()
                                                             : plan::MachineSource::recorded(options.machine);
  const plan::Hardware hardware = plan::detect_hardware(source);
  const char* forced = std::getenv("TURBOQUANT_ISA");
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto findings = plan::examine({source, hardware, forced == nullptr ? "" : forced,
                                       std::chrono::duration_cast<std::chrono::seconds>(now).count()});
  Output output;
  output.write(
      options.json
          ? findings_json(findings, hardware).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
                "\n"
          : findings_text(findings));
  return output.finish(plan::worst(findings) == Health::kProblem ? kExitFailed : kExitOk);
}

}  // namespace

void add_doctor_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = app.add_subcommand("doctor", "Check this machine, and say what to change");
  command->footer(kDoctorExamples);
  command
      ->add_option("--machine", options->machine, "a recorded machine instead of this one: docs/hardware.md")
      ->type_name("FOLDER")
      ->check(folder_problem);
  command->add_flag("--json", options->json, "print one JSON object instead of text");
  command->callback([&chosen, options] { chosen = [options] { return doctor(*options); }; });
}

}  // namespace tq::app
