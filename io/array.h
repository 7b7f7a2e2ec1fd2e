// Array: the one in-memory form that every reader returns and every writer takes: element type, shape, dense C-order
// bytes. Owns its bytes; a plain value, so copies are deep. Thread rule: as std::vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "runtime/core/dtype.h"
#include "runtime/core/half.h"

namespace gf::io {

/// Bounds that hold for every reader, so that a small hostile file cannot take all memory. Defaults suit tools.
struct Limits {
  uint64_t max_file_bytes = uint64_t{64} << 30;       ///< of a file that is read (not mapped)
  uint64_t max_array_bytes = uint64_t{64} << 30;      ///< of one decoded array
  uint64_t max_inflated_bytes = uint64_t{8} << 30;    ///< of everything decompressed out of one file
  uint64_t free_inflated_bytes = uint64_t{64} << 20;  ///< up to here any compression ratio is fine ...
  uint64_t max_inflate_ratio = 200;                   ///< ... above it output / input must not exceed this
  uint64_t max_header_bytes = uint64_t{16} << 20;     ///< text headers (npy, safetensors)
  uint64_t max_pixels = uint64_t{1} << 28;            ///< width * height of an image
  uint64_t max_entries = 1 << 20;                     ///< arrays in a container (npz, safetensors), lines of labels
};

/// DType of a C++ type: float, double, F16, BF16, the fixed-width integers, bool; Invalid for others.
template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>)
    return DType::F32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::F64;
  else if constexpr (std::is_same_v<T, F16>)
    return DType::F16;
  else if constexpr (std::is_same_v<T, BF16>)
    return DType::BF16;
  else if constexpr (std::is_same_v<T, bool>)
    return DType::Bool;
  else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>)
    return sizeof(T) == 1 ? DType::I8 : sizeof(T) == 2 ? DType::I16 : sizeof(T) == 4 ? DType::I32 : DType::I64;
  else if constexpr (std::is_integral_v<T>)
    return sizeof(T) == 1 ? DType::U8 : sizeof(T) == 2 ? DType::U16 : sizeof(T) == 4 ? DType::U32 : DType::U64;
  else
    return DType::Invalid;
}

/// A dense tensor in host memory. `data` holds elements in C order, host (little-endian) byte order, sub-byte types
/// packed low bits first. Invariant kept by everything in io: data.size() == byte_size(dtype, shape).
struct Array {
  DType dtype = DType::Invalid;
  std::vector<int64_t> shape;  ///< rank 0 is a scalar with one element
  std::vector<std::byte> data;

  /// Elements (product of dims).
  int64_t count() const;

  /// Zero-filled array. Throws as element_count.
  static Array zeros(DType dtype, std::vector<int64_t> shape);

  /// Copies `values`. Throws ShapeMismatch when their number is not the shape's; no shape given means one dimension.
  template <class T>
  static Array from(std::span<const T> values, std::vector<int64_t> shape) {
    static_assert(dtype_of<T>() != DType::Invalid, "element type has no DType");
    return from_bytes(dtype_of<T>(), std::move(shape), std::as_bytes(values));
  }
  template <class T>
  static Array from(const std::vector<T>& values, std::vector<int64_t> shape) {
    return from(std::span<const T>(values), std::move(shape));
  }
  template <class T>
  static Array from(const std::vector<T>& values) {
    return from(std::span<const T>(values), {static_cast<int64_t>(values.size())});
  }
  /// Copies raw bytes. Throws ShapeMismatch when their number is not what type and shape say.
  static Array from_bytes(DType dtype, std::vector<int64_t> shape, std::span<const std::byte> bytes);

  /// The elements without a copy; valid while this array lives unchanged. Throws TypeMismatch if T is not the dtype.
  template <class T>
  std::span<const T> view() const {
    expect_type(dtype_of<T>());
    return {reinterpret_cast<const T*>(data.data()), data.size() / sizeof(T)};
  }
  template <class T>
  std::span<T> view() {
    expect_type(dtype_of<T>());
    return {reinterpret_cast<T*>(data.data()), data.size() / sizeof(T)};
  }

  /// Elements converted to T (float, double, int64_t): from every dtype but String and complex (TypeMismatch).
  /// float and double round to nearest even; int64_t truncates towards zero and throws BadData for NaN and values
  /// outside its range.
  template <class T>
  std::vector<T> as() const;

  /// The same values as a float32 array (a move-free copy if it is one already).
  Array to_f32() const;

  bool operator==(const Array&) const = default;

 private:
  void expect_type(DType wanted) const;
};

/// An array with the name it has in a container (npz, safetensors).
struct NamedArray {
  std::string name;
  Array array;
};

/// Elements of `shape`. Throws "<where>: ...": BadFile for a negative dim, LimitExceeded for a product of the non-zero
/// dims that does not fit (a zero dim does not hide it).
int64_t element_count(std::span<const int64_t> shape, const std::string& where);
/// Bytes of a dense array; throws as element_count, and for types without a size.
uint64_t byte_size(DType dtype, std::span<const int64_t> shape, const std::string& where);
/// "[1, 3, 224, 224]"
std::string shape_text(std::span<const int64_t> shape);
/// `text` for use in a message: control bytes as '?', cut at 120 bytes.
std::string printable(std::string_view text);

extern template std::vector<float> Array::as<float>() const;
extern template std::vector<double> Array::as<double>() const;
extern template std::vector<int64_t> Array::as<int64_t>() const;

}  // namespace gf::io
