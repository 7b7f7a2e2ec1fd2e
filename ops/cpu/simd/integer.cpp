// Four products and their sum per lane: one instruction with VNNI; else the bytes of even and of odd places as int16, whose products are added in
// pairs. WebAssembly: two products per lane, of bytes widened to int16. Tiles of sums stay in registers.
#define GF_SIMD_WANT_AVX3_DL
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/integer.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/integer.h"

#ifndef GF_SIMD_INTEGER_TABLE
#define GF_SIMD_INTEGER_TABLE
#include <cmath>
#include <cstring>

namespace gf::simd {
struct IntegerTable {
  void (*product)(const IntegerProduct&);
  void (*quantize)(const float* x, int64_t count, float scale, ByteForm form, void* y);
  void (*dequantize)(const void* x, int64_t count, float scale, ByteForm form, float* y);
  void (*requantize)(const int32_t* sums, int64_t rows, int64_t columns, const float* scale, ByteForm form, void* y);
  void (*range)(const float* x, int64_t count, float& low, float& high);
};
constexpr int32_t least_byte(ByteForm f) { return f.is_signed ? -128 : 0; }
constexpr int32_t greatest_byte(ByteForm f) { return f.is_signed ? 127 : 255; }
inline const int8_t* panel_of(const void* packed, int64_t columns, int64_t depth, int64_t panel) {
  return static_cast<const int8_t*>(packed) + 4 * integer_columns(columns) + panel * kIntegerPanel * integer_row_bytes(depth);
}
/// As the portable kernels: NaN of quantize_linear gives 0.
[[gnu::noinline]] inline uint8_t round_one(float ratio, ByteForm form) {
  const double r = std::nearbyint(static_cast<double>(ratio)) + form.zero;
  if (!(r == r)) return 0;
  const int32_t low = least_byte(form), high = greatest_byte(form);
  return static_cast<uint8_t>(static_cast<int32_t>(r < low ? low : (r > high ? high : r)));
}
/// An int8 with this bit turned is itself and 128, as uint8.
constexpr int32_t flipped(ByteForm f) { return f.is_signed ? 0x80 : 0; }
inline float widen_one(const void* x, int64_t i, float scale, ByteForm form) {
  return static_cast<float>((static_cast<const uint8_t*>(x)[i] ^ flipped(form)) - flipped(form) - form.zero) * scale;
}
inline void widen_range_by(float x, float& low, float& high) {
  low = x < low ? x : low;
  high = x > high ? x : high;
}
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_WASM

constexpr int kWideRows = 16, kWideDepth = 512;  // of the left side, widened at once
constexpr int kRows = 4, kLanes = 4, kColumns = 8;  // half a panel: V8 keeps more than 8 sums in memory

// Sums of pairs of numbers; `from` is what they begin with.
template <int kTileRows>
void tile(const int16_t* a, const int8_t* b, int pairs, const int32_t* from, int64_t from_stride, int32_t* c, int64_t c_stride) {
  v128_t sums[kTileRows][2];
  GF_UNROLL(4)
  for (int r = 0; r < kTileRows; ++r)
    GF_UNROLL(2)
    for (int v = 0; v < 2; ++v) sums[r][v] = wasm_v128_load(from + r * from_stride + v * kLanes);
  for (; pairs > 0; --pairs, a += 2, b += 2 * kIntegerPanel) {
    const v128_t first = wasm_i16x8_load8x8(b), second = wasm_i16x8_load8x8(b + 2 * kLanes);
    GF_UNROLL(4)
    for (int r = 0; r < kTileRows; ++r) {
      const v128_t pair = wasm_v128_load32_splat(a + r * kWideDepth);
      sums[r][0] = wasm_i32x4_add(sums[r][0], wasm_i32x4_dot_i16x8(pair, first));
      sums[r][1] = wasm_i32x4_add(sums[r][1], wasm_i32x4_dot_i16x8(pair, second));
    }
  }
  GF_UNROLL(4)
  for (int r = 0; r < kTileRows; ++r)
    GF_UNROLL(2)
    for (int v = 0; v < 2; ++v) wasm_v128_store(c + r * c_stride + v * kLanes, sums[r][v]);
}

void widen_row(const uint8_t* from, int depth, int16_t* to) {
  int k = 0;
  for (; k + 8 <= depth; k += 8) wasm_v128_store(to + k, wasm_u16x8_load8x8(from + k));
  for (; k < depth; ++k) to[k] = from[k];
}

// Up to kWideRows rows from `row` on, of `depth` bytes from `k` on.
void block(const IntegerProduct& p, int64_t row, int rows, int64_t k, int depth) {
  alignas(16) int16_t wide[kWideRows * kWideDepth];
  for (int r = 0; r < rows; ++r) widen_row(p.a + (row + r) * p.a_stride + k, depth, wide + r * kWideDepth);
  for (int64_t first = 0; first < p.columns; first += kColumns) {
    const int8_t* const b = panel_of(p.packed, p.columns, p.depth, first / kIntegerPanel) + k * kIntegerPanel + first % kIntegerPanel * kIntegerDepth;
    const bool whole = first + kColumns <= p.columns;
    const size_t bytes = static_cast<size_t>(p.columns - first) * sizeof(int32_t);  // where it is not
    for (int r = 0; r < rows;) {
      int32_t* const c = p.c + (row + r) * p.c_stride + first;
      const int32_t* const from = k == 0 ? p.start + first : c;
      if (whole && r + kRows <= rows) {
        tile<kRows>(wide + r * kWideDepth, b, depth / 2, from, k == 0 ? 0 : p.c_stride, c, p.c_stride);
        r += kRows;
        continue;
      }
      int32_t part[kColumns];
      if (!whole) std::memcpy(part, from, bytes);
      tile<1>(wide + r * kWideDepth, b, depth / 2, whole ? from : part, 0, whole ? c : part, 0);
      if (!whole) std::memcpy(c, part, bytes);
      ++r;
    }
  }
}

void product(const IntegerProduct& p) {
  const int64_t row_bytes = integer_row_bytes(p.depth);
  for (int64_t k = 0; k < row_bytes; k += kWideDepth)
    for (int64_t row = 0; row < p.rows; row += kWideRows)
      block(p, row, static_cast<int>(p.rows - row < kWideRows ? p.rows - row : kWideRows), k, static_cast<int>(row_bytes - k < kWideDepth ? row_bytes - k : kWideDepth));
}

#elif HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL

using Sums = hn::CappedTag<int32_t, kIntegerPanel>;
using Halves = hn::Repartition<int16_t, Sums>;
using Vec = hn::Vec<Sums>;
constexpr bool kWide = HWY_TARGET != HWY_AVX2;  // 32 registers
constexpr int kLanes = kWide ? 16 : 8;
constexpr int kRows = kWide ? 8 : 4, kPanels = kWide ? 2 : 1, kVectors = kPanels * static_cast<int>(kIntegerPanel) / kLanes;

// Bytes of four rows of the right side and of one row of the left one, ready to be multiplied.
#if HWY_TARGET == HWY_AVX3_DL
using Right = Vec;
using Left = Vec;
HWY_INLINE Right right(Vec b) { return b; }
HWY_INLINE Left left(Vec a) { return a; }
// Highway's attributes for this target leave VNNI out, so compilers refuse the intrinsic in here; processors of the level have it (isa_dispatch.cpp).
HWY_INLINE Vec dot(Vec sum, const Left& a, const Right& b) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
  return sum;
}
#else
struct Right {
  hn::Vec<Halves> even, odd;
};
struct Left {
  hn::Vec<Halves> even, odd;
};
HWY_INLINE Right right(Vec b) {
  const Halves d;
  const auto v = hn::BitCast(d, b);
  return {hn::ShiftRight<8>(hn::ShiftLeft<8>(v)), hn::ShiftRight<8>(v)};
}
HWY_INLINE Left left(Vec a) {
  const Halves d;
  const hn::RebindToUnsigned<Halves> du;
  return {hn::And(hn::BitCast(d, a), hn::Set(d, 0xFF)), hn::BitCast(d, hn::ShiftRight<8>(hn::BitCast(du, a)))};
}
HWY_INLINE Vec dot(Vec sum, const Left& a, const Right& b) {
  const Sums d;
  Vec none = hn::Zero(d);
  return hn::ReorderWidenMulAccumulate(d, a.odd, b.odd, hn::ReorderWidenMulAccumulate(d, a.even, b.even, sum, none), none);
}
#endif

HWY_INLINE Vec four_bytes(const uint8_t* a) {
  int32_t v;
  std::memcpy(&v, a, sizeof v);
  return hn::Set(Sums(), v);
}

// A tile of rows x vectors from column `first` on, where a panel begins; `columns` of them wanted.
template <int kTileRows, int kTileVectors>
HWY_INLINE void tile(const IntegerProduct& p, int64_t row, int64_t first, int64_t columns) {
  const Sums d;
  const int64_t quads = integer_row_bytes(p.depth) / kIntegerDepth;
  constexpr int kPerPanel = static_cast<int>(kIntegerPanel) / kLanes;
  const uint8_t* const a = p.a + row * p.a_stride;
  const int8_t* const b = panel_of(p.packed, p.columns, p.depth, first / kIntegerPanel) + first % kIntegerPanel * kIntegerDepth;
  const int64_t panel_bytes = kIntegerPanel * integer_row_bytes(p.depth);
  Vec sums[kTileRows][kTileVectors];
  GF_UNROLL(8)
  for (int r = 0; r < kTileRows; ++r)
    GF_UNROLL(2)
    for (int v = 0; v < kTileVectors; ++v) sums[r][v] = hn::LoadU(d, p.start + first + v * kLanes);
  for (int64_t q = 0; q < quads; ++q) {
    Right right_side[kTileVectors];
    GF_UNROLL(2)
    for (int v = 0; v < kTileVectors; ++v)
      right_side[v] = right(hn::LoadU(d, reinterpret_cast<const int32_t*>(b + v / kPerPanel * panel_bytes + q * 4 * kIntegerPanel + v % kPerPanel * 4 * kLanes)));
    GF_UNROLL(8)
    for (int r = 0; r < kTileRows; ++r) {
      const Left left_side = left(four_bytes(a + r * p.a_stride + 4 * q));
      GF_UNROLL(2)
      for (int v = 0; v < kTileVectors; ++v) sums[r][v] = dot(sums[r][v], left_side, right_side[v]);
    }
  }
  for (int r = 0; r < kTileRows; ++r) {
    int32_t* const c = p.c + (row + r) * p.c_stride + first;
    if (columns == kTileVectors * kLanes) {
      for (int v = 0; v < kTileVectors; ++v) hn::StoreU(sums[r][v], d, c + v * kLanes);
      continue;
    }
    int32_t whole[kTileVectors * kLanes];
    for (int v = 0; v < kTileVectors; ++v) hn::StoreU(sums[r][v], d, whole + v * kLanes);
    std::memcpy(c, whole, static_cast<size_t>(columns) * sizeof(int32_t));
  }
}

template <int kTileVectors>
void panels(const IntegerProduct& p, int64_t first, int64_t columns) {
  int64_t row = 0;
  for (; row + kRows <= p.rows; row += kRows) tile<kRows, kTileVectors>(p, row, first, columns);
  if (kRows == 8 && row + 4 <= p.rows) tile<4, kTileVectors>(p, row, first, columns), row += 4;
  if (row + 2 <= p.rows) tile<2, kTileVectors>(p, row, first, columns), row += 2;
  if (row < p.rows) tile<1, kTileVectors>(p, row, first, columns);
}

void product(const IntegerProduct& p) {
  const auto left_over = [&](int64_t first, int64_t n) { return p.columns - first < n ? p.columns - first : n; };
  int64_t first = 0;
  const int64_t all = integer_columns(p.columns), step = kPanels * kIntegerPanel;
  for (; first + step <= all; first += step) panels<kVectors>(p, first, left_over(first, step));
  if (first < all) panels<static_cast<int>(kIntegerPanel) / kLanes>(p, first, left_over(first, kIntegerPanel));
}

#else

void product(const IntegerProduct& p) {
  for (int64_t row = 0; row < p.rows; ++row)
    for (int64_t column = 0; column < p.columns; ++column) {
      const int8_t* const b = panel_of(p.packed, p.columns, p.depth, column / kIntegerPanel) + column % kIntegerPanel * kIntegerDepth;
      auto sum = static_cast<uint32_t>(p.start[column]);
      for (int64_t k = 0; k < p.depth; ++k)
        sum += static_cast<uint32_t>(p.a[row * p.a_stride + k] * b[k / kIntegerDepth * kIntegerDepth * kIntegerPanel + k % kIntegerDepth]);
      p.c[row * p.c_stride + column] = static_cast<int32_t>(sum);
    }
}

#endif

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_WASM

using Floats = hn::CappedTag<float, kIntegerPanel>;
using Ints = hn::Rebind<int32_t, Floats>;

// Ratios, rounded, as bytes.
struct Rounding {
  ByteForm form;
  hn::Vec<Floats> least, most;
  hn::Vec<Ints> offset;

  explicit Rounding(ByteForm f) : form(f) {
    least = hn::Set(Floats(), static_cast<float>(least_byte(f) - f.zero));
    most = hn::Set(Floats(), static_cast<float>(greatest_byte(f) - f.zero));
#if HWY_TARGET == HWY_WASM  // a sum with 1.5 * 2^23 is rounded half to even, and its bits are an integer
    offset = hn::Set(Ints(), f.zero - 0x4B400000);
#else
    offset = hn::Set(Ints(), f.zero);
#endif
  }
  HWY_INLINE void store(hn::Vec<Floats> ratio, void* y, int64_t at) const {
#if HWY_TARGET == HWY_WASM
    const hn::Vec<Floats> kept{wasm_f32x4_pmin(wasm_f32x4_pmax(ratio.raw, least.raw), most.raw)};
    const auto rounded = hn::Add(hn::BitCast(Ints(), hn::Add(kept, hn::Set(Floats(), 12582912.0f))), offset);
#else
    const auto rounded = hn::Add(hn::NearestInt(hn::Min(hn::Max(ratio, least), most)), offset);
#endif
    const auto q = hn::IfThenElseZero(hn::RebindMask(Ints(), hn::Eq(ratio, ratio)), rounded);  // NaN is not equal to itself
    const hn::Rebind<uint8_t, Floats> d8;
    hn::StoreU(hn::DemoteTo(d8, hn::And(q, hn::Set(Ints(), 0xFF))), d8, static_cast<uint8_t*>(y) + at);  // int8 too
  }
};

void quantize(const float* x, int64_t count, float scale, ByteForm form, void* y) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const Rounding rounding(form);
  const auto divisor = hn::Set(d, scale);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) rounding.store(hn::Div(hn::LoadU(d, x + i), divisor), y, i);
  for (; i < count; ++i) static_cast<uint8_t*>(y)[i] = round_one(x[i] / scale, form);
}

void requantize(const int32_t* sums, int64_t rows, int64_t columns, const float* scale, ByteForm form, void* y) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const Rounding rounding(form);
  for (int64_t row = 0; row < rows; ++row, sums += columns, y = static_cast<uint8_t*>(y) + columns) {
    int64_t i = 0;
    for (; i + lanes <= columns; i += lanes) rounding.store(hn::Mul(hn::ConvertTo(d, hn::LoadU(Ints(), sums + i)), hn::LoadU(d, scale + i)), y, i);
    for (; i < columns; ++i) static_cast<uint8_t*>(y)[i] = round_one(static_cast<float>(sums[i]) * scale[i], form);
  }
}

void dequantize(const void* x, int64_t count, float scale, ByteForm form, float* y) {
  const Floats d;
  const hn::Rebind<uint8_t, Floats> d8;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto factor = hn::Set(d, scale);
  const auto flip = hn::Set(Ints(), flipped(form)), offset = hn::Set(Ints(), form.zero + flipped(form));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::Xor(hn::PromoteTo(Ints(), hn::LoadU(d8, static_cast<const uint8_t*>(x) + i)), flip);
    hn::StoreU(hn::Mul(hn::ConvertTo(d, hn::Sub(v, offset)), factor), d, y + i);
  }
  for (; i < count; ++i) y[i] = widen_one(x, i, scale, form);
}

void range(const float* x, int64_t count, float& low, float& high) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto least = hn::Set(d, low), most = hn::Set(d, high);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
#if HWY_TARGET == HWY_WASM
    least = hn::Vec<Floats>{wasm_f32x4_pmin(least.raw, v.raw)};
    most = hn::Vec<Floats>{wasm_f32x4_pmax(most.raw, v.raw)};
#else
    least = hn::IfThenElse(hn::Lt(v, least), v, least);
    most = hn::IfThenElse(hn::Gt(v, most), v, most);
#endif
  }
  float all[2 * kIntegerPanel];
  hn::StoreU(least, d, all);
  hn::StoreU(most, d, all + lanes);
  for (int64_t k = 0; k < 2 * lanes; ++k) widen_range_by(all[k], low, high);
  for (; i < count; ++i) widen_range_by(x[i], low, high);
}

#else

void quantize(const float* x, int64_t count, float scale, ByteForm form, void* y) {
  for (int64_t i = 0; i < count; ++i) static_cast<uint8_t*>(y)[i] = round_one(x[i] / scale, form);
}
void requantize(const int32_t* sums, int64_t rows, int64_t columns, const float* scale, ByteForm form, void* y) {
  for (int64_t i = 0; i < rows * columns; ++i) static_cast<uint8_t*>(y)[i] = round_one(static_cast<float>(sums[i]) * scale[i % columns], form);
}
void dequantize(const void* x, int64_t count, float scale, ByteForm form, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = widen_one(x, i, scale, form);
}
void range(const float* x, int64_t count, float& low, float& high) {
  for (int64_t i = 0; i < count; ++i) widen_range_by(x[i], low, high);
}

#endif

constexpr IntegerTable kIntegerTable = {product, quantize, dequantize, requantize, range};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {
namespace {
const IntegerTable& table(Isa isa) { return GF_SIMD_SELECT(isa, kIntegerTable); }
}  // namespace

void integer_pack(const IntegerSide& side, void* packed) {
  const int64_t depth = side.taps * side.channels;
  std::memset(packed, 0, static_cast<size_t>(integer_packed_bytes(depth, side.columns)));
  auto* const sums = static_cast<int32_t*>(packed);
  for (int64_t column = 0; column < side.columns; ++column) {
    int8_t* const panel = const_cast<int8_t*>(panel_of(packed, side.columns, depth, column / kIntegerPanel)) + column % kIntegerPanel * kIntegerDepth;
    int64_t k = 0;
    for (int64_t t = 0; t < side.taps; ++t)
      for (int64_t i = 0; i < side.channels; ++i, ++k) {
        const int8_t v = side.b[t * side.tap_stride + i * side.channel_stride + column * side.column_stride];
        panel[k / kIntegerDepth * kIntegerDepth * kIntegerPanel + k % kIntegerDepth] = v;
        sums[column] += v;
      }
  }
}

void integer_start(const void* packed, int64_t columns, int32_t zero, int32_t* start) {
  const auto* const sums = static_cast<const int32_t*>(packed);
  for (int64_t k = 0; k < integer_columns(columns); ++k) start[k] = static_cast<int32_t>(0U - static_cast<uint32_t>(zero) * static_cast<uint32_t>(sums[k]));
}

void integer_product(Isa isa, const IntegerProduct& p) { table(isa).product(p); }
void quantize_f32(Isa isa, const float* x, int64_t count, float scale, ByteForm form, void* y) { table(isa).quantize(x, count, scale, form, y); }
void dequantize_f32(Isa isa, const void* x, int64_t count, float scale, ByteForm form, float* y) { table(isa).dequantize(x, count, scale, form, y); }
void requantize(Isa isa, const int32_t* sums, int64_t rows, int64_t columns, const float* scale, ByteForm form, void* y) {
  table(isa).requantize(sums, rows, columns, scale, form, y);
}
void widen_range(Isa isa, const float* x, int64_t count, float& low, float& high) { table(isa).range(x, count, low, high); }

}  // namespace gf::simd
#endif
