// The op table of the digits-only app, written by hand: the ops that gf-info shows in the converted digit classifier.
#pragma once

#include "ops/cpu/table.h"
#include "schema/op.h"
#include "schema/ops/conv.h"
#include "schema/ops/flatten.h"
#include "schema/ops/matmul.h"
#include "schema/ops/max_pool.h"
#include "schema/ops/reshape.h"
#include "schema/ops/softmax.h"
#include "schema/ops/transpose.h"

namespace gf::digits {

using Ops = OpList<op::Conv, op::MaxPool, op::Flatten, op::MatMul, op::Reshape, op::Softmax, op::Transpose>;
inline constexpr const Kernel* kKernels[] = {&cpu::conv_kernel,    &cpu::max_pool_kernel, &cpu::flatten_kernel,
                                             &cpu::matmul_kernel,  &cpu::reshape_kernel,  &cpu::softmax_kernel,
                                             &cpu::transpose_kernel};

}  // namespace gf::digits
