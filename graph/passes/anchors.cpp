#include "graph/passes/anchors.h"

#include <cstring>

#include "runtime/core/half.h"

namespace gf {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

Node* open_anchor(const Rewriter& r, ValueId v, const Node& reader) {
  if (v == kNoValue || r.only_reader(v) != &reader) return nullptr;
  Node* n = r.producer(v);
  return n != nullptr && is_anchor(*n) && !has_activation(*n) && !has_residual(*n) ? n : nullptr;
}

int64_t channels_of(const Rewriter& r, const Node& anchor) {
  const DimShape& out = r.shape(anchor.outputs[0]);
  if (anchor.is<op::MatMul>() && r.rank(anchor.inputs[1]) < 2) return -1;
  return out.rank > 0 && out[out.rank - 1].is_const() ? out[out.rank - 1].lo : -1;
}

std::optional<std::vector<double>> per_channel(const Rewriter& r, ValueId v, int64_t channels) {
  const ir::Constant* c = r.constant(v);
  if (c == nullptr || channels < 1 || !dtype_is_float(c->dtype)) return std::nullopt;
  const int64_t n = c->count();
  if (n != 1 && (n != channels || c->dims.empty() || c->dims.back() != channels)) return std::nullopt;
  const auto floats = ir::constant_floats(*c);
  if (!floats) return std::nullopt;
  std::vector<double> out(static_cast<size_t>(channels));
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<double>((*floats)[n == 1 ? 0 : i]);
  return out;
}

ir::ConstantPtr make_real(DType dtype, std::span<const double> values, std::vector<int64_t> dims) {
  std::vector<std::byte> bytes(values.size() * dtype_bits(dtype) / 8);
  const auto put = [&bytes](size_t i, auto v) { std::memcpy(bytes.data() + i * sizeof v, &v, sizeof v); };
  for (size_t i = 0; i < values.size(); ++i) {
    const auto f = static_cast<float>(values[i]);
    switch (dtype) {
      case DType::F64:
        put(i, values[i]);
        break;
      case DType::F16:
        put(i, to_f16(f).bits);
        break;
      case DType::BF16:
        put(i, to_bf16(f).bits);
        break;
      default:
        put(i, f);
        break;
    }
  }
  return ir::make_constant(dtype, std::move(dims), std::move(bytes));
}

namespace {

// Output channel of each element of constant weights.
std::vector<size_t> channel_of_elements(const Node& anchor, const ir::Constant& w, size_t channels) {
  const auto count = static_cast<size_t>(w.count());
  std::vector<size_t> channel(count);
  if (anchor.is<op::MatMul>()) {
    const bool transposed = with_anchor_attrs(anchor, [](const auto& a) {
      if constexpr (requires { a.transpose_b; })
        return a.transpose_b;
      else
        return false;
    });
    const auto depth = transposed ? static_cast<size_t>(w.dims.back()) : size_t{1};
    for (size_t i = 0; i < count; ++i) channel[i] = i / depth % channels;
    return channel;
  }
  const int64_t groups = with_anchor_attrs(anchor, [](const auto& a) {
    if constexpr (requires { a.groups; })
      return a.groups;
    else
      return int64_t{1};
  });
  if (anchor.is<op::Conv>()) {
    for (size_t i = 0; i < count; ++i) channel[i] = i / (count / channels);
    return channel;
  }
  // conv_transpose: [C, M / groups, kernel..]
  const size_t per_group = channels / static_cast<size_t>(groups), in_channels = static_cast<size_t>(w.dims[0]);
  const size_t kernel = count / (in_channels * per_group);
  for (size_t i = 0; i < count; ++i) {
    const size_t in = i / (per_group * kernel), group = in / (in_channels / static_cast<size_t>(groups));
    channel[i] = group * per_group + i / kernel % per_group;
  }
  return channel;
}

}  // namespace

bool scale_and_shift(Rewriter& r, Node& target, const Node& anchor, std::span<const double> scale,
                     std::span<const double> shift) {
  const ir::Constant* w = r.constant(anchor.inputs[1]);
  const ValueId bias = anchor.input(2);
  const size_t channels = scale.size();
  if (w == nullptr || w->count() == 0 || (bias != kNoValue && r.constant(bias) == nullptr)) return false;
  const auto weights = ir::constant_floats(*w);
  if (!weights) return false;
  double alpha = 1;
  if (anchor.is<op::MatMul>()) alpha = static_cast<double>(ir::attrs_of<op::MatMul>(anchor).alpha);
  const std::vector<size_t> channel = channel_of_elements(anchor, *w, channels);
  std::vector<double> scaled(weights->size()), moved(shift.begin(), shift.end());
  for (size_t i = 0; i < scaled.size(); ++i)
    scaled[i] = static_cast<double>((*weights)[i]) * (alpha * scale[channel[i]]);
  if (bias != kNoValue) {
    const auto old = r.floats(bias);
    if (!old) return false;
    for (size_t m = 0; m < channels; ++m) moved[m] += static_cast<double>((*old)[m]) * scale[m];
  }
  bool any = bias != kNoValue;
  for (double m : moved) any = any || m != 0;
  std::vector<ValueId> inputs = {anchor.inputs[0], r.add_constant(make_real(w->dtype, scaled, w->dims)), kNoValue};
  if (any) inputs[2] = r.add_constant(make_real(w->dtype, moved, {static_cast<int64_t>(channels)}));
  with_anchor_attrs(anchor, [&](auto& a) {
    if constexpr (requires { a.alpha; }) a.alpha = 1;
    r.become(target, *anchor.def, inputs, &a);
    return 0;
  });
  return true;
}

}  // namespace gf
