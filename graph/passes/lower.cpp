// Lowering: ops that run faster as other ops than by a kernel of their own. The gradient of a convolution's weights on three spatial
// axes and without groups is the convolution that takes channels for the batch, which the tuned kernels do; for images they have one
// of their own.
#include "graph/passes/expand.h"
#include "graph/passes/passes.h"
#include "schema/ops/conv_weight_grad.h"
#include "schema/rules.h"

namespace gf {
namespace {

bool runs_faster_as_others(const ir::Entry& entry, const ir::Node& n) {
  if (!n.is<op::ConvWeightGrad>() || ir::attrs_of<op::ConvWeightGrad>(n).groups != 1) return false;
  const auto channels = [&](size_t input) {
    const DimShape& s = entry.value(n.inputs[input]).shape;
    return s[s.rank - 1];
  };
  if (entry.value(n.inputs[0]).shape.rank < 5) return false;
  return entry.value(n.outputs[0]).dtype == DType::F32 && channels(0).is_const() && channels(1).is_const();
}

}  // namespace

int lower_ops(ir::Model& model, const PassOptions&) {
  int changes = 0;
  for (auto& e : model.entries) {
    ExpandOptions options;
    options.rules = RulesOf<AllOps>::kRows;
    options.ops = AllOps::table();
    options.wanted = [&](const ir::Node& n) { return runs_faster_as_others(*e, n); };
    changes += expand_fused(*e, options);
  }
  return changes;
}

}  // namespace gf
