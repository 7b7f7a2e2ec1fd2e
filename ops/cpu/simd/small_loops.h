// What loops over vectors of 16 bytes share where code is to be small (GF_SMALL_LOOPS: WebAssembly only): operands of one element, and
// the rest behind the last whole vector. Functions for one target, defined in ops/wasm/small_loops.cpp.
// Thread rule: pure functions. Nothing is read or written beyond element n - 1; an output may be the same array as an operand.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cpu/simd/elementwise.h"

namespace gf::simd {

/// out[i] = f(a[i], b[i]) for `count` vectors; `step` is the bytes from one vector of an operand to the next: 16, or 0.
using VectorLoop = void (*)(const void* a, const void* b, void* out, size_t count, size_t step_a, size_t step_b);
/// `n` elements of `bytes`, 4 or 8; all arrays have elements of that size.
void run_vectors(VectorLoop loop, size_t bytes, Operands operands, const void* a, const void* b, void* out, int64_t n);

/// out[i] = f(in[i]; p0, p1) for `count` vectors of floats.
using UnaryLoop = void (*)(const float* in, float* out, size_t count, float p0, float p1);
void run_vectors(UnaryLoop loop, const float* in, float* out, int64_t n, float p0, float p1);

/// out[i] = 1 where a comparison of floats holds, else 0: bits of `accepted`: 1: a < b, 2: a == b, 4: the opposite of what the others
/// say.
void compare_vectors(unsigned accepted, const void* a, const void* b, bool a_scalar, bool b_scalar, uint8_t* out, int64_t n);

/// out[i] = condition[i] != 0 ? a[i] : b[i]; elements of 1, 2, 4 or 8 bytes.
void select_vectors(size_t bytes, const uint8_t* condition, const void* a, const void* b, bool a_scalar, bool b_scalar, void* out, int64_t n);

#ifdef __wasm_simd128__
using Vector128 = int32_t __attribute__((vector_size(16)));  ///< v128_t of wasm_simd128.h
/// The first n floats at p, 0 to 3 of them; the other lanes are 0. Never in line: a row has one end.
Vector128 load_rest(const float* p, size_t n);
void store_rest(Vector128 v, float* p, size_t n);
#endif

}  // namespace gf::simd
