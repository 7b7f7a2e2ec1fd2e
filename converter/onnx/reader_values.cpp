// Readers of single values: the TensorProto, SequenceProto, OptionalProto and TypeProto files of the ONNX backend
// tests.
#include "converter/onnx/reader.h"
#include "converter/onnx/reader_fields.h"

namespace gf::onnx {
namespace wire {
namespace {

constexpr Field<Sequence> kSequence[] = {
    name<&Sequence::name>(1, "name"),
    value<&Sequence::kind>(2, "elem_type"),
    value<&Sequence::tensors>(3, "tensor_values"),
    value<&Sequence::sparse_tensors>(4, "sparse_tensor_values"),
    value<&Sequence::sequences>(5, "sequence_values"),
    value<&Sequence::maps>(6, "map_values"),
    value<&Sequence::optionals>(7, "optional_values"),
};

constexpr Field<Map> kMap[] = {
    name<&Map::name>(1, "name"),
    value<&Map::key_type>(2, "key_type"),
    value<&Map::keys>(3, "keys"),
    text<&Map::string_keys>(4, "string_keys"),
    one<&Map::values>(5, "values"),
};

constexpr Field<OptionalValue> kOptional[] = {
    name<&OptionalValue::name>(1, "name"),
    value<&OptionalValue::kind>(2, "elem_type"),
    one<&OptionalValue::tensor>(3, "tensor_value"),
    one<&OptionalValue::sparse_tensor>(4, "sparse_tensor_value"),
    one<&OptionalValue::sequence>(5, "sequence_value"),
    one<&OptionalValue::map>(6, "map_value"),
    one<&OptionalValue::optional>(7, "optional_value"),
};

}  // namespace

void read_message(Message m, Sequence& out) { read_fields(m, out, kSequence); }
void read_message(Message m, Map& out) { read_fields(m, out, kMap); }
void read_message(Message m, OptionalValue& out) { read_fields(m, out, kOptional); }

}  // namespace wire

namespace {

void check_optional(const OptionalValue& value, const ReadLimits& limits, const FieldPath& path);

void check_sequence(const Sequence& s, const ReadLimits& limits, const FieldPath& path) {
  const auto at = [&path](const char* field, size_t i) { return FieldPath{&path, field, static_cast<int64_t>(i)}; };
  for (size_t i = 0; i < s.tensors.size(); ++i) check_tensor(s.tensors[i], limits, at("tensor_values", i));
  for (size_t i = 0; i < s.sparse_tensors.size(); ++i) {
    check_tensor(s.sparse_tensors[i].values, limits, at("sparse_tensor_values", i));
    check_tensor(s.sparse_tensors[i].indices, limits, at("sparse_tensor_values", i));
  }
  for (size_t i = 0; i < s.sequences.size(); ++i) check_sequence(s.sequences[i], limits, at("sequence_values", i));
  for (size_t i = 0; i < s.maps.size(); ++i)
    for (const Sequence& values : s.maps[i].values) check_sequence(values, limits, at("map_values", i));
  for (size_t i = 0; i < s.optionals.size(); ++i) check_optional(s.optionals[i], limits, at("optional_values", i));
}

void check_optional(const OptionalValue& value, const ReadLimits& limits, const FieldPath& path) {
  for (const Tensor& t : value.tensor) check_tensor(t, limits, {&path, "tensor_value"});
  for (const SparseTensor& s : value.sparse_tensor) {
    check_tensor(s.values, limits, {&path, "sparse_tensor_value"});
    check_tensor(s.indices, limits, {&path, "sparse_tensor_value"});
  }
  for (const Sequence& s : value.sequence) check_sequence(s, limits, {&path, "sequence_value"});
  for (const Map& m : value.map)
    for (const Sequence& values : m.values) check_sequence(values, limits, {&path, "map_value"});
  for (const OptionalValue& o : value.optional) check_optional(o, limits, {&path, "optional_value"});
}

}  // namespace

Tensor read_tensor(Bytes bytes, const ReadLimits& limits) {
  wire::Context context = wire::make_context(std::move(bytes), limits);
  Tensor tensor;
  wire::read_message(wire::Message(context), tensor);
  check_tensor(tensor, limits, {});
  return tensor;
}

Sequence read_sequence(Bytes bytes, const ReadLimits& limits) {
  wire::Context context = wire::make_context(std::move(bytes), limits);
  Sequence sequence;
  wire::read_message(wire::Message(context), sequence);
  check_sequence(sequence, limits, {});
  return sequence;
}

OptionalValue read_optional(Bytes bytes, const ReadLimits& limits) {
  wire::Context context = wire::make_context(std::move(bytes), limits);
  OptionalValue value;
  wire::read_message(wire::Message(context), value);
  check_optional(value, limits, {});
  return value;
}

Type read_type(Bytes bytes, const ReadLimits& limits) {
  wire::Context context = wire::make_context(std::move(bytes), limits);
  Type type;
  wire::read_message(wire::Message(context), type);
  return type;
}

}  // namespace gf::onnx
