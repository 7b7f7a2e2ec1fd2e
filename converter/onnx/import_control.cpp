// Control flow: If, Loop, Scan (as a loop that slices its inputs).
#include <algorithm>

#include "converter/onnx/import_scope.h"
#include "converter/onnx/lowering.h"

namespace gf::onnx {
namespace {

ir::ValueId block_input(Lowering& l, DType dtype, const DimShape& shape, const std::string& name) {
  ir::Value v;
  v.dtype = dtype;
  v.shape = shape;
  v.shape_known = true;
  v.name = name;
  return l.b.entry().add_value(std::move(v));
}

const Graph& need_graph(Lowering& l, const char* name) {
  const Graph* g = l.graph_attr(name);
  if (g == nullptr) l.invalid(std::string("attribute '") + name + "' is missing", Error::BadAttribute);
  return *g;
}

void lower_if(Lowering& l) {
  const Graph& then_graph = need_graph(l, "then_branch");
  const Graph& else_graph = need_graph(l, "else_branch");
  if (const auto condition = l.const_ints(0); condition && !condition->empty()) {
    const auto values = l.scope().inline_graph((*condition)[0] != 0 ? then_graph : else_graph, l.b.block());
    for (size_t i = 0; i < values.size(); ++i) l.output(i, values[i]);
    return;
  }
  std::vector<ir::Block> blocks;
  blocks.push_back(l.scope().lower_graph(then_graph, {}));
  blocks.push_back(l.scope().lower_graph(else_graph, {}));
  if (blocks[0].outputs.size() != blocks[1].outputs.size()) l.invalid("the branches have different numbers of outputs");
  const size_t count = blocks[0].outputs.size();
  const NoAttrs none;
  l.outputs(l.b.add_node(op_def<op::If>, {l.input(0)}, &none, count, std::move(blocks)));
}

// Where the body turns a carried value into another shape, the carried shape is what both have in common.
bool generalize(Lowering& l, DimShape& assumed, const ir::Value& result) {
  if (!result.shape_known || result.shape.rank != assumed.rank)
    l.unsupported("a loop's carried value changes its rank");
  bool changed = false;
  for (int d = 0; d < assumed.rank; ++d) {
    const Dim a = assumed[d], r = result.shape[d];
    if (a.same(r)) continue;
    changed = true;
    assumed[d] = l.b.entry().symbols.fresh(std::min(a.lo, r.lo), kUnbounded);
  }
  return changed;
}

void lower_loop(Lowering& l) {
  const Graph& body = need_graph(l, "body");
  const size_t carried = l.input_count() < 2 ? 0 : l.input_count() - 2;
  if (body.input.size() != carried + 2 || body.output.size() < carried + 1) l.invalid("the loop body has the wrong number of inputs or outputs");
  std::vector<ir::ValueId> inputs{ir::kNoValue, l.optional_input(1)};
  if (l.has_input(0)) {
    inputs[0] = l.input(0);
    if (l.rank(0) != 0) inputs[0] = l.b.reshape(inputs[0], {});
  }
  std::vector<DimShape> shapes;
  for (size_t i = 0; i < carried; ++i) {
    inputs.push_back(l.input(i + 2));
    shapes.push_back(l.shape(i + 2));
  }
  std::vector<ir::Block> blocks(1);
  for (int attempt = 0;; ++attempt) {
    std::vector<ir::ValueId> body_inputs{block_input(l, DType::I64, DimShape(), body.input[0].name), block_input(l, DType::Bool, DimShape(), body.input[1].name)};
    for (size_t i = 0; i < carried; ++i) body_inputs.push_back(block_input(l, l.dtype(i + 2), shapes[i], body.input[i + 2].name));
    blocks[0] = l.scope().lower_graph(body, body_inputs);
    bool changed = false;
    for (size_t i = 0; i < carried; ++i) changed = generalize(l, shapes[i], l.b.entry().value(blocks[0].outputs[i + 1])) || changed;
    if (!changed) break;
    if (attempt == 2) l.unsupported("a loop's carried value changes its shape without an end that could be planned for");
  }
  const size_t count = blocks[0].outputs.size() - 1;
  const NoAttrs none;
  l.outputs(l.b.add_node(op_def<op::Loop>, std::move(inputs), &none, count, std::move(blocks)));
}

// Scan: a loop over the scan axis. Round i slices every scanned input at i (or from the end), runs the body, and the
// loop stacks the scanned outputs; other axes are moved by transposes, reverse directions by a flip.
class ScanLowering {
 public:
  explicit ScanLowering(Lowering& l) : l_(l), body_(need_graph(l, "body")), scans_(l.int_attr("num_scan_inputs", -1)) {}

  void run() {
    if (l_.opset < 9) l_.unsupported("Scan before opset 9 (with a batch axis)", "convert the model to opset 9 or later");
    if (scans_ < 1 || static_cast<size_t>(scans_) > l_.input_count() || body_.input.size() != l_.input_count()) l_.invalid("num_scan_inputs does not fit the inputs", Error::BadAttribute);
    states_ = l_.input_count() - static_cast<size_t>(scans_);
    if (body_.output.size() < states_) l_.invalid("the body has fewer outputs than states");
    const size_t scan_outputs = body_.output.size() - states_;
    read_attributes(scan_outputs);
    std::vector<ir::ValueId> sources;
    for (size_t i = 0; i < static_cast<size_t>(scans_); ++i) sources.push_back(to_front(l_.input(states_ + i), input_axes_[i]));
    const ir::ValueId trips = trip_count(sources[0]);
    std::vector<ir::ValueId> inputs{trips, ir::kNoValue};
    for (size_t i = 0; i < states_; ++i) inputs.push_back(l_.input(i));
    std::vector<ir::Block> blocks(1);
    fill_body(blocks[0], sources, trips);
    const NoAttrs none;
    const ir::Node& loop = l_.b.add_node(op_def<op::Loop>, std::move(inputs), &none, body_.output.size(), std::move(blocks));
    const std::vector<ir::ValueId> results = loop.outputs;
    for (size_t i = 0; i < states_; ++i) l_.output(i, results[i]);
    for (size_t i = 0; i < scan_outputs; ++i) l_.output(states_ + i, from_front(results[states_ + i], output_axes_[i], output_directions_[i]));
  }

 private:
  void read_attributes(size_t scan_outputs) {
    const auto list = [&](const char* name, size_t n) {
      auto v = l_.ints_attr(name, std::vector<int64_t>(n, 0));
      if (v.size() != n) l_.invalid(std::string("attribute '") + name + "' has the wrong length", Error::BadAttribute);
      return v;
    };
    input_axes_ = list("scan_input_axes", static_cast<size_t>(scans_));
    input_directions_ = list("scan_input_directions", static_cast<size_t>(scans_));
    output_axes_ = list("scan_output_axes", scan_outputs);
    output_directions_ = list("scan_output_directions", scan_outputs);
  }

  ir::ValueId to_front(ir::ValueId x, int64_t axis) {
    const int rank = l_.b.rank(x);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) l_.invalid("scan axis out of range", Error::BadAttribute);
    std::vector<int64_t> perm{axis};
    for (int64_t d = 0; d < rank; ++d)
      if (d != axis) perm.push_back(d);
    return l_.b.transpose(x, perm);
  }

  ir::ValueId from_front(ir::ValueId x, int64_t axis, int64_t direction) {
    if (direction != 0) x = l_.b.add<op::Slice>({x, l_.b.ints({-1}), l_.b.ints({std::numeric_limits<int64_t>::min() + 1}), l_.b.ints({0}), l_.b.ints({-1})});
    const int rank = l_.b.rank(x);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) l_.invalid("scan output axis out of range", Error::BadAttribute);
    std::vector<int64_t> perm;
    for (int64_t d = 1; d < rank; ++d) perm.push_back(d);
    perm.insert(perm.begin() + static_cast<std::ptrdiff_t>(axis), 0);
    return l_.b.transpose(x, perm);
  }

  ir::ValueId trip_count(ir::ValueId source) {
    const Dim n = l_.b.shape(source)[0];
    if (n.is_const()) return l_.b.int_scalar(n.lo);
    const ir::ValueId shape = l_.b.add<op::ShapeOf>({source}, {.start = 0, .end = 1});
    return l_.b.reshape(shape, {});
  }

  void fill_body(ir::Block& block, const std::vector<ir::ValueId>& sources, ir::ValueId trips) {
    const ir::ValueId round = block_input(l_, DType::I64, DimShape(), "round");
    const ir::ValueId condition = block_input(l_, DType::Bool, DimShape(), "go_on");
    std::vector<ir::ValueId> body_inputs;
    block.inputs = {round, condition};
    for (size_t i = 0; i < states_; ++i) {
      body_inputs.push_back(block_input(l_, l_.dtype(i), l_.shape(i), body_.input[i].name));
      block.inputs.push_back(body_inputs.back());
    }
    ir::Builder inner(l_.b.entry(), block);
    inner.set_origin("", "Scan '" + l_.node.name + "'");
    for (size_t i = 0; i < sources.size(); ++i) {
      ir::ValueId index = round;
      if (input_directions_[i] != 0) index = inner.add<op::Sub>({inner.add<op::Sub>({trips, inner.int_scalar(1)}), round});
      body_inputs.push_back(inner.add<op::Gather>({sources[i], index}));
    }
    ImportScope scope(l_.scope().state(), &l_.scope());
    for (size_t i = 0; i < body_inputs.size(); ++i) scope.define(body_.input[i].name, body_inputs[i]);
    const auto results = scope.inline_graph(body_, block);
    block.outputs.push_back(condition);
    block.outputs.insert(block.outputs.end(), results.begin(), results.end());
    for (size_t i = 0; i < states_; ++i) {
      const ir::Value& v = l_.b.entry().value(results[i]);
      DimShape assumed = l_.shape(i);
      if (generalize(l_, assumed, v)) l_.unsupported("a scan's state changes its shape");
    }
  }

  Lowering& l_;
  const Graph& body_;
  const int64_t scans_;
  size_t states_ = 0;
  std::vector<int64_t> input_axes_, input_directions_, output_axes_, output_directions_;
};

void lower_scan(Lowering& l) { ScanLowering(l).run(); }

constexpr ImportRow kRows[] = {
    {"", "If", 1, lower_if},
    {"", "Loop", 1, lower_loop},
    {"", "Scan", 8, lower_scan},
};

}  // namespace

std::span<const ImportRow> import_rows_control() { return kRows; }

}  // namespace gf::onnx
