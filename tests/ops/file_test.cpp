// needs: GF_CONVERTER
// Every golden case as a model of one node: written to a .gf, loaded, planned and run in a session, with the other inputs as
// inputs of the model and as constants. What evaluate() (golden_test.cpp) cannot show: attributes and types that survive the
// file, packed constants, planned memory.
#include <iostream>

#include "facade/host_run.h"
#include "tests/ops/one_op_file.h"

namespace gf::test {
namespace {

/// The names of all files of cases.
std::vector<std::string> golden_files() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(kSourceDir) / "tests/ops/data"))
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenFile : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenFile, EveryCaseThroughAFile) {
  const json cases = golden_cases(GetParam());
  const Tables tables = default_tables(false);
  size_t ran = 0, refused = 0, index = 0;
  for (const json& c : cases) {
    const HostInputs inputs = inputs_of(c);
    SCOPED_TRACE(c["op"].get<std::string>() + ", case " + std::to_string(index++) + " " + c["attrs"].dump());
    for (const bool constants : {false, true}) {
      try {
        ModelOptions options;
        options.threads = 1;
        options.tables = tables;
        options.pool_bytes = 1 << 20;
        Model model = Model::from_bytes(one_op_file(c, tables.ops, constants), options);
        std::vector<std::pair<std::string, HostTensor>> given;
        for (size_t i = 0; i < inputs.size(); ++i)
          if (inputs[i] && model.session().find_input(std::to_string(i)) >= 0) given.emplace_back(std::to_string(i), *inputs[i]);
        const auto outputs = run_named(model, given);
        ASSERT_EQ(outputs.size(), c["outputs"].size());
        for (size_t o = 0; o < outputs.size(); ++o) {
          if (c["outputs"][o].is_null()) continue;  // not unique
          EXPECT_TRUE(close(outputs[o].second, to_tensor(c["outputs"][o]), c["rtol"], c["atol"])) << "output " << o;
        }
        ++ran;
      } catch (const Exception& e) {
        EXPECT_EQ(e.code(), Error::Unsupported) << e.what();
        if (refused++ < 5) std::cout << "refused: " << e.what() << '\n';
      }
    }
  }
  std::cout << ran << " ran, " << refused << " refused\n";
  EXPECT_LT(refused * 10, ran);
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenFile, ::testing::ValuesIn(golden_files()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace gf::test
