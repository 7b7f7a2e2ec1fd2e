// needs: GF_CONVERTER GF_SIMD
// Weights that were packed do not stay in memory a second time as pages of the mapped file; a caller without the hook keeps
// them, and what kernels read in place comes back.
#include <gtest/gtest.h>

#include <cstring>

#include "facade/host_run.h"
#include "graph/emit/emit.h"
#include "graph/ir/builder.h"
#include "schema/ops/add.h"
#include "schema/ops/matmul.h"
#include "tests/support/random_tensor.h"
#include "tests/support/resident.h"
#include "tests/support/test_data.h"

namespace gf::test {
namespace {

constexpr int64_t kRows = 1024, kCols = 2048;
constexpr uint64_t kBytes = kRows * kCols * sizeof(float);

/// y = x w + bias rows that are read in place: 8 MB that are packed, 8 MB that are not.
void write_model(const std::string& path) {
  ir::Model model;
  model.entries.push_back(std::make_unique<ir::Entry>());
  ir::Entry& entry = *model.entries.back();
  DimShape shape;
  shape.push(kRows);
  shape.push(kRows);
  const auto weights = random_vector<float>(kRows * kCols, 1, -1, 1), sums = random_vector<float>(kRows * kCols, 2, -1, 1);
  const ir::ValueId x = entry.add_input("x", DType::F32, shape);
  const ir::ValueId w = entry.add_constant(ir::make_floats(weights, {kRows, kCols}));
  const ir::ValueId b = entry.add_constant(ir::make_floats(sums, {kRows, kCols}));
  ir::Builder builder(entry, entry.body);
  entry.body.outputs = {builder.add<op::Add>({builder.add<op::MatMul>({x, w}), b})};
  entry.value(entry.body.outputs[0]).name = "y";
  std::ofstream out(path, std::ios::binary);
  const std::vector<std::byte> bytes = emit(model);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

TEST(PackedHook, ModelDropsThePagesOfWhatItPacked) {
  const TempFolder folder;
  const std::string path = (folder.path() / "large.gf").string();
  write_model(path);
  ModelOptions options;
  options.threads = 1;
  options.verify_data = true;  // reads every byte: all pages are there before the weights are packed
  Model model = Model::load(path, options);
  const auto loaded = resident_bytes(path);
  if (!loaded) GTEST_SKIP() << "this system has no /proc/self/smaps";
  ASSERT_GE(*loaded, 2 * kBytes);
  Session& session = model.session();
  ASSERT_NE(std::string(session.node(0).kernel).find("simd"), std::string::npos) << "the product's weights are not packed here";
  // half of the packed 8 MB is allowed: systems map the neighbours of a page that is touched
  EXPECT_LE(*resident_bytes(path), kBytes + kBytes / 2) << "the packed matrix is still resident";
  HostTensor x = HostTensor::zeros(DType::F32, {kRows, kRows});
  const auto numbers = random_vector<float>(kRows * kRows, 3, -1, 1);
  std::memcpy(x.data.data(), numbers.data(), x.data.size());
  const auto first = run_named(model, {{"x", x}});
  std::ifstream in(path, std::ios::binary);
  std::vector<char> copy{std::istreambuf_iterator<char>(in), {}};
  const auto* bytes = reinterpret_cast<const std::byte*>(copy.data());
  Model kept = Model::from_bytes({bytes, bytes + copy.size()}, options);  // memory of its own: nothing may be dropped
  EXPECT_EQ(run_named(kept, {{"x", x}})[0].second, first[0].second);
}

TEST(PackedHook, ModelDropsThePagesOfFirstValues) {
  const TempFolder folder;
  const std::string path = (folder.path() / "state.gf").string();
  ir::Model model;
  model.entries.push_back(std::make_unique<ir::Entry>());
  ir::Entry& entry = *model.entries.back();
  const auto numbers = random_vector<float>(kRows * kCols, 1, -1, 1);
  model.states.push_back({.name = "w", .dtype = DType::F32, .dims = {kRows, kCols}, .initial = ir::make_floats(numbers, {kRows, kCols})});
  DimShape shape;
  shape.push(kRows);
  shape.push(kCols);
  ir::Value held;
  held.name = "w";
  held.dtype = DType::F32;
  held.shape = shape;
  held.shape_known = true;
  held.state = 0;
  const ir::ValueId w = entry.add_value(std::move(held));
  ir::Builder builder(entry, entry.body);
  entry.body.outputs = {builder.add<op::Add>({w, w})};
  entry.value(entry.body.outputs[0]).name = "y";
  std::ofstream out(path, std::ios::binary);
  const std::vector<std::byte> bytes = emit(model);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  Model loaded = Model::load(path, {});
  const auto resident = resident_bytes(path);
  if (!resident) GTEST_SKIP() << "this system has no /proc/self/smaps";
  EXPECT_LE(*resident, kBytes / 8);
  loaded.run();
  EXPECT_EQ(loaded.output<float>("y")[5], 2 * numbers[5]);
  loaded.state()->reset();  // read from the file again
  loaded.run();
  EXPECT_EQ(loaded.output<float>("y")[kRows * kCols - 1], numbers[kRows * kCols - 1] * 2);
}

}  // namespace
}  // namespace gf::test
