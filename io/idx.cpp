// IDX reader.
#include "io/idx.h"

#include <algorithm>

#include "runtime/core/exception.h"
#include "runtime/core/shape.h"

namespace gf::io {
namespace {

DType type_of(unsigned code, const std::string& where) {
  switch (code) {
    case 0x08:
      return DType::U8;
    case 0x09:
      return DType::I8;
    case 0x0b:
      return DType::I16;
    case 0x0c:
      return DType::I32;
    case 0x0d:
      return DType::F32;
    case 0x0e:
      return DType::F64;
    default:
      throw Exception(Error::Unsupported, where + ": idx type code " + std::to_string(code) + " is unknown");
  }
}

}  // namespace

Array parse_idx(ByteSpan bytes, const std::string& where, const Limits& limits) {
  if (bytes.size() < 4 || bytes[0] != std::byte{0} || bytes[1] != std::byte{0})
    throw Exception(Error::BadFile, where + ": not an idx file (it must open with two zero bytes)");
  const DType type = type_of(std::to_integer<unsigned>(bytes[2]), where);
  const auto rank = std::to_integer<size_t>(bytes[3]);
  if (rank > static_cast<size_t>(kMaxRank))
    throw Exception(Error::LimitExceeded, where + ": idx array has " + std::to_string(rank) + " dimensions");
  const size_t start = 4 + 4 * rank;
  if (bytes.size() < start) throw Exception(Error::BadFile, where + ": truncated inside the idx header");
  Array out{type, std::vector<int64_t>(rank), {}};
  for (size_t i = 0; i < 4 * rank; ++i)
    out.shape[i / 4] = out.shape[i / 4] << 8 | std::to_integer<int64_t>(bytes[4 + i]);
  const uint64_t wanted = byte_size(type, out.shape, where);
  if (wanted > limits.max_array_bytes) throw Exception(Error::LimitExceeded, where + ": array is above the size limit");
  if (wanted != bytes.size() - start)
    throw Exception(Error::BadFile, where + ": shape " + shape_text(out.shape) + " of " + dtype_name(type) + " needs " +
                                        std::to_string(wanted) + " bytes of data, but the file has " +
                                        std::to_string(bytes.size() - start));
  out.data.assign(bytes.begin() + static_cast<std::ptrdiff_t>(start), bytes.end());
  const auto unit = static_cast<std::ptrdiff_t>(dtype_bits(type) / 8);
  for (auto at = out.data.begin(); unit > 1 && at != out.data.end(); at += unit) std::reverse(at, at + unit);
  return out;
}

Array read_idx(const std::string& path, const Limits& limits) {
  return parse_idx(read_file_or_gzip(path, limits), printable(path), limits);
}

}  // namespace gf::io
