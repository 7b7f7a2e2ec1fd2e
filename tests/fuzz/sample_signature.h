// The right signature of the sample file, by the key of 32 zero bytes. Only in builds with GF_SIGNATURE.
#pragma once

#include <array>
#include <vector>

#include "facade/signing.h"
#include "schema/format/format.h"
#include "tests/fuzz/sample_file.h"

namespace gf::test {

inline std::vector<std::byte> sample_signature(const SampleFile& sample) {
  const Block file = sample.with({}, make_signer(std::array<std::byte, 32>{}));
  const auto section = load_sample(file).section(format::kSignatureSection);
  return {section.begin(), section.end()};
}

}  // namespace gf::test
