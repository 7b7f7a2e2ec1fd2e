// Importer rows of reductions, index reductions, running sums and TopK. Axes moved from attribute to input 1 at opset 13
// (ReduceSum) and 18 (the others); an input that is no constant stays an input.
#include "converter/onnx/import_util.h"
#include "converter/onnx/lowering.h"

namespace gf::onnx {
namespace {

using ir::ValueId;

template <class Op, int kAxesInputSince = 18>
void reduce(Lowering& l) {
  const bool keepdims = l.int_attr("keepdims", 1) != 0;
  const bool none = l.int_attr("noop_with_empty_axes", 0) != 0;
  if (l.opset >= kAxesInputSince && l.has_input(1) && !l.const_ints(1)) {
    l.output(0, l.b.add<Op>({l.input(0), l.input(1)}, {.keepdims = keepdims, .none = none}));
    return;
  }
  const std::vector<int64_t> axes = axes_of(l, kAxesInputSince).value_or(std::vector<int64_t>());
  l.output(0, l.b.add<Op>({l.input(0)}, {.axes = axes, .keepdims = keepdims, .none = none}));
}

template <class Op>
void arg_reduce(Lowering& l) {
  l.output(0, l.b.add<Op>({l.input(0)}, {.axis = l.int_attr("axis", 0),
                                         .keepdims = l.int_attr("keepdims", 1) != 0,
                                         .select_last_index = l.int_attr("select_last_index", 0) != 0}));
}

template <class Op>
void scan_along(Lowering& l) {
  ScanAlongAttrs a{.exclusive = l.int_attr("exclusive", 0) != 0, .reverse = l.int_attr("reverse", 0) != 0};
  const auto axis = l.const_ints(1);
  if (axis && axis->size() != 1) l.invalid("the axis input must hold one element");
  if (axis) {
    a.axis = (*axis)[0];
    l.output(0, l.b.add<Op>({l.input(0)}, a));
  } else {
    l.output(0, l.b.add<Op>({l.input(0), l.input(1)}, a));
  }
}

// k: attribute before opset 10. Before opset 11 always the largest, sorted.
void top_k(Lowering& l) {
  if (l.opset < 10 && !l.has_attr("k")) l.invalid("attribute 'k' is missing", Error::BadAttribute);
  const ValueId k = l.opset < 10 ? l.b.ints({l.int_attr("k", 0)}) : l.input(1);
  const op::TopK::Attrs a{.axis = l.int_attr("axis", -1),
                          .largest = l.int_attr("largest", 1) != 0,
                          .sorted = l.int_attr("sorted", 1) != 0};
  l.outputs(l.b.node<op::TopK>({l.input(0), k}, a, 2));
}

constexpr ImportRow kRows[] = {
    {"", "ArgMax", 1, arg_reduce<op::ArgMax>, &op_def<op::ArgMax>},
    {"", "ArgMin", 1, arg_reduce<op::ArgMin>, &op_def<op::ArgMin>},
    {"", "CumProd", 26, scan_along<op::CumProd>},
    {"", "CumSum", 11, scan_along<op::CumSum>},
    {"", "ReduceL1", 1, reduce<op::ReduceL1>},
    {"", "ReduceL2", 1, reduce<op::ReduceL2>},
    {"", "ReduceLogSum", 1, reduce<op::ReduceLogSum>},
    {"", "ReduceLogSumExp", 1, reduce<op::ReduceLogSumExp>},
    {"", "ReduceMax", 1, reduce<op::ReduceMax>},
    {"", "ReduceMean", 1, reduce<op::ReduceMean>},
    {"", "ReduceMin", 1, reduce<op::ReduceMin>},
    {"", "ReduceProd", 1, reduce<op::ReduceProd>},
    {"", "ReduceSum", 1, reduce<op::ReduceSum, 13>},
    {"", "ReduceSumSquare", 1, reduce<op::ReduceSumSquare>},
    {"", "TopK", 1, top_k, &op_def<op::TopK>},
};

}  // namespace

std::span<const ImportRow> import_rows_reduce() { return kRows; }

}  // namespace gf::onnx
