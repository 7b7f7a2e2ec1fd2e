// Convolution and transposed convolution as matrix products whose rows of A are gathered on the fly.
#include "ops/cpu/simd/conv.h"

#include <algorithm>

#include "ops/cpu/simd/conv_fill.h"
#include "ops/cpu/simd/conv_phase.h"
#include "ops/cpu/simd/gemm_driver.h"

namespace gf::simd {
namespace {

/// Element strides of weights: outer channel (the first dimension), inner channel, taps.
struct WeightStrides {
  int64_t outer, inner, tap[3];
};
WeightStrides weight_strides(const ConvShape& s, WeightLayout layout, int64_t inner_channels) {
  const int64_t area = s.kernel[1] * s.kernel[2], volume = s.kernel[0] * area;
  if (layout == WeightLayout::Ohwi)
    return {volume * inner_channels, 1, {area * inner_channels, s.kernel[2] * inner_channels, inner_channels}};
  return {volume * inner_channels, volume, {area, s.kernel[2], 1}};
}

/// Packs one product's B: rows are `taps` (as index offsets into the weights) times channels, columns out channels.
/// Rows come in runs of `channels` with constant strides, so each run of each panel is packed on its own.
void pack_taps(const GemmKernels& kernels, const ConvWeights& w, const int64_t (&taps)[3], const int64_t (&step)[3],
               int64_t base, int64_t channels, int64_t channel_stride, int64_t n, int64_t n_stride, float* out) {
  const PackSource source{w.data, w.type, channel_stride, n_stride};
  for (int64_t col = 0; col < n; col += kernels.nr) {
    const int64_t columns = std::min<int64_t>(kernels.nr, n - col);
    const int64_t width = columns <= kernels.lanes ? kernels.lanes : kernels.nr;
    for (int64_t d = 0; d < taps[0]; ++d)
      for (int64_t h = 0; h < taps[1]; ++h)
        for (int64_t x = 0; x < taps[2]; ++x) {
          const int64_t at = base + d * step[0] + h * step[1] + x * step[2] + col * n_stride;
          pack_panel(kernels, advance(source, at), channels, columns, width, out);
          out += channels * width;
        }
  }
}

void pack_conv(const ConvPlan& plan, const ConvWeights& w, float* out) {
  const ConvShape& s = plan.shape;
  const GemmKernels& kernels = gemm_kernels(plan.isa);
  const int64_t channels = s.in_channels / s.groups, n = s.out_channels / s.groups;
  const WeightStrides strides = weight_strides(s, w.layout, channels);
  const auto one = static_cast<int64_t>(plan.packed_bytes / 4) / s.groups;
  for (int64_t g = 0; g < s.groups; ++g)
    pack_taps(kernels, w, s.kernel, strides.tap, g * n * strides.outer, channels, strides.inner, n, strides.outer,
              out + g * one);
}

void pack_transposed(const ConvPlan& plan, const ConvWeights& w, float* out) {
  const ConvShape& s = plan.shape;
  const GemmKernels& kernels = gemm_kernels(plan.isa);
  const int64_t channels = s.in_channels / s.groups, n = s.out_channels / s.groups;
  const WeightStrides strides = weight_strides(s, w.layout, n);
  for (PhaseIterator it(plan); it.valid(); it.next()) {
    const Phase phase = it.get();
    const auto one = static_cast<int64_t>(packed_b_bytes(plan.isa, phase.k, n) / 4);
    int64_t base = 0, step[3];
    for (int d = 0; d < 3; ++d) {
      base += phase.tap0[d] * strides.tap[d];
      step[d] = phase.tap_step[d] * strides.tap[d];
    }
    for (int64_t g = 0; g < s.groups; ++g, out += one)
      if (phase.k > 0)
        pack_taps(kernels, w, phase.taps, step, base + g * channels * strides.outer, channels, strides.outer, n,
                  strides.inner, out);
  }
}

/// What the driver's callbacks need. A group is one product of the batch.
struct Context {
  Isa isa;
  const ConvArgs* args;
  ConvGather gather;  ///< of group 0
  GatherRows rows;
  const float* packed;
  int64_t packed_stride;  ///< per group
  int64_t channels, n;    ///< per group
  // Where rows go, for transposed convolutions only.
  int64_t out[3], stride[3], first[3];
};

void fill(const void* context, int64_t group, int64_t row, int64_t rows, int64_t k, int64_t kc, float* out,
          int64_t stride) {
  const Context& self = *static_cast<const Context*>(context);
  ConvGather gather = self.gather;
  gather.input += group * self.channels;
  self.rows(gather, row, rows, k, kc, out, stride);
}

/// 1x1 without stride and padding: rows are the input's pixels.
void fill_pixels(const void* context, int64_t group, int64_t row, int64_t rows, int64_t k, int64_t kc, float* out,
                 int64_t stride) {
  const Context& self = *static_cast<const Context*>(context);
  const float* a = self.gather.input + group * self.channels + row * self.gather.pixel + k;
  gemm_kernels(self.isa).copy_rows(a, self.gather.pixel, rows, kc, out, stride);
}

ViewOfA view_pixels(const void* context, int64_t group) {
  const Context& self = *static_cast<const Context*>(context);
  return {self.gather.input + group * self.channels, self.gather.pixel, 1};
}

Operands operands(const void* context, int64_t group) {
  const Context& self = *static_cast<const Context*>(context);
  const Epilogue& e = self.args->epilogue;
  const int64_t channel = group * self.n;
  Operands out;
  out.b = self.packed + group * self.packed_stride;
  out.c = self.args->output + channel;
  out.bias = e.bias == nullptr ? nullptr : e.bias + channel;
  out.residual = e.residual == nullptr ? nullptr : e.residual + channel;
  return out;
}

int64_t map_row(const void* context, int64_t row) {
  const Context& c = *static_cast<const Context*>(context);
  const int64_t(&size)[3] = c.gather.size;
  const int64_t w = row % size[2];
  row /= size[2];
  const int64_t h = row % size[1];
  row /= size[1];
  const int64_t d = row % size[0], n = row / size[0];
  return ((n * c.out[0] + c.first[0] + d * c.stride[0]) * c.out[1] + c.first[1] + h * c.stride[1]) * c.out[2] +
         c.first[2] + w * c.stride[2];
}

Context make_context(const ConvPlan& plan, const ConvArgs& args) {
  const ConvShape& s = plan.shape;
  Context c{};
  c.isa = plan.isa;
  c.args = &args;
  c.rows = gather_rows(plan.isa);
  c.packed = static_cast<const float*>(args.packed);
  c.channels = s.in_channels / s.groups;
  c.n = s.out_channels / s.groups;
  c.gather.input = args.input;
  c.gather.pixel = s.in_channels;
  c.gather.channels = c.channels;
  for (int d = 0; d < 3; ++d) {
    c.gather.in[d] = s.in[d];
    c.out[d] = plan.out[d];
    c.stride[d] = s.stride[d];
  }
  return c;
}

GemmProblem make_problem(const ConvPlan& plan, const ConvArgs& args, const Context& context) {
  GemmProblem p;
  p.kernels = args.kernels != nullptr ? args.kernels : &gemm_kernels(plan.isa);
  p.batch = plan.shape.groups;
  p.n = context.n;
  p.fill = fill;
  p.operands = operands;
  p.context = &context;
  p.ldc = p.residual_stride = plan.shape.out_channels;
  p.residual_scale = args.epilogue.residual_scale;
  p.activation = args.epilogue.activation;
  return p;
}

bool reads_pixels_in_order(const ConvShape& s) {
  for (int d = 0; d < 3; ++d)
    if (s.kernel[d] != 1 || s.stride[d] != 1 || s.pad_begin[d] != 0 || s.pad_end[d] != 0) return false;
  return true;
}

}  // namespace

void conv_pack(const ConvPlan& plan, const ConvWeights& weights, void* packed) {
  if (plan.transposed) {
    pack_transposed(plan, weights, static_cast<float*>(packed));
  } else {
    pack_conv(plan, weights, static_cast<float*>(packed));
  }
}

void conv(const ConvPlan& plan, const ConvArgs& args, void* scratch, const ParallelFor& parallel) {
  const ConvShape& s = plan.shape;
  Context context = make_context(plan, args);
  for (int d = 0; d < 3; ++d) {
    context.gather.taps[d] = s.kernel[d];
    context.gather.tap_step[d] = s.dilation[d];
    context.gather.size[d] = plan.out[d];
    context.gather.step[d] = s.stride[d];
    context.gather.origin[d] = -s.pad_begin[d];
  }
  context.packed_stride = static_cast<int64_t>(plan.packed_bytes / 4) / s.groups;
  GemmProblem p = make_problem(plan, args, context);
  p.m = s.batch * plan.out[0] * plan.out[1] * plan.out[2];
  p.k = s.kernel[0] * s.kernel[1] * s.kernel[2] * context.channels;
  if (reads_pixels_in_order(s)) {
    p.fill = fill_pixels;
    p.view = view_pixels;
  }
  run_gemm(plan.isa, p, scratch, parallel);
}

void conv_transpose(const ConvPlan& plan, const ConvArgs& args, void* scratch, const ParallelFor& parallel) {
  const ConvShape& s = plan.shape;
  Context context = make_context(plan, args);
  for (PhaseIterator it(plan); it.valid(); it.next()) {
    const Phase phase = it.get();
    for (int d = 0; d < 3; ++d) {
      context.gather.taps[d] = phase.taps[d];
      context.gather.tap_step[d] = phase.in_step[d];
      context.gather.size[d] = phase.count[d];
      context.gather.step[d] = 1;
      context.gather.origin[d] = phase.origin[d];
      context.first[d] = phase.first[d];
    }
    context.packed_stride = static_cast<int64_t>(packed_b_bytes(plan.isa, phase.k, context.n) / 4);
    GemmProblem p = make_problem(plan, args, context);
    p.m = phase.m;
    p.k = phase.k;
    const bool every_position = s.stride[0] == 1 && s.stride[1] == 1 && s.stride[2] == 1;
    p.map_row = every_position ? nullptr : map_row;  // rows in order go straight to their places
    run_gemm(plan.isa, p, scratch, parallel);
    context.packed += context.packed_stride * s.groups;
  }
}

}  // namespace gf::simd
