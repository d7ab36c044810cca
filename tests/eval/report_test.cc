#include "eval/report.h"

#include <gtest/gtest.h>

#include "eval/xml.h"

namespace tq::eval {
namespace {

Report report_of(std::vector<Check> checks) {
  GateReport gate{.gate = "kld", .checks = std::move(checks)};
  gate.tables.push_back({"T", {"a|b", "c"}, {{"x|y\nz", "<b>&"}}});
  gate.figures.push_back(
      {.title = "lines", .x_label = "x", .y_label = "y", .series = {{"s<", {{1, 2}, {3, 5}}}}});
  gate.figures.push_back({.title = "map",
                          .x_label = "x",
                          .y_label = "y",
                          .map = {{"r"}, {"c1", "c2"}, {{{1.0, "ok"}, {-1.0, "-"}}}}});
  Report report{
      .facts = {{"model", "<script>alert(1)</script>"}, {"tested", "K turbo4"}, {"baseline", "K f16"}},
      .gates = {std::move(gate)},
      .reasons = {}};
  report.reasons = reasons_against(report.gates);
  return report;
}

TEST(Report, GoOnlyWhenSomethingPassesAndNothingFails) {
  EXPECT_TRUE(report_of({{"a", Verdict::kPass, "fine."}, {"b", Verdict::kSkipped, "no."}}).is_go());
  EXPECT_TRUE(report_of({{"a", Verdict::kPass, "fine."}, {"b", Verdict::kBaselineFails, "no."}}).is_go());
  EXPECT_FALSE(report_of({{"a", Verdict::kPass, "fine."}, {"b", Verdict::kFail, "too much."}}).is_go());
  EXPECT_FALSE(report_of({{"a", Verdict::kKill, "far too much."}}).is_go());
  EXPECT_FALSE(report_of({{"a", Verdict::kBaselineFails, "no."}}).is_go());  // silence is no pass
}

TEST(Report, TextSaysWhySilenceIsNoGo) {
  const std::string text = report_text(report_of({{"a", Verdict::kSkipped, "no."}}));
  EXPECT_NE(text.find("NO-GO"), std::string::npos);
  EXPECT_NE(text.find("no gate could say anything"), std::string::npos);
}

TEST(Report, NotANumberFails) {
  EXPECT_EQ(at_most("x", std::nan(""), 1).verdict, Verdict::kFail);
  EXPECT_EQ(at_least("x", std::nan(""), 1).verdict, Verdict::kFail);
  EXPECT_EQ(at_most("x", 1, 1).verdict, Verdict::kPass);
  EXPECT_EQ(at_least("x", 0.999, 1).verdict, Verdict::kFail);
}

TEST(Report, JsonHasEveryCheck) {
  const Json json = Json::parse(report_json(report_of({{"a", Verdict::kFail, "too much."}})));
  EXPECT_EQ(json["go"], false);
  EXPECT_EQ(json["reasons"][0], "kld: too much.");
  EXPECT_EQ(json["gates"][0]["checks"][0]["verdict"], "fail");
}

TEST(Report, NamesAreNoMarkup) {
  const std::string html = report_html(report_of({{"a", Verdict::kPass, "1 < 2 & fine."}}));
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
  EXPECT_NE(html.find("1 &lt; 2 &amp; fine."), std::string::npos);
  EXPECT_NE(html.find("<polyline"), std::string::npos);
  for (const char* outside : {"http://www.w3.org/2000/svg\" role", "src=", "@import", "url(", "href=\"h"}) {
    if (std::string_view(outside).starts_with("http")) continue;  // a namespace is no address
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  }
  EXPECT_NE(html.find("<a href=\"#kld\">kld</a>"), std::string::npos);  // links stay on the page
  EXPECT_EQ(xml("a\x01\"b"), "a\xEF\xBF\xBD&quot;b");
}

TEST(Report, MarkdownCellsStayCells) {
  const std::string text = report_markdown(report_of({{"a", Verdict::kPass, "fine."}}));
  EXPECT_NE(text.find("| a\\|b | c |"), std::string::npos);
  EXPECT_NE(text.find("x\\|y<br>z"), std::string::npos);
  EXPECT_NE(text.find("| r | ok | - |"), std::string::npos);
}

TEST(Report, PlotsWithoutRangeStayFinite) {
  for (const auto& points : {std::vector<std::pair<double, double>>{}, {{1, 1}}, {{2, 0}, {2, 0}}}) {
    const std::string text = svg({.title = "t", .x_label = "", .y_label = "", .series = {{"s", points}}});
    EXPECT_EQ(text.find("nan"), std::string::npos);
    EXPECT_EQ(text.find("inf"), std::string::npos);
  }
}

// A figure of points that lie close: labels that would cover others are left out, the others stand inside.
TEST(Report, LabelsDoNotCoverEachOther) {
  Figure figure{
      .title = "t", .x_label = "", .y_label = "", .is_log_y = true, .series = {{.name = "s", .points = {}}}};
  figure.series[0].points = {{0, -3}, {1, -3}, {100, 0}};
  figure.series[0].labels = {"first", "hidden", "last"};
  const std::string text = svg(figure);
  EXPECT_NE(text.find(">first<"), std::string::npos);
  EXPECT_EQ(text.find(">hidden<"), std::string::npos);
  EXPECT_NE(text.find("text-anchor=\"end\">last<"), std::string::npos);
  EXPECT_NE(text.find(">0.001<"), std::string::npos);  // the value, not its logarithm
}

TEST(Report, AMapIsAsWideAsItsText) {
  const std::string label(80, 'x');
  const std::string text =
      svg({.title = "t", .x_label = label, .y_label = "", .map = {{"r"}, {"c"}, {{{1.0, "ok"}}}}});
  EXPECT_GE(std::stod(text.substr(text.find(" width=\"") + 8)), 80 * 6.5);
}

}  // namespace
}  // namespace tq::eval
