#include "converter/onnx/reader.h"

#include <string>

#include "converter/onnx/reader_parts.h"
#include "runtime/core/exception.h"

namespace gf::onnx {
namespace {

using namespace wire;

void read_graph(Message m, Graph& out, int graph_depth);

void read_value_info(Message m, ValueInfo& out) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.name = m.name("name");
        break;
      case 2: {
        Message type = m.message("type");
        if (!out.type) out.type.emplace();
        read_type_into(type, *out.type);
        break;
      }
      case 3:
        out.doc_string = m.text("doc_string");
        break;
      case 4:
        add_pair(m, "metadata_props", out.metadata_props);
        break;
      default:
        m.skip();
    }
  }
}

void add_value_info(Message& m, const char* field, std::vector<ValueInfo>& out) {
  Message value = m.message(field, next_index(out));
  read_value_info(value, m.add(out));
}

/// Which value members a file filled, one bit per AttributeType.
constexpr uint32_t bit(AttributeType type) { return 1U << static_cast<unsigned>(type); }

/// Sets a missing type (files before IR version 2) and refuses values that do not belong to the type.
void settle_attribute(Message& m, uint32_t seen, Attribute& out) {
  if (!out.ref_attr_name.empty()) {
    if (seen != 0) m.fail(Error::BadAttribute, "ref_attr_name", -1, "is set together with a value");
    return;
  }
  if (out.type == AttributeType::Undefined) {
    if (seen == 0 || (seen & (seen - 1)) != 0)
      m.fail(Error::BadAttribute, "type", -1,
             seen == 0 ? "is missing and there is no value to tell it by" : "is missing and there are several values");
    for (int t = 1; t < kAttributeTypeCount; ++t)
      if (bit(static_cast<AttributeType>(t)) == seen) out.type = static_cast<AttributeType>(t);
  }
  if ((seen & ~bit(out.type)) != 0)
    m.fail(Error::BadAttribute, "type", -1,
           std::string("is ") + attribute_type_name(out.type) + " but a value of another type is given");
  const bool needs_value = out.type == AttributeType::Tensor || out.type == AttributeType::Graph ||
                           out.type == AttributeType::SparseTensor || out.type == AttributeType::Type;
  if (needs_value && seen == 0)
    m.fail(Error::BadAttribute, "", -1, std::string("has type ") + attribute_type_name(out.type) + " but no value");
}

AttributeType read_attribute_type(Message& m) {
  const int32_t number = m.int32("type");
  if (number < 0 || number >= kAttributeTypeCount)
    m.fail(Error::BadAttribute, "type", -1, "attribute type " + std::to_string(number) + " is not known");
  return static_cast<AttributeType>(number);
}

/// Reads the current field if it is a value; returns its bit, 0 when it is another field.
uint32_t read_attribute_value(Message& m, Attribute& out, int graph_depth) {
  using T = AttributeType;
  switch (m.field()) {
    case 2:
      out.f = m.f32("f");
      return bit(T::Float);
    case 3:
      out.i = m.int64("i");
      return bit(T::Int);
    case 4:
      out.s = m.text("s");
      return bit(T::String);
    case 5:
      read_tensor_into(m.message("t"), only(m, out.tensors));
      return bit(T::Tensor);
    case 6:
      read_graph(m.message("g"), only(m, out.graphs), graph_depth + 1);
      return bit(T::Graph);
    case 7:
      m.floats("floats", out.floats);
      return out.floats.empty() ? 0 : bit(T::Floats);
    case 8:
      m.int64s("ints", out.ints);
      return out.ints.empty() ? 0 : bit(T::Ints);
    case 9:
      add_text(m, "strings", out.strings);
      return bit(T::Strings);
    case 10: {
      Message value = m.message("tensors", next_index(out.tensors));
      read_tensor_into(value, m.add(out.tensors));
      return bit(T::Tensors);
    }
    case 11: {
      Message value = m.message("graphs", next_index(out.graphs));
      read_graph(value, m.add(out.graphs), graph_depth + 1);
      return bit(T::Graphs);
    }
    case 14:
      read_type_into(m.message("tp"), only(m, out.types));
      return bit(T::Type);
    case 15: {
      Message value = m.message("type_protos", next_index(out.types));
      read_type_into(value, m.add(out.types));
      return bit(T::Types);
    }
    case 22:
      read_sparse_into(m.message("sparse_tensor"), only(m, out.sparse_tensors));
      return bit(T::SparseTensor);
    case 23: {
      Message value = m.message("sparse_tensors", next_index(out.sparse_tensors));
      read_sparse_into(value, m.add(out.sparse_tensors));
      return bit(T::SparseTensors);
    }
    default:
      m.skip();
      return 0;
  }
}

void read_attribute(Message m, Attribute& out, int graph_depth) {
  uint32_t seen = 0;
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.name = m.name("name");
        break;
      case 13:
        out.doc_string = m.text("doc_string");
        break;
      case 20:
        out.type = read_attribute_type(m);
        break;
      case 21:
        out.ref_attr_name = m.name("ref_attr_name");
        break;
      default:
        seen |= read_attribute_value(m, out, graph_depth);
    }
  }
  settle_attribute(m, seen, out);
}

void add_attribute(Message& m, const char* field, std::vector<Attribute>& out, int graph_depth) {
  Message attribute = m.message(field, next_index(out));
  read_attribute(attribute, m.add(out), graph_depth);
}

void read_node(Message m, Node& out, int graph_depth) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        add_name(m, "input", out.input);
        break;
      case 2:
        add_name(m, "output", out.output);
        break;
      case 3:
        out.name = m.name("name");
        break;
      case 4:
        out.op_type = m.name("op_type");
        break;
      case 5:
        add_attribute(m, "attribute", out.attribute, graph_depth);
        break;
      case 6:
        out.doc_string = m.text("doc_string");
        break;
      case 7:
        out.domain = m.name("domain");
        break;
      case 8:
        out.overload = m.name("overload");
        break;
      case 9:
        add_pair(m, "metadata_props", out.metadata_props);
        break;
      default:
        m.skip();  // 10, device configurations, is advice for multi-device runs
    }
  }
}

void add_node(Message& m, std::vector<Node>& out, int graph_depth) {
  Message node = m.message("node", next_index(out));
  if (++m.context().nodes > m.context().limits.max_nodes)
    node.fail(Error::LimitExceeded, "", -1,
              "more than max_nodes nodes (" + std::to_string(m.context().limits.max_nodes) + ")");
  read_node(node, m.add(out), graph_depth);
}

void read_annotation(Message m, QuantizationAnnotation& out) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.tensor_name = m.name("tensor_name");
        break;
      case 2:
        add_pair(m, "quant_parameter_tensor_names", out.parameter_tensor_names);
        break;
      default:
        m.skip();
    }
  }
}

void read_graph(Message m, Graph& out, int graph_depth) {
  if (graph_depth > m.context().limits.max_graph_depth)
    m.fail(Error::LimitExceeded, "", -1,
           "graphs are nested more than " + std::to_string(m.context().limits.max_graph_depth) + " deep");
  while (m.next()) {
    switch (m.field()) {
      case 1:
        add_node(m, out.node, graph_depth);
        break;
      case 2:
        out.name = m.name("name");
        break;
      case 5: {
        Message tensor = m.message("initializer", next_index(out.initializer));
        read_tensor_into(tensor, m.add(out.initializer));
        break;
      }
      case 10:
        out.doc_string = m.text("doc_string");
        break;
      case 11:
        add_value_info(m, "input", out.input);
        break;
      case 12:
        add_value_info(m, "output", out.output);
        break;
      case 13:
        add_value_info(m, "value_info", out.value_info);
        break;
      case 14: {
        Message annotation = m.message("quantization_annotation", next_index(out.quantization_annotation));
        read_annotation(annotation, m.add(out.quantization_annotation));
        break;
      }
      case 15: {
        Message sparse = m.message("sparse_initializer", next_index(out.sparse_initializer));
        read_sparse_into(sparse, m.add(out.sparse_initializer));
        break;
      }
      case 16:
        add_pair(m, "metadata_props", out.metadata_props);
        break;
      default:
        m.skip();
    }
  }
}

void read_opset(Message m, OpsetId& out) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.domain = m.name("domain");
        break;
      case 2:
        out.version = m.int64("version");
        break;
      default:
        m.skip();
    }
  }
}

void add_opset(Message& m, std::vector<OpsetId>& out) {
  Message opset = m.message("opset_import", next_index(out));
  read_opset(opset, m.add(out));
}

void read_function(Message m, Function& out) {
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.name = m.name("name");
        break;
      case 4:
        add_name(m, "input", out.input);
        break;
      case 5:
        add_name(m, "output", out.output);
        break;
      case 6:
        add_name(m, "attribute", out.attribute);
        break;
      case 7:
        add_node(m, out.node, 1);
        break;
      case 8:
        out.doc_string = m.text("doc_string");
        break;
      case 9:
        add_opset(m, out.opset_import);
        break;
      case 10:
        out.domain = m.name("domain");
        break;
      case 11:
        add_attribute(m, "attribute_proto", out.attribute_default, 1);
        break;
      case 12:
        add_value_info(m, "value_info", out.value_info);
        break;
      case 13:
        out.overload = m.name("overload");
        break;
      case 14:
        add_pair(m, "metadata_props", out.metadata_props);
        break;
      default:
        m.skip();
    }
  }
}

/// Reads all of `m`; false when there is no graph.
bool read_model_into(Message& m, Model& out) {
  bool has_graph = false;
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.ir_version = m.int64("ir_version");
        break;
      case 2:
        out.producer_name = m.text("producer_name");
        break;
      case 3:
        out.producer_version = m.text("producer_version");
        break;
      case 4:
        out.domain = m.text("domain");
        break;
      case 5:
        out.model_version = m.int64("model_version");
        break;
      case 6:
        out.doc_string = m.text("doc_string");
        break;
      case 7:
        read_graph(m.message("graph"), out.graph, 1);
        has_graph = true;
        break;
      case 8:
        add_opset(m, out.opset_import);
        break;
      case 14:
        add_pair(m, "metadata_props", out.metadata_props);
        break;
      case 20:
        m.skip();
        out.has_training_info = true;
        break;
      case 25: {
        Message function = m.message("functions", next_index(out.function));
        read_function(function, m.add(out.function));
        break;
      }
      default:
        m.skip();  // 26, device configurations, is advice for multi-device runs
    }
  }
  return has_graph;
}

/// A guess at what a file is that is not ONNX, for the message; empty when there is none.
std::string other_format(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.empty()) return "the file is empty";
  if (bytes.starts_with("PK\3\4"sv)) return "this is a zip archive (a PyTorch .pt file?); export it to ONNX first";
  if (bytes.starts_with("\x1f\x8b"sv)) return "this is a gzip file; unpack it first";
  if (bytes.starts_with("\x89HDF"sv)) return "this is an HDF5 file (Keras?); convert it to ONNX first";
  if (bytes.starts_with("\x93NUMPY"sv)) return "this is a .npy file, not a model";
  if (bytes.starts_with("GGUF"sv)) return "this is a GGUF file; convert it to ONNX first";
  if (bytes.starts_with("version https://git-lfs"sv)) return "this is a Git LFS pointer; fetch the real file first";
  if (bytes.starts_with("{"sv)) return "this looks like JSON";
  if (bytes.size() >= 8 && bytes.substr(4, 4) == "TFL3"sv) return "this is a TensorFlow Lite file";
  return {};
}

}  // namespace

Model read_model(Bytes bytes, const ReadLimits& limits) {
  const std::string hint = other_format(bytes.text().substr(0, 64));
  wire::Context context = make_context(std::move(bytes), limits);
  Model model;
  Message root(context);
  try {
    const bool has_graph = read_model_into(root, model);
    if (!has_graph) fail_at(Error::BadFile, {}, "there is no graph" + (hint.empty() ? "" : "; " + hint));
  } catch (const Exception& e) {
    if (hint.empty() || e.code() != Error::BadFile) throw;
    throw Exception(Error::BadFile, "not an ONNX model: " + hint);
  }
  check_tensors(model, limits);
  return model;
}

Model read_model_file(const std::filesystem::path& path, const ReadLimits& limits, FileMode mode) {
  Bytes bytes = read_file_bytes(path, limits.max_file_bytes, mode);
  try {
    return read_model(std::move(bytes), limits);
  } catch (const Exception& e) {
    throw Exception(e.code(), printable(path.string(), 400) + ": " + e.what());
  }
}

}  // namespace gf::onnx
