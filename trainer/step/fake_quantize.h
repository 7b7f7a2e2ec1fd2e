// Quantisation-aware training: a graph computes with weights and inputs of layers as int8 would hold them, and learns to be right that way
// (Jacob et al. 2018, arXiv 1712.05877). Pairs of quantize_linear and dequantize_linear, so an exported file says the same in integers.
#pragma once

#include <string>
#include <vector>

#include "graph/ir/graph.h"
#include "trainer/autodiff/autodiff.h"

namespace gf {

struct FakeQuantizeOptions {
  /// Globs of the weights whose layers are quantised; empty: all matrix products x W and convolutions. LoRA's matrices never are.
  std::vector<std::string> weights;
  /// What a batch gives to the range of an input of a layer (PyTorch's averaging_constant). The first batch gives all of it.
  double averaging = 0.01;
};

struct FakeQuantized {
  int layers = 0;
  std::vector<AutodiffOptions::Detour> detours;  ///< for the gradients of this entry
};

/// Weights: int8 in [-127, 127] with a scale per output channel, max |w| / 127 of now. What goes into a layer: uint8 with one scale and zero
/// point from the State `<weight>.input_low` and `<weight>.input_high` (float32 scalars), a moving average of least and largest. Rounding is
/// half to even. With `training` the entry follows the ranges (State) before it uses them, as PyTorch's FakeQuantize, and detours lead the
/// gradient past the rounding: all of it for weights, for inputs where the rounded value is one that uint8 has, else none. Entries of one
/// model share their ranges. Products of two results (attention) and other ops stay in float. `entry` is of float32 in forward form, not
/// optimised. Throws InvalidArgument: averaging not in (0, 1], globs that match nothing.
FakeQuantized fake_quantize(ir::Model& model, ir::Entry& entry, const FakeQuantizeOptions& options, bool training);

}  // namespace gf
