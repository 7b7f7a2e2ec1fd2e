// Many pictures as one, for people to look at: what torchvision calls make_grid and save_image. Thread rule: reentrant for arrays.
#pragma once

#include <string>

#include "io/image.h"
#include "trainer/tensor/tensor.h"

namespace gf::data {

struct GridSettings {
  int64_t columns = 8;
  int64_t padding = 2;        ///< black pixels around each picture
  double low = 0, high = 1;   ///< values that become 0 and 255; what lies outside of them is cut
};
/// Pictures float32 [N, C, H, W], C 1 or 3, row by row from the top left. Throws TypeMismatch, ShapeMismatch (no pictures, other channels),
/// InvalidArgument (settings).
io::Image picture_grid(const io::Array& pictures, const GridSettings& settings = {});
/// The same of a tensor as a PNG file. Throws IoError besides, and what computing throws.
void write_picture_grid(const std::string& file, const Tensor& pictures, const GridSettings& settings = {});

}  // namespace gf::data
