// Ed25519ph over everything in front of the signature section; FORMAT.md, "Signature".
#include "runtime/include/ghostflow/signature.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "schema/format/format.h"

namespace gf {

Error verify_signature(const Program& program, std::span<const std::byte, kPublicKeyBytes> public_key,
                       ErrorDetail* detail) {
  const int count = program.section_count(format::kSignatureSection);
  if (count == 0) return GF_FAIL(detail, Error::NotFound, -1, "the file is not signed; sign it with gf-convert --sign");
  if (count > 1) return GF_FAIL(detail, Error::BadFile, -1, "the file has more than one signature section");
  const std::span<const std::byte> file = program.bytes(), section = program.section(format::kSignatureSection);
  format::Signature s{};
  if (section.size() != sizeof s || section.data() + section.size() + format::kSealBytes != file.data() + file.size())
    return GF_FAIL(detail, Error::BadFile, -1, "the signature section is not the last %zu bytes before the seal", sizeof s);
  std::memcpy(&s, section.data(), sizeof s);
  if (s.version != format::kSignatureVersion)
    return GF_FAIL(detail, Error::BadVersion, -1, "the signature is of kind %u, this library knows %u", s.version, format::kSignatureVersion);
  if (std::any_of(std::begin(s.reserved), std::end(s.reserved), [](uint8_t b) { return b != 0; }))
    return GF_FAIL(detail, Error::BadFile, -1, "the signature section has bytes that must be zero");
  if (std::memcmp(s.public_key, public_key.data(), kPublicKeyBytes) != 0)
    return GF_FAIL(detail, Error::InvalidArgument, -1, "the file is signed with another key than the one given");
  if (sodium_init() < 0) return GF_FAIL(detail, Error::Internal, -1, "libsodium cannot start");
  crypto_sign_state state;
  crypto_sign_init(&state);
  const size_t signed_bytes = file.size() - format::kSealBytes - sizeof s;
  crypto_sign_update(&state, reinterpret_cast<const unsigned char*>(file.data()), signed_bytes);
  if (crypto_sign_final_verify(&state, s.bytes, reinterpret_cast<const unsigned char*>(public_key.data())) != 0)
    return GF_FAIL(detail, Error::BadChecksum, -1, "the file's bytes are not those that were signed: it was changed, or the signature is forged");
  return Error::Ok;
}

}  // namespace gf
