// Pools in one, two and three dimensions as functions and modules, with PyTorch's meanings and defaults (torch.nn 2.13). Signals are
// [N, C, space...]. Throws gf::Exception with the function's name: ShapeMismatch, TypeMismatch, BadAttribute.
#pragma once

#include <optional>

#include "trainer/nn/module.h"
#include "trainer/nn/sizes.h"

namespace gf::nn {

template <class Size>
struct PoolOptions {
  std::optional<Size> stride = {};   ///< the kernel where none is given
  Size padding = 0;
  Size dilation = 1;                 ///< max_pool only
  bool ceil_mode = false;            ///< lengths are rounded up: a last window may reach over the border
  bool count_include_pad = true;     ///< avg_pool only: borders count among the elements
};

Tensor max_pool1d(const Tensor& x, int64_t kernel, const PoolOptions<int64_t>& options);
Tensor max_pool2d(const Tensor& x, Pair kernel, const PoolOptions<Pair>& options);
Tensor max_pool3d(const Tensor& x, Triple kernel, const PoolOptions<Triple>& options);
Tensor avg_pool1d(const Tensor& x, int64_t kernel, const PoolOptions<int64_t>& options);
Tensor avg_pool2d(const Tensor& x, Pair kernel, const PoolOptions<Pair>& options);
Tensor avg_pool3d(const Tensor& x, Triple kernel, const PoolOptions<Triple>& options);
inline Tensor max_pool1d(const Tensor& x, int64_t kernel, std::optional<int64_t> stride = {}, int64_t padding = 0) {
  return max_pool1d(x, kernel, PoolOptions<int64_t>{.stride = stride, .padding = padding});
}
inline Tensor max_pool2d(const Tensor& x, Pair kernel, std::optional<Pair> stride = {}, Pair padding = 0) {
  return max_pool2d(x, kernel, PoolOptions<Pair>{.stride = stride, .padding = padding});
}
inline Tensor max_pool3d(const Tensor& x, Triple kernel, std::optional<Triple> stride = {}, Triple padding = 0) {
  return max_pool3d(x, kernel, PoolOptions<Triple>{.stride = stride, .padding = padding});
}
inline Tensor avg_pool1d(const Tensor& x, int64_t kernel, std::optional<int64_t> stride = {}, int64_t padding = 0) {
  return avg_pool1d(x, kernel, PoolOptions<int64_t>{.stride = stride, .padding = padding});
}
inline Tensor avg_pool2d(const Tensor& x, Pair kernel, std::optional<Pair> stride = {}, Pair padding = 0) {
  return avg_pool2d(x, kernel, PoolOptions<Pair>{.stride = stride, .padding = padding});
}
inline Tensor avg_pool3d(const Tensor& x, Triple kernel, std::optional<Triple> stride = {}, Triple padding = 0) {
  return avg_pool3d(x, kernel, PoolOptions<Triple>{.stride = stride, .padding = padding});
}
/// (sum of x^p)^(1/p) of each window, without borders.
Tensor lp_pool1d(const Tensor& x, double p, int64_t kernel, std::optional<int64_t> stride = {}, bool ceil_mode = false);
Tensor lp_pool2d(const Tensor& x, double p, Pair kernel, std::optional<Pair> stride = {}, bool ceil_mode = false);
Tensor lp_pool3d(const Tensor& x, double p, Triple kernel, std::optional<Triple> stride = {}, bool ceil_mode = false);
/// To a given size: window i of an axis is [floor(i in / out), ceil((i + 1) in / out)).
Tensor adaptive_avg_pool1d(const Tensor& x, int64_t size);
Tensor adaptive_avg_pool2d(const Tensor& x, Pair size);
Tensor adaptive_avg_pool3d(const Tensor& x, Triple size);
Tensor adaptive_max_pool1d(const Tensor& x, int64_t size);
Tensor adaptive_max_pool2d(const Tensor& x, Pair size);
Tensor adaptive_max_pool3d(const Tensor& x, Triple size);
/// Mean and maximum over height and width: [N, C, 1, 1].
Tensor global_avg_pool2d(const Tensor& x);
Tensor global_max_pool2d(const Tensor& x);

/// A pool with a window as a module.
template <class Size, Tensor (*kPool)(const Tensor&, Size, const PoolOptions<Size>&)>
class WindowPool final : public Module {
 public:
  explicit WindowPool(Size kernel, const PoolOptions<Size>& options = {}) : kernel_(kernel), options_(options) {}
  Tensor forward(const Tensor& x) override { return kPool(x, kernel_, options_); }

 private:
  Size kernel_;
  PoolOptions<Size> options_;
};
using MaxPool1d = WindowPool<int64_t, max_pool1d>;
using MaxPool2d = WindowPool<Pair, max_pool2d>;
using MaxPool3d = WindowPool<Triple, max_pool3d>;
using AvgPool1d = WindowPool<int64_t, avg_pool1d>;
using AvgPool2d = WindowPool<Pair, avg_pool2d>;
using AvgPool3d = WindowPool<Triple, avg_pool3d>;

/// A pool to a given size as a module.
template <class Size, Tensor (*kPool)(const Tensor&, Size)>
class AdaptivePool final : public Module {
 public:
  explicit AdaptivePool(Size size) : size_(size) {}
  Tensor forward(const Tensor& x) override { return kPool(x, size_); }

 private:
  Size size_;
};
using AdaptiveAvgPool1d = AdaptivePool<int64_t, adaptive_avg_pool1d>;
using AdaptiveAvgPool2d = AdaptivePool<Pair, adaptive_avg_pool2d>;
using AdaptiveAvgPool3d = AdaptivePool<Triple, adaptive_avg_pool3d>;
using AdaptiveMaxPool1d = AdaptivePool<int64_t, adaptive_max_pool1d>;
using AdaptiveMaxPool2d = AdaptivePool<Pair, adaptive_max_pool2d>;
using AdaptiveMaxPool3d = AdaptivePool<Triple, adaptive_max_pool3d>;

template <class Size, Tensor (*kPool)(const Tensor&, double, Size, std::optional<Size>, bool)>
class PowerPool final : public Module {
 public:
  PowerPool(double p, Size kernel, std::optional<Size> stride = {}, bool ceil_mode = false) : p_(p), kernel_(kernel), stride_(stride), ceil_mode_(ceil_mode) {}
  Tensor forward(const Tensor& x) override { return kPool(x, p_, kernel_, stride_, ceil_mode_); }

 private:
  double p_;
  Size kernel_;
  std::optional<Size> stride_;
  bool ceil_mode_;
};
using LPPool1d = PowerPool<int64_t, lp_pool1d>;
using LPPool2d = PowerPool<Pair, lp_pool2d>;
using LPPool3d = PowerPool<Triple, lp_pool3d>;

}  // namespace gf::nn
