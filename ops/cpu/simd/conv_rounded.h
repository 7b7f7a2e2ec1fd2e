// Convolutions of conv.h from operands rounded to bfloat16, sums in f32. The image is rounded once, into elements of rounded.h whose
// channels the product then gathers as it gathers floats; weights are packed in every run. The caller owns every buffer.
#pragma once

#include "ops/cpu/simd/conv.h"

namespace gf::simd {

struct RoundedConvPlan {
  ConvPlan product;            ///< of elements: channels per group are elements per pixel
  int64_t group_channels = 1;  ///< of the input, values
  int64_t pixels = 0;          ///< of the input, all images
  uint64_t image_bytes = 0;    ///< rounded input, a multiple of kGemmAlignment
  uint64_t packed_bytes = 0;   ///< weights, likewise

  uint64_t scratch_bytes(int threads) const { return image_bytes + packed_bytes + product.scratch_bytes(threads); }
};
/// Errors as conv_plan() and conv_transpose_plan().
Error rounded_conv_plan(Isa isa, bool transposed, const ConvShape& shape, RoundedConvPlan& plan);

/// `weights`: f32 as ONNX has them (WeightLayout::Oihw). `scratch`: plan.scratch_bytes(parallel.threads), aligned to kGemmAlignment.
void conv_rounded(const RoundedConvPlan& plan, const float* input, const float* weights, float* output, const Epilogue& epilogue, void* scratch,
                  const ParallelFor& parallel);

}  // namespace gf::simd
