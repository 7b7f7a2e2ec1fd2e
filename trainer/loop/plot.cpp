// The curves of a training as an SVG: one panel for losses, one for the other metrics. Light and dark by what the reader's system prefers.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "io/file.h"
#include "trainer/loop/listeners.h"

namespace gf {
namespace {

using Points = std::vector<std::pair<double, double>>;

constexpr double kWidth = 860, kPanel = 300, kLeft = 70, kRight = 20, kTop = 34, kBottom = 40;
constexpr size_t kMostPoints = 600;

std::string fixed(double v, int digits = 1) {
  char b[32];
  std::snprintf(b, sizeof b, "%.*f", digits, v);
  return b;
}
std::string tick_text(double v) {
  char b[32];
  std::snprintf(b, sizeof b, "%.6g", v);
  return b;
}
std::string escaped(const std::string& s) {
  std::string out;
  for (const char c : s) out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  return out;
}

// Means of equally many neighbours, so that a picture of a million steps stays small.
Points thinned(const Points& all) {
  Points finite;
  for (const auto& p : all)
    if (std::isfinite(p.second)) finite.push_back(p);
  const size_t each = (finite.size() + kMostPoints - 1) / kMostPoints;
  if (each <= 1) return finite;
  Points out;
  for (size_t i = 0; i < finite.size(); i += each) {
    const size_t n = std::min(each, finite.size() - i);
    double x = 0, y = 0;
    for (size_t k = i; k < i + n; ++k) x += finite[k].first, y += finite[k].second;
    out.emplace_back(x / static_cast<double>(n), y / static_cast<double>(n));
  }
  return out;
}
Points smoothed(const Points& all) {
  Points out = all;
  double mean = 0, weight = 0;
  for (auto& [x, y] : out) {
    mean = 0.9 * mean + 0.1 * y;
    weight = 0.9 * weight + 0.1;
    y = mean / weight;
  }
  return out;
}

// 1, 2 or 5 times a power of ten, about `wanted` of them.
double tick_step(double range, int wanted) {
  const double rough = range / wanted, power = std::pow(10, std::floor(std::log10(rough))), rest = rough / power;
  return power * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10);
}

struct Curve {
  std::string name, style;  // class of the style sheet
  Points points;
  bool dots = false;
};

class Panel {
 public:
  Panel(double top, std::string title, std::vector<Curve> curves) : top_(top), title_(std::move(title)), curves_(std::move(curves)) {
    bool first = true;
    for (const Curve& c : curves_)
      for (const auto& [x, y] : c.points) {
        x1_ = first ? x : std::max(x1_, x);
        y0_ = first ? y : std::min(y0_, y);
        y1_ = first ? y : std::max(y1_, y);
        first = false;
      }
    if (!(y1_ > y0_)) y0_ -= 0.5, y1_ += 0.5;
    const double step = tick_step(y1_ - y0_, 5);
    y0_ = std::floor(y0_ / step) * step;
    y1_ = std::ceil(y1_ / step) * step;
    if (!(x1_ > 0)) x1_ = 1;
  }

  std::string svg() const {
    std::string s = "<text class=\"title\" x=\"" + fixed(kLeft) + "\" y=\"" + fixed(top_ + 20) + "\">" + escaped(title_) + "</text>\n";
    const double ystep = tick_step(y1_ - y0_, 5), xstep = tick_step(x1_, 8);
    for (double v = y0_; v <= y1_ + ystep / 2; v += ystep) {
      const double value = std::fabs(v) < ystep / 1e6 ? 0 : v;
      s += line("grid", kLeft, y(v), kWidth - kRight, y(v)) + label("end", kLeft - 8, y(v) + 4, tick_text(value));
    }
    for (double v = 0; v <= x1_ + xstep / 1e6; v += xstep) s += line("grid", x(v), y(y1_), x(v), y(y0_)) + label("middle", x(v), y(y0_) + 18, tick_text(v));
    s += label("end", kWidth - kRight, y(y0_) + 34, "steps");
    double legend = kWidth - kRight;
    for (auto c = curves_.rbegin(); c != curves_.rend(); ++c) {
      s += curve(*c);
      if (c->name.empty()) continue;
      legend -= 8.0 * static_cast<double>(c->name.size()) + 34;
      s += "<path class=\"" + c->style + "\" d=\"M" + fixed(legend) + " " + fixed(top_ + 16) + "h20\"/>" + label("start", legend + 25, top_ + 20, c->name);
    }
    return s;
  }

 private:
  double x(double v) const { return kLeft + v / x1_ * (kWidth - kLeft - kRight); }
  double y(double v) const { return top_ + kTop + (y1_ - v) / (y1_ - y0_) * (kPanel - kTop - kBottom); }
  static std::string line(const char* style, double x0, double y0, double x1, double y1) {
    return std::string("<path class=\"") + style + "\" d=\"M" + fixed(x0) + " " + fixed(y0) + "L" + fixed(x1) + " " + fixed(y1) + "\"/>\n";
  }
  static std::string label(const char* anchor, double x, double y, const std::string& text) {
    return std::string("<text text-anchor=\"") + anchor + "\" x=\"" + fixed(x) + "\" y=\"" + fixed(y) + "\">" + escaped(text) + "</text>\n";
  }
  std::string curve(const Curve& c) const {
    if (c.points.empty()) return "";
    std::string path, dots;
    for (const auto& [px, py] : c.points) {
      path += (path.empty() ? "M" : "L") + fixed(x(px)) + " " + fixed(y(py));
      if (c.dots) dots += "<circle class=\"" + c.style + "\" cx=\"" + fixed(x(px)) + "\" cy=\"" + fixed(y(py)) + "\" r=\"3\"/>\n";
    }
    return "<path class=\"" + c.style + "\" d=\"" + path + "\"/>\n" + dots;
  }

  double top_, x1_ = 1, y0_ = 0, y1_ = 1;
  std::string title_;
  std::vector<Curve> curves_;
};

constexpr const char* kStyle = R"(<style>
svg{background:#fff;font:13px system-ui,sans-serif}text{fill:#57606a}.title{fill:#1f2328;font-size:15px;font-weight:600}
path{fill:none}.grid{stroke:#d8dee4;stroke-width:1}.raw{stroke:#0969da;stroke-width:1;opacity:.28}.train{stroke:#0969da;stroke-width:2}
.a{stroke:#bc4c00;stroke-width:2}.b{stroke:#1a7f37;stroke-width:2}.c{stroke:#8250df;stroke-width:2}
circle.a{fill:#bc4c00;stroke:none}circle.b{fill:#1a7f37;stroke:none}circle.c{fill:#8250df;stroke:none}
@media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#8b949e}.title{fill:#e6edf3}.grid{stroke:#30363d}.raw,.train{stroke:#58a6ff}
.a{stroke:#f0883e}.b{stroke:#3fb950}.c{stroke:#bc8cff}circle.a{fill:#f0883e}circle.b{fill:#3fb950}circle.c{fill:#bc8cff}}
</style>
)";

}  // namespace

void Plot::validated(const ValidationReport& r) {
  for (const auto& [name, value] : r.metrics) {
    auto at = std::find_if(validation_.begin(), validation_.end(), [&, n = name](const auto& v) { return v.first == n; });
    if (at == validation_.end()) at = validation_.insert(at, {name, {}});
    if (std::isfinite(value)) at->second.emplace_back(static_cast<double>(r.step), value);
  }
}

std::string Plot::svg() const {
  const Points raw = thinned(losses_);
  std::vector<Curve> losses = {{"", "raw", raw}, {"training", "train", smoothed(raw)}}, others;
  const char* const styles[] = {"b", "c"};
  for (const auto& [name, points] : validation_) {
    if (name == "loss") losses.push_back({"validation", "a", points, true});
    else others.push_back({name, styles[others.size() % 2], points, true});
  }
  const double height = kPanel * (others.empty() ? 1 : 2) + 10;
  std::string s = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + fixed(kWidth, 0) + " " + fixed(height, 0) + "\" role=\"img\">\n<title>" + escaped(title_.empty() ? "training" : title_) + "</title>\n" + kStyle;
  s += Panel(0, title_.empty() ? "loss" : title_ + ": loss", losses).svg();
  if (!others.empty()) s += Panel(kPanel, "validation", others).svg();
  return s + "</svg>\n";
}

void Plot::end(const FitResult&) { io::write_file(file_, svg()); }

}  // namespace gf
