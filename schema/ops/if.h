// if: runs one of two sub-graphs (ONNX If). graphs[0] when the condition is true, graphs[1] otherwise; the outputs are
// those of the sub-graph that ran. Run by the session; types and shapes come from the sub-graphs.
#pragma once

#include "schema/op.h"

namespace gf::op {

struct If {
  static constexpr OpInfo info{.id = 450,
                               .name = "if",
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .min_outputs = 0,
                               .max_outputs = -1,
                               .flags = kOpControlFlow,
                               .graphs = 2};
  using Attrs = NoAttrs;
  static Error infer(InferContext& c, const Attrs&) {
    return c.fail(Error::Internal, "control flow is inferred by the owner of its sub-graphs");
  }
  static constexpr GradientOfExpansion grad{};  // the gradient of the branch that ran; trainer/autodiff builds it
};

}  // namespace gf::op
