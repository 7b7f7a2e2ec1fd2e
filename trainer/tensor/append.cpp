#include "trainer/tensor/append.h"

#include "graph/ir/builder.h"
#include "schema/ops/identity.h"
#include "trainer/autodiff/recorded.h"
#include "trainer/tensor/custom.h"

namespace gf::lazy {

std::vector<ir::ValueId> append_op(ir::Entry& entry, const Node& n, std::vector<ir::ValueId> inputs) {
  auto node = std::make_unique<ir::Node>();
  node->def = n.def;
  node->attrs = n.attrs;
  node->inputs = std::move(inputs);
  node->name = n.def->info.name;
  node->origin = n.scope[0] == '\0' ? std::string(n.place) : std::string(n.scope) + ": " + n.place;
  for (size_t k = 0; k < n.outputs.size(); ++k) node->outputs.push_back(entry.add_value({}));
  ir::infer_node(entry, *node);
  std::vector<ir::ValueId> out = node->outputs;
  entry.body.nodes.push_back(std::move(node));
  return out;
}

std::vector<ir::ValueId> append_gradients(ir::Entry& entry, const Node& n, const std::vector<ir::ValueId>& inputs) {
  const std::span<const ir::ValueId> by = std::span(inputs).subspan(kFirstBy);
  AutodiffOptions options = custom_autodiff();
  if (n.segment) options.stops = by;
  return gradients_or_zeros(entry, {{inputs[0]}}, {{inputs[1]}}, by, options);
}

ir::ValueId append_detached(ir::Entry& entry, ir::ValueId v) {
  const int none = 0;
  return ir::Builder(entry, entry.body).add_node(detach_op(), {v}, &none).outputs[0];
}

}  // namespace gf::lazy
