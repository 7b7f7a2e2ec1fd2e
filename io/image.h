// Pictures: PNG and JPEG to pixels, and pixels to the float tensor a model wants. Thread rule: reentrant.
//
// The pipeline of image_to_array, in this order (each step only if asked for):
//   1. channels   rgb, bgr or gray; gray is ITU-R BT.601 luma, (19595 R + 38470 G + 7471 B + 32768) >> 16, as in PIL
//   2. resize     size=HxW stretches; size=S makes the shorter side S, the longer floor(S * long / short)
//   3. crop       the centre HxW; offset round-half-even((in - out) / 2) as in torchvision
//   4. numbers    out[c] = (pixel[c] * scale - mean[c]) / std[c]
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/array.h"
#include "io/file.h"

namespace gf::io {

/// 8-bit pixels, rows from the top, channels interleaved: pixels[(y * width + x) * channels + c]. 1 (gray) or 3 (RGB)
/// channels after decoding.
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 0;
  std::vector<uint8_t> pixels;
};

/// Decodes PNG or JPEG by content. Transparency is dropped, palettes are expanded, 16-bit samples keep their upper
/// byte, EXIF rotation is not applied. Throws BadFile (other format, damaged, truncated), BadChecksum (PNG chunk),
/// LimitExceeded (more than limits.max_pixels, or a side above 32768).
Image decode_image(ByteSpan bytes, const std::string& where, const Limits& limits = {});
Image read_image(const std::string& path, const Limits& limits = {});

/// PNG of 1, 2 (gray + alpha), 3 or 4 (RGBA) channels. Throws InvalidArgument for other images.
Bytes png_bytes(const Image& image);
void write_png(const std::string& path, const Image& image);

Image to_gray(const Image& image);
Image to_rgb(const Image& image);

/// Bilinear with antialiasing, bit for bit what PIL's Image.resize(BILINEAR) does on 8-bit images: the triangle filter
/// is stretched by in/out when shrinking; horizontal pass, then vertical, each in 22-bit fixed point rounded to 8 bits.
/// Throws InvalidArgument for sizes outside 1..32768.
Image resize_bilinear(const Image& image, int64_t width, int64_t height);

/// The middle of the image. Throws InvalidArgument when it is smaller than asked.
Image center_crop(const Image& image, int64_t width, int64_t height);

struct ImageOptions {
  enum class Layout { Nchw, Nhwc } layout = Layout::Nchw;
  enum class Channels { Rgb, Bgr, Gray } channels = Channels::Rgb;
  double scale = 1.0;
  std::vector<double> mean;  ///< empty (0), one for all, or one per output channel in output order, after scaling
  std::vector<double> std;   ///< empty (1), one for all, or one per output channel
  int64_t resize_height = 0, resize_width = 0;  ///< 0: no resize; width 0 with a height: the shorter side
  int64_t crop_height = 0, crop_width = 0;      ///< 0: no crop
};

/// Parses "nchw|nhwc,rgb|bgr|gray,scale=1/255,mean=0.485/0.456/0.406,std=0.229/0.224/0.225,size=256,crop=224x224":
/// parts in any order, each at most once, all optional. `scale` may be a number or a fraction a/b; `size` and `crop`
/// are HxW or one number (size: the shorter side; crop: a square). An empty string gives the defaults (RGB, NCHW, 0 to
/// 255). Throws InvalidArgument that names the part.
ImageOptions parse_image_options(std::string_view text);

/// float32 [1, C, H, W] or [1, H, W, C]. Throws InvalidArgument when options and image do not go together.
Array image_to_array(const Image& image, const ImageOptions& options);

}  // namespace gf::io
