// Conversions between f32 and the other element types.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/elementwise_cast.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/elementwise.h"
#include "ops/cpu/simd/math_util-inl.h"
#include "runtime/core/half.h"

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

// Highway's own half conversions flush or round otherwise on targets without the instruction: those use half.h.
#define GF_NATIVE_F16 (GF_SIMD_MASKED_MEMORY || HWY_TARGET == HWY_NEON)

void f16_to_f32(const void* in, void* out, int64_t n) {
  const auto* from = static_cast<const uint16_t*>(in);
  auto* to = static_cast<float*>(out);
  int64_t i = 0;
#if GF_NATIVE_F16
  const F32Tag d;
  const hn::Rebind<hwy::float16_t, F32Tag> dh;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::PromoteTo(d, hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(from + i))), d, to + i);
  }
#endif
  for (; i < n; ++i) to[i] = to_f32(F16{from[i]});
}

void f32_to_f16(const void* in, void* out, int64_t n) {
  const auto* from = static_cast<const float*>(in);
  auto* to = static_cast<uint16_t*>(out);
  int64_t i = 0;
#if GF_NATIVE_F16
  const F32Tag d;
  const hn::Rebind<hwy::float16_t, F32Tag> dh;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::DemoteTo(dh, hn::LoadU(d, from + i)), dh, reinterpret_cast<hwy::float16_t*>(to + i));
  }
#endif
  for (; i < n; ++i) to[i] = to_f16(from[i]).bits;
}

void bf16_to_f32(const void* in, void* out, int64_t n) {
  const auto* from = static_cast<const uint16_t*>(in);
  auto* to = static_cast<uint32_t*>(out);  // same bits as the f32: lets the compiler vectorise a shift
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<uint32_t>(from[i]) << 16;
}

void f32_to_bf16(const void* in, void* out, int64_t n) {
  const auto* from = static_cast<const float*>(in);
  auto* to = static_cast<uint16_t*>(out);
  for (int64_t i = 0; i < n; ++i) {
    const auto u = bit_cast<uint32_t>(from[i]);
    const uint32_t quiet = (u >> 16) | 0x40U, rounded = (u + 0x7fffU + ((u >> 16) & 1U)) >> 16;
    to[i] = static_cast<uint16_t>((u & 0x7fffffffU) > 0x7f800000U ? quiet : rounded);
  }
}

template <class T>
void int_to_f32(const void* in, void* out, int64_t n) {
  const auto* from = static_cast<const T*>(in);
  auto* to = static_cast<float*>(out);
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(from[i]);
}

void bool_to_f32(const void* in, void* out, int64_t n) {
  const auto* from = static_cast<const uint8_t*>(in);
  auto* to = static_cast<float*>(out);
  for (int64_t i = 0; i < n; ++i) to[i] = from[i] != 0 ? 1.0f : 0.0f;
}

void f32_to_bool(const void* in, void* out, int64_t n) {
  const auto* from = static_cast<const float*>(in);
  auto* to = static_cast<uint8_t*>(out);
  for (int64_t i = 0; i < n; ++i) to[i] = from[i] != 0.0f ? 1 : 0;
}

// Towards zero, saturated to [low, high] (both exact in f32), NaN to 0.
template <class T>
void f32_to_small_int(const void* in, void* out, int64_t n) {
  const auto* from = static_cast<const float*>(in);
  auto* to = static_cast<T*>(out);
  constexpr float kLow = static_cast<float>(hwy::LimitsMin<T>()), kHigh = static_cast<float>(hwy::LimitsMax<T>());
  for (int64_t i = 0; i < n; ++i) {
    float x = from[i];
    x = x > kLow ? x : (x == x ? kLow : 0.0f);
    x = x < kHigh ? x : kHigh;
    to[i] = static_cast<T>(static_cast<int32_t>(x));
  }
}

void f32_to_i32(const void* in, void* out, int64_t n) {
  const auto* from = static_cast<const float*>(in);
  auto* to = static_cast<int32_t*>(out);
  for (int64_t i = 0; i < n; ++i) {
    float x = from[i];
    x = x == x ? x : 0.0f;
    const bool above = x >= 0x1p31f;
    x = above ? 0.0f : (x > -0x1p31f ? x : -0x1p31f);
    const auto truncated = static_cast<int32_t>(x);
    to[i] = above ? INT32_MAX : truncated;
  }
}

void f32_to_i64(const void* in, void* out, int64_t n) {
  const auto* from = static_cast<const float*>(in);
  auto* to = static_cast<int64_t*>(out);
  for (int64_t i = 0; i < n; ++i) {
    float x = from[i];
    x = x == x ? x : 0.0f;
    const bool above = x >= 0x1p63f;
    x = above ? 0.0f : (x > -0x1p63f ? x : -0x1p63f);
    const auto truncated = static_cast<int64_t>(x);
    to[i] = above ? INT64_MAX : truncated;
  }
}

struct CastTable {
  Cast to_f32[kDTypeCount];
  Cast from_f32[kDTypeCount];
};
constexpr CastTable make_table() {
  CastTable t = {};
  const auto set = [&t](DType type, Cast to, Cast from) {
    t.to_f32[static_cast<int>(type)] = to;
    t.from_f32[static_cast<int>(type)] = from;
  };
  set(DType::F16, f16_to_f32, f32_to_f16);
  set(DType::BF16, bf16_to_f32, f32_to_bf16);
  set(DType::I8, int_to_f32<int8_t>, f32_to_small_int<int8_t>);
  set(DType::U8, int_to_f32<uint8_t>, f32_to_small_int<uint8_t>);
  set(DType::I32, int_to_f32<int32_t>, f32_to_i32);
  set(DType::I64, int_to_f32<int64_t>, f32_to_i64);
  set(DType::Bool, bool_to_f32, f32_to_bool);
  return t;
}
constexpr CastTable kCastTable = make_table();

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {

Cast cast_run(Isa isa, DType from, DType to) {
  if (!dtype_is_valid(from) || !dtype_is_valid(to)) return nullptr;
  if (to == DType::F32) return (GF_SIMD_SELECT(isa, kCastTable.to_f32))[static_cast<int>(from)];
  if (from == DType::F32) return (GF_SIMD_SELECT(isa, kCastTable.from_f32))[static_cast<int>(to)];
  return nullptr;
}

}  // namespace gf::simd
#endif
