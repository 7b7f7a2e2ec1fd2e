// Exporter rows of reductions and of ops that move blocks: what is an attribute here is mostly an input there.
#include <algorithm>
#include <cstring>

#include "converter/onnx/raising.h"

namespace gf::onnx {
namespace {

using ir::kNoValue;

std::vector<int64_t> list(IntList v) { return {v.begin(), v.end()}; }

void transpose(Raising& r) {
  const auto perm = r.attrs<op::Transpose>().perm;
  Attributes attributes;
  if (!perm.empty()) attributes.push_back(make_attribute("perm", list(perm)));
  r.emit("Transpose", {r.in(0)}, std::move(attributes));
}

void reshape(Raising& r) {
  Attributes attributes;
  if (r.attrs<op::Reshape>().allowzero) attributes.push_back(make_attribute("allowzero", 1));
  r.emit("Reshape", {r.in(0), r.in(1)}, std::move(attributes));
}

template <class Op>
void squeeze(Raising& r, const char* name) {
  const auto axes = r.attrs<Op>().axes;
  r.emit(name, {r.in(0), r.has(1) ? r.in(1) : axes.empty() ? std::string() : r.ints_value(list(axes))});
}
void squeeze_row(Raising& r) { squeeze<op::Squeeze>(r, "Squeeze"); }
void unsqueeze_row(Raising& r) { squeeze<op::Unsqueeze>(r, "Unsqueeze"); }

// Parts of one length, the last one shorter: only opset 18 says so without the lengths.
int split_needs(const ir::Entry& e, const ir::Node& n) {
  const auto a = ir::attrs_of<op::Split>(n);
  if (n.input(1) != kNoValue || !a.sizes.empty()) return 0;
  const DimShape& s = e.value(n.inputs[0]).shape;
  return s[static_cast<int>(a.axis < 0 ? a.axis + s.rank : a.axis)].is_const() ? 0 : 18;
}
void split(Raising& r) {
  const auto a = r.attrs<op::Split>();
  Attributes attributes{make_attribute("axis", a.axis)};
  const auto parts = static_cast<int64_t>(r.node.outputs.size());
  std::string sizes;
  if (r.has(1)) {
    sizes = r.in(1);
  } else if (!a.sizes.empty()) {
    sizes = r.ints_value(list(a.sizes));
  } else {
    const DimShape s = r.tensor_shape(0);
    const Dim total = s[static_cast<int>(a.axis < 0 ? a.axis + s.rank : a.axis)];
    if (total.is_const()) {
      std::vector<int64_t> each;
      const int64_t chunk = (total.lo + parts - 1) / parts;
      for (int64_t k = 0, left = total.lo; k < parts; ++k, left -= each.back()) each.push_back(std::min(chunk, left));
      sizes = r.ints_value(each);
    } else {
      attributes.push_back(make_attribute("num_outputs", parts));
    }
  }
  r.emit("Split", {r.in(0), sizes}, std::move(attributes));
}

int pad_needs(const ir::Entry& e, const ir::Node& n) {
  if (ir::attrs_of<op::Pad>(n).mode == PadMode::Wrap) return 19;
  const auto known = [&](size_t i) { return e.value(n.inputs[i]).is_constant(); };
  return n.input(3) != kNoValue && !(known(1) && known(3)) ? 18 : 0;
}
void pad(Raising& r) {
  Names inputs = r.all();
  if (r.has(3) && r.opset() < 18) {  // pads of all axes
    const auto pads = r.ints(1), axes = r.ints(3);
    if (!pads || !axes || pads->size() != 2 * axes->size()) r.unsupported("pads of some axes that are not known");
    const auto rank = static_cast<size_t>(r.rank(0));
    std::vector<int64_t> all(2 * rank, 0);
    for (size_t k = 0; k < axes->size(); ++k) {
      const int64_t axis = (*axes)[k];
      const auto d = static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
      all[d] = (*pads)[k];
      all[d + rank] = (*pads)[k + axes->size()];
    }
    inputs[1] = r.ints_value(all);
    inputs.resize(3);
  }
  r.emit("Pad", std::move(inputs), {make_attribute("mode", word_of(kPadModes, r.attrs<op::Pad>().mode))});
}

void shape(Raising& r) {
  const auto a = r.attrs<op::ShapeOf>();
  const op::ShapeOf::Attrs usual;
  Attributes attributes;
  if (a.start != usual.start) attributes.push_back(make_attribute("start", a.start));
  if (a.end != usual.end) attributes.push_back(make_attribute("end", a.end));
  r.emit("Shape", {r.in(0)}, std::move(attributes));
}

void constant_of_shape(Raising& r) {
  const auto a = r.attrs<op::ConstantOfShape>();
  std::vector<std::byte> bytes((dtype_bits(a.dtype) + 7) / 8);
  std::memcpy(bytes.data(), &a.bits, std::min(bytes.size(), sizeof a.bits));
  r.emit("ConstantOfShape", {r.in(0)}, {make_attribute("value", make_tensor("value", a.dtype, {1}, Bytes::take(std::move(bytes))))});
}

void eye_like(Raising& r) {
  const auto a = r.attrs<op::EyeLike>();
  Attributes attributes{make_attribute("k", a.k)};
  if (a.dtype != DType::Invalid) attributes.push_back(make_attribute("dtype", type_number(a.dtype)));
  r.emit("EyeLike", {r.in(0)}, std::move(attributes));
}

// --- reductions: axes are an input from opset 18 on (ReduceSum: 13)

int reduce_needs(const ir::Entry& e, const ir::Node& n) {
  const auto a = ir::attrs_of<op::ReduceSum>(n);
  if (e.value(n.inputs[0]).dtype == DType::Bool) return 20;
  if (n.is<op::ReduceSum>()) return 0;
  return n.input(1) != kNoValue || (a.axes.empty() && a.none) ? 18 : 0;
}
void reduce_as(Raising& r, const char* name, int axes_input_since) {
  const ReduceAttrs a = r.attrs<op::ReduceSum>();
  Attributes attributes{make_attribute("keepdims", a.keepdims ? 1 : 0)};
  Names inputs{r.in(0)};
  if (r.opset() >= axes_input_since) {
    inputs.push_back(r.has(1) ? r.in(1) : a.axes.empty() ? std::string() : r.ints_value(list(a.axes)));
    if (a.none) attributes.push_back(make_attribute("noop_with_empty_axes", 1));
  } else if (!a.axes.empty()) {
    attributes.push_back(make_attribute("axes", list(a.axes)));
  }
  r.emit(name, std::move(inputs), std::move(attributes));
}
void reduce_sum(Raising& r) { reduce_as(r, "ReduceSum", 13); }
void reduce_mean(Raising& r) { reduce_as(r, "ReduceMean", 18); }
void reduce_max(Raising& r) { reduce_as(r, "ReduceMax", 18); }
void reduce_min(Raising& r) { reduce_as(r, "ReduceMin", 18); }
void reduce_prod(Raising& r) { reduce_as(r, "ReduceProd", 18); }
void reduce_l1(Raising& r) { reduce_as(r, "ReduceL1", 18); }
void reduce_l2(Raising& r) { reduce_as(r, "ReduceL2", 18); }
void reduce_logsum(Raising& r) { reduce_as(r, "ReduceLogSum", 18); }
void reduce_logsumexp(Raising& r) { reduce_as(r, "ReduceLogSumExp", 18); }
void reduce_sumsquare(Raising& r) { reduce_as(r, "ReduceSumSquare", 18); }

template <class Op>
void scan_along(Raising& r, const char* name) {
  const ScanAlongAttrs a = r.attrs<Op>();
  r.emit(name, {r.in(0), r.has(1) ? r.in(1) : r.scalar(DType::I64, static_cast<double>(a.axis))},
         {make_attribute("exclusive", a.exclusive ? 1 : 0), make_attribute("reverse", a.reverse ? 1 : 0)});
}
void cum_sum(Raising& r) { scan_along<op::CumSum>(r, "CumSum"); }
void cum_prod(Raising& r) { scan_along<op::CumProd>(r, "CumProd"); }

// --- scatters and picks

int scatter_needs(ScatterReduction reduction) { return reduction == ScatterReduction::Max || reduction == ScatterReduction::Min ? 18 : 0; }
int scatter_elements_needs(const ir::Entry&, const ir::Node& n) { return scatter_needs(ir::attrs_of<op::ScatterElements>(n).reduction); }
int scatter_nd_needs(const ir::Entry&, const ir::Node& n) { return scatter_needs(ir::attrs_of<op::ScatterNd>(n).reduction); }
void scatter_elements(Raising& r) {
  const auto a = r.attrs<op::ScatterElements>();
  r.emit("ScatterElements", r.all(), {make_attribute("axis", a.axis), make_attribute("reduction", word_of(kScatterReductions, a.reduction))});
}
void scatter_nd(Raising& r) {
  r.emit("ScatterND", r.all(), {make_attribute("reduction", word_of(kScatterReductions, r.attrs<op::ScatterNd>().reduction))});
}
void tensor_scatter(Raising& r) {
  const auto a = r.attrs<op::TensorScatter>();
  r.emit("TensorScatter", r.all(), {make_attribute("axis", a.axis), make_attribute("mode", std::string(a.circular ? "circular" : "linear"))});
}
void compress(Raising& r) {
  const auto a = r.attrs<op::Compress>();
  r.emit("Compress", r.all(), a.flat ? Attributes{} : Attributes{make_attribute("axis", a.axis)});
}
void unique(Raising& r) {
  const auto a = r.attrs<op::Unique>();
  Attributes attributes{make_attribute("sorted", a.sorted ? 1 : 0)};
  if (!a.flat) attributes.push_back(make_attribute("axis", a.axis));
  r.emit("Unique", r.all(), std::move(attributes));
}

constexpr ExportRow kRows[] = {
    {&op_def<op::Transpose>, 13, false, transpose},
    {&op_def<op::Reshape>, 14, false, reshape},
    {&op_def<op::Squeeze>, 13, false, squeeze_row},
    {&op_def<op::Unsqueeze>, 13, false, unsqueeze_row},
    {&op_def<op::Split>, 13, false, split, split_needs},
    {&op_def<op::Pad>, 13, false, pad, pad_needs},
    {&op_def<op::ShapeOf>, 15, false, shape},
    {&op_def<op::ConstantOfShape>, 9, false, constant_of_shape},
    {&op_def<op::EyeLike>, 9, false, eye_like},
    {&op_def<op::ReduceSum>, 13, false, reduce_sum, reduce_needs},
    {&op_def<op::ReduceMean>, 13, false, reduce_mean, reduce_needs},
    {&op_def<op::ReduceMax>, 13, false, reduce_max, reduce_needs},
    {&op_def<op::ReduceMin>, 13, false, reduce_min, reduce_needs},
    {&op_def<op::ReduceProd>, 13, false, reduce_prod, reduce_needs},
    {&op_def<op::ReduceL1>, 13, false, reduce_l1, reduce_needs},
    {&op_def<op::ReduceL2>, 13, false, reduce_l2, reduce_needs},
    {&op_def<op::ReduceLogSum>, 13, false, reduce_logsum, reduce_needs},
    {&op_def<op::ReduceLogSumExp>, 13, false, reduce_logsumexp, reduce_needs},
    {&op_def<op::ReduceSumSquare>, 13, false, reduce_sumsquare, reduce_needs},
    {&op_def<op::CumSum>, 14, false, cum_sum},
    {&op_def<op::CumProd>, 26, false, cum_prod},
    {&op_def<op::ScatterElements>, 16, false, scatter_elements, scatter_elements_needs},
    {&op_def<op::ScatterNd>, 16, false, scatter_nd, scatter_nd_needs},
    {&op_def<op::TensorScatter>, 24, false, tensor_scatter},
    {&op_def<op::Compress>, 11, false, compress},
    {&op_def<op::Unique>, 11, false, unique},
};

}  // namespace

std::span<const ExportRow> export_rows_shape() { return kRows; }

}  // namespace gf::onnx
