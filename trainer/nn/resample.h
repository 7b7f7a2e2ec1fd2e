// Images made larger and smaller, with PyTorch's meanings (torch.nn 2.13). Signals are [N, C, space...].
#pragma once

#include <optional>

#include "trainer/nn/module.h"
#include "trainer/nn/sizes.h"

namespace gf::nn {

/// Linear is PyTorch's linear, bilinear or trilinear, by the number of axes; Area is adaptive_avg_pool.
enum class Interpolation : uint8_t { Nearest, NearestExact, Linear, Bicubic, Area };

struct InterpolateOptions {
  Shape64 size = {};                 ///< of space; this or scale
  std::vector<double> scale = {};    ///< one for all axes, or one per axis
  Interpolation mode = Interpolation::Nearest;
  bool align_corners = false;
};
/// Throws InvalidArgument: neither or both of size and scale, a number that fits no axes, align_corners without an interpolation between
/// pixels; ShapeMismatch.
Tensor interpolate(const Tensor& x, const InterpolateOptions& options);

class Upsample final : public Module {
 public:
  explicit Upsample(InterpolateOptions options) : options_(std::move(options)) {}
  Tensor forward(const Tensor& x) override { return interpolate(x, options_); }

 private:
  InterpolateOptions options_;
};

/// [N, C r r, H, W] to [N, C, H r, W r] (Shi et al. 2016), and back.
Tensor pixel_shuffle(const Tensor& x, int64_t factor);
Tensor pixel_unshuffle(const Tensor& x, int64_t factor);

class PixelShuffle final : public Module {
 public:
  explicit PixelShuffle(int64_t factor) : factor_(factor) {}
  Tensor forward(const Tensor& x) override { return pixel_shuffle(x, factor_); }

 private:
  int64_t factor_;
};

}  // namespace gf::nn
