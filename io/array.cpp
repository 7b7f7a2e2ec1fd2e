// Array: size arithmetic and conversion of element types.
#include "io/array.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/core/checked.h"
#include "runtime/core/exception.h"

static_assert(std::endian::native == std::endian::little, "GhostFlow supports little-endian hosts only");

namespace gf::io {
namespace {

// Value of a small float: `exponent_bits` and `mantissa_bits` beside one sign bit, IEEE-like with subnormals.
// OCP 8-bit Floating Point Specification 1.0 (e4m3fn, e5m2), OCP Microscaling 1.0 (e2m1, e8m0); "uz" kinds have bias
// one larger, no negative zero (that pattern is NaN) and no infinity.
double small_float(unsigned bits, int exponent_bits, int mantissa_bits, int bias) {
  const unsigned sign = bits >> (exponent_bits + mantissa_bits);
  const int exponent = static_cast<int>((bits >> mantissa_bits) & ((1U << exponent_bits) - 1U));
  const auto mantissa = static_cast<double>(bits & ((1U << mantissa_bits) - 1U));
  const double magnitude = exponent == 0
                               ? std::ldexp(mantissa, 1 - bias - mantissa_bits)
                               : std::ldexp(mantissa + std::ldexp(1.0, mantissa_bits), exponent - bias - mantissa_bits);
  return sign != 0 ? -magnitude : magnitude;
}

double float8_value(DType type, unsigned bits) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const unsigned magnitude = bits & 0x7fU;
  switch (type) {
    case DType::F8E4M3FN:
      return magnitude == 0x7fU ? kNan : small_float(bits, 4, 3, 7);
    case DType::F8E4M3FNUZ:
      return bits == 0x80U ? kNan : small_float(bits, 4, 3, 8);
    case DType::F8E5M2:
      if (magnitude == 0x7cU) return bits > 0x7fU ? -kInf : kInf;
      return magnitude > 0x7cU ? kNan : small_float(bits, 5, 2, 15);
    case DType::F8E5M2FNUZ:
      return bits == 0x80U ? kNan : small_float(bits, 5, 2, 16);
    default:
      return bits == 0xffU ? kNan : std::ldexp(1.0, static_cast<int>(bits) - 127);  // F8E8M0: a power of two
  }
}

template <class T>
T convert(double v) {
  return static_cast<T>(v);
}
template <>
int64_t convert<int64_t>(double v) {
  // 2^63 itself is the first value too large; -2^63 still fits
  if (!(v >= -0x1p63 && v < 0x1p63))
    throw Exception(Error::BadData,
                    "array: value " + std::to_string(v) + " does not fit a 64-bit integer; read it as float instead");
  return static_cast<int64_t>(v);
}

template <class T, class From>
T convert_from(From v) {
  if constexpr (std::is_integral_v<From> && std::is_floating_point_v<T>)
    return static_cast<T>(v);  // one rounding only
  else if constexpr (std::is_same_v<From, uint64_t>) {
    if (v > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return convert<T>(static_cast<double>(v));
    return static_cast<T>(v);
  } else if constexpr (std::is_integral_v<From>)
    return static_cast<T>(v);
  else
    return convert<T>(static_cast<double>(v));
}

template <class T, class From>
void convert_all(const std::vector<std::byte>& data, std::vector<T>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    From value;
    std::memcpy(&value, data.data() + i * sizeof(From), sizeof(From));
    if constexpr (std::is_same_v<From, F16> || std::is_same_v<From, BF16>)
      out[i] = convert_from<T>(to_f32(value));
    else
      out[i] = convert_from<T>(value);
  }
}

template <class T>
void convert_packed(DType type, const std::vector<std::byte>& data, std::vector<T>& out) {
  const unsigned bits = dtype_bits(type);
  const unsigned per_byte = 8U / bits;
  for (size_t i = 0; i < out.size(); ++i) {
    const auto byte = std::to_integer<unsigned>(data[i / per_byte]);
    const unsigned raw = (byte >> (static_cast<unsigned>(i % per_byte) * bits)) & ((1U << bits) - 1U);
    const auto as_unsigned = static_cast<int>(raw);
    const int as_signed = (raw >> (bits - 1U)) != 0U ? as_unsigned - (1 << bits) : as_unsigned;
    if (type == DType::F4E2M1)
      out[i] = convert_from<T>(small_float(raw, 2, 1, 1));
    else if (type == DType::I4 || type == DType::I2)
      out[i] = convert_from<T>(as_signed);
    else
      out[i] = convert_from<T>(as_unsigned);
  }
}

}  // namespace

int64_t element_count(std::span<const int64_t> shape, const std::string& where) {
  int64_t product_of_nonzero = 1;
  bool empty = false;
  for (const int64_t dim : shape) {
    if (dim < 0) throw Exception(Error::BadFile, where + ": shape " + shape_text(shape) + " has a negative dimension");
    if (dim == 0)
      empty = true;
    else if (!mul_checked(product_of_nonzero, dim, product_of_nonzero))
      throw Exception(Error::LimitExceeded,
                      where + ": shape " + shape_text(shape) + " has more elements than 64 bits can count");
  }
  return empty ? 0 : product_of_nonzero;
}

uint64_t byte_size(DType dtype, std::span<const int64_t> shape, const std::string& where) {
  const int64_t count = element_count(shape, where);
  uint64_t bytes = 0;
  if (dtype_bits(dtype) == 0)
    throw Exception(Error::Unsupported, where + ": element type " + dtype_name(dtype) + " has no fixed size");
  if (!bytes_checked(count, dtype, bytes))
    throw Exception(Error::LimitExceeded, where + ": shape " + shape_text(shape) + " needs more than 2^64 bits");
  return bytes;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i == 16) return text + ", ...]";
    text += (i != 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

std::string printable(std::string_view text) {
  constexpr size_t kLongest = 120;
  std::string out(text.substr(0, kLongest));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text.size() > kLongest ? out + "..." : out;
}

int64_t Array::count() const { return element_count(shape, "array"); }

Array Array::zeros(DType dtype, std::vector<int64_t> shape) {
  Array out{dtype, std::move(shape), {}};
  const uint64_t bytes = byte_size(dtype, out.shape, "array");
  if (bytes > out.data.max_size()) throw Exception(Error::LimitExceeded, "array is too large for this machine");
  out.data.resize(static_cast<size_t>(bytes));
  return out;
}

Array Array::from_bytes(DType dtype, std::vector<int64_t> shape, std::span<const std::byte> bytes) {
  const uint64_t wanted = byte_size(dtype, shape, "array");
  if (wanted != bytes.size())
    throw Exception(Error::ShapeMismatch, "array: shape " + shape_text(shape) + " of " + dtype_name(dtype) + " needs " +
                                              std::to_string(wanted) + " bytes, but " + std::to_string(bytes.size()) +
                                              " were given");
  return {dtype, std::move(shape), {bytes.begin(), bytes.end()}};
}

void Array::expect_type(DType wanted) const {
  if (dtype != wanted)
    throw Exception(Error::TypeMismatch, std::string("array: elements are ") + dtype_name(dtype) + ", not " +
                                             dtype_name(wanted) + "; use as<T>() to convert");
}

template <class T>
std::vector<T> Array::as() const {
  std::vector<T> out(static_cast<size_t>(count()));
  if (byte_size(dtype, shape, "array") != data.size())
    throw Exception(Error::ShapeMismatch, "array: shape " + shape_text(shape) + " does not fit its data");
  switch (dtype) {
    case DType::F32:
      convert_all<T, float>(data, out);
      break;
    case DType::F64:
      convert_all<T, double>(data, out);
      break;
    case DType::F16:
      convert_all<T, F16>(data, out);
      break;
    case DType::BF16:
      convert_all<T, BF16>(data, out);
      break;
    case DType::I8:
      convert_all<T, int8_t>(data, out);
      break;
    case DType::U8:
      convert_all<T, uint8_t>(data, out);
      break;
    case DType::I16:
      convert_all<T, int16_t>(data, out);
      break;
    case DType::U16:
      convert_all<T, uint16_t>(data, out);
      break;
    case DType::I32:
      convert_all<T, int32_t>(data, out);
      break;
    case DType::U32:
      convert_all<T, uint32_t>(data, out);
      break;
    case DType::I64:
      convert_all<T, int64_t>(data, out);
      break;
    case DType::U64:
      convert_all<T, uint64_t>(data, out);
      break;
    case DType::Bool:
      for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<T>(data[i] != std::byte{0} ? 1 : 0);
      break;
    default:
      if (dtype_is_sub_byte(dtype)) {
        convert_packed(dtype, data, out);
      } else if (dtype_is_float8(dtype)) {
        for (size_t i = 0; i < out.size(); ++i)
          out[i] = convert_from<T>(float8_value(dtype, std::to_integer<unsigned>(data[i])));
      } else {
        throw Exception(Error::TypeMismatch,
                        std::string("array: elements of type ") + dtype_name(dtype) + " are not plain numbers");
      }
  }
  return out;
}

template std::vector<float> Array::as<float>() const;
template std::vector<double> Array::as<double>() const;
template std::vector<int64_t> Array::as<int64_t>() const;

Array Array::to_f32() const { return dtype == DType::F32 ? *this : from(as<float>(), shape); }

}  // namespace gf::io
