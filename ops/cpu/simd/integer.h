// Products of bytes with int32 sums, exact (wrapping), so that every level gives the same numbers; and float32 to bytes. The right side is packed:
// sums of its columns, then panels of 16 columns, four rows side by side, which is what one instruction of VNNI takes.
// Thread rule: pure functions.
#pragma once

#include <cstdint>

#include "runtime/kernel/isa.h"

namespace gf::simd {

inline constexpr int64_t kIntegerPanel = 16;  ///< columns of a panel
inline constexpr int64_t kIntegerDepth = 4;   ///< rows that stand side by side in it

/// Bytes in a row of the left side: its depth, filled up.
constexpr int64_t integer_row_bytes(int64_t depth) { return (depth + kIntegerDepth - 1) / kIntegerDepth * kIntegerDepth; }
constexpr int64_t integer_columns(int64_t columns) { return (columns + kIntegerPanel - 1) / kIntegerPanel * kIntegerPanel; }
/// Of a right side [depth, columns].
constexpr int64_t integer_packed_bytes(int64_t depth, int64_t columns) { return integer_columns(columns) * (integer_row_bytes(depth) + 4); }
/// element(row, column) stands at b[row * row_stride + column * column_stride].
void integer_pack(const int8_t* b, int64_t row_stride, int64_t column_stride, int64_t depth, int64_t columns, void* packed);

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

/// y = round half to even(x / scale) + zero, saturated; NaN gives 0. `is_signed`: y are int8.
void quantize_f32(Isa isa, const float* x, int64_t count, float scale, int32_t zero, bool is_signed, void* y);

}  // namespace gf::simd
