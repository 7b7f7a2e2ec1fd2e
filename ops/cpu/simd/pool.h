// Pooling of f32 NHWC tensors. ceil_mode and auto_pad are already resolved into out_h, out_w and the pads.
// Thread rule: pure functions; tasks are output rows, cut by shape only. No scratch (global pooling: reduce_f32 on
// [batch, h * w, channels]).
#pragma once

#include <cstdint>

#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

enum class PoolKind : uint8_t {
  Max,      ///< NaN in the window gives NaN; a window that lies in the padding alone gives -inf
  Average,  ///< over the elements inside the image, or inside the padded image with count_include_pad
  Lp,       ///< (sum |x|^p)^(1/p)
};

/// in [batch, in_h, in_w, channels], out [batch, out_h, out_w, channels], dense, not overlapping.
struct PoolArgs {
  const float* in = nullptr;
  float* out = nullptr;
  int64_t* indices = nullptr;  ///< Max only, may be null: like `out`, see max_pool index rule below
  int64_t batch = 1, in_h = 0, in_w = 0, channels = 0, out_h = 0, out_w = 0;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  bool count_include_pad = false;
  bool column_major_index = false;  ///< ONNX storage_order = 1
  int p = 2;                        ///< Lp
};

/// Index rule: the first greatest element of the window, as a flat index into the tensor in NCHW order (what ONNX's
/// MaxPool gives): ((n * channels + c) * in_h + h) * in_w + w, or (... * in_w + w) * in_h + h when column-major.
void pool_f32(Isa isa, PoolKind kind, const PoolArgs& args, const ParallelFor& parallel);

/// Gradient of max pooling: dx [batch, in_h, in_w, channels] gets each dy [batch, out_h, out_w, channels] at the greatest element of its
/// window in args.in, the first of equal ones, the last NaN. args.out and args.indices are not looked at. Tasks are blocks of channels
/// of an image; sums run in the order of the windows.
void max_pool_grad_f32(Isa isa, const PoolArgs& args, const float* dy, float* dx, const ParallelFor& parallel);

}  // namespace gf::simd
