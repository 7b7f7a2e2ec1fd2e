// Products of dequantised numbers as products of the integers behind them: x = (q - z) s and w = v t give x w = s t (q - z) v, whose sum int32 holds
// exactly. matmul and conv become matmul_integer and conv_integer, a cast, and a multiplication by s t (per output channel); the bias stays float.
// A conv whose result becomes bytes at once is a qlinear_conv. Weights: constant int8 with zero points of 0. Left alone: groups, residuals, activations inside, scales in blocks, other types.
#include <cmath>
#include <cstring>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"
#include "schema/ops/add.h"
#include "schema/ops/cast.h"
#include "schema/ops/conv.h"
#include "schema/ops/conv_integer.h"
#include "schema/ops/dequantize_linear.h"
#include "schema/ops/matmul.h"
#include "schema/ops/matmul_integer.h"
#include "schema/ops/mul.h"
#include "schema/ops/qlinear_conv.h"
#include "schema/ops/quantize_linear.h"
#include "schema/ops/relu.h"
#include "schema/ops/transpose.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

constexpr int64_t kMostDepth = (int64_t{1} << 31) / (255 * 128);  // beyond it int32 may not hold the sum

struct Dequantized {
  ValueId q = kNoValue, zero = kNoValue;
  std::vector<float> scale;  // one, or one per channel of `axis`
  Perm turn;                 // of q, where it is read with its axes in another order
};

// What a dequantize_linear with constant scales gives, as float32.
std::optional<Dequantized> dequantized(const Rewriter& r, ValueId v, int64_t axis) {
  const Node* const n = r.produced_by<op::DequantizeLinear>(v);
  if (n == nullptr || r.dtype(v) != DType::F32) return std::nullopt;
  const auto a = ir::attrs_of<op::DequantizeLinear>(*n);
  const auto scale = r.floats(n->inputs[1]);
  const DType type = r.dtype(n->inputs[0]);
  if (!scale || scale->empty() || a.block != 0 || r.dtype(n->inputs[1]) != DType::F32 || (type != DType::I8 && type != DType::U8)) return std::nullopt;
  if (scale->size() > 1 && (a.axis < 0 ? a.axis + r.rank(v) : a.axis) != axis) return std::nullopt;
  return Dequantized{n->inputs[0], n->input(2), *scale, {}};
}
std::optional<Dequantized> left_side(const Rewriter& r, ValueId v) {
  const Node* const turned = r.produced_by<op::Transpose>(v);
  auto d = dequantized(r, turned != nullptr ? turned->inputs[0] : v, -1);
  if (d && turned != nullptr) d->turn = perm_of(*turned, r.rank(v));
  if (d && (d->scale.size() != 1 || (d->zero != kNoValue && (r.constant(d->zero) == nullptr || r.constant(d->zero)->count() != 1)))) return std::nullopt;
  return d;
}
std::optional<Dequantized> weights(const Rewriter& r, ValueId v, int64_t axis) {
  auto d = dequantized(r, v, axis);
  if (d && (r.constant(d->q) == nullptr || r.dtype(d->q) != DType::I8 || (d->zero != kNoValue && !r.is_uniform(d->zero, 0)))) return std::nullopt;
  return d;
}

// n = sums * scale (+ bias); `sums` are int32.
void finish(Rewriter& r, Node& n, ValueId sums, const Dequantized& x, const Dequantized& w, float alpha) {
  std::vector<float> scale;
  for (const float t : w.scale) scale.push_back(static_cast<float>(static_cast<double>(x.scale[0]) * static_cast<double>(t) * static_cast<double>(alpha)));
  const ValueId factor = r.add_floats(scale, scale.size() == 1 ? std::vector<int64_t>{} : std::vector<int64_t>{static_cast<int64_t>(scale.size())});
  const ValueId floats = r.insert<op::Cast>(n, {sums}, {.to = DType::F32}), bias = n.input(2);
  if (bias == kNoValue) r.become<op::Mul>(n, {floats, factor});
  else r.become<op::Add>(n, {r.insert<op::Mul>(n, {floats, factor}), bias});
}
ValueId bytes_read(Rewriter& r, const Node& n, const Dequantized& x) { return x.turn.empty() ? x.q : r.insert<op::Transpose>(n, {x.q}, {.perm = x.turn}); }
std::vector<ValueId> operands(Rewriter& r, const Node& n, const Dequantized& x, ValueId w) {
  std::vector<ValueId> all = {bytes_read(r, n, x), w};
  if (x.zero != kNoValue) all.push_back(x.zero);
  return all;
}

bool matmul(Rewriter& r, Node& n) {
  const auto a = ir::attrs_of<op::MatMul>(n);
  if (a.transpose_a || a.activation != Activation::None || n.input(3) != kNoValue || r.rank(n.inputs[0]) < 2 || r.rank(n.inputs[1]) != 2) return false;
  const auto x = left_side(r, n.inputs[0]);
  const auto w = weights(r, n.inputs[1], a.transpose_b ? 0 : 1);
  if (!x || !w || r.constant(w->q)->dims[a.transpose_b ? 1 : 0] > kMostDepth) return false;
  ValueId right = w->q;
  if (a.transpose_b) right = r.add_constant(transpose_constant(*r.constant(w->q), {1, 0}));
  finish(r, n, r.insert<op::MatMulInteger>(n, operands(r, n, *x, right)), *x, *w, a.alpha);
  return true;
}

int64_t least_byte(DType type) { return type == DType::I8 ? -128 : 0; }
ValueId add_zero(Rewriter& r, DType type) {
  const std::byte zero[1] = {};
  return r.add_constant(ir::make_splat(type, {}, zero));
}

// The quantize_linear that alone reads `n`, with one constant scale and zero point; also behind a relu that saturation does as well.
Node* bytes_of(const Rewriter& r, const Node& n) {
  Node* reader = r.only_reader(n.outputs[0]);
  const Node* const relu = reader != nullptr && reader->is<op::Relu>() ? reader : nullptr;
  if (relu != nullptr) reader = r.only_reader(relu->outputs[0]);
  if (reader == nullptr || !reader->is<op::QuantizeLinear>()) return nullptr;
  const auto a = ir::attrs_of<op::QuantizeLinear>(*reader);
  const auto scale = r.floats(reader->inputs[1]);
  const ValueId zero = reader->input(2);
  const DType type = r.dtype(reader->outputs[0]);
  if (a.block != 0 || (a.precision != DType::Invalid && a.precision != DType::F32) || !scale || scale->size() != 1) return nullptr;
  if ((type != DType::I8 && type != DType::U8) || r.dtype(reader->inputs[1]) != DType::F32) return nullptr;
  if (zero != kNoValue && (r.constant(zero) == nullptr || r.constant(zero)->count() != 1)) return nullptr;
  if (relu != nullptr && !(zero != kNoValue ? r.is_uniform(zero, static_cast<double>(least_byte(type))) : type == DType::U8)) return nullptr;
  return reader;
}

// The bias in units of the sums, where it was rounded to them before (as quantised nets are exported); kNoValue when there is none.
std::optional<ValueId> integer_bias(Rewriter& r, ValueId bias, const Dequantized& x, const Dequantized& w) {
  if (bias == kNoValue) return kNoValue;
  const auto values = r.floats(bias);
  if (!values) return std::nullopt;
  std::vector<std::byte> bytes(values->size() * sizeof(int32_t));
  for (size_t m = 0; m < values->size(); ++m) {
    const double unit = static_cast<double>(x.scale[0]) * static_cast<double>(w.scale[w.scale.size() == 1 ? 0 : m]);
    const double units = static_cast<double>((*values)[m]) / unit, whole = std::nearbyint(units);
    if (!(std::fabs(units - whole) <= 1e-3 + 2.4e-7 * std::fabs(units)) || std::fabs(units) > double{1 << 30}) return std::nullopt;
    const auto v = static_cast<int32_t>(whole);
    std::memcpy(bytes.data() + m * sizeof v, &v, sizeof v);
  }
  return r.add_constant(ir::make_constant(DType::I32, {static_cast<int64_t>(values->size())}, std::move(bytes)));
}

// conv, and quantize_linear `to`, as one.
bool requantised(Rewriter& r, Node& n, Node& to, const Dequantized& x, const Dequantized& w, const QuantConvAttrs& attrs) {
  const auto bias = integer_bias(r, n.input(2), x, w);
  if (!bias) return false;
  const ValueId x_zero = x.zero != kNoValue ? x.zero : add_zero(r, r.dtype(x.q));
  const ValueId y_zero = to.input(2) != kNoValue ? to.input(2) : add_zero(r, r.dtype(to.outputs[0]));
  const ValueId scale = r.add_floats(w.scale, w.scale.size() == 1 ? std::vector<int64_t>{} : std::vector<int64_t>{static_cast<int64_t>(w.scale.size())});
  std::vector<ValueId> in = {bytes_read(r, n, x), r.add_floats(x.scale, {}), x_zero, w.q, scale, add_zero(r, DType::I8), to.inputs[1], y_zero};
  if (*bias != kNoValue) in.push_back(*bias);
  r.become<op::QLinearConv>(to, std::move(in), attrs);
  return true;
}

bool conv(Rewriter& r, Node& n) {
  const auto a = ir::attrs_of<op::Conv>(n);
  if (a.groups != 1 || a.activation != Activation::None || n.input(3) != kNoValue || a.auto_pad != AutoPad::NotSet) return false;
  const auto x = left_side(r, n.inputs[0]);
  const auto w = weights(r, n.inputs[1], 0);
  if (!x || !w || static_cast<int64_t>(r.constant(w->q)->count()) / r.constant(w->q)->dims[0] > kMostDepth) return false;
  const QuantConvAttrs attrs{.strides = a.strides, .pads = a.pads, .dilations = a.dilations, .group = 1};
  if (Node* const to = bytes_of(r, n); to != nullptr && requantised(r, n, *to, *x, *w, attrs)) return true;
  finish(r, n, r.insert<op::ConvInteger>(n, operands(r, n, *x, w->q), attrs), *x, *w, 1);
  return true;
}

}  // namespace

int integer_products(ir::Model& model, const PassOptions& options) {
  if (!options.integer_products) return 0;
  const int products = options.exact ? 0 : for_each_rewriter(model, [&](Rewriter& r) {
    int changes = 0;
    for (Node* const n : r.nodes()) {
      if (!r.alive(n)) continue;
      const std::vector<ValueId> read = n->inputs;
      if (!(n->is<op::MatMul>() && matmul(r, *n)) && !(n->is<op::Conv>() && conv(r, *n))) continue;
      for (size_t i = 0; i < 2; ++i) r.erase_unread(read[i]);
      note(options, "integer product", *n);
      ++changes;
    }
    return changes;
  });
  return products + fold_all(model, options);  // the bytes that no product took become floats now
}

}  // namespace gf
