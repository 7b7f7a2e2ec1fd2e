// Sizes along the axes of space: a number, two (height, width) or three (depth, height, width); one number stands for all of them.
#pragma once

#include "trainer/tensor/functions.h"

namespace gf::nn {

struct Pair {
  int64_t h, w;
  Pair(int64_t both) : h(both), w(both) {}  // NOLINT(google-explicit-constructor): written 3 as in PyTorch
  Pair(int64_t height, int64_t width) : h(height), w(width) {}
};

struct Triple {
  int64_t d, h, w;
  Triple(int64_t all) : d(all), h(all), w(all) {}  // NOLINT(google-explicit-constructor)
  Triple(int64_t depth, int64_t height, int64_t width) : d(depth), h(height), w(width) {}
};

inline Shape64 list_of(int64_t v) { return {v}; }
inline Shape64 list_of(Pair v) { return {v.h, v.w}; }
inline Shape64 list_of(Triple v) { return {v.d, v.h, v.w}; }
/// Pads of an op: befores, then afters, of symmetric padding.
inline Shape64 both_ends(const Shape64& padding) {
  Shape64 pads = padding;
  pads.insert(pads.end(), padding.begin(), padding.end());
  return pads;
}
/// A list of attributes; `v` must outlive the call that records the op.
inline IntList ints(const Shape64& v) { return {v.data(), v.size()}; }

/// [N, C, space...] with `space` axes behind the channels to [N, space..., C], and back. Throws ShapeMismatch with the function's name.
Tensor channels_last(const char* function, const Tensor& x, size_t space);
Tensor channels_first(const Tensor& x);

}  // namespace gf::nn
