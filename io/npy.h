// NumPy's .npy files, format 1.0 to 3.0 (numpy.lib.format), and .npz archives of them. Thread rule: reentrant.
#pragma once

#include <string>
#include <vector>

#include "io/array.h"
#include "io/file.h"

namespace gf::io {

/// Parses a .npy image: bool, (u)int8..64, float16/32/64, complex64/128, either byte order (converted to this host's),
/// C or Fortran order (converted to C). bool bytes become 0 or 1. `where` opens the messages.
/// Throws BadFile (not npy, damaged, truncated, bytes after the array), BadVersion, Unsupported (strings, objects,
/// dates, records, long double), LimitExceeded (rank above 8, sizes above `limits`).
Array parse_npy(ByteSpan bytes, const std::string& where, const Limits& limits = {});

/// parse_npy of a file. Also NotFound, IoError.
Array read_npy(const std::string& path, const Limits& limits = {});

/// .npy 1.0 image. Types that NumPy lacks are widened without loss: bfloat16, float8 and float4 to float32, int4/int2
/// to int8, uint4/uint2 to uint8. Throws Unsupported for String.
Bytes npy_bytes(const Array& array);

/// Writes npy_bytes crash-safely (see AtomicFileWriter).
void write_npy(const std::string& path, const Array& array);

/// Every `<name>.npy` of a zip archive, stored or deflated, in archive order; entries of other kinds are left out.
/// zip64 is understood, CRCs are checked. Throws BadFile (damaged, overlapping or repeated entries), BadChecksum,
/// LimitExceeded (ratio and size rules of Limits, summed over the entries), Unsupported (encrypted, other methods).
std::vector<NamedArray> parse_npz(ByteSpan bytes, const std::string& where, const Limits& limits = {});
std::vector<NamedArray> read_npz(const std::string& path, const Limits& limits = {});

/// Writes stored (uncompressed) entries, crash-safely. Throws InvalidArgument for empty or repeated names.
void write_npz(const std::string& path, const std::vector<NamedArray>& arrays);
/// The same archive in memory.
Bytes npz_bytes(const std::vector<NamedArray>& arrays);

}  // namespace gf::io
