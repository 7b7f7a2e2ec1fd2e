// needs: GF_TOOLS GF_CONVERTER GF_IO GF_OPS_CPU
// libFuzzer target: any bytes as the golden section of a small file give a gf::Exception, or runs that can be verified.
#include <cstdlib>

#include "tests/fuzz/sample_file.h"
#include "tools/common/golden.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gf;
  static const test::SampleFile sample;
  static Model model = [] {
    ModelOptions options;
    options.threads = 1;
    return Model::from_bytes(sample.with({}).span(), options);
  }();
  const auto section = std::as_bytes(std::span(data, size));
  const test::Block file = sample.with({{"golden", {section.begin(), section.end()}}});
  const Program program = test::load_sample(file);
  try {
    const auto golden = cli::read_golden(program);
    if (!golden) std::abort();
    static_cast<void>(cli::verify_golden(model, *golden));
  } catch (const Exception&) {  // the expected answer to most inputs
  }
  return 0;
}
