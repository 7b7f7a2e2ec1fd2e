// Which vector function computes an elementwise op on f32, with its two parameters taken from the op's attributes. Shared
// by the elementwise kernels and the pointwise chain. Constant data.
#pragma once

#include "ops/cpu/simd/elementwise.h"

namespace gf::simd {

/// Function of a unary op with its parameters bound; `function` is null when there is none for these attributes.
struct BoundUnary {
  UnaryF32 function = nullptr;
  float p0 = 0, p1 = 0;
};
/// `op` is OpInfo::id, `attrs` the op's Attrs.
BoundUnary bind_unary(Isa isa, uint16_t op, const void* attrs);

/// Vector form of a binary op on f32; false when there is none for these attributes.
bool find_binary(uint16_t op, const void* attrs, BinaryKind& kind);

}  // namespace gf::simd
