// needs: GF_CONVERTER GF_OPS_CPU
// Broken .gf files: cut, flipped, and well sealed but wrong. Each must end in an error (or, where only data changed and
// nobody asked to verify them, in an answer), never in a crash; run under the sanitizers by run.sh --all.
#include "schema/ops/det.h"
#include "schema/ops/div.h"
#include "schema/ops/gather.h"
#include "tests/runtime/sample_spec.h"
#include "tests/runtime/session_support.h"
#include "tests/runtime/try_file.h"

namespace gf::test {
namespace {

Error try_file(std::span<const std::byte> bytes, bool verify, std::string* text = nullptr, const LoadOptions* load = nullptr) {
  TryOptions options;
  if (load != nullptr) options.load = *load;
  options.load.verify_data = verify;
  return try_file(bytes, options, text);
}

TEST(HostileGf, TheSpecItselfRunsRight) {
  Loaded l(SpecWriter::write(sample_spec()));
  Running r(l);
  const auto out = run(r.session, {{"x", HostTensor::from<float>(std::vector<float>{10, 20})}, {"n", HostTensor::from<float>(std::vector<float>{7, 8, 9})}});
  EXPECT_EQ(out[0].as<float>(), (std::vector<float>{14, 28}));                   // (10 + 1) + 3 * 1, (20 + 2) + 3 * 2
  EXPECT_EQ(out[1].as<float>(), (std::vector<float>{11, 22, 12, 24, 13, 26}));
  EXPECT_EQ(out[2].as<float>(), (std::vector<float>{22, 44}));
  EXPECT_EQ(out[3].as<float>(), (std::vector<float>{10, 20, 7, 8, 9}));
  float s[2] = {};
  ASSERT_EQ(l.state->read("s", s, sizeof s), Error::Ok);
  EXPECT_EQ(s[0], 12);                                                           // starts as the constant (1, 2)
  EXPECT_EQ(s[1], 24);
}

// Kernels size their scratch by the bounds of each dimension, so a shape of few enough elements may still be too large: a
// determinant of 8 x 8 where 1 x 1 was planned.
TEST(HostileGf, ADimensionOverItsBoundIsRefusedThoughTheBytesFit) {
  const auto file = [](std::vector<DimSpec> planned) {
    FileSpec f;
    f.ops = {{op::Identity::info.id, "identity"}, {op::Det::info.id, "det"}};
    EntrySpec e;
    e.tensors = {{format::kInput, 0, 0, {{1}, {8}, {8}}, static_cast<uint8_t>(DType::F32), "x"},
                 {format::kComputed, 0, 0, std::move(planned)},
                 {format::kComputed, 0, 0, {{64, format::kDimExpression}}}};
    e.graphs = {{{{0, {0}, {1}}, {1, {1}, {2}}}, {0}, {2}}};
    e.output_names = {"det"};
    f.entries = {e};
    return SpecWriter::write(f);
  };
  constexpr int32_t kExpression = format::kDimExpression;
  std::string text;
  EXPECT_EQ(try_file(file({{1, kExpression}, {8, kExpression}, {8, kExpression}}), true, &text), Error::Ok) << text;
  EXPECT_EQ(try_file(file({{64, kExpression}, {1, kExpression}, {1, kExpression}}), true, &text), Error::ShapeOutOfBounds) << text;
}

struct Wrong {
  const char* what;
  Error expected;
  std::function<void(FileSpec&)> edit;
};

EntrySpec& main_of(FileSpec& f) { return f.entries[0]; }
NodeSpec& node_of(FileSpec& f, size_t graph, size_t node) { return f.entries[0].graphs[graph].nodes[node]; }
TensorSpec& tensor_of(FileSpec& f, size_t i) { return f.entries[0].tensors[i]; }

// One more node that makes tensor 21, behind the one that replaces the state.
void add_behind_state(FileSpec& f, const NodeSpec& node, const std::vector<DimSpec>& dims, uint8_t dtype) {
  main_of(f).tensors.push_back({format::kComputed, 0, 0, dims, dtype});
  main_of(f).graphs[0].nodes.push_back(node);
}

std::vector<Wrong> wrong_files() {
  constexpr auto F = static_cast<uint8_t>(DType::F32);
  return {
      {"a newer major version", Error::BadVersion, [](FileSpec& f) { f.major = format::kVersionMajor + 1; }},
      {"version 0", Error::BadVersion, [](FileSpec& f) { f.major = 0; }},
      {"a required unknown section", Error::BadVersion, [](FileSpec& f) { f.sections = {{"zstd", true, 0}}; }},
      {"a section without segment", Error::BadFile, [](FileSpec& f) { f.sections = {{"note", false, 9}}; }},
      {"no entries", Error::BadFile, [](FileSpec& f) { f.entries.clear(); }},
      {"two entries of one name", Error::BadFile, [](FileSpec& f) { f.entries.push_back(f.entries[0]); }},
      {"an entry without graphs", Error::BadGraph, [](FileSpec& f) { main_of(f).graphs.clear(); }},
      {"input index past the end", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).inputs[0] = 99; }},
      {"input index -2", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).inputs[0] = -2; }},
      {"a required input left out", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).inputs[0] = -1; }},
      {"output index past the end", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).outputs[0] = 99; }},
      {"one tensor written twice", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 3).outputs[0] = 3; }},
      {"a constant written", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).outputs[0] = 2; }},
      {"an input written", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).outputs[0] = 0; }},
      {"a read before the write", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).inputs[0] = 12; }},
      {"a node that reads itself", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).inputs[0] = 3; }},
      {"a read of a sub-graph's tensor from outside", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 3).inputs[0] = 11; }},
      {"a read across branches", Error::BadGraph, [](FileSpec& f) { node_of(f, 3, 0).inputs[0] = 14; }},
      {"too many inputs", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).inputs.push_back(2); }},
      {"too few inputs", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).inputs.pop_back(); }},
      {"no outputs", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).outputs.clear(); }},
      {"an op index past the end", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).op = 77; }},
      {"an unknown op", Error::UnknownOp, [](FileSpec& f) { f.ops[0].first = 0x7abc; }},
      {"an unknown custom op", Error::UnknownOp, [](FileSpec& f) { f.ops[0] = {kFirstCustomOpId, "nobody.knows"}; }},
      {"an unknown attribute that must be understood", Error::BadAttribute, [](FileSpec& f) { node_of(f, 0, 0).attrs = {{9}}; }},
      {"an attribute of the wrong type", Error::BadAttribute, [](FileSpec& f) { node_of(f, 0, 3).attrs = {{1, static_cast<uint8_t>(AttrType::Ints)}}; }},
      {"an attribute type that does not exist", Error::BadAttribute, [](FileSpec& f) { node_of(f, 0, 3).attrs = {{1, 200}}; }},
      {"an attribute twice", Error::BadAttribute, [](FileSpec& f) { node_of(f, 0, 3).attrs = {{1}, {1}}; }},
      {"an axis out of range", Error::BadAttribute, [](FileSpec& f) { node_of(f, 0, 3).attrs = {{1, 1, true, 5, {}}}; }},
      {"an axis of INT64_MIN", Error::BadAttribute, [](FileSpec& f) { node_of(f, 0, 3).attrs = {{1, 1, true, INT64_MIN, {}}}; }},
      {"a negative dimension", Error::LimitExceeded, [](FileSpec& f) { tensor_of(f, 3).dims[0].bound = -2; }},
      {"a negative dimension of a pool value", Error::LimitExceeded, [](FileSpec& f) { tensor_of(f, 3).dims[0].bound = -2; tensor_of(f, 3).unbounded = true; }},
      {"a dimension of 2^62", Error::LimitExceeded, [](FileSpec& f) { tensor_of(f, 3).dims[0].bound = int64_t{1} << 62; }},
      {"a product that wraps to 0", Error::LimitExceeded, [](FileSpec& f) { tensor_of(f, 3).dims = {{int64_t{1} << 32}, {int64_t{1} << 32}}; }},
      {"rank 9", Error::LimitExceeded, [](FileSpec& f) { tensor_of(f, 3).dims.assign(9, {1}); }},
      {"an element type that does not exist", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 3).dtype = 200; }},
      {"an element type that does not exist, of a pool value", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 3).dtype = 200; tensor_of(f, 3).unbounded = true; }},
      {"no element type", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 3).dtype = 0; }},
      {"a kind that does not exist", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 3).kind = 7; }},
      {"a graph that does not exist", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 2).graph = 4; }},
      {"an input of a sub-graph", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 0).graph = 1; }},
      {"a shape the op contradicts", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 3).dims[0].bound = 5; }},
      {"a type the op contradicts", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 3).dtype = static_cast<uint8_t>(DType::I32); }},
      {"a shape smaller than the op needs", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 17).dims[0] = {2}; }},
      {"a bound smaller than the op needs", Error::ShapeOutOfBounds, [](FileSpec& f) { tensor_of(f, 17).dims[0].bound = 3; }},
      {"a constant that does not exist", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 2).index = 50; }},
      {"a constant of another shape", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 2).dims[0].bound = 3; }},
      {"a constant past its segment", Error::BadFile, [](FileSpec& f) { f.constants[0].offset = 192; }},
      {"a constant whose offset wraps", Error::BadFile, [](FileSpec& f) { f.constants[0].offset = ~uint64_t{63}; }},
      {"a misaligned constant", Error::BadFile, [](FileSpec& f) { f.constants[0].offset = 4; }},
      {"a constant of the wrong length", Error::BadFile, [](FileSpec& f) { f.constants[0].bytes = 12; }},
      {"a constant stored as float16 with the length of float32", Error::BadFile, [](FileSpec& f) { f.constants[0].stored = static_cast<uint8_t>(DType::F16); }},
      {"a constant stored in a type that is not widened", Error::BadFile, [](FileSpec& f) { f.constants[0].stored = static_cast<uint8_t>(DType::I8); }},
      {"integers stored as float16", Error::BadFile, [](FileSpec& f) { f.constants[1].stored = static_cast<uint8_t>(DType::F16); f.constants[1].bytes = 4; }},
      {"a splat stored as float16", Error::BadFile, [](FileSpec& f) { f.constants[0].splat = true; f.constants[0].bytes = 2; f.constants[0].stored = static_cast<uint8_t>(DType::F16); }},
      {"a state that begins with a constant stored as float16", Error::BadFile, [](FileSpec& f) { f.constants[0].stored = static_cast<uint8_t>(DType::F16); f.constants[0].bytes = 4; }},
      {"a constant in no segment", Error::BadFile, [](FileSpec& f) { f.constants[0].segment = 3; }},
      {"a segment past the file", Error::BadFile, [](FileSpec& f) { f.segments[0].bytes = 1 << 20; }},
      {"a segment whose end wraps", Error::BadFile, [](FileSpec& f) { f.segments[0].bytes = ~uint64_t{0}; }},
      {"a segment over the header", Error::BadFile, [](FileSpec& f) { f.segments[0].offset = ~uint64_t{63}; }},
      {"a state of another shape", Error::BadGraph, [](FileSpec& f) { f.states[0].dims[0] = 4; f.states[0].initial = -1; }},
      {"a state whose initial constant has another shape", Error::BadFile, [](FileSpec& f) { f.states[0].initial = 1; }},
      {"a state whose initial constant does not exist", Error::BadFile, [](FileSpec& f) { f.states[0].initial = 12; }},
      {"a state that does not exist", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 18).index = 4; }},
      {"a state written twice", Error::BadGraph, [](FileSpec& f) { main_of(f).graphs[0].nodes.push_back({2, {19}, {20}, {}, {}}); }},
      {"a state read after it was replaced", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 19).dims = {{2}}; main_of(f).tensors.push_back({format::kComputed, 0, 0, {{2}}}); main_of(f).graphs[0].nodes.push_back({2, {18}, {21}, {}, {}}); }},
      {"an index read behind a state's replacement", Error::BadGraph, [](FileSpec& f) { f.ops.push_back({op::Gather::info.id, "gather"}); add_behind_state(f, {5, {3, 4}, {21}}, {}, F); }},
      {"an integer division behind a state's replacement", Error::BadGraph, [](FileSpec& f) { f.ops.push_back({op::Div::info.id, "div"}); add_behind_state(f, {5, {4, 4}, {21}}, {}, static_cast<uint8_t>(DType::I64)); }},
      {"a branch behind a state's replacement", Error::BadGraph, [](FileSpec& f) { auto& nodes = main_of(f).graphs[0].nodes; nodes.pop_back(); nodes.insert(nodes.begin() + 1, {2, {3}, {20}}); }},
      {"a size that only data tell behind a state's replacement", Error::BadGraph, [](FileSpec& f) { add_behind_state(f, {2, {3}, {21}}, {{2}}, F); tensor_of(f, 21).unknown = true; }},
      {"an index read into a state", Error::BadGraph, [](FileSpec& f) { f.ops.push_back({op::Gather::info.id, "gather"}); f.states.push_back({"g", {}}); main_of(f).tensors.push_back({format::kState, 1, 0, {}}); main_of(f).graphs[0].nodes.push_back({5, {3, 4}, {21}}); }},
      {"more attributes than any op has", Error::BadGraph, [](FileSpec& f) { for (uint16_t k = 0; k < 65; ++k) node_of(f, 0, 0).attrs.push_back({static_cast<uint16_t>(1000 + k), static_cast<uint8_t>(AttrType::Int), false}); }},
      {"a state written in a sub-graph", Error::BadGraph, [](FileSpec& f) { node_of(f, 1, 1).outputs[0] = 20; }},
      {"an input in the wrong order", Error::BadGraph, [](FileSpec& f) { std::swap(main_of(f).graphs[0].inputs[0], main_of(f).graphs[0].inputs[1]); }},
      {"an output nobody writes", Error::BadGraph, [](FileSpec& f) { main_of(f).graphs[0].outputs[0] = 0; }},
      {"one tensor as two outputs", Error::BadGraph, [](FileSpec& f) { main_of(f).graphs[0].outputs[1] = 12; }},
      {"another number of output names", Error::BadGraph, [](FileSpec& f) { main_of(f).output_names.pop_back(); }},
      {"a sub-graph that does not exist", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 1).graphs[0] = 40; }},
      {"a sub-graph that is the graph itself", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 1).graphs[0] = 0; }},
      {"a sub-graph with two owners", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 2).graphs = {2, 2}; }},
      {"a sub-graph nobody owns", Error::BadGraph, [](FileSpec& f) { main_of(f).graphs.push_back({}); }},
      {"an if with one branch", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 2).graphs = {2}; }},
      {"a plain node with a sub-graph", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 0).graphs = {1}; }},
      {"branches of different output counts", Error::BadGraph, [](FileSpec& f) { main_of(f).graphs[3].outputs.clear(); }},
      {"branches of different types", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 16).dtype = static_cast<uint8_t>(DType::F64); }},
      {"an if without condition", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 2).inputs[0] = -1; }},
      {"an if on a float", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 2).inputs[0] = 3; }},
      {"a loop whose body has too few outputs", Error::BadGraph, [](FileSpec& f) { main_of(f).graphs[1].outputs.pop_back(); }},
      {"a loop without inputs", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 1).inputs.clear(); }},
      {"a loop that counts in floats", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 1).inputs[0] = 3; }},
      {"a loop whose condition is a float", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 1).inputs[1] = 3; }},
      {"a loop that starts with nothing", Error::BadGraph, [](FileSpec& f) { node_of(f, 0, 1).inputs[2] = -1; }},
      {"a loop body that counts in floats", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 6).dtype = F; }},
      {"a loop whose carried value changes its type", Error::TypeMismatch, [](FileSpec& f) { tensor_of(f, 8).dtype = static_cast<uint8_t>(DType::I32); }},
      {"a loop of another number of rounds than planned", Error::ShapeOutOfBounds, [](FileSpec& f) { f.data[64] = std::byte{2}; }},
      {"a loop with more rounds than the limit", Error::ShapeOutOfBounds, [](FileSpec& f) { f.data[64 + 7] = std::byte{0x7f}; }},
      {"a loop without end", Error::BadData, [](FileSpec& f) { node_of(f, 0, 1).inputs[0] = -1; node_of(f, 0, 1).outputs = {12, -1}; main_of(f).tensors[13].kind = format::kConstant; tensor_of(f, 13) = {format::kConstant, 0, 0, {{2}}}; main_of(f).graphs[0].outputs = {12, 16, 17}; main_of(f).output_names.pop_back(); }},
      {"an empty symbol interval", Error::BadGraph, [](FileSpec& f) { main_of(f).symbols[0] = {"N", 5, 4}; }},
      {"a negative symbol", Error::BadGraph, [](FileSpec& f) { main_of(f).symbols[0].lo = -1; }},
      {"a symbol that does not exist", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 1).dims[0].symbol = 3; }},
      {"a symbol of -3", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 1).dims[0].symbol = -3; }},
      {"a bound that is not the symbol's", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 1).dims[0].bound = 3; }},
      {"a scale of 0", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 3).quantization = QuantSpec{-1, 0, {0.0f}, {}}; }},
      {"a NaN scale", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 3).quantization = QuantSpec{-1, 0, {std::numeric_limits<float>::quiet_NaN()}, {}}; }},
      {"another number of scales than channels", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 3).quantization = QuantSpec{0, 0, {1, 1, 1}, {}}; }},
      {"a quantisation axis past the rank", Error::BadGraph, [](FileSpec& f) { tensor_of(f, 3).quantization = QuantSpec{1, 0, {1}, {}}; }},
      {"a name with a NUL", Error::BadFile, [](FileSpec& f) { tensor_of(f, 0).name = std::string("a\0b", 3); }},
      {"a name of 1 MB", Error::LimitExceeded, [](FileSpec& f) { tensor_of(f, 0).name.assign(1 << 20, 'n'); }},
  };
}

TEST(HostileGf, EachBrokenRuleIsTheRightErrorWithText) {
  for (const Wrong& w : wrong_files()) {
    FileSpec f = sample_spec();
    w.edit(f);
    std::string text;
    const Error e = try_file(SpecWriter::write(f), true, &text);
    EXPECT_EQ(error_name(e), std::string(error_name(w.expected))) << w.what << ": " << text;
    EXPECT_FALSE(text.empty()) << w.what;
  }
  std::cout << wrong_files().size() << " kinds of broken files refused\n";
}

TEST(HostileGf, WhatDataCannotStopMayStandBehindAStateWrite) {
  FileSpec f = sample_spec();
  f.ops.push_back({op::Div::info.id, "div"});
  add_behind_state(f, {5, {3, 3}, {21}}, {{2}}, static_cast<uint8_t>(DType::F32));  // 0 / 0 is NaN, no error
  EXPECT_EQ(try_file(SpecWriter::write(f), true), Error::Ok);
}

TEST(HostileGf, SkippableThingsAreSkipped) {
  FileSpec f = sample_spec();
  f.minor = 77;
  f.sections = {{"from the future", false, 0}};
  node_of(f, 0, 3).attrs = {{999, static_cast<uint8_t>(AttrType::Int), false}};
  std::string text;
  EXPECT_EQ(try_file(SpecWriter::write(f), true, &text), Error::Ok) << text;
}

TEST(HostileGf, NestingIsLimited) {
  FileSpec f = sample_spec();
  EntrySpec e;
  e.tensors = {{format::kConstant, 2, 0, {}, static_cast<uint8_t>(DType::Bool)}};
  constexpr uint32_t kDepth = 5000;
  for (uint32_t g = 0; g < 2 * kDepth; ++g) e.graphs.emplace_back();
  e.graphs.emplace_back();
  for (uint32_t d = 0; d < kDepth; ++d) e.graphs[d].nodes = {{3, {0}, {}, {d + 1, 2 * kDepth - d}, {}}};
  f.entries = {e};
  EXPECT_EQ(try_file(SpecWriter::write(f), true), Error::LimitExceeded);
}

// One table that a vector shares at every level would expand without end in a verifier that does not count tables.
TEST(HostileGf, TableBombIsRefused) {
  flatbuffers::FlatBufferBuilder fbb;
  const auto attr = fb::CreateAttr(fbb, 1, 1);
  const auto attrs = fbb.CreateVector(std::vector<flatbuffers::Offset<fb::Attr>>(2000, attr));
  const auto node = fb::CreateNode(fbb, 0, attrs);
  const auto nodes = fbb.CreateVector(std::vector<flatbuffers::Offset<fb::Node>>(2000, node));
  const auto graph = fb::CreateGraph(fbb, nodes);
  const auto graphs = fbb.CreateVector(std::vector<flatbuffers::Offset<fb::Graph>>(2000, graph));
  const auto entry = fb::CreateEntry(fbb, 0, 0, 0, graphs);
  const auto entries = fbb.CreateVector(std::vector<flatbuffers::Offset<fb::Entry>>(2000, entry));
  const auto root = fb::CreateModel(fbb, 1, 0, 0, 0, 0, 0, entries);
  fb::FinishSizePrefixedModelBuffer(fbb, root);
  const auto file = container({fbb.GetBufferPointer(), fbb.GetSize()}, {}, align64(fbb.GetSize()));
  std::string text;
  EXPECT_EQ(try_file(file, true, &text), Error::BadFile) << text;
}

// Tables and vectors that are simply absent.
TEST(HostileGf, AbsentPartsAreErrors) {
  const auto refused = [](const std::function<flatbuffers::Offset<fb::Model>(flatbuffers::FlatBufferBuilder&)>& make) {
    flatbuffers::FlatBufferBuilder fbb;
    fb::FinishSizePrefixedModelBuffer(fbb, make(fbb));
    return try_file(container({fbb.GetBufferPointer(), fbb.GetSize()}, {}, align64(fbb.GetSize())), true) != Error::Ok;
  };
  const auto entry_with = [&](auto make_entry) {
    return refused([&](flatbuffers::FlatBufferBuilder& b) {
      const auto entry = make_entry(b);
      return fb::CreateModel(b, 1, 0, 0, 0, 0, 0, b.CreateVector(&entry, 1));
    });
  };
  EXPECT_TRUE(refused([](flatbuffers::FlatBufferBuilder& b) { return fb::CreateModel(b, 1); }));
  EXPECT_TRUE(entry_with([](flatbuffers::FlatBufferBuilder& b) { return fb::CreateEntry(b); }));
  EXPECT_TRUE(entry_with([](flatbuffers::FlatBufferBuilder& b) {
    const auto graph = fb::CreateGraph(b);
    return fb::CreateEntry(b, 0, 0, 0, b.CreateVector(&graph, 1));
  }));
  EXPECT_TRUE(entry_with([](flatbuffers::FlatBufferBuilder& b) {  // inputs and outputs there, names of outputs absent
    const auto none = b.CreateVector(std::vector<int32_t>{0});
    const auto graph = fb::CreateGraph(b, 0, none, none);
    return fb::CreateEntry(b, 0, 0, 0, b.CreateVector(&graph, 1));
  }));
  EXPECT_TRUE(entry_with([](flatbuffers::FlatBufferBuilder& b) {  // as above without any output
    const auto none = b.CreateVector(std::vector<int32_t>{});
    const auto node = fb::CreateNode(b);
    const auto graph = fb::CreateGraph(b, b.CreateVector(&node, 1), none, none);
    return fb::CreateEntry(b, 0, 0, 0, b.CreateVector(&graph, 1));
  }));
}

std::vector<std::pair<std::string, std::vector<std::byte>>> small_files() {
  return {{"control flow and state", SpecWriter::write(sample_spec())}, {"digits", convert_digits(1, 2)}};
}

TEST(HostileGf, EveryTruncationIsAnError) {
  for (const auto& [name, file] : small_files())
    for (size_t n = 0; n < file.size(); n += (n < 4096 || file.size() - n < 4096 ? 1 : 61)) {
      const Error e = try_file({file.data(), n}, false);
      ASSERT_TRUE(e == Error::BadFile || e == Error::BadChecksum) << name << " cut to " << n << " bytes: " << error_name(e);
    }
}

TEST(HostileGf, TrailingBytesAreAnError) {
  auto file = SpecWriter::write(sample_spec());
  file.resize(file.size() + 64);
  EXPECT_EQ(try_file(file, false), Error::BadFile);
}

TEST(HostileGf, EveryFlippedByteIsFoundWithVerifyData) {
  for (const auto& [name, file] : small_files()) {
    const bool whole = file.size() < 8192;
    for (const int mask : {0x01, 0x80, 0xff}) {
      auto copy = file;
      for (size_t i = 0; i < file.size(); i += (whole || i < 1024 || file.size() - i < 256 ? 1 : 37)) {
        copy[i] ^= static_cast<std::byte>(mask);
        ASSERT_NE(try_file(copy, true), Error::Ok) << name << " byte " << i << " mask " << mask;
        copy[i] = file[i];
      }
    }
  }
}

// Without verify_data the header is still checked; changed data give another model, or an error.
TEST(HostileGf, FlippedBytesWithoutVerifyDataNeverCrash) {
  const auto file = SpecWriter::write(sample_spec());
  uint32_t header = 0;
  std::memcpy(&header, file.data(), 4);
  size_t answers = 0;
  for (const int mask : {0x01, 0x80, 0xff}) {
    auto copy = file;
    for (size_t i = 0; i < file.size(); ++i) {
      copy[i] ^= static_cast<std::byte>(mask);
      const Error e = try_file(copy, false);
      if (e == Error::Ok) ++answers;
      const bool data = i >= header + 4 && i < file.size() - format::kSealBytes;
      ASSERT_TRUE(data || e != Error::Ok) << "byte " << i << " mask " << mask;
      copy[i] = file[i];
    }
  }
  EXPECT_GT(answers, 0U);  // a flipped weight is a valid other model
}

// The hard one: every byte of the header changed and the file sealed anew, so that only the rules stand in the way.
TEST(HostileGf, ResealedDamageNeverCrashes) {
  size_t refused = 0, ran = 0;
  for (const auto& file : {SpecWriter::write(sample_spec())}) {
    uint32_t header = 0;
    std::memcpy(&header, file.data(), 4);
    for (const int mask : {0x01, 0x02, 0x04, 0x40, 0x80, 0xff}) {
      auto copy = file;
      for (size_t i = 4; i < header + size_t{4}; ++i) {
        copy[i] ^= static_cast<std::byte>(mask);
        reseal(copy);
        (try_file(copy, true) == Error::Ok ? ran : refused)++;
        copy[i] = file[i];
      }
    }
  }
  std::cout << refused << " refused, " << ran << " still valid\n";
  EXPECT_GT(refused, 100U);
}

TEST(HostileGf, LimitsHold) {
  const auto file = SpecWriter::write(sample_spec());
  const auto with = [&](auto edit) {
    LoadOptions o;
    edit(o.limits);
    return try_file(file, false, nullptr, &o);
  };
  EXPECT_EQ(with([](Limits& l) { l.file_bytes = 100; }), Error::LimitExceeded);
  EXPECT_EQ(with([](Limits& l) { l.tables = 10; }), Error::BadFile);
  EXPECT_EQ(with([](Limits& l) { l.tensors = 4; }), Error::LimitExceeded);
  EXPECT_EQ(with([](Limits& l) { l.nodes = 3; }), Error::LimitExceeded);
  EXPECT_EQ(with([](Limits& l) { l.graph_depth = 1; }), Error::LimitExceeded);
  EXPECT_EQ(with([](Limits& l) { l.tensor_elements = 2; }), Error::LimitExceeded);
  EXPECT_EQ(with([](Limits& l) { l.name_bytes = 0; }), Error::LimitExceeded);
  EXPECT_EQ(with([](Limits&) {}), Error::Ok);
}

TEST(HostileGf, MisalignedBytesAreAnError) {
  const auto file = SpecWriter::write(sample_spec());
  const Block block(file.size() + 8);
  std::memcpy(block.span().data() + 8, file.data(), file.size());
  const auto loaded = Program::load(block.span().subspan(8), default_tables().ops);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error(), Error::Misaligned);
}

}  // namespace
}  // namespace gf::test
