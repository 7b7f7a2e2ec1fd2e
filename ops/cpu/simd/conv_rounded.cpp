// Convolution from rounded operands: rounds the image, packs the weights, and leaves the rest to conv.cpp.
#include "ops/cpu/simd/conv_rounded.h"

#include <algorithm>
#include <cstring>

#include "ops/cpu/simd/conv_phase.h"
#include "ops/cpu/simd/gemm_driver.h"
#include "ops/cpu/simd/rounded.h"
#include "runtime/core/checked.h"

namespace gf::simd {
namespace {

constexpr int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

void round_image(const RoundedConvPlan& plan, const RoundedOps& ops, const float* input, float* image, const ParallelFor& parallel) {
  const int64_t channels = plan.group_channels, elements = div_up(channels, ops.values), groups = plan.product.shape.groups;
  if (channels % ops.values == 0) {
    constexpr int64_t kPiece = 16384;
    parallel.chunks(plan.pixels * groups * channels, kPiece, [&](int64_t begin, int64_t end, int) { ops.rows(input + begin, 0, 1, end - begin, image + begin / ops.values, 0); });
    return;
  }
  constexpr int64_t kPixels = 256;  // channels of a group are filled up with a zero
  parallel.chunks(plan.pixels * groups, kPixels, [&](int64_t begin, int64_t end, int) {
    ops.rows(input + begin * channels, channels, end - begin, channels, image + begin * elements, elements);
  });
}

/// Weights of one panel of one group: element (channel pair, tap) of column n. Plain weights are [n, channel, tap], transposed ones
/// [channel, n, tap].
struct Panel {
  const RoundedConvPlan* plan;
  const RoundedOps* ops;
  const float* weights;  ///< of the group and of the panel's first column
  int64_t columns, width;
  int64_t taps, channel_step, column_step;
};

constexpr int64_t kTapsAtOnce = 32;

/// Taps [first, first + count) of one channel as rows of kMaxTileCols columns.
void tap_rows(const Panel& p, int64_t channel, int64_t first, int64_t count, float* out) {
  gemm_kernels(p.plan->product.isa).transpose(p.weights + channel * p.channel_step + first, p.column_step, count, p.columns, out, kMaxTileCols);
}

/// Rows of the panel: taps of the phase, and of each the elements of its channels.
void pack_taps(const Panel& p, const Phase& phase, float* out) {
  const ConvShape& s = p.plan->product.shape;
  const int64_t channels = p.plan->group_channels, elements = div_up(channels, p.ops->values);
  alignas(64) float lines[2][kTapsAtOnce * kMaxTileCols];
  for (int64_t e = 0; e < elements; ++e) {
    const int64_t channel = e * p.ops->values, values = std::min<int64_t>(p.ops->values, channels - channel);
    for (int64_t first = 0; first < p.taps; first += kTapsAtOnce) {
      const int64_t count = std::min(kTapsAtOnce, p.taps - first);
      for (int64_t v = 0; v < values; ++v) tap_rows(p, channel + v, first, count, lines[v]);
      int64_t row = 0;  // number of the tap in the product
      for (int64_t d = 0; d < phase.taps[0]; ++d)
        for (int64_t h = 0; h < phase.taps[1]; ++h)
          for (int64_t w = 0; w < phase.taps[2]; ++w, ++row) {
            const int64_t tap = ((phase.tap0[0] + d * phase.tap_step[0]) * s.kernel[1] + phase.tap0[1] + h * phase.tap_step[1]) * s.kernel[2] +
                                phase.tap0[2] + w * phase.tap_step[2];
            if (tap < first || tap >= first + count) continue;
            const float* values_of_tap[2] = {lines[0] + (tap - first) * kMaxTileCols, lines[1] + (tap - first) * kMaxTileCols};
            p.ops->interleave_runs(values_of_tap, p.columns, values, out + (row * elements + e) * p.width, p.width);
          }
    }
  }
}

/// A kernel of one tap is a matrix.
void pack_matrix(const Panel& p, float* out) {
  if (p.channel_step == 1) p.ops->interleave_rows(p.weights, p.column_step, p.columns, p.plan->group_channels, out, p.width);
  else p.ops->interleave_columns(p.weights, p.channel_step, p.columns, p.plan->group_channels, out, p.width);
}

/// One phase of all groups: panels in parallel.
void pack_phase(const RoundedConvPlan& plan, const RoundedOps& ops, const Phase& phase, const float* weights, float* packed, const ParallelFor& parallel) {
  const ConvShape& s = plan.product.shape;
  const GemmKernels& kernels = *ops.kernels;
  const int64_t n = s.out_channels / s.groups, taps = s.kernel[0] * s.kernel[1] * s.kernel[2], panels = div_up(n, kernels.nr);
  const int64_t used = phase.taps[0] * phase.taps[1] * phase.taps[2], rows = used * div_up(plan.group_channels, ops.values);
  const auto group_floats = static_cast<int64_t>(packed_b_bytes(plan.product.isa, rows, n) / sizeof(float));
  if (rows == 0) return;
  parallel(s.groups * panels, [&](int64_t task, int) {
    const int64_t group = task / panels, column = task % panels * kernels.nr;
    Panel p{};
    p.plan = &plan;
    p.ops = &ops;
    p.columns = std::min<int64_t>(kernels.nr, n - column);
    p.width = p.columns <= kernels.lanes ? kernels.lanes : kernels.nr;
    p.taps = taps;
    p.channel_step = plan.product.transposed ? n * taps : taps;
    p.column_step = plan.product.transposed ? taps : plan.group_channels * taps;
    p.weights = weights + group * n * plan.group_channels * taps + column * p.column_step;
    float* out = packed + group * group_floats + column * rows;
    if (taps == 1) pack_matrix(p, out);
    else pack_taps(p, phase, out);
    if (p.columns < p.width)
      for (int64_t row = 0; row < rows; ++row) std::memset(out + row * p.width + p.columns, 0, static_cast<size_t>(p.width - p.columns) * sizeof(float));
  });
}

void pack_weights(const RoundedConvPlan& plan, const RoundedOps& ops, const float* weights, float* packed, const ParallelFor& parallel) {
  const ConvShape& s = plan.product.shape;
  if (!plan.product.transposed) {
    Phase whole{};
    for (int d = 0; d < 3; ++d) {
      whole.taps[d] = s.kernel[d];
      whole.tap_step[d] = 1;
    }
    return pack_phase(plan, ops, whole, weights, packed, parallel);
  }
  for (PhaseIterator it(plan.product); it.valid(); it.next()) {
    const Phase phase = it.get();
    pack_phase(plan, ops, phase, weights, packed, parallel);
    packed += static_cast<int64_t>(packed_b_bytes(plan.product.isa, phase.k, s.out_channels / s.groups) / sizeof(float)) * s.groups;
  }
}

}  // namespace

Error rounded_conv_plan(Isa isa, bool transposed, const ConvShape& shape, RoundedConvPlan& plan) {
  const RoundedOps ops = rounded_ops(isa);
  plan = {};
  GF_TRY(transposed ? conv_transpose_plan(isa, shape, plan.product) : conv_plan(isa, shape, plan.product));  // checks the sizes
  plan.group_channels = shape.in_channels / shape.groups;
  ConvShape elements = shape;
  elements.in_channels = div_up(plan.group_channels, ops.values) * shape.groups;
  GF_TRY(transposed ? conv_transpose_plan(isa, elements, plan.product) : conv_plan(isa, elements, plan.product));
  const ConvShape& s = plan.product.shape;
  plan.pixels = s.batch * s.in[0] * s.in[1] * s.in[2];
  const auto aligned = [](uint64_t bytes) { return (bytes + kGemmAlignment - 1) / kGemmAlignment * kGemmAlignment; };
  plan.image_bytes = aligned(static_cast<uint64_t>(plan.pixels * s.in_channels) * sizeof(float));
  plan.packed_bytes = aligned(plan.product.packed_bytes);
  return Error::Ok;
}

void conv_rounded(const RoundedConvPlan& plan, const float* input, const float* weights, float* output, const Epilogue& epilogue, void* scratch,
                  const ParallelFor& parallel) {
  const RoundedOps ops = rounded_ops(plan.product.isa);
  auto* memory = static_cast<unsigned char*>(scratch);
  auto* image = reinterpret_cast<float*>(memory);
  auto* packed = reinterpret_cast<float*>(memory + plan.image_bytes);
  round_image(plan, ops, input, image, parallel);
  pack_weights(plan, ops, weights, packed, parallel);
  ConvArgs args;
  args.input = image;
  args.packed = packed;
  args.output = output;
  args.kernels = ops.kernels;
  args.epilogue = epilogue;
  void* rest = memory + plan.image_bytes + plan.packed_bytes;
  if (plan.product.transposed) conv_transpose(plan.product, args, rest, parallel);
  else conv(plan.product, args, rest, parallel);
}

}  // namespace gf::simd
