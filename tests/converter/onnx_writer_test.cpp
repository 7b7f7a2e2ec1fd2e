// Tests of the ONNX writer: structs -> bytes -> structs, and libonnx (parser and checker) as the second opinion.
// Built without libonnx (GF_TEST_LIBONNX undefined) those parts skip.
#include "converter/onnx/writer.h"

#include <cmath>

#include "converter/onnx/model_check.h"
#include "converter/onnx/tensor_data.h"
#include "tests/converter/onnx_test_util.h"

#ifdef GF_TEST_LIBONNX
#include "tests/converter/onnx_libonnx_compare.h"
#endif

namespace gf::onnx::test {
namespace {

// Serialised by the onnx Python package 1.23: y[N,2] = x[N,2] + w[2], opset 13, IR version 8, producer "p".
constexpr std::string_view kAddModelHex =
    "08081201703a580a140a01780a01771201791a0461646430220341646412016"
    "72a11080210014201774a080000803f000000405a140a0178120f0a0d080112090a0312014e0a02080262140a0179120f0a0d080112090a031"
    "201"
    "4e0a02080242040a00100d";

Model add_model() {
  Model m;
  m.ir_version = 8;
  m.producer_name = "p";
  m.opset_import.push_back({"", 13});
  m.graph.name = "g";
  Node node;
  node.name = "add0";
  node.op_type = "Add";
  node.input = {"x", "w"};
  node.output = {"y"};
  m.graph.node.push_back(node);
  Tensor w = make_tensor("w", DType::F32, {2}, to_bytes(from_hex("0000803f00000040")));
  m.graph.initializer.push_back(w);
  ValueInfo x;
  x.name = "x";
  x.type = make_tensor_type(DType::F32, {make_dim("N"), make_dim(2)});
  m.graph.input.push_back(x);
  x.name = "y";
  m.graph.output.push_back(x);
  return m;
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A model that uses every field the structs have.
Model full_model() {
  Model m = add_model();
  m.producer_version = "1.2";
  m.domain = "org.example";
  m.model_version = -3;
  m.doc_string = "doc \xff any bytes";
  m.metadata_props = {{"k", "v"}, {"", ""}};
  m.opset_import.push_back({"custom", 2});
  Graph& g = m.graph;
  g.doc_string = "graph doc";
  g.quantization_annotation.push_back({"w", {{"SCALE_TENSOR", "s"}}});
  SparseTensor sparse;
  sparse.values = make_tensor("sp", DType::I64, {1}, to_bytes(std::string(8, '\1')));
  sparse.indices = make_int64s("", {1});
  sparse.dims = {3};
  g.sparse_initializer.push_back(sparse);
  Type sequence;
  sequence.kind = Type::Kind::Sequence;
  sequence.element.push_back(make_tensor_type(DType::I4, {}));
  sequence.denotation = "SEQ";
  Type map;
  map.kind = Type::Kind::Map;
  map.elem_type = TensorType::String;
  map.element.push_back(sequence);
  Type optional;
  optional.kind = Type::Kind::Optional;
  optional.element.push_back(map);
  Type opaque;
  opaque.kind = Type::Kind::Opaque;
  opaque.opaque_domain = "d";
  opaque.opaque_name = "n";
  Type sparse_type = make_tensor_type(DType::F16, {make_dim(3), Dimension{}});
  sparse_type.kind = Type::Kind::SparseTensor;
  for (const Type& t : {sequence, map, optional, opaque, sparse_type}) {
    ValueInfo v;
    v.name = "v" + std::to_string(g.value_info.size());
    v.type = t;
    v.doc_string = "d";
    g.value_info.push_back(v);
  }
  Node node;
  node.op_type = "Everything";
  node.domain = "custom";
  node.overload = "o";
  node.doc_string = "nd";
  node.metadata_props = {{"a", "b"}};
  node.input = {"", "x"};
  node.output = {"e"};
  Graph body;
  body.name = "body";
  body.node.push_back(g.node[0]);
  node.attribute.push_back(make_attribute("i", int64_t{-5}));
  node.attribute.push_back(make_attribute("zero", 0));
  node.attribute.push_back(make_attribute("f", -0.0f));
  node.attribute.push_back(make_attribute("s", std::string("a\0b", 3)));
  node.attribute.push_back(make_attribute("is", std::vector<int64_t>{1, -1, INT64_MIN}));
  node.attribute.push_back(make_attribute("none", std::vector<int64_t>{}));
  node.attribute.push_back(make_attribute("fs", std::vector<float>{1.5f, -2}));
  node.attribute.push_back(make_attribute("ss", std::vector<std::string>{"a", "", "c"}));
  node.attribute.push_back(make_attribute("t", make_int64s("n", {7})));
  node.attribute.push_back(make_attribute("g", body));
  const auto add = [&](const char* name, AttributeType type) -> Attribute& {
    Attribute& a = node.attribute.emplace_back();
    a.name = name;
    a.type = type;
    return a;
  };
  add("ts", AttributeType::Tensors).tensors = {make_int64s("", {}), make_int64s("", {1, 2})};
  add("gs", AttributeType::Graphs).graphs = {body, body};
  add("tp", AttributeType::Type).types = {map};
  add("tps", AttributeType::Types).types = {map, sequence};
  add("sp", AttributeType::SparseTensor).sparse_tensors = {sparse};
  add("sps", AttributeType::SparseTensors).sparse_tensors = {sparse, sparse};
  g.node.push_back(node);
  Tensor external = make_tensor("ext", DType::F32, {2}, {});
  external.raw_data.reset();
  external.location = Tensor::Location::External;
  external.external_data = {{"location", "w.bin"}, {"offset", "4096"}};
  external.metadata_props = {{"m", "n"}};
  g.initializer.push_back(external);
  Tensor strings;
  strings.name = "str";
  strings.data_type = TensorType::String;
  strings.dims = {2};
  strings.strings = {"a", std::string("\0\xff", 2)};
  strings.doc_string = "sd";
  g.initializer.push_back(strings);
  Function f;
  f.name = "F";
  f.domain = "custom";
  f.overload = "o";
  f.input = {"a"};
  f.output = {"b"};
  f.attribute = {"alpha"};
  f.attribute_default.push_back(make_attribute("beta", 2.0f));
  f.opset_import = {{"", 13}};
  f.doc_string = "fd";
  f.metadata_props = {{"x", "y"}};
  f.value_info.push_back(g.value_info[0]);
  Node inner;
  inner.op_type = "Elu";
  inner.input = {"a"};
  inner.output = {"b"};
  Attribute ref;
  ref.name = "alpha";
  ref.type = AttributeType::Float;
  ref.ref_attr_name = "alpha";
  inner.attribute.push_back(ref);
  f.node.push_back(inner);
  m.function.push_back(f);
  return m;
}

TEST(OnnxWriter, WritesTheBytesOfTheReferencePackage) {
  EXPECT_EQ(text_of(write_model(add_model())), from_hex(kAddModelHex));
}

TEST(OnnxWriter, EveryFieldSurvivesWritingAndReading) {
  const std::vector<std::byte> first = write_model(full_model());
  const Model again = read_model(Bytes::take(first));
  EXPECT_EQ(write_model(again), first);
  const Node& node = again.graph.node[1];
  ASSERT_EQ(node.attribute.size(), 16u);
  EXPECT_EQ(node.overload, "o");
  EXPECT_EQ(node.find("i")->i, -5);
  EXPECT_TRUE(std::signbit(node.find("f")->f));
  EXPECT_EQ(node.find("s")->s, std::string("a\0b", 3));
  EXPECT_EQ(node.find("is")->ints, (std::vector<int64_t>{1, -1, INT64_MIN}));
  EXPECT_EQ(node.find("none")->type, AttributeType::Ints);
  EXPECT_EQ(node.find("gs")->graphs.size(), 2u);
  EXPECT_EQ(node.find("gs")->graphs[1].node[0].op_type, "Add");
  EXPECT_EQ(node.find("tp")->types[0].element[0].denotation, "SEQ");
  EXPECT_EQ(node.find("tp")->types[0].element[0].element[0].elem_type, TensorType::Int4);
  EXPECT_EQ(node.find("sps")->sparse_tensors[1].dims, std::vector<int64_t>{3});
  EXPECT_EQ(node.find("missing"), nullptr);
  EXPECT_EQ(again.function[0].attribute_default[0].f, 2.0f);
  EXPECT_EQ(again.function[0].node[0].attribute[0].ref_attr_name, "alpha");
  EXPECT_EQ(again.function[0].overload, "o");
  EXPECT_EQ(again.graph.initializer[1].external_data[1].value, "4096");
  EXPECT_EQ(again.graph.initializer[2].strings[1], std::string("\0\xff", 2));
  EXPECT_EQ(again.graph.value_info[4].type->shape->at(1).kind, Dimension::Kind::Unknown);
  EXPECT_EQ(again.model_version, -3);
  EXPECT_EQ(again.opset("custom"), 2);
  EXPECT_EQ(again.opset(), 13);
}

TEST(OnnxWriter, RefusesAttributesWithoutValue) {
  Model m = add_model();
  m.graph.node[0].attribute.emplace_back().name = "a";
  expect_error(Error::InvalidArgument, "'a' has no type", [&] { (void)write_model(m); });
  m.graph.node[0].attribute[0].type = AttributeType::Tensor;
  expect_error(Error::InvalidArgument, "needs one value", [&] { (void)write_model(m); });
}

TEST(OnnxWriter, TensorFilesOfTheBackendTestsSurvive) {
  GF_REQUIRE_TEST_DATA(data);
  int tensors = 0;
  for (const std::filesystem::path& path : data_files(data, ".pb")) {
    if (path.parent_path().string().find("sequence") != std::string::npos) continue;
    Tensor t;
    try {
      t = read_tensor(read_file_bytes(path, uint64_t{1} << 30));
    } catch (const Exception&) {
      continue;  // a SequenceProto or OptionalProto: see the reader's test
    }
    const Tensor again = read_tensor(Bytes::take(write_tensor(t)));
    EXPECT_EQ(again.dims, t.dims) << path;
    EXPECT_EQ(again.strings, t.strings) << path;
    if (t.data_type != TensorType::String && to_dtype(t.data_type) != DType::Invalid) {
      EXPECT_EQ(tensor_bytes(again).text(), tensor_bytes(t).text()) << path;
    }
    ++tensors;
  }
  EXPECT_GT(tensors, 5000);
}

#ifdef GF_TEST_LIBONNX
TEST(OnnxWriter, LibonnxReadsTheSameFromEveryField) {
  const Model model = full_model();
  ::onnx::ModelProto proto;
  ASSERT_TRUE(proto.ParseFromString(text_of(write_model(model))));
  LibonnxCompare compare;
  EXPECT_TRUE(compare.model(model, proto)) << compare.difference;
}

TEST(OnnxWriter, LibonnxReadsTheSameFromEveryRealModel) {
  GF_REQUIRE_TEST_DATA(data);
  int models = 0;
  for (const std::filesystem::path& path : data_files(data, ".onnx")) {
    const Model model = read_model_file(path);
    ::onnx::ModelProto proto;
    ASSERT_TRUE(proto.ParseFromString(text_of(write_model(model)))) << path;
    LibonnxCompare compare;
    EXPECT_TRUE(compare.model(model, proto)) << path << ": " << compare.difference;
    ++models;
  }
  EXPECT_GT(models, 1900);
  RecordProperty("models", models);
}

TEST(OnnxWriter, LibonnxCheckerAcceptsWhatItAcceptedBefore) {
  GF_REQUIRE_TEST_DATA(data);
  int accepted = 0;
  for (const std::filesystem::path& path : data_files(data, ".onnx")) {
    const Model model = read_model_file(path);
    // libonnx 1.12 knows IR versions up to 8 and operator sets up to 17 (ai.onnx.ml 3).
    if (model.ir_version > 8 || model.opset() > 17 || model.opset("ai.onnx.ml") > 3) continue;
    ::onnx::ModelProto original;
    ASSERT_TRUE(original.ParseFromString(std::string(read_file_bytes(path, uint64_t{1} << 30).text())));
    try {
      ::onnx::checker::check_model(original);
    } catch (const std::exception&) {
      continue;  // not our output's fault
    }
    ::onnx::ModelProto ours;
    ASSERT_TRUE(ours.ParseFromString(text_of(write_model(model))));
    EXPECT_NO_THROW(::onnx::checker::check_model(ours)) << path;
    ++accepted;
  }
  EXPECT_GT(accepted, 100);
  RecordProperty("accepted", accepted);
  ::onnx::ModelProto ours;
  ASSERT_TRUE(ours.ParseFromString(text_of(write_model(add_model()))));
  EXPECT_NO_THROW(::onnx::checker::check_model(ours));
}

#else

TEST(OnnxWriter, LibonnxAgrees) { GTEST_SKIP() << "built without libonnx (libonnx-dev, libprotobuf-dev)"; }

#endif

}  // namespace
}  // namespace gf::onnx::test
