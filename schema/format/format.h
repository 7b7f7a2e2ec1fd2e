// Constants of the .gf container that reader and writer share; FORMAT.md explains them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gf::format {

inline constexpr uint16_t kVersionMajor = 1;   ///< a reader refuses a larger major version
inline constexpr uint16_t kVersionMinor = 0;   ///< larger minor versions only add skippable things
inline constexpr size_t kAlignment = 64;       ///< of segments and of constants in them
inline constexpr size_t kPrefixBytes = 4;      ///< little-endian length of the FlatBuffers part
inline constexpr size_t kSealBytes = 32;       ///< trailer at the very end of the file
inline constexpr char kSealMagic[8] = {'G', 'F', 'S', 'E', 'A', 'L', '0', '1'};

/// Last 32 bytes of a file, little-endian. `crc32c` covers every byte of the file before the seal, so with verify_data a
/// flipped bit anywhere is found; `seal_crc32c` covers the seal's own first 24 bytes and is always checked.
struct Seal {
  char magic[8];
  uint64_t file_bytes;      ///< of the whole file, seal included: truncation and trailing garbage are always found
  uint32_t crc32c;
  uint32_t header_crc32c;   ///< of the length prefix and the FlatBuffers part: always checked
  uint32_t seal_crc32c;
  uint32_t reserved;
};
static_assert(sizeof(Seal) == kSealBytes);

inline constexpr char kSignatureSection[] = "signature";

/// The whole of the `signature` section, which ends where the seal begins: everything in front of it is signed.
struct Signature {
  uint8_t bytes[64];        ///< Ed25519ph (RFC 8032, empty context) over the file's bytes in front of this section
  uint8_t public_key[32];   ///< of the signer, so that a wrong key can be told from a changed file; not trusted
  uint32_t version;         ///< kSignatureVersion
  uint8_t reserved[28];     ///< 0
};
inline constexpr uint32_t kSignatureVersion = 1;
static_assert(sizeof(Signature) == 128);

enum TensorKind : uint8_t { kComputed = 0, kConstant = 1, kState = 2, kInput = 3 };
inline constexpr int32_t kDimConstant = -1;
inline constexpr int32_t kDimExpression = -2;
inline constexpr uint32_t kEntryExact = 1U << 0;

}  // namespace gf::format
