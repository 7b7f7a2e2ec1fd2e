#include "graph/ir/infer_control_flow.h"

#include <algorithm>

#include "schema/ops/if.h"
#include "schema/ops/loop.h"

namespace gf::ir {
namespace {

[[noreturn]] void fail(const Node& node, Error code, const std::string& what) {
  throw Exception(code, node.origin + ": " + what);
}

// What is known of a value that is either `a` or `b`.
void join(Entry& entry, const Node& node, const Value& a, const Value& b, Value& out) {
  if (a.dtype != b.dtype)
    fail(node, Error::TypeMismatch, std::string("sub-graphs give different types (") + dtype_name(a.dtype) + ", " + dtype_name(b.dtype) + ")");
  out.dtype = a.dtype;
  out.values_known = false;
  out.shape_known = a.shape_known && b.shape_known && a.shape.rank == b.shape.rank;
  if (!out.shape_known) return;
  out.shape.rank = a.shape.rank;
  for (int d = 0; d < a.shape.rank; ++d) {
    const Dim x = a.shape[d], y = b.shape[d];
    out.shape[d] = x.same(y) ? x : entry.symbols.fresh(std::min(x.lo, y.lo), std::max(x.hi, y.hi));
  }
}

void infer_if(Entry& entry, Node& node) {
  const Block& t = node.blocks.at(0);
  const Block& e = node.blocks.at(1);
  if (t.outputs.size() != e.outputs.size() || node.outputs.size() > t.outputs.size())
    fail(node, Error::BadGraph, "the two branches have different numbers of outputs");
  for (size_t i = 0; i < node.outputs.size(); ++i)
    if (node.outputs[i] != kNoValue)
      join(entry, node, entry.value(t.outputs[i]), entry.value(e.outputs[i]), entry.value(node.outputs[i]));
}

void infer_loop(Entry& entry, Node& node) {
  const Block& body = node.blocks.at(0);
  const size_t carried = node.inputs.size() - 2;
  if (body.inputs.size() != carried + 2 || body.outputs.size() < carried + 1)
    fail(node, Error::BadGraph, "loop body has the wrong number of inputs or outputs");
  Dim trips(0, kUnbounded);
  if (node.inputs[0] != kNoValue) {
    const Value& m = entry.value(node.inputs[0]);
    if (m.constant)
      if (const auto v = constant_ints(*m.constant, 1)) trips = Dim(0, std::max<int64_t>((*v)[0], 0));
    if (m.values_known && !m.values.empty()) trips = {0, std::max<int64_t>(m.values[0].hi, 0)};
  }
  // the condition stays true when the body hands through the true it was given
  const bool starts_true = node.inputs[1] == kNoValue || (entry.value(node.inputs[1]).constant &&
                           constant_ints(*entry.value(node.inputs[1]).constant, 1).value_or(std::vector<int64_t>{0})[0] != 0);
  const Value& condition = entry.value(body.outputs[0]);
  const bool stays_true = body.outputs[0] == body.inputs[1] ||
                          (condition.constant && constant_ints(*condition.constant, 1).value_or(std::vector<int64_t>{0})[0] != 0);
  const bool fixed_trips = starts_true && stays_true && node.inputs[0] != kNoValue && entry.value(node.inputs[0]).constant;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    Value& out = entry.value(node.outputs[i]);
    if (i + 1 >= body.outputs.size()) fail(node, Error::BadGraph, "loop has more outputs than its body gives");
    const Value& inner = entry.value(body.outputs[i + 1]);
    if (i < carried) {
      join(entry, node, entry.value(node.inputs[i + 2]), inner, out);
      continue;
    }
    out.dtype = inner.dtype;
    out.shape_known = inner.shape_known;
    out.values_known = false;
    if (inner.shape.rank + 1 > kMaxRank) fail(node, Error::LimitExceeded, "stacked output has too high a rank");
    out.shape = DimShape();
    out.shape.push(fixed_trips ? Dim(trips.hi) : entry.symbols.fresh(trips.lo, trips.hi));
    for (int d = 0; d < inner.shape.rank; ++d) out.shape.push(inner.shape[d]);
  }
}

}  // namespace

void infer_control_flow(Entry& entry, Node& node) {
  if (node.blocks.size() != static_cast<size_t>(node.def->info.graphs)) fail(node, Error::BadGraph, "wrong number of sub-graphs");
  if (node.is<op::If>()) infer_if(entry, node);
  else if (node.is<op::Loop>()) infer_loop(entry, node);
  else fail(node, Error::Internal, "control flow without an inference rule");
}

}  // namespace gf::ir
