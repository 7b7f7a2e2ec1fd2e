// Loops over vectors of SIMD128 that elementwise functions share: one copy each of the rest of a row and of operands of one element.
#include "ops/cpu/simd/small_loops.h"

#include <wasm_simd128.h>

#include <cstring>

namespace gf::simd {
namespace {

/// A vector with the element of `bytes` at `p` in every lane.
v128_t spread(const void* p, size_t bytes) {
  switch (bytes) {
    case 1: return wasm_v128_load8_splat(p);
    case 2: return wasm_v128_load16_splat(p);
    case 4: return wasm_v128_load32_splat(p);
    default: return wasm_v128_load64_splat(p);
  }
}

}  // namespace

Vector128 load_rest(const float* p, size_t n) {
  v128_t v = wasm_f32x4_const_splat(0);
  if ((n & 2) != 0) {
    v = wasm_v128_load64_zero(p);
    if ((n & 1) != 0) v = wasm_v128_load32_lane(p + 2, v, 2);
  } else if (n != 0) {
    v = wasm_v128_load32_zero(p);
  }
  return v;
}

void store_rest(Vector128 v, float* p, size_t n) {
  if ((n & 2) != 0) {
    wasm_v128_store64_lane(p, v, 0);
    if ((n & 1) != 0) wasm_v128_store32_lane(p + 2, v, 2);
  } else if (n != 0) {
    wasm_v128_store32_lane(p, v, 0);
  }
}

void run_vectors(VectorLoop loop, size_t bytes, Operands operands, const void* a, const void* b, void* out, int64_t n) {
  if (n <= 0) return;
  const size_t size = static_cast<size_t>(n) * bytes, rest = size & 15, whole = size - rest;
  const auto *p = static_cast<const char*>(a), *q = static_cast<const char*>(b);
  size_t step_a = 16, step_b = 16;
  v128_t x, y;
  if (operands == Operands::ScalarVector) {
    x = spread(p, bytes);
    p = reinterpret_cast<const char*>(&x);
    step_a = 0;
  } else if (operands == Operands::VectorScalar) {
    y = spread(q, bytes);
    q = reinterpret_cast<const char*>(&y);
    step_b = 0;
  }
  if (whole != 0) loop(p, q, out, whole / 16, step_a, step_b);
  if (rest == 0) return;
  if (step_a != 0) x = load_rest(reinterpret_cast<const float*>(p + whole), rest / 4);
  if (step_b != 0) y = load_rest(reinterpret_cast<const float*>(q + whole), rest / 4);
  loop(&x, &y, &x, 1, 0, 0);
  store_rest(x, reinterpret_cast<float*>(static_cast<char*>(out) + whole), rest / 4);
}

void run_vectors(UnaryLoop loop, const float* in, float* out, int64_t n, float p0, float p1) {
  const auto count = static_cast<size_t>(n), rest = count & 3, whole = count - rest;
  if (whole != 0) loop(in, out, whole / 4, p0, p1);
  if (rest == 0) return;
  v128_t x = load_rest(in + whole, rest);
  auto* const one = reinterpret_cast<float*>(&x);
  loop(one, one, 1, p0, p1);
  store_rest(x, out + whole, rest);
}

void compare_vectors(unsigned accepted, const void* a, const void* b, bool a_scalar, bool b_scalar, uint8_t* out, int64_t n) {
  if (n <= 0) return;
  const auto mask = [accepted](unsigned bit) { return wasm_i32x4_splat((accepted & bit) != 0 ? -1 : 0); };
  const v128_t less = mask(1), equal = mask(2), flip = mask(4), ones = wasm_i8x16_const_splat(1);
  const auto *p = static_cast<const float*>(a), *q = static_cast<const float*>(b);
  v128_t x = wasm_v128_load32_splat(p), y = wasm_v128_load32_splat(q);
  for (; n > 0; n -= 4, p += 4, q += 4, out += 4) {
    const auto left = static_cast<size_t>(n);
    if (!a_scalar) x = left >= 4 ? wasm_v128_load(p) : load_rest(p, left);
    if (!b_scalar) y = left >= 4 ? wasm_v128_load(q) : load_rest(q, left);
    const v128_t found = wasm_v128_or(wasm_v128_and(wasm_f32x4_lt(x, y), less), wasm_v128_and(wasm_f32x4_eq(x, y), equal));
    const v128_t words = wasm_v128_xor(found, flip), halves = wasm_i16x8_narrow_i32x4(words, words);
    const v128_t result = wasm_v128_and(wasm_i8x16_narrow_i16x8(halves, halves), ones);
    if (left >= 4) {
      wasm_v128_store32_lane(out, result, 0);
    } else {
      wasm_v128_store8_lane(out, result, 0);
      if (left > 1) wasm_v128_store8_lane(out + 1, result, 1);
      if (left > 2) wasm_v128_store8_lane(out + 2, result, 2);
    }
  }
}

void select_vectors(size_t bytes, const uint8_t* condition, const void* a, const void* b, bool a_scalar, bool b_scalar, void* out, int64_t n) {
  if (n <= 0) return;
  // Sixteen conditions choose `bytes` vectors; `first` numbers the condition of every byte of the first of them.
  const v128_t numbers = wasm_i8x16_const(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), zero = wasm_i8x16_const_splat(0);
  const v128_t first = wasm_u8x16_shr(numbers, static_cast<uint32_t>(__builtin_ctz(static_cast<unsigned>(bytes))));
  const v128_t next = wasm_i8x16_splat(static_cast<int8_t>(16 / bytes));
  const auto *p = static_cast<const char*>(a), *q = static_cast<const char*>(b);
  auto* to = static_cast<char*>(out);
  const size_t step = 16 * bytes;
  v128_t x = spread(p, bytes), y = spread(q, bytes);
  char rest_a[128], rest_b[128], rest_out[128];
  for (; n > 0; n -= 16, condition += 16, p += step, q += step, to += step) {
    const bool last = n < 16;
    v128_t c = zero;
    char* from = to;
    if (last) {
      const size_t size = static_cast<size_t>(n) * bytes;
      std::memcpy(&c, condition, static_cast<size_t>(n));
      if (!a_scalar) p = static_cast<char*>(std::memcpy(rest_a, p, size));
      if (!b_scalar) q = static_cast<char*>(std::memcpy(rest_b, q, size));
      from = rest_out;
    } else {
      c = wasm_v128_load(condition);
    }
    v128_t lane = first;
    for (size_t k = 0; k < step; k += 16, lane = wasm_i8x16_add(lane, next)) {
      if (!a_scalar) x = wasm_v128_load(p + k);
      if (!b_scalar) y = wasm_v128_load(q + k);
      wasm_v128_store(from + k, wasm_v128_bitselect(y, x, wasm_i8x16_eq(wasm_i8x16_swizzle(c, lane), zero)));
    }
    if (last) std::memcpy(to, rest_out, static_cast<size_t>(n) * bytes);
  }
}

}  // namespace gf::simd
