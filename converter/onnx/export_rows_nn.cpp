// Exporter rows of products, convolutions, pools, recurrent cells, linear attention and normalisations: image ops take channels-first tensors.
#include "converter/onnx/raising.h"

namespace gf::onnx {
namespace {

using ir::kNoValue;

std::vector<int64_t> list(IntList v) { return {v.begin(), v.end()}; }

// --- products. What is more than a plain product was expanded, except what Gemm says.

void matmul(Raising& r) {
  const auto a = r.attrs<op::MatMul>();
  if (!r.has(2) && !r.has(3) && !a.transpose_a && !a.transpose_b && a.alpha == 1) return r.emit("MatMul", {r.in(0), r.in(1)});
  Attributes attributes{make_attribute("alpha", a.alpha), make_attribute("beta", r.has(3) ? a.residual_scale : 1.0f),
                        make_attribute("transA", a.transpose_a ? 1 : 0), make_attribute("transB", a.transpose_b ? 1 : 0)};
  r.emit("Gemm", {r.in(0), r.in(1), r.has(3) ? r.in(3) : r.in(2)}, std::move(attributes));
}

// --- windows

template <class Attrs>
Attributes window(const Attrs& a) {
  Attributes out;
  const auto put = [&](const char* name, IntList v) {
    if (!v.empty()) out.push_back(make_attribute(name, list(v)));
  };
  bool automatic = false;
  if constexpr (requires { a.auto_pad; }) {
    automatic = a.auto_pad != AutoPad::NotSet;
    if (automatic) out.push_back(make_attribute("auto_pad", std::string(a.auto_pad == AutoPad::SameUpper ? "SAME_UPPER" : "SAME_LOWER")));
  }
  if constexpr (requires { a.kernel; }) put("kernel_shape", a.kernel);
  put("strides", a.strides);
  if constexpr (requires { a.dilations; }) put("dilations", a.dilations);
  if (!automatic) put("pads", a.pads);
  if constexpr (requires { a.ceil_mode; })
    if (a.ceil_mode) out.push_back(make_attribute("ceil_mode", 1));
  return out;
}

// The weights' own kernel sizes, which some readers want as an attribute.
void put_kernel(const Raising& r, size_t weights, Attributes& out) {
  std::vector<int64_t> kernel;
  const DimShape& w = r.value(weights).shape;
  for (int d = 2; d < w.rank; ++d)
    if (w[d].is_const()) kernel.push_back(w[d].lo);
  if (static_cast<int>(kernel.size()) == w.rank - 2) out.push_back(make_attribute("kernel_shape", kernel));
}

void conv(Raising& r) {
  const auto a = r.attrs<op::Conv>();
  Attributes attributes = window(a);
  put_kernel(r, 1, attributes);
  attributes.push_back(make_attribute("group", a.groups));
  r.emit_first("Conv", {r.first(0), r.in(1), r.in(2)}, std::move(attributes));
}

void conv_transpose(Raising& r) {
  const auto a = r.attrs<op::ConvTranspose>();
  Attributes attributes = window(a);
  put_kernel(r, 1, attributes);
  attributes.push_back(make_attribute("group", a.groups));
  if (!a.output_padding.empty()) attributes.push_back(make_attribute("output_padding", list(a.output_padding)));
  if (!a.output_shape.empty()) attributes.push_back(make_attribute("output_shape", list(a.output_shape)));
  r.emit_first("ConvTranspose", {r.first(0), r.in(1), r.in(2)}, std::move(attributes));
}

void deform_conv(Raising& r) {
  const auto a = r.attrs<op::DeformConv>();
  Attributes attributes = window(a);
  attributes.push_back(make_attribute("group", a.groups));
  attributes.push_back(make_attribute("offset_group", a.offset_groups));
  r.emit_first("DeformConv", {r.first(0), r.in(1), r.first(2), r.in(3), r.first(4)}, std::move(attributes));
}

template <class Op>
void quantized_conv(Raising& r, const char* name, size_t image, size_t weights) {
  const QuantConvAttrs a = ir::attrs_of<Op>(r.node);
  Attributes attributes = window(a);
  put_kernel(r, weights, attributes);
  attributes.push_back(make_attribute("group", a.group));
  Names inputs = r.all();
  inputs[image] = r.first(image);
  r.emit_first(name, std::move(inputs), std::move(attributes));
}
void conv_integer(Raising& r) { quantized_conv<op::ConvInteger>(r, "ConvInteger", 0, 1); }
void qlinear_conv(Raising& r) { quantized_conv<op::QLinearConv>(r, "QLinearConv", 0, 3); }

void max_pool(Raising& r) {
  const auto a = r.attrs<op::MaxPool>();
  Attributes attributes = window(a);
  if (a.column_major) attributes.push_back(make_attribute("storage_order", 1));
  r.emit_first("MaxPool", {r.first(0)}, std::move(attributes));
}
void drop(Attributes& attributes, const char* name) {
  std::erase_if(attributes, [name](const Attribute& a) { return a.name == name; });
}
void average_pool(Raising& r) {
  const auto a = r.attrs<op::AveragePool>();
  Attributes attributes = window(a);
  if (r.opset() < 19) drop(attributes, "dilations");
  if (a.count_include_pad) attributes.push_back(make_attribute("count_include_pad", 1));
  r.emit_first("AveragePool", {r.first(0)}, std::move(attributes));
}
bool dilates(IntList dilations) {
  return std::any_of(dilations.begin(), dilations.end(), [](int64_t d) { return d != 1; });
}
int average_pool_needs(const ir::Entry&, const ir::Node& n) { return dilates(ir::attrs_of<op::AveragePool>(n).dilations) ? 19 : 0; }
// Younger than the operator: dilations and ceil_mode.
int lp_pool_needs(const ir::Entry&, const ir::Node& n) {
  const auto a = ir::attrs_of<op::LpPool>(n);
  return dilates(a.dilations) || a.ceil_mode ? 18 : 0;
}
void lp_pool(Raising& r) {
  const auto a = r.attrs<op::LpPool>();
  Attributes attributes = window(a);
  if (r.opset() < 18) drop(attributes, "dilations");
  attributes.push_back(make_attribute("p", a.p));
  r.emit_first("LpPool", {r.first(0)}, std::move(attributes));
}
void max_unpool(Raising& r) {
  r.emit_first("MaxUnpool", {r.first(0), r.first(1), r.in(2)}, window(r.attrs<op::MaxUnpool>()));
}

// --- recurrent cells

template <class Op>
void recurrent(Raising& r, const char* name, const char* option) {
  r.refuse_outputs_from(std::is_same_v<Op, op::Lstm> ? 3 : 2);  // what gradients read
  const RecurrentAttrs a = ir::attrs_of<Op>(r.node);
  static constexpr const char* kDirections[] = {"forward", "reverse", "bidirectional"};
  Attributes attributes{make_attribute("hidden_size", a.hidden),
                        make_attribute("direction", std::string(kDirections[static_cast<size_t>(a.direction)]))};
  std::vector<std::string> activations;
  std::vector<float> alpha, beta;
  for (size_t i = 0; i < a.activations.size(); ++i)
    for (const CellActivationName& n : kCellActivations) {
      if (static_cast<int64_t>(n.number) != a.activations[i]) continue;
      activations.emplace_back(n.name);
      if (n.has_alpha) alpha.push_back(a.activation_alpha.empty() ? 0 : a.activation_alpha[i]);
      if (n.has_beta) beta.push_back(a.activation_beta.empty() ? 0 : a.activation_beta[i]);
    }
  if (!activations.empty()) attributes.push_back(make_attribute("activations", activations));
  if (!alpha.empty()) attributes.push_back(make_attribute("activation_alpha", alpha));
  if (!beta.empty()) attributes.push_back(make_attribute("activation_beta", beta));
  if (a.clip > 0) attributes.push_back(make_attribute("clip", a.clip));
  if (a.option) attributes.push_back(make_attribute(option, 1));
  r.emit(name, r.all(), std::move(attributes));
}
void lstm(Raising& r) { recurrent<op::Lstm>(r, "LSTM", "input_forget"); }
void gru(Raising& r) { recurrent<op::Gru>(r, "GRU", "linear_before_reset"); }
void rnn(Raising& r) { recurrent<op::Rnn>(r, "RNN", ""); }

void linear_attention(Raising& r) {
  const auto a = r.attrs<op::LinearAttention>();
  Attributes attributes{make_attribute("q_num_heads", a.q_heads), make_attribute("kv_num_heads", a.kv_heads),
                        make_attribute("update_rule", word_of(kLinearAttentionRules, a.rule))};
  if (a.scale != 0) attributes.push_back(make_attribute("scale", a.scale));
  r.emit("LinearAttention", r.all(), std::move(attributes));
}

// --- normalisations over channels

void batch_norm(Raising& r) {
  if (r.rank(0) < 2) r.unsupported("BatchNormalization needs a batch axis");
  r.emit_first("BatchNormalization", {r.first(0), r.in(1), r.in(2), r.in(3), r.in(4)},
               {make_attribute("epsilon", r.attrs<op::BatchNorm>().epsilon)});
}
void instance_norm(Raising& r) {
  r.refuse_outputs_from(1);
  r.emit_first("InstanceNormalization", {r.first(0), r.in(1), r.in(2)}, {make_attribute("epsilon", r.attrs<op::InstanceNorm>().epsilon)});
}
// Until opset 21: each group is the one channel of an instance normalisation.
void group_norm(Raising& r) {
  r.refuse_outputs_from(1);
  const auto a = r.attrs<op::GroupNorm>();
  const Attribute epsilon = make_attribute("epsilon", a.epsilon);
  const std::string x = r.first(0);
  if (r.opset() >= 21)
    return r.emit_first("GroupNormalization", {x, r.in(1), r.in(2)}, {epsilon, make_attribute("num_groups", a.num_groups)});
  if (r.dtype(1) != r.dtype(0)) r.unsupported("scale and data of different types before opset 21");
  const auto groups = static_cast<size_t>(a.num_groups);
  const auto fill = [&](double v) { return r.temp("Expand", {r.scalar(r.dtype(0), v), r.ints_value({static_cast<int64_t>(groups)})}); };
  const std::string grouped = r.temp("Reshape", {x, r.ints_value({0, a.num_groups, -1})});
  const std::string normal = r.temp("InstanceNormalization", {grouped, fill(1), fill(0)}, {epsilon});
  const std::string back = r.temp("Reshape", {normal, r.temp("Shape", {x})});
  std::vector<int64_t> axes;
  for (int d = 1; d + 1 < r.rank(0); ++d) axes.push_back(d);
  const auto column = [&](size_t i) { return axes.empty() ? r.in(i) : r.temp("Unsqueeze", {r.in(i), r.ints_value(axes)}); };
  r.emit_first("Add", {r.temp("Mul", {back, column(1)}), column(2)});
}
void lrn(Raising& r) { r.emit_first("LRN", {r.first(0)}, r.same_attributes()); }

constexpr ExportRow kRows[] = {
    {&op_def<op::MatMul>, 13, false, matmul},
    {&op_def<op::Conv>, 11, true, conv},
    {&op_def<op::ConvTranspose>, 11, true, conv_transpose},
    {&op_def<op::DeformConv>, 19, true, deform_conv},
    {&op_def<op::ConvInteger>, 10, true, conv_integer},
    {&op_def<op::QLinearConv>, 10, true, qlinear_conv},
    {&op_def<op::MaxPool>, 12, true, max_pool},
    {&op_def<op::AveragePool>, 11, true, average_pool, average_pool_needs},
    {&op_def<op::LpPool>, 11, true, lp_pool, lp_pool_needs},
    {&op_def<op::MaxUnpool>, 11, true, max_unpool},
    {&op_def<op::Lstm>, 14, false, lstm},
    {&op_def<op::Gru>, 14, false, gru},
    {&op_def<op::Rnn>, 14, false, rnn},
    {&op_def<op::LinearAttention>, 27, false, linear_attention},
    {&op_def<op::BatchNorm>, 15, true, batch_norm},
    {&op_def<op::InstanceNorm>, 6, true, instance_norm},
    {&op_def<op::GroupNorm>, 6, true, group_norm},
    {&op_def<op::Lrn>, 13, true, lrn},
};

}  // namespace

std::span<const ExportRow> export_rows_nn() { return kRows; }

}  // namespace gf::onnx
