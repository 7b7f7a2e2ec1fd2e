// Colours of pixels, with the arithmetic that torchvision uses on uint8 tensors: float32, cut to 0 .. 255, rounded down.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "runtime/core/exception.h"
#include "trainer/data/transforms.h"

namespace gf::data {
namespace {

uint8_t cut(float v) { return static_cast<uint8_t>(std::clamp(v, 0.0F, 255.0F)); }

// ITU-R BT.601 luma.
float gray(const uint8_t* p) {
  return std::floor(0.2989F * static_cast<float>(p[0]) + 0.587F * static_cast<float>(p[1]) + 0.114F * static_cast<float>(p[2]));
}

// Travis 1991; all of 0 to 1.
std::array<float, 3> hsv_of(float r, float g, float b) {
  const float high = std::max({r, g, b}), low = std::min({r, g, b}), range = high - low;
  if (range == 0) return {0, 0, high};
  const float dr = (high - r) / range, dg = (high - g) / range, db = (high - b) / range;
  const float h = high == r ? db - dg : high == g ? 2.0F + dr - db : 4.0F + dg - dr;
  return {std::fmod(h / 6.0F + 1.0F, 1.0F), range / high, high};
}
std::array<float, 3> rgb_of(float h, float s, float v) {
  const float sector = std::floor(h * 6.0F), f = h * 6.0F - sector;
  const auto unit = [](float x) { return std::clamp(x, 0.0F, 1.0F); };
  const float p = unit(v * (1.0F - s)), q = unit(v * (1.0F - s * f)), t = unit(v * (1.0F - s * (1.0F - f)));
  switch (static_cast<int>(sector) % 6) {
    case 0:
      return {v, t, p};
    case 1:
      return {q, v, p};
    case 2:
      return {p, v, t};
    case 3:
      return {p, q, v};
    case 4:
      return {t, p, v};
    default:
      return {v, p, q};
  }
}

}  // namespace

void adjust_brightness(Picture& picture, double factor) {
  const auto f = static_cast<float>(factor);
  for (uint8_t& p : picture.pixels) p = cut(f * static_cast<float>(p));
}

void adjust_contrast(Picture& picture, double factor) {
  const bool colour = picture.channels == 3;
  double sum = 0;
  for (size_t i = 0; i < picture.pixels.size(); i += colour ? 3 : 1) sum += static_cast<double>(colour ? gray(&picture.pixels[i]) : static_cast<float>(picture.pixels[i]));
  const auto f = static_cast<float>(factor), rest = static_cast<float>(1.0 - factor);
  const auto mean = static_cast<float>(sum / static_cast<double>(picture.height * picture.width * (colour ? 1 : picture.channels)));
  for (uint8_t& p : picture.pixels) p = cut(f * static_cast<float>(p) + rest * mean);
}

void adjust_saturation(Picture& picture, double factor) {
  if (picture.channels != 3) return;
  const auto f = static_cast<float>(factor), rest = static_cast<float>(1.0 - factor);
  for (size_t i = 0; i < picture.pixels.size(); i += 3) {
    const float without = rest * gray(&picture.pixels[i]);
    for (size_t c = i; c < i + 3; ++c) picture.pixels[c] = cut(f * static_cast<float>(picture.pixels[c]) + without);
  }
}

void adjust_hue(Picture& picture, double turn) {
  if (picture.channels != 3) return;
  const auto by = static_cast<float>(turn);
  for (size_t i = 0; i < picture.pixels.size(); i += 3) {
    uint8_t* p = &picture.pixels[i];
    auto [h, s, v] = hsv_of(static_cast<float>(p[0]) / 255.0F, static_cast<float>(p[1]) / 255.0F, static_cast<float>(p[2]) / 255.0F);
    h = std::fmod(h + by + 1.0F, 1.0F);
    const std::array<float, 3> rgb = rgb_of(h, s, v);
    for (size_t c = 0; c < 3; ++c) p[c] = cut(rgb[c] * 255.999F);  // every value has an interval of equal length
  }
}

ColorJitter::ColorJitter(ColorJitterSettings settings) : settings_(settings) {
  for (const double x : {settings.brightness, settings.contrast, settings.saturation, settings.hue})
    if (!(x >= 0 && std::isfinite(x))) throw Exception(Error::InvalidArgument, "ColorJitter: strengths are 0 or more");
  if (settings.hue > 0.5) throw Exception(Error::InvalidArgument, "ColorJitter: hue is at most 0.5, half of the colour circle");
}
PictureFormat ColorJitter::format(const PictureFormat& in) const {
  if (in.floats) throw Exception(Error::TypeMismatch, "ColorJitter: takes pixels (uint8); put it in front of ToFloat");
  if (in.channels != 1 && in.channels != 3)
    throw Exception(Error::ShapeMismatch, "ColorJitter: takes pictures of 1 or 3 channels, not " + in.text());
  return in;
}
void ColorJitter::apply(Picture& picture, Picture&, Draws& draws) const {
  std::array<int, 4> order{0, 1, 2, 3};
  for (size_t i = 3; i > 0; --i) std::swap(order[i], order[static_cast<size_t>(draws.below(static_cast<int64_t>(i) + 1))]);
  const auto factor = [&draws](double x) { return draws.uniform(std::max(0.0, 1 - x), 1 + x); };
  const double brightness = factor(settings_.brightness), contrast = factor(settings_.contrast), saturation = factor(settings_.saturation);
  const double hue = draws.uniform(-settings_.hue, settings_.hue);
  for (const int which : order) {
    if (which == 0 && settings_.brightness > 0) adjust_brightness(picture, brightness);
    if (which == 1 && settings_.contrast > 0) adjust_contrast(picture, contrast);
    if (which == 2 && settings_.saturation > 0) adjust_saturation(picture, saturation);
    if (which == 3 && settings_.hue > 0) adjust_hue(picture, hue);
  }
}

}  // namespace gf::data
