// Checks of convolution shapes and sizes of what they need. The only place of the convolutions that may fail.
#include <algorithm>

#include "ops/cpu/simd/conv.h"
#include "ops/cpu/simd/conv_phase.h"
#include "ops/cpu/simd/gemm_driver.h"
#include "runtime/core/checked.h"

namespace gf::simd {
namespace {

/// Leading dimensions of size 1 are added, so that there are three.
ConvShape normalise(const ConvShape& s) {
  ConvShape out = s;
  const int missing = 3 - s.spatial_rank;
  for (int d = 0; d < 3; ++d) {
    const bool real = d >= missing;
    const int from = real ? d - missing : 0;
    out.in[d] = real ? s.in[from] : 1;
    out.kernel[d] = real ? s.kernel[from] : 1;
    out.stride[d] = real ? s.stride[from] : 1;
    out.dilation[d] = real ? s.dilation[from] : 1;
    out.pad_begin[d] = real ? s.pad_begin[from] : 0;
    out.pad_end[d] = real ? s.pad_end[from] : 0;
    out.output_pad[d] = real ? s.output_pad[from] : 0;
  }
  out.spatial_rank = 3;
  return out;
}

bool in_range(const ConvShape& s) {
  // Products of two such numbers, and sums of a few, fit in 63 bits.
  constexpr int64_t kMost = int64_t{1} << 30;
  const auto within = [](int64_t v, int64_t low) { return v >= low && v <= kMost; };
  if (s.batch < 0 || s.batch > kMost || !within(s.in_channels, 1) || !within(s.out_channels, 1)) return false;
  if (!within(s.groups, 1) || s.in_channels % s.groups != 0 || s.out_channels % s.groups != 0) return false;
  for (int d = 0; d < 3; ++d) {
    if (!within(s.in[d], 0) || !within(s.kernel[d], 1) || !within(s.stride[d], 1) || !within(s.dilation[d], 1))
      return false;
    if (!within(s.pad_begin[d], 0) || !within(s.pad_end[d], 0) || !within(s.output_pad[d], 0)) return false;
  }
  return true;
}

bool product_fits(const int64_t (&dims)[3], int64_t a, int64_t b) {
  int64_t n = 4;
  for (int64_t d : {dims[0], dims[1], dims[2], a, b})
    if (!mul_checked(n, std::max<int64_t>(d, 1), n)) return false;
  return true;
}

Error prepare(Isa isa, const ConvShape& shape, ConvPlan& plan) {
  if (shape.spatial_rank < 1 || shape.spatial_rank > 3) return Error::InvalidArgument;
  plan = ConvPlan{};
  plan.isa = isa;
  plan.shape = normalise(shape);
  return in_range(plan.shape) ? Error::Ok : Error::InvalidArgument;
}

Error check_products(const ConvPlan& plan) {
  const ConvShape& s = plan.shape;
  const bool fits = product_fits(s.in, s.batch, s.in_channels) && product_fits(plan.out, s.batch, s.out_channels) &&
                    product_fits(s.kernel, s.in_channels, s.out_channels + 2 * kMaxTileCols * s.groups);
  return fits ? Error::Ok : Error::LimitExceeded;
}

}  // namespace

Error conv_plan(Isa isa, const ConvShape& shape, ConvPlan& plan) {
  GF_TRY(prepare(isa, shape, plan));
  const ConvShape& s = plan.shape;
  for (int d = 0; d < 3; ++d) {
    const int64_t room = s.in[d] + s.pad_begin[d] + s.pad_end[d] - s.dilation[d] * (s.kernel[d] - 1) - 1;
    if (room < 0) return Error::InvalidArgument;
    plan.out[d] = room / s.stride[d] + 1;
  }
  GF_TRY(check_products(plan));
  const int64_t k = s.kernel[0] * s.kernel[1] * s.kernel[2] * (s.in_channels / s.groups);
  const int64_t n = s.out_channels / s.groups;
  const int64_t m = s.batch * plan.out[0] * plan.out[1] * plan.out[2];
  plan.packed_bytes = packed_b_bytes(isa, k, n) * static_cast<uint64_t>(s.groups);
  plan.worker_bytes = grid_scratch_bytes(make_grid(gemm_kernels(isa), s.groups, m, n, k, true));
  return Error::Ok;
}

Error conv_transpose_plan(Isa isa, const ConvShape& shape, ConvPlan& plan) {
  GF_TRY(prepare(isa, shape, plan));
  plan.transposed = true;
  const ConvShape& s = plan.shape;
  for (int d = 0; d < 3; ++d) {
    if (s.in[d] == 0) return Error::InvalidArgument;
    plan.out[d] = (s.in[d] - 1) * s.stride[d] + s.dilation[d] * (s.kernel[d] - 1) + 1 + s.output_pad[d] -
                  s.pad_begin[d] - s.pad_end[d];
    if (plan.out[d] <= 0) return Error::InvalidArgument;
  }
  GF_TRY(check_products(plan));
  const int64_t n = s.out_channels / s.groups;
  for (PhaseIterator it(plan); it.valid(); it.next()) {
    const Phase phase = it.get();
    plan.packed_bytes += packed_b_bytes(isa, phase.k, n) * static_cast<uint64_t>(s.groups);
    const GemmGrid grid = make_grid(gemm_kernels(isa), s.groups, phase.m, n, phase.k, true);
    plan.worker_bytes = std::max(plan.worker_bytes, grid_scratch_bytes(grid));
  }
  return Error::Ok;
}

}  // namespace gf::simd
