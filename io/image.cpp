// Pixels to tensors: colour, antialiased resize, crop, normalisation, and the option string that asks for them.
#include "io/image.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "runtime/core/exception.h"

namespace gf::io {
namespace {

constexpr int64_t kLargestSide = 32768;
constexpr int kFixedBits = 22;  // 8 bits of pixel and 2 of head room beside it in 32

// The source pixels that one output pixel is made of, with fixed-point weights.
struct Tap {
  size_t first = 0;
  std::vector<int32_t> weights;
};

// Triangle filter of radius max(1, in/out) source pixels around the centre of each output pixel; weights sum to one.
std::vector<Tap> triangle_taps(int64_t in, int64_t out) {
  const double ratio = static_cast<double>(in) / static_cast<double>(out);
  const double radius = std::max(ratio, 1.0);
  std::vector<Tap> taps(static_cast<size_t>(out));
  for (size_t i = 0; i < taps.size(); ++i) {
    const double center = (static_cast<double>(i) + 0.5) * ratio;
    const auto first = std::max(static_cast<int64_t>(center - radius + 0.5), int64_t{0});
    const auto end = std::min(static_cast<int64_t>(center + radius + 0.5), in);
    std::vector<double> weights;
    double sum = 0;
    for (int64_t x = first; x < end; ++x) {
      // pixel x covers [x, x + 1): its distance is measured from its middle
      const double distance = std::abs((static_cast<double>(x) - center + 0.5) * (1.0 / radius));
      weights.push_back(std::max(1.0 - distance, 0.0));
      sum += weights.back();
    }
    taps[i].first = static_cast<size_t>(first);
    for (const double w : weights)
      taps[i].weights.push_back(static_cast<int32_t>(0.5 + (sum != 0.0 ? w / sum : w) * (1 << kFixedBits)));
  }
  return taps;
}

// Filters along one axis. The image is seen as [outer, n, inner] with the axis in the middle.
std::vector<uint8_t> filter_axis(const std::vector<uint8_t>& in, size_t outer, size_t n, size_t inner,
                                 const std::vector<Tap>& taps) {
  std::vector<uint8_t> out(outer * taps.size() * inner);
  size_t to = 0;
  for (size_t o = 0; o < outer; ++o)
    for (const Tap& tap : taps)
      for (size_t i = 0; i < inner; ++i) {
        const uint8_t* from = in.data() + (o * n + tap.first) * inner + i;
        int32_t sum = 1 << (kFixedBits - 1);
        for (const int32_t weight : tap.weights) {
          sum += *from * weight;
          from += inner;
        }
        out[to++] = static_cast<uint8_t>(std::clamp(sum >> kFixedBits, 0, 255));
      }
  return out;
}

[[noreturn]] void bad_option(std::string_view part, const std::string& what) {
  throw Exception(Error::InvalidArgument, "image options: '" + printable(part) + "' " + what);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    const size_t end = text.find(separator);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

double number(std::string_view part, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
    bad_option(part, "needs a finite number, not '" + printable(text) + "'");
  return value;
}

std::vector<double> numbers(std::string_view part, std::string_view text) {
  std::vector<double> out;
  for (const std::string_view piece : split(text, '/')) out.push_back(number(part, piece));
  if (out.size() != 1 && out.size() != 3) bad_option(part, "needs one number or three, as in 0.5/0.5/0.5");
  return out;
}

int64_t side(std::string_view part, std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > kLargestSide)
    bad_option(part, "needs sizes of 1 to " + std::to_string(kLargestSide) + ", as in 224x224");
  return value;
}

void parse_value(ImageOptions& options, std::string_view part, std::string_view key, std::string_view value) {
  if (key == "scale") {
    const auto pieces = split(value, '/');
    if (pieces.size() > 2) bad_option(part, "needs a number or a fraction, as in 1/255");
    options.scale = number(part, pieces[0]);
    if (pieces.size() == 2) options.scale /= number(part, pieces[1]);
    if (!std::isfinite(options.scale)) bad_option(part, "divides by zero");
  } else if (key == "mean") {
    options.mean = numbers(part, value);
  } else if (key == "std") {
    options.std = numbers(part, value);
    for (const double s : options.std)
      if (s == 0.0) bad_option(part, "contains a zero, which would divide by zero");
  } else if (key == "size" || key == "crop") {
    const auto pieces = split(value, 'x');
    if (pieces.size() > 2) bad_option(part, "needs HxW or one number");
    const int64_t height = side(part, pieces[0]);
    const bool size = key == "size";
    const int64_t width = pieces.size() == 2 ? side(part, pieces[1]) : size ? 0 : height;
    (size ? options.resize_height : options.crop_height) = height;
    (size ? options.resize_width : options.crop_width) = width;
  } else {
    bad_option(part, "is unknown; use nchw, nhwc, rgb, bgr, gray, scale=, mean=, std=, size=, crop=");
  }
}

Image resized(const Image& image, const ImageOptions& o) {
  if (o.resize_height == 0) return image;
  if (o.resize_width != 0) return resize_bilinear(image, o.resize_width, o.resize_height);
  const int64_t target = o.resize_height;
  if (image.width <= image.height) return resize_bilinear(image, target, target * image.height / image.width);
  return resize_bilinear(image, target * image.width / image.height, target);
}

// Offset of a centred window: half of the difference, an odd one rounded half to even.
int64_t centred(int64_t in, int64_t out) {
  const int64_t floor = (in - out) / 2;
  return (in - out) % 2 != 0 && floor % 2 != 0 ? floor + 1 : floor;
}

}  // namespace

Image to_gray(const Image& image) {
  if (image.channels == 1) return image;
  if (image.channels != 3) throw Exception(Error::InvalidArgument, "image: gray is made from 1 or 3 channels");
  Image out{image.width, image.height, 1, std::vector<uint8_t>(image.pixels.size() / 3)};
  for (size_t i = 0; i < out.pixels.size(); ++i) {
    const uint8_t* p = image.pixels.data() + 3 * i;
    out.pixels[i] = static_cast<uint8_t>((p[0] * 19595U + p[1] * 38470U + p[2] * 7471U + 0x8000U) >> 16);
  }
  return out;
}

Image to_rgb(const Image& image) {
  if (image.channels == 3) return image;
  if (image.channels != 1) throw Exception(Error::InvalidArgument, "image: RGB is made from 1 or 3 channels");
  Image out{image.width, image.height, 3, {}};
  out.pixels.reserve(image.pixels.size() * 3);
  for (const uint8_t p : image.pixels) out.pixels.insert(out.pixels.end(), 3, p);
  return out;
}

Image resize_bilinear(const Image& image, int64_t width, int64_t height) {
  if (width < 1 || height < 1 || width > kLargestSide || height > kLargestSide || image.pixels.empty())
    throw Exception(Error::InvalidArgument, "image: cannot resize " + std::to_string(image.width) + "x" +
                                                std::to_string(image.height) + " to " + std::to_string(width) + "x" +
                                                std::to_string(height) + "; sides of 1 to 32768 are possible");
  const auto in_width = static_cast<size_t>(image.width), in_height = static_cast<size_t>(image.height);
  const auto channels = static_cast<size_t>(image.channels);
  Image out{width, height, image.channels, image.pixels};
  if (width != image.width)
    out.pixels = filter_axis(out.pixels, in_height, in_width, channels, triangle_taps(image.width, width));
  if (height != image.height)
    out.pixels = filter_axis(out.pixels, 1, in_height, static_cast<size_t>(width) * channels,
                             triangle_taps(image.height, height));
  return out;
}

Image center_crop(const Image& image, int64_t width, int64_t height) {
  if (width < 1 || height < 1 || width > image.width || height > image.height)
    throw Exception(Error::InvalidArgument, "image: cannot crop " + std::to_string(width) + "x" +
                                                std::to_string(height) + " (width x height) out of " +
                                                std::to_string(image.width) + "x" + std::to_string(image.height) +
                                                "; resize first (size=)");
  const int64_t left = centred(image.width, width), top = centred(image.height, height);
  Image out{width, height, image.channels, {}};
  out.pixels.reserve(static_cast<size_t>(width * height * image.channels));
  for (int64_t y = 0; y < height; ++y) {
    const auto row = image.pixels.begin() + ((top + y) * image.width + left) * image.channels;
    out.pixels.insert(out.pixels.end(), row, row + width * image.channels);
  }
  return out;
}

ImageOptions parse_image_options(std::string_view text) {
  ImageOptions options;
  std::vector<std::string_view> seen;
  const auto once = [&seen](std::string_view part, std::string_view what) {
    if (std::find(seen.begin(), seen.end(), what) != seen.end()) bad_option(part, "is the second of its kind");
    seen.push_back(what);
  };
  for (const std::string_view part : split(text, ',')) {
    if (part.empty() && text.empty()) break;
    const size_t equals = part.find('=');
    const std::string_view key = part.substr(0, equals);
    if (equals != std::string_view::npos) {
      once(part, key);
      parse_value(options, part, key, part.substr(equals + 1));
    } else if (part == "nchw" || part == "nhwc") {
      once(part, "layout");
      options.layout = part == "nchw" ? ImageOptions::Layout::Nchw : ImageOptions::Layout::Nhwc;
    } else if (part == "rgb" || part == "bgr" || part == "gray") {
      once(part, "channels");
      options.channels = part == "rgb"   ? ImageOptions::Channels::Rgb
                         : part == "bgr" ? ImageOptions::Channels::Bgr
                                         : ImageOptions::Channels::Gray;
    } else {
      bad_option(part, "is unknown; use nchw, nhwc, rgb, bgr, gray, scale=, mean=, std=, size=, crop=");
    }
  }
  const bool gray = options.channels == ImageOptions::Channels::Gray;
  if (gray && (options.mean.size() > 1 || options.std.size() > 1))
    bad_option(text, "gives three means or deviations for one (gray) channel");
  return options;
}

Array image_to_array(const Image& image, const ImageOptions& options) {
  const bool gray = options.channels == ImageOptions::Channels::Gray;
  Image picture = resized(gray ? to_gray(image) : to_rgb(image), options);
  if (options.crop_height != 0) picture = center_crop(picture, options.crop_width, options.crop_height);
  const auto channels = static_cast<size_t>(picture.channels);
  const auto plane = static_cast<size_t>(picture.width * picture.height);
  const auto pick = [channels](const std::vector<double>& list, size_t c, double usual) {
    if (list.size() > 1 && list.size() != channels)
      throw Exception(Error::InvalidArgument, "image options: mean and std need one number or one per channel");
    return list.empty() ? usual : list[list.size() == 1 ? 0 : c];
  };
  std::vector<float> out(plane * channels);
  for (size_t c = 0; c < channels; ++c) {
    const double mean = pick(options.mean, c, 0.0), deviation = pick(options.std, c, 1.0);
    float value_of[256];  // every pixel value has one result
    for (size_t p = 0; p < 256; ++p)
      value_of[p] = static_cast<float>((static_cast<double>(p) * options.scale - mean) / deviation);
    const size_t source = options.channels == ImageOptions::Channels::Bgr ? channels - 1 - c : c;
    for (size_t i = 0; i < plane; ++i) {
      const size_t to = options.layout == ImageOptions::Layout::Nchw ? c * plane + i : i * channels + c;
      out[to] = value_of[picture.pixels[i * channels + source]];
    }
  }
  const int64_t c = picture.channels, h = picture.height, w = picture.width;
  return Array::from(out, options.layout == ImageOptions::Layout::Nchw ? std::vector<int64_t>{1, c, h, w}
                                                                       : std::vector<int64_t>{1, h, w, c});
}

}  // namespace gf::io
