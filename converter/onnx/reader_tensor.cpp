#include "converter/onnx/reader_fields.h"
#include "runtime/core/exception.h"

namespace gf::onnx::wire {
namespace {

constexpr Field<StringPair> kPair[] = {
    text<&StringPair::key>(1, "key"),
    text<&StringPair::value>(2, "value"),
};

constexpr Field<Tensor> kTensor[] = {
    value<&Tensor::dims>(1, "dims"),
    value<&Tensor::data_type>(2, "data_type"),
    mark<&Tensor::has_segment>(3, "segment"),
    text<&Tensor::strings>(6, "string_data"),
    name<&Tensor::name>(8, "name"),
    value<&Tensor::raw_data>(9, "raw_data"),
    text<&Tensor::doc_string>(12, "doc_string"),
    value<&Tensor::external_data>(13, "external_data"),
    value<&Tensor::location>(14, "data_location"),
    value<&Tensor::metadata_props>(16, "metadata_props"),
};

struct TypedField {
  uint32_t number;
  const char* name;
  TypedData::Field kind;
};
constexpr TypedField kTypedData[] = {
    {4, "float_data", TypedData::Field::Float},    {5, "int32_data", TypedData::Field::Int32},
    {7, "int64_data", TypedData::Field::Int64},    {10, "double_data", TypedData::Field::Double},
    {11, "uint64_data", TypedData::Field::Uint64},
};

constexpr Field<SparseTensor> kSparseTensor[] = {
    value<&SparseTensor::values>(1, "values"),
    value<&SparseTensor::indices>(2, "indices"),
    value<&SparseTensor::dims>(3, "dims"),
};

constexpr Field<Dimension> kDimension[] = {
    // a oneof: the later one clears the earlier
    {1, "dim_value",
     [](Message& m, const char* name, Dimension& out) {
       out.value = m.int64(name);
       out.kind = Dimension::Kind::Value;
       out.param.clear();
     }},
    {2, "dim_param",
     [](Message& m, const char* name, Dimension& out) {
       out.param = m.name(name);
       out.kind = Dimension::Kind::Param;
       out.value = 0;
     }},
    text<&Dimension::denotation>(3, "denotation"),
};

constexpr Field<std::vector<Dimension>> kShape[] = {
    {1, "dim", [](Message& m, const char* name, std::vector<Dimension>& out) { read_value(m, name, out); }},
};

/// Joins the chunks of one typed field: a single chunk stays a view, more are copied together.
class TypedChunks {
 public:
  explicit TypedChunks(TypedData& out) : out_(out) {}

  void add(Message& m, const char* name, TypedData::Field kind) {
    uint64_t count = 0;
    const std::span<const std::byte> chunk = m.typed(name, kind, count);
    if (count == 0) return;
    if (out_.count == 0) {
      out_.field = kind;
      out_.wire = m.context().file.slice(chunk);
    } else if (out_.field != kind) {
      out_.mixed = true;
      return;
    } else {
      if (joined_.empty()) {
        m.charge(2 * out_.wire.size());
        joined_.assign(out_.wire.span().begin(), out_.wire.span().end());
      }
      m.charge(2 * chunk.size());
      joined_.insert(joined_.end(), chunk.begin(), chunk.end());
    }
    out_.count += count;
  }

  void finish() {
    if (!joined_.empty()) out_.wire = Bytes::take(std::move(joined_));
  }

 private:
  TypedData& out_;
  std::vector<std::byte> joined_;
};

/// The members of TypeProto's oneof: setting one clears the others, as protobuf has it.
void select_kind(Type& out, Type::Kind kind) {
  if (out.kind == kind) return;
  std::string denotation = std::move(out.denotation);
  out = Type{};
  out.denotation = std::move(denotation);
  out.kind = kind;
}

constexpr Field<Type> kTensorType[] = {
    value<&Type::elem_type>(1, "elem_type"),
    value<&Type::shape>(2, "shape"),
};
constexpr Field<Type> kContainerType[] = {
    one<&Type::element>(1, "elem_type"),
};
constexpr Field<Type> kMapType[] = {
    value<&Type::elem_type>(1, "key_type"),
    one<&Type::element>(2, "value_type"),
};
constexpr Field<Type> kOpaqueType[] = {
    name<&Type::opaque_domain>(1, "domain"),
    name<&Type::opaque_name>(2, "name"),
};

/// A member of the oneof, read by the table of its own message.
template <Type::Kind kKind, const auto& kFields>
consteval Field<Type> kind(uint32_t number, const char* name) {
  return {number, name, [](Message& m, const char* field, Type& out) {
            select_kind(out, kKind);
            Message inner = m.message(field);
            read_fields(inner, out, kFields);
          }};
}
constexpr Field<Type> kType[] = {
    kind<Type::Kind::Tensor, kTensorType>(1, "tensor_type"),
    kind<Type::Kind::Sequence, kContainerType>(4, "sequence_type"),
    kind<Type::Kind::Map, kMapType>(5, "map_type"),
    text<&Type::denotation>(6, "denotation"),
    kind<Type::Kind::Opaque, kOpaqueType>(7, "opaque_type"),
    kind<Type::Kind::SparseTensor, kTensorType>(8, "sparse_tensor_type"),
    kind<Type::Kind::Optional, kContainerType>(9, "optional_type"),
};

}  // namespace

void read_message(Message m, StringPair& out) { read_fields(m, out, kPair); }
void read_message(Message m, SparseTensor& out) { read_fields(m, out, kSparseTensor); }
void read_message(Message m, Dimension& out) { read_fields(m, out, kDimension); }
void read_message(Message m, std::vector<Dimension>& out) { read_fields(m, out, kShape); }
void read_message(Message m, Type& out) { read_fields(m, out, kType); }

void read_message(Message m, Tensor& out) {
  if (++m.context().tensors > m.context().limits.max_tensors)
    m.fail(Error::LimitExceeded, "", -1,
           "more than max_tensors tensors (" + std::to_string(m.context().limits.max_tensors) + ")");
  TypedChunks typed(out.typed);
  read_fields(m, out, kTensor, [&](Message& other) {
    for (const TypedField& field : kTypedData)
      if (field.number == other.field()) return typed.add(other, field.name, field.kind);
    other.skip();
  });
  typed.finish();
}

Context make_context(Bytes bytes, const ReadLimits& limits) {
  if (bytes.size() > limits.max_file_bytes)
    throw Exception(Error::LimitExceeded, "ONNX file has " + std::to_string(bytes.size()) + " bytes; the limit is " +
                                              std::to_string(limits.max_file_bytes));
  return {std::move(bytes), limits, 0, 0, 0};
}

}  // namespace gf::onnx::wire
