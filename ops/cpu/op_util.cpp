#include "ops/cpu/op_util.h"

#include "ops/cpu/small_float.h"

namespace gf::cpu {
namespace {

template <class C, class T>
C convert_in(T v) {
  if constexpr (std::is_same_v<T, F16> || std::is_same_v<T, BF16>) return convert_in<C>(to_f32(v));
  else if constexpr (std::is_integral_v<C> && std::is_floating_point_v<T>) return saturating_to_int<C>(v);
  else return static_cast<C>(v);
}

template <class T, class C>
T convert_out(C v) {
  if constexpr (std::is_same_v<T, bool>) return v != C(0);
  else if constexpr (std::is_same_v<T, F16> || std::is_same_v<T, BF16>) {
    float f = 0;
    if constexpr (std::is_same_v<C, float>) f = v;
    else f = round_to_odd(static_cast<double>(v));  // the narrower rounding that follows must see what was cut off
    if constexpr (std::is_same_v<T, F16>) return to_f16(f);
    else return to_bf16(f);
  } else if constexpr (std::is_integral_v<T> && std::is_floating_point_v<C>) {
    if constexpr (std::is_signed_v<T> || sizeof(T) < 8) return static_cast<T>(saturating_to_int<int64_t>(v));
    else return saturating_to_int<uint64_t>(v);
  } else {
    return static_cast<T>(v);
  }
}

template <class T, class C>
void load_run(const void* source, int64_t first, int64_t stride, int64_t count, C* destination) {
  const T* s = static_cast<const T*>(source) + first;
  if constexpr (std::is_same_v<T, bool>) {
    // bytes other than 0 and 1 (hostile files) must not be read as bool
    const auto* b = reinterpret_cast<const uint8_t*>(s);
    for (int64_t k = 0; k < count; ++k) destination[k] = static_cast<C>(b[k * stride] != 0 ? 1 : 0);
  } else if (stride == 0) {
    const C v = convert_in<C>(*s);
    for (int64_t k = 0; k < count; ++k) destination[k] = v;
  } else if (stride == 1) {
    if constexpr (std::is_same_v<T, C>) std::memcpy(destination, s, static_cast<size_t>(count) * sizeof(T));
    else for (int64_t k = 0; k < count; ++k) destination[k] = convert_in<C>(s[k]);
  } else {
    for (int64_t k = 0; k < count; ++k) destination[k] = convert_in<C>(s[k * stride]);
  }
}

template <class T, class C>
void store_run(void* destination, int64_t first, int64_t count, const C* source) {
  T* d = static_cast<T*>(destination) + first;
  if constexpr (std::is_same_v<T, C>) std::memmove(d, source, static_cast<size_t>(count) * sizeof(T));
  else for (int64_t k = 0; k < count; ++k) d[k] = convert_out<T>(source[k]);
}

[[maybe_unused]] unsigned sub_byte(const void* source, unsigned bits, int64_t index) {
  const auto* bytes = static_cast<const uint8_t*>(source);
  const int64_t per_byte = 8 / bits;
  return static_cast<unsigned>(bytes[index / per_byte] >> (static_cast<unsigned>(index % per_byte) * bits)) &
         ((1U << bits) - 1U);
}
[[maybe_unused]] void set_sub_byte(void* destination, unsigned bits, int64_t index, unsigned value) {
  auto* bytes = static_cast<uint8_t*>(destination);
  const int64_t per_byte = 8 / bits;
  const unsigned shift = static_cast<unsigned>(index % per_byte) * bits;
  const unsigned mask = ((1U << bits) - 1U) << shift;
  uint8_t& b = bytes[index / per_byte];
  // the first element of a byte clears it, so that padding bits of the last byte are zero
  b = static_cast<uint8_t>((shift == 0 ? 0U : (b & ~mask)) | ((value << shift) & mask));
}

template <class C>
void load_small(DType type, const void* source, int64_t first, int64_t stride, int64_t count, C* destination) {
  const unsigned bits = dtype_bits(type);
  for (int64_t k = 0; k < count; ++k) {
    const int64_t at = first + k * stride;
    const unsigned raw = bits == 8 ? static_cast<const uint8_t*>(source)[at] : sub_byte(source, bits, at);
    if (type == DType::I4 || type == DType::I2) {
      const unsigned sign = 1U << (bits - 1);
      destination[k] = static_cast<C>(static_cast<int64_t>(raw ^ sign) - static_cast<int64_t>(sign));
    } else if (type == DType::U4 || type == DType::U2) {
      destination[k] = static_cast<C>(raw);
    } else {
      destination[k] = convert_in<C>(small_float_to_f32(type, raw));
    }
  }
}

template <class C>
void store_small(DType type, void* destination, int64_t first, int64_t count, const C* source) {
  const unsigned bits = dtype_bits(type);
  for (int64_t k = 0; k < count; ++k) {
    unsigned raw = 0;
    if (type == DType::I4 || type == DType::I2 || type == DType::U4 || type == DType::U2) {
      raw = static_cast<unsigned>(convert_out<int64_t>(source[k])) & ((1U << bits) - 1U);
    } else {
      float f = 0;
      if constexpr (std::is_same_v<C, float>) f = source[k];
      else f = round_to_odd(static_cast<double>(source[k]));
      raw = f32_to_small_float(type, f, true);
    }
    if (bits == 8) static_cast<uint8_t*>(destination)[first + k] = static_cast<uint8_t>(raw);
    else set_sub_byte(destination, bits, first + k, raw);
  }
}

/// 8-bit and narrower types that have no C++ type.
constexpr bool kBuiltSmall =
    (kBuiltDTypes.bits & (kSubByte | dtypes(DType::F8E4M3FN, DType::F8E4M3FNUZ, DType::F8E5M2, DType::F8E5M2FNUZ, DType::F8E8M0)).bits) != 0;

}  // namespace

template <class C>
void load(DType type, const void* source, int64_t first, int64_t stride, int64_t count, C* destination) {
  if (count <= 0) return;
  const Error error = dispatch_storage(type, [&]<class T>() {
    load_run<T>(source, first, stride, count, destination);
    return Error::Ok;
  });
  if constexpr (kBuiltSmall) {
    if (error != Error::Ok) load_small(type, source, first, stride, count, destination);
  }
}

template <class C>
void store(DType type, void* destination, int64_t first, int64_t count, const C* source) {
  if (count <= 0) return;
  const Error error = dispatch_storage(type, [&]<class T>() {
    store_run<T>(destination, first, count, source);
    return Error::Ok;
  });
  if constexpr (kBuiltSmall) {
    if (error != Error::Ok) store_small(type, destination, first, count, source);
  }
}

template void load<float>(DType, const void*, int64_t, int64_t, int64_t, float*);
template void load<double>(DType, const void*, int64_t, int64_t, int64_t, double*);
template void load<int64_t>(DType, const void*, int64_t, int64_t, int64_t, int64_t*);
template void load<uint64_t>(DType, const void*, int64_t, int64_t, int64_t, uint64_t*);
template void store<float>(DType, void*, int64_t, int64_t, const float*);
template void store<double>(DType, void*, int64_t, int64_t, const double*);
template void store<int64_t>(DType, void*, int64_t, int64_t, const int64_t*);
template void store<uint64_t>(DType, void*, int64_t, int64_t, const uint64_t*);

}  // namespace gf::cpu
