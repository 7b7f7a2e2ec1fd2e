// needs: GF_SIGNATURE GF_CONVERTER GF_OPS_CPU
// libFuzzer target: any bytes as the signature section of a small file are an error, except for the one signature there is.
#include <algorithm>
#include <cstdlib>

#include "runtime/include/ghostflow/signature.h"
#include "tests/fuzz/sample_file.h"
#include "tests/fuzz/sample_signature.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gf;
  static const test::SampleFile sample;
  static const std::vector<std::byte> right = test::sample_signature(sample);
  const auto key = std::span(right).subspan<offsetof(format::Signature, public_key), kPublicKeyBytes>();
  const auto section = std::as_bytes(std::span(data, size));
  const test::Block file = sample.with({{format::kSignatureSection, {section.begin(), section.end()}}});
  ErrorDetail detail;
  const Error e = verify_signature(test::load_sample(file), key, &detail);
  const bool same = std::equal(section.begin(), section.end(), right.begin(), right.end());
  if ((e == Error::Ok) != same || (e != Error::Ok && detail.text[0] == '\0')) std::abort();
  return 0;
}
