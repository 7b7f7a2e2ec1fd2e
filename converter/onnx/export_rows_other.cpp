// Exporter rows of casts, limits, randomness, quantisation and losses.
#include <cmath>

#include "converter/onnx/raising.h"
#include "runtime/core/bit_cast.h"

namespace gf::onnx {
namespace {

using ir::kNoValue;

void clip(Raising& r) {
  const auto a = r.attrs<op::Clip>();
  const auto limit = [&](double v) { return std::isinf(v) ? std::string() : r.scalar(r.dtype(0), v); };
  r.emit("Clip", {r.in(0), limit(a.min), limit(a.max)});
}

void cast(Raising& r) {
  const auto a = r.attrs<op::Cast>();
  Attributes attributes{make_attribute("to", type_number(a.to))};
  if (!a.saturate) attributes.push_back(make_attribute("saturate", 0));
  if (a.round_mode != op::Cast::RoundMode::Up) attributes.push_back(make_attribute("round_mode", word_of(kRoundModes, a.round_mode)));
  r.emit("Cast", {r.in(0)}, std::move(attributes));
}
void bit_cast(Raising& r) { r.emit("BitCast", {r.in(0)}, {make_attribute("to", type_number(r.attrs<op::BitCast>().to))}); }
void bit_shift(Raising& r) {
  r.emit("BitShift", r.all(), {make_attribute("direction", word_of(kShiftDirections, r.attrs<op::BitShift>().direction))});
}
int is_inf_needs(const ir::Entry& e, const ir::Node& n) { return e.value(n.inputs[0]).dtype == DType::F16 ? 20 : 0; }
void is_inf(Raising& r) { r.emit("IsInf", r.all(), r.same_attributes()); }

// --- randomness. ONNX's seed is a float; its bits are our key. A longer key cannot be said: the draws will be others.

void put_seed(Attributes& attributes, int64_t seed) {
  if (seed >= 0 && seed <= 0xffffffffLL) attributes.push_back(make_attribute("seed", ::gf::bit_cast<float>(static_cast<uint32_t>(seed))));
}
void refuse_counter(const Raising& r) {
  if (r.has(1)) r.unsupported("its counter is an input, which ONNX does not have");
}
void random(Raising& r, const char* name, const char* like, DType dtype, Attributes attributes) {
  refuse_counter(r);
  attributes.push_back(make_attribute("dtype", type_number(dtype)));
  if (const auto shape = r.ints(0)) {
    attributes.push_back(make_attribute("shape", *shape));
    return r.emit(name, {}, std::move(attributes));
  }
  r.emit(like, {r.temp("ConstantOfShape", {r.in(0)})}, std::move(attributes));
}
void random_normal(Raising& r) {
  const auto a = r.attrs<op::RandomNormal>();
  Attributes attributes{make_attribute("mean", a.mean), make_attribute("scale", a.scale)};
  put_seed(attributes, a.seed);
  random(r, "RandomNormal", "RandomNormalLike", a.dtype, std::move(attributes));
}
void random_uniform(Raising& r) {
  const auto a = r.attrs<op::RandomUniform>();
  Attributes attributes{make_attribute("low", a.low), make_attribute("high", a.high)};
  put_seed(attributes, a.seed);
  random(r, "RandomUniform", "RandomUniformLike", a.dtype, std::move(attributes));
}
void bernoulli(Raising& r) {
  const auto a = r.attrs<op::Bernoulli>();
  refuse_counter(r);
  Attributes attributes{make_attribute("dtype", type_number(a.dtype))};
  put_seed(attributes, a.seed);
  r.emit("Bernoulli", {r.in(0)}, std::move(attributes));
}
void multinomial(Raising& r) {
  const auto a = r.attrs<op::Multinomial>();
  refuse_counter(r);
  Attributes attributes{make_attribute("dtype", type_number(a.dtype)), make_attribute("sample_size", a.sample_size)};
  put_seed(attributes, a.seed);
  r.emit("Multinomial", {r.in(0)}, std::move(attributes));
}
void dropout(Raising& r) {
  const auto a = r.attrs<op::Dropout>();
  refuse_counter(r);
  r.emit("Dropout", {r.in(0), r.scalar(DType::F32, static_cast<double>(a.ratio)), r.scalar(DType::Bool, a.training ? 1 : 0)},
         {make_attribute("seed", a.seed)});
}

// --- quantisation

bool is_16_bit(DType t) { return t == DType::I16 || t == DType::U16; }
int quantize_needs(const ir::Entry& e, const ir::Node& n) {
  const auto a = ir::attrs_of<op::QuantizeLinear>(n);
  if (a.precision != DType::Invalid) return 23;
  if (a.block != 0 || a.output_dtype != DType::Invalid || is_16_bit(e.value(n.outputs[0]).dtype)) return 21;
  return e.value(n.inputs[0]).dtype == DType::F16 || !a.saturate ? 19 : 0;
}
void quantize(Raising& r) {
  const auto a = r.attrs<op::QuantizeLinear>();
  Attributes attributes{make_attribute("axis", a.axis)};
  if (a.block != 0) attributes.push_back(make_attribute("block_size", a.block));
  if (a.output_dtype != DType::Invalid) attributes.push_back(make_attribute("output_dtype", type_number(a.output_dtype)));
  if (a.precision != DType::Invalid) attributes.push_back(make_attribute("precision", type_number(a.precision)));
  if (!a.saturate) attributes.push_back(make_attribute("saturate", 0));
  r.emit("QuantizeLinear", r.all(), std::move(attributes));
}
int dequantize_needs(const ir::Entry& e, const ir::Node& n) {
  const auto a = ir::attrs_of<op::DequantizeLinear>(n);
  if (a.output_dtype != DType::Invalid) return 23;
  if (a.block != 0 || is_16_bit(e.value(n.inputs[0]).dtype)) return 21;
  return e.value(n.inputs[1]).dtype == DType::F16 ? 19 : 0;
}
void dequantize(Raising& r) {
  const auto a = r.attrs<op::DequantizeLinear>();
  Attributes attributes{make_attribute("axis", a.axis)};
  if (a.block != 0) attributes.push_back(make_attribute("block_size", a.block));
  if (a.output_dtype != DType::Invalid) attributes.push_back(make_attribute("output_dtype", type_number(a.output_dtype)));
  r.emit("DequantizeLinear", r.all(), std::move(attributes));
}

// --- losses: ONNX has the classes on axis 1

template <class Op>
void class_loss(Raising& r, const char* name) {
  const ClassLossAttrs a = r.attrs<Op>();
  const int rank = r.rank(0);
  const int64_t axis = a.axis < 0 ? a.axis + rank : a.axis;
  Perm order = identity_form(rank);  // axes of the scores as ONNX wants them
  order.erase(order.begin() + static_cast<ptrdiff_t>(axis));
  order.insert(order.begin() + 1, axis);
  const Perm form = inverse(order);
  Attributes attributes{make_attribute("reduction", word_of(kLossReductions, a.reduction))};
  if (a.ignore_index != kNoIgnoreIndex) attributes.push_back(make_attribute("ignore_index", a.ignore_index));
  std::vector<Perm> forms{identity_form(a.reduction == Reduction::None ? r.rank(1) : 0), form};
  forms.resize(r.node.outputs.size());
  r.emit_forms(name, {r.in_form(0, form), r.in(1), r.in(2)}, std::move(attributes), std::move(forms));
}
void nll_loss(Raising& r) { class_loss<op::NllLoss>(r, "NegativeLogLikelihoodLoss"); }
void softmax_cross_entropy(Raising& r) { class_loss<op::SoftmaxCrossEntropyLoss>(r, "SoftmaxCrossEntropyLoss"); }

constexpr ExportRow kRows[] = {
    {&op_def<op::Clip>, 13, false, clip},
    {&op_def<op::Cast>, 13, false, cast},
    {&op_def<op::BitCast>, 26, false, bit_cast},
    {&op_def<op::BitShift>, 11, false, bit_shift},
    {&op_def<op::IsInf>, 10, false, is_inf, is_inf_needs},
    {&op_def<op::RandomNormal>, 1, false, random_normal},
    {&op_def<op::RandomUniform>, 1, false, random_uniform},
    {&op_def<op::Bernoulli>, 15, false, bernoulli},
    {&op_def<op::Multinomial>, 7, false, multinomial},
    {&op_def<op::Dropout>, 13, false, dropout},
    {&op_def<op::QuantizeLinear>, 13, false, quantize, quantize_needs},
    {&op_def<op::DequantizeLinear>, 13, false, dequantize, dequantize_needs},
    {&op_def<op::NllLoss>, 13, true, nll_loss},
    {&op_def<op::SoftmaxCrossEntropyLoss>, 13, true, softmax_cross_entropy},
};

}  // namespace

std::span<const ExportRow> export_rows_other() { return kRows; }

}  // namespace gf::onnx
