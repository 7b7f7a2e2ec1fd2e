// Products of a train step from operands rounded to bfloat16 (PassOptions::products): sets the attribute `precision` of matmul, conv,
// conv_transpose and conv_weight_grad in entries that write State, forward and backward. Sums, biases, parameters, norms, losses and fused
// ops (attention, recurrent cells) stay in float32: Micikevicius et al., "Mixed Precision Training", 2018; Kalamkar et al., 2019.
// Which nodes is a question of shapes alone, so that a file means the same on every machine. The metadata `products` says that it was done.
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"
#include "schema/ops.h"

namespace gf {
namespace {

using ir::Node;

// Convolutions of fewer channels, per group and on either side, are computed where their pixels lie: packing pairs would take longer.
constexpr int64_t kLeastChannels = 24;

class Rounding {
 public:
  explicit Rounding(ir::Entry& entry) : entry_(entry) {}

  int run() { return writes_state(entry_.body) ? mark(entry_.body) : 0; }

 private:
  static bool writes_state(const ir::Block& block) {
    return std::any_of(block.nodes.begin(), block.nodes.end(), [](const auto& n) {
      return n->writes_state >= 0 || std::any_of(n->blocks.begin(), n->blocks.end(), writes_state);
    });
  }
  int mark(ir::Block& block) {
    int changes = 0;
    for (const auto& n : block.nodes) {
      for (ir::Block& inside : n->blocks) changes += mark(inside);
      changes += n->is<op::MatMul>() ? set<op::MatMul>(*n) : n->is<op::Conv>() ? conv<op::Conv>(*n) : n->is<op::ConvTranspose>() ? conv<op::ConvTranspose>(*n) : gradient(*n);
    }
    return changes;
  }
  template <class Op>
  int set(Node& n) {
    auto attrs = ir::attrs_of<Op>(n);
    if (entry_.value(n.inputs[0]).dtype != DType::F32 || attrs.precision != Precision::Full) return 0;
    attrs.precision = Precision::BF16;
    n.attrs = ir::encode_attrs(*n.def, &attrs);
    return 1;
  }
  int64_t size(ir::ValueId v, int axis) const {
    const DimShape& s = entry_.value(v).shape;
    return s[axis < 0 ? s.rank + axis : axis].lo;
  }
  // Weights are [out, in / groups, ..] of conv and [in, out / groups, ..] of conv_transpose.
  template <class Op>
  int conv(Node& n) {
    const int64_t groups = ir::attrs_of<Op>(n).groups;
    return std::min(size(n.inputs[1], 0) / groups, size(n.inputs[1], 1)) >= kLeastChannels ? set<Op>(n) : 0;
  }
  int gradient(Node& n) {
    if (!n.is<op::ConvWeightGrad>()) return 0;
    const int64_t groups = ir::attrs_of<op::ConvWeightGrad>(n).groups;
    return std::min(size(n.inputs[0], -1), size(n.inputs[1], -1)) / groups >= kLeastChannels ? set<op::ConvWeightGrad>(n) : 0;
  }

  ir::Entry& entry_;
};

}  // namespace

int round_operands(ir::Model& model, const PassOptions& options) {
  if (options.products == DType::F32) return 0;
  if (options.products != DType::BF16)
    throw Exception(Error::InvalidArgument, std::string("products are computed from float32 or bfloat16, not from ") + dtype_name(options.products));
  int changes = 0;
  for (auto& e : model.entries) {
    const int here = Rounding(*e).run();
    changes += here;
    if (here > 0 && options.notes != nullptr) options.notes->push_back("entry '" + e->name + "': " + std::to_string(here) + " products from bfloat16 operands");
  }
  const bool said = std::any_of(model.metadata.begin(), model.metadata.end(), [](const auto& m) { return m.first == "products"; });
  if (changes > 0 && !said) model.metadata.emplace_back("products", "bfloat16");  // cmake/GhostFlowTables.cmake links kernels for it
  return changes;
}

}  // namespace gf
