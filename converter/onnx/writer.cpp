#include "converter/onnx/writer.h"

#include <cstring>
#include <protozero/types.hpp>
#include <protozero/varint.hpp>

#include "converter/onnx/model_check.h"
#include "runtime/core/checked.h"
#include "runtime/core/exception.h"

namespace gf::onnx {
namespace {

/// Protobuf encoder in two passes over the same code: the first measures every nested message in the order met, the
/// second writes with the lengths known. So each byte is written once, where protozero's pbf_writer moves the body of
/// every nested message after writing it and stops at 4 GiB.
class Encoder {
 public:
  /// The encoding of what `body(encoder)` emits.
  template <class Body>
  static std::vector<std::byte> encode(Body body) {
    Encoder e;
    body(e);
    size_t size = 0;
    if (!narrow_checked(e.total_, size)) throw Exception(Error::OutOfMemory, "ONNX model does not fit into memory");
    e.out_.reserve(size);
    e.measuring_ = false;
    e.next_slot_ = 0;
    body(e);
    return std::move(e.out_);
  }

  void varint(uint32_t field, int64_t value) {
    tag(field, protozero::pbf_wire_type::varint);
    raw_varint(static_cast<uint64_t>(value));
  }
  void f32(uint32_t field, float value) {
    tag(field, protozero::pbf_wire_type::fixed32);
    raw(std::as_bytes(std::span(&value, 1)));
  }
  void bytes(uint32_t field, std::span<const std::byte> data) {
    tag(field, protozero::pbf_wire_type::length_delimited);
    raw_varint(data.size());
    raw(data);
  }
  void text(uint32_t field, std::string_view value) { bytes(field, std::as_bytes(std::span<const char>(value.data(), value.size()))); }
  /// A singular text, left out when empty.
  void optional_text(uint32_t field, std::string_view value) {
    if (!value.empty()) text(field, value);
  }
  void texts(uint32_t field, const std::vector<std::string>& values) {
    for (const std::string& value : values) text(field, value);
  }

  template <class Body>
  void message(uint32_t field, Body body) {
    tag(field, protozero::pbf_wire_type::length_delimited);
    const size_t slot = next_slot_++;
    if (!measuring_) {
      raw_varint(sizes_[slot]);
      body();
      return;
    }
    sizes_.push_back(0);
    const uint64_t before = total_;
    body();
    sizes_[slot] = total_ - before;
    raw_varint(sizes_[slot]);
  }

 private:
  void tag(uint32_t field, protozero::pbf_wire_type type) {
    raw_varint((uint64_t{field} << 3) | static_cast<uint64_t>(type));
  }
  void raw_varint(uint64_t value) {
    char buffer[protozero::max_varint_length];
    const auto size = static_cast<size_t>(protozero::add_varint_to_buffer(buffer, value));
    raw(std::as_bytes(std::span(buffer, size)));
  }
  void raw(std::span<const std::byte> data) {
    if (measuring_)
      total_ += data.size();
    else
      out_.insert(out_.end(), data.begin(), data.end());
  }

  std::vector<uint64_t> sizes_;  // of nested messages, in the order of their beginnings
  size_t next_slot_ = 0;
  uint64_t total_ = 0;
  bool measuring_ = true;
  std::vector<std::byte> out_;
};

void encode_graph(Encoder& e, const Graph& graph);

void encode_pairs(Encoder& e, uint32_t field, const std::vector<StringPair>& pairs) {
  for (const StringPair& pair : pairs) {
    e.message(field, [&] {
      e.text(1, pair.key);
      e.text(2, pair.value);
    });
  }
}

uint32_t wire_field(TypedData::Field field) {
  constexpr uint32_t kFields[] = {0, 4, 5, 7, 10, 11};
  return kFields[static_cast<size_t>(field)];
}

void encode_tensor(Encoder& e, const Tensor& tensor) {
  for (const int64_t dim : tensor.dims) e.varint(1, dim);
  e.varint(2, static_cast<int32_t>(tensor.data_type));
  const uint32_t typed = tensor.typed.count != 0 ? wire_field(tensor.typed.field) : 0;
  if (typed != 0 && typed < 6) e.bytes(typed, tensor.typed.wire.span());
  e.texts(6, tensor.strings);
  if (typed == 7) e.bytes(typed, tensor.typed.wire.span());
  e.optional_text(8, tensor.name);
  if (tensor.raw_data) e.bytes(9, tensor.raw_data->span());
  if (typed > 9) e.bytes(typed, tensor.typed.wire.span());
  e.optional_text(12, tensor.doc_string);
  encode_pairs(e, 13, tensor.external_data);
  if (tensor.location != Tensor::Location::Default) e.varint(14, static_cast<int32_t>(tensor.location));
  encode_pairs(e, 16, tensor.metadata_props);
}

void encode_sparse(Encoder& e, const SparseTensor& sparse) {
  e.message(1, [&] { encode_tensor(e, sparse.values); });
  e.message(2, [&] { encode_tensor(e, sparse.indices); });
  for (const int64_t dim : sparse.dims) e.varint(3, dim);
}

void encode_dimension(Encoder& e, const Dimension& dim) {
  if (dim.kind == Dimension::Kind::Value) e.varint(1, dim.value);
  if (dim.kind == Dimension::Kind::Param) e.text(2, dim.param);
  e.optional_text(3, dim.denotation);
}

void encode_type(Encoder& e, const Type& type);

void encode_type_body(Encoder& e, const Type& type) {
  switch (type.kind) {
    case Type::Kind::Tensor:
    case Type::Kind::SparseTensor:
      e.varint(1, static_cast<int32_t>(type.elem_type));
      if (!type.shape) return;
      e.message(2, [&] {
        for (const Dimension& dim : *type.shape) e.message(1, [&] { encode_dimension(e, dim); });
      });
      return;
    case Type::Kind::Sequence:
    case Type::Kind::Optional:
      for (const Type& element : type.element) e.message(1, [&] { encode_type(e, element); });
      return;
    case Type::Kind::Map:
      e.varint(1, static_cast<int32_t>(type.elem_type));
      for (const Type& element : type.element) e.message(2, [&] { encode_type(e, element); });
      return;
    case Type::Kind::Opaque:
      e.optional_text(1, type.opaque_domain);
      e.optional_text(2, type.opaque_name);
      return;
    case Type::Kind::None:
      return;
  }
}

uint32_t kind_field(Type::Kind kind) {
  constexpr uint32_t kFields[] = {0, 1, 8, 4, 9, 5, 7};
  return kFields[static_cast<size_t>(kind)];
}

void encode_type(Encoder& e, const Type& type) {
  const uint32_t field = kind_field(type.kind);
  const auto body = [&] { encode_type_body(e, type); };
  if (field != 0 && field < 6) e.message(field, body);
  e.optional_text(6, type.denotation);
  if (field > 6) e.message(field, body);
}

void encode_value_info(Encoder& e, const ValueInfo& value) {
  e.optional_text(1, value.name);
  if (value.type) e.message(2, [&] { encode_type(e, *value.type); });
  e.optional_text(3, value.doc_string);
  encode_pairs(e, 4, value.metadata_props);
}

void encode_value_infos(Encoder& e, uint32_t field, const std::vector<ValueInfo>& values) {
  for (const ValueInfo& value : values) e.message(field, [&] { encode_value_info(e, value); });
}

/// A singular value of `list`, which must have exactly one entry.
template <class T>
const T& single(const std::vector<T>& list, const Attribute& attribute) {
  if (list.size() != 1)
    throw Exception(Error::InvalidArgument, "attribute '" + printable(attribute.name) + "' of type " +
                                                attribute_type_name(attribute.type) + " needs one value but has " +
                                                std::to_string(list.size()));
  return list.front();
}

void encode_attribute_value(Encoder& e, const Attribute& a) {
  using T = AttributeType;
  switch (a.type) {
    case T::Float:
      e.f32(2, a.f);
      return;
    case T::Int:
      e.varint(3, a.i);
      return;
    case T::String:
      e.text(4, a.s);
      return;
    case T::Tensor:
      e.message(5, [&, &t = single(a.tensors, a)] { encode_tensor(e, t); });
      return;
    case T::Graph:
      e.message(6, [&, &g = single(a.graphs, a)] { encode_graph(e, g); });
      return;
    case T::Floats:
      for (const float f : a.floats) e.f32(7, f);
      return;
    case T::Ints:
      for (const int64_t i : a.ints) e.varint(8, i);
      return;
    case T::Strings:
      e.texts(9, a.strings);
      return;
    case T::Tensors:
      for (const Tensor& t : a.tensors) e.message(10, [&] { encode_tensor(e, t); });
      return;
    case T::Graphs:
      for (const Graph& g : a.graphs) e.message(11, [&] { encode_graph(e, g); });
      return;
    case T::Type:
      e.message(14, [&, &t = single(a.types, a)] { encode_type(e, t); });
      return;
    case T::Types:
      for (const Type& t : a.types) e.message(15, [&] { encode_type(e, t); });
      return;
    case T::SparseTensor:
      e.message(22, [&, &s = single(a.sparse_tensors, a)] { encode_sparse(e, s); });
      return;
    case T::SparseTensors:
      for (const SparseTensor& s : a.sparse_tensors) e.message(23, [&] { encode_sparse(e, s); });
      return;
    case T::Undefined:
      throw Exception(Error::InvalidArgument, "attribute '" + printable(a.name) + "' has no type");
  }
}

void encode_attribute(Encoder& e, const Attribute& a) {
  e.optional_text(1, a.name);
  const bool late = a.type == AttributeType::SparseTensor || a.type == AttributeType::SparseTensors;
  if (a.ref_attr_name.empty() && !late) encode_attribute_value(e, a);
  e.optional_text(13, a.doc_string);
  if (a.type != AttributeType::Undefined) e.varint(20, static_cast<int32_t>(a.type));
  e.optional_text(21, a.ref_attr_name);
  if (a.ref_attr_name.empty() && late) encode_attribute_value(e, a);
}

void encode_node(Encoder& e, const Node& node) {
  e.texts(1, node.input);
  e.texts(2, node.output);
  e.optional_text(3, node.name);
  e.optional_text(4, node.op_type);
  for (const Attribute& a : node.attribute) e.message(5, [&] { encode_attribute(e, a); });
  e.optional_text(6, node.doc_string);
  e.optional_text(7, node.domain);
  e.optional_text(8, node.overload);
  encode_pairs(e, 9, node.metadata_props);
}

void encode_graph(Encoder& e, const Graph& graph) {
  for (const Node& node : graph.node) e.message(1, [&] { encode_node(e, node); });
  e.optional_text(2, graph.name);
  for (const Tensor& t : graph.initializer) e.message(5, [&] { encode_tensor(e, t); });
  e.optional_text(10, graph.doc_string);
  encode_value_infos(e, 11, graph.input);
  encode_value_infos(e, 12, graph.output);
  encode_value_infos(e, 13, graph.value_info);
  for (const QuantizationAnnotation& q : graph.quantization_annotation) {
    e.message(14, [&] {
      e.optional_text(1, q.tensor_name);
      encode_pairs(e, 2, q.parameter_tensor_names);
    });
  }
  for (const SparseTensor& s : graph.sparse_initializer) e.message(15, [&] { encode_sparse(e, s); });
  encode_pairs(e, 16, graph.metadata_props);
}

void encode_opsets(Encoder& e, uint32_t field, const std::vector<OpsetId>& opsets) {
  for (const OpsetId& opset : opsets) {
    e.message(field, [&] {
      e.text(1, opset.domain);
      e.varint(2, opset.version);
    });
  }
}

void encode_function(Encoder& e, const Function& f) {
  e.optional_text(1, f.name);
  e.texts(4, f.input);
  e.texts(5, f.output);
  e.texts(6, f.attribute);
  for (const Node& node : f.node) e.message(7, [&] { encode_node(e, node); });
  e.optional_text(8, f.doc_string);
  encode_opsets(e, 9, f.opset_import);
  e.optional_text(10, f.domain);
  for (const Attribute& a : f.attribute_default) e.message(11, [&] { encode_attribute(e, a); });
  encode_value_infos(e, 12, f.value_info);
  e.optional_text(13, f.overload);
  encode_pairs(e, 14, f.metadata_props);
}

void encode_model(Encoder& e, const Model& model) {
  e.varint(1, model.ir_version);
  e.optional_text(2, model.producer_name);
  e.optional_text(3, model.producer_version);
  e.optional_text(4, model.domain);
  if (model.model_version != 0) e.varint(5, model.model_version);
  e.optional_text(6, model.doc_string);
  e.message(7, [&] { encode_graph(e, model.graph); });
  encode_opsets(e, 8, model.opset_import);
  encode_pairs(e, 14, model.metadata_props);
  for (const Function& f : model.function) e.message(25, [&] { encode_function(e, f); });
}

void encode_optional(Encoder& e, const OptionalValue& value);
void encode_map(Encoder& e, const Map& map);

void encode_sequence(Encoder& e, const Sequence& s) {
  e.optional_text(1, s.name);
  e.varint(2, static_cast<int32_t>(s.kind));
  for (const Tensor& t : s.tensors) e.message(3, [&] { encode_tensor(e, t); });
  for (const SparseTensor& t : s.sparse_tensors) e.message(4, [&] { encode_sparse(e, t); });
  for (const Sequence& t : s.sequences) e.message(5, [&] { encode_sequence(e, t); });
  for (const Map& t : s.maps) e.message(6, [&] { encode_map(e, t); });
  for (const OptionalValue& t : s.optionals) e.message(7, [&] { encode_optional(e, t); });
}

void encode_map(Encoder& e, const Map& map) {
  e.optional_text(1, map.name);
  e.varint(2, static_cast<int32_t>(map.key_type));
  for (const int64_t key : map.keys) e.varint(3, key);
  e.texts(4, map.string_keys);
  for (const Sequence& s : map.values) e.message(5, [&] { encode_sequence(e, s); });
}

void encode_optional(Encoder& e, const OptionalValue& value) {
  e.optional_text(1, value.name);
  e.varint(2, static_cast<int32_t>(value.kind));
  for (const Tensor& t : value.tensor) e.message(3, [&] { encode_tensor(e, t); });
  for (const SparseTensor& t : value.sparse_tensor) e.message(4, [&] { encode_sparse(e, t); });
  for (const Sequence& t : value.sequence) e.message(5, [&] { encode_sequence(e, t); });
  for (const Map& t : value.map) e.message(6, [&] { encode_map(e, t); });
  for (const OptionalValue& t : value.optional) e.message(7, [&] { encode_optional(e, t); });
}

template <class T>
Attribute attribute_with(std::string name, AttributeType type, T Attribute::*member, T value) {
  Attribute a;
  a.name = std::move(name);
  a.type = type;
  a.*member = std::move(value);
  return a;
}

}  // namespace

std::vector<std::byte> write_model(const Model& model) {
  return Encoder::encode([&](Encoder& e) { encode_model(e, model); });
}

std::vector<std::byte> write_tensor(const Tensor& tensor) {
  return Encoder::encode([&](Encoder& e) { encode_tensor(e, tensor); });
}

std::vector<std::byte> write_sequence(const Sequence& sequence) {
  return Encoder::encode([&](Encoder& e) { encode_sequence(e, sequence); });
}

Tensor make_tensor(std::string name, DType type, std::vector<int64_t> dims, Bytes data) {
  Tensor t;
  t.name = std::move(name);
  t.data_type = to_tensor_type(type);
  t.dims = std::move(dims);
  t.raw_data = std::move(data);
  return t;
}

Tensor make_int64s(std::string name, const std::vector<int64_t>& values) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(values));
  return make_tensor(std::move(name), DType::I64, {static_cast<int64_t>(values.size())},
                     Bytes::take({bytes.begin(), bytes.end()}));
}

Attribute make_attribute(std::string name, int64_t value) {
  return attribute_with(std::move(name), AttributeType::Int, &Attribute::i, value);
}
Attribute make_attribute(std::string name, float value) {
  return attribute_with(std::move(name), AttributeType::Float, &Attribute::f, value);
}
Attribute make_attribute(std::string name, std::string value) {
  return attribute_with(std::move(name), AttributeType::String, &Attribute::s, std::move(value));
}
Attribute make_attribute(std::string name, std::vector<int64_t> values) {
  return attribute_with(std::move(name), AttributeType::Ints, &Attribute::ints, std::move(values));
}
Attribute make_attribute(std::string name, std::vector<float> values) {
  return attribute_with(std::move(name), AttributeType::Floats, &Attribute::floats, std::move(values));
}
Attribute make_attribute(std::string name, std::vector<std::string> values) {
  return attribute_with(std::move(name), AttributeType::Strings, &Attribute::strings, std::move(values));
}
Attribute make_attribute(std::string name, Tensor value) {
  Attribute a = attribute_with(std::move(name), AttributeType::Tensor, &Attribute::tensors, {});
  a.tensors.push_back(std::move(value));
  return a;
}
Attribute make_attribute(std::string name, Graph value) {
  Attribute a = attribute_with(std::move(name), AttributeType::Graph, &Attribute::graphs, {});
  a.graphs.push_back(std::move(value));
  return a;
}

Dimension make_dim(int64_t value) {
  Dimension dim;
  dim.kind = Dimension::Kind::Value;
  dim.value = value;
  return dim;
}

Dimension make_dim(std::string symbol) {
  Dimension dim;
  dim.kind = Dimension::Kind::Param;
  dim.param = std::move(symbol);
  return dim;
}

Type make_tensor_type(DType type, std::vector<Dimension> shape) {
  Type out;
  out.kind = Type::Kind::Tensor;
  out.elem_type = to_tensor_type(type);
  out.shape = std::move(shape);
  return out;
}

}  // namespace gf::onnx
