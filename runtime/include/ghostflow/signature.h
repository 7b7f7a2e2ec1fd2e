// Signed models (optional component, library gf_signature, libsodium): who wrote this file, and has a byte of it changed?
// A checksum tells accidents; only a signature tells an attacker. Check it after loading and before anything is run.
// Thread rule: safe from several threads at once. No heap of ours.
#pragma once

#include <cstddef>
#include <span>

#include "runtime/load/program.h"

namespace gf {

inline constexpr size_t kPublicKeyBytes = 32;

/// Is the file that `program` views signed with the private half of `public_key` (Ed25519, 32 bytes as RFC 8032 writes
/// them)? Reads every byte of the file. Errors: NotFound (not signed), InvalidArgument (signed with another key),
/// BadChecksum (the bytes are not those that were signed), BadFile (the section is malformed), BadVersion (of a later
/// kind), Internal (libsodium cannot start).
Error verify_signature(const Program& program, std::span<const std::byte, kPublicKeyBytes> public_key,
                       ErrorDetail* detail = nullptr);

}  // namespace gf
