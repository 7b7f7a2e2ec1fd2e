#include "converter/onnx/reader_parts.h"
#include "runtime/core/exception.h"

namespace gf::onnx::wire {
namespace {

void read_pair(Message m, StringPair& out) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.key = m.text("key");
        break;
      case 2:
        out.value = m.text("value");
        break;
      default:
        m.skip();
    }
  }
}

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

void read_dimension(Message m, Dimension& out) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.value = m.int64("dim_value");
        out.kind = Dimension::Kind::Value;
        out.param.clear();
        break;
      case 2:
        out.param = m.name("dim_param");
        out.kind = Dimension::Kind::Param;
        out.value = 0;
        break;
      case 3:
        out.denotation = m.text("denotation");
        break;
      default:
        m.skip();
    }
  }
}

void read_shape(Message m, std::optional<std::vector<Dimension>>& out) {
  if (!out) out.emplace();
  while (m.next()) {
    if (m.field() == 1) {
      Message dim = m.message("dim", next_index(*out));
      read_dimension(dim, m.add(*out));
    } else {
      m.skip();
    }
  }
}

/// The members of TypeProto's oneof: setting one clears the others, as protobuf has it.
void select_kind(Type& out, Type::Kind kind) {
  if (out.kind == kind) return;
  std::string denotation = std::move(out.denotation);
  out = Type{};
  out.denotation = std::move(denotation);
  out.kind = kind;
}

void read_tensor_type(Message m, Type& out) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.elem_type = static_cast<TensorType>(m.int32("elem_type"));
        break;
      case 2:
        read_shape(m.message("shape"), out.shape);
        break;
      default:
        m.skip();
    }
  }
}

/// Sequence and Optional (element in field 1), Map (key in field 1, value in field 2).
void read_container_type(Message m, Type& out) {
  const bool map = out.kind == Type::Kind::Map;
  const uint32_t element_field = map ? 2 : 1;
  while (m.next()) {
    if (m.field() == element_field) {
      Message element = m.message(map ? "value_type" : "elem_type");
      if (out.element.empty()) m.add(out.element);
      read_type_into(element, out.element.front());
    } else if (map && m.field() == 1) {
      out.elem_type = static_cast<TensorType>(m.int32("key_type"));
    } else {
      m.skip();
    }
  }
}

void read_opaque_type(Message m, Type& out) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.opaque_domain = m.name("domain");
        break;
      case 2:
        out.opaque_name = m.name("name");
        break;
      default:
        m.skip();
    }
  }
}

}  // namespace

void add_pair(Message& m, const char* field, std::vector<StringPair>& out) { add_element(m, field, out, read_pair); }

void read_tensor_into(Message m, Tensor& out) {
  if (++m.context().tensors > m.context().limits.max_tensors)
    m.fail(Error::LimitExceeded, "", -1,
           "more than max_tensors tensors (" + std::to_string(m.context().limits.max_tensors) + ")");
  TypedChunks typed(out.typed);
  while (m.next()) {
    switch (m.field()) {
      case 1:
        m.int64s("dims", out.dims);
        break;
      case 2:
        out.data_type = static_cast<TensorType>(m.int32("data_type"));
        break;
      case 3:
        m.skip();
        out.has_segment = true;
        break;
      case 4:
        typed.add(m, "float_data", TypedData::Field::Float);
        break;
      case 5:
        typed.add(m, "int32_data", TypedData::Field::Int32);
        break;
      case 6:
        add_text(m, "string_data", out.strings);
        break;
      case 7:
        typed.add(m, "int64_data", TypedData::Field::Int64);
        break;
      case 8:
        out.name = m.name("name");
        break;
      case 9:
        out.raw_data = m.context().file.slice(m.bytes("raw_data"));
        break;
      case 10:
        typed.add(m, "double_data", TypedData::Field::Double);
        break;
      case 11:
        typed.add(m, "uint64_data", TypedData::Field::Uint64);
        break;
      case 12:
        out.doc_string = m.text("doc_string");
        break;
      case 13:
        add_pair(m, "external_data", out.external_data);
        break;
      case 14: {
        const int32_t location = m.int32("data_location");
        if (location != 0 && location != 1)
          m.fail(Error::BadFile, "data_location", -1, "the value " + std::to_string(location) + " is not known");
        out.location = static_cast<Tensor::Location>(location);
        break;
      }
      case 16:
        add_pair(m, "metadata_props", out.metadata_props);
        break;
      default:
        m.skip();
    }
  }
  typed.finish();
}

void read_sparse_into(Message m, SparseTensor& out) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        read_tensor_into(m.message("values"), out.values);
        break;
      case 2:
        read_tensor_into(m.message("indices"), out.indices);
        break;
      case 3:
        m.int64s("dims", out.dims);
        break;
      default:
        m.skip();
    }
  }
}

void read_type_into(Message m, Type& out) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        select_kind(out, Type::Kind::Tensor);
        read_tensor_type(m.message("tensor_type"), out);
        break;
      case 4:
        select_kind(out, Type::Kind::Sequence);
        read_container_type(m.message("sequence_type"), out);
        break;
      case 5:
        select_kind(out, Type::Kind::Map);
        read_container_type(m.message("map_type"), out);
        break;
      case 6:
        out.denotation = m.text("denotation");
        break;
      case 7:
        select_kind(out, Type::Kind::Opaque);
        read_opaque_type(m.message("opaque_type"), out);
        break;
      case 8:
        select_kind(out, Type::Kind::SparseTensor);
        read_tensor_type(m.message("sparse_tensor_type"), out);
        break;
      case 9:
        select_kind(out, Type::Kind::Optional);
        read_container_type(m.message("optional_type"), out);
        break;
      default:
        m.skip();
    }
  }
}

Context make_context(Bytes bytes, const ReadLimits& limits) {
  if (bytes.size() > limits.max_file_bytes)
    throw Exception(Error::LimitExceeded, "ONNX file has " + std::to_string(bytes.size()) + " bytes; the limit is " +
                                              std::to_string(limits.max_file_bytes));
  return {std::move(bytes), limits, 0, 0, 0};
}

}  // namespace gf::onnx::wire
