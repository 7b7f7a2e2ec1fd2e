// Picture: an image on its way through transforms: pixels (uint8, HWC, as decoded) in front of ToFloat, float planes (CHW) behind it.
// Owns its memory and keeps it, so that a thread's pictures stop growing. Thread rule: as std::vector.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gf::data {

struct PictureFormat {
  int64_t channels = 0, height = 0, width = 0;
  bool floats = false;                            ///< CHW float32; else HWC uint8

  bool operator==(const PictureFormat&) const = default;
  int64_t count() const { return channels * height * width; }
  /// "3 x 32 x 32 float32": channels, height, width.
  std::string text() const;
};

struct Picture : PictureFormat {
  std::vector<uint8_t> pixels;
  std::vector<float> values;

  const PictureFormat& format() const { return *this; }
  /// Takes a format and room for it; contents are not kept in order.
  void reset(const PictureFormat& next);
};

}  // namespace gf::data
