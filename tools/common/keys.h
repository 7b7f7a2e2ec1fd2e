// Keys and signatures of models: key files as `openssl genpkey -algorithm ed25519` writes them (RFC 8410), signing
// while a file is written, checking. In builds without GF_SIGNATURE these throw NotImplemented.
#pragma once

#include <array>
#include <string>

#include "facade/convert.h"
#include "tools/common/cli.h"

namespace gf::cli {

using Key = std::array<std::byte, 32>;

/// The seed out of a PEM file with an unencrypted Ed25519 private key. Throws BadFile with what is wrong.
Key read_private_key(const std::string& path);
Key read_public_key(const std::string& path);

/// For EmitOptions.
EmitSigner signer_of(const Key& seed);
/// Throws what gf::verify_signature says.
void check_signature(const Program& program, const Key& public_key);

}  // namespace gf::cli
