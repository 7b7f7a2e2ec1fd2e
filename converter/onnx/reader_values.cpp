// Readers of single values: the TensorProto, SequenceProto, OptionalProto and TypeProto files of the ONNX backend
// tests.
#include "converter/onnx/reader.h"
#include "converter/onnx/reader_parts.h"

namespace gf::onnx {
namespace {

using namespace wire;

ElementKind read_element_kind(Message& m) {
  const int32_t kind = m.int32("elem_type");
  if (kind < 0 || kind > 5)
    m.fail(Error::BadFile, "elem_type", -1, "the value " + std::to_string(kind) + " is not known");
  return static_cast<ElementKind>(kind);
}

void read_optional_into(Message m, OptionalValue& out);
void read_map_into(Message m, Map& out);

void read_sequence_into(Message m, Sequence& out) {
  const auto element = [&m](const char* field, auto& list, auto read) {
    Message value = m.message(field, next_index(list));
    read(value, m.add(list));
  };
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.name = m.name("name");
        break;
      case 2:
        out.kind = read_element_kind(m);
        break;
      case 3:
        element("tensor_values", out.tensors, read_tensor_into);
        break;
      case 4:
        element("sparse_tensor_values", out.sparse_tensors, read_sparse_into);
        break;
      case 5:
        element("sequence_values", out.sequences, read_sequence_into);
        break;
      case 6:
        element("map_values", out.maps, read_map_into);
        break;
      case 7:
        element("optional_values", out.optionals, read_optional_into);
        break;
      default:
        m.skip();
    }
  }
}

void read_map_into(Message m, Map& out) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.name = m.name("name");
        break;
      case 2:
        out.key_type = static_cast<TensorType>(m.int32("key_type"));
        break;
      case 3:
        m.int64s("keys", out.keys);
        break;
      case 4:
        add_text(m, "string_keys", out.string_keys);
        break;
      case 5:
        read_sequence_into(m.message("values"), only(m, out.values));
        break;
      default:
        m.skip();
    }
  }
}

void read_optional_into(Message m, OptionalValue& out) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.name = m.name("name");
        break;
      case 2:
        out.kind = read_element_kind(m);
        break;
      case 3:
        read_tensor_into(m.message("tensor_value"), only(m, out.tensor));
        break;
      case 4:
        read_sparse_into(m.message("sparse_tensor_value"), only(m, out.sparse_tensor));
        break;
      case 5:
        read_sequence_into(m.message("sequence_value"), only(m, out.sequence));
        break;
      case 6:
        read_map_into(m.message("map_value"), only(m, out.map));
        break;
      case 7:
        read_optional_into(m.message("optional_value"), only(m, out.optional));
        break;
      default:
        m.skip();
    }
  }
}

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
  wire::Context context = make_context(std::move(bytes), limits);
  Tensor tensor;
  read_tensor_into(Message(context), tensor);
  check_tensor(tensor, limits, {});
  return tensor;
}

Sequence read_sequence(Bytes bytes, const ReadLimits& limits) {
  wire::Context context = make_context(std::move(bytes), limits);
  Sequence sequence;
  read_sequence_into(Message(context), sequence);
  check_sequence(sequence, limits, {});
  return sequence;
}

OptionalValue read_optional(Bytes bytes, const ReadLimits& limits) {
  wire::Context context = make_context(std::move(bytes), limits);
  OptionalValue value;
  read_optional_into(Message(context), value);
  check_optional(value, limits, {});
  return value;
}

Type read_type(Bytes bytes, const ReadLimits& limits) {
  wire::Context context = make_context(std::move(bytes), limits);
  Type type;
  read_type_into(Message(context), type);
  return type;
}

}  // namespace gf::onnx
