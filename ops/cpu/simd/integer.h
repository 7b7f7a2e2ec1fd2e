// Products of bytes with int32 sums, exact (wrapping), so that every level gives the same numbers; float32 to bytes and back. The right side is
// packed: sums of its columns, then panels of 16 columns, four rows side by side, which is what one instruction of VNNI takes (WebAssembly: two).
// Thread rule: pure functions.
#pragma once

#include <cstdint>

#include "runtime/kernel/isa.h"

namespace gf::simd {

inline constexpr int64_t kIntegerPanel = 16;  ///< columns of a panel
#ifdef __wasm_simd128__
inline constexpr int64_t kIntegerDepth = 2;   ///< rows that stand side by side in it
#else
inline constexpr int64_t kIntegerDepth = 4;
#endif

/// Bytes in a row of the left side: its depth, filled up.
constexpr int64_t integer_row_bytes(int64_t depth) { return (depth + kIntegerDepth - 1) / kIntegerDepth * kIntegerDepth; }
constexpr int64_t integer_columns(int64_t columns) { return (columns + kIntegerPanel - 1) / kIntegerPanel * kIntegerPanel; }
/// Of a right side [depth, columns].
constexpr int64_t integer_packed_bytes(int64_t depth, int64_t columns) { return integer_columns(columns) * (integer_row_bytes(depth) + 4); }
/// The right side as it lies in memory: rows are counted by tap, then by channel.
struct IntegerSide {
  const int8_t* b = nullptr;  ///< element of tap t, channel i and a column: b[t * tap_stride + i * channel_stride + column * column_stride]
  int64_t taps = 1, channels = 0, columns = 0;
  int64_t tap_stride = 0, channel_stride = 0, column_stride = 0;
};
void integer_pack(const IntegerSide& side, void* packed);

struct IntegerProduct {
  const uint8_t* a = nullptr;      ///< [rows, integer_row_bytes(depth)]; what fills a row up may be anything
  int64_t a_stride = 0;            ///< bytes
  int64_t rows = 0, depth = 0, columns = 0;
  const void* packed = nullptr;
  const int32_t* start = nullptr;  ///< [integer_columns(columns)]: what sums begin with
  int32_t* c = nullptr;
  int64_t c_stride = 0;            ///< elements
};
/// c[row][column] = start[column] + sum of a[row][k] * b[k][column].
void integer_product(Isa isa, const IntegerProduct& p);
/// The sums of columns in packed memory, times -zero: where sums begin so that they are those of a - zero.
void integer_start(const void* packed, int64_t columns, int32_t zero, int32_t* start);

/// Which bytes: int8 or uint8 with a zero point.
struct ByteForm {
  int32_t zero = 0;
  bool is_signed = false;
};
/// y = round half to even(x / scale) + zero, saturated; NaN gives 0.
void quantize_f32(Isa isa, const float* x, int64_t count, float scale, ByteForm form, void* y);
/// y = (x - zero) * scale.
void dequantize_f32(Isa isa, const void* x, int64_t count, float scale, ByteForm form, float* y);
/// y = round half to even(sums * scale of their column) + zero, saturated.
void requantize(Isa isa, const int32_t* sums, int64_t rows, int64_t columns, const float* scale, ByteForm form, void* y);
/// The least and the greatest of x and what low and high were; NaN does not count.
void widen_range(Isa isa, const float* x, int64_t count, float& low, float& high);

}  // namespace gf::simd
