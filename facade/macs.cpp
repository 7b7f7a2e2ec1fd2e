// Multiply-accumulates per op, from shapes: the arithmetic that gf-bench's GFLOP/s are made of. Only products count
// (two floating-point operations each); activations, additions, softmax and pooling do not.
#include <algorithm>
#include <limits>

#include "facade/inspect.h"
#include "schema/ops/attention.h"
#include "schema/ops/conv.h"
#include "schema/ops/conv_integer.h"
#include "schema/ops/conv_transpose.h"
#include "schema/ops/deform_conv.h"
#include "schema/ops/einsum.h"
#include "schema/ops/gru.h"
#include "schema/ops/lstm.h"
#include "schema/ops/matmul.h"
#include "schema/ops/matmul_integer.h"
#include "schema/ops/qlinear_conv.h"
#include "schema/ops/qlinear_matmul.h"
#include "schema/ops/rnn.h"

namespace gf {
namespace {

using Shape64 = std::vector<int64_t>;

// Sums and products that stop at the largest number instead of wrapping: bounds may be huge.
uint64_t product(uint64_t a, uint64_t b) {
  uint64_t out = 0;
  return mul_checked(a, b, out) ? out : std::numeric_limits<uint64_t>::max();
}
uint64_t volume(const Shape64& s) {
  uint64_t v = 1;
  for (int64_t d : s) v = product(v, static_cast<uint64_t>(std::max<int64_t>(d, 0)));
  return v;
}
uint64_t at(const Shape64& s, size_t i) { return i < s.size() ? static_cast<uint64_t>(std::max<int64_t>(s[i], 0)) : 0; }

// Every element of `side` meets the part of w that belongs to its channel: volume(w) / channels multiplications.
uint64_t conv_macs(const Shape64& side, const Shape64& w) {
  return w.empty() || w[0] <= 0 ? 0 : product(volume(side), volume(w) / static_cast<uint64_t>(w[0]));
}

uint64_t matmul_macs(const Shape64& a, const Shape64& out, bool transpose_a) {
  if (a.empty()) return 0;
  const uint64_t depth = transpose_a && a.size() >= 2 ? at(a, a.size() - 2) : at(a, a.size() - 1);
  return product(volume(out), depth);
}

// x [length, batch, in], w [directions, gates * hidden, in], r [directions, gates * hidden, hidden]
uint64_t recurrent_macs(const std::vector<Shape64>& in) {
  if (in.size() < 3 || in[0].size() != 3) return 0;
  return product(product(at(in[0], 0), at(in[0], 1)), volume(in[1]) + volume(in[2]));
}

// Every query meets every key, whatever the mask says: q k^T and p v.
uint64_t attention_macs(const op::Attention::Attrs& a, const std::vector<Shape64>& in) {
  if (in.size() < 3 || in[0].size() != 4 || in[2].size() != 4) return 0;
  const size_t heads = a.layout == AttentionLayout::HeadsFirst ? 1 : 2, length = 3 - heads;
  const uint64_t pairs =
      product(product(at(in[0], 0), at(in[0], heads)), product(at(in[0], length), at(in[1], length)));
  return product(pairs, at(in[0], 3) + at(in[2], 3));
}

// Product of the sizes of all labels; one multiplication per further operand.
uint64_t einsum_macs(std::string_view equation, const std::vector<Shape64>& in) {
  int ranks[EinsumPlan::kMaxOperands] = {};
  if (in.size() < 2 || in.size() > EinsumPlan::kMaxOperands) return 0;
  for (size_t i = 0; i < in.size(); ++i) ranks[i] = static_cast<int>(in[i].size());
  EinsumPlan plan;
  if (plan.parse(equation, ranks, static_cast<int>(in.size())) != nullptr) return 0;
  Shape64 sizes(EinsumPlan::kLabels, 1);
  for (size_t i = 0; i < in.size(); ++i)
    for (size_t d = 0; d < in[i].size(); ++d) {
      int64_t& size = sizes[static_cast<size_t>(plan.axes[i][d])];
      size = std::max(size, in[i][d]);
    }
  return product(volume(sizes), in.size() - 1);
}

}  // namespace

uint64_t count_macs(const OpDef& def, const void* attrs, const std::vector<Shape64>& in,
                    const std::vector<Shape64>& out) {
  const uint16_t id = def.info.id;
  if (in.empty() || out.empty()) return 0;
  if (id == op::Conv::info.id) return in.size() < 2 ? 0 : conv_macs(out[0], in[1]);
  if (id == op::ConvTranspose::info.id) return in.size() < 2 ? 0 : conv_macs(in[0], in[1]);
  if (id == op::ConvInteger::info.id) return in.size() < 2 ? 0 : conv_macs(out[0], in[1]);
  if (id == op::DeformConv::info.id) return in.size() < 2 ? 0 : conv_macs(out[0], in[1]);
  if (id == op::QLinearConv::info.id) return in.size() < 4 ? 0 : conv_macs(out[0], in[3]);
  if (id == op::MatMul::info.id)
    return matmul_macs(in[0], out[0], static_cast<const op::MatMul::Attrs*>(attrs)->transpose_a);
  if (id == op::MatMulInteger::info.id || id == op::QLinearMatMul::info.id) return matmul_macs(in[0], out[0], false);
  if (id == op::Lstm::info.id || id == op::Gru::info.id || id == op::Rnn::info.id) return recurrent_macs(in);
  if (id == op::Attention::info.id) return attention_macs(*static_cast<const op::Attention::Attrs*>(attrs), in);
  if (id == op::Einsum::info.id) return einsum_macs(static_cast<const op::Einsum::Attrs*>(attrs)->equation, in);
  return 0;
}

}  // namespace gf
