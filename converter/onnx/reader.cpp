#include "converter/onnx/reader.h"

#include <string>

#include "converter/onnx/reader_fields.h"
#include "io/path.h"
#include "runtime/core/exception.h"

namespace gf::onnx {
namespace wire {
namespace {

constexpr Field<ValueInfo> kValueInfo[] = {
    name<&ValueInfo::name>(1, "name"),
    value<&ValueInfo::type>(2, "type"),
    text<&ValueInfo::doc_string>(3, "doc_string"),
    value<&ValueInfo::metadata_props>(4, "metadata_props"),
};

constexpr Field<Attribute> kAttribute[] = {
    name<&Attribute::name>(1, "name"),
    text<&Attribute::doc_string>(13, "doc_string"),
    value<&Attribute::type>(20, "type"),
    name<&Attribute::ref_attr_name>(21, "ref_attr_name"),
};

struct AttributeValue {
  AttributeType type;
  Field<Attribute> field;
};
constexpr AttributeValue kAttributeValues[] = {
    {AttributeType::Float, value<&Attribute::f>(2, "f")},
    {AttributeType::Int, value<&Attribute::i>(3, "i")},
    {AttributeType::String, text<&Attribute::s>(4, "s")},
    {AttributeType::Tensor, one<&Attribute::tensors>(5, "t")},
    {AttributeType::Graph, one<&Attribute::graphs>(6, "g")},
    {AttributeType::Floats, value<&Attribute::floats>(7, "floats")},
    {AttributeType::Ints, value<&Attribute::ints>(8, "ints")},
    {AttributeType::Strings, text<&Attribute::strings>(9, "strings")},
    {AttributeType::Tensors, value<&Attribute::tensors>(10, "tensors")},
    {AttributeType::Graphs, value<&Attribute::graphs>(11, "graphs")},
    {AttributeType::Type, one<&Attribute::types>(14, "tp")},
    {AttributeType::Types, value<&Attribute::types>(15, "type_protos")},
    {AttributeType::SparseTensor, one<&Attribute::sparse_tensors>(22, "sparse_tensor")},
    {AttributeType::SparseTensors, value<&Attribute::sparse_tensors>(23, "sparse_tensors")},
};

constexpr Field<Node> kNode[] = {
    // 10, device configurations, is advice for multi-device runs
    name<&Node::input>(1, "input"),
    name<&Node::output>(2, "output"),
    name<&Node::name>(3, "name"),
    name<&Node::op_type>(4, "op_type"),
    value<&Node::attribute>(5, "attribute"),
    text<&Node::doc_string>(6, "doc_string"),
    name<&Node::domain>(7, "domain"),
    name<&Node::overload>(8, "overload"),
    value<&Node::metadata_props>(9, "metadata_props"),
};

constexpr Field<QuantizationAnnotation> kAnnotation[] = {
    name<&QuantizationAnnotation::tensor_name>(1, "tensor_name"),
    value<&QuantizationAnnotation::parameter_tensor_names>(2, "quant_parameter_tensor_names"),
};

constexpr Field<Graph> kGraph[] = {
    value<&Graph::node>(1, "node"),
    name<&Graph::name>(2, "name"),
    value<&Graph::initializer>(5, "initializer"),
    text<&Graph::doc_string>(10, "doc_string"),
    value<&Graph::input>(11, "input"),
    value<&Graph::output>(12, "output"),
    value<&Graph::value_info>(13, "value_info"),
    value<&Graph::quantization_annotation>(14, "quantization_annotation"),
    value<&Graph::sparse_initializer>(15, "sparse_initializer"),
    value<&Graph::metadata_props>(16, "metadata_props"),
};

constexpr Field<OpsetId> kOpset[] = {
    name<&OpsetId::domain>(1, "domain"),
    value<&OpsetId::version>(2, "version"),
};

constexpr Field<Function> kFunction[] = {
    name<&Function::name>(1, "name"),
    name<&Function::input>(4, "input"),
    name<&Function::output>(5, "output"),
    name<&Function::attribute>(6, "attribute"),
    value<&Function::node>(7, "node"),
    text<&Function::doc_string>(8, "doc_string"),
    value<&Function::opset_import>(9, "opset_import"),
    name<&Function::domain>(10, "domain"),
    value<&Function::attribute_default>(11, "attribute_proto"),
    value<&Function::value_info>(12, "value_info"),
    name<&Function::overload>(13, "overload"),
    value<&Function::metadata_props>(14, "metadata_props"),
};

constexpr Field<Model> kModel[] = {
    // 26, device configurations, is advice for multi-device runs
    value<&Model::ir_version>(1, "ir_version"),
    text<&Model::producer_name>(2, "producer_name"),
    text<&Model::producer_version>(3, "producer_version"),
    text<&Model::domain>(4, "domain"),
    value<&Model::model_version>(5, "model_version"),
    text<&Model::doc_string>(6, "doc_string"),
    value<&Model::opset_import>(8, "opset_import"),
    value<&Model::metadata_props>(14, "metadata_props"),
    mark<&Model::has_training_info>(20, "training_info"),
    value<&Model::function>(25, "functions"),
};

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

/// Counts a graph or function as open while it lives.
class DepthScope {
 public:
  explicit DepthScope(Context& context) : depth_(context.graph_depth) { ++depth_; }
  ~DepthScope() { --depth_; }
  DepthScope(const DepthScope&) = delete;
  DepthScope& operator=(const DepthScope&) = delete;

 private:
  int& depth_;
};

/// Reads all of `m`; false when there is no graph.
bool read_model_into(Message& m, Model& out) {
  bool has_graph = false;
  read_fields(m, out, kModel, [&](Message& other) {
    if (other.field() != 7) return other.skip();
    read_message(other.message("graph"), out.graph);
    has_graph = true;
  });
  return has_graph;
}

}  // namespace

void read_message(Message m, ValueInfo& out) { read_fields(m, out, kValueInfo); }
void read_message(Message m, QuantizationAnnotation& out) { read_fields(m, out, kAnnotation); }
void read_message(Message m, OpsetId& out) { read_fields(m, out, kOpset); }

void read_message(Message m, Attribute& out) {
  uint32_t seen = 0;
  read_fields(m, out, kAttribute, [&](Message& other) {
    for (const auto& [type, field] : kAttributeValues) {
      if (field.number != other.field()) continue;
      field.read(other, field.name, out);
      const bool empty = (type == AttributeType::Floats && out.floats.empty()) || (type == AttributeType::Ints && out.ints.empty());
      if (!empty) seen |= bit(type);
      return;
    }
    other.skip();
  });
  settle_attribute(m, seen, out);
}

void read_message(Message m, Node& out) {
  Context& context = m.context();
  if (++context.nodes > context.limits.max_nodes)
    m.fail(Error::LimitExceeded, "", -1, "more than max_nodes nodes (" + std::to_string(context.limits.max_nodes) + ")");
  read_fields(m, out, kNode);
}

void read_message(Message m, Graph& out) {
  const DepthScope scope(m.context());
  if (m.context().graph_depth > m.context().limits.max_graph_depth)
    m.fail(Error::LimitExceeded, "", -1,
           "graphs are nested more than " + std::to_string(m.context().limits.max_graph_depth) + " deep");
  read_fields(m, out, kGraph);
}

void read_message(Message m, Function& out) {
  const DepthScope scope(m.context());
  read_fields(m, out, kFunction);
}

}  // namespace wire

namespace {

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
  wire::Context context = wire::make_context(std::move(bytes), limits);
  Model model;
  wire::Message root(context);
  try {
    const bool has_graph = wire::read_model_into(root, model);
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
    throw Exception(e.code(), printable(io::text_of(path), 400) + ": " + e.what());
  }
}

}  // namespace gf::onnx
