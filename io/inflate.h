// Decompression with bounds (zlib inside). Internal to io.
#pragma once

#include <string>

#include "io/file.h"

namespace gf::io {

/// Whether the bytes start as a gzip stream.
bool is_gzip(ByteSpan bytes);

/// Content of a gzip file (RFC 1952; several members are joined). Checks CRC and length. Throws BadFile (damaged,
/// truncated, trailing bytes), LimitExceeded (above limits.max_inflated_bytes or the ratio rule of Limits).
Bytes gunzip(ByteSpan bytes, const std::string& where, const Limits& limits);

/// Content of a raw deflate stream (RFC 1951) that must fill exactly `size` bytes and use up `bytes`. The caller has
/// checked `size` against its limits; memory grows with what really comes out.
Bytes inflate_raw(ByteSpan bytes, uint64_t size, const std::string& where, const Limits& limits);

/// Throws LimitExceeded when `output` bytes out of `input` compressed ones break the rules of Limits.
void check_inflated(uint64_t input, uint64_t output, const std::string& where, const Limits& limits);

/// CRC-32 (ISO 3309), as zip and gzip use it.
uint32_t crc32_of(ByteSpan bytes);

}  // namespace gf::io
