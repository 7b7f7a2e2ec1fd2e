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

/// One tensor of a parsed file, or one to be written. `data` belongs to somebody else; in a parsed file it points into its bytes
/// (not aligned to the element size in general).
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

/// The head of a file, and the order of the data behind it.
struct SafeTensorsHead {
  std::string bytes;          ///< length and header
  std::vector<size_t> order;  ///< numbers of tensors
};
/// Head of a file of these tensors, for who writes their data himself, straight from where they are. The data begin at a multiple of
/// `alignment` (a power of two from 8 on). Those whose size is a multiple of it come first, then by falling element type, then by name:
/// so the first ones are all aligned that well, and the others to their elements. Throws as write_safetensors.
SafeTensorsHead safetensors_head(const std::vector<SafeTensor>& tensors, const std::map<std::string, std::string>& metadata,
                                 size_t alignment = 8);

/// The bytes that write_safetensors writes. Throws as it does.
Bytes safetensors_bytes(const std::vector<NamedArray>& arrays, const std::map<std::string, std::string>& metadata = {});

/// Writes tensors in the order of safetensors_head, crash-safely. Throws InvalidArgument (empty or repeated name, "__metadata__"),
/// ShapeMismatch (data of another size than type and shape say), Unsupported (String, uint4, int2, ...).
void write_safetensors(const std::string& path, const std::vector<NamedArray>& arrays,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace gf::io
