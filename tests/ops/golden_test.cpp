// Every case of data/*.json (make_goldens.py, make_movement_goldens.py: expected values from PyTorch, NumPy and ONNX
// Runtime) through the portable kernels and through the best ones of each instruction set: once serially, once with three
// threads and once in place, which must give the same bytes.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ops/cpu/small_float.h"
#include "ops/cpu/table.h"
#if GF_SIMD
#include "ops/cpu/simd/isa_dispatch.h"
#include "ops/cpu/simd/table.h"
#endif
#include "tests/ops/op_test_util.h"

namespace gf::test {
namespace {

using nlohmann::json;

DType dtype_named(const std::string& name) {
  for (int k = 1; k < kDTypeCount; ++k)
    if (name == dtype_name(static_cast<DType>(k))) return static_cast<DType>(k);
  throw std::runtime_error("no type " + name);
}

double number(const json& v) {
  if (!v.is_string()) return v.get<double>();
  if (v == "nan") return std::numeric_limits<double>::quiet_NaN();
  return v == "inf" ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
}

HostTensor to_tensor(const json& t) {
  const DType dtype = dtype_named(t["dtype"]);
  const auto shape = t["shape"].get<std::vector<int64_t>>();
  if (dtype == DType::U64) return tensor<uint64_t>(dtype, shape, t["data"].get<std::vector<uint64_t>>());
  if (dtype_is_int(dtype)) return tensor<int64_t>(dtype, shape, t["data"].get<std::vector<int64_t>>());
  std::vector<double> values;
  for (const json& v : t["data"]) values.push_back(number(v));
  if (!dtype_is_float8(dtype)) return tensor<double>(dtype, shape, values);
  HostTensor result = HostTensor::zeros(dtype, shape);  // infinities must stay: no saturation here
  for (size_t k = 0; k < values.size(); ++k)
    result.data[k] = static_cast<std::byte>(cpu::f32_to_small_float(dtype, static_cast<float>(values[k]), false));
  return result;
}

Attributes to_attributes(const json& attrs) {
  Attributes result;
  for (const auto& [name, v] : attrs.items()) {
    if (v.is_string()) result.emplace_back(name, std::string_view(v.get_ref<const std::string&>()));
    else if (v.is_array() && !v.empty() && v[0].is_number_float()) result.emplace_back(name, v.get<std::vector<float>>());
    else if (v.is_array()) result.emplace_back(name, v.get<std::vector<int64_t>>());
    else if (v.is_number_integer()) result.emplace_back(name, v.get<int64_t>());
    else result.emplace_back(name, v.get<double>());
  }
  return result;
}

void check_file(const char* name, const Tables& tables, Isa isa) {
  const auto path = std::filesystem::path(__FILE__).parent_path() / "data" / (std::string(name) + ".json");
  std::ifstream file(path);
  ASSERT_TRUE(file) << path << " is missing; make_goldens.py writes it";
  const json cases = json::parse(file);
  ASSERT_GT(cases.size(), 100U);
  RoughParallel rough;
  size_t index = 0;
  for (const json& c : cases) {
    const std::string op = c["op"];
    SCOPED_TRACE(op + ", case " + std::to_string(index++) + " " + c["attrs"].dump() + " " +
                 c["inputs"][0]["dtype"].get<std::string>() + io::shape_text(c["inputs"][0]["shape"].get<std::vector<int64_t>>()));
    const OpDef* def = tables.ops.find(op);
    ASSERT_NE(def, nullptr);
    HostInputs inputs;
    for (const json& t : c["inputs"]) inputs.push_back(t.is_null() ? std::nullopt : std::optional(to_tensor(t)));
    EvaluateOptions options;
    options.isa = isa;
    std::string kernel;
    options.kernel_used = &kernel;
    options.outputs = static_cast<int>(c["outputs"].size());
    const Attributes attributes = to_attributes(c["attrs"]);
    try {
      const auto outputs = evaluate(*def, attributes, inputs, tables, options);
      for (size_t o = 0; o < outputs.size(); ++o)
        EXPECT_TRUE(close(outputs[o], to_tensor(c["outputs"][o]), c["rtol"], c["atol"])) << kernel << ", output " << o;
      options.parallel = rough.get();
      EXPECT_EQ(evaluate(*def, attributes, inputs, tables, options), outputs) << "threads change the result";
      options.inplace = true;
      EXPECT_EQ(evaluate(*def, attributes, inputs, tables, options), outputs) << "running in place changes the result";
    } catch (const Exception& e) {
      ADD_FAILURE() << e.what();
    }
  }
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

INSTANTIATE_TEST_SUITE_P(Files, Golden, ::testing::Values("elementwise", "cast", "reduce", "norm", "movement", "image",
                                                          "quantize"));

}  // namespace
}  // namespace gf::test
