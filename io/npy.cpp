// .npy reading and writing: a strict parser for the header's Python dict literal, then byte and axis order.
#include "io/npy.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include "runtime/core/exception.h"
#include "runtime/core/shape.h"

namespace gf::io {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;
};

// Reads {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } and nothing more general.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  Header parse() {
    Header header;
    bool seen[3] = {};
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      const int which = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (which < 0 || seen[which]) bad("has an unknown or repeated key '" + printable(key) + "'");
      seen[which] = true;
      expect(':');
      if (which == 0)
        header.descr = descr();
      else if (which == 1)
        header.fortran_order = boolean();
      else
        header.shape = tuple();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) bad("has text after the dict");
    if (!seen[0] || !seen[1] || !seen[2]) bad("lacks one of descr, fortran_order, shape");
    return header;
  }

 private:
  [[noreturn]] void bad(const std::string& what) const {
    throw Exception(Error::BadFile, where_ + ": npy header " + what + " (at byte " + std::to_string(at_) +
                                        " of the header); write the file again with numpy.save");
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) bad(std::string("lacks a '") + c + "'");
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  std::string quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') bad("lacks a quoted string");
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) bad("has a string without an end");
    std::string out(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return out;
  }
  std::string descr() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[')
      throw Exception(Error::Unsupported,
                      where_ + ": npy records (structured dtypes) are not supported; save each field");
    return quoted();
  }
  bool boolean() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) bad("has a fortran_order that is neither True nor False");
    return false;
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> out;
    expect('(');
    while (!accept(')')) {
      out.push_back(integer());
      if (out.size() > static_cast<size_t>(kMaxRank))
        throw Exception(Error::LimitExceeded,
                        where_ + ": npy array has more than " + std::to_string(kMaxRank) + " dimensions");
      accept_word("L");  // Python 2 wrote long integers as 3L
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return out;
  }
  int64_t integer() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '-') bad("has a negative dimension");
    if (at_ >= text_.size() || text_[at_] < '0' || text_[at_] > '9') bad("lacks a dimension");
    int64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      if (!mul_checked<int64_t>(value, 10, value) || !add_checked<int64_t>(value, text_[at_] - '0', value))
        bad("has a dimension beyond 2^63");
    return value;
  }

  std::string_view text_;
  std::string where_;
  size_t at_ = 0;
};

struct TypeCode {
  DType dtype;
  char kind;
  unsigned bytes;
  unsigned swap_unit;  // complex numbers swap each half
};
constexpr std::array kTypes = {
    TypeCode{DType::Bool, 'b', 1, 1}, TypeCode{DType::I8, 'i', 1, 1},    TypeCode{DType::I16, 'i', 2, 2},
    TypeCode{DType::I32, 'i', 4, 4},  TypeCode{DType::I64, 'i', 8, 8},   TypeCode{DType::U8, 'u', 1, 1},
    TypeCode{DType::U16, 'u', 2, 2},  TypeCode{DType::U32, 'u', 4, 4},   TypeCode{DType::U64, 'u', 8, 8},
    TypeCode{DType::F16, 'f', 2, 2},  TypeCode{DType::F32, 'f', 4, 4},   TypeCode{DType::F64, 'f', 8, 8},
    TypeCode{DType::C64, 'c', 8, 4},  TypeCode{DType::C128, 'c', 16, 8},
};

TypeCode type_of(const std::string& descr, bool& big_endian, const std::string& where) {
  const char order = descr.empty() ? '\0' : descr[0];
  big_endian = order == '>';
  if (order == '<' || order == '>' || order == '|' || order == '=')
    for (const TypeCode& type : kTypes)
      if (descr.substr(1) == type.kind + std::to_string(type.bytes) && (order != '|' || type.bytes == 1)) return type;
  throw Exception(Error::Unsupported,
                  where + ": npy element type '" + printable(descr) +
                      "' is not supported; convert with numpy's astype (bool, int, uint, float16 to "
                      "float64, complex)");
}

// Column-major to row-major: walks the output in order, stepping the source index like an odometer.
std::vector<std::byte> to_c_order(ByteSpan source, const std::vector<int64_t>& shape, size_t element_bytes) {
  const size_t rank = shape.size();
  std::vector<size_t> stride(rank);
  size_t step = 1;
  for (size_t axis = 0; axis < rank; ++axis) {
    stride[axis] = step;
    step *= static_cast<size_t>(shape[axis]);
  }
  std::vector<std::byte> out(source.size());
  std::vector<int64_t> index(rank, 0);
  size_t from = 0;
  for (size_t to = 0; to < out.size(); to += element_bytes) {
    std::memcpy(out.data() + to, source.data() + from * element_bytes, element_bytes);
    for (size_t axis = rank; axis-- > 0;) {
      from += stride[axis];
      if (++index[axis] < shape[axis]) break;
      from -= stride[axis] * static_cast<size_t>(shape[axis]);
      index[axis] = 0;
    }
  }
  return out;
}

void swap_bytes(std::vector<std::byte>& data, size_t unit) {
  for (size_t i = 0; i < data.size(); i += unit)
    std::reverse(data.begin() + static_cast<std::ptrdiff_t>(i), data.begin() + static_cast<std::ptrdiff_t>(i + unit));
}

uint32_t le(ByteSpan bytes, size_t count) {
  uint32_t value = 0;
  for (size_t i = count; i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(bytes[i]);
  return value;
}

}  // namespace

Array parse_npy(ByteSpan bytes, const std::string& where, const Limits& limits) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (bytes.size() < 10 || text.substr(0, kMagic.size()) != kMagic)
    throw Exception(Error::BadFile, where + ": not a .npy file (magic bytes missing)");
  const auto major = std::to_integer<unsigned>(bytes[6]);
  const auto minor = std::to_integer<unsigned>(bytes[7]);
  if (major < 1 || major > 3 || minor != 0)
    throw Exception(Error::BadVersion, where + ": npy format " + std::to_string(major) + "." + std::to_string(minor) +
                                           " is unknown; 1.0 to 3.0 are read");
  const size_t length_bytes = major == 1 ? 2 : 4;
  const size_t start = 8 + length_bytes;
  if (bytes.size() < start) throw Exception(Error::BadFile, where + ": truncated inside the npy header");
  const uint32_t header_bytes = le(bytes.subspan(8), length_bytes);
  if (header_bytes > limits.max_header_bytes)
    throw Exception(Error::LimitExceeded, where + ": npy header of " + std::to_string(header_bytes) + " bytes");
  if (header_bytes > bytes.size() - start)
    throw Exception(Error::BadFile,
                    where + ": npy header length " + std::to_string(header_bytes) + " goes beyond the end of the file");
  const Header header = HeaderParser(text.substr(start, header_bytes), where).parse();
  bool big_endian = false;
  const TypeCode type = type_of(header.descr, big_endian, where);
  const uint64_t wanted = byte_size(type.dtype, header.shape, where);
  if (wanted > limits.max_array_bytes)
    throw Exception(Error::LimitExceeded, where + ": array of " + std::to_string(wanted) + " bytes is above the limit");
  const ByteSpan payload = bytes.subspan(start + header_bytes);
  if (wanted != payload.size())
    throw Exception(Error::BadFile, where + ": shape " + shape_text(header.shape) + " of " + header.descr + " needs " +
                                        std::to_string(wanted) + " bytes of data, but the file has " +
                                        std::to_string(payload.size()));
  Array out{type.dtype, header.shape, {}};
  if (header.fortran_order && header.shape.size() > 1)
    out.data = to_c_order(payload, header.shape, type.bytes);
  else
    out.data.assign(payload.begin(), payload.end());
  if (big_endian) swap_bytes(out.data, type.swap_unit);
  if (type.dtype == DType::Bool)
    for (std::byte& b : out.data) b = b != std::byte{0} ? std::byte{1} : std::byte{0};
  return out;
}

Array read_npy(const std::string& path, const Limits& limits) {
  return parse_npy(read_file(path, limits), printable(path), limits);
}

namespace {

std::optional<Array> widened(const Array& array) {
  const DType t = array.dtype;
  if (t == DType::BF16 || t == DType::F4E2M1 || dtype_is_float8(t)) return array.to_f32();
  if (!dtype_is_sub_byte(t)) return std::nullopt;
  const std::vector<int64_t> values = array.as<int64_t>();
  std::vector<int8_t> narrow(values.size());
  for (size_t i = 0; i < values.size(); ++i) narrow[i] = static_cast<int8_t>(values[i]);
  Array out = Array::from(narrow, array.shape);
  if (t == DType::U4 || t == DType::U2) out.dtype = DType::U8;
  return out;
}

std::string npy_header(const Array& array) {
  const TypeCode* type = nullptr;
  for (const TypeCode& t : kTypes)
    if (t.dtype == array.dtype) type = &t;
  if (type == nullptr)
    throw Exception(Error::Unsupported, std::string("npy: cannot write elements of type ") + dtype_name(array.dtype));
  std::string text = "{'descr': '";
  text += type->bytes == 1 ? '|' : '<';
  text += type->kind + std::to_string(type->bytes) + "', 'fortran_order': False, 'shape': (";
  for (const int64_t dim : array.shape) text += std::to_string(dim) + ", ";
  // numpy spells (3,) and (2, 3)
  if (array.shape.size() == 1) text.pop_back();
  if (array.shape.size() > 1) text.resize(text.size() - 2);
  text += "), }";
  constexpr size_t kAlign = 64;  // data starts aligned so that numpy can map it
  const size_t prefix = kMagic.size() + 4;
  text.append(kAlign - 1 - (prefix + text.size()) % kAlign, ' ');
  text += '\n';
  std::string out(kMagic);
  out += '\x01';
  out += '\0';
  out += static_cast<char>(text.size() & 0xffU);
  out += static_cast<char>(text.size() >> 8);
  return out + text;
}

}  // namespace

Bytes npy_bytes(const Array& array) {
  if (const auto wide = widened(array)) return npy_bytes(*wide);
  const std::string header = npy_header(array);
  if (byte_size(array.dtype, array.shape, "npy") != array.data.size())
    throw Exception(Error::ShapeMismatch, "npy: shape " + shape_text(array.shape) + " does not fit the array's data");
  Bytes out(header.size() + array.data.size());
  std::memcpy(out.data(), header.data(), header.size());
  std::copy(array.data.begin(), array.data.end(), out.begin() + static_cast<std::ptrdiff_t>(header.size()));
  return out;
}

void write_npy(const std::string& path, const Array& array) { write_file(path, npy_bytes(array)); }

}  // namespace gf::io
