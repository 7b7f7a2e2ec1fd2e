#include "facade/signing.h"

#include <sodium.h>

#include <cstring>
#include <memory>

#include "runtime/core/exception.h"
#include "schema/format/format.h"

namespace gf {
namespace {

struct Work {
  crypto_sign_state state;
  unsigned char public_key[crypto_sign_PUBLICKEYBYTES];
  unsigned char secret_key[crypto_sign_SECRETKEYBYTES];
  ~Work() { sodium_memzero(secret_key, sizeof secret_key); }
};

}  // namespace

EmitSigner make_signer(std::span<const std::byte, 32> seed) {
  if (sodium_init() < 0) throw Exception(Error::Internal, "libsodium cannot start");
  const auto work = std::make_shared<Work>();
  crypto_sign_seed_keypair(work->public_key, work->secret_key, reinterpret_cast<const unsigned char*>(seed.data()));
  crypto_sign_init(&work->state);
  EmitSigner signer;
  signer.update = [work](std::span<const std::byte> bytes) {
    crypto_sign_update(&work->state, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  };
  signer.finish = [work] {
    format::Signature s{};
    s.version = format::kSignatureVersion;
    crypto_sign_final_create(&work->state, s.bytes, nullptr, work->secret_key);
    std::memcpy(s.public_key, work->public_key, sizeof s.public_key);
    std::vector<std::byte> out(sizeof s);
    std::memcpy(out.data(), &s, sizeof s);
    return out;
  };
  return signer;
}

}  // namespace gf
