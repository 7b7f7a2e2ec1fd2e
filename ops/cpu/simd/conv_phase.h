// Internal: the phases of a transposed convolution. Output positions with the same residue r = (o + pad) mod stride in
// each dimension read the same kernel taps, at input positions that move by one: each phase is a plain convolution of
// stride 1 with part of the kernel, written to every stride-th position of the output.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "ops/cpu/simd/conv.h"

namespace gf::simd {

/// One phase. In each dimension: output positions first, first + stride, ... (`count` of them) take the taps
/// tap0, tap0 + tap_step, ... (`taps` of them); position number p and tap number t read input p + origin + t * in_step.
struct Phase {
  int64_t first[3], count[3], tap0[3], tap_step[3], taps[3], origin[3], in_step[3];
  int64_t m;  ///< rows of the product: positions of all batch entries
  int64_t k;  ///< taps times input channels per group
};

/// Walks the phases of a plan that have positions. Phases without taps have k = 0: bias and activation alone.
class PhaseIterator {
 public:
  explicit PhaseIterator(const ConvPlan& plan) : plan_(plan) {
    for (int d = 0; d < 3; ++d) count_[d] = std::min(plan.shape.stride[d], plan.out[d]);
  }
  bool valid() const { return index_ < count_[0] * count_[1] * count_[2]; }
  void next() { ++index_; }
  Phase get() const {
    Phase p{};
    const ConvShape& s = plan_.shape;
    const int64_t first[3] = {index_ / count_[2] / count_[1], index_ / count_[2] % count_[1], index_ % count_[2]};
    p.m = s.batch;
    p.k = s.in_channels / s.groups;
    for (int d = 0; d < 3; ++d) {
      const int64_t stride = s.stride[d], dilation = s.dilation[d];
      p.first[d] = first[d];
      p.count[d] = (plan_.out[d] - first[d] + stride - 1) / stride;
      // Taps t with (first + pad - t * dilation) divisible by stride: every tap_step-th from tap0 on.
      p.tap_step[d] = stride / std::gcd(stride, dilation);
      const int64_t reach = first[d] + s.pad_begin[d];
      while (p.tap0[d] < p.tap_step[d] && (reach - p.tap0[d] * dilation) % stride != 0) ++p.tap0[d];
      const bool any = p.tap0[d] < p.tap_step[d] && p.tap0[d] < s.kernel[d];
      p.taps[d] = any ? (s.kernel[d] - 1 - p.tap0[d]) / p.tap_step[d] + 1 : 0;
      p.origin[d] = any ? (reach - p.tap0[d] * dilation) / stride : 0;
      p.in_step[d] = -p.tap_step[d] * dilation / stride;
      p.m *= p.count[d];
      p.k *= p.taps[d];
    }
    return p;
  }

 private:
  const ConvPlan& plan_;
  int64_t count_[3];
  int64_t index_ = 0;
};

}  // namespace gf::simd
