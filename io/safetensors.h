// safetensors files (format description of the safetensors project, 0.4 and later): 8 bytes of header length, a JSON
// header, then one buffer. Thread rule: reentrant; views point into memory that somebody else owns.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/array.h"
#include "io/file.h"

namespace gf::io {

/// One tensor of a parsed file; `data` points into the parsed bytes (not aligned to the element size in general).
struct SafeTensor {
  std::string name;
  DType dtype = DType::Invalid;
  std::vector<int64_t> shape;
  ByteSpan data;

  Array to_array() const { return Array::from_bytes(dtype, shape, data); }
};

struct SafeTensors {
  std::vector<SafeTensor> tensors;              ///< in the order of their data
  std::map<std::string, std::string> metadata;  ///< "__metadata__"
};

/// Parses without copying data; the result is valid while `bytes` live. Checked as the format demands: header inside
/// the file and no more than limits.max_header_bytes, opens with '{', no repeated keys, offsets in order without holes
/// or overlaps and ending at the end of the file, each size equal to what type and shape need.
/// Throws BadFile, LimitExceeded, Unsupported (element types this library lacks).
SafeTensors parse_safetensors(ByteSpan bytes, const std::string& where, const Limits& limits = {});

/// Reads all tensors into memory. Also NotFound, IoError.
std::vector<NamedArray> read_safetensors(const std::string& path,
                                         std::map<std::string, std::string>* metadata = nullptr,
                                         const Limits& limits = {});

/// The bytes that write_safetensors writes. Throws as it does.
Bytes safetensors_bytes(const std::vector<NamedArray>& arrays, const std::map<std::string, std::string>& metadata = {});

/// Writes tensors, largest element type first and then by name (so that all data are aligned), crash-safely.
/// Throws InvalidArgument (empty or repeated name, "__metadata__"), Unsupported (String, uint4, int2, ...).
void write_safetensors(const std::string& path, const std::vector<NamedArray>& arrays,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace gf::io
