// Compares our ONNX structs with the classes of Debian's libonnx (ONNX 1.12), field by field: the second opinion of the
// reader and writer tests. Fields that are younger than 1.12 (overload, metadata, newer value infos) are not compared.
#pragma once

#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <onnx/checker.h>
#include <onnx/onnx-data_pb.h>
#include <onnx/onnx_pb.h>

#include <cstring>
#include <string>

#include "converter/onnx/model.h"

namespace gf::onnx::test {

/// `difference` is the path of the first field that differs, empty when all agree.
class LibonnxCompare {
 public:
  std::string difference;

  bool model(const Model& a, const ::onnx::ModelProto& b) {
    return eq("ir_version", a.ir_version, b.ir_version()) && eq("producer", a.producer_name, b.producer_name()) &&
           eq("producer_version", a.producer_version, b.producer_version()) && eq("domain", a.domain, b.domain()) &&
           eq("model_version", a.model_version, b.model_version()) && eq("doc", a.doc_string, b.doc_string()) &&
           list("opset_import", a.opset_import, b.opset_import(), &LibonnxCompare::opset) &&
           list("metadata", a.metadata_props, b.metadata_props(), &LibonnxCompare::pair) &&
           list("functions", a.function, b.functions(), &LibonnxCompare::function) &&
           in("graph", graph(a.graph, b.graph()));
  }

  bool graph(const Graph& a, const ::onnx::GraphProto& b) {
    return eq("name", a.name, b.name()) && eq("doc", a.doc_string, b.doc_string()) &&
           list("node", a.node, b.node(), &LibonnxCompare::node) &&
           list("initializer", a.initializer, b.initializer(), &LibonnxCompare::tensor) &&
           list("sparse_initializer", a.sparse_initializer, b.sparse_initializer(), &LibonnxCompare::sparse) &&
           list("input", a.input, b.input(), &LibonnxCompare::value) &&
           list("output", a.output, b.output(), &LibonnxCompare::value) &&
           list("value_info", a.value_info, b.value_info(), &LibonnxCompare::value) &&
           list("quantization", a.quantization_annotation, b.quantization_annotation(), &LibonnxCompare::annotation);
  }

  bool tensor(const Tensor& a, const ::onnx::TensorProto& b) {
    using Field = TypedData::Field;
    return eq("name", a.name, b.name()) && eq("data_type", static_cast<int32_t>(a.data_type), b.data_type()) &&
           scalars("dims", a.dims, b.dims()) && eq("has_raw", a.raw_data.has_value(), b.has_raw_data()) &&
           eq("raw", a.raw_data ? a.raw_data->text() : std::string_view(), b.raw_data()) &&
           strings("strings", a.strings, b.string_data()) && eq("doc", a.doc_string, b.doc_string()) &&
           eq("location", static_cast<int>(a.location), static_cast<int>(b.data_location())) &&
           eq("segment", a.has_segment, b.has_segment()) &&
           list("external", a.external_data, b.external_data(), &LibonnxCompare::pair) &&
           fixed(a, Field::Float, b.float_data()) && fixed(a, Field::Double, b.double_data()) &&
           varints(a, Field::Int32, b.int32_data()) && varints(a, Field::Int64, b.int64_data()) &&
           varints(a, Field::Uint64, b.uint64_data());
  }

  bool sequence(const Sequence& a, const ::onnx::SequenceProto& b) {
    return eq("name", a.name, b.name()) && eq("elem_type", static_cast<int32_t>(a.kind), b.elem_type()) &&
           list("tensors", a.tensors, b.tensor_values(), &LibonnxCompare::tensor) &&
           list("sparse", a.sparse_tensors, b.sparse_tensor_values(), &LibonnxCompare::sparse) &&
           list("sequences", a.sequences, b.sequence_values(), &LibonnxCompare::sequence) &&
           eq("maps", a.maps.size(), static_cast<size_t>(b.map_values_size())) &&
           list("optionals", a.optionals, b.optional_values(), &LibonnxCompare::optional);
  }

  bool optional(const OptionalValue& a, const ::onnx::OptionalProto& b) {
    return eq("name", a.name, b.name()) && eq("elem_type", static_cast<int32_t>(a.kind), b.elem_type()) &&
           eq("has_tensor", !a.tensor.empty(), b.has_tensor_value()) &&
           eq("has_sequence", !a.sequence.empty(), b.has_sequence_value()) &&
           (a.tensor.empty() || tensor(a.tensor[0], b.tensor_value())) &&
           (a.sequence.empty() || sequence(a.sequence[0], b.sequence_value())) &&
           (a.optional.empty() || optional(a.optional[0], b.optional_value()));
  }

 private:
  bool fail(const std::string& where) {
    difference = where;
    return false;
  }
  bool in(const std::string& where, bool same) {
    if (!same) difference = where + "." + difference;
    return same;
  }
  template <class A, class B>
  bool eq(const char* where, const A& a, const B& b) {
    return a == b || fail(where);
  }
  template <class A, class B>
  bool list(const std::string& where, const std::vector<A>& a, const ::google::protobuf::RepeatedPtrField<B>& b,
            bool (LibonnxCompare::*compare)(const A&, const B&)) {
    if (a.size() != static_cast<size_t>(b.size())) return fail(where + " (size)");
    for (int i = 0; i < b.size(); ++i)
      if (!in(where + "[" + std::to_string(i) + "]", (this->*compare)(a[static_cast<size_t>(i)], b[i]))) return false;
    return true;
  }
  template <class A, class B>
  bool scalars(const char* where, const std::vector<A>& a, const B& b) {
    return (a.size() == static_cast<size_t>(b.size()) &&
            (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(A)) == 0)) ||
           fail(where);
  }
  template <class B>
  bool strings(const char* where, const std::vector<std::string>& a, const B& b) {
    return (a.size() == static_cast<size_t>(b.size()) && std::equal(a.begin(), a.end(), b.begin())) || fail(where);
  }
  template <class B>
  bool fixed(const Tensor& a, TypedData::Field field, const B& b) {
    if (a.typed.field != field) return b.size() == 0 || fail("typed");
    const size_t bytes = static_cast<size_t>(b.size()) * sizeof(b[0]);
    return (a.typed.wire.size() == bytes && std::memcmp(a.typed.wire.data(), b.data(), bytes) == 0) || fail("typed");
  }
  /// Decodes with a loop of its own, so that this does not lean on the code under test.
  template <class B>
  bool varints(const Tensor& a, TypedData::Field field, const B& b) {
    if (a.typed.field != field) return b.size() == 0 || fail("typed");
    int index = 0;
    uint64_t value = 0;
    unsigned shift = 0;
    for (const std::byte byte : a.typed.wire.span()) {
      value |= (static_cast<uint64_t>(byte) & 0x7fU) << shift;
      shift += 7;
      if ((static_cast<unsigned>(byte) & 0x80U) != 0) continue;
      using Element = std::decay_t<decltype(b[0])>;
      if (index >= b.size() || b[index] != static_cast<Element>(value)) return fail("typed");
      ++index;
      value = 0;
      shift = 0;
    }
    return index == b.size() || fail("typed (size)");
  }

  bool pair(const StringPair& a, const ::onnx::StringStringEntryProto& b) {
    return eq("key", a.key, b.key()) && eq("value", a.value, b.value());
  }
  bool opset(const OpsetId& a, const ::onnx::OperatorSetIdProto& b) {
    return eq("domain", a.domain, b.domain()) && eq("version", a.version, b.version());
  }
  bool annotation(const QuantizationAnnotation& a, const ::onnx::TensorAnnotation& b) {
    return eq("tensor_name", a.tensor_name, b.tensor_name()) &&
           list("names", a.parameter_tensor_names, b.quant_parameter_tensor_names(), &LibonnxCompare::pair);
  }
  bool sparse(const SparseTensor& a, const ::onnx::SparseTensorProto& b) {
    return in("values", tensor(a.values, b.values())) && in("indices", tensor(a.indices, b.indices())) &&
           scalars("dims", a.dims, b.dims());
  }
  bool dim(const Dimension& a, const ::onnx::TensorShapeProto_Dimension& b) {
    return eq("has_value", a.kind == Dimension::Kind::Value, b.has_dim_value()) &&
           eq("has_param", a.kind == Dimension::Kind::Param, b.has_dim_param()) &&
           eq("value", a.value, b.dim_value()) && eq("param", a.param, b.dim_param()) &&
           eq("denotation", a.denotation, b.denotation());
  }
  template <class B>
  bool tensor_type(const Type& a, const B& b) {
    return eq("elem_type", static_cast<int32_t>(a.elem_type), b.elem_type()) &&
           eq("has_shape", a.shape.has_value(), b.has_shape()) &&
           (!a.shape || list("dim", *a.shape, b.shape().dim(), &LibonnxCompare::dim));
  }
  bool element(const Type& a, bool has, const ::onnx::TypeProto& b) {
    return eq("has_element", !a.element.empty(), has) && (!has || in("element", type(a.element[0], b)));
  }
  bool type(const Type& a, const ::onnx::TypeProto& b) {
    if (!eq("denotation", a.denotation, b.denotation())) return false;
    switch (b.value_case()) {
      case ::onnx::TypeProto::kTensorType:
        return eq("kind", a.kind == Type::Kind::Tensor, true) && tensor_type(a, b.tensor_type());
      case ::onnx::TypeProto::kSparseTensorType:
        return eq("kind", a.kind == Type::Kind::SparseTensor, true) && tensor_type(a, b.sparse_tensor_type());
      case ::onnx::TypeProto::kSequenceType:
        return eq("kind", a.kind == Type::Kind::Sequence, true) &&
               element(a, b.sequence_type().has_elem_type(), b.sequence_type().elem_type());
      case ::onnx::TypeProto::kOptionalType:
        return eq("kind", a.kind == Type::Kind::Optional, true) &&
               element(a, b.optional_type().has_elem_type(), b.optional_type().elem_type());
      case ::onnx::TypeProto::kMapType:
        return eq("kind", a.kind == Type::Kind::Map, true) &&
               eq("key", static_cast<int32_t>(a.elem_type), b.map_type().key_type()) &&
               element(a, b.map_type().has_value_type(), b.map_type().value_type());
      case ::onnx::TypeProto::kOpaqueType:
        return eq("kind", a.kind == Type::Kind::Opaque, true) && eq("name", a.opaque_name, b.opaque_type().name()) &&
               eq("domain", a.opaque_domain, b.opaque_type().domain());
      case ::onnx::TypeProto::VALUE_NOT_SET:
        break;
    }
    return eq("kind", a.kind == Type::Kind::None, true);
  }
  bool value(const ValueInfo& a, const ::onnx::ValueInfoProto& b) {
    return eq("name", a.name, b.name()) && eq("doc", a.doc_string, b.doc_string()) &&
           eq("has_type", a.type.has_value(), b.has_type()) && (!a.type || in("type", type(*a.type, b.type())));
  }
  /// A singular value of the proto is entry 0 of our list.
  template <class A, class B>
  bool one_or_more(const char* where, const std::vector<A>& a, bool has_one, const B& one,
                   const ::google::protobuf::RepeatedPtrField<B>& many,
                   bool (LibonnxCompare::*compare)(const A&, const B&)) {
    if (!has_one) return list(where, a, many, compare);
    return eq(where, a.size(), size_t{1}) && in(where, (this->*compare)(a[0], one));
  }
  bool attribute(const Attribute& a, const ::onnx::AttributeProto& b) {
    return eq("name", a.name, b.name()) && eq("ref", a.ref_attr_name, b.ref_attr_name()) &&
           eq("doc", a.doc_string, b.doc_string()) &&
           (b.type() == ::onnx::AttributeProto::UNDEFINED ||  // then ours is inferred
            eq("type", static_cast<int>(a.type), static_cast<int>(b.type()))) &&
           eq("f", std::memcmp(&a.f, std::data({b.f()}), sizeof a.f), 0) && eq("i", a.i, b.i()) &&
           eq("s", a.s, b.s()) && scalars("floats", a.floats, b.floats()) && scalars("ints", a.ints, b.ints()) &&
           strings("strings", a.strings, b.strings()) &&
           one_or_more("t", a.tensors, b.has_t(), b.t(), b.tensors(), &LibonnxCompare::tensor) &&
           one_or_more("g", a.graphs, b.has_g(), b.g(), b.graphs(), &LibonnxCompare::graph) &&
           one_or_more("tp", a.types, b.has_tp(), b.tp(), b.type_protos(), &LibonnxCompare::type) &&
           one_or_more("sparse", a.sparse_tensors, b.has_sparse_tensor(), b.sparse_tensor(), b.sparse_tensors(),
                       &LibonnxCompare::sparse);
  }
  bool node(const Node& a, const ::onnx::NodeProto& b) {
    return strings("input", a.input, b.input()) && strings("output", a.output, b.output()) &&
           eq("name", a.name, b.name()) && eq("op_type", a.op_type, b.op_type()) &&
           eq("domain", a.domain, b.domain()) && eq("doc", a.doc_string, b.doc_string()) &&
           list("attribute", a.attribute, b.attribute(), &LibonnxCompare::attribute);
  }
  bool function(const Function& a, const ::onnx::FunctionProto& b) {
    return eq("name", a.name, b.name()) && eq("domain", a.domain, b.domain()) && strings("input", a.input, b.input()) &&
           strings("output", a.output, b.output()) && strings("attribute", a.attribute, b.attribute()) &&
           list("node", a.node, b.node(), &LibonnxCompare::node) && eq("doc", a.doc_string, b.doc_string()) &&
           list("opset_import", a.opset_import, b.opset_import(), &LibonnxCompare::opset);
  }
};

}  // namespace gf::onnx::test
