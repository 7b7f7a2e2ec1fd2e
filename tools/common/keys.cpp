#include "tools/common/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "io/file.h"
#if GF_SIGNATURE
#include "facade/signing.h"
#include "runtime/include/ghostflow/signature.h"
#endif

namespace gf::cli {
namespace {

// DER of a key without parameters is a constant followed by the 32 bytes (RFC 8410, section 7 and 4).
constexpr unsigned char kPrivatePrefix[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
constexpr unsigned char kPublicPrefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

// Base64 of a PEM block; empty when a character is wrong.
io::Bytes decode_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  io::Bytes out;
  uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '=') continue;
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return {};
    bits = bits << 6 | static_cast<uint32_t>(digit);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out.push_back(static_cast<std::byte>(bits >> have & 0xffU));
    }
  }
  return out;
}

Key read_key(const std::string& path, const std::string& label, std::span<const unsigned char> prefix, const char* how) {
  io::Limits limits;
  limits.max_file_bytes = 64 << 10;
  const io::Bytes bytes = io::read_file(path, limits);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string begin = "-----BEGIN " + label + "-----", end = "-----END " + label + "-----";
  const size_t from = text.find(begin), to = text.find(end, from == std::string_view::npos ? 0 : from);
  const auto bad = [&](const char* what) {
    return Exception(Error::BadFile, fmt::format("'{}' {}; make one with: {}", path, what, how));
  };
  if (text.find("ENCRYPTED PRIVATE KEY") != std::string_view::npos) throw bad("is encrypted, which is not supported (openssl pkey decrypts it)");
  if (from == std::string_view::npos || to == std::string_view::npos)
    throw bad(label == "PUBLIC KEY" ? "holds no PEM public key" : "holds no PEM private key");
  const io::Bytes der = decode_base64(text.substr(from + begin.size(), to - from - begin.size()));
  if (der.size() != prefix.size() + sizeof(Key) || std::memcmp(der.data(), prefix.data(), prefix.size()) != 0)
    throw bad("is not an Ed25519 key");
  Key key;
  std::copy(der.end() - static_cast<std::ptrdiff_t>(key.size()), der.end(), key.begin());
  return key;
}

#if !GF_SIGNATURE
[[noreturn]] void not_built() {
  throw Exception(Error::NotImplemented, "this program was built without signatures (CMake: -DGF_SIGNATURE=ON)");
}
#endif

}  // namespace

Key read_private_key(const std::string& path) {
  return read_key(path, "PRIVATE KEY", kPrivatePrefix, "openssl genpkey -algorithm ed25519 -out key.pem");
}
Key read_public_key(const std::string& path) {
  return read_key(path, "PUBLIC KEY", kPublicPrefix, "openssl pkey -in key.pem -pubout -out public.pem");
}

#if GF_SIGNATURE

EmitSigner signer_of(const Key& seed) { return make_signer(seed); }
void check_signature(const Program& program, const Key& public_key) {
  ErrorDetail detail;
  if (const Error e = verify_signature(program, public_key, &detail); e != Error::Ok) throw Exception(e, detail.text);
}

#else

EmitSigner signer_of(const Key&) { not_built(); }
void check_signature(const Program&, const Key&) { not_built(); }

#endif

}  // namespace gf::cli
