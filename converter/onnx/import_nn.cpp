// Importer rows of matrix products, convolutions and pools. Images become channels last around the ops (the passes
// cancel the transposes); weights stay as ONNX has them. auto_pad is resolved here where the sizes are known.
#include "converter/onnx/import_util.h"
#include "converter/onnx/lowering.h"

namespace gf::onnx {
namespace {

using ir::kNoValue;
using ir::ValueId;

// --- matrix products

void matmul(Lowering& l) { l.output(0, l.b.add<op::MatMul>({l.input(0), l.input(1)})); }

bool is_one(const Dim& d) { return d.is_const() && d.lo == 1; }

// C of Gemm as a bias vector [columns], when it is one in disguise (every axis but the last has length 1).
ValueId as_bias(Lowering& l, ValueId c, Dim columns) {
  const DimShape& s = l.b.shape(c);
  if (s.rank < 1 || !s[s.rank - 1].same(columns)) return kNoValue;
  for (int d = 0; d + 1 < s.rank; ++d)
    if (!is_one(s[d])) return kNoValue;
  return s.rank == 1 ? c : l.b.reshape(c, std::vector<int64_t>{-1});
}

void gemm(Lowering& l) {
  op::MatMul::Attrs a;
  a.transpose_a = l.int_attr("transA", 0) != 0;
  a.transpose_b = l.int_attr("transB", 0) != 0;
  a.alpha = l.float_attr("alpha", 1.0f);
  const float beta = l.float_attr("beta", 1.0f);
  const DType type = l.dtype(0);
  if (!dtype_is_float(type) && (a.alpha != 1 || beta != 1)) l.unsupported("alpha or beta on integers");
  if (l.rank(0) != 2 || l.rank(1) != 2) l.invalid("Gemm multiplies matrices of rank 2", Error::ShapeMismatch);
  const std::vector<ValueId> ab{l.input(0), l.input(1)};
  if (!l.has_input(2) || beta == 0.0f) return l.output(0, l.b.add<op::MatMul>(ab, a));
  const ValueId c = l.input(2);
  const Dim rows = l.shape(0)[a.transpose_a ? 1 : 0], columns = l.shape(1)[a.transpose_b ? 0 : 1];
  const auto scaled = [&](ValueId v) {
    return beta == 1.0f ? v : l.b.add<op::Mul>({v, l.b.scalar(type, static_cast<double>(beta))});
  };
  if (const ValueId bias = as_bias(l, c, columns); bias != kNoValue)
    return l.output(0, l.b.add<op::MatMul>({ab[0], ab[1], scaled(bias)}, a));
  const DimShape& s = l.b.shape(c);
  if (s.rank == 2 && s[0].same(rows) && s[1].same(columns)) {
    a.residual_scale = beta;
    return l.output(0, l.b.add<op::MatMul>({ab[0], ab[1], kNoValue, c}, a));
  }
  if (s.rank > 2)
    l.invalid("C of rank " + std::to_string(s.rank) + " does not broadcast to a matrix", Error::ShapeMismatch);
  const ValueId product = l.b.add<op::MatMul>(ab, a);
  l.output(0, l.b.add<op::Add>({product, scaled(c)}));
}

// com.microsoft: MatMul with transposes and alpha. transBatch moves the first axis behind the rows.
void fused_matmul(Lowering& l) {
  if (l.int_attr("transBatchA", 0) != 0 || l.int_attr("transBatchB", 0) != 0)
    l.unsupported("transBatchA and transBatchB");
  op::MatMul::Attrs a;
  a.transpose_a = l.int_attr("transA", 0) != 0;
  a.transpose_b = l.int_attr("transB", 0) != 0;
  a.alpha = l.float_attr("alpha", 1.0f);
  l.output(0, l.b.add<op::MatMul>({l.input(0), l.input(1)}, a));
}

// --- windows

/// Attributes of a sliding window; the lists live here while the node is made.
struct WindowLists {
  std::vector<int64_t> kernel, strides, dilations, pads;
  AutoPad auto_pad = AutoPad::NotSet;
  bool valid = false;  // auto_pad = VALID: no pads, and ceil_mode does not apply

  template <class Attrs>
  void put(Attrs& a) const {
    if constexpr (requires { a.kernel; }) a.kernel = kernel;
    if constexpr (requires { a.dilations; }) a.dilations = dilations;
    if constexpr (requires { a.auto_pad; }) a.auto_pad = auto_pad;
    a.strides = strides;
    a.pads = pads;
  }
};

// Pads of auto_pad SAME, when the image's size is known; otherwise the kernels find them while running.
void resolve_same(WindowLists& w, const DimShape& x) {
  const size_t spatial = w.strides.size();
  for (size_t d = 0; d < spatial; ++d)
    if (!x[static_cast<int>(d) + 2].is_const()) return;
  w.pads.assign(2 * spatial, 0);
  const WindowAttrs attrs{w.strides, w.dilations, {}, w.auto_pad, false};
  for (size_t d = 0; d < spatial; ++d) {
    const int64_t in = x[static_cast<int>(d) + 2].lo;
    const Window axis = window_of(attrs, static_cast<int>(d), in, (in + w.strides[d] - 1) / w.strides[d], w.kernel[d]);
    w.pads[d] = axis.pad_begin;
    w.pads[d + spatial] = axis.pad_end;
  }
  w.auto_pad = AutoPad::NotSet;
}

WindowLists window_lists(Lowering& l, const DimShape& x, std::vector<int64_t> kernel) {
  if (x.rank < 3)
    l.invalid("the image has rank " + std::to_string(x.rank) + ", at least 3 is needed", Error::ShapeMismatch);
  const auto spatial = static_cast<size_t>(x.rank - 2);
  WindowLists w;
  w.kernel = std::move(kernel);
  w.strides = l.ints_attr("strides", std::vector<int64_t>(spatial, 1));
  w.dilations = l.ints_attr("dilations", std::vector<int64_t>(spatial, 1));
  w.pads = l.ints_attr("pads", std::vector<int64_t>(2 * spatial, 0));
  const auto check = [&](const std::vector<int64_t>& list, size_t count, int64_t least, const char* what) {
    if (list.size() != count)
      l.invalid(
          std::string(what) + " has " + std::to_string(list.size()) + " entries, expected " + std::to_string(count),
          Error::BadAttribute);
    for (const int64_t v : list)
      if (v < least || v > (int64_t{1} << 30))
        l.invalid(std::string(what) + " has an entry of " + std::to_string(v), Error::BadAttribute);
  };
  check(w.kernel, spatial, 1, "kernel_shape");
  check(w.strides, spatial, 1, "strides");
  check(w.dilations, spatial, 1, "dilations");
  const std::string mode = l.string_attr("auto_pad", "NOTSET");
  if (mode == "SAME_UPPER")
    w.auto_pad = AutoPad::SameUpper;
  else if (mode == "SAME_LOWER")
    w.auto_pad = AutoPad::SameLower;
  else if (mode == "VALID")
    w.valid = true;
  else if (mode != "NOTSET")
    l.invalid("auto_pad is '" + mode + "'", Error::BadAttribute);
  if (mode != "NOTSET") w.pads.assign(2 * spatial, 0);
  check(w.pads, 2 * spatial, 0, "pads");
  return w;
}

// Kernel sizes of a convolution: those of the weights, which kernel_shape may repeat.
std::vector<int64_t> weight_kernel(Lowering& l, size_t weights) {
  const DimShape& w = l.shape(weights);
  if (w.rank != l.rank(0) || w.rank < 3)
    l.invalid(
        "image of rank " + std::to_string(l.rank(0)) + " and weights of rank " + std::to_string(w.rank) + " do not fit",
        Error::ShapeMismatch);
  std::vector<int64_t> kernel = l.ints_attr("kernel_shape");
  if (kernel.empty()) {
    for (int d = 2; d < w.rank; ++d) {
      if (!w[d].is_const()) l.unsupported("a kernel of unknown size", "give kernel_shape");
      kernel.push_back(w[d].lo);
    }
    return kernel;
  }
  for (size_t d = 0; d < kernel.size(); ++d) {
    const Dim have = static_cast<int>(d) + 2 < w.rank ? w[static_cast<int>(d) + 2] : Dim(-1);
    if (have.is_const() && have.lo != kernel[d])
      l.invalid("kernel_shape says " + std::to_string(kernel[d]) + ", the weights have " + std::to_string(have.lo) +
                    " on spatial axis " + std::to_string(d),
                Error::ShapeMismatch);
  }
  return kernel;
}

void conv(Lowering& l) {
  WindowLists w = window_lists(l, l.shape(0), weight_kernel(l, 1));
  if (w.auto_pad != AutoPad::NotSet) resolve_same(w, l.shape(0));
  op::Conv::Attrs a;
  w.put(a);
  a.groups = l.int_attr("group", 1);
  const ValueId x = l.b.to_channels_last(l.input(0));
  l.output(0, l.b.to_channels_first(l.b.add<op::Conv>({x, l.input(1), l.optional_input(2)}, a)));
}

void conv_transpose(Lowering& l) {
  const WindowLists w = window_lists(l, l.shape(0), weight_kernel(l, 1));
  const std::vector<int64_t> padding = l.ints_attr("output_padding");
  std::vector<int64_t> shape = l.ints_attr("output_shape");
  if (shape.size() == w.strides.size() + 2)
    shape.erase(shape.begin(), shape.begin() + 2);  // some exporters give N and C
  op::ConvTranspose::Attrs a;
  w.put(a);
  a.output_padding = padding;
  a.output_shape = shape;
  a.groups = l.int_attr("group", 1);
  const ValueId x = l.b.to_channels_last(l.input(0));
  l.output(0, l.b.to_channels_first(l.b.add<op::ConvTranspose>({x, l.input(1), l.optional_input(2)}, a)));
}

void deform_conv(Lowering& l) {
  const WindowLists w = window_lists(l, l.shape(0), weight_kernel(l, 1));
  op::DeformConv::Attrs a;
  a.strides = w.strides;
  a.dilations = w.dilations;
  a.pads = w.pads;
  a.groups = l.int_attr("group", 1);
  a.offset_groups = l.int_attr("offset_group", 1);
  if (w.strides.size() != 2) l.unsupported("DeformConv with other than two spatial axes");
  const ValueId x = l.b.to_channels_last(l.input(0)), offset = l.b.to_channels_last(l.input(2));
  const ValueId mask = l.has_input(4) ? l.b.to_channels_last(l.input(4)) : kNoValue;
  l.output(0, l.b.to_channels_first(l.b.add<op::DeformConv>({x, l.input(1), offset, l.optional_input(3), mask}, a)));
}

// Depthwise convolution over what came before and now; the tail of it is the state of the next call.
void causal_conv(Lowering& l) {
  const DimShape& w = l.shape(1);
  if (w.rank != 3 || l.rank(0) != 3 || !w[2].is_const() || !w[0].is_const())
    l.unsupported("CausalConvWithState with weights of unknown size");
  const int64_t before = w[2].lo - 1;
  ValueId x = l.input(0);
  if (l.has_input(3))
    x = l.b.add<op::Concat>({l.input(3), x}, {.axis = 2});
  else if (before > 0)
    x = l.b.add<op::Pad>({x, l.b.ints({0, 0, before, 0, 0, 0})});
  op::Conv::Attrs a;
  a.groups = w[0].lo;
  const std::string activation = l.string_attr("activation", "none");
  if (activation == "silu" || activation == "swish") {
    a.activation = Activation::Silu;
    a.activation_a = 1;
  } else if (activation != "none") {
    l.invalid("activation is '" + activation + "', must be none, silu or swish", Error::BadAttribute);
  }
  const ValueId y = l.b.add<op::Conv>({l.b.to_channels_last(x), l.input(1), l.optional_input(2)}, a);
  l.output(0, l.b.to_channels_first(y));
  if (!l.wants_output(1)) return;
  // a start beyond the beginning gives nothing: with a kernel of one the state is empty
  const ValueId length = l.b.add<op::ShapeOf>({x}, {.start = 2});
  const ValueId start = l.b.add<op::Sub>({length, l.b.ints({before})});
  l.output(1, l.b.add<op::Slice>({x, start, length, l.b.ints({2})}));
}

// --- pools

template <class Op>
WindowLists pool_lists(Lowering& l, typename Op::Attrs& a) {
  WindowLists w = window_lists(l, l.shape(0), l.ints_attr("kernel_shape"));
  a.ceil_mode = l.int_attr("ceil_mode", 0) != 0 && !w.valid && w.auto_pad == AutoPad::NotSet;
  if (w.auto_pad != AutoPad::NotSet) resolve_same(w, l.shape(0));
  return w;
}

void max_pool(Lowering& l) {
  op::MaxPool::Attrs a;
  const WindowLists w = pool_lists<op::MaxPool>(l, a);
  w.put(a);
  a.column_major = l.int_attr("storage_order", 0) != 0;
  const ValueId x = l.b.to_channels_last(l.input(0));
  const ir::Node& n = l.b.node<op::MaxPool>({x}, a, l.wants_output(1) ? 2 : 1);
  const std::vector<ValueId> y = n.outputs;
  for (size_t i = 0; i < y.size(); ++i) l.output(i, l.b.to_channels_first(y[i]));
}

void average_pool(Lowering& l) {
  op::AveragePool::Attrs a;
  const WindowLists w = pool_lists<op::AveragePool>(l, a);
  w.put(a);
  a.count_include_pad = l.int_attr("count_include_pad", 0) != 0;
  const ValueId x = l.b.to_channels_last(l.input(0));
  l.output(0, l.b.to_channels_first(l.b.add<op::AveragePool>({x}, a)));
}

// LpPool-1 had p as a float.
int64_t norm_order(Lowering& l) {
  if (l.opset >= 2) return l.int_attr("p", 2);
  const float p = l.float_attr("p", 2.0f);
  if (!(p >= 1 && p <= 1024) || p != static_cast<float>(static_cast<int64_t>(p))) l.unsupported("a fractional p");
  return static_cast<int64_t>(p);
}

void lp_pool(Lowering& l) {
  op::LpPool::Attrs a;
  const WindowLists w = pool_lists<op::LpPool>(l, a);
  w.put(a);
  a.p = norm_order(l);
  const ValueId x = l.b.to_channels_last(l.input(0));
  l.output(0, l.b.to_channels_first(l.b.add<op::LpPool>({x}, a)));
}

std::vector<int64_t> spatial_axes(Lowering& l) {
  if (l.rank(0) < 3)
    l.invalid("the image has rank " + std::to_string(l.rank(0)) + ", at least 3 is needed", Error::ShapeMismatch);
  std::vector<int64_t> axes;
  for (int d = 2; d < l.rank(0); ++d) axes.push_back(d);
  return axes;
}
template <class Op>
void global_pool(Lowering& l) {
  const std::vector<int64_t> axes = spatial_axes(l);
  l.output(0, l.b.add<Op>({l.input(0)}, {.axes = axes}));
}
void global_lp_pool(Lowering& l) {
  const int64_t p = norm_order(l);
  if (p == 1) return global_pool<op::ReduceL1>(l);
  if (p == 2) return global_pool<op::ReduceL2>(l);
  const std::vector<int64_t> axes = spatial_axes(l);
  const DType type = l.dtype(0);
  const ValueId powers = l.b.add<op::Pow>({l.b.add<op::Abs>({l.input(0)}), l.b.scalar(type, static_cast<double>(p))});
  const ValueId sum = l.b.add<op::ReduceSum>({powers}, {.axes = axes});
  l.output(0, l.b.add<op::Pow>({sum, l.b.scalar(type, 1.0 / static_cast<double>(p))}));
}

void max_unpool(Lowering& l) {
  const WindowLists w = window_lists(l, l.shape(0), l.ints_attr("kernel_shape"));
  op::MaxUnpool::Attrs a;
  w.put(a);
  const ValueId x = l.b.to_channels_last(l.input(0)), indices = l.b.to_channels_last(l.input(1));
  l.output(0, l.b.to_channels_first(l.b.add<op::MaxUnpool>({x, indices, l.optional_input(2)}, a)));
}

constexpr ImportRow kRows[] = {
    {"", "AveragePool", 1, average_pool},
    {"", "CausalConvWithState", 27, causal_conv},
    {"", "Conv", 1, conv},
    {"", "ConvTranspose", 1, conv_transpose},
    {"", "DeformConv", 19, deform_conv},
    {"", "Gemm", 1, gemm},
    {"", "GlobalAveragePool", 1, global_pool<op::ReduceMean>},
    {"", "GlobalLpPool", 1, global_lp_pool},
    {"", "GlobalMaxPool", 1, global_pool<op::ReduceMax>},
    {"", "LpPool", 1, lp_pool},
    {"", "MatMul", 1, matmul},
    {"", "MaxPool", 1, max_pool},
    {"", "MaxUnpool", 9, max_unpool},
    {"com.microsoft", "FusedMatMul", 1, fused_matmul},
    {"com.microsoft", "TransposeMatMul", 1, fused_matmul},
};

}  // namespace

std::span<const ImportRow> import_rows_nn() { return kRows; }

}  // namespace gf::onnx
