// Importer rows of gathers, scatters and operators whose output size the data decides.
#include "converter/onnx/import_util.h"
#include "converter/onnx/lowering.h"

namespace gf::onnx {
namespace {

using ir::ValueId;

void gather(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<op::Gather>({l.input(0), l.input(1)}, {.axis = l.int_attr("axis", 0)}));
}
void gather_elements(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<op::GatherElements>({l.input(0), l.input(1)}, {.axis = l.int_attr("axis", 0)}));
}
void gather_nd(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<op::GatherNd>({l.input(0), l.input(1)}, {.batch_dims = l.int_attr("batch_dims", 0)}));
}

ScatterReduction reduction(Lowering& l) { return word_attr(l, "reduction", kScatterReductions, "none"); }
// Scatter-9 is ScatterElements without a reduction.
void scatter_elements(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<op::ScatterElements>({l.input(0), l.input(1), l.input(2)},
                                           {.axis = l.int_attr("axis", 0), .reduction = reduction(l)}));
}
void scatter_nd(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<op::ScatterNd>({l.input(0), l.input(1), l.input(2)}, {.reduction = reduction(l)}));
}
void tensor_scatter(Lowering& l) {
  const std::string mode = l.string_attr("mode", "linear");
  if (mode != "linear" && mode != "circular")
    l.invalid("mode is '" + mode + "', must be linear or circular", Error::BadAttribute);
  l.output(0, l.b.add<op::TensorScatter>({l.input(0), l.input(1), l.optional_input(2)},
                                         {.axis = l.int_attr("axis", -2), .circular = mode == "circular"}));
}

void one_hot(Lowering& l) {
  refuse_strings(l);
  const ValueId depth = l.b.cast(l.input(1), DType::I64);  // any number type in ONNX
  l.output(0, l.b.add<op::OneHot>({l.input(0), depth, l.input(2)}, {.axis = l.int_attr("axis", -1)}));
}
void nonzero(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<op::NonZero>({l.input(0)}));
}
void compress(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<op::Compress>({l.input(0), l.input(1)},
                                    {.axis = l.int_attr("axis", 0), .flat = !l.has_attr("axis")}));
}
void unique(Lowering& l) {
  refuse_strings(l);
  op::Unique::Attrs a;
  a.axis = l.int_attr("axis", 0);
  a.flat = !l.has_attr("axis");
  a.sorted = l.int_attr("sorted", 1) != 0;
  l.outputs(l.b.node<op::Unique>({l.input(0)}, a, l.output_count()));
}
void reverse_sequence(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<op::ReverseSequence>({l.input(0), l.input(1)}, {.batch_axis = l.int_attr("batch_axis", 1),
                                                                      .time_axis = l.int_attr("time_axis", 0)}));
}

constexpr ImportRow kRows[] = {
    {"", "Gather", 1, gather, &op_def<op::Gather>},
    {"", "GatherElements", 11, gather_elements, &op_def<op::GatherElements>},
    {"", "GatherND", 11, gather_nd, &op_def<op::GatherNd>},
    {"", "Scatter", 9, scatter_elements},
    {"", "ScatterElements", 11, scatter_elements},
    {"", "ScatterND", 11, scatter_nd},
    {"", "TensorScatter", 24, tensor_scatter},
    {"", "OneHot", 9, one_hot, &op_def<op::OneHot>},
    {"", "NonZero", 9, nonzero, &op_def<op::NonZero>},
    {"", "Compress", 9, compress},
    {"", "Unique", 11, unique},
    {"", "ReverseSequence", 10, reverse_sequence, &op_def<op::ReverseSequence>},
};

}  // namespace

std::span<const ImportRow> import_rows_index() { return kRows; }

}  // namespace gf::onnx
