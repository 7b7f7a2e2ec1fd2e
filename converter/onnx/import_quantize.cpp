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

constexpr ImportRow kRows[] = {
    {"", "QuantizeLinear", 10, quantize_linear},
    {"", "DequantizeLinear", 10, dequantize_linear},
    {"", "DynamicQuantizeLinear", 11, dynamic_quantize_linear},
    {"", "MatMulInteger", 10, matmul_integer},
    {"", "QLinearMatMul", 10, qlinear_matmul},
};

}  // namespace

std::span<const ImportRow> import_rows_quantize() { return kRows; }

}  // namespace gf::onnx
