// Importer rows of elementwise, cast, selection and random operators. Opset 1 to 6 differ in broadcasting (an attribute and
// an axis instead of NumPy's rule), opset 11 to 13 in attributes that became inputs.
#include <limits>

#include "converter/onnx/import_util.h"
#include "converter/onnx/lowering.h"
#include "converter/onnx/tensor_data.h"

namespace gf::onnx {
namespace {

using ir::ValueId;

template <class Op>
void unary(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<Op>({l.input(0)}));
}

// Opset < 7: operands have equal shapes unless `broadcast` is set; then the second is aligned at `axis` of the first
// (default: at its end, as NumPy does).
ValueId second_operand(Lowering& l) {
  ValueId y = l.input(1);
  if (l.opset >= 7 || l.int_attr("broadcast", 0) == 0 || !l.has_attr("axis")) return y;
  const int rank_x = l.rank(0), rank_y = l.b.rank(y);
  const int64_t axis = l.int_attr("axis", 0);
  std::vector<int64_t> trailing;
  for (int64_t d = (axis < 0 ? axis + rank_x : axis) + rank_y; d < rank_x; ++d) trailing.push_back(d - rank_x);
  if (trailing.empty()) return y;
  return l.b.add<op::Unsqueeze>({y}, {.axes = trailing});
}

template <class Op>
void binary(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<Op>({l.input(0), second_operand(l)}));
}

// Operators with any number of inputs become a chain of binary ones, from left to right.
template <class Op>
ValueId chain(Lowering& l) {
  if (l.input_count() == 0) l.invalid("at least one input is needed");
  ValueId value = l.input(0);
  for (size_t i = 1; i < l.input_count(); ++i) value = l.b.add<Op>({value, l.input(i)});
  return l.input_count() == 1 ? l.b.add<op::Identity>({value}) : value;
}
template <class Op>
void variadic(Lowering& l) {
  l.output(0, chain<Op>(l));
}
void mean(Lowering& l) {
  const ValueId sum = chain<op::Add>(l);
  const ValueId count = l.b.scalar(l.b.dtype(sum), static_cast<double>(l.input_count()));
  l.output(0, l.b.add<op::Div>({sum, count}));
}

// The exponent may have another type than the base; the result has the base's.
void pow(Lowering& l) {
  const DType base = l.dtype(0), exponent = l.dtype(1);
  const ValueId x = l.input(0), y = second_operand(l);
  if (dtype_is_float(base) || !dtype_is_float(exponent)) {
    l.output(0, l.b.add<op::Pow>({x, l.b.cast(y, base)}));
    return;
  }
  // integer to a fractional power: computed in double, then truncated
  const ValueId z = l.b.add<op::Pow>({l.b.cast(x, DType::F64), l.b.cast(y, DType::F64)});
  l.output(0, l.b.cast(z, base));
}

void mod(Lowering& l) {
  l.output(0, l.b.add<op::Mod>({l.input(0), l.input(1)}, {.fmod = l.int_attr("fmod", 0) != 0}));
}

void bit_shift(Lowering& l) {
  l.output(0, l.b.add<op::BitShift>({l.input(0), l.input(1)},
                                    {.direction = word_attr(l, "direction", kShiftDirections, "")}));
}

// Slope: opset < 7 one value per channel (axis 1), later NumPy broadcasting toward x.
void prelu(Lowering& l) {
  ValueId slope = l.input(1);
  const int rank = l.rank(0);
  if (l.opset < 7 && l.rank(1) == 1 && rank > 2 && !(l.shape(1)[0].is_const() && l.shape(1)[0].lo == 1)) {
    std::vector<int64_t> trailing;
    for (int d = 2; d < rank; ++d) trailing.push_back(d - rank);
    slope = l.b.add<op::Unsqueeze>({slope}, {.axes = trailing});
  }
  l.output(0, l.b.add<op::PRelu>({l.input(0), slope}));
}

void clip(Lowering& l) {
  ValueId x = l.input(0);
  if (l.opset < 11) {
    op::Clip::Attrs a;
    if (l.has_attr("min")) a.min = static_cast<double>(l.float_attr("min", 0));
    if (l.has_attr("max")) a.max = static_cast<double>(l.float_attr("max", 0));
    l.output(0, l.b.add<op::Clip>({x}, a));
    return;
  }
  const auto low = l.const_floats(1), high = l.const_floats(2);
  const DType type = l.dtype(0);
  const bool narrow = type == DType::F32 || type == DType::F16 || type == DType::BF16;  // limits as f32 lose nothing
  if (narrow && (!l.has_input(1) || (low && low->size() == 1)) && (!l.has_input(2) || (high && high->size() == 1))) {
    op::Clip::Attrs a;
    if (low) a.min = static_cast<double>((*low)[0]);
    if (high) a.max = static_cast<double>((*high)[0]);
    l.output(0, l.b.add<op::Clip>({x}, a));
    return;
  }
  if (l.has_input(1)) x = l.b.add<op::Max>({x, l.input(1)});
  if (l.has_input(2)) x = l.b.add<op::Min>({x, l.input(2)});
  l.output(0, l.has_input(1) || l.has_input(2) ? x : l.b.add<op::Identity>({x}));
}

void leaky_relu(Lowering& l) {
  l.output(0, l.b.add<op::LeakyRelu>({l.input(0)}, {.alpha = l.float_attr("alpha", 0.01f)}));
}
void elu(Lowering& l) { l.output(0, l.b.add<op::Elu>({l.input(0)}, {.alpha = l.float_attr("alpha", 1.0f)})); }
void celu(Lowering& l) { l.output(0, l.b.add<op::Celu>({l.input(0)}, {.alpha = l.float_attr("alpha", 1.0f)})); }
void selu(Lowering& l) {
  const bool old = l.opset < 6;
  l.output(0, l.b.add<op::Selu>({l.input(0)},
                                {.alpha = l.float_attr("alpha", old ? 1.6732f : 1.67326319217681884765625f),
                                 .gamma = l.float_attr("gamma", old ? 1.0507f : 1.05070102214813232421875f)}));
}
void hard_sigmoid(Lowering& l) {
  l.output(0, l.b.add<op::HardSigmoid>(
                  {l.input(0)}, {.alpha = l.float_attr("alpha", 0.2f), .beta = l.float_attr("beta", 0.5f)}));
}
void thresholded_relu(Lowering& l) {
  l.output(0, l.b.add<op::ThresholdedRelu>({l.input(0)}, {.alpha = l.float_attr("alpha", 1.0f)}));
}
void shrink(Lowering& l) {
  l.output(0, l.b.add<op::Shrink>({l.input(0)},
                                  {.lambd = l.float_attr("lambd", 0.5f), .bias = l.float_attr("bias", 0.0f)}));
}
void swish(Lowering& l) { l.output(0, l.b.add<op::Swish>({l.input(0)}, {.alpha = l.float_attr("alpha", 1.0f)})); }
void gelu(Lowering& l) {
  const std::string form = l.string_attr("approximate", "none");
  if (form != "none" && form != "tanh") l.invalid("approximate is '" + form + "', must be none or tanh", Error::BadAttribute);
  using Approximate = op::Gelu::Approximate;
  l.output(0, l.b.add<op::Gelu>({l.input(0)},
                                {.approximate = form == "tanh" ? Approximate::Tanh : Approximate::None}));
}
void is_inf(Lowering& l) {
  l.output(0, l.b.add<op::IsInf>({l.input(0)}, {.detect_negative = l.int_attr("detect_negative", 1) != 0,
                                                .detect_positive = l.int_attr("detect_positive", 1) != 0}));
}

void where(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<op::Where>({l.input(0), l.input(1), l.input(2)}));
}

// The value stands in one of seven attributes.
void constant(Lowering& l) {
  const auto give = [&](ir::ConstantPtr c) { l.output(0, l.b.entry().add_constant(std::move(c))); };
  if (const Tensor* t = l.tensor_attr("value"); t != nullptr) return give(to_constant(*t));
  if (const Attribute* sparse = l.node.find("sparse_value"); sparse != nullptr && !sparse->sparse_tensors.empty())
    return give(to_constant(densify(sparse->sparse_tensors[0])));
  if (l.has_attr("value_float")) return give(ir::make_floats(std::vector<float>{l.float_attr("value_float", 0)}, {}));
  if (l.has_attr("value_int")) return give(ir::make_int_scalar(l.int_attr("value_int", 0)));
  if (l.has_attr("value_ints")) return give(ir::make_ints(l.ints_attr("value_ints")));
  if (l.has_attr("value_floats")) {
    const std::vector<float> values = l.floats_attr("value_floats");
    return give(ir::make_floats(values, {static_cast<int64_t>(values.size())}));
  }
  if (l.has_attr("value_string") || l.has_attr("value_strings")) l.unsupported("string tensors");
  l.invalid("none of the attributes that hold the value is there", Error::BadAttribute);
}

void identity(Lowering& l) { l.output(0, l.b.add<op::Identity>({l.input(0)})); }

void cast_to(Lowering& l, DType to) {
  refuse_strings(l);
  if (to == DType::String) l.unsupported("a cast to strings");
  if (to == DType::Invalid || to == DType::C64 || to == DType::C128)
    l.unsupported("a cast to this element type");
  op::Cast::Attrs a{.to = to, .saturate = l.int_attr("saturate", 1) != 0};
  a.round_mode = word_attr(l, "round_mode", kRoundModes, "up");
  l.output(0, l.b.add<op::Cast>({l.input(0)}, a));
}
void cast(Lowering& l) {
  if (l.opset < 6) {  // the type's name
    static constexpr std::pair<const char*, DType> kNames[] = {
        {"FLOAT", DType::F32}, {"DOUBLE", DType::F64}, {"FLOAT16", DType::F16}, {"INT8", DType::I8},
        {"INT16", DType::I16}, {"INT32", DType::I32},  {"INT64", DType::I64},   {"UINT8", DType::U8},
        {"UINT16", DType::U16}, {"UINT32", DType::U32}, {"UINT64", DType::U64}, {"BOOL", DType::Bool}};
    const std::string name = l.string_attr("to", "");
    for (const auto& [text, type] : kNames)
      if (name == text) return cast_to(l, type);
    l.unsupported("a cast to '" + name + "'");
  }
  if (!l.has_attr("to")) l.invalid("attribute 'to' is missing", Error::BadAttribute);
  cast_to(l, dtype_attr(l, "to", DType::Invalid));
}
void cast_like(Lowering& l) { cast_to(l, l.dtype(1)); }
void bit_cast(Lowering& l) {
  refuse_strings(l);
  l.output(0, l.b.add<op::BitCast>({l.input(0)}, {.to = dtype_attr(l, "to", DType::Invalid)}));
}

// In inference dropout is nothing at all. A mask that somebody reads, or training mode, keeps the node.
void dropout(Lowering& l) {
  op::Dropout::Attrs a{.ratio = l.float_attr("ratio", 0.5f), .seed = seed_of(l)};
  if (l.opset >= 12) {
    if (l.has_input(2)) {
      const auto training = l.need_ints(2, "training_mode");
      a.training = !training.empty() && training[0] != 0;
    }
    if (a.training && l.has_input(1)) {
      const auto ratio = l.need_floats(1, "the ratio");
      if (ratio.size() != 1) l.invalid("the ratio must hold one element");
      a.ratio = ratio[0];
    }
  }
  if (!a.training) a.ratio = 0.5f;  // unused then, and files may hold 1
  if (!a.training && !l.wants_output(1)) {
    l.output(0, l.b.add<op::Identity>({l.input(0)}));
    return;
  }
  const ir::Node& n = l.b.node<op::Dropout>({l.input(0)}, a, 2);
  l.output(0, n.outputs[0]);
  if (l.wants_output(1)) l.output(1, l.opset < 10 ? l.b.cast(n.outputs[1], l.dtype(0)) : n.outputs[1]);
}

// --- random: the Like forms take the shape (and, without `dtype`, the type) of their input
ValueId wanted_shape(Lowering& l, bool like) {
  return like ? l.b.add<op::ShapeOf>({l.input(0)}) : l.b.ints(l.ints_attr("shape"));
}
template <bool kLike>
void random_normal(Lowering& l) {
  const op::RandomNormal::Attrs a{.dtype = dtype_attr(l, "dtype", kLike ? l.dtype(0) : DType::F32),
                                  .mean = l.float_attr("mean", 0.0f),
                                  .scale = l.float_attr("scale", 1.0f),
                                  .seed = seed_of(l)};
  l.output(0, l.b.add<op::RandomNormal>({wanted_shape(l, kLike)}, a));
}
template <bool kLike>
void random_uniform(Lowering& l) {
  const op::RandomUniform::Attrs a{.dtype = dtype_attr(l, "dtype", kLike ? l.dtype(0) : DType::F32),
                                   .low = l.float_attr("low", 0.0f),
                                   .high = l.float_attr("high", 1.0f),
                                   .seed = seed_of(l)};
  l.output(0, l.b.add<op::RandomUniform>({wanted_shape(l, kLike)}, a));
}
void bernoulli(Lowering& l) {
  l.output(0, l.b.add<op::Bernoulli>({l.input(0)}, {.dtype = dtype_attr(l, "dtype", l.dtype(0)), .seed = seed_of(l)}));
}
void multinomial(Lowering& l) {
  l.output(0, l.b.add<op::Multinomial>({l.input(0)}, {.dtype = dtype_attr(l, "dtype", DType::I32),
                                                      .sample_size = l.int_attr("sample_size", 1),
                                                      .seed = seed_of(l)}));
}

constexpr ImportRow kRows[] = {
    {"", "Abs", 1, unary<op::Abs>, &op_def<op::Abs>},
    {"", "Acos", 7, unary<op::Acos>, &op_def<op::Acos>},
    {"", "Acosh", 9, unary<op::Acosh>, &op_def<op::Acosh>},
    {"", "Add", 1, binary<op::Add>, &op_def<op::Add>},
    {"", "And", 1, binary<op::And>, &op_def<op::And>},
    {"", "Asin", 7, unary<op::Asin>, &op_def<op::Asin>},
    {"", "Asinh", 9, unary<op::Asinh>, &op_def<op::Asinh>},
    {"", "Atan", 7, unary<op::Atan>, &op_def<op::Atan>},
    {"", "Atanh", 9, unary<op::Atanh>, &op_def<op::Atanh>},
    {"", "Bernoulli", 15, bernoulli},
    {"", "BitCast", 26, bit_cast},
    {"", "BitShift", 11, bit_shift},
    {"", "BitwiseAnd", 18, binary<op::BitwiseAnd>, &op_def<op::BitwiseAnd>},
    {"", "BitwiseNot", 18, unary<op::BitwiseNot>, &op_def<op::BitwiseNot>},
    {"", "BitwiseOr", 18, binary<op::BitwiseOr>, &op_def<op::BitwiseOr>},
    {"", "BitwiseXor", 18, binary<op::BitwiseXor>, &op_def<op::BitwiseXor>},
    {"", "Cast", 1, cast},
    {"", "CastLike", 15, cast_like},
    {"", "Ceil", 1, unary<op::Ceil>, &op_def<op::Ceil>},
    {"", "Celu", 12, celu, &op_def<op::Celu>},
    {"", "Clip", 1, clip},
    {"", "Constant", 1, constant},
    {"", "Cos", 7, unary<op::Cos>, &op_def<op::Cos>},
    {"", "Cosh", 9, unary<op::Cosh>, &op_def<op::Cosh>},
    {"", "Div", 1, binary<op::Div>, &op_def<op::Div>},
    {"", "Dropout", 1, dropout},
    {"", "Elu", 1, elu, &op_def<op::Elu>},
    {"", "Equal", 1, binary<op::Equal>, &op_def<op::Equal>},
    {"", "Erf", 9, unary<op::Erf>, &op_def<op::Erf>},
    {"", "Exp", 1, unary<op::Exp>, &op_def<op::Exp>},
    {"", "Floor", 1, unary<op::Floor>, &op_def<op::Floor>},
    {"", "Gelu", 20, gelu},
    {"", "Greater", 1, binary<op::Greater>, &op_def<op::Greater>},
    {"", "GreaterOrEqual", 12, binary<op::GreaterOrEqual>, &op_def<op::GreaterOrEqual>},
    {"", "HardSigmoid", 1, hard_sigmoid, &op_def<op::HardSigmoid>},
    {"", "HardSwish", 14, unary<op::HardSwish>, &op_def<op::HardSwish>},
    {"", "Identity", 1, identity, &op_def<op::Identity>},
    {"", "IsInf", 10, is_inf},
    {"", "IsNaN", 9, unary<op::IsNan>, &op_def<op::IsNan>},
    {"", "LeakyRelu", 1, leaky_relu, &op_def<op::LeakyRelu>},
    {"", "Less", 1, binary<op::Less>, &op_def<op::Less>},
    {"", "LessOrEqual", 12, binary<op::LessOrEqual>, &op_def<op::LessOrEqual>},
    {"", "Log", 1, unary<op::Log>, &op_def<op::Log>},
    {"", "Max", 1, variadic<op::Max>, &op_def<op::Max>},
    {"", "Mean", 1, mean},
    {"", "Min", 1, variadic<op::Min>, &op_def<op::Min>},
    {"", "Mish", 18, unary<op::Mish>, &op_def<op::Mish>},
    {"", "Mod", 10, mod, &op_def<op::Mod>},
    {"", "Mul", 1, binary<op::Mul>, &op_def<op::Mul>},
    {"", "Multinomial", 7, multinomial},
    {"", "Neg", 1, unary<op::Neg>, &op_def<op::Neg>},
    {"", "Not", 1, unary<op::Not>, &op_def<op::Not>},
    {"", "Or", 1, binary<op::Or>, &op_def<op::Or>},
    {"", "PRelu", 1, prelu, &op_def<op::PRelu>},
    {"", "Pow", 1, pow, &op_def<op::Pow>},
    {"", "RandomNormal", 1, random_normal<false>},
    {"", "RandomNormalLike", 1, random_normal<true>},
    {"", "RandomUniform", 1, random_uniform<false>},
    {"", "RandomUniformLike", 1, random_uniform<true>},
    {"", "Reciprocal", 1, unary<op::Reciprocal>, &op_def<op::Reciprocal>},
    {"", "Relu", 1, unary<op::Relu>, &op_def<op::Relu>},
    {"", "Round", 11, unary<op::Round>, &op_def<op::Round>},
    {"", "Selu", 1, selu, &op_def<op::Selu>},
    {"", "Shrink", 9, shrink, &op_def<op::Shrink>},
    {"", "Sigmoid", 1, unary<op::Sigmoid>, &op_def<op::Sigmoid>},
    {"", "Sign", 9, unary<op::Sign>, &op_def<op::Sign>},
    {"", "Sin", 7, unary<op::Sin>, &op_def<op::Sin>},
    {"", "Sinh", 9, unary<op::Sinh>, &op_def<op::Sinh>},
    {"", "Softplus", 1, unary<op::Softplus>, &op_def<op::Softplus>},
    {"", "Softsign", 1, unary<op::Softsign>, &op_def<op::Softsign>},
    {"", "Sqrt", 1, unary<op::Sqrt>, &op_def<op::Sqrt>},
    {"", "Sub", 1, binary<op::Sub>, &op_def<op::Sub>},
    {"", "Sum", 1, variadic<op::Add>},
    {"", "Swish", 24, swish},
    {"", "Tan", 7, unary<op::Tan>, &op_def<op::Tan>},
    {"", "Tanh", 1, unary<op::Tanh>, &op_def<op::Tanh>},
    {"", "ThresholdedRelu", 1, thresholded_relu, &op_def<op::ThresholdedRelu>},
    {"", "Where", 9, where, &op_def<op::Where>},
    {"", "Xor", 1, binary<op::Xor>, &op_def<op::Xor>},
    {"com.microsoft", "Gelu", 1, unary<op::Gelu>},
};

}  // namespace

std::span<const ImportRow> import_rows_elementwise() { return kRows; }

}  // namespace gf::onnx
