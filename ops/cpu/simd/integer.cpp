// Four products and their sum per lane: one instruction with VNNI; else the bytes of even and of odd places as int16, whose products are added in
// pairs. Tiles of sums stay in registers.
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
  void (*quantize)(const float* x, int64_t count, float scale, int32_t zero, bool is_signed, void* y);
};
inline const int8_t* panel_of(const void* packed, int64_t columns, int64_t depth, int64_t panel) {
  return static_cast<const int8_t*>(packed) + 4 * integer_columns(columns) + panel * kIntegerPanel * integer_row_bytes(depth);
}
/// As the portable kernel of quantize_linear.
inline int32_t quantize_one(float x, float scale, int32_t zero, int32_t low, int32_t high) {
  const double r = std::nearbyint(static_cast<double>(x / scale)) + zero;
  if (!(r == r)) return 0;
  return static_cast<int32_t>(r < low ? low : (r > high ? high : r));
}
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_WASM

using Sums = hn::CappedTag<int32_t, kIntegerPanel>;
using Halves = hn::Repartition<int16_t, Sums>;
using Vec = hn::Vec<Sums>;
#if HWY_TARGET == HWY_WASM
constexpr int kLanes = 4, kRows = 4, kVectors = 2;  // half a panel: V8 keeps more than 8 sums in memory
#else
constexpr bool kWide = HWY_TARGET != HWY_AVX2;  // 32 registers
constexpr int kLanes = kWide ? 16 : 8;
constexpr int kRows = kWide ? 8 : 4, kPanels = kWide ? 2 : 1, kVectors = kPanels * static_cast<int>(kIntegerPanel) / kLanes;
#endif

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
#if HWY_TARGET == HWY_WASM
HWY_INLINE Vec dot(Vec sum, const Left& a, const Right& b) {
  return hn::Add(sum, Vec{wasm_i32x4_add(wasm_i32x4_dot_i16x8(a.even.raw, b.even.raw), wasm_i32x4_dot_i16x8(a.odd.raw, b.odd.raw))});
}
#else
HWY_INLINE Vec dot(Vec sum, const Left& a, const Right& b) {
  const Sums d;
  Vec none = hn::Zero(d);
  return hn::ReorderWidenMulAccumulate(d, a.odd, b.odd, hn::ReorderWidenMulAccumulate(d, a.even, b.even, sum, none), none);
}
#endif
#endif

HWY_INLINE Vec four_bytes(const uint8_t* a) {
  int32_t v;
  std::memcpy(&v, a, sizeof v);
  return hn::Set(Sums(), v);
}

// A tile of rows x vectors from column `first` on, where a panel begins (WebAssembly: or its second half); `columns` of them wanted.
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
#if HWY_TARGET == HWY_WASM  // a module has few tiles
  for (; row < p.rows; ++row) tile<1, kTileVectors>(p, row, first, columns);
#else
  if (kRows == 8 && row + 4 <= p.rows) tile<4, kTileVectors>(p, row, first, columns), row += 4;
  if (row + 2 <= p.rows) tile<2, kTileVectors>(p, row, first, columns), row += 2;
  if (row < p.rows) tile<1, kTileVectors>(p, row, first, columns);
#endif
}

void product(const IntegerProduct& p) {
  const auto left_over = [&](int64_t first, int64_t n) { return p.columns - first < n ? p.columns - first : n; };
  int64_t first = 0;
#if HWY_TARGET == HWY_WASM
  for (; first < p.columns; first += kVectors * kLanes) panels<kVectors>(p, first, left_over(first, kVectors * kLanes));
#else
  const int64_t all = integer_columns(p.columns), step = kPanels * kIntegerPanel;
  for (; first + step <= all; first += step) panels<kVectors>(p, first, left_over(first, step));
  if (first < all) panels<static_cast<int>(kIntegerPanel) / kLanes>(p, first, left_over(first, kIntegerPanel));
#endif
}

void quantize(const float* x, int64_t count, float scale, int32_t zero, bool is_signed, void* y) {
  const int32_t low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;
  const hn::CappedTag<float, kIntegerPanel> d;
  const hn::Rebind<int32_t, decltype(d)> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto divisor = hn::Set(d, scale), least = hn::Set(d, static_cast<float>(low - zero)), most = hn::Set(d, static_cast<float>(high - zero));
  const auto offset = hn::Set(di, zero);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto ratio = hn::Div(hn::LoadU(d, x + i), divisor);
    const auto rounded = hn::Add(hn::NearestInt(hn::Min(hn::Max(ratio, least), most)), offset);
    const auto q = hn::IfThenElseZero(hn::RebindMask(di, hn::Eq(ratio, ratio)), rounded);  // NaN is not equal to itself
    if (is_signed) {
      const hn::Rebind<int8_t, decltype(d)> d8;
      hn::StoreU(hn::DemoteTo(d8, q), d8, static_cast<int8_t*>(y) + i);
    } else {
      const hn::Rebind<uint8_t, decltype(d)> d8;
      hn::StoreU(hn::DemoteTo(d8, q), d8, static_cast<uint8_t*>(y) + i);
    }
  }
  for (; i < count; ++i) static_cast<uint8_t*>(y)[i] = static_cast<uint8_t>(quantize_one(x[i], scale, zero, low, high));
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

void quantize(const float* x, int64_t count, float scale, int32_t zero, bool is_signed, void* y) {
  const int32_t low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;
  for (int64_t i = 0; i < count; ++i) static_cast<uint8_t*>(y)[i] = static_cast<uint8_t>(quantize_one(x[i], scale, zero, low, high));
}

#endif

constexpr IntegerTable kIntegerTable = {product, quantize};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {
namespace {
const IntegerTable& table(Isa isa) { return GF_SIMD_SELECT(isa, kIntegerTable); }
}  // namespace

void integer_pack(const int8_t* b, int64_t row_stride, int64_t column_stride, int64_t depth, int64_t columns, void* packed) {
  std::memset(packed, 0, static_cast<size_t>(integer_packed_bytes(depth, columns)));
  auto* const sums = static_cast<int32_t*>(packed);
  for (int64_t column = 0; column < columns; ++column) {
    int8_t* const panel = const_cast<int8_t*>(panel_of(packed, columns, depth, column / kIntegerPanel)) + column % kIntegerPanel * kIntegerDepth;
    for (int64_t k = 0; k < depth; ++k) {
      const int8_t v = b[k * row_stride + column * column_stride];
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
void quantize_f32(Isa isa, const float* x, int64_t count, float scale, int32_t zero, bool is_signed, void* y) { table(isa).quantize(x, count, scale, zero, is_signed, y); }

}  // namespace gf::simd
#endif
