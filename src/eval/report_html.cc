// The report as one page that needs nothing else: styles and SVG inline, light and dark by the reader's
// system.
#include <algorithm>

#include "eval/report.h"
#include "eval/xml.h"

namespace tq::eval {
namespace {

constexpr const char* kStyle = R"css(
:root { --ink: #1c2024; --soft: #5b6570; --line: #d8dde2; --paper: #fff; --good: #1a7f4b; --bad: #c0392b;
  --a: #2a6fbb; --b: #d9822b; --c: #7a4fb5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa5b0; --line: #39424b; --paper: #14181c;
  --good: #4cc38a; --bad: #ff7b6b; --a: #6cb0f5; --b: #f2a65a; --c: #b794f6; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
caption { text-align: left; font-weight: 600; white-space: nowrap; }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top;
  white-space: pre-wrap; } th { color: var(--soft); font-weight: 600; }
ul { padding-left: 1.2rem; } .pass { color: var(--good); } .fail, .kill { color: var(--bad); }
.baseline, .skipped { color: var(--soft); } .checks { list-style: none; padding: 0; }
.checks li { display: grid; grid-template-columns: 7.5rem 1fr; } a { color: inherit; }
svg { max-width: 100%; height: auto; margin: 1rem 0; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
)css";

std::string fact_text(const Json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string html_table(const Table& table) {
  std::string text = "<table><caption>" + xml(table.title) + "</caption>";
  if (std::ranges::any_of(table.columns, [](const std::string& column) { return !column.empty(); })) {
    text += "<thead><tr>";
    for (const auto& column : table.columns) text += "<th>" + xml(column) + "</th>";
    text += "</tr></thead>";
  }
  text += "<tbody>\n";
  for (const auto& row : table.rows) {
    text += "<tr>";
    for (const auto& value : row) text += "<td>" + xml(value) + "</td>";
    text += "</tr>\n";
  }
  return text + "</tbody></table>\n";
}

std::string verdict_html(Verdict verdict) {
  const std::string name = verdict_name(verdict);
  return "<b class=\"" + name.substr(0, name.find(' ')) + "\">" + name + "</b>";
}

// Every gate with the verdicts of its checks, each named once.
std::string html_summary(const std::vector<GateReport>& gates) {
  std::string text = "<table><caption>Gates</caption><tbody>\n";
  for (const GateReport& gate : gates) {
    std::vector<Verdict> verdicts;
    for (const Check& check : gate.checks) {
      if (std::ranges::find(verdicts, check.verdict) == verdicts.end()) verdicts.push_back(check.verdict);
    }
    text += "<tr><td><a href=\"#" + xml(gate.gate) + "\">" + xml(gate.gate) + "</a></td><td>";
    for (const Verdict verdict : verdicts) text += verdict_html(verdict) + " ";
    text += "</td></tr>\n";
  }
  return text + "</tbody></table>\n";
}

std::string html_gate(const GateReport& gate) {
  std::string text = "<h2 id=\"" + xml(gate.gate) + "\">" + xml(gate.gate) + "</h2>\n<ul class=\"checks\">\n";
  for (const Check& check : gate.checks) {
    text += "<li>" + verdict_html(check.verdict) + "<span>" + xml(check.reason) + "</span></li>\n";
  }
  text += "</ul>\n";
  for (const Figure& figure : gate.figures) text += svg(figure);
  for (const Table& table : gate.tables) text += html_table(table);
  return text;
}

}  // namespace

std::string report_html(const Report& report) {
  const std::string verdict = report.is_go() ? "Go" : "No-go";
  const std::string title =
      verdict + ": " + fact_text(report.facts.at("tested")) + " on " + fact_text(report.facts.at("model"));
  std::string text =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
      xml(title) + "</title>\n<style>" + kStyle + "</style></head><body>\n<h1><span class=\"" +
      (report.is_go() ? "pass" : "fail") + "\">" + verdict +
      "</span>: " + xml(title.substr(verdict.size() + 2)) + "</h1>\n";
  if (!report.reasons.empty()) {
    text += "<ul>\n";
    for (const auto& reason : report.reasons) text += "<li>" + xml(reason) + "</li>\n";
    text += "</ul>\n";
  }
  Table facts{"What was measured", {"", ""}, {}};
  for (const auto& [name, value] : report.facts.items()) facts.rows.push_back({name, fact_text(value)});
  text += html_table(facts) + html_summary(report.gates);
  for (const GateReport& gate : report.gates) text += html_gate(gate);
  return text + "</body></html>\n";
}

}  // namespace tq::eval
