#include "trainer/step/inference_model.h"

#include <optional>

#include "schema/ops/identity.h"
#include "schema/ops/reshape.h"
#include "trainer/nn/mode.h"

namespace gf {
namespace {

// Reshapes were recorded with the batch's length in them. One that keeps the axis in front in place gets -1 there, so that it follows the batch.
void reshape_examples(ir::Entry& entry, ir::Node& n, Dim batch) {
  const DimShape& in = entry.value(n.inputs[0]).shape;
  const ir::ConstantPtr& target = entry.value(n.inputs[1]).constant;
  std::optional<std::vector<int64_t>> shape = target == nullptr ? std::nullopt : ir::constant_ints(*target);
  if (!shape || shape->empty() || in.rank == 0 || !in[0].same(batch)) return;
  int64_t of_one = 1, wanted = 1;
  for (int d = 1; d < in.rank; ++d) {
    if (!in[d].is_const()) return;
    of_one *= in[d].hi;
  }
  for (size_t d = 1; d < shape->size(); ++d) wanted *= (*shape)[d];
  if (of_one != wanted) return;
  (*shape)[0] = -1;
  n.inputs[1] = entry.add_constant(ir::make_ints(*shape));
}

void let_batch_vary(ir::Entry& entry, const InferenceModelOptions& o) {
  const Dim batch = entry.symbols.symbol(o.batch_name, 1, o.batch == 0 ? kUnbounded : o.batch);
  entry.symbols.mark_input(entry.symbols.symbol_index(batch));
  for (const ir::ValueId in : entry.body.inputs) entry.value(in).shape[0] = batch;
  try {
    for (const auto& n : entry.body.nodes) {
      if (n->is<op::Reshape>()) reshape_examples(entry, *n, batch);
      ir::infer_node(entry, *n);
    }
  } catch (const Exception& e) {
    throw Exception(Error::Unsupported, "inference_model: the batch cannot vary: " + std::string(e.what()));
  }
  for (const ir::ValueId out : entry.body.outputs)
    if (const DimShape& shape = entry.value(out).shape; shape.rank == 0 || !shape[0].same(batch))
      throw Exception(Error::Unsupported, "inference_model: the batch cannot vary: the result has no axis for it in front");
}

// Results were recorded as named copies; what a node computes is called so itself.
void name_results(ir::Entry& entry) {
  for (ir::ValueId& out : entry.body.outputs) {
    const ir::Uses uses(entry);
    ir::Node* copy = uses.producer(out);
    const ir::ValueId result = copy != nullptr && copy->is<op::Identity>() ? copy->inputs[0] : ir::kNoValue;
    if (result == ir::kNoValue || uses.producer(result) == nullptr || uses.only_reader(result) != copy) continue;
    entry.value(result).name = entry.value(out).name;
    out = result;
    std::erase_if(entry.body.nodes, [&](const auto& n) { return n.get() == copy; });
  }
}

}  // namespace

ir::Model inference_model(nn::Module& net, const InferenceModelOptions& o) {
  if (o.batch < (o.batch_name.empty() ? 1 : 0)) throw Exception(Error::InvalidArgument, "inference_model: a batch is 1 or more; without an end (0) it has a name");
  const nn::KeepMode mode(net);
  net.eval();
  Shape64 shape = {o.batch == 0 ? 2 : o.batch};
  shape.insert(shape.end(), o.shape.begin(), o.shape.end());
  const Tensor x = Tensor::zeros(shape, o.type);
  ir::Model model = trace_call({{o.input, x}}, net.full_state(), [&] { return NamedTensors{{o.output, net(x)}}; }, {.name = o.entry, .frozen = true});
  name_results(*model.entries[0]);
  if (!o.batch_name.empty()) let_batch_vary(*model.entries[0], o);
  return model;
}

}  // namespace gf
