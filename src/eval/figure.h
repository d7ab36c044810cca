// Tables and plots as data: gates fill them, renderers (markdown.cc, html.cc, svg.cc) draw them.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tq::eval {

struct Table {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  // one cell a column
};

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;
  std::vector<std::string> labels = {};  // one a point, or none
  bool is_line = true;                   // else dots
};

struct HeatMap {
  std::vector<std::string> rows, columns;
  struct Cell {
    double shade = 0.0;  // 0: bad, 1: good; negative: nothing to say
    std::string text;
  };
  std::vector<std::vector<Cell>> cells;  // [rows][columns]
};

// Either series over two axes, or a heat map where `map` has rows.
struct Figure {
  std::string title;
  std::string x_label, y_label;
  bool is_log_y = false;  // y values are decimal logarithms, and the axis says what of
  std::vector<Series> series = {};
  HeatMap map = {};
};

std::string svg(const Figure& figure);

}  // namespace tq::eval
