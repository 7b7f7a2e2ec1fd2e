// Gradient check: derivatives by central differences against what autodiff derives, in float64. For ops, layers and whole models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "graph/ir/graph.h"
#include "io/array.h"

namespace gf {

/// Tensors by the names of inputs.
using NamedArrays = std::vector<std::pair<std::string, io::Array>>;

/// Defaults are PyTorch's, where it has them. A derivative a passes beside a difference n when |a - n| <= atol + rtol * |n|.
struct GradcheckOptions {
  std::string entry = "main";
  std::vector<std::string> inputs;     ///< to differentiate by; empty: every float64 input
  double eps = 1e-6;                   ///< step of the differences, in each direction
  double atol = 1e-5;
  double rtol = 1e-3;
  /// Up to so many elements the Jacobian is compared element by element; beyond, along random directions, where the tolerance
  /// applies to the product of direction, Jacobian and seed and atol grows with the norm of what it sums.
  int64_t full_jacobian = 10000;
  int directions = 10;
  uint64_t seed = 1;                   ///< of directions and seeds
  bool forward_mode = true;            ///< checks the Jacobian-vector product too
  bool second_order = false;           ///< then also checks the gradient of the gradient
};

struct GradcheckReport {
  bool ok = true;
  int64_t compared = 0;                ///< derivatives compared
  double worst = 0;                    ///< largest error as a part of its tolerance
  std::string text;                    ///< when not ok: the worst place, as a sentence

  explicit operator bool() const { return ok; }
};

/// Checks the float64 outputs of an entry of a .gf file at `values` (every input of the entry must be among them). An output
/// that autodiff finds to depend on no input has derivatives of zero. Keep away from kinks and ties: differences across them
/// mean nothing. Throws gf::Exception: NotFound (an input or entry), TypeMismatch (an input to differentiate by is not
/// float64), and what loading, autodiff and running throw.
GradcheckReport gradcheck(std::span<const std::byte> file, const NamedArrays& values, const GradcheckOptions& options = {});
/// The same for a graph, which is emitted first.
GradcheckReport gradcheck(ir::Model& model, const NamedArrays& values, const GradcheckOptions& options = {});

}  // namespace gf
