// Plots as SVG. Colours are the page's (var(--a) ...), so that a plot follows light and dark.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "eval/figure.h"
#include "eval/xml.h"

namespace tq::eval {
namespace {

constexpr double kWidth = 640, kHeight = 320;
constexpr double kLeft = 70, kRight = 20, kTop = 40, kBottom = 50;
constexpr std::array kColours = {"var(--a)", "var(--b)", "var(--c)"};

std::string fixed(double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  return text.data();
}

std::string tick_text(double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.6g", value);
  return text.data();
}

// About what the page's font takes.
double width_of(const std::string& text) { return 6.5 * static_cast<double>(text.size()); }

std::string text_at(double x, double y, const std::string& anchor, const std::string& text,
                    const std::string& more = "") {
  return "<text x=\"" + fixed(x) + "\" y=\"" + fixed(y) + "\" text-anchor=\"" + anchor + "\"" + more + ">" +
         xml(text) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<line x1=\"" + fixed(x1) + "\" y1=\"" + fixed(y1) + "\" x2=\"" + fixed(x2) + "\" y2=\"" +
         fixed(y2) + "\" " + style + "/>\n";
}

std::string opening(const Figure& figure, double width, double height) {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 " + fixed(width) + " " +
         fixed(height) + "\" width=\"" + fixed(width) + "\" height=\"" + fixed(height) + "\"><title>" +
         xml(figure.title) + "</title>\n" +
         text_at(width / 2, 18, "middle", figure.title, " font-weight=\"600\"");
}

// One axis: values to pixels, with ticks at round numbers.
struct Axis {
  double low = 0, high = 1, step = 1, from = 0, to = 1;

  std::vector<double> ticks() const {
    const auto n = static_cast<int>(std::lround((high - low) / step));
    std::vector<double> values(static_cast<std::size_t>(n) + 1);
    for (int i = 0; i <= n; ++i) values[static_cast<std::size_t>(i)] = low + i * step;
    return values;
  }
  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

Axis make_axis(double low, double high, double from, double to) {
  if (!(high > low)) high = low + (low == 0 ? 1 : std::abs(low) * 0.1);
  const double raw = (high - low) / 5;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = power * 10;
  for (const double m : {1.0, 2.0, 5.0}) {
    if (power * m >= raw) {
      step = power * m;
      break;
    }
  }
  return {std::floor(low / step) * step, std::ceil(high / step) * step, step, from, to};
}

std::string axes_svg(const Figure& figure, const Axis& x, const Axis& y) {
  const std::string grid = "stroke=\"var(--line)\"";
  std::string out;
  for (const double v : y.ticks()) {
    const double value = std::abs(v) < y.step / 2 ? 0 : v;
    out += line(kLeft, y.at(v), kWidth - kRight, y.at(v), grid) +
           text_at(kLeft - 6, y.at(v) + 4, "end", tick_text(figure.is_log_y ? std::pow(10.0, value) : value));
  }
  for (const double v : x.ticks()) {
    out += line(x.at(v), kHeight - kBottom, x.at(v), kHeight - kBottom + 4, "stroke=\"var(--soft)\"") +
           text_at(x.at(v), kHeight - kBottom + 18, "middle", tick_text(std::abs(v) < x.step / 2 ? 0 : v));
  }
  const double middle = (kTop + kHeight - kBottom) / 2;
  return out + text_at((kLeft + kWidth - kRight) / 2, kHeight - 10, "middle", figure.x_label) +
         text_at(16, middle, "middle", figure.y_label, " transform=\"rotate(-90 16 " + fixed(middle) + ")\"");
}

// Labels beside points, as many as do not cover each other; those in the right half stand to the left.
class Labels {
 public:
  std::string place(double x, double y, const std::string& text) {
    const bool is_right = x > (kLeft + kWidth - kRight) / 2;
    const double width = width_of(text);
    const Box box{is_right ? x - 6 - width : x + 6, y - 16, width};
    for (const Box& other : boxes_) {
      if (box.x < other.x + other.width && other.x < box.x + box.width && std::abs(box.y - other.y) < kHeight)
        return "";
    }
    boxes_.push_back(box);
    return text_at(is_right ? x - 6 : x + 6, y - 5, is_right ? "end" : "start", text);
  }

 private:
  static constexpr double kHeight = 13;
  struct Box {
    double x, y, width;
  };
  std::vector<Box> boxes_;
};

std::string series_svg(const Series& series, const std::string& colour, const Axis& x, const Axis& y) {
  std::string out;
  if (series.is_line) {
    out += "<polyline fill=\"none\" stroke=\"" + colour + "\" stroke-width=\"2\" points=\"";
    for (const auto& [px, py] : series.points) out += fixed(x.at(px)) + "," + fixed(y.at(py)) + " ";
    out += "\"/>\n";
  }
  Labels labels;
  for (std::size_t i = 0; i < series.points.size(); ++i) {
    const auto& [px, py] = series.points[i];
    if (!series.is_line || series.points.size() < 24) {
      out += "<circle cx=\"" + fixed(x.at(px)) + "\" cy=\"" + fixed(y.at(py)) + "\" r=\"3.5\" fill=\"" +
             colour + (series.is_line ? "" : "\" fill-opacity=\"0.5") + "\"/>\n";
    }
    if (i < series.labels.size()) out += labels.place(x.at(px), y.at(py), series.labels[i]);
  }
  return out;
}

std::string plot_svg(const Figure& figure) {
  double x_low = std::numeric_limits<double>::max(), x_high = std::numeric_limits<double>::lowest();
  double y_low = 0, y_high = std::numeric_limits<double>::lowest();
  for (const Series& series : figure.series) {
    for (const auto& [px, py] : series.points) {
      x_low = std::min(x_low, px);
      x_high = std::max(x_high, px);
      y_low = std::min(y_low, py);
      y_high = std::max(y_high, py);
    }
  }
  if (x_low > x_high) return "";
  const Axis x = make_axis(x_low, x_high, kLeft, kWidth - kRight);
  const Axis y = make_axis(y_low, y_high, kHeight - kBottom, kTop);
  std::string out = opening(figure, kWidth, kHeight) + axes_svg(figure, x, y);
  double legend = kLeft;
  for (std::size_t i = 0; i < figure.series.size(); ++i) {
    const std::string colour = kColours[i % kColours.size()];
    out += series_svg(figure.series[i], colour, x, y);
    out += "<rect x=\"" + fixed(legend) + "\" y=\"25\" width=\"10\" height=\"10\" fill=\"" + colour +
           "\"/>\n" + text_at(legend + 14, 34, "start", figure.series[i].name);
    legend += 24 + 7.0 * static_cast<double>(figure.series[i].name.size());
  }
  return out + "</svg>\n";
}

std::string map_svg(const Figure& figure) {
  const HeatMap& map = figure.map;
  constexpr double kMapLeft = 110, kMapTop = 56;
  const double cell_width = std::clamp(500.0 / static_cast<double>(map.columns.size()), 22.0, 90.0);
  const double cell_height = map.rows.size() > 12 ? 14 : 26;
  const double width = std::max({kMapLeft + cell_width * static_cast<double>(map.columns.size()),
                                 kMapLeft + width_of(figure.x_label), width_of(figure.title)}) +
                       20;
  const double height = kMapTop + cell_height * static_cast<double>(map.rows.size()) + 20;
  std::string out = opening(figure, width, height);
  out += text_at(kMapLeft - 6, kMapTop - 22, "end", figure.y_label) +
         text_at(kMapLeft, 34, "start", figure.x_label);
  for (std::size_t c = 0; c < map.columns.size(); ++c) {
    out += text_at(kMapLeft + cell_width * (static_cast<double>(c) + 0.5), kMapTop - 6, "middle",
                   map.columns[c]);
  }
  for (std::size_t r = 0; r < map.rows.size(); ++r) {
    const double y = kMapTop + cell_height * static_cast<double>(r);
    out += text_at(kMapLeft - 6, y + cell_height / 2 + 4, "end", map.rows[r]);
    for (std::size_t c = 0; c < map.columns.size(); ++c) {
      const HeatMap::Cell& cell = map.cells[r][c];
      const double x = kMapLeft + cell_width * static_cast<double>(c);
      const bool none = cell.shade < 0;
      const double strength = none ? 0.25 : 0.25 + 0.6 * std::abs(2 * std::min(cell.shade, 1.0) - 1);
      out += "<rect x=\"" + fixed(x) + "\" y=\"" + fixed(y) + "\" width=\"" + fixed(cell_width - 1) +
             "\" height=\"" + fixed(cell_height - 1) + "\" fill=\"" +
             (none                ? "var(--soft)"
              : cell.shade >= 0.5 ? "var(--good)"
                                  : "var(--bad)") +
             "\" fill-opacity=\"" + fixed(strength) + "\"/>\n";
      if (cell_width >= 40 && cell_height >= 20) {
        out += text_at(x + cell_width / 2, y + cell_height / 2 + 4, "middle", cell.text);
      }
    }
  }
  return out + "</svg>\n";
}

}  // namespace

std::string svg(const Figure& figure) { return figure.map.rows.empty() ? plot_svg(figure) : map_svg(figure); }

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\n':
      case '\t':
        out += c;
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? std::string("\xEF\xBF\xBD") : std::string(1, c);
    }
  }
  return out;
}

}  // namespace tq::eval
