// Every case of data/{matmul,conv,pool,recurrent,attention}.json (make_nn_goldens.py: expected values from PyTorch,
// NumPy, ONNX Runtime and onnx.reference) and data/fused_gradients.json (make_fused_gradient_goldens.py: PyTorch) through every kernel that accepts it, on each instruction set: weights
// constant and not, with 1, 2 and 4 threads and in place, which must give the same bytes.
#include <map>

#include "ops/cpu/table.h"
#if GF_SIMD
#include "ops/cpu/simd/isa_dispatch.h"
#include "ops/cpu/simd/table.h"
#endif
#if GF_XNNPACK
#include "ops/cpu/xnnpack/table.h"
#endif
#include "tests/ops/golden_cases.h"

namespace gf::test {
namespace {

Tables all_tables() {
  Tables tables;
  tables.ops = AllOps::table();
#if GF_SIMD
  tables.add(cpu::simd_kernels());
#endif
#if GF_XNNPACK
  tables.add(cpu::xnnpack_kernels());
#endif
  tables.add(cpu::portable_kernels());
  return tables;
}

std::vector<Isa> isas() {
  std::vector<Isa> found{Isa::Portable};
#if GF_SIMD
  for (const Isa isa : {Isa::Avx2, Isa::Avx512, Isa::Neon, Isa::Wasm128})
    if (isa_allows(simd::best_isa(), isa)) found.push_back(isa);
#endif
  return found;
}

/// One case on one kernel; false when the kernel refuses it.
bool check(const json& c, const Tables& tables, const OpDef& def, EvaluateOptions options) {
  const HostInputs inputs = inputs_of(c);
  const Attributes attributes = to_attributes(c["attrs"]);
  options.outputs = static_cast<int>(c["outputs"].size());
  std::vector<HostTensor> outputs;
  try {
    outputs = evaluate(def, attributes, inputs, tables, options);
  } catch (const Exception& e) {
    if (e.code() == Error::Unsupported) return false;
    ADD_FAILURE() << e.what();
    return false;
  }
  for (size_t o = 0; o < outputs.size(); ++o)
    EXPECT_TRUE(close(outputs[o], to_tensor(c["outputs"][o]), c["rtol"], c["atol"])) << "output " << o;
  for (const int threads : {2, 4}) {
    RoughParallel rough{threads};
    options.parallel = rough.get();
    EXPECT_EQ(evaluate(def, attributes, inputs, tables, options), outputs) << threads << " threads change the result";
  }
  options.inplace = true;
  options.parallel = {};
  EXPECT_EQ(evaluate(def, attributes, inputs, tables, options), outputs) << "running in place changes the result";
  return true;
}

/// Runs a file; returns how many runs each kernel accepted.
std::map<std::string, int> run_file(const std::string& file) {
  std::map<std::string, int> accepted;
  const Tables tables = all_tables();
  const json cases = golden_cases(file);
  size_t index = 0;
  for (const json& c : cases) {
    const OpDef* def = tables.ops.find(c["op"].get<std::string>());
    if (def == nullptr) {
      ADD_FAILURE() << "no op " << c["op"];
      continue;
    }
    ++index;
    const bool has_residual = c["op"] == "matmul" || c["op"] == "conv" || c["op"] == "conv_transpose";
    for (int t = 0; t < tables.kernel_table_count; ++t) {
      for (const Kernel* kernel : tables.kernels[t]) {
        if (kernel->op != def->info.id) continue;
        for (const Isa isa : isas()) {
          const bool portable = std::string(kernel->name).find("portable") != std::string::npos;
          const bool xnnpack = std::string(kernel->name).find("xnnpack") != std::string::npos;
          if ((portable || xnnpack) && isa != Isa::Portable) continue;
          for (const bool constant : {false, true}) {
            if (portable && constant) continue;
            SCOPED_TRACE(std::string(kernel->name) + " on " + isa_name(isa) + ", case " + std::to_string(index - 1) +
                         " " + c["attrs"].dump() + " " + c["inputs"][0]["dtype"].dump() +
                         c["inputs"][0]["shape"].dump());
            EvaluateOptions options;
            options.isa = isa;
            options.kernel = kernel->name;
            options.padded = xnnpack;  // planned memory is all it takes
            options.constant.assign(c["inputs"].size(), constant);
            options.constant[0] = false;
            if (has_residual && c["inputs"].size() > 3) options.constant[3] = false;
            accepted[kernel->name] += check(c, tables, *def, options) ? 1 : 0;
          }
        }
      }
    }
  }
  return accepted;
}

/// Portable kernels take every case; the vector kernels at least the number given (a refusal must not pass unseen).
void expect_accepted(const std::map<std::string, int>& accepted,
                     std::initializer_list<std::pair<const char*, int>> least) {
  for (const auto& [name, count] : least) {
#if !GF_SIMD
    if (std::string(name).find("simd") != std::string::npos) continue;
#endif
#if !GF_XNNPACK
    if (std::string(name).find("xnnpack") != std::string::npos) continue;
#endif
    const auto found = accepted.find(name);
    EXPECT_GE(found == accepted.end() ? 0 : found->second, count) << name;
  }
}

TEST(NnGolden, MatMul) { expect_accepted(run_file("matmul"), {{"matmul_portable", 244}, {"matmul_f32_simd", 80}, {"matmul_f32_xnnpack", 9}}); }
TEST(NnGolden, Conv) {
  expect_accepted(run_file("conv"), {{"conv_portable", 140},
                                     {"conv_transpose_portable", 100},
                                     {"deform_conv_portable", 7},
                                     {"conv_f32_simd", 100},
                                     {"conv_depthwise_f32_simd", 20},
                                     {"conv_transpose_f32_simd", 90},
                                     {"conv_f32_xnnpack", 71},
                                     {"conv_transpose_f32_xnnpack", 68}});
}
TEST(NnGolden, Pool) {
  expect_accepted(run_file("pool"), {{"max_pool_portable", 100},
                                     {"average_pool_portable", 40},
                                     {"lp_pool_portable", 60},
                                     {"max_unpool_portable", 4},
                                     {"max_pool_f32_simd", 60},
                                     {"average_pool_f32_simd", 30},
                                     {"lp_pool_f32_simd", 45},
                                     {"max_pool_f32_xnnpack", 36},
                                     {"average_pool_f32_xnnpack", 22}});
}
TEST(NnGolden, Recurrent) {
  expect_accepted(run_file("recurrent"), {{"lstm_portable", 25},
                                          {"gru_portable", 20},
                                          {"rnn_portable", 25},
                                          {"lstm_f32_simd", 15},
                                          {"gru_f32_simd", 10},
                                          {"rnn_f32_simd", 10}});
}
TEST(NnGolden, Attention) {
  expect_accepted(run_file("attention"),
                  {{"attention_portable", 70}, {"rotary_embedding_portable", 24}, {"attention_f32_simd", 35}});
}
TEST(NnGolden, FusedGradients) {
  expect_accepted(run_file("fused_gradients"), {{"attention_grad_portable", 25},
                                                {"attention_grad_f32_simd", 22},
                                                {"layer_norm_grad_portable", 16},
                                                {"layer_norm_grad_f32_simd", 12},
                                                {"gelu_grad_simd", 4},
                                                {"batch_norm_portable", 18},
                                                {"batch_norm_f32_simd", 14},
                                                {"batch_norm_grad_portable", 18},
                                                {"batch_norm_grad_f32_simd", 14}});
}

}  // namespace
}  // namespace gf::test
