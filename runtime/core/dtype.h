// Element types: names, sizes and classes. The numeric values stand in .gf files: never renumber.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gf {

enum class DType : uint8_t {
  Invalid = 0,
  F32 = 1, F64 = 2, F16 = 3, BF16 = 4,
  I8 = 5, U8 = 6, I16 = 7, U16 = 8, I32 = 9, U32 = 10, I64 = 11, U64 = 12,
  Bool = 13,
  String = 14,
  // storage types: two or four elements share a byte, low bits first
  I4 = 15, U4 = 16, I2 = 17, U2 = 18,
  F8E4M3FN = 19, F8E4M3FNUZ = 20, F8E5M2 = 21, F8E5M2FNUZ = 22, F4E2M1 = 23, F8E8M0 = 24,
  C64 = 25, C128 = 26,
};
inline constexpr int kDTypeCount = 27;

/// Name as in numpy where numpy has one ("float32", "bfloat16", "int4", "bool", "string"). Never null.
const char* dtype_name(DType type);

/// Bits of one element in dense storage; 0 for Invalid and String.
constexpr unsigned dtype_bits(DType type) {
  constexpr uint8_t kBits[kDTypeCount] = {0,  32, 64, 16, 16, 8, 8, 16, 16, 32, 32, 64, 64, 8,
                                          0,  4,  4,  2,  2,  8, 8, 8,  8,  4,  8,  64, 128};
  const auto index = static_cast<unsigned>(type);
  return index < kDTypeCount ? kBits[index] : 0U;
}
constexpr bool dtype_is_valid(DType type) { return type != DType::Invalid && static_cast<unsigned>(type) < kDTypeCount; }
constexpr bool dtype_is_float(DType t) {
  return t == DType::F32 || t == DType::F64 || t == DType::F16 || t == DType::BF16;
}
constexpr bool dtype_is_signed_int(DType t) {
  return t == DType::I8 || t == DType::I16 || t == DType::I32 || t == DType::I64;
}
constexpr bool dtype_is_unsigned_int(DType t) {
  return t == DType::U8 || t == DType::U16 || t == DType::U32 || t == DType::U64;
}
constexpr bool dtype_is_int(DType t) { return dtype_is_signed_int(t) || dtype_is_unsigned_int(t); }
constexpr bool dtype_is_sub_byte(DType t) { return dtype_bits(t) != 0 && dtype_bits(t) < 8; }
constexpr bool dtype_is_float8(DType t) {
  return (t >= DType::F8E4M3FN && t <= DType::F8E5M2FNUZ) || t == DType::F8E8M0;
}

/// A set of element types, as kernels and op definitions declare them.
struct DTypeSet {
  uint32_t bits = 0;
  constexpr bool contains(DType t) const { return ((bits >> static_cast<unsigned>(t)) & 1U) != 0; }
  constexpr DTypeSet operator|(DTypeSet o) const { return {bits | o.bits}; }
  constexpr bool operator==(const DTypeSet&) const = default;
};
constexpr DTypeSet dtype_set(DType t) { return {1U << static_cast<unsigned>(t)}; }
template <class... T>
constexpr DTypeSet dtypes(T... t) {
  return {(0U | ... | (1U << static_cast<unsigned>(t)))};
}
inline constexpr DTypeSet kFloats = dtypes(DType::F32, DType::F64, DType::F16, DType::BF16);
inline constexpr DTypeSet kSignedInts = dtypes(DType::I8, DType::I16, DType::I32, DType::I64);
inline constexpr DTypeSet kUnsignedInts = dtypes(DType::U8, DType::U16, DType::U32, DType::U64);
inline constexpr DTypeSet kInts = kSignedInts | kUnsignedInts;
inline constexpr DTypeSet kNumbers = kFloats | kInts;
inline constexpr DTypeSet kNumbersAndBool = kNumbers | dtypes(DType::Bool);
inline constexpr DTypeSet kIndex = dtypes(DType::I32, DType::I64);
inline constexpr DTypeSet kBoolOnly = dtypes(DType::Bool);
/// Every type with whole bytes per element that a kernel may move without looking inside.
inline constexpr DTypeSet kMovable =
    kNumbersAndBool | dtypes(DType::F8E4M3FN, DType::F8E4M3FNUZ, DType::F8E5M2, DType::F8E5M2FNUZ, DType::F8E8M0,
                             DType::C64, DType::C128);
inline constexpr DTypeSet kSubByte = dtypes(DType::I4, DType::U4, DType::I2, DType::U2, DType::F4E2M1);
inline constexpr DTypeSet kAnyDense = kMovable | kSubByte;

}  // namespace gf
