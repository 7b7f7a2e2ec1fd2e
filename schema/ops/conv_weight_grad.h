// conv_weight_grad: gradient of a convolution's weights, channels last. Inputs x [N, spatial.., C] (what the convolution read)
// and g [N, out.., M] (gradient of what it gave): y[m, c, t] = sum over n, p of g[n, p, m] * x[n, p * stride + t * dilation - pad,
// c], m and c of one group: [M, C / groups, kernel..] as conv has it. Made by gradients only (schema/gradients/spatial.cpp).
#pragma once

#include "schema/ops/conv.h"
#include "schema/ops/einsum.h"
#include "schema/ops/reshape.h"

namespace gf::op {

struct ConvWeightGrad {
  static constexpr OpInfo info{.id = 307, .name = "conv_weight_grad", .min_inputs = 2, .max_inputs = 2};
  struct Attrs {
    IntList kernel = {};     ///< one per spatial axis
    IntList strides = {};    ///< of the convolution; empty: 1
    IntList dilations = {};  ///< empty: 1
    IntList pads = {};       ///< befores, then afters; empty: 0
    int64_t groups = 1;
    Precision precision = Precision::Full;

    WindowAttrs window() const { return {strides, dilations, pads, AutoPad::NotSet, false}; }
  };
  static constexpr auto fields =
      join_fields(std::array{field<&Attrs::kernel>(1, "kernel")}, window_fields<Attrs>(2),
                  std::array{field<&Attrs::groups>(5, "groups", 1, int64_t{1} << 30),
                             field<&Attrs::precision>(6, "precision", 0, kLastPrecision)});

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_same_type(0, 1));
    GF_TRY(check_precision(c, a.precision));
    GF_TRY(c.expect_min_rank(0, 3));
    GF_TRY(c.expect_rank(1, c.rank(0)));
    const DimShape &x = c.shape(0), &g = c.shape(1);
    const int spatial = x.rank - 2;
    if (a.kernel.empty()) return c.fail(Error::BadAttribute, "kernel is missing");
    GF_TRY(check_window_list(c, a.kernel, spatial, 1, "kernel"));
    GF_TRY(check_window(c, a.window(), spatial));
    GF_TRY(c.expect_equal(x[0], g[0], "x and g differ in batch"));
    for (const Dim channels : {x[x.rank - 1], g[g.rank - 1]})
      if (a.groups < 1 || (channels.is_const() && channels.lo % a.groups != 0))
        return c.fail(Error::ShapeMismatch, "%lld channels do not divide by %lld groups", static_cast<long long>(channels.lo),
                      static_cast<long long>(a.groups));
    DimShape out;
    out.push(g[g.rank - 1]);
    out.push(c.floor_div(x[x.rank - 1], a.groups));
    for (int d = 0; d < spatial; ++d) out.push(a.kernel[static_cast<size_t>(d)]);
    return c.set(0, c.dtype(0), out);
  }
  /// Every weight meets every pixel of g.
  static uint64_t macs(const NodeShapes& s, const Attrs&) {
    uint64_t n = 1;
    for (int d = 0; d + 1 < s.input_rank(1); ++d) n = saturating_product(n, s.size(1, d));
    for (const int64_t length : s.outputs[0].span()) n = saturating_product(n, static_cast<uint64_t>(length));
    return n;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = conv's data gradient with dy as weights; dg = conv(x, dy)

  /// The convolution that treats channels as the batch: g is the kernel, stride and dilation change places. It gives every pair
  /// of channels; those of one group are kept.
  static Error expand(Expander& e, const Attrs& a) {
    const Var x = e.input(0), g = e.input(1);
    const int rank = e.rank(x), spatial = rank - 2;
    const Dim channels = e.shape(x)[rank - 1], features = e.shape(g)[rank - 1];
    if (!channels.is_const() || !features.is_const())
      return e.fail(Error::Unsupported, "conv_weight_grad with an unknown number of channels");
    int64_t image[kMaxRank], kernel[kMaxRank], back[kMaxRank], taps = 1;
    for (int d = 0; d < rank; ++d) image[d] = kernel[d] = back[d] = d;
    image[0] = rank - 1;  // [C, spatial.., N]
    image[rank - 1] = 0;
    kernel[0] = rank - 1;  // [M, N, out..]
    kernel[1] = 0;
    for (int d = 0; d < spatial; ++d) kernel[d + 2] = d + 1;
    const auto perm = [rank](const int64_t* p) { return IntList(p, static_cast<size_t>(rank)); };
    Var all = e.node<Conv>({e.transpose(x, perm(image)), e.transpose(g, perm(kernel))},
                           {.strides = a.dilations, .dilations = a.strides, .pads = a.pads, .precision = a.precision});  // [C, at least kernel.., M]
    for (int d = 0; d < spatial; ++d) {
      const int64_t length = a.kernel[static_cast<size_t>(d)];
      taps *= length;
      all = e.slice(all, d + 1, e.ints({0}), e.ints({length}));
    }
    // C = [groups, c], M = [groups, m]: both groups equal
    const int64_t per_c = channels.lo / a.groups, per_m = features.lo / a.groups;
    const Var pairs = e.reshape(all, {a.groups, per_c, taps, a.groups, per_m});
    const Var kept = e.node<Einsum>({pairs}, {.equation = "gctgm->gmct"});
    int64_t dims[kMaxRank] = {features.lo, per_c};
    for (int d = 0; d < spatial; ++d) dims[d + 2] = a.kernel[static_cast<size_t>(d)];
    return e.finish(e.node<Reshape>({kept, e.ints(perm(dims))}));
  }
};

}  // namespace gf::op
