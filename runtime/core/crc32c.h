// CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected, as in RFC 3720): guards the bytes of .gf files and checkpoints.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gf {

/// CRC-32C of `size` bytes, continuing from `crc` (0 to begin). Uses the processor's instruction where there is one.
uint32_t crc32c(const void* data, size_t size, uint32_t crc = 0);
/// The table-driven form, for tests.
uint32_t crc32c_portable(const void* data, size_t size, uint32_t crc = 0);

}  // namespace gf
