// Signing a model while it is written. Only in builds with GF_SIGNATURE. Thread rule: a signer is used once, by one thread.
#pragma once

#include <cstddef>
#include <span>

#include "graph/emit/emit.h"

namespace gf {

/// `seed`: the 32 bytes of an Ed25519 private key (RFC 8032). Deterministic: the same file and key give the same bytes.
/// Keeps a copy of the key until it is destroyed, then wipes it. Throws Internal when libsodium cannot start.
EmitSigner make_signer(std::span<const std::byte, 32> seed);

}  // namespace gf
