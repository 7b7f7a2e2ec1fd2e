// Geometry and numbers of transforms. A picture is seen as [outer, height, width, inner]: pixels are 1 x h x w x channels, float planes
// channels x h x w x 1, so that one function serves both.
#include "trainer/data/transforms.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "io/image.h"
#include "runtime/core/exception.h"

namespace gf::data {
namespace {

template <class T>
struct View {
  T* data;
  int64_t outer, height, width, inner;
  T* row(int64_t o, int64_t y) const { return data + (o * height + y) * width * inner; }
};

View<const uint8_t> view(const Picture& p, const uint8_t*) { return {p.pixels.data(), 1, p.height, p.width, p.channels}; }
View<const float> view(const Picture& p, const float*) { return {p.values.data(), p.channels, p.height, p.width, 1}; }
View<uint8_t> view(Picture& p, uint8_t*) { return {p.pixels.data(), 1, p.height, p.width, p.channels}; }
View<float> view(Picture& p, float*) { return {p.values.data(), p.channels, p.height, p.width, 1}; }

// Calls f(view of in, view of out) with the element type of both.
template <class F>
void visit(const Picture& in, Picture& out, F&& f) {
  if (in.floats) f(view(in, static_cast<const float*>(nullptr)), view(out, static_cast<float*>(nullptr)));
  else f(view(in, static_cast<const uint8_t*>(nullptr)), view(out, static_cast<uint8_t*>(nullptr)));
}

template <class T>
T fill_of(float fill) {
  if constexpr (std::is_same_v<T, float>) return fill;
  else return static_cast<uint8_t>(std::clamp(fill, 0.0F, 255.0F));
}

PictureFormat resized(PictureFormat f, int64_t height, int64_t width) {
  f.height = height;
  f.width = width;
  return f;
}

[[noreturn]] void bad(const char* who, const std::string& what) { throw Exception(Error::InvalidArgument, std::string(who) + ": " + what); }

void expect_side(const char* who, int64_t side) {
  if (side < 1 || side > 32768) bad(who, "sides of 1 to 32768 are possible, not " + std::to_string(side));
}
void expect_probability(const char* who, double p) {
  if (!(p >= 0 && p <= 1)) bad(who, "p is a probability, between 0 and 1");
}
void expect_range(const char* who, double low, double high, const char* what) {
  if (!(low > 0 && low <= high && std::isfinite(high))) bad(who, std::string(what) + " must be two positive numbers, the smaller one first");
}
void expect_type(const char* who, const PictureFormat& f, bool floats) {
  if (f.floats != floats)
    throw Exception(Error::TypeMismatch, std::string(who) + (floats ? ": takes floats; put it behind ToFloat" : ": takes pixels (uint8); put it in front of ToFloat"));
}

// Half of a difference, an odd one rounded to even (Python's round).
int64_t half(int64_t difference) {
  const auto r = static_cast<int64_t>(std::nearbyint(static_cast<double>(difference) / 2));
  return r;
}

void resize(Picture& picture, int64_t height, int64_t width) {
  io::Image image{picture.width, picture.height, picture.channels, std::move(picture.pixels)};
  if (height != image.height || width != image.width) image = io::resize_bilinear(image, width, height);
  picture.pixels = std::move(image.pixels);
  picture.height = height;
  picture.width = width;
}

}  // namespace

PictureFormat Compose::format(const PictureFormat& in) const {
  PictureFormat f = in;
  for (const TransformPtr& s : steps_) {
    if (s == nullptr) throw Exception(Error::InvalidArgument, "Compose: a transform is a null pointer");
    f = s->format(f);
  }
  return f;
}
void Compose::apply(Picture& picture, Picture& spare, Draws& draws) const {
  for (const TransformPtr& s : steps_) s->apply(picture, spare, draws);
}

PictureFormat ToFloat::format(const PictureFormat& in) const {
  expect_type("ToFloat", in, false);
  PictureFormat f = in;
  f.floats = true;
  return f;
}
void ToFloat::apply(Picture& picture, Picture&, Draws&) const {
  picture.reset(format(picture));
  const auto channels = static_cast<size_t>(picture.channels), plane = static_cast<size_t>(picture.height * picture.width);
  for (size_t c = 0; c < channels; ++c) {
    const uint8_t* from = picture.pixels.data() + c;
    float* to = picture.values.data() + c * plane;
    if (channels == 1)
      for (size_t i = 0; i < plane; ++i) to[i] = static_cast<float>(from[i]) / 255.0F;
    else
      for (size_t i = 0; i < plane; ++i) to[i] = static_cast<float>(from[i * channels]) / 255.0F;
  }
}

PictureFormat GrayToRgb::format(const PictureFormat& in) const {
  expect_type("GrayToRgb", in, false);
  PictureFormat f = in;
  if (in.channels != 1 && in.channels != 3) throw Exception(Error::ShapeMismatch, "GrayToRgb: a picture has " + std::to_string(in.channels) + " channels; 1 or 3 are needed");
  f.channels = 3;
  return f;
}
void GrayToRgb::apply(Picture& picture, Picture& spare, Draws&) const {
  if (picture.channels == 3) return;
  spare.reset(format(picture));
  for (size_t i = 0; i < spare.pixels.size(); ++i) spare.pixels[i] = picture.pixels[i / 3];
  std::swap(picture, spare);
}

Normalize::Normalize(std::vector<float> mean, std::vector<float> deviation) : mean_(std::move(mean)), deviation_(std::move(deviation)) {
  if (mean_.empty() || deviation_.empty()) bad("Normalize", "mean and deviation need one number, or one per channel");
  for (const float m : mean_)
    if (!std::isfinite(m)) bad("Normalize", "a mean is not finite");
  for (const float d : deviation_)
    if (!std::isfinite(d) || d == 0) bad("Normalize", "a deviation is 0 or not finite; it is divided by");
}
PictureFormat Normalize::format(const PictureFormat& in) const {
  expect_type("Normalize", in, true);
  for (const size_t n : {mean_.size(), deviation_.size()})
    if (n != 1 && static_cast<int64_t>(n) != in.channels)
      throw Exception(Error::ShapeMismatch, "Normalize: " + std::to_string(n) + " numbers for pictures of " + in.text() + "; give one, or one per channel");
  return in;
}
void Normalize::apply(Picture& picture, Picture&, Draws&) const {
  const auto plane = static_cast<size_t>(picture.height * picture.width);
  for (size_t c = 0; c < static_cast<size_t>(picture.channels); ++c) {
    const float mean = mean_[mean_.size() == 1 ? 0 : c], deviation = deviation_[deviation_.size() == 1 ? 0 : c];
    float* v = picture.values.data() + c * plane;
    for (size_t i = 0; i < plane; ++i) v[i] = (v[i] - mean) / deviation;
  }
}

void crop(const Picture& in, Picture& out, int64_t top, int64_t left, int64_t height, int64_t width, float fill) {
  out.reset(resized(in, height, width));
  visit(in, out, [&]<class T>(View<const T> from, View<T> to) {
    const int64_t n = to.inner, first = std::clamp<int64_t>(-left, 0, width), end = std::clamp<int64_t>(from.width - left, first, width);
    const T empty = fill_of<T>(fill);
    for (int64_t o = 0; o < to.outer; ++o)
      for (int64_t y = 0; y < height; ++y) {
        T* row = to.row(o, y);
        const bool outside = top + y < 0 || top + y >= from.height || first == end;
        if (outside) {
          std::fill(row, row + width * n, empty);
          continue;
        }
        std::fill(row, row + first * n, empty);
        const T* source = from.row(o, top + y) + (left + first) * n;
        std::copy(source, source + (end - first) * n, row + first * n);
        std::fill(row + end * n, row + width * n, empty);
      }
  });
}

void horizontal_flip(const Picture& in, Picture& out) {
  out.reset(in);
  visit(in, out, []<class T>(View<const T> from, View<T> to) {
    for (int64_t o = 0; o < to.outer; ++o)
      for (int64_t y = 0; y < to.height; ++y) {
        const T* source = from.row(o, y);
        T* row = to.row(o, y);
        for (int64_t x = 0; x < to.width; ++x)
          for (int64_t i = 0; i < to.inner; ++i) row[x * to.inner + i] = source[(to.width - 1 - x) * to.inner + i];
      }
  });
}

void vertical_flip(const Picture& in, Picture& out) {
  out.reset(in);
  visit(in, out, []<class T>(View<const T> from, View<T> to) {
    for (int64_t o = 0; o < to.outer; ++o)
      for (int64_t y = 0; y < to.height; ++y) {
        const T* source = from.row(o, to.height - 1 - y);
        std::copy(source, source + to.width * to.inner, to.row(o, y));
      }
  });
}

void rotate(const Picture& in, Picture& out, double degrees, Interpolation interpolation, float fill) {
  out.reset(in);
  const double angle = degrees * std::numbers::pi / 180, c = std::cos(angle), s = std::sin(angle);
  const double middle_x = static_cast<double>(in.width - 1) / 2, middle_y = static_cast<double>(in.height - 1) / 2;
  visit(in, out, [&]<class T>(View<const T> from, View<T> to) {
    const T empty = fill_of<T>(fill);
    const auto at = [&](int64_t o, int64_t y, int64_t x, int64_t i) {
      return y >= 0 && y < from.height && x >= 0 && x < from.width ? from.row(o, y)[x * from.inner + i] : empty;
    };
    for (int64_t y = 0; y < to.height; ++y)
      for (int64_t x = 0; x < to.width; ++x) {
        // where it comes from: turned back by the angle, y downwards
        const double dx = static_cast<double>(x) - middle_x, dy = static_cast<double>(y) - middle_y;
        const double sx = c * dx - s * dy + middle_x, sy = s * dx + c * dy + middle_y;
        const bool nearest = interpolation == Interpolation::Nearest;
        const double bx = nearest ? std::nearbyint(sx) : std::floor(sx), by = nearest ? std::nearbyint(sy) : std::floor(sy);
        const auto ix = static_cast<int64_t>(bx), iy = static_cast<int64_t>(by);
        const double fx = sx - bx, fy = sy - by;
        for (int64_t o = 0; o < to.outer; ++o)
          for (int64_t i = 0; i < to.inner; ++i) {
            T& v = to.row(o, y)[x * to.inner + i];
            if (nearest) {
              v = at(o, iy, ix, i);
              continue;
            }
            const double upper = (1 - fx) * static_cast<double>(at(o, iy, ix, i)) + fx * static_cast<double>(at(o, iy, ix + 1, i));
            const double lower = (1 - fx) * static_cast<double>(at(o, iy + 1, ix, i)) + fx * static_cast<double>(at(o, iy + 1, ix + 1, i));
            const double mixed = (1 - fy) * upper + fy * lower;
            v = static_cast<T>(std::is_same_v<T, float> ? mixed : std::nearbyint(mixed));
          }
      }
  });
}

RandomHorizontalFlip::RandomHorizontalFlip(double p) : p_(p) { expect_probability("RandomHorizontalFlip", p); }
void RandomHorizontalFlip::apply(Picture& picture, Picture& spare, Draws& draws) const {
  if (!draws.chance(p_)) return;
  horizontal_flip(picture, spare);
  std::swap(picture, spare);
}
RandomVerticalFlip::RandomVerticalFlip(double p) : p_(p) { expect_probability("RandomVerticalFlip", p); }
void RandomVerticalFlip::apply(Picture& picture, Picture& spare, Draws& draws) const {
  if (!draws.chance(p_)) return;
  vertical_flip(picture, spare);
  std::swap(picture, spare);
}

CenterCrop::CenterCrop(int64_t height, int64_t width, float fill) : height_(height), width_(width), fill_(fill) {
  expect_side("CenterCrop", height);
  expect_side("CenterCrop", width);
}
PictureFormat CenterCrop::format(const PictureFormat& in) const { return resized(in, height_, width_); }
void CenterCrop::apply(Picture& picture, Picture& spare, Draws&) const {
  // torchvision pads a small side by floor(difference / 2) in front, and takes round(difference / 2) off a large one
  const auto front = [](int64_t in, int64_t out) { return in < out ? -((out - in) / 2) : half(in - out); };
  crop(picture, spare, front(picture.height, height_), front(picture.width, width_), height_, width_, fill_);
  std::swap(picture, spare);
}

RandomCrop::RandomCrop(int64_t height, int64_t width, int64_t padding, float fill) : height_(height), width_(width), padding_(padding), fill_(fill) {
  expect_side("RandomCrop", height);
  expect_side("RandomCrop", width);
  if (padding < 0 || padding > 32768) bad("RandomCrop", "padding of 0 to 32768 is possible, not " + std::to_string(padding));
}
PictureFormat RandomCrop::format(const PictureFormat& in) const {
  if (in.height + 2 * padding_ < height_ || in.width + 2 * padding_ < width_)
    throw Exception(Error::ShapeMismatch, "RandomCrop: " + std::to_string(height_) + " x " + std::to_string(width_) + " does not fit into " + in.text() +
                                              " with padding of " + std::to_string(padding_) + "; resize first, or pad more");
  return resized(in, height_, width_);
}
void RandomCrop::apply(Picture& picture, Picture& spare, Draws& draws) const {
  const int64_t top = draws.below(picture.height + 2 * padding_ - height_ + 1) - padding_;
  const int64_t left = draws.below(picture.width + 2 * padding_ - width_ + 1) - padding_;
  crop(picture, spare, top, left, height_, width_, fill_);
  std::swap(picture, spare);
}

Resize::Resize(int64_t height, int64_t width) : height_(height), width_(width) {
  expect_side("Resize", height);
  if (width != 0) expect_side("Resize", width);
}
PictureFormat Resize::format(const PictureFormat& in) const {
  expect_type("Resize", in, false);
  if (width_ != 0) return resized(in, height_, width_);
  const PictureFormat out = in.height <= in.width ? resized(in, height_, height_ * in.width / in.height) : resized(in, height_ * in.height / in.width, height_);
  if (std::max(out.height, out.width) > 32768) throw Exception(Error::ShapeMismatch, "Resize: a picture of " + in.text() + " would become " + out.text());
  return out;
}
void Resize::apply(Picture& picture, Picture&, Draws&) const {
  const PictureFormat out = format(picture);
  resize(picture, out.height, out.width);
}

RandomResizedCrop::RandomResizedCrop(int64_t size, Range scale, Range ratio) : size_(size), scale_(scale), ratio_(ratio) {
  expect_side("RandomResizedCrop", size);
  expect_range("RandomResizedCrop", scale.low, scale.high, "scale");
  expect_range("RandomResizedCrop", ratio.low, ratio.high, "ratio");
}
PictureFormat RandomResizedCrop::format(const PictureFormat& in) const {
  expect_type("RandomResizedCrop", in, false);
  return resized(in, size_, size_);
}
void RandomResizedCrop::apply(Picture& picture, Picture& spare, Draws& draws) const {
  const auto height = static_cast<double>(picture.height), width = static_cast<double>(picture.width);
  int64_t top = 0, left = 0, h = 0, w = 0;
  for (int attempt = 0; attempt < 10 && h == 0; ++attempt) {
    const double area = height * width * draws.uniform(scale_.low, scale_.high);
    const double ratio = std::exp(draws.uniform(std::log(ratio_.low), std::log(ratio_.high)));
    const auto ww = static_cast<int64_t>(std::nearbyint(std::sqrt(area * ratio))), hh = static_cast<int64_t>(std::nearbyint(std::sqrt(area / ratio)));
    if (ww < 1 || hh < 1 || ww > picture.width || hh > picture.height) continue;
    h = hh;
    w = ww;
    top = draws.below(picture.height - h + 1);
    left = draws.below(picture.width - w + 1);
  }
  if (h == 0) {  // none fits: the middle, as close to the wanted aspect as the picture allows
    const double ratio = std::clamp(width / height, ratio_.low, ratio_.high);
    w = std::clamp<int64_t>(static_cast<int64_t>(std::nearbyint(height * ratio)), 1, picture.width);
    h = std::clamp<int64_t>(static_cast<int64_t>(std::nearbyint(width / ratio)), 1, picture.height);
    top = (picture.height - h) / 2;
    left = (picture.width - w) / 2;
  }
  crop(picture, spare, top, left, h, w);
  std::swap(picture, spare);
  resize(picture, size_, size_);
}

RandomRotation::RandomRotation(double degrees, Interpolation interpolation, float fill) : degrees_(degrees), interpolation_(interpolation), fill_(fill) {
  if (!(degrees >= 0 && degrees <= 360)) bad("RandomRotation", "degrees lie between 0 and 360");
}
void RandomRotation::apply(Picture& picture, Picture& spare, Draws& draws) const {
  rotate(picture, spare, draws.uniform(-degrees_, degrees_), interpolation_, fill_);
  std::swap(picture, spare);
}

RandomErasing::RandomErasing(RandomErasingSettings settings) : settings_(settings) {
  expect_probability("RandomErasing", settings.p);
  expect_range("RandomErasing", settings.scale_low, settings.scale_high, "scale");
  if (settings.scale_high > 1) bad("RandomErasing", "scale is a share of the picture, at most 1");
  expect_range("RandomErasing", settings.ratio_low, settings.ratio_high, "ratio");
}
PictureFormat RandomErasing::format(const PictureFormat& in) const {
  expect_type("RandomErasing", in, true);
  return in;
}
void RandomErasing::apply(Picture& picture, Picture&, Draws& draws) const {
  if (!draws.chance(settings_.p)) return;
  const auto height = static_cast<double>(picture.height), width = static_cast<double>(picture.width);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = height * width * draws.uniform(settings_.scale_low, settings_.scale_high);
    const double ratio = std::exp(draws.uniform(std::log(settings_.ratio_low), std::log(settings_.ratio_high)));
    const auto h = static_cast<int64_t>(std::nearbyint(std::sqrt(area * ratio))), w = static_cast<int64_t>(std::nearbyint(std::sqrt(area / ratio)));
    if (h < 1 || w < 1 || h >= picture.height || w >= picture.width) continue;
    const int64_t top = draws.below(picture.height - h + 1), left = draws.below(picture.width - w + 1);
    for (int64_t c = 0; c < picture.channels; ++c)
      for (int64_t y = top; y < top + h; ++y) {
        float* row = picture.values.data() + (c * picture.height + y) * picture.width;
        for (int64_t x = left; x < left + w; ++x) row[x] = settings_.noise ? static_cast<float>(draws.normal()) : settings_.value;
      }
    return;
  }
}

}  // namespace gf::data
