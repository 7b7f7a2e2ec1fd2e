// Multiply-accumulates of a node from its shapes: what gf-bench's GFLOP/s are made of. An op whose work is products
// says so in `static uint64_t macs(const NodeShapes&, const Attrs&)`; a product with its addition counts once.
// Activations, additions, softmax and pooling do not count. Plain values.
#pragma once

#include <algorithm>
#include <limits>

#include "runtime/core/shape.h"

namespace gf {

/// Product that stops at the largest number instead of wrapping: bounds may be huge.
constexpr uint64_t saturating_product(uint64_t a, uint64_t b) {
  uint64_t out = 0;
  return mul_checked(a, b, out) ? out : std::numeric_limits<uint64_t>::max();
}

/// Shapes of a node's inputs and outputs; what is left out has rank 0. Not owned.
struct NodeShapes {
  std::span<const Shape> inputs;
  std::span<const Shape> outputs;

  bool has_input(int i) const { return i < static_cast<int>(inputs.size()); }
  int input_rank(int i) const { return has_input(i) ? inputs[static_cast<size_t>(i)].rank : 0; }
  /// Axis `axis` of input i (negative: from the end); 0 when there is no such axis.
  uint64_t size(int i, int axis) const {
    const int rank = input_rank(i), at = axis < 0 ? axis + rank : axis;
    return at < 0 || at >= rank ? 0 : static_cast<uint64_t>(std::max<int64_t>(inputs[static_cast<size_t>(i)][at], 0));
  }
  /// Elements of input i; 0 when it is absent.
  uint64_t input_volume(int i) const { return has_input(i) ? volume(inputs[static_cast<size_t>(i)]) : 0; }
  uint64_t output_volume() const { return outputs.empty() ? 0 : volume(outputs[0]); }

  /// A convolution: each element of the side that w slides over or makes (`elements`) meets the part of w (input
  /// `w`) that belongs to its channel.
  uint64_t conv(uint64_t elements, int w) const {
    const uint64_t channels = size(w, 0);
    return channels == 0 ? 0 : saturating_product(elements, input_volume(w) / channels);
  }
  /// A matrix product whose left side is input 0.
  uint64_t matmul(bool transpose_a) const {
    return saturating_product(output_volume(), size(0, transpose_a && input_rank(0) >= 2 ? -2 : -1));
  }
  /// A recurrent cell: x [length, batch, in], w [directions, gates * hidden, in], r [directions, gates * hidden,
  /// hidden].
  uint64_t recurrent() const {
    if (input_rank(0) != 3) return 0;
    return saturating_product(saturating_product(size(0, 0), size(0, 1)), input_volume(1) + input_volume(2));
  }

 private:
  static uint64_t volume(const Shape& s) {
    uint64_t v = 1;
    for (const int64_t d : s.span()) v = saturating_product(v, static_cast<uint64_t>(std::max<int64_t>(d, 0)));
    return v;
  }
};

}  // namespace gf
