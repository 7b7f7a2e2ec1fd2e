// The picture of a training's curves: where points lie on a linear and a logarithmic axis, ticks, and what an axis cannot show.
#include <cmath>
#include <limits>
#include <sstream>

#include "tests/support/expect_refused.h"
#include "trainer/loop/listeners.h"

namespace gf::test {
namespace {

// The axis of losses goes from 260 (below) to 34 (above) on the page: kPanel, kTop and kBottom of plot.cpp.
constexpr double kBelow = 260, kAbove = 34;

std::string picture(const std::vector<double>& losses, PlotScale scale, const std::vector<double>& validations = {}) {
  Plot plot("", "net", scale);
  for (size_t i = 0; i < losses.size(); ++i) plot.step({.step = static_cast<int64_t>(i) + 1, .loss = losses[i]});
  for (size_t i = 0; i < validations.size(); ++i) plot.validated({.step = static_cast<int64_t>(i) + 1, .metrics = {{"loss", validations[i]}, {"accuracy", 0.5}}});
  return plot.svg();
}
// Heights of the points of the curve with this class, as fractions of the axis.
std::vector<double> heights(const std::string& svg, const std::string& curve) {
  const std::string begin = "<path class=\"" + curve + "\" d=\"M";
  size_t at = svg.find(begin);
  while (at != std::string::npos && svg.find('h', at + begin.size()) < svg.find('"', at + begin.size())) at = svg.find(begin, at + 1);  // the legend's
  if (at == std::string::npos) return {};
  std::string path = svg.substr(at + begin.size(), svg.find('"', at + begin.size()) - at - begin.size());
  for (char& c : path) c = c == 'L' ? ' ' : c;
  std::istringstream in(path);
  std::vector<double> all;
  for (double x = 0, y = 0; in >> x >> y;) all.push_back((kBelow - y) / (kBelow - kAbove));
  return all;
}
bool has_label(const std::string& svg, const std::string& text) { return svg.find(">" + text + "</text>") != std::string::npos; }

void expect_near(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 0.001) << i;  // coordinates have one digit behind the point
}

TEST(Plot, DecadesAreEquallyFar) {
  for (const PlotScale scale : {PlotScale::Automatic, PlotScale::Logarithmic}) {
    const std::string svg = picture({10, 1, 0.1, 0.01}, scale, {3.16227766});
    expect_near(heights(svg, "raw"), {1, 2.0 / 3, 1.0 / 3, 0});
    expect_near(heights(svg, "a"), {2.5 / 3});
    EXPECT_NE(svg.find("net: loss, logarithmic</text>"), std::string::npos);
    for (const char* decade : {"10", "1", "0.1", "0.01"}) EXPECT_TRUE(has_label(svg, decade)) << decade;
    EXPECT_FALSE(has_label(svg, "5")) << "between three decades or more only lines";
    EXPECT_NE(svg.find("class=\"fine\""), std::string::npos);
  }
  const std::string linear = picture({10, 1, 0.1, 0.01}, PlotScale::Linear);
  expect_near(heights(linear, "raw"), {1, 0.1, 0.01, 0.001});
  EXPECT_EQ(linear.find("logarithmic"), std::string::npos);
  EXPECT_TRUE(has_label(linear, "8"));
}

TEST(Plot, LogarithmicFromTwoDecadesOn) {
  const auto is_log = [](const std::vector<double>& losses, const std::vector<double>& validations = {}) {
    return picture(losses, PlotScale::Automatic, validations).find("logarithmic") != std::string::npos;
  };
  EXPECT_FALSE(is_log({4, 2, 0.05}));
  EXPECT_TRUE(is_log({4, 2, 0.04}));
  EXPECT_TRUE(is_log({4, 2}, {0.04})) << "validation counts";
  EXPECT_FALSE(is_log({4, 0.04, 0})) << "it has no place for 0";
  EXPECT_FALSE(is_log({4, 0.04}, {-1}));
  EXPECT_TRUE(is_log({4, std::nan(""), 0.04, std::numeric_limits<double>::infinity()})) << "what is not finite is not drawn";
  EXPECT_FALSE(is_log({}));
}

// Within less than two decades the axis begins and ends at 1, 2 or 5 times a power of ten, and these have labels.
TEST(Plot, FewDecades) {
  const std::string svg = picture({4.2, 1.79}, PlotScale::Logarithmic);
  for (const char* tick : {"1", "2", "5"}) EXPECT_TRUE(has_label(svg, tick)) << tick;
  expect_near(heights(svg, "raw"), {std::log(4.2) / std::log(5), std::log(1.79) / std::log(5)});
  // nothing but one value
  expect_near(heights(picture({1, 1}, PlotScale::Logarithmic), "raw"), {0.5, 0.5});
}

TEST(Plot, ManyDecades) {
  const std::string svg = picture({1, 1e-16}, PlotScale::Automatic);
  expect_near(heights(svg, "raw"), {1, 0});
  EXPECT_TRUE(has_label(svg, "1e-16") && has_label(svg, "1e-14") && has_label(svg, "1"));
  EXPECT_FALSE(has_label(svg, "1e-15"));
}

// A logarithmic axis leaves out what is 0 or less, and says so.
TEST(Plot, NothingAtOrBelowZero) {
  const std::string svg = picture({100, 0, -3, 1}, PlotScale::Logarithmic, {-0.5});
  expect_near(heights(svg, "raw"), {1, 0});
  EXPECT_NE(svg.find("net: loss, logarithmic (3 values of 0 or less not shown)</text>"), std::string::npos);
  EXPECT_TRUE(heights(svg, "a").empty());
  EXPECT_NE(picture({-1}, PlotScale::Logarithmic).find("(1 value of 0 or less not shown)"), std::string::npos);
  for (const std::string& text : {svg, picture({-1}, PlotScale::Logarithmic), picture({-1, 3}, PlotScale::Automatic)}) EXPECT_EQ(text.find("nan"), std::string::npos);
}

TEST(Plot, Scales) {
  EXPECT_EQ(plot_scale("auto"), PlotScale::Automatic);
  EXPECT_EQ(plot_scale("log"), PlotScale::Logarithmic);
  EXPECT_EQ(plot_scale("linear"), PlotScale::Linear);
  expect_refused(Error::InvalidArgument, "there is no plot scale 'cubic'", [] { (void)plot_scale("cubic"); });
}

}  // namespace
}  // namespace gf::test
