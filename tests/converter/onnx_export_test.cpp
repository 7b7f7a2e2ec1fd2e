// needs: GF_OPS_CPU
// Export: .gf -> ONNX -> .gf gives the same numbers; libonnx's checker (ONNX 1.12, opsets up to 17) accepts what we write.
#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include "converter/onnx/export.h"
#include "converter/onnx/model_check.h"
#include "converter/onnx/raising.h"
#include "converter/onnx/reader.h"
#include "converter/onnx/writer.h"
#include "facade/convert.h"
#include "facade/host_run.h"
#include "graph/emit/emit.h"
#include "graph/ir/builder.h"
#include "schema/ops.h"
#include "schema/rules.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"
#include "tests/support/test_data.h"

#ifdef GF_TEST_LIBONNX
#include "tests/converter/onnx_libonnx_compare.h"
#endif

namespace gf::onnx::test {
namespace {

using namespace gf::test;
using ir::ValueId;

// Empty when the checker accepts the bytes (or cannot judge them: no libonnx, or an opset that it does not know).
std::string checker_says([[maybe_unused]] const std::vector<std::byte>& bytes, [[maybe_unused]] int64_t opset) {
#ifdef GF_TEST_LIBONNX
  if (opset > 17) return {};
  ::onnx::ModelProto proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return "protobuf cannot read it";
  try {
    ::onnx::checker::check_model(proto);
  } catch (const std::exception& e) {
    return e.what();
  }
#endif
  return {};
}

struct RoundTrip {
  onnx::Model exported;
  std::vector<std::byte> bytes;
  ir::Model again;
  std::vector<std::string> notes;
};

// ONNX Runtime refuses a graph with two nodes of one name; none is fine.
void expect_different_names(const Graph& graph, std::set<std::string>& names) {
  for (const Node& node : graph.node) {
    EXPECT_TRUE(node.name.empty() || names.insert(node.name).second) << "two nodes are called '" << node.name << "'";
    for (const Attribute& a : node.attribute)
      for (const Graph& inner : a.graphs) expect_different_names(inner, names);
  }
}

// The graph written as .gf, read, exported, checked, imported.
RoundTrip round_trip(ir::Model& model, const ExportOptions& options = {}, const ConvertOptions& back = {}) {
  RoundTrip r;
  ir::Model read = read_gf(emit(model));
  r.exported = export_model(read, options, &r.notes);
  r.bytes = write_model(r.exported);
  std::set<std::string> names;
  expect_different_names(r.exported.graph, names);
  EXPECT_EQ(checker_says(r.bytes, r.exported.opset()), "");
  const onnx::Model parsed = read_model(Bytes::take(r.bytes));
  check_versions(parsed);
  check_names(parsed);
  ConvertSource source;
  source.model = &parsed;
  source.import.entry = options.entry.empty() ? "main" : options.entry;
  r.again = convert({source}, back, make_evaluator(default_tables(false)));
  return r;
}

int count(const Graph& g, const std::string& op) {
  int n = 0;
  for (const Node& node : g.node) {
    n += node.op_type == op ? 1 : 0;
    for (const Attribute& a : node.attribute)
      for (const Graph& inner : a.graphs) n += count(inner, op);
  }
  return n;
}

using Tensors = std::vector<std::pair<std::string, HostTensor>>;

// Random inputs of the entry's types; indices stay small.
Tensors random_inputs(const Program& p, int64_t varying = 3) {
  Tensors inputs;
  for (int i = 0; i < p.input_count(0); ++i) {
    const PortInfo port = p.input(0, i);
    std::vector<int64_t> dims;
    for (int d = 0; d < port.rank; ++d) dims.push_back(port.symbols[d] == -1 ? port.bounds[d] : std::min(port.bounds[d], varying));
    HostTensor t = HostTensor::zeros(port.dtype, dims);
    const auto n = static_cast<size_t>(t.count());
    if (port.dtype == DType::F32) fill_random<float>({reinterpret_cast<float*>(t.data.data()), n}, 40 + static_cast<uint64_t>(i), -1, 1);
    if (port.dtype == DType::I64)
      for (size_t k = 0; k < n; ++k) reinterpret_cast<int64_t*>(t.data.data())[k] = port.name == "sr" ? 16000 : static_cast<int64_t>(k % 2);  // sr: silero's sampling rate
    if (port.dtype == DType::Bool)
      for (size_t k = 0; k < n; ++k) t.data[k] = static_cast<std::byte>(k % 3 != 1);
    inputs.emplace_back(port.name, std::move(t));
  }
  return inputs;
}

// Largest |a - b| / (1 + |b|) over float outputs; other types must be equal.
double difference(const Tensors& a, const Tensors& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    EXPECT_EQ(a[i].first, b[i].first);
    EXPECT_EQ(a[i].second.shape, b[i].second.shape) << a[i].first;
    EXPECT_EQ(a[i].second.dtype, b[i].second.dtype) << a[i].first;
    if (a[i].second.dtype != DType::F32) {
      EXPECT_EQ(a[i].second.data, b[i].second.data) << a[i].first;
      continue;
    }
    const auto x = a[i].second.as<float>(), y = b[i].second.as<float>();
    for (size_t k = 0; k < x.size() && k < y.size(); ++k)
      if (!(x[k] == y[k] || (x[k] != x[k] && y[k] != y[k])))
        worst = std::max(worst, std::fabs(static_cast<double>(x[k]) - static_cast<double>(y[k])) / (1 + std::fabs(static_cast<double>(y[k]))));
  }
  return worst;
}

ModelOptions plain() {
  ModelOptions o;
  o.xnnpack = false;
  o.threads = 1;
  return o;
}

// Runs both on the same inputs, `runs` times in a row (State carried over).
double compare_models(ir::Model& first, ir::Model& second, int runs = 1) {
  gf::Model a = gf::Model::from_bytes(emit(first), plain()), b = gf::Model::from_bytes(emit(second), plain());
  const Tensors inputs = random_inputs(a.program());
  double worst = 0;
  for (int i = 0; i < runs; ++i) worst = std::max(worst, difference(run_named(b, inputs, b.program().entry_name(0)), run_named(a, inputs, a.program().entry_name(0))));
  return worst;
}

std::vector<std::filesystem::path> golden_nets() {
  std::vector<std::filesystem::path> out;
  for (const auto& folder : std::filesystem::directory_iterator(source_path("tests/golden")))
    if (std::filesystem::exists(folder.path() / "model.onnx")) out.push_back(folder.path());
  std::sort(out.begin(), out.end());
  return out;
}

// Shapes of the first data set, for what the net leaves open.
ImportOptions shapes_of(const std::filesystem::path& folder) {
  ImportOptions import;
  const onnx::Model m = read_model_file(folder / "model.onnx");
  for (size_t i = 0; i < m.graph.input.size(); ++i)
    import.shapes[m.graph.input[i].name] =
        read_tensor(read_file_bytes(folder / "test_data_set_0" / ("input_" + std::to_string(i) + ".pb"), uint64_t{1} << 24)).dims;
  return import;
}

TEST(OnnxExport, GoldenNetsGiveTheSameNumbers) {
  // most transposes in the exported file: image nets come out in ONNX's own order
  const std::map<std::string, int> transposes = {{"resnet18", 0},     {"resnet50", 0},        {"mobilenet_v2", 0}, {"mobilenet_v3_large", 0},
                                                 {"squeezenet", 0},   {"mlp", 0}, {"efficientnet_b0", 0}, {"densenet121", 0},  {"unet", 0},
                                                 {"unet_bilinear", 0}, {"dscnn_kws", 0},      {"yolo_nms", 3}};
  for (const auto& folder : golden_nets()) {
    SCOPED_TRACE(folder.string());
    ir::Model model = convert_files({{(folder / "model.onnx").string(), shapes_of(folder)}}, {});
    RoundTrip r = round_trip(model);
    const double worst = compare_models(model, r.again);
    const int moved = count(r.exported.graph, "Transpose");
    std::cout << folder.filename().string() << ": " << r.exported.graph.node.size() << " nodes, " << moved << " transposes, opset "
              << r.exported.opset() << ", difference " << worst << '\n';
    EXPECT_LE(worst, 1e-5);
    if (const auto it = transposes.find(folder.filename().string()); it != transposes.end()) {
      EXPECT_LE(moved, it->second);
    }
    EXPECT_EQ(r.exported.opset(), 17);
  }
}

// Every case of the node suite that converts: exported files pass the checker. What cannot be exported is counted by reason.
TEST(OnnxExport, CheckerAcceptsTheNodeSuite) {
  GF_SKIP_WITHOUT_DATA("onnx-backend/node");
  int converted = 0, exported = 0, judged = 0, without_rank = 0;
  std::map<std::string, int> reasons;
  for (const auto& folder : std::filesystem::directory_iterator(data_path("onnx-backend/node"))) {
    if (!std::filesystem::exists(folder.path() / "test_data_set_0")) continue;
    SCOPED_TRACE(folder.path().filename().string());
    ir::Model model;
    try {
      model = convert_files({{(folder.path() / "model.onnx").string(), shapes_of(folder.path())}}, {});
    } catch (const Exception&) {
      continue;  // unsupported on the way in: the suite test says why
    }
    ++converted;
    try {
      const onnx::Model m = export_model(model, {});
      ++exported;
      judged += m.opset() <= 17 ? 1 : 0;
      // ONNX 1.12 wants a shape for every output; there is none to give where only the data decides the rank
      const bool ranks = std::all_of(m.graph.output.begin(), m.graph.output.end(), [](const ValueInfo& v) { return v.type->shape.has_value(); });
      const std::string says = checker_says(write_model(m), m.opset());
      EXPECT_TRUE(says.empty() || (!ranks && says == "Field 'shape' of 'type' is required but missing.")) << says;
      without_rank += ranks ? 0 : 1;
    } catch (const ExportError& e) {
      for (const Unexportable& u : e.list()) ++reasons[u.op + ": " + u.reason];
    }
  }
  std::cout << converted << " converted, " << exported << " exported, " << judged << " in opset 17, " << without_rank << " with an output of unknown rank\n";
  for (const auto& [reason, count] : reasons) std::cout << count << " x " << reason << '\n';
  EXPECT_GE(exported, 1640);
  EXPECT_EQ(exported, converted);
  EXPECT_LE(without_rank, 9);
}

// --- graphs made here

struct Net {
  ir::Model model;
  ir::Entry& entry;
  ir::Builder b;
  uint64_t seed = 1;
  Net() : entry(*model.entries.emplace_back(std::make_unique<ir::Entry>())), b(entry, entry.body) {}
  ValueId input(const std::string& name, const std::vector<Dim>& dims, DType type = DType::F32) {
    DimShape shape;
    for (const Dim& d : dims) shape.push(d);
    return entry.add_input(name, type, shape);
  }
  void output(const std::string& name, ValueId v) {
    entry.value(v).name = name;
    entry.body.outputs.push_back(v);
  }
  ValueId weights(const std::vector<int64_t>& dims) {
    size_t n = 1;
    for (const int64_t d : dims) n *= static_cast<size_t>(d);
    return entry.add_constant(ir::make_floats(random_vector<float>(n, seed++, -1.0, 1.0), dims));
  }
};

TEST(OnnxExport, FusedConvolutionBetweenChannelsLastTensors) {
  Net n;
  const auto x = n.input("x", {1, 8, 8, 3}), residual = n.input("r", {1, 8, 8, 4});
  op::Conv::Attrs a;
  static constexpr int64_t kPads[] = {1, 1, 1, 1};
  a.pads = kPads;
  a.activation = Activation::Silu;
  a.activation_a = 1;
  n.output("y", n.b.add<op::Conv>({x, n.weights({4, 3, 3, 3}), n.weights({4}), residual}, a));
  RoundTrip r = round_trip(n.model);
  EXPECT_LE(compare_models(n.model, r.again), 1e-6);
  EXPECT_EQ(count(r.exported.graph, "Transpose"), 3);  // two in, one out
  EXPECT_EQ(count(r.exported.graph, "Sigmoid"), 1);
}

// Bytes between a convolution, a depthwise one, and a product: what integers take keeps its weights in int8, what they do not has floats.
TEST(OnnxExport, QuantisedNetsComeBackAsIntegersOnRequest) {
  Net n;
  const auto number = [&](float v) { return n.entry.add_constant(ir::make_floats(std::vector<float>{v}, {})); };
  const auto between = [&](ValueId x, float scale) {
    const std::byte zero[1] = {std::byte{100}};
    const ValueId s = number(scale), z = n.entry.add_constant(ir::make_splat(DType::U8, {}, zero));
    return n.b.add<op::DequantizeLinear>({n.b.add<op::QuantizeLinear>({x, s, z}, {}), s, z}, {});
  };
  const auto bytes = [&](const std::vector<int64_t>& dims, float scale) {
    std::vector<std::byte> all;
    for (int64_t k = 0; k < dims[0] * dims[1] * (dims.size() > 2 ? dims[2] * dims[3] : 1); ++k) all.push_back(static_cast<std::byte>(k * 37 % 255 + 1));
    return n.b.add<op::DequantizeLinear>({n.entry.add_constant(ir::make_constant(DType::I8, dims, std::move(all))), number(scale)}, {});
  };
  const ValueId x = between(n.input("x", {1, 6, 6, 3}), 0.0131371f);
  const ValueId first = between(n.b.add<op::Conv>({x, bytes({8, 3, 3, 3}, 0.0071f)}, {}), 0.0513707f);
  const ValueId second = between(n.b.add<op::Conv>({first, bytes({8, 1, 3, 3}, 0.0061f)}, {.groups = 8}), 0.0413713f);
  n.output("y", n.b.add<op::MatMul>({second, bytes({8, 5}, 0.0053f)}));
  ConvertOptions back;
  back.integers = true;
  RoundTrip floats = round_trip(n.model), integers = round_trip(n.model, {}, back);
  EXPECT_LE(compare_models(n.model, floats.again), 1e-5);
  EXPECT_LE(compare_models(n.model, integers.again), 1e-5);
  std::map<std::string, int> ops;
  for (const auto& node : integers.again.entries[0]->body.nodes) {
    ++ops[node->def->info.name];
    const bool constant = node->inputs.size() > 1 && integers.again.entries[0]->value(node->inputs[node->is<op::Conv>() ? 1 : 0]).is_constant();
    EXPECT_EQ(constant, node->is<op::Conv>()) << node->def->info.name;  // no weights are widened in a run
  }
  EXPECT_EQ(ops["qlinear_conv"], 1);
  EXPECT_EQ(ops["conv"], 1);
  EXPECT_EQ(ops["matmul_integer"], 1);
  EXPECT_EQ(ops["matmul"], 0);
  for (const auto& node : floats.again.entries[0]->body.nodes) EXPECT_FALSE(node->is<op::QLinearConv>() || node->is<op::MatMulInteger>());
}

TEST(OnnxExport, StatesBecomeInputsAndOutputsAndComeBack) {
  Net n;
  n.model.states = {{"hidden", DType::F32, {2, 3}, nullptr}, {"weights", DType::F32, {3, 3}, ir::make_floats(random_vector<float>(9, 7, -1.0, 1.0), {3, 3})}};
  const auto x = n.input("x", {2, 3});
  const auto state = [&](int32_t index, const std::vector<Dim>& dims) {
    ir::Value v;
    v.dtype = DType::F32;
    v.shape_known = true;
    for (const Dim& d : dims) v.shape.push(d);
    v.state = index;
    return n.entry.add_value(std::move(v));
  };
  const auto next = n.b.add<op::Tanh>({n.b.add<op::Add>({n.b.add<op::MatMul>({state(0, {2, 3}), state(1, {3, 3})}), x})});
  n.b.node<op::Identity>({next}).writes_state = 0;
  n.output("y", n.b.add<op::Relu>({next}));
  RoundTrip r = round_trip(n.model);
  ASSERT_EQ(r.exported.graph.input.size(), 2U);
  EXPECT_EQ(r.exported.graph.input[1].name, "hidden");
  ASSERT_EQ(r.exported.graph.output.size(), 2U);
  EXPECT_EQ(r.exported.graph.output[1].name, "hidden_next");
  ASSERT_EQ(r.again.states.size(), 1U);  // what is only read is a constant now
  EXPECT_EQ(r.again.states[0].name, "hidden");
  EXPECT_EQ(r.again.entries[0]->body.inputs.size(), 1U);
  EXPECT_LE(compare_models(n.model, r.again, 4), 1e-6);
}

TEST(OnnxExport, NamedDimensionsKeepNamesAndBounds) {
  Net n;
  const auto x = n.input("x", {n.entry.symbols.symbol("batch", 1, 6), n.entry.symbols.symbol("length", 2, 40), 4});
  n.output("y", n.b.reshape(n.b.add<op::Relu>({x}), std::vector<int64_t>{0, -1}));
  RoundTrip r = round_trip(n.model);
  EXPECT_EQ((*r.exported.graph.input[0].type->shape)[0].param, "batch");
  EXPECT_EQ((*r.exported.graph.output[0].type->shape)[1].param, "4*length");
  const auto& symbols = r.again.entries[0]->symbols.symbols();
  ASSERT_GE(symbols.size(), 2U);
  EXPECT_EQ(symbols[1].name, "length");
  EXPECT_EQ(symbols[1].lo, 2);
  EXPECT_EQ(symbols[1].hi, 40);
  EXPECT_LE(compare_models(n.model, r.again), 0);
}

TEST(OnnxExport, NodesOfOneNameGetNamesOfTheirOwn) {
  Net n;
  ValueId v = n.input("x", {2});
  for (int i = 0; i < 3; ++i) {
    v = n.b.add<op::Neg>({v});
    n.entry.body.nodes.back()->name = "turn";
  }
  n.output("y", v);
  std::vector<std::string> names;
  for (const Node& node : export_model(n.model, {}).graph.node) names.push_back(node.name);
  EXPECT_EQ(names, (std::vector<std::string>{"turn", "turn_1", "turn_2"}));
}

TEST(OnnxExport, MetadataStays) {
  Net n;
  n.model.metadata = {{"labels", "cat\ndog"}};
  const auto x = n.input("x", {2});
  n.output("y", n.b.add<op::Relu>({x}));
  EXPECT_EQ(round_trip(n.model).again.metadata, n.model.metadata);
}

TEST(OnnxExport, EntriesAreChosenByName) {
  Net n;
  const auto x = n.input("x", {2});
  n.output("y", n.b.add<op::Relu>({x}));
  ir::Entry& other = *n.model.entries.emplace_back(std::make_unique<ir::Entry>());
  other.name = "other";
  ir::Builder b(other, other.body);
  DimShape two;
  two.push(2);
  const auto z = b.add<op::Neg>({other.add_input("z", DType::F32, two)});
  other.value(z).name = "w";
  other.body.outputs = {z};
  EXPECT_EQ(count(round_trip(n.model, {"other"}).exported.graph, "Neg"), 1);
  try {
    export_model(n.model, {});
    FAIL();
  } catch (const Exception& e) {
    EXPECT_NE(std::string(e.what()).find("main, other"), std::string::npos) << e.what();
  }
  EXPECT_THROW(export_model(n.model, {"third"}), Exception);
}

struct Mirror {
  static constexpr OpInfo info{.id = kFirstCustomOpId, .name = "example.mirror"};
  struct Attrs {
    float scale = 1;
    int64_t tail = 0;
  };
  static constexpr AttrField fields[] = {field<&Attrs::scale>(1, "scale"), field<&Attrs::tail>(2, "tail")};
  static Error infer(InferContext& c, const Attrs&) { return c.set(0, c.dtype(0), c.shape(0)); }
  static constexpr NoGradient grad{"an example"};
};

TEST(OnnxExport, CustomOpsHaveADomainOfTheirOwn) {
  Net n;
  const auto x = n.input("x", {2});
  n.output("y", n.b.add<Mirror>({x}, {.scale = 2, .tail = 7}));
  const Model m = export_model(n.model, {});
  ASSERT_EQ(m.graph.node.size(), 1U);
  EXPECT_EQ(m.graph.node[0].domain, "example");
  EXPECT_EQ(m.graph.node[0].op_type, "mirror");
  EXPECT_EQ(m.graph.node[0].find("scale")->f, 2.0f);
  EXPECT_EQ(m.graph.node[0].find("tail")->i, 7);
  EXPECT_EQ(m.opset("example"), 1);
  EXPECT_EQ(checker_says(write_model(m), m.opset()), "");
}

// The importer takes such nodes when it is given the op, and says what is wrong with them.
TEST(OnnxExport, CustomOpsComeBack) {
  Net n;
  const auto x = n.input("x", {2});
  n.output("y", n.b.add<Mirror>({x}, {.scale = 2, .tail = 7}));
  n.output("z", n.b.add<Mirror>({n.weights({3})}, {}));  // constant inputs: not folded, the converter has no kernel of it
  Model m = export_model(n.model, {});
  const auto import = [&](std::vector<const OpDef*> ops) {
    ir::Model target;
    ImportOptions options;
    options.custom_ops = std::move(ops);
    import_model(m, options, make_evaluator(default_tables(false)), nullptr, target);
    return target;
  };
  EXPECT_THROW(import({}), ImportError);
  const ir::Model back = import({&op_def<Mirror>});
  const auto& nodes = back.entries[0]->body.nodes;
  ASSERT_EQ(nodes.size(), 2U);
  ASSERT_EQ(nodes[0]->def, &op_def<Mirror>);
  EXPECT_EQ(ir::attrs_of<Mirror>(*nodes[0]).scale, 2);
  EXPECT_EQ(ir::attrs_of<Mirror>(*nodes[0]).tail, 7);
  const auto error_of = [&](const Node& node) {
    m.graph.node[0] = node;
    try {
      import({&op_def<Mirror>});
    } catch (const Exception& e) {
      return e.code();
    }
    return Error::Ok;
  };
  const Node good = m.graph.node[0];
  Node bad = good;
  bad.attribute[0].name = "scales";
  EXPECT_EQ(error_of(bad), Error::BadAttribute);
  bad = good;
  bad.attribute[0].type = AttributeType::Int;
  EXPECT_EQ(error_of(bad), Error::BadAttribute);
  bad = good;
  bad.input.push_back(bad.input[0]);
  EXPECT_EQ(error_of(bad), Error::BadGraph);
  bad = good;
  bad.output.push_back("more");
  EXPECT_EQ(error_of(bad), Error::BadGraph);
  EXPECT_EQ(error_of(good), Error::Ok);
}

TEST(OnnxExport, EverythingThatCannotBeSaidIsListed) {
  Net n;
  n.model.states = {{"s", DType::F32, {4}, ir::make_floats(std::vector<float>{1, 2, 3, 4}, {4})}};
  const auto x = n.input("x", {1, 4, 4, 8});
  n.b.set_origin("norm", "norm");
  const auto norm = n.b.node<op::GroupNorm>({x, n.weights({8}), n.weights({8})}, {.num_groups = 2}, 2).outputs;
  n.b.set_origin("depth", "depth");
  n.output("d", n.b.add<op::SpaceToDepth>({norm[0]}, {.block = 2, .order = DepthOrder::ChannelFirst}));
  n.output("mean", n.b.add<op::Relu>({norm[1]}));
  const auto y = n.input("y", {4});
  n.b.node<op::Identity>({y}).writes_state = 0;
  try {
    export_model(n.model, {});
    FAIL();
  } catch (const ExportError& e) {
    EXPECT_EQ(e.code(), Error::Unsupported);
    ASSERT_EQ(e.list().size(), 3U) << e.what();
    EXPECT_EQ(e.list()[0].node, "s");
    EXPECT_EQ(e.list()[1].node, "norm");
    EXPECT_EQ(e.list()[1].op, "group_norm");
    EXPECT_EQ(e.list()[2].node, "depth");
    EXPECT_NE(std::string(e.what()).find("3 nodes"), std::string::npos);
  }
}

// But for what only train steps and lazy tensors make, which ONNX has no operator for.
TEST(OnnxExport, EveryOpHasAWayOut) {
  const std::set<std::string> training{"add_rows", "attention_grad", "batch_norm_grad", "cholesky", "cross_entropy_grad", "eigh", "global_norm", "gru_grad", "inverse",
                                       "layer_norm_grad", "lstm_grad", "max_pool_grad", "pack_bits", "qr", "rnn_grad", "roi_align_grad", "svd", "unpack_bits"};
  for (const OpRules* rules : RulesOf<AllOps>::kRows) {
    const OpDef& op = *rules->op;
    const bool control = (op.info.flags & kOpControlFlow) != 0;
    if (training.contains(op.info.name)) continue;
    EXPECT_TRUE(control || rules->expand != nullptr || find_export_row(op) != nullptr || find_same_row(op) != nullptr)
        << op.info.name << " has neither a row nor expand()";
  }
}

TEST(OnnxExport, NewerOperatorsRaiseTheOpset) {
  Net n;
  const auto x = n.input("x", {2, 3}, DType::I32);
  n.output("y", n.b.add<op::BitwiseAnd>({x, x}));
  const RoundTrip r = round_trip(n.model);
  EXPECT_EQ(r.exported.opset(), 18);
  EXPECT_EQ(r.notes.size(), 1U);
}

TEST(OnnxExport, SileroKeepsItsState) {
  GF_SKIP_WITHOUT_DATA("models/silero-vad");
  for (const auto& file : std::filesystem::directory_iterator(data_path("models/silero-vad"))) {
    if (file.path().extension() != ".onnx") continue;
    SCOPED_TRACE(file.path().string());
    ConvertOptions options;
    options.states = {{"stateN", "state"}};
    ImportOptions import;
    const onnx::Model m = read_model_file(file.path());
    for (const ValueInfo& in : m.graph.input) {
      if (in.name == "input") import.shapes["input"] = {1, 576};
      if (in.name == "sr") import.shapes["sr"] = {};
      if (in.name == "state") import.shapes["state"] = {2, 1, 128};
    }
    ir::Model model = convert_files({{file.path().string(), import}}, options);
    RoundTrip r = round_trip(model);
    ASSERT_EQ(r.again.states.size(), 1U);
    const double worst = compare_models(model, r.again, 5);
    std::cout << file.path().filename().string() << ": " << r.exported.graph.node.size() << " nodes, difference " << worst << '\n';
    EXPECT_LE(worst, 1e-5);
  }
}

}  // namespace
}  // namespace gf::onnx::test
