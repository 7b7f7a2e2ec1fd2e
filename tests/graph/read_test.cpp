// The reader of .gf files: what it reads, written again, is the same file byte for byte.
#include "converter/onnx/reader.h"
#include "facade/convert.h"
#include "schema/ops/loop.h"
#include "tests/graph/graph_test_util.h"
#include "tests/support/test_data.h"

namespace gf::test {
namespace {

ir::Value typed(DType dtype, const std::vector<Dim>& dims, const std::string& name = {}) {
  ir::Value v;
  v.dtype = dtype;
  v.name = name;
  v.shape_known = true;
  for (const Dim& d : dims) v.shape.push(d);
  return v;
}

void expect_same_file(ir::Model& model, const EmitOptions& options = {}) {
  ir::check(model);
  const std::vector<std::byte> first = emit(model, options);
  ir::Model read = read_gf(first);
  EXPECT_EQ(emit(read, options), first);
}

TEST(Read, NamesSymbolsMetadataAndQuantisation) {
  Net n;
  n.model.metadata = {{"labels", "a\nb"}, {"licence", "none"}};
  n.model.producer = "a test";
  const auto x = n.input("x", {n.entry.symbols.symbol("N", 2, 9), 6});
  const auto y = n.b.add<op::MatMul>({x, n.weights({6, 4}), n.weights({4})}, {.activation = Activation::Relu});
  n.entry.value(y).quantization = ir::Quantization{1, 0, {0.5f, 1, 2, 3}, {0, 1, 2, 3}};
  n.output("y", n.b.reshape(y, std::vector<int64_t>{-1}));
  expect_same_file(n.model);
  expect_same_file(n.model, {.node_names = true});
  ir::Model read = read_gf(emit(n.model));
  const ir::Entry& e = *read.entries[0];
  EXPECT_EQ(read.metadata, n.model.metadata);
  EXPECT_EQ(e.symbols.to_text(e.value(e.body.inputs[0]).shape[0]), "N");
  EXPECT_EQ(e.symbols.to_text(e.value(e.body.outputs[0]).shape[0]), "4*N");
  EXPECT_EQ(e.value(e.body.outputs[0]).name, "y");
}

TEST(Read, Float32StoredIn16BitsStaysSo) {
  Net n;
  const auto x = n.input("x", {3000});
  const auto weights = n.entry.add_constant(ir::make_floats(std::vector<float>(3000, 1.5F), {3000}));
  n.output("y", n.b.add<op::Add>({x, weights}));
  ASSERT_EQ(store_half(n.model, {}), 1);
  expect_same_file(n.model);
  const ir::Model read = read_gf(emit(n.model));
  const ir::Entry& e = *read.entries[0];
  const ir::Value& c = e.value(e.body.nodes[0]->inputs[1]);
  EXPECT_EQ(c.dtype, DType::F32);
  EXPECT_EQ(c.constant->dtype, DType::F16);
}

TEST(Read, SplatWithoutElements) {
  Net n;
  const auto x = n.input("x", {3});
  const float two = 2;
  const auto none = n.entry.add_constant(ir::make_splat(DType::F32, {0}, std::as_bytes(std::span(&two, 1))));
  n.output("y", n.b.add<op::Concat>({x, none}, {.axis = 0}));
  expect_same_file(n.model);
  EXPECT_EQ(run_net(n, {})[0].second.shape, std::vector<int64_t>{3});
}

TEST(Read, ConstantsShareTheFilesBytes) {
  Net n;
  const auto x = n.input("x", {3000});
  const float two = 2;
  const auto splat = n.entry.add_constant(ir::make_splat(DType::F32, {3000}, std::as_bytes(std::span(&two, 1))), "twos");
  n.output("y", n.b.add<op::Add>({n.b.add<op::Mul>({x, splat}), n.weights({3000})}));
  expect_same_file(n.model);
  ir::Model read = read_gf(emit(n.model));
  const ir::Entry& e = *read.entries[0];
  const ir::Value& c = e.value(e.body.nodes[0]->inputs[1]);
  ASSERT_TRUE(c.is_constant());
  EXPECT_TRUE(c.constant->splat);
  EXPECT_EQ(c.constant->data.size(), 4U);
  EXPECT_EQ(c.name, "twos");
  EXPECT_NE(c.constant->owner, nullptr);
}

TEST(Read, StatesOfSeveralEntries) {
  Net n;
  const std::vector<float> start{1, 2, 3};
  n.model.states = {{"h", DType::F32, {3}, ir::make_floats(start, {3})}, {"count", DType::I64, {}, nullptr}};
  const auto build = [](ir::Entry& e) {
    ir::Builder b(e, e.body);
    DimShape three;
    three.push(3);
    const auto x = e.add_input("x", DType::F32, three);
    ir::Value h = typed(DType::F32, {3});
    h.state = 0;
    const auto before = e.add_value(std::move(h));
    const auto sum = b.add<op::Add>({x, before});
    ir::Node& write = b.node<op::Identity>({sum});
    write.writes_state = 0;
    const auto y = b.add<op::Relu>({sum});
    e.value(y).name = "y";
    e.body.outputs = {y};
  };
  build(n.entry);
  auto& e = *n.model.entries.emplace_back(std::make_unique<ir::Entry>());
  e.name = "other";
  build(e);
  expect_same_file(n.model);
  ir::Model read = read_gf(emit(n.model));
  ASSERT_EQ(read.states.size(), 2U);
  EXPECT_EQ(ir::constant_floats(*read.states[0].initial), start);
  EXPECT_EQ(read.states[1].initial, nullptr);
  ASSERT_EQ(read.entries.size(), 2U);
  int writes = 0;
  for (const auto& node : read.entries[1]->body.nodes) writes += node->writes_state == 0 ? 1 : 0;
  EXPECT_EQ(writes, 1);
}

TEST(Read, LoopsInsideBranches) {
  Net n;
  const auto x = n.input("x", {n.symbol("N"), 2}), flag = n.input("flag", {}, DType::Bool), trips = n.input("trips", {}, DType::I64);
  const auto branch = [&](bool looped) {
    ir::Block block;
    ir::Builder b(n.entry, block);
    ir::ValueId y = x;
    if (looped) {
      ir::Block body;
      const auto round = n.entry.add_value(typed(DType::I64, {})), go_on = n.entry.add_value(typed(DType::Bool, {}));
      const auto carried = n.entry.add_value(typed(DType::F32, {n.entry.value(x).shape[0], 2}));
      body.inputs = {round, go_on, carried};
      ir::Builder inner(n.entry, body);
      const auto next = inner.add<op::Mul>({carried, x});
      const auto again = inner.add<op::Identity>({go_on});
      body.outputs = {again, next, inner.add<op::Cast>({round}, {.to = DType::F32})};
      std::vector<ir::Block> blocks;
      blocks.push_back(std::move(body));
      const NoAttrs none;
      y = b.add_node(op_def<op::Loop>, {trips, ir::kNoValue, x}, &none, 2, std::move(blocks)).outputs[0];
    }
    block.outputs = {b.add<op::Relu>({y})};
    return block;
  };
  std::vector<ir::Block> blocks;
  blocks.push_back(branch(true));
  blocks.push_back(branch(false));
  const NoAttrs none;
  const ir::Node& choice = n.b.add_node(op_def<op::If>, {flag}, &none, 1, std::move(blocks));
  n.output("y", choice.outputs[0]);
  expect_same_file(n.model);
}

TEST(Read, EveryGoldenNet) {
  int nets = 0;
  for (const auto& folder : std::filesystem::directory_iterator(source_path("tests/golden"))) {
    const auto file = folder.path() / "model.onnx";
    if (!std::filesystem::exists(file)) continue;
    SCOPED_TRACE(file.string());
    onnx::ImportOptions import;
    const onnx::Model m = onnx::read_model_file(file);
    for (size_t i = 0; i < m.graph.input.size(); ++i)
      if (const auto data = folder.path() / "test_data_set_0" / ("input_" + std::to_string(i) + ".pb"); std::filesystem::exists(data))
        import.shapes[m.graph.input[i].name] = onnx::read_tensor(onnx::read_file_bytes(data, uint64_t{1} << 24)).dims;
    ir::Model model = convert_files({{file.string(), import}}, {});
    expect_same_file(model);
    ++nets;
  }
  EXPECT_GE(nets, 21);
}

TEST(Read, DamagedFilesAreRefused) {
  Net n;
  const auto x = n.input("x", {2});
  n.output("y", n.b.add<op::Add>({x, n.weights({2})}));
  std::vector<std::byte> bytes = emit(n.model);
  bytes[bytes.size() / 2] ^= std::byte{1};
  EXPECT_THROW(read_gf(bytes), Exception);
  EXPECT_THROW(read_gf(source_path("README.md").string()), Exception);
}

}  // namespace
}  // namespace gf::test
