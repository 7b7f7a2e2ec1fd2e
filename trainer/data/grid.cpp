#include "trainer/data/grid.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/exception.h"

namespace gf::data {

io::Image picture_grid(const io::Array& pictures, const GridSettings& s) {
  if (pictures.dtype != DType::F32) throw Exception(Error::TypeMismatch, std::string("picture_grid: pictures are float32, not ") + dtype_name(pictures.dtype));
  const auto& shape = pictures.shape;
  if (shape.size() != 4 || (shape[1] != 1 && shape[1] != 3) || pictures.count() == 0)
    throw Exception(Error::ShapeMismatch, "picture_grid: pictures are [N, 1 or 3, H, W], not " + io::shape_text(shape));
  if (s.columns < 1 || s.padding < 0) throw Exception(Error::InvalidArgument, "picture_grid: columns are 1 or more, padding 0 or more");
  if (!(s.low < s.high) || !std::isfinite(s.high - s.low)) throw Exception(Error::InvalidArgument, "picture_grid: low lies below high");
  const int64_t count = shape[0], channels = shape[1], height = shape[2], width = shape[3];
  const int64_t columns = std::min(s.columns, count), rows = (count + columns - 1) / columns;
  io::Image grid{.width = columns * (width + s.padding) + s.padding, .height = rows * (height + s.padding) + s.padding, .channels = channels, .pixels = {}};
  grid.pixels.assign(static_cast<size_t>(grid.width * grid.height * channels), 0);
  const auto* from = reinterpret_cast<const float*>(pictures.data.data());
  for (int64_t n = 0; n < count; ++n) {
    const int64_t top = n / columns * (height + s.padding) + s.padding, left = n % columns * (width + s.padding) + s.padding;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t y = 0; y < height; ++y)
        for (int64_t x = 0; x < width; ++x, ++from) {
          const double share = (static_cast<double>(*from) - s.low) / (s.high - s.low);
          const double level = share >= 0 ? std::min(share, 1.0) * 255 + 0.5 : 0;  // NaN is black
          grid.pixels[static_cast<size_t>(((top + y) * grid.width + left + x) * channels + c)] = static_cast<uint8_t>(level);
        }
  }
  return grid;
}

void write_picture_grid(const std::string& file, const Tensor& pictures, const GridSettings& settings) {
  io::write_png(file, picture_grid(pictures.array(), settings));
}

}  // namespace gf::data
