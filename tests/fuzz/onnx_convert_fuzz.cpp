// libFuzzer target: any bytes as an ONNX model through the whole chain: read, import, optimise, emit, load, create, run. Only
// gf::Exception may come out of the converter, and what it emits must load: the loader refusing our own file is a bug.
#include <cstdio>
#include <cstdlib>

#include "converter/onnx/reader.h"
#include "facade/convert.h"
#include "runtime/core/crc32c.h"
#include "tests/runtime/try_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gf;
  std::vector<std::byte> file;
  try {
    onnx::ReadLimits limits;
    limits.max_structure_bytes = 64 << 20;
    limits.max_dense_bytes = 16 << 20;
    const auto* first = reinterpret_cast<const std::byte*>(data);
    const onnx::Model model = onnx::read_model(onnx::Bytes::take({first, first + size}), limits);
    ConvertOptions options;
    options.optimize = static_cast<int>(size % 3);
    onnx::ImportOptions import;
    ir::Model made = convert({{&model, nullptr, import}}, options, make_evaluator(default_tables(false)));
    file = emit(made, {.node_names = true});
  } catch (const Exception& e) {
    if (e.code() == Error::Internal) {
      std::fprintf(stderr, "%s\n", e.what());
      std::abort();
    }
    return 0;
  }
  std::string text;
  test::TryOptions options;
  options.seed = crc32c(data, size) | 1U;
  bool created = false;  // what a run refuses may come from the inputs: an axis that is no constant, for instance
  const Error e = test::try_file(file, options, &text, &created);
  if (created) return 0;
  if (e == Error::BadFile || e == Error::BadGraph || e == Error::BadAttribute || e == Error::BadVersion || e == Error::UnknownOp) {
    std::fprintf(stderr, "the loader refuses what the converter wrote: %s\n", text.c_str());
    std::abort();
  }
  return 0;
}
