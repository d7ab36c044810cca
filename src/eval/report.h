// The evaluation's report in its forms, from conclusions alone.
#pragma once

#include <string>
#include <vector>

#include "eval/gate.h"

namespace tq::eval {

struct Report {
  Json facts;  // model, caches, machine, corpus, profile
  std::vector<GateReport> gates;
  std::vector<std::string> reasons;  // of a no-go

  bool is_go() const { return reasons.empty(); }
};

// The sentences of the checks that failed, and of gates that could say nothing at all.
std::vector<std::string> reasons_against(const std::vector<GateReport>& gates);

std::string report_text(const Report& report);  // for a terminal
std::string report_json(const Report& report);
std::string report_markdown(const Report& report);
std::string report_html(const Report& report);  // one file: no scripts, fonts or pictures of others

}  // namespace tq::eval
