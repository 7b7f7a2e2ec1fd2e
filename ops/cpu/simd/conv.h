// f32 convolution and transposed convolution in NHWC, 1 to 3 spatial dimensions, groups, any stride, dilation and
// padding, with the matrix product's epilogue. Implicit GEMM: no im2col buffer, no padded copy of the input.
// The caller owns every buffer; nothing here allocates. For one Isa, results are equal bit for bit for every number of
// threads. Functions may run on several threads at once as long as their outputs and scratch differ.
#pragma once

#include <cstdint>

#include "ops/cpu/simd/gemm.h"
#include "runtime/core/error.h"

namespace gf::simd {

/// A convolution's sizes. Spatial arrays are in tensor order (2-D: height, width); entries from spatial_rank on are
/// ignored. Tensors: input [batch, in..., in_channels], output [batch, out..., out_channels], dense.
struct ConvShape {
  int spatial_rank = 2;  ///< 1, 2 or 3
  int64_t batch = 1;
  int64_t in[3] = {1, 1, 1};
  int64_t in_channels = 1, out_channels = 1;
  int64_t kernel[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1};
  int64_t dilation[3] = {1, 1, 1};
  int64_t pad_begin[3] = {0, 0, 0};  ///< >= 0
  int64_t pad_end[3] = {0, 0, 0};    ///< >= 0
  int64_t groups = 1;                ///< divides both channel counts
  /// Transposed convolution: size added at the end of each output dimension (ONNX output_padding).
  int64_t output_pad[3] = {0, 0, 0};
};

/// A checked convolution with everything that pack and run need. Always three spatial dimensions inside: those that
/// the shape lacks are leading ones of size 1.
struct ConvPlan {
  Isa isa = Isa::Portable;
  bool transposed = false;
  ConvShape shape{};             ///< normalised to spatial_rank 3
  int64_t out[3] = {1, 1, 1};    ///< output sizes, normalised
  uint64_t packed_bytes = 0;     ///< of packed weights
  uint64_t worker_bytes = 0;     ///< scratch of one worker
  uint64_t scratch_bytes(int threads) const { return worker_bytes * static_cast<uint64_t>(threads < 1 ? 1 : threads); }
};

/// Plans a convolution: out = floor((in + pads - dilation * (kernel - 1) - 1) / stride) + 1.
/// InvalidArgument: a size outside its range (negative, groups that do not divide, output smaller than nothing);
/// LimitExceeded: sizes whose products do not fit in 63 bits.
Error conv_plan(Isa isa, const ConvShape& shape, ConvPlan& plan);

/// Plans a transposed convolution (gradient of conv with respect to its input; PyTorch ConvTranspose, ONNX
/// ConvTranspose): out = (in - 1) * stride - pads + dilation * (kernel - 1) + 1 + output_pad. Errors as conv_plan.
Error conv_transpose_plan(Isa isa, const ConvShape& shape, ConvPlan& plan);

/// How weights are stored. G = in_channels / groups, O = out_channels, I = in_channels, P = out_channels / groups.
enum class WeightLayout : uint8_t {
  Oihw = 0,  ///< [O, G, spatial...]; transposed: [I, P, spatial...] (ONNX, PyTorch)
  Ohwi = 1,  ///< [O, spatial..., G]; transposed: [I, spatial..., P]
};

struct ConvWeights {
  const void* data = nullptr;
  DType type = DType::F32;  ///< F32, F16 or BF16
  WeightLayout layout = WeightLayout::Oihw;
};

/// Packs weights for conv() or conv_transpose(). `packed`: plan.packed_bytes bytes, aligned to kGemmAlignment.
void conv_pack(const ConvPlan& plan, const ConvWeights& weights, void* packed);

struct ConvArgs {
  const float* input = nullptr;
  const void* packed = nullptr;  ///< from conv_pack with the same plan
  float* output = nullptr;       ///< overlaps no other operand (residual may be the output itself)
  /// bias [out_channels]; residual laid out as the output (residual_stride is ignored: the tensors are dense).
  Epilogue epilogue{};
  const struct GemmKernels* kernels = nullptr;  ///< of other elements than floats (conv_rounded.h); nullptr: the plan's of floats
};

/// Runs a planned convolution. `scratch`: plan.scratch_bytes(parallel.threads) bytes, aligned to kGemmAlignment.
void conv(const ConvPlan& plan, const ConvArgs& args, void* scratch, const ParallelFor& parallel);

/// Runs a planned transposed convolution: one product per residue of the output position modulo the stride, each over
/// the kernel taps that reach it, so that nothing is added up in memory and nothing is multiplied by inserted zeros.
void conv_transpose(const ConvPlan& plan, const ConvArgs& args, void* scratch, const ParallelFor& parallel);

}  // namespace gf::simd
