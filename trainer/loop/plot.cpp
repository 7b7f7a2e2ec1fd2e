// The curves of a training as an SVG: one panel for losses, one for the other metrics. Light and dark by what the reader's system prefers.
// The axis of losses is logarithmic when asked for, or when they span two decades (PlotScale).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "io/file.h"
#include "runtime/core/exception.h"
#include "trainer/loop/listeners.h"

namespace gf {
namespace {

using Points = std::vector<std::pair<double, double>>;

constexpr double kWidth = 860, kPanel = 300, kLeft = 70, kRight = 20, kTop = 34, kBottom = 40;
constexpr size_t kMostPoints = 600;
constexpr double kLogSpan = 100;     // largest over smallest loss from which on the axis is logarithmic by itself
constexpr int kMostDecades = 8;      // with labels of their own

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

struct Tick {
  double value = 0;
  std::string text;  // empty: a line without a label
};

// Values up the page: where the axis begins and ends, and its ticks.
class Axis {
 public:
  Axis() = default;
  /// Of a logarithmic one both are above 0.
  Axis(double low, double high, bool logarithmic) : log_(logarithmic), low_(low), high_(high) {
    if (log_) {
      low_ = round_number(low, false);
      high_ = round_number(high, true);
      if (!(high_ > low_)) low_ /= 10, high_ *= 10;
      return;
    }
    if (!(high_ > low_)) low_ -= 0.5, high_ += 0.5;
    step_ = tick_step(high_ - low_, 5);
    low_ = std::floor(low_ / step_) * step_;
    high_ = std::ceil(high_ / step_) * step_;
    step_ = tick_step(high_ - low_, 5);
  }

  /// 0 at the lower end, 1 at the upper one.
  double part(double v) const { return log_ ? std::log(v / low_) / std::log(high_ / low_) : (v - low_) / (high_ - low_); }
  std::vector<Tick> ticks() const { return log_ ? decades() : steps(); }

 private:
  std::vector<Tick> steps() const {
    std::vector<Tick> all;
    for (double v = low_; v <= high_ + step_ / 2; v += step_) all.push_back({v, tick_text(std::fabs(v) < step_ / 1e6 ? 0 : v)});
    return all;
  }
  // Every power of ten, or every n-th when there are many; between few of them 2 and 5 times one too, and lines for the other digits.
  std::vector<Tick> decades() const {
    const int first = decade(low_), last = decade(high_);
    const double span = std::log10(high_ / low_);
    const int each = std::max(1, static_cast<int>(std::ceil(span / kMostDecades)));
    std::vector<Tick> all;
    for (int d = first; d <= last; ++d)
      for (int digit = 1; digit <= 9; ++digit) {
        const double v = digit * std::pow(10, d);
        if (v < low_ * (1 - 1e-9) || v > high_ * (1 + 1e-9)) continue;
        const bool labelled = digit == 1 ? (d - first) % each == 0 : span <= 2.01 && (digit == 2 || digit == 5);
        if (labelled || (each == 1 && span <= 5)) all.push_back({v, labelled ? tick_text(v) : std::string()});
      }
    return all;
  }
  static int decade(double v) { return static_cast<int>(std::floor(std::log10(v) + 1e-9)); }
  // The nearest 1, 2 or 5 times a power of ten that is not above, or not below, v.
  static double round_number(double v, bool up) {
    const double power = std::pow(10, decade(v));
    const double digits[] = {1, 2, 5, 10};
    double below = power;
    for (const double d : digits) {
      if (up && d * power >= v * (1 - 1e-9)) return d * power;
      if (d * power <= v * (1 + 1e-9)) below = d * power;
    }
    return below;
  }

  bool log_ = false;
  double low_ = 0, high_ = 1, step_ = 1;
};

class Panel {
 public:
  /// `logarithmic`: what is not above 0 has been left out.
  Panel(double top, std::string title, std::vector<Curve> curves, bool logarithmic = false) : top_(top), title_(std::move(title)), curves_(std::move(curves)) {
    double low = logarithmic ? 1 : 0, high = low;
    bool first = true;
    for (const Curve& c : curves_)
      for (const auto& [x, y] : c.points) {
        x1_ = first ? x : std::max(x1_, x);
        low = first ? y : std::min(low, y);
        high = first ? y : std::max(high, y);
        first = false;
      }
    axis_ = Axis(low, high, logarithmic);
    if (!(x1_ > 0)) x1_ = 1;
  }

  std::string svg() const {
    std::string s = "<text class=\"title\" x=\"" + fixed(kLeft) + "\" y=\"" + fixed(top_ + 20) + "\">" + escaped(title_) + "</text>\n";
    for (const Tick& t : axis_.ticks()) {
      s += line(t.text.empty() ? "fine" : "grid", kLeft, y(t.value), kWidth - kRight, y(t.value));
      if (!t.text.empty()) s += label("end", kLeft - 8, y(t.value) + 4, t.text);
    }
    const double xstep = tick_step(x1_, 8), floor = top_ + kPanel - kBottom;
    for (double v = 0; v <= x1_ + xstep / 1e6; v += xstep) s += line("grid", x(v), top_ + kTop, x(v), floor) + label("middle", x(v), floor + 18, tick_text(v));
    s += label("end", kWidth - kRight, floor + 34, "steps");
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
  double y(double v) const { return top_ + kTop + (1 - axis_.part(v)) * (kPanel - kTop - kBottom); }
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

  double top_, x1_ = 1;
  Axis axis_;
  std::string title_;
  std::vector<Curve> curves_;
};

constexpr const char* kStyle = R"(<style>
svg{background:#fff;font:13px system-ui,sans-serif}text{fill:#57606a}.title{fill:#1f2328;font-size:15px;font-weight:600}
path{fill:none}.grid{stroke:#d8dee4;stroke-width:1}.fine{stroke:#d8dee4;stroke-width:1;opacity:.4}.raw{stroke:#0969da;stroke-width:1;opacity:.28}.train{stroke:#0969da;stroke-width:2}
.a{stroke:#bc4c00;stroke-width:2}.b{stroke:#1a7f37;stroke-width:2}.c{stroke:#8250df;stroke-width:2}
circle.a{fill:#bc4c00;stroke:none}circle.b{fill:#1a7f37;stroke:none}circle.c{fill:#8250df;stroke:none}
@media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#8b949e}.title{fill:#e6edf3}.grid,.fine{stroke:#30363d}.raw,.train{stroke:#58a6ff}
.a{stroke:#f0883e}.b{stroke:#3fb950}.c{stroke:#bc8cff}circle.a{fill:#f0883e}circle.b{fill:#3fb950}circle.c{fill:#bc8cff}}
</style>
)";

// How many values a logarithmic axis cannot show.
size_t not_positive(const Points& all) {
  return static_cast<size_t>(std::count_if(all.begin(), all.end(), [](const auto& p) { return std::isfinite(p.second) && p.second <= 0; }));
}
Points positive(Points all) {
  std::erase_if(all, [](const auto& p) { return !(p.second > 0); });
  return all;
}
// Two decades, and nothing at or below 0.
bool spans_decades(const std::vector<const Points*>& curves) {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const Points* c : curves)
    for (const auto& [x, y] : *c) {
      if (!std::isfinite(y)) continue;
      if (y <= 0) return false;
      low = std::min(low, y);
      high = std::max(high, y);
    }
  return high >= kLogSpan * low;
}

}  // namespace

PlotScale plot_scale(const std::string& name) {
  if (name == "auto") return PlotScale::Automatic;
  if (name == "linear") return PlotScale::Linear;
  if (name == "log") return PlotScale::Logarithmic;
  throw Exception(Error::InvalidArgument, "there is no plot scale '" + name + "'; there are: auto, linear, log");
}

void Plot::validated(const ValidationReport& r) {
  for (const auto& [name, value] : r.metrics) {
    auto at = std::find_if(validation_.begin(), validation_.end(), [&, n = name](const auto& v) { return v.first == n; });
    if (at == validation_.end()) at = validation_.insert(at, {name, {}});
    if (std::isfinite(value)) at->second.emplace_back(static_cast<double>(r.step), value);
  }
}

std::string Plot::svg() const {
  const auto validated = std::find_if(validation_.begin(), validation_.end(), [](const auto& v) { return v.first == "loss"; });
  Points checked = validated != validation_.end() ? validated->second : Points(), trained = losses_;
  const bool log = scale_ == PlotScale::Logarithmic || (scale_ == PlotScale::Automatic && spans_decades({&trained, &checked}));
  const size_t hidden = log ? not_positive(trained) + not_positive(checked) : 0;
  if (log) trained = positive(std::move(trained)), checked = positive(std::move(checked));
  const Points raw = thinned(trained);
  std::vector<Curve> losses = {{"", "raw", raw}, {"training", "train", smoothed(raw)}}, others;
  if (validated != validation_.end()) losses.push_back({"validation", "a", checked, true});
  const char* const styles[] = {"b", "c"};
  for (const auto& [name, points] : validation_)
    if (name != "loss") others.push_back({name, styles[others.size() % 2], points, true});
  const double height = kPanel * (others.empty() ? 1 : 2) + 10;
  std::string s = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + fixed(kWidth, 0) + " " + fixed(height, 0) + "\" role=\"img\">\n<title>" + escaped(title_.empty() ? "training" : title_) + "</title>\n" + kStyle;
  std::string title = title_.empty() ? "loss" : title_ + ": loss";
  if (log) title += ", logarithmic";
  if (hidden > 0) title += " (" + std::to_string(hidden) + (hidden == 1 ? " value" : " values") + " of 0 or less not shown)";
  s += Panel(0, title, losses, log).svg();
  if (!others.empty()) s += Panel(kPanel, "validation", others).svg();
  return s + "</svg>\n";
}

void Plot::end(const FitResult&) { io::write_file(file_, svg()); }

}  // namespace gf
