// Importer rows of operators that change shapes and move whole blocks. Over the opsets attributes became inputs: Reshape
// 5, Slice 10, Pad 11, Squeeze/Unsqueeze/Split 13. Constant axes become attributes, the rest stays input.
#include <cstring>

#include "converter/onnx/import_util.h"
#include "converter/onnx/lowering.h"
#include "converter/onnx/tensor_data.h"

namespace gf::onnx {
namespace {

using ir::kNoValue;
using ir::ValueId;

template <class Op>
void plain(Lowering& l) {
  refuse_strings(l);
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < l.input_count(); ++i) inputs.push_back(l.optional_input(i));
  l.output(0, l.b.add<Op>(std::move(inputs)));
}

void reshape(Lowering& l) {
  refuse_strings(l);
  const ValueId shape = l.opset < 5 ? l.b.ints(l.ints_attr("shape")) : l.input(1);
  l.output(0, l.b.add<op::Reshape>({l.input(0), shape}, {.allowzero = l.int_attr("allowzero", 0) != 0}));
}

// Squeeze and Unsqueeze: known axes as attribute, others stay an input.
template <class Op>
void squeeze(Lowering& l) {
  refuse_strings(l);
  if (l.opset >= 13 && l.has_input(1) && !l.const_ints(1)) {
    l.output(0, l.b.add<Op>({l.input(0), l.input(1)}));
    return;
  }
  const auto axes = axes_of(l, 13).value_or(std::vector<int64_t>{});
  // an empty list names no axis, while an absent one means all of length 1 (Squeeze)
  if (axes.empty() && (l.has_attr("axes") || (l.opset >= 13 && l.has_input(1)))) {
    l.output(0, l.b.add<op::Identity>({l.input(0)}));
    return;
  }
  if (axes.empty() && std::is_same_v<Op, op::Unsqueeze>) l.invalid("Unsqueeze needs axes");
  l.output(0, l.b.add<Op>({l.input(0)}, {.axes = axes}));
}

void flatten(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<op::Flatten>({l.input(0)}, {.axis = l.int_attr("axis", 1)}));
}

void transpose(Lowering& l) {
  refuse_strings(l);
  const auto perm = l.ints_attr("perm");
  l.output(0, l.b.add<op::Transpose>({l.input(0)}, {.perm = perm}));
}

void concat(Lowering& l) {
  refuse_strings(l);
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < l.input_count(); ++i) inputs.push_back(l.input(i));
  if (inputs.empty()) l.invalid("Concat without inputs");
  if (l.opset >= 4 && !l.has_attr("axis")) l.invalid("Concat needs the attribute axis", Error::BadAttribute);
  l.output(0, l.b.add<op::Concat>(std::move(inputs), {.axis = l.int_attr("axis", 1)}));
}

void split(Lowering& l) {
  refuse_strings(l);
  op::Split::Attrs a;
  a.axis = l.int_attr("axis", 0);
  if (l.opset >= 18) a.num_outputs = l.int_attr("num_outputs", 0);
  const auto sizes = l.opset >= 13 ? l.const_ints(1).value_or(std::vector<int64_t>{}) : l.ints_attr("split");
  a.sizes = sizes;
  std::vector<ValueId> inputs{l.input(0)};
  if (l.opset >= 13 && l.has_input(1) && sizes.empty()) inputs.push_back(l.input(1));
  l.outputs(l.b.node<op::Split>(std::move(inputs), a, l.output_count()));
}

void slice(Lowering& l) {
  refuse_strings(l);
  if (l.opset >= 10) {
    l.output(0, l.b.add<op::Slice>({l.input(0), l.input(1), l.input(2), l.optional_input(3), l.optional_input(4)}));
    return;
  }
  const auto starts = l.ints_attr("starts"), ends = l.ints_attr("ends"), axes = l.ints_attr("axes");
  const ValueId axes_value = axes.empty() ? kNoValue : l.b.ints(axes);
  l.output(0, l.b.add<op::Slice>({l.input(0), l.b.ints(starts), l.b.ints(ends), axes_value}));
}

void pad(Lowering& l) {
  refuse_strings(l);
  const op::Pad::Attrs a{.mode = word_attr(l, "mode", kPadModes, "constant")};
  if (l.opset >= 11) {
    l.output(0, l.b.add<op::Pad>({l.input(0), l.input(1), l.optional_input(2), l.optional_input(3)}, a));
    return;
  }
  const auto pads = l.ints_attr(l.opset < 2 ? "paddings" : "pads");
  const float value = l.float_attr("value", 0);
  const ValueId fill = value == 0 ? kNoValue : l.b.scalar(l.dtype(0), static_cast<double>(value));
  l.output(0, l.b.add<op::Pad>({l.input(0), l.b.ints(pads), fill}, a));
}

// Opset 1 repeated along one axis: inputs tiles and axis.
void tile(Lowering& l) {
  refuse_strings(l);
  if (l.opset >= 6) return plain<op::Tile>(l);
  const auto times = l.need_ints(1, "the tiles input"), axis = l.need_ints(2, "the axis input");
  std::vector<int64_t> repeats(static_cast<size_t>(l.rank(0)), 1);
  if (times.size() != 1 || axis.size() != 1 || axis[0] < 0 || axis[0] >= l.rank(0)) l.invalid("Tile-1 needs one axis");
  repeats[static_cast<size_t>(axis[0])] = times[0];
  l.output(0, l.b.add<op::Tile>({l.input(0), l.b.ints(repeats)}));
}

void shape(Lowering& l) {
  op::ShapeOf::Attrs a;
  if (l.opset >= 15) {
    a.start = l.int_attr("start", a.start);
    a.end = l.int_attr("end", a.end);
  }
  l.output(0, l.b.add<op::ShapeOf>({l.input(0)}, a));
}

void constant_of_shape(Lowering& l) {
  op::ConstantOfShape::Attrs a;
  if (const Tensor* value = l.tensor_attr("value"); value != nullptr) {
    a.dtype = to_dtype(value->data_type);
    if (a.dtype == DType::Invalid || a.dtype == DType::String || a.dtype == DType::C128)
      l.unsupported(std::string("filling with ") + tensor_type_name(value->data_type));
    const Bytes bytes = tensor_bytes(*value);
    if (element_count(*value) != 1 || bytes.size() > sizeof a.bits) l.invalid("the value must have one element");
    std::memcpy(&a.bits, bytes.data(), bytes.size());
  }
  l.output(0, l.b.add<op::ConstantOfShape>({l.input(0)}, a));
}

void eye_like(Lowering& l) {
  op::EyeLike::Attrs a;
  a.dtype = dtype_attr(l, "dtype", DType::Invalid);
  a.k = l.int_attr("k", 0);
  l.output(0, l.b.add<op::EyeLike>({l.input(0)}, a));
}

void trilu(Lowering& l) {
  l.output(0, l.b.add<op::Trilu>({l.input(0), l.optional_input(1)}, {.upper = l.int_attr("upper", 1) != 0}));
}

template <class Op>
void depth_space(Lowering& l) {
  refuse_strings(l);
  if (!l.has_attr("blocksize")) l.invalid("the attribute blocksize is missing", Error::BadAttribute);
  const int64_t block = l.int_attr("blocksize", 0);
  if (block < 1 || block > 32767) l.invalid("blocksize is " + std::to_string(block), Error::BadAttribute);
  const ValueId x = l.b.to_channels_last(l.input(0));
  l.output(0, l.b.to_channels_first(l.b.add<Op>({x}, {.block = block, .order = word_attr(l, "mode", kDepthOrders, "DCR")})));
}

void center_crop_pad(Lowering& l) {
  const auto axes = l.ints_attr("axes");
  l.output(0, l.b.add<op::CenterCropPad>({l.input(0), l.input(1)}, {.axes = axes}));
}

constexpr ImportRow kRows[] = {
    {"", "Reshape", 1, reshape},
    {"", "Squeeze", 1, squeeze<op::Squeeze>},
    {"", "Unsqueeze", 1, squeeze<op::Unsqueeze>},
    {"", "Flatten", 1, flatten, &op_def<op::Flatten>},
    {"", "Transpose", 1, transpose},
    {"", "Concat", 1, concat, &op_def<op::Concat>},
    {"", "Split", 2, split},
    {"", "Slice", 1, slice, &op_def<op::Slice>},
    {"", "Expand", 8, plain<op::Expand>, &op_def<op::Expand>},
    {"", "Tile", 1, tile, &op_def<op::Tile>},
    {"", "Pad", 1, pad},
    {"", "Shape", 1, shape},
    {"", "Size", 1, plain<op::Size>, &op_def<op::Size>},
    {"", "ConstantOfShape", 9, constant_of_shape},
    {"", "Range", 11, plain<op::Range>, &op_def<op::Range>},
    {"", "EyeLike", 9, eye_like},
    {"", "Trilu", 14, trilu, &op_def<op::Trilu>},
    {"", "DepthToSpace", 1, depth_space<op::DepthToSpace>},
    {"", "SpaceToDepth", 1, depth_space<op::SpaceToDepth>},
    {"", "CenterCropPad", 18, center_crop_pad, &op_def<op::CenterCropPad>},
};

}  // namespace

std::span<const ImportRow> import_rows_shape() { return kRows; }

}  // namespace gf::onnx
