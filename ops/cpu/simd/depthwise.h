// Depthwise convolution of f32 NHWC tensors: each input channel has `multiplier` filters of its own.
// Thread rule: pure functions; tasks are groups of output rows, cut by shape only. No scratch.
#pragma once

#include <cstdint>

#include "ops/cpu/simd/activation.h"
#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// in [batch, in_h, in_w, channels], weights [kernel_h, kernel_w, channels * multiplier] (see depthwise_pack), bias
/// [channels * multiplier] or null, out [batch, out_h, out_w, channels * multiplier]. Output channel c * multiplier + m
/// reads input channel c. Bottom and right padding follow from out_h and out_w. in and out do not overlap.
struct DepthwiseArgs {
  const float* in = nullptr;
  const float* weights = nullptr;
  const float* bias = nullptr;
  float* out = nullptr;
  int64_t batch = 1, in_h = 0, in_w = 0, channels = 0, multiplier = 1, out_h = 0, out_w = 0;
  int64_t kernel_h = 3, kernel_w = 3, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0;
  ActivationSpec activation;
};

/// ONNX weights [channels * multiplier, 1, kernel_h, kernel_w] to [kernel_h, kernel_w, channels * multiplier].
void depthwise_pack(const float* weights, int64_t out_channels, int64_t kernel_h, int64_t kernel_w, float* packed);

void depthwise_f32(Isa isa, const DepthwiseArgs& args, const ParallelFor& parallel);

}  // namespace gf::simd
