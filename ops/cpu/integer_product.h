// What conv_integer, matmul_integer and their quantised forms share. Plain functions on caller memory: no heap, any thread.
#pragma once

#include "ops/cpu/op_util.h"

namespace gf::cpu {

/// Element k of an int8 or uint8 tensor.
inline int32_t byte_at(const TensorView& t, int64_t k) {
  return t.dtype == DType::I8 ? static_cast<int32_t>(t.as<const int8_t>()[k]) : static_cast<int32_t>(t.as<const uint8_t>()[k]);
}

inline const TensorView* input_or_null(const RunContext& c, int i) { return c.has_input(i) ? &c.input(i) : nullptr; }

}  // namespace gf::cpu
