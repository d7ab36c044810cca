// Text, JSON and Markdown. report_html.cc has the page.
#include "eval/report.h"

#include <algorithm>

namespace tq::eval {
namespace {

constexpr auto kReplace = Json::error_handler_t::replace;

std::string fact(const Report& report, const char* name) {
  const Json& value = report.facts.at(name);
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, kReplace);
}

std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|')
      out += "\\|";
    else if (c == '\n')
      out += "<br>";
    else
      out += c;
  }
  return out;
}

std::string markdown_table(const Table& table) {
  std::string text = "**" + table.title + "**\n\n|";
  for (const auto& column : table.columns) text += " " + cell(column) + " |";
  text += "\n|";
  for (std::size_t i = 0; i < table.columns.size(); ++i) text += " --- |";
  text += "\n";
  for (const auto& row : table.rows) {
    text += "|";
    for (const auto& value : row) text += " " + cell(value) + " |";
    text += "\n";
  }
  return text + "\n";
}

// A figure's numbers: Markdown has no plots.
std::string markdown_map(const Figure& figure) {
  if (figure.map.rows.empty()) return "";
  Table table{figure.title, {figure.y_label + " \\ " + figure.x_label}, {}};
  table.columns.insert(table.columns.end(), figure.map.columns.begin(), figure.map.columns.end());
  for (std::size_t r = 0; r < figure.map.rows.size(); ++r) {
    std::vector<std::string> row = {figure.map.rows[r]};
    for (const auto& c : figure.map.cells[r]) row.push_back(c.text);
    table.rows.push_back(std::move(row));
  }
  return markdown_table(table);
}

}  // namespace

std::vector<std::string> reasons_against(const std::vector<GateReport>& gates) {
  std::vector<std::string> reasons;
  bool any_pass = false;
  for (const GateReport& gate : gates) {
    for (const Check& check : gate.checks) {
      any_pass = any_pass || check.verdict == Verdict::kPass;
      if (is_bad(check.verdict)) reasons.push_back(gate.gate + ": " + check.reason);
    }
  }
  if (reasons.empty() && !any_pass) reasons.push_back("no gate could say anything about this cache.");
  return reasons;
}

std::string report_text(const Report& report) {
  std::string text;
  for (const GateReport& gate : report.gates) {
    for (const Check& check : gate.checks) {
      std::string verdict = verdict_name(check.verdict);
      verdict.resize(std::max<std::size_t>(verdict.size(), 14), ' ');
      std::string name = gate.gate;
      name.resize(std::max<std::size_t>(name.size(), 18), ' ');
      text.append(verdict).append("  ").append(name).append("  ").append(check.reason).append("\n");
    }
  }
  text += std::string("\n") + (report.is_go() ? "GO" : "NO-GO") + ": " + fact(report, "tested") +
          " against " + fact(report, "baseline") + " on " + fact(report, "model") + "\n";
  const bool any_bad = std::ranges::any_of(report.gates, [](const GateReport& gate) {
    return std::ranges::any_of(gate.checks, [](const Check& check) { return is_bad(check.verdict); });
  });
  if (!any_bad && !report.is_go()) text += report.reasons.front() + "\n";  // those of checks are above
  return text;
}

std::string report_json(const Report& report) {
  Json gates = Json::array();
  for (const GateReport& gate : report.gates) {
    Json checks = Json::array();
    for (const Check& check : gate.checks) {
      checks.push_back(
          {{"name", check.name}, {"verdict", verdict_name(check.verdict)}, {"reason", check.reason}});
    }
    gates.push_back({{"gate", gate.gate}, {"checks", checks}, {"numbers", gate.numbers}});
  }
  const Json object = {{"format", "turboquant-eval-report-1"},
                       {"go", report.is_go()},
                       {"reasons", report.reasons},
                       {"facts", report.facts},
                       {"gates", gates}};
  return object.dump(1, ' ', false, kReplace) + "\n";
}

std::string report_markdown(const Report& report) {
  std::string text = "# " + std::string(report.is_go() ? "Go" : "No-go") + ": " +
                     cell(fact(report, "tested")) + " on " + cell(fact(report, "model")) + "\n\n";
  for (const auto& reason : report.reasons) text += "- " + cell(reason) + "\n";
  if (!report.reasons.empty()) text += "\n";
  text += "| | |\n| --- | --- |\n";
  for (const auto& [name, value] : report.facts.items()) {
    text += "| " + name + " | " + cell(fact(report, name.c_str())) + " |\n";
  }
  for (const GateReport& gate : report.gates) {
    text += "\n## " + gate.gate + "\n\n";
    for (const Check& check : gate.checks) {
      text += "- **" + std::string(verdict_name(check.verdict)) + "**: " + cell(check.reason) + "\n";
    }
    text += "\n";
    for (const Table& table : gate.tables) text += markdown_table(table);
    for (const Figure& figure : gate.figures) text += markdown_map(figure);
  }
  return text;
}

}  // namespace tq::eval
