// Tests of the ONNX reader: messages built by hand, hostile ones (the rows of the hostile-input checklist), real files,
// and libonnx's parser as the second opinion. Built without libonnx (GF_TEST_LIBONNX undefined) that part skips.
#include "converter/onnx/reader.h"

#include <sys/stat.h>

#include <cmath>
#include <functional>

#include "converter/onnx/model_check.h"
#include "converter/onnx/tensor_data.h"
#include "converter/onnx/writer.h"
#include "tests/converter/onnx_test_util.h"

#ifdef GF_TEST_LIBONNX
#include "tests/converter/onnx_libonnx_compare.h"
#endif

namespace gf::onnx::test {
namespace {

using T = TensorType;

Model read(const Wire& w, const ReadLimits& limits = {}) { return read_model(to_bytes(w.bytes), limits); }
Tensor tensor(const Wire& w, const ReadLimits& limits = {}) { return read_tensor(to_bytes(w.bytes), limits); }
std::string hex(const Bytes& bytes) {
  std::string out;
  for (const std::byte b : bytes.span()) {
    out += "0123456789abcdef"[static_cast<unsigned>(b) >> 4];
    out += "0123456789abcdef"[static_cast<unsigned>(b) & 15U];
  }
  return out;
}
Wire typed_tensor(T type, const std::vector<int64_t>& dims) {
  Wire w;
  for (const int64_t d : dims) w.i(1, d);
  return w.i(2, static_cast<int>(type));
}
Wire node(std::string_view op, std::string_view out = "y") { return Wire().s(1, "x").s(2, out).s(4, op); }
Wire model_with_attribute(const Wire& attribute) { return model_of(Wire().m(1, node("Op").m(5, attribute))); }

/// Touches everything a consumer would, so that a bad view or size shows under the sanitizers.
void use(const Model& model, const ReadLimits& limits) {
  const auto quietly = [](const std::function<void()>& call) {
    try {
      call();
    } catch (const Exception&) {  // an error is a right answer here
    }
  };
  quietly([&] { check_versions(model); });
  quietly([&] { check_names(model); });
  for (const Tensor& t : model.graph.initializer) quietly([&] { (void)tensor_bytes(t, nullptr, "", limits); });
  for (const SparseTensor& t : model.graph.sparse_initializer) quietly([&] { (void)densify(t, nullptr, "", limits); });
  for (const Node& n : model.graph.node)
    for (const Attribute& a : n.attribute)
      for (const Tensor& t : a.tensors) quietly([&] { (void)tensor_bytes(t, nullptr, "", limits); });
  const std::vector<std::byte> written = write_model(model);
  EXPECT_EQ(write_model(read_model(Bytes::take(written))), written);
}

/// A small model with an If, a Constant, sparse and typed tensors and a function: every reader path in ~400 bytes.
Wire small_model() {
  const Wire type = Wire().m(1, Wire().i(1, 1).m(2, Wire().m(1, Wire().s(2, "N")).m(1, Wire().i(1, 2))));
  const Wire body = Wire().m(1, node("Relu", "r")).s(2, "then").m(12, Wire().s(1, "r"));
  const Wire value = typed_tensor(T::Int32, {2}).s(5, std::string("\x01\x96\x01", 3));
  const Wire sparse =
      Wire().m(1, typed_tensor(T::Float, {1}).s(8, "s").f(4, 1.5f)).m(2, typed_tensor(T::Int64, {1}).i(7, 3)).i(3, 4);
  Wire graph;
  graph.m(1, node("If", "z").m(5, Wire().s(1, "then_branch").m(6, body).i(20, 5)));
  graph.m(1, node("Constant", "k").m(5, Wire().s(1, "value").m(5, value).i(20, 4)));
  graph.m(1, node("Op", "o").m(5, Wire().s(1, "axes").s(8, std::string("\x00\x01", 2)).i(20, 7)));
  graph.s(2, "g").m(5, typed_tensor(T::Float16, {3}).s(8, "w").s(9, std::string("\0\x3c\0\x40\0\x42", 6)));
  graph.m(5, typed_tensor(T::String, {1}).s(6, "text").s(8, "names"));
  graph.m(11, Wire().s(1, "x").m(2, type)).m(12, Wire().s(1, "z").m(2, type)).m(15, sparse);
  graph.m(13, Wire().s(1, "seq").m(2, Wire().m(4, Wire().m(1, type))));
  const Wire function = Wire().s(1, "F").s(4, "a").s(5, "b").m(7, node("Neg", "b")).s(10, "custom");
  return model_of(graph).m(25, function).m(14, Wire().s(1, "key").s(2, "value"));
}

// ---------------------------------------------------------------------------------------------- golden inputs

TEST(OnnxReader, ReadsAModelWrittenByTheReferencePackage) {
  // Serialised by the onnx Python package 1.23: y[N,2] = x[N,2] + w[2].
  const std::string bytes = from_hex(
      "08081201703a580a140a01780a01771201791a04616464302203416464120167"
      "2a11080210014201774a080000803f000000405a140a0178120f0a0d080112090a0312014e0a02080262140a0179120f0a0d080112090a03"
      "12014e0a02080242040a00100d");
  const Bytes file = to_bytes(bytes);
  const Model m = read_model(file);
  EXPECT_EQ(m.ir_version, 8);
  EXPECT_EQ(m.producer_name, "p");
  EXPECT_EQ(m.opset(), 13);
  ASSERT_EQ(m.graph.node.size(), 1u);
  EXPECT_EQ(m.graph.node[0].op_type, "Add");
  EXPECT_EQ(m.graph.node[0].name, "add0");
  EXPECT_EQ(m.graph.node[0].input, (std::vector<std::string>{"x", "w"}));
  ASSERT_EQ(m.graph.initializer.size(), 1u);
  const Tensor& w = m.graph.initializer[0];
  EXPECT_EQ(w.dims, std::vector<int64_t>{2});
  EXPECT_EQ(hex(tensor_bytes(w)), "0000803f00000040");
  EXPECT_GE(w.raw_data->data(), file.data());  // a view into the file, not a copy
  EXPECT_LE(w.raw_data->data() + 8, file.data() + file.size());
  EXPECT_EQ(tensor_bytes(w).data(), w.raw_data->data());
  const Type& x = *m.graph.input[0].type;
  EXPECT_EQ(x.kind, Type::Kind::Tensor);
  EXPECT_EQ(x.elem_type, T::Float);
  EXPECT_EQ(x.shape->at(0).param, "N");
  EXPECT_EQ(x.shape->at(1).value, 2);
  check_versions(m);
  check_names(m);
}

TEST(OnnxReader, TensorOutlivesTheModel) {
  Tensor w;
  {
    const Model m = read(small_model());
    w = m.graph.initializer[0];
  }
  EXPECT_EQ(hex(tensor_bytes(w)), "003c00400042");
}

TEST(OnnxReader, TypedDataBecomesDenseBytes) {
  // Bit patterns from IEEE 754, the OCP and bfloat16 definitions; packed values as onnx.helper.make_tensor writes them.
  const auto dense = [](T type, const std::vector<int64_t>& dims, uint32_t field, const std::vector<int64_t>& numbers) {
    Wire packed;
    for (const int64_t n : numbers) packed.raw_varint(static_cast<uint64_t>(n));
    const Tensor t = tensor(typed_tensor(type, dims).s(field, packed.bytes));
    Wire unpacked = typed_tensor(type, dims);
    for (const int64_t n : numbers) unpacked.i(field, n);
    EXPECT_EQ(hex(tensor_bytes(t)), hex(tensor_bytes(tensor(unpacked)))) << tensor_type_name(type);
    return hex(tensor_bytes(t));
  };
  EXPECT_EQ(dense(T::Float16, {2}, 5, {15360, 49408}), "003c00c1");   // 1, -2.5
  EXPECT_EQ(dense(T::BFloat16, {2}, 5, {16256, 49184}), "803f20c0");  // 1, -2.5
  EXPECT_EQ(dense(T::Int8, {3}, 5, {-128, -1, 127}), "80ff7f");
  EXPECT_EQ(dense(T::Uint8, {2}, 5, {0, 255}), "00ff");
  EXPECT_EQ(dense(T::Int16, {2}, 5, {-2, 300}), "feff2c01");
  EXPECT_EQ(dense(T::Uint16, {1}, 5, {65535}), "ffff");
  EXPECT_EQ(dense(T::Int32, {2}, 5, {-1, 2147483647}), "ffffffffffffff7f");
  EXPECT_EQ(dense(T::Bool, {3}, 5, {0, 1, 2}), "000101");
  EXPECT_EQ(dense(T::Int4, {3}, 5, {225, 7}), "e107");  // 1, -2, 7
  EXPECT_EQ(dense(T::Uint4, {1}, 5, {9}), "09");
  EXPECT_EQ(dense(T::Uint2, {5}, 5, {27, 3}), "1b03");           // 3, 2, 1, 0, 3
  EXPECT_EQ(dense(T::Float4E2M1, {3}, 5, {242, 1}), "f201");     // 1, -6, 0.5
  EXPECT_EQ(dense(T::Float8E4M3FN, {2}, 5, {56, 254}), "38fe");  // 1, -448
  EXPECT_EQ(dense(T::Float8E8M0, {1}, 5, {127}), "7f");
  EXPECT_EQ(dense(T::Int64, {2}, 7, {-1, 1}), "ffffffffffffffff0100000000000000");
  EXPECT_EQ(dense(T::Uint32, {1}, 11, {4294967295}), "ffffffff");
  EXPECT_EQ(dense(T::Uint64, {1}, 11, {-1}), "ffffffffffffffff");
  EXPECT_EQ(hex(tensor_bytes(tensor(typed_tensor(T::Float, {2}).f(4, 1).f(4, -2)))), "0000803f000000c0");
  EXPECT_EQ(hex(tensor_bytes(tensor(typed_tensor(T::Double, {1}).d(10, 1)))), "000000000000f03f");
  EXPECT_EQ(hex(tensor_bytes(tensor(typed_tensor(T::Complex64, {1}).f(4, 1).f(4, 2)))), "0000803f00000040");
  EXPECT_EQ(hex(tensor_bytes(tensor(typed_tensor(T::Complex128, {1}).d(10, 1).d(10, 2)))),
            "000000000000f03f0000000000000040");
}

TEST(OnnxReader, PackedAndUnpackedChunksMix) {
  const Wire w = typed_tensor(T::Int32, {5}).i(5, 1).s(5, std::string("\x02\x03", 2)).s(5, "").i(5, -4).s(5, "\x05");
  EXPECT_EQ(hex(tensor_bytes(tensor(w))), "010000000200000003000000fcffffff05000000");
  const Wire dims = Wire().s(1, std::string("\x02\x01", 2)).i(1, 3).i(2, 3).s(9, "abcdef");
  EXPECT_EQ(tensor(dims).dims, (std::vector<int64_t>{2, 1, 3}));
  const Wire ints = Wire().s(1, "a").i(8, 1).s(8, std::string("\x02\x03", 2)).i(8, -1).i(20, 7);
  EXPECT_EQ(read(model_with_attribute(ints)).graph.node[0].attribute[0].ints, (std::vector<int64_t>{1, 2, 3, -1}));
}

TEST(OnnxReader, ValuesThatMustTravelUnchanged) {
  // NaN payloads, infinities, a denormal and -0 (f32), a bfloat16 NaN, an fp8 NaN: raw bytes in, the same out.
  const std::string f32 = from_hex("010080ff0000807f0100000000000080");
  EXPECT_EQ(tensor_bytes(tensor(typed_tensor(T::Float, {4}).s(9, f32))).text(), f32);
  EXPECT_EQ(hex(tensor_bytes(tensor(typed_tensor(T::BFloat16, {1}).i(5, 0x7fc1)))), "c17f");
  EXPECT_EQ(hex(tensor_bytes(tensor(typed_tensor(T::Float8E5M2, {1}).i(5, 0x7f)))), "7f");
  EXPECT_EQ(hex(tensor_bytes(tensor(typed_tensor(T::Bool, {3}).s(9, std::string("\0\x01\x07", 3))))), "000101");
}

TEST(OnnxReader, OldFilesWithoutAttributeTypes) {
  const auto type_of = [](const Wire& value) {
    return read(model_with_attribute(Wire(value).s(1, "a"))).graph.node[0].attribute[0].type;
  };
  EXPECT_EQ(type_of(Wire().f(2, 0)), AttributeType::Float);
  EXPECT_EQ(type_of(Wire().i(3, 0)), AttributeType::Int);
  EXPECT_EQ(type_of(Wire().s(4, "")), AttributeType::String);
  EXPECT_EQ(type_of(Wire().m(5, typed_tensor(T::Int8, {0}))), AttributeType::Tensor);
  EXPECT_EQ(type_of(Wire().m(6, Wire())), AttributeType::Graph);
  EXPECT_EQ(type_of(Wire().f(7, 1).f(7, 2)), AttributeType::Floats);
  EXPECT_EQ(type_of(Wire().i(8, 1)), AttributeType::Ints);
  EXPECT_EQ(type_of(Wire().s(9, "s")), AttributeType::Strings);
  EXPECT_EQ(type_of(Wire().m(14, Wire())), AttributeType::Type);
}

TEST(OnnxReader, LastSingularFieldWinsWithoutStaleSizes) {
  const Wire twice = typed_tensor(T::Int8, {2}).s(9, "abcdef").s(9, "xy");
  EXPECT_EQ(tensor_bytes(tensor(twice)).text(), "xy");
  const Wire shrunk = typed_tensor(T::Int8, {6}).s(9, "abcdef").s(9, "xy");
  expect_error(Error::BadFile, "raw_data has 2 bytes", [&] { (void)tensor(shrunk); });
  // Messages merge, as protobuf defines: both graphs' nodes, the last name.
  const Wire two = model_of(Wire().m(1, node("A", "a")).s(2, "one")).m(7, Wire().m(1, node("B", "b")).s(2, "two"));
  const Model m = read(two);
  ASSERT_EQ(m.graph.node.size(), 2u);
  EXPECT_EQ(m.graph.name, "two");
  // A oneof keeps the last member only.
  const Wire type = Wire().m(4, Wire().m(1, Wire().m(1, Wire().i(1, 1)))).m(1, Wire().i(1, 7));
  const Type t = read_type(to_bytes(type.bytes));
  EXPECT_EQ(t.kind, Type::Kind::Tensor);
  EXPECT_EQ(t.elem_type, T::Int64);
  EXPECT_TRUE(t.element.empty());
}

TEST(OnnxReader, UnknownFieldsAreSkipped) {
  Wire w = small_model();
  w.i(999, 5).d(1000, 1).s(1001, "later").f(1002, 1).m(20, Wire().m(1, Wire()));
  const Model m = read(w);
  EXPECT_EQ(m.graph.node.size(), 3u);
  EXPECT_TRUE(m.has_training_info);
}

// ---------------------------------------------------------------------------------------------- hostile inputs

struct Hostile {
  const char* name;
  Error code;
  const char* part;  // of the message: the place and the reason
  std::string bytes;
};

std::string nested_if(int depth) {
  Wire graph = Wire().m(1, node("Leaf"));
  for (int i = 0; i < depth; ++i) graph = Wire().m(1, node("If").m(5, Wire().s(1, "then_branch").m(6, graph).i(20, 5)));
  return model_of(graph).bytes;
}

std::string nested_type(int depth) {
  Wire type = Wire().m(1, Wire().i(1, 1));
  for (int i = 0; i < depth; ++i) type = Wire().m(4, Wire().m(1, type));
  return model_of(Wire().m(11, Wire().s(1, "x").m(2, type))).bytes;
}

std::string initializer(const Wire& tensor) { return model_of(Wire().m(5, tensor)).bytes; }

std::vector<Hostile> hostile_models() {
  using E = Error;
  const std::string ok = small_model().bytes;
  std::vector<Hostile> list = {
      // 1, 3: not a model
      {"empty", E::BadFile, "the file is empty", ""},
      {"zip", E::BadFile, "zip archive", "PK\x03\x04 and more"},
      {"json", E::BadFile, "JSON", "{\"a\": 1}"},
      {"png", E::BadFile, "at byte 0", "\x89PNG\r\n\x1a\n"},
      {"no graph", E::BadFile, "no graph", Wire().i(1, 8).bytes},
      {"trailing garbage", E::BadFile, "wire type 7", ok + "\x0f\xff"},
      {"zip appended", E::BadFile, "at byte", ok + std::string("PK\x03\x04\x14\x00\x08\x0f", 8)},
      // 5, 12: lengths and wire types
      {"length past the end", E::BadFile, "only 0 are left", Wire().tag(7, 2).raw_varint(5).bytes},
      {"length 2^63", E::BadFile, "needs 9223372036854775808 bytes", Wire().tag(7, 2).raw_varint(uint64_t{1} << 63).bytes},
      {"length -1", E::BadFile, "needs 18446744073709551615", Wire().tag(7, 2).raw_varint(~uint64_t{0}).bytes},
      {"length 2^32 + 2", E::BadFile, "needs 4294967298", Wire().tag(7, 2).raw_varint((uint64_t{1} << 32) + 2).bytes + "\x08\x01"},
      {"varint of 11 bytes", E::BadFile, "more than 10 bytes", "\x08" + std::string(10, '\xff') + "\x01"},
      {"varint cut", E::BadFile, "ends inside a number", "\x08\xff"},
      {"field number 0", E::BadFile, "field number 0", std::string("\x02\x00", 2)},
      {"tag above 32 bits", E::BadFile, "field number 0 or out of range", std::string("\xfa\xff\xff\xff\x7f\x00", 6)},
      {"group", E::BadFile, "wire type 3", ok + std::string("\x0b\x0c", 2)},
      {"wrong wire type of graph", E::BadFile, "graph: wire type 0 where 2", ok + Wire().i(7, 1).bytes},
      {"wrong wire type of ir_version", E::BadFile, "ir_version: wire type 2 where 0", ok + Wire().s(1, "8").bytes},
      {"packed floats of 6 bytes", E::BadFile, "floats: packed floats", model_with_attribute(Wire().s(7, "123456")).bytes},
      {"packed ints cut", E::BadFile, "ints: the last number", model_with_attribute(Wire().s(8, "\x01\xff")).bytes},
      {"packed int32_data cut", E::BadFile, "int32_data: the last number", initializer(typed_tensor(T::Int32, {1}).s(5, "\xff"))},
      {"packed int64_data of 11 bytes", E::BadFile, "int64_data", initializer(typed_tensor(T::Int64, {1}).s(7, std::string(10, '\xff') + "\x01"))},
      // 8, 10: absent and unknown
      {"attribute without value", E::BadAttribute, "graph.node[0].attribute[0].type: is missing", model_with_attribute(Wire().s(1, "a")).bytes},
      {"attribute with null tensor", E::BadAttribute, "type TENSOR but no value", model_with_attribute(Wire().s(1, "a").i(20, 4)).bytes},
      {"attribute with null graph", E::BadAttribute, "type GRAPH but no value", model_with_attribute(Wire().s(1, "a").i(20, 5)).bytes},
      {"attribute type unknown", E::BadAttribute, "attribute type 77", model_with_attribute(Wire().s(1, "a").i(20, 77)).bytes},
      {"attribute type negative", E::BadAttribute, "attribute type -1", model_with_attribute(Wire().s(1, "a").i(20, -1)).bytes},
      {"attribute value of another type", E::BadAttribute, "is FLOATS but a value of another type", model_with_attribute(Wire().s(1, "a").i(20, 6).i(3, 1)).bytes},
      {"attribute with two values", E::BadAttribute, "several values", model_with_attribute(Wire().s(1, "a").i(3, 1).f(2, 1)).bytes},
      {"reference and value", E::BadAttribute, "together with a value", model_with_attribute(Wire().s(1, "a").s(21, "b").i(3, 1)).bytes},
      {"element type absent", E::BadFile, "graph.initializer[0].data_type", initializer(Wire().i(1, 1).s(9, "a"))},
      {"element type unknown", E::Unsupported, "element type 99", initializer(Wire().i(1, 1).i(2, 99).s(9, "a"))},
      {"element type of an input unknown", E::Unsupported, "graph.input[0].type: element type 99", model_of(Wire().m(11, Wire().s(1, "x").m(2, Wire().m(1, Wire().i(1, 99))))).bytes},
      {"data_location unknown", E::BadFile, "data_location: the value 2", initializer(typed_tensor(T::Int8, {1}).s(9, "a").i(14, 2))},
      {"segment", E::Unsupported, "segment", initializer(typed_tensor(T::Int8, {1}).s(9, "a").m(3, Wire().i(1, 0)))},
      // 11: names
      {"name with NUL", E::BadFile, "graph.node[0].op_type: the name 'a\\x00b'", model_of(Wire().m(1, Wire().s(4, std::string("a\0b", 3)))).bytes},
      {"name not UTF-8", E::BadFile, "'a\\xff'", model_of(Wire().m(1, Wire().s(4, "a\xff"))).bytes},
      {"name overlong UTF-8", E::BadFile, "\\xc0\\xaf", model_of(Wire().m(1, Wire().s(4, "\xc0\xaf"))).bytes},
      {"name surrogate", E::BadFile, "not UTF-8", model_of(Wire().m(1, Wire().s(4, "\xed\xa0\x80"))).bytes},
      {"name of 1 MB", E::LimitExceeded, "a name of 1048576 bytes", model_of(Wire().m(1, Wire().s(3, std::string(1 << 20, 'n')))).bytes},
      // 13: nesting
      {"If in If, 17 graphs", E::LimitExceeded, "graphs are nested more than 16 deep", nested_if(16)},
      {"If in If, 10000 deep", E::LimitExceeded, "nested more than", nested_if(10000)},
      {"types 10000 deep", E::LimitExceeded, "messages are nested more than 100 deep", nested_type(10000)},
      // 15, 16: dims
      {"negative dim", E::BadFile, "graph.initializer[0].dims: dim 1 is -1", initializer(typed_tensor(T::Int8, {2, -1}).s(9, "a"))},
      {"dim 2^63 - 1", E::LimitExceeded, "above the limit of", initializer(typed_tensor(T::Float, {INT64_MAX}).s(9, "a"))},
      {"dim INT64_MIN", E::BadFile, "must not be negative", initializer(typed_tensor(T::Float, {INT64_MIN}).s(9, "a"))},
      {"product wraps to 0", E::LimitExceeded, "above the limit of", initializer(typed_tensor(T::Int8, {int64_t{1} << 32, int64_t{1} << 32}))},
      {"product wraps to 2", E::LimitExceeded, "above the limit of", initializer(typed_tensor(T::Int8, {INT64_MAX, INT64_MAX, 2}).s(9, "ab"))},
      {"zero dim hides a wrap", E::LimitExceeded, "above the limit of", initializer(typed_tensor(T::Int8, {0, INT64_MAX, 4}))},
      {"rank 9", E::LimitExceeded, "rank 9 is above the limit of 8", initializer(typed_tensor(T::Int8, std::vector<int64_t>(9, 1)).s(9, "a"))},
      {"rank 10000", E::LimitExceeded, "rank 10000", initializer(typed_tensor(T::Int8, std::vector<int64_t>(10000, 1)).s(9, "a"))},
      {"declared rank 9", E::LimitExceeded, "rank 9", [] {
         Wire shape;
         for (int i = 0; i < 9; ++i) shape.m(1, Wire().i(1, 1));
         return model_of(Wire().m(11, Wire().s(1, "x").m(2, Wire().m(1, Wire().i(1, 1).m(2, shape))))).bytes;
       }()},
      {"declared dim -7", E::BadFile, "dim 0 is -7", model_of(Wire().m(12, Wire().s(1, "x").m(2, Wire().m(1, Wire().i(1, 1).m(2, Wire().m(1, Wire().i(1, -7))))))).bytes},
      // 18: dims against data
      {"too few raw bytes", E::BadFile, "(8 bytes) but raw_data has 7", initializer(typed_tensor(T::Float, {2}).s(9, "1234567"))},
      {"too many raw bytes", E::BadFile, "raw_data has 9", initializer(typed_tensor(T::Float, {2}).s(9, "123456789"))},
      {"no data", E::BadFile, "there is no data", initializer(typed_tensor(T::Float, {2}))},
      {"raw and typed", E::BadFile, "more than one kind of data", initializer(typed_tensor(T::Float, {1}).s(9, "1234").f(4, 1))},
      {"two typed fields", E::BadFile, "more than one kind of data", initializer(typed_tensor(T::Float, {1}).f(4, 1).i(5, 1))},
      {"typed data of the wrong type", E::BadFile, "FLOAT belong in float_data, not in int32_data", initializer(typed_tensor(T::Float, {1}).i(5, 1))},
      {"too few numbers", E::BadFile, "2 numbers in int64_data but there are 1", initializer(typed_tensor(T::Int64, {2}).i(7, 1))},
      {"complex with half the numbers", E::BadFile, "2 numbers in float_data", initializer(typed_tensor(T::Complex64, {1}).f(4, 1))},
      {"strings in raw_data", E::BadFile, "STRING tensor must keep", initializer(typed_tensor(T::String, {1}).s(9, "a"))},
      {"too few strings", E::BadFile, "2 strings but string_data has 1", initializer(typed_tensor(T::String, {2}).s(6, "a"))},
      {"string_data in an INT8", E::BadFile, "string_data in a tensor of type INT8", initializer(typed_tensor(T::Int8, {1}).s(6, "a"))},
      // 19: sub-byte
      {"int4 one byte short", E::BadFile, "3 elements (2 bytes) but raw_data has 1", initializer(typed_tensor(T::Int4, {3}).s(9, "a"))},
      {"uint4 one byte long", E::BadFile, "raw_data has 3", initializer(typed_tensor(T::Uint4, {3}).s(9, "abc"))},
      {"uint2 one byte short", E::BadFile, "5 elements (2 bytes) but raw_data has 1", initializer(typed_tensor(T::Uint2, {5}).s(9, "a"))},
      {"int4 with one number each", E::BadFile, "2 numbers in int32_data but there are 3", initializer(typed_tensor(T::Int4, {3}).i(5, 1).i(5, 1).i(5, 1))},
      {"6-bit floats short", E::BadFile, "4 elements (3 bytes) but raw_data has 2", initializer(typed_tensor(T::Float6E2M3, {4}).s(9, "ab"))},
      // 40: external without entries
      {"external without entries", E::BadFile, "external_data is empty", initializer(typed_tensor(T::Int8, {1}).i(14, 1))},
      {"external with data", E::BadFile, "has data of its own", initializer(typed_tensor(T::Int8, {1}).i(14, 1).s(9, "a").m(13, Wire()))},
  };
  return list;
}

TEST(OnnxReader, HostileModelsGiveTypedErrorsWithTheirPlace) {
  for (const Hostile& h : hostile_models())
    expect_error(
        h.code, h.part, [&] { (void)read_model(to_bytes(h.bytes)); }, h.name);
}

TEST(OnnxReader, WhatJustFitsIsAccepted) {
  EXPECT_EQ(read_model(to_bytes(nested_if(15))).graph.node.size(), 1u);
  EXPECT_EQ(read_model(to_bytes(nested_type(40))).graph.input.size(), 1u);
  EXPECT_EQ(tensor(typed_tensor(T::Int8, {1, 1, 1, 1, 1, 1, 1, 1}).s(9, "a")).dims.size(), 8u);
  EXPECT_EQ(element_count(tensor(typed_tensor(T::Float, {0, 5}))), 0);
  EXPECT_EQ(element_count(tensor(typed_tensor(T::Float, {}).f(4, 1))), 1);
  EXPECT_EQ(tensor(typed_tensor(T::Float6E3M2, {5}).s(9, "abcd")).raw_data->size(), 4u);
  expect_error(Error::Unsupported, "FLOAT6E3M2",
               [] { (void)tensor_bytes(tensor(typed_tensor(T::Float6E3M2, {5}).s(9, "abcd"))); });
}

TEST(OnnxReader, NumbersOutsideTheirTypeAreErrors) {
  const auto bad = [](T type, int64_t value) {
    const Tensor t = tensor(typed_tensor(type, {1}).s(8, "w").i(type == T::Uint32 ? 11 : 5, value));
    expect_error(Error::BadFile, "here: tensor 'w' has " + std::to_string(value),
                 [&] { (void)tensor_bytes(t, nullptr, "here"); });
  };
  bad(T::Int8, 128);
  bad(T::Int8, -129);
  bad(T::Uint8, 256);
  bad(T::Uint8, -1);
  bad(T::Int16, 40000);
  bad(T::Float16, 65536);
  bad(T::Float16, -1);
  bad(T::Int4, 256);
  bad(T::Float8E4M3FN, 256);
  bad(T::Uint32, int64_t{1} << 32);
}

TEST(OnnxReader, LimitsHold) {
  ReadLimits limits;
  limits.max_nodes = 2;
  const Wire three = model_of(Wire().m(1, node("A", "a")).m(1, node("B", "b")).m(1, node("C", "c")));
  expect_error(Error::LimitExceeded, "graph.node[2]: more than max_nodes", [&] { (void)read(three, limits); });
  limits = {};
  limits.max_tensors = 1;
  const Wire two =
      model_of(Wire().m(5, typed_tensor(T::Int8, {0}).s(8, "a")).m(5, typed_tensor(T::Int8, {0}).s(8, "b")));
  expect_error(Error::LimitExceeded, "more than max_tensors", [&] { (void)read(two, limits); });
  limits = {};
  limits.max_file_bytes = 10;
  expect_error(Error::LimitExceeded, "the limit is 10", [&] { (void)read(three, limits); });
  limits = {};
  limits.max_text_bytes = 10;
  expect_error(Error::LimitExceeded, "doc_string: a text of 11 bytes",
               [&] { (void)read(Wire(three).s(6, "12345678901"), limits); });
  limits = {};
  limits.max_dense_bytes = 7;
  const Tensor t = tensor(typed_tensor(T::Int64, {1}).i(7, 1));
  expect_error(Error::LimitExceeded, "the limit is 7", [&] { (void)tensor_bytes(t, nullptr, "", limits); });
}

TEST(OnnxReader, TinyMessagesCannotGrowWithoutBound) {
  // 8 MB of two-byte empty attributes would be 2.5 GB of structs: the structure limit stops it.
  Wire attribute = Wire().s(1, "a").i(3, 1);
  std::string attributes;
  const std::string one = Wire().m(5, attribute).bytes;
  while (attributes.size() < (8U << 20)) attributes += one;
  const Wire bomb = model_of(Wire().m(1, Wire().append(attributes.data(), attributes.size())));
  expect_error(Error::LimitExceeded, "max_structure_bytes", [&] { (void)read(bomb); });
  std::string ints(64U << 20, '\1');  // one byte each in the file, eight in memory
  const Wire wide = model_with_attribute(Wire().s(1, "a").s(8, ints));
  expect_error(Error::LimitExceeded, "max_structure_bytes", [&] { (void)read(wide); });
}

TEST(OnnxReader, TruncationAtEveryByteIsAnErrorOrAModel) {
  const std::string bytes = small_model().bytes;
  ASSERT_NO_THROW((void)read_model(to_bytes(bytes)));
  ReadLimits limits;
  limits.max_dense_bytes = 1 << 20;
  int errors = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    try {
      use(read_model(to_bytes(bytes.substr(0, size)), limits), limits);
    } catch (const Exception&) {
      ++errors;
    }
  }
  // The end of a top-level field is the end of a valid shorter model; every other cut must be noticed.
  EXPECT_GE(errors, static_cast<int>(bytes.size()) - 4);
}

TEST(OnnxReader, EveryByteXoredAndEveryBitFlippedIsAnErrorOrAModel) {
  const std::string bytes = small_model().bytes;
  ReadLimits limits;
  limits.max_dense_bytes = 1 << 20;
  int models = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int mask : {0xff, 1, 2, 4, 8, 16, 32, 64, 128}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ mask);
      try {
        use(read_model(to_bytes(changed), limits), limits);
        ++models;
      } catch (const Exception&) {
      }
    }
  }
  EXPECT_GT(models, 0);  // a changed letter of a name is still a model
}

TEST(OnnxReader, MessagesArePrintable) {
  EXPECT_EQ(printable("a\x1b[31m\n\x7f'\\"), "a\\x1b[31m\\x0a\\x7f\\x27\\x5c");
  EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(printable("a\xff\xc3\xbc"), "a\\xff\\xc3\\xbc");
  EXPECT_EQ(printable(std::string(200, 'a'), 3), "aaa...");
  EXPECT_EQ(printable("aa\xc3\xbc", 3), "aa...");
}

// ---------------------------------------------------------------------------------------------- checks

TEST(OnnxReader, VersionsAreChecked) {
  const auto check = [](const Wire& w, int64_t newest = kNewestOpset) { check_versions(read(w), newest); };
  const Wire graph = Wire().m(7, Wire());
  const Wire opset13 = Wire().i(2, 13);
  EXPECT_NO_THROW(check(Wire(graph).i(1, 8).m(8, opset13)));
  EXPECT_NO_THROW(check(Wire(graph).i(1, 2)));  // before IR version 3
  EXPECT_EQ(read(Wire(graph).i(1, 2)).opset(), 1);
  EXPECT_EQ(read(Wire(graph).i(1, 8)).opset(), 0);
  EXPECT_NO_THROW(check(Wire(graph).i(1, 8).m(8, Wire().s(1, "ai.onnx.ml").i(2, 3))));
  const auto bad = [&](const char* part, const Wire& w, int64_t newest = kNewestOpset) {
    expect_error(Error::BadVersion, part, [&] { check(w, newest); });
  };
  bad("ir_version: is missing", Wire(graph).m(8, opset13));
  bad("ir_version: 15 is newer", Wire(graph).i(1, 15).m(8, opset13));
  bad("ir_version", Wire(graph).i(1, -1).m(8, opset13));
  bad("imports no operator set", Wire(graph).i(1, 8));
  bad("opset_import[1]: the standard domain is imported more", Wire(graph).i(1, 8).m(8, opset13).m(8, opset13));
  bad("imported more than once", Wire(graph).i(1, 8).m(8, opset13).m(8, Wire().s(1, "ai.onnx").i(2, 13)));
  bad("has version 0", Wire(graph).i(1, 8).m(8, Wire().s(1, "")));
  bad("has version -1", Wire(graph).i(1, 8).m(8, Wire().i(2, -1)));
  bad("operator set 29 is newer", Wire(graph).i(1, 8).m(8, Wire().i(2, 29)));
  bad("newest known here (12)", Wire(graph).i(1, 8).m(8, opset13), 12);
  bad("functions[0].opset_import[0]: operator set 99",
      Wire(graph).i(1, 8).m(8, opset13).m(25, Wire().s(1, "F").m(9, Wire().i(2, 99))));
}

TEST(OnnxReader, NamesAreChecked) {
  const auto check = [](const Wire& graph) { check_names(read(model_of(graph))); };
  const Wire x = Wire().s(1, "x");
  const Wire w = typed_tensor(T::Int8, {0}).s(8, "x");
  EXPECT_NO_THROW(check(Wire().m(11, x).m(5, w)));  // a default value of an input
  const auto bad = [&](Error code, const char* part, const Wire& graph) {
    expect_error(code, part, [&] { check(graph); });
  };
  bad(Error::BadGraph, "graph.input[1]: the name 'x'", Wire().m(11, x).m(11, x));
  bad(Error::BadGraph, "graph.initializer[1]: the name 'x'", Wire().m(5, w).m(5, w));
  bad(Error::BadGraph, "graph.node[1].output[0]: the name 'y'", Wire().m(1, node("A")).m(1, node("B")));
  bad(Error::BadGraph, "graph.node[0].output[0]: the name 'x'", Wire().m(11, x).m(1, node("A", "x")));
  bad(Error::BadGraph, "graph.initializer[0]: has no name", Wire().m(5, typed_tensor(T::Int8, {0})));
  bad(Error::BadGraph, "graph.output[0]: has no name", Wire().m(12, Wire()));
  bad(Error::BadGraph, "graph.node[0]: has no op_type", Wire().m(1, Wire().s(2, "y")));
  const Wire a = Wire().s(1, "a").i(3, 1);
  bad(Error::BadAttribute, "attribute[1]: the attribute 'a'", Wire().m(1, node("A").m(5, a).m(5, a)));
  bad(Error::BadAttribute, "has no name", Wire().m(1, node("A").m(5, Wire().i(3, 1))));
  const Wire inner = Wire().m(1, node("A")).m(1, node("B"));
  bad(Error::BadGraph, "graph.node[0].attribute[0].g.node[1].output[0]",
      Wire().m(1, node("If", "z").m(5, Wire().s(1, "b").m(6, inner))));
  const Wire f = Wire().s(1, "F").s(10, "d");
  expect_error(Error::BadGraph, "functions[1]: the function 'F'",
               [&] { check_names(read(model_of(Wire()).m(25, f).m(25, f))); });
  EXPECT_NO_THROW(check_names(read(model_of(Wire()).m(25, f).m(25, Wire(f).s(13, "overload")))));
}

// ---------------------------------------------------------------------------------------------- sparse tensors

SparseTensor sparse_of(const std::vector<int64_t>& dims, const std::vector<int64_t>& index_dims,
                       const std::vector<int64_t>& indices, const std::string& values) {
  SparseTensor s;
  s.dims = dims;
  s.values = make_tensor("s", DType::I8, {static_cast<int64_t>(values.size())}, to_bytes(values));
  s.indices = make_int64s("", indices);
  s.indices.dims = index_dims;
  return s;
}

TEST(OnnxReader, SparseTensorsAreExpanded) {
  EXPECT_EQ(hex(*densify(sparse_of({2, 3}, {2}, {1, 5}, "ab")).raw_data), "006100000062");
  EXPECT_EQ(hex(*densify(sparse_of({2, 3}, {2, 2}, {0, 1, 1, 2}, "ab")).raw_data), "006100000062");
  EXPECT_EQ(hex(*densify(sparse_of({2, 2}, {0}, {}, "")).raw_data), "00000000");
  const auto bad = [](Error code, const char* part, const SparseTensor& s) {
    expect_error(code, part, [&] { (void)densify(s, nullptr, "graph.sparse_initializer[0]"); });
  };
  bad(Error::BadFile, "graph.sparse_initializer[0]: index 1 is outside", sparse_of({2, 3}, {2}, {1, 6}, "ab"));
  bad(Error::BadFile, "index 0 is outside", sparse_of({2, 3}, {2}, {-1, 1}, "ab"));
  bad(Error::BadFile, "index 1 is outside", sparse_of({2, 3}, {2, 2}, {0, 1, 0, 3}, "ab"));
  bad(Error::BadFile, "index 0 is outside", sparse_of({2, 3}, {2, 2}, {-1, 4, 0, 3}, "ab"));
  bad(Error::BadFile, "must ascend", sparse_of({2, 3}, {2}, {5, 1}, "ab"));
  bad(Error::BadFile, "must ascend", sparse_of({2, 3}, {2}, {1, 1}, "ab"));
  bad(Error::BadFile, "must have the shape [2] or [2, 2]", sparse_of({2, 3}, {3}, {1, 2, 3}, "ab"));
  bad(Error::BadFile, "must have the shape", sparse_of({2, 3}, {2, 3}, {0, 0, 0, 1, 1, 1}, "ab"));
  bad(Error::BadFile, "must not be negative", sparse_of({2, -3}, {1}, {1}, "a"));
  bad(Error::LimitExceeded, "the limit is", sparse_of({int64_t{1} << 36}, {1}, {1}, "a"));
  bad(Error::LimitExceeded, "above the limit", sparse_of({INT64_MAX, 2}, {1}, {1}, "a"));
  SparseTensor strings = sparse_of({2}, {1}, {1}, "a");
  strings.values.data_type = T::String;
  bad(Error::Unsupported, "STRING", strings);
  SparseTensor narrow = sparse_of({2}, {1}, {1}, "a");
  narrow.indices.data_type = T::Int32;
  bad(Error::BadFile, "indices must be INT64", narrow);
}

// ---------------------------------------------------------------------------------------------- files

TEST(OnnxReader, FileErrors) {
  const TempDir dir;
  expect_error(Error::NotFound, "nothing.onnx: cannot be opened", [&] { (void)read_model_file(dir / "nothing.onnx"); });
  expect_error(Error::IoError, "not a regular file", [&] { (void)read_model_file(dir.path()); });
  expect_error(Error::IoError, "not a regular file", [&] { (void)read_model_file("/dev/null"); });
  expect_error(Error::BadFile, "empty", [&] { (void)read_model_file(dir.write("e.onnx", "")); });
  expect_error(Error::BadFile, "e2.onnx: not an ONNX model",
               [&] { (void)read_model_file(dir.write("e2.onnx", "{}")); });
  ReadLimits limits;
  limits.max_file_bytes = 3;
  expect_error(Error::LimitExceeded, "the limit is 3",
               [&] { (void)read_model_file(dir.write("l.onnx", small_model().bytes), limits); });
  ASSERT_EQ(mkfifo((dir / "pipe").c_str(), 0600), 0);
  expect_error(Error::IoError, "not a regular file", [&] { (void)read_model_file(dir / "pipe"); });
  for (const FileMode mode : {FileMode::Map, FileMode::Read})
    EXPECT_EQ(read_model_file(dir.write("m.onnx", small_model().bytes), {}, mode).graph.node.size(), 3u);
}

TEST(OnnxReader, WeightsBeyondFourGigabytesAreViewsOfTheMap) {
  if (sizeof(size_t) < 8) GTEST_SKIP() << "needs a 64-bit address space";
  // A sparse file: 4.5 GiB of raw_data that takes no disk; nothing here may touch its pages.
  const uint64_t raw = (uint64_t{9} << 29);
  const Wire head = typed_tensor(T::Int8, {static_cast<int64_t>(raw)}).s(8, "w").tag(9, 2).raw_varint(raw);
  const Wire graph = Wire().tag(5, 2).raw_varint(head.bytes.size() + raw).append(head.bytes.data(), head.bytes.size());
  Wire file = Wire().i(1, 8).m(8, Wire().i(2, 13)).tag(7, 2).raw_varint(graph.bytes.size() + raw);
  file.append(graph.bytes.data(), graph.bytes.size());
  const TempDir dir;
  const std::filesystem::path path = dir.write("big.onnx", file.bytes);
  std::error_code code;
  std::filesystem::resize_file(path, file.bytes.size() + raw, code);
  if (code) GTEST_SKIP() << "the temporary directory has no sparse files: " << code.message();
  const Model m = read_model_file(path);
  ASSERT_EQ(m.graph.initializer.size(), 1u);
  const Bytes bytes = tensor_bytes(m.graph.initializer[0]);
  EXPECT_EQ(bytes.size(), raw);
  EXPECT_EQ(bytes.data(), m.graph.initializer[0].raw_data->data());
  EXPECT_EQ(bytes.span().back(), std::byte{0});
}

TEST(OnnxReader, EveryRealModelIsReadAndSound) {
  GF_REQUIRE_TEST_DATA(data);
  int models = 0;
  for (const std::filesystem::path& path : data_files(data, ".onnx")) {
    try {
      const Model m = read_model_file(path);
      check_versions(m);
      check_names(m);
      ++models;
    } catch (const Exception& e) {
      ADD_FAILURE() << path << ": " << e.what();
    }
  }
  EXPECT_GT(models, 1900);
  RecordProperty("models", models);
}

#ifdef GF_TEST_LIBONNX

std::string content(const std::filesystem::path& path) {
  return std::string(read_file_bytes(path, uint64_t{1} << 30).text());
}

TEST(OnnxReader, AgreesWithLibonnxOnEveryRealModel) {
  GF_REQUIRE_TEST_DATA(data);
  for (const std::filesystem::path& path : data_files(data, ".onnx")) {
    ::onnx::ModelProto proto;
    ASSERT_TRUE(proto.ParseFromString(content(path))) << path;
    LibonnxCompare compare;
    EXPECT_TRUE(compare.model(read_model_file(path), proto)) << path << ": " << compare.difference;
  }
}

TEST(OnnxReader, ComparisonNoticesADifference) {
  const std::string bytes = small_model().bytes;
  ::onnx::ModelProto proto;
  ASSERT_TRUE(proto.ParseFromString(bytes));
  const Model good = read_model(to_bytes(bytes));
  LibonnxCompare compare;
  EXPECT_TRUE(compare.model(good, proto)) << compare.difference;
  proto.mutable_graph()->mutable_node(2)->mutable_attribute(0)->set_ints(1, 2);
  EXPECT_FALSE(compare.model(good, proto));
  EXPECT_EQ(compare.difference, "graph.node[2].attribute[0].ints");
}

/// A test data file does not say what it is; the model beside it does (the light nets, elsewhere, have tensors only).
Type::Kind declared_kind(const std::filesystem::path& path) {
  const std::filesystem::path beside = path.parent_path().parent_path() / "model.onnx";
  if (!std::filesystem::exists(beside)) return Type::Kind::Tensor;
  const Model model = read_model_file(beside);
  const std::string name = path.stem().string();
  const size_t index = std::stoul(name.substr(name.rfind('_') + 1));
  const std::vector<ValueInfo>& values = name.rfind("output", 0) == 0 ? model.graph.output : model.graph.input;
  return index < values.size() && values[index].type ? values[index].type->kind : Type::Kind::None;
}

TEST(OnnxReader, AgreesWithLibonnxOnEveryTestDataFile) {
  GF_REQUIRE_TEST_DATA(data);
  int tensors = 0;
  int sequences = 0;
  int optionals = 0;
  for (const std::filesystem::path& path : data_files(data, ".pb")) {
    const Type::Kind kind = declared_kind(path);
    const Bytes bytes = read_file_bytes(path, uint64_t{1} << 30);
    LibonnxCompare compare;
    if (kind == Type::Kind::Sequence) {
      ::onnx::SequenceProto proto;
      ASSERT_TRUE(proto.ParseFromString(content(path))) << path;
      EXPECT_TRUE(compare.sequence(read_sequence(bytes), proto)) << path << ": " << compare.difference;
      ++sequences;
    } else if (kind == Type::Kind::Optional) {
      ::onnx::OptionalProto proto;
      ASSERT_TRUE(proto.ParseFromString(content(path))) << path;
      EXPECT_TRUE(compare.optional(read_optional(bytes), proto)) << path << ": " << compare.difference;
      ++optionals;
    } else {
      ::onnx::TensorProto proto;
      ASSERT_TRUE(proto.ParseFromString(content(path))) << path;
      EXPECT_TRUE(compare.tensor(read_tensor(bytes), proto)) << path << ": " << compare.difference;
      ++tensors;
    }
  }
  EXPECT_GT(tensors, 5000);
  EXPECT_GT(sequences, 20);
  EXPECT_GT(optionals, 3);
  RecordProperty("tensors", tensors);
  RecordProperty("sequences", sequences);
  RecordProperty("optionals", optionals);
}

TEST(OnnxReader, WhatProtobufRefusesWeRefuse) {
  // The converse need not hold: ours is stricter (sizes, names, wire types of known fields).
  const std::string bytes = small_model().bytes;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int mask : {0xff, 1, 2, 4, 8, 16, 32, 64, 128}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ mask);
      ::onnx::ModelProto proto;
      const bool parsed = proto.ParseFromString(changed);
      try {
        const Model model = read_model(to_bytes(changed));
        EXPECT_TRUE(parsed) << "byte " << i << " mask " << mask;
        LibonnxCompare compare;
        EXPECT_TRUE(!parsed || compare.model(model, proto)) << i << " " << mask << " " << compare.difference;
      } catch (const Exception&) {
      }
    }
  }
}

#else

TEST(OnnxReader, AgreesWithLibonnx) { GTEST_SKIP() << "built without libonnx (libonnx-dev, libprotobuf-dev)"; }

#endif

}  // namespace
}  // namespace gf::onnx::test
