// Importer rows of quantised operators.
#include "converter/onnx/import_util.h"
#include "converter/onnx/lowering.h"

namespace gf::onnx {
namespace {

using ir::ValueId;

void quantize_linear(Lowering& l) {
  op::QuantizeLinear::Attrs a;
  a.axis = l.int_attr("axis", 1);
  a.block = l.int_attr("block_size", 0);
  a.output_dtype = l.int_attr("output_dtype", 0) != 0 ? dtype_attr(l, "output_dtype", DType::Invalid) : DType::Invalid;
  a.precision = l.int_attr("precision", 0) != 0 ? dtype_attr(l, "precision", DType::Invalid) : DType::Invalid;
  a.saturate = l.int_attr("saturate", 1) != 0;
  l.output(0, l.b.add<op::QuantizeLinear>({l.input(0), l.input(1), l.optional_input(2)}, a));
}

void dequantize_linear(Lowering& l) {
  op::DequantizeLinear::Attrs a;
  a.axis = l.int_attr("axis", 1);
  a.block = l.int_attr("block_size", 0);
  a.output_dtype = l.int_attr("output_dtype", 0) != 0 ? dtype_attr(l, "output_dtype", DType::Invalid) : DType::Invalid;
  l.output(0, l.b.add<op::DequantizeLinear>({l.input(0), l.input(1), l.optional_input(2)}, a));
}

void dynamic_quantize_linear(Lowering& l) {
  l.outputs(l.b.node<op::DynamicQuantizeLinear>({l.input(0)}, {}, 3));
}

void matmul_integer(Lowering& l) {
  l.output(0, l.b.add<op::MatMulInteger>({l.input(0), l.input(1), l.optional_input(2), l.optional_input(3)}));
}

void qlinear_matmul(Lowering& l) {
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < 8; ++i) inputs.push_back(l.input(i));
  for (const size_t i : {size_t{0}, size_t{3}, size_t{7}})
    if (dtype_is_float8(l.dtype(i))) l.unsupported("QLinearMatMul on 8-bit floats", "DequantizeLinear and MatMul");
  l.output(0, l.b.add<op::QLinearMatMul>(std::move(inputs)));
}

// Attributes of an integer convolution; lists live here while the node is made.
struct ConvLists {
  std::vector<int64_t> strides, pads, dilations;
  QuantConvAttrs attrs;
};

// auto_pad SAME: ceil(in / stride) outputs, the odd element at the end (UPPER) or in front (LOWER).
void same_pads(Lowering& l, ConvLists& lists, const DimShape& x, const DimShape& w, bool upper) {
  const size_t spatial = lists.strides.size();
  lists.pads.assign(2 * spatial, 0);
  for (size_t d = 0; d < spatial; ++d) {
    const Dim in = x[static_cast<int>(d) + 2], kernel = w[static_cast<int>(d) + 2];
    if (!in.is_const() || !kernel.is_const())
      l.unsupported("auto_pad SAME with a dynamic image or kernel size", "fix the image size when exporting");
    const int64_t out = (in.lo + lists.strides[d] - 1) / lists.strides[d];
    const int64_t total = (out - 1) * lists.strides[d] + lists.dilations[d] * (kernel.lo - 1) + 1 - in.lo;
    const int64_t small = total > 0 ? total / 2 : 0, large = total > 0 ? total - small : 0;
    lists.pads[d] = upper ? small : large;
    lists.pads[d + spatial] = upper ? large : small;
  }
}

ConvLists conv_lists(Lowering& l, const DimShape& x, const DimShape& w) {
  if (x.rank < 3 || w.rank != x.rank) l.invalid("image and weights must have the same rank of at least 3", Error::ShapeMismatch);
  const auto spatial = static_cast<size_t>(x.rank - 2);
  ConvLists lists;
  lists.strides = l.ints_attr("strides", std::vector<int64_t>(spatial, 1));
  lists.dilations = l.ints_attr("dilations", std::vector<int64_t>(spatial, 1));
  lists.pads = l.ints_attr("pads", std::vector<int64_t>(2 * spatial, 0));
  for (const auto* list : {&lists.strides, &lists.dilations})
    for (const int64_t v : *list)
      if (v < 1 || list->size() != spatial) l.invalid("strides and dilations need one positive entry per axis", Error::BadAttribute);
  const auto kernel = l.ints_attr("kernel_shape");
  for (size_t d = 0; d < kernel.size(); ++d) {
    const Dim have = d < spatial ? w[static_cast<int>(d) + 2] : Dim(-1);
    if (kernel.size() != spatial || (have.is_const() && have.lo != kernel[d]))
      l.invalid("kernel_shape differs from the weights", Error::ShapeMismatch);
  }
  const std::string mode = l.string_attr("auto_pad", "NOTSET");
  if (mode == "VALID") lists.pads.assign(2 * spatial, 0);
  else if (mode == "SAME_UPPER" || mode == "SAME_LOWER") same_pads(l, lists, x, w, mode == "SAME_UPPER");
  else if (mode != "NOTSET") l.invalid("auto_pad is '" + mode + "'", Error::BadAttribute);
  lists.attrs.group = l.int_attr("group", 1);
  return lists;
}

template <class Op>
void convolution(Lowering& l, size_t image, size_t weights) {
  ConvLists lists = conv_lists(l, l.shape(image), l.shape(weights));
  lists.attrs.strides = lists.strides;
  lists.attrs.pads = lists.pads;
  lists.attrs.dilations = lists.dilations;
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < l.input_count(); ++i) inputs.push_back(l.optional_input(i));
  inputs[image] = l.b.to_channels_last(inputs[image]);
  l.output(0, l.b.to_channels_first(l.b.add<Op>(std::move(inputs), lists.attrs)));
}
void conv_integer(Lowering& l) { convolution<op::ConvInteger>(l, 0, 1); }
void qlinear_conv(Lowering& l) { convolution<op::QLinearConv>(l, 0, 3); }

constexpr ImportRow kRows[] = {
    {"", "QuantizeLinear", 10, quantize_linear},
    {"", "DequantizeLinear", 10, dequantize_linear},
    {"", "DynamicQuantizeLinear", 11, dynamic_quantize_linear, &op_def<op::DynamicQuantizeLinear>},
    {"", "MatMulInteger", 10, matmul_integer, &op_def<op::MatMulInteger>},
    {"", "ConvInteger", 10, conv_integer},
    {"", "QLinearMatMul", 10, qlinear_matmul, &op_def<op::QLinearMatMul>},
    {"", "QLinearConv", 10, qlinear_conv},
};

}  // namespace

std::span<const ImportRow> import_rows_quantize() { return kRows; }

}  // namespace gf::onnx
