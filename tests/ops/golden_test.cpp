// Every case of data/*.json (make_*goldens.py: expected values from PyTorch, NumPy and ONNX
// Runtime) through the portable kernels and through the best ones of each instruction set: once serially, once with three
// threads and once in place, which must give the same bytes.
#include "ops/cpu/table.h"
#if GF_SIMD
#include "ops/cpu/simd/isa_dispatch.h"
#include "ops/cpu/simd/table.h"
#endif
#if GF_XNNPACK
#include "ops/cpu/xnnpack/table.h"
#endif
#include <map>

#include "tests/ops/golden_cases.h"

namespace gf::test {
namespace {

/// Returns how many cases each kernel took. `padded`: buffers as in planned memory, inputs behind the first constant too.
/// The same answer to the last bit; of a NaN only that it is one where a machine may choose its sign (WebAssembly).
::testing::AssertionResult equal_bytes(const std::vector<HostTensor>& a, const std::vector<HostTensor>& b) {
#ifdef __EMSCRIPTEN__
  for (size_t i = 0; i < a.size(); ++i)
    if (const auto same = close(a[i], b[i], 0, 0); !same) return same;
  return ::testing::AssertionSuccess();
#else
  return a == b ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << "bytes differ";
#endif
}

std::map<std::string, int> check_file(const char* name, const Tables& tables, Isa isa, bool padded = false, bool constant = false) {
  std::map<std::string, int> taken;
  const json cases = golden_cases(name);
  EXPECT_GT(cases.size(), 100U);
  RoughParallel rough;
  size_t index = 0;
  for (const json& c : cases) {
    const std::string op = c["op"];
    SCOPED_TRACE(op + ", case " + std::to_string(index++) + " " + c["attrs"].dump() + " " +
                 c["inputs"][0]["dtype"].get<std::string>() + io::shape_text(c["inputs"][0]["shape"].get<std::vector<int64_t>>()));
    const OpDef* def = tables.ops.find(op);
    if (def == nullptr) {
      ADD_FAILURE() << "no op of this name";
      continue;
    }
    const HostInputs inputs = inputs_of(c);
    EvaluateOptions options;
    options.isa = isa;
    options.padded = padded;
    options.constant.assign(inputs.size(), constant);
    options.constant[0] = false;
    std::string kernel;
    options.kernel_used = &kernel;
    options.outputs = static_cast<int>(c["outputs"].size());
    const Attributes attributes = to_attributes(c["attrs"]);
    try {
      const auto outputs = evaluate(*def, attributes, inputs, tables, options);
      for (size_t o = 0; o < outputs.size(); ++o)
        EXPECT_TRUE(close(outputs[o], to_tensor(c["outputs"][o]), c["rtol"], c["atol"])) << kernel << ", output " << o;
      options.parallel = rough.get();
      EXPECT_TRUE(equal_bytes(evaluate(*def, attributes, inputs, tables, options), outputs)) << "threads change the result";
      options.inplace = true;
      EXPECT_TRUE(equal_bytes(evaluate(*def, attributes, inputs, tables, options), outputs)) << "running in place changes the result";
    } catch (const Exception& e) {
      ADD_FAILURE() << e.what();
    }
    ++taken[kernel];
  }
  return taken;
}

class Golden : public ::testing::TestWithParam<const char*> {};

TEST_P(Golden, PortableKernels) {
  Tables tables;
  tables.ops = AllOps::table();
  tables.add(cpu::portable_kernels());
  check_file(GetParam(), tables, Isa::Portable);
}

#if GF_SIMD
TEST_P(Golden, VectorKernels) {
  Tables tables;
  tables.ops = AllOps::table();
  tables.add(cpu::simd_kernels());
  tables.add(cpu::portable_kernels());
  for (const Isa isa : {Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Neon})
    if (isa_allows(simd::best_isa(), isa)) check_file(GetParam(), tables, isa);
}
#endif

#if GF_XNNPACK
TEST_P(Golden, XnnpackKernels) {
  Tables tables;
  tables.ops = AllOps::table();
  tables.add(cpu::xnnpack_kernels());
  tables.add(cpu::portable_kernels());
  tables.preferred = 0;
  std::map<std::string, int> taken;
  for (const bool constant : {false, true})
    for (const auto& [kernel, count] : check_file(GetParam(), tables, Isa::Portable, true, constant)) taken[kernel] += count;
  for (const Kernel* k : cpu::xnnpack_kernels())
    if (taken.contains(k->name)) std::cout << k->name << ": " << taken[k->name] << " cases\n";
}
#endif

INSTANTIATE_TEST_SUITE_P(Files, Golden, ::testing::Values("elementwise", "cast", "reduce", "norm", "movement", "image",
                                                          "quantize", "training"));

}  // namespace
}  // namespace gf::test
