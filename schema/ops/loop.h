// loop: runs a sub-graph again and again (ONNX Loop). Inputs: trip count (int64, may be absent), condition (bool, may be
// absent), carried values. Sub-graph inputs: iteration, condition, carried; outputs: condition, carried, scanned. Outputs:
// the last carried values, then each scanned value stacked along a new first axis. Run by the session.
#pragma once

#include "schema/op.h"

namespace gf::op {

struct Loop {
  static constexpr OpInfo info{.id = 451,
                               .name = "loop",
                               .min_inputs = 2,
                               .max_inputs = -1,
                               .min_outputs = 0,
                               .max_outputs = -1,
                               .flags = kOpControlFlow,
                               .graphs = 1};
  using Attrs = NoAttrs;
  static Error infer(InferContext& c, const Attrs&) {
    return c.fail(Error::Internal, "control flow is inferred by the owner of its sub-graphs");
  }
  static constexpr GradientOfExpansion grad{};  // that of its rounds one after the other; trainer/autodiff writes them out
};

}  // namespace gf::op
