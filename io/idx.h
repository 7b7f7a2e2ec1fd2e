// IDX files (the MNIST format: big-endian header 00 00 type rank, then dims, then data). Thread rule: reentrant.
#pragma once

#include <string>

#include "io/array.h"
#include "io/file.h"

namespace gf::io {

/// Parses uint8, int8, int16, int32, float32 and float64 data; converted to host byte order. Throws BadFile (magic,
/// truncated, bytes left over), Unsupported (other type codes), LimitExceeded (rank above 8, sizes).
Array parse_idx(ByteSpan bytes, const std::string& where, const Limits& limits = {});

/// parse_idx of a file, gzip (.idx.gz) or not.
Array read_idx(const std::string& path, const Limits& limits = {});

}  // namespace gf::io
