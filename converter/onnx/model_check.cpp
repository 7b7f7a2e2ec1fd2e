#include "converter/onnx/model_check.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_set>

#include "runtime/core/checked.h"
#include "runtime/core/exception.h"

namespace gf::onnx {
namespace {

using Field = TypedData::Field;

/// Which typed field may carry a type (the comments at TensorProto's *_data fields).
Field typed_field_of(TensorType type) {
  switch (type) {
    case TensorType::Float:
    case TensorType::Complex64:
      return Field::Float;
    case TensorType::Double:
    case TensorType::Complex128:
      return Field::Double;
    case TensorType::Int64:
      return Field::Int64;
    case TensorType::Uint32:
    case TensorType::Uint64:
      return Field::Uint64;
    case TensorType::String:
    case TensorType::Undefined:
      return Field::None;
    default:
      return Field::Int32;
  }
}

const char* field_name(Field field) {
  constexpr const char* kNames[] = {"none", "float_data", "int32_data", "int64_data", "double_data", "uint64_data"};
  return kNames[static_cast<size_t>(field)];
}

/// Numbers that a typed field must hold for `count` elements.
uint64_t typed_numbers(int64_t count, TensorType type) {
  const auto n = static_cast<uint64_t>(count);
  if (type == TensorType::Complex64 || type == TensorType::Complex128) return n * 2;  // n <= max_elements: no overflow
  const unsigned bits = dtype_bits(to_dtype(type));
  if (bits == 4) return (n + 1) / 2;
  if (bits == 2) return (n + 3) / 4;
  return n;
}

void check_payload(const Tensor& t, int64_t count, const FieldPath& path) {
  const bool raw = t.raw_data.has_value();
  const bool typed = t.typed.count != 0;
  if (t.typed.mixed || static_cast<int>(raw) + static_cast<int>(typed) + static_cast<int>(!t.strings.empty()) > 1)
    fail_at(Error::BadFile, path, "has more than one kind of data (raw_data and typed fields); only one may be filled");
  if (t.data_type == TensorType::String) {
    if (raw || typed) fail_at(Error::BadFile, path, "a STRING tensor must keep its elements in string_data");
    if (t.strings.size() != static_cast<uint64_t>(count))
      fail_at(
          Error::BadFile, path,
          "dims ask for " + std::to_string(count) + " strings but string_data has " + std::to_string(t.strings.size()));
    return;
  }
  if (!t.strings.empty())
    fail_at(Error::BadFile, path, std::string("string_data in a tensor of type ") + tensor_type_name(t.data_type));
  if (typed) {
    const Field wanted = typed_field_of(t.data_type);
    if (t.typed.field != wanted)
      fail_at(Error::BadFile, path,
              std::string("elements of type ") + tensor_type_name(t.data_type) + " belong in " + field_name(wanted) +
                  ", not in " + field_name(t.typed.field));
    const uint64_t numbers = typed_numbers(count, t.data_type);
    if (t.typed.count != numbers)
      fail_at(Error::BadFile, path,
              "dims ask for " + std::to_string(numbers) + " numbers in " + field_name(wanted) + " but there are " +
                  std::to_string(t.typed.count));
    return;
  }
  const uint64_t bytes = checked_bytes(count, t.data_type, path);
  if (raw ? t.raw_data->size() != bytes : count != 0)
    fail_at(
        Error::BadFile, path,
        "dims ask for " + std::to_string(count) + " elements (" + std::to_string(bytes) + " bytes) but " +
            (raw ? "raw_data has " + std::to_string(t.raw_data->size()) + " bytes" : std::string("there is no data")));
}

/// Visits every tensor and declared type below a node list, graph or function, with its path.
class TensorWalk {
 public:
  explicit TensorWalk(const ReadLimits& limits) : limits_(limits) {}

  void graph(const Graph& g, const FieldPath& path) {
    for (size_t i = 0; i < g.initializer.size(); ++i)
      check_tensor(g.initializer[i], limits_, {&path, "initializer", static_cast<int64_t>(i)});
    for (size_t i = 0; i < g.sparse_initializer.size(); ++i)
      sparse(g.sparse_initializer[i], {&path, "sparse_initializer", static_cast<int64_t>(i)});
    values(g.input, "input", path);
    values(g.output, "output", path);
    values(g.value_info, "value_info", path);
    nodes(g.node, path);
  }

  void function(const Function& f, const FieldPath& path) {
    values(f.value_info, "value_info", path);
    attributes(f.attribute_default, "attribute_proto", path);
    nodes(f.node, path);
  }

 private:
  void nodes(const std::vector<Node>& list, const FieldPath& path) {
    for (size_t i = 0; i < list.size(); ++i)
      attributes(list[i].attribute, "attribute", {&path, "node", static_cast<int64_t>(i)});
  }

  void attributes(const std::vector<Attribute>& list, std::string_view field, const FieldPath& path) {
    for (size_t i = 0; i < list.size(); ++i) {
      const Attribute& a = list[i];
      const FieldPath at{&path, field, static_cast<int64_t>(i)};
      const bool many = a.type != AttributeType::Tensor && a.type != AttributeType::Graph &&
                        a.type != AttributeType::SparseTensor && a.type != AttributeType::Type;
      const auto index = [many](size_t k) { return many ? static_cast<int64_t>(k) : -1; };
      for (size_t k = 0; k < a.tensors.size(); ++k)
        check_tensor(a.tensors[k], limits_, {&at, many ? "tensors" : "t", index(k)});
      for (size_t k = 0; k < a.sparse_tensors.size(); ++k)
        sparse(a.sparse_tensors[k], {&at, many ? "sparse_tensors" : "sparse_tensor", index(k)});
      for (size_t k = 0; k < a.types.size(); ++k) type(a.types[k], {&at, many ? "type_protos" : "tp", index(k)});
      for (size_t k = 0; k < a.graphs.size(); ++k) graph(a.graphs[k], {&at, many ? "graphs" : "g", index(k)});
    }
  }

  void sparse(const SparseTensor& s, const FieldPath& path) {
    checked_count(s.dims, limits_, {&path, "dims"});
    check_tensor(s.values, limits_, {&path, "values"});
    check_tensor(s.indices, limits_, {&path, "indices"});
  }

  void values(const std::vector<ValueInfo>& list, std::string_view field, const FieldPath& path) {
    for (size_t i = 0; i < list.size(); ++i) {
      const FieldPath at{&path, field, static_cast<int64_t>(i)};
      if (list[i].type) type(*list[i].type, {&at, "type"});
    }
  }

  void type(const Type& t, const FieldPath& path) {
    const auto number = static_cast<int32_t>(t.elem_type);
    if (number < 0 || number >= kTensorTypeCount)
      fail_at(Error::Unsupported, path, "element type " + std::to_string(number) + " is not known to this version");
    if (t.shape) {
      if (t.shape->size() > static_cast<size_t>(limits_.max_rank))
        fail_at(
            Error::LimitExceeded, path,
            "shape has rank " + std::to_string(t.shape->size()) + "; the limit is " + std::to_string(limits_.max_rank));
      for (size_t i = 0; i < t.shape->size(); ++i)
        if ((*t.shape)[i].kind == Dimension::Kind::Value && (*t.shape)[i].value < -1)
          fail_at(Error::BadFile, path,
                  "dim " + std::to_string(i) + " is " + std::to_string((*t.shape)[i].value) +
                      "; a dim must not be negative");
    }
    for (const Type& e : t.element) type(e, {&path, "elem_type"});
  }

  const ReadLimits& limits_;
};

using NameSet = std::unordered_set<std::string_view>;

std::string quoted(std::string_view name) { return "'" + printable(name) + "'"; }

class NameWalk {
 public:
  void graph(const Graph& g, const FieldPath& path) {
    NameSet inputs;
    NameSet defined;
    for (size_t i = 0; i < g.input.size(); ++i) define(inputs, g.input[i].name, {&path, "input", as_index(i)});
    for (size_t i = 0; i < g.initializer.size(); ++i)
      define(defined, g.initializer[i].name, {&path, "initializer", as_index(i)});
    for (size_t i = 0; i < g.sparse_initializer.size(); ++i)
      define(defined, g.sparse_initializer[i].values.name, {&path, "sparse_initializer", as_index(i)});
    defined.merge(inputs);  // an initializer may share its name with an input: it is that input's default
    nodes(g.node, defined, path);
    for (size_t i = 0; i < g.output.size(); ++i)
      if (g.output[i].name.empty()) fail_at(Error::BadGraph, {&path, "output", as_index(i)}, "has no name");
  }

  void function(const Function& f, const FieldPath& path) {
    NameSet defined;
    for (size_t i = 0; i < f.input.size(); ++i) define(defined, f.input[i], {&path, "input", as_index(i)});
    nodes(f.node, defined, path);
    NameSet attributes;
    for (const std::string& a : f.attribute) attribute_name(attributes, a, path);
    for (const Attribute& a : f.attribute_default) attribute_name(attributes, a.name, path);
  }

 private:
  static int64_t as_index(size_t i) { return static_cast<int64_t>(i); }

  static void define(NameSet& names, std::string_view name, const FieldPath& path) {
    if (name.empty()) fail_at(Error::BadGraph, path, "has no name");
    if (!names.insert(name).second)
      fail_at(Error::BadGraph, path, "the name " + quoted(name) + " is defined more than once in this graph");
  }

  static void attribute_name(NameSet& names, std::string_view name, const FieldPath& path) {
    if (name.empty()) fail_at(Error::BadAttribute, path, "an attribute has no name");
    if (!names.insert(name).second)
      fail_at(Error::BadAttribute, path, "the attribute " + quoted(name) + " is given more than once");
  }

  void nodes(const std::vector<Node>& list, NameSet& defined, const FieldPath& path) {
    for (size_t i = 0; i < list.size(); ++i) {
      const Node& node = list[i];
      const FieldPath at{&path, "node", as_index(i)};
      if (node.op_type.empty()) fail_at(Error::BadGraph, at, "has no op_type");
      for (size_t k = 0; k < node.output.size(); ++k)
        if (!node.output[k].empty()) define(defined, node.output[k], {&at, "output", as_index(k)});
      NameSet attributes;
      for (size_t k = 0; k < node.attribute.size(); ++k) {
        const Attribute& a = node.attribute[k];
        const FieldPath in{&at, "attribute", as_index(k)};
        attribute_name(attributes, a.name, in);
        const bool many = a.type == AttributeType::Graphs;
        for (size_t j = 0; j < a.graphs.size(); ++j)
          graph(a.graphs[j], {&in, many ? "graphs" : "g", many ? as_index(j) : -1});
      }
    }
  }
};

void check_imports(const std::vector<OpsetId>& imports, bool needed, int64_t newest, const FieldPath& path) {
  bool standard = false;
  std::set<std::string_view> seen;
  for (size_t i = 0; i < imports.size(); ++i) {
    const FieldPath at{&path, "opset_import", static_cast<int64_t>(i)};
    const std::string_view domain = imports[i].domain == "ai.onnx" ? std::string_view{} : imports[i].domain;
    const std::string shown = domain.empty() ? "the standard domain" : "domain " + quoted(domain);
    if (!seen.insert(domain).second) fail_at(Error::BadVersion, at, shown + " is imported more than once");
    if (imports[i].version < 1)
      fail_at(Error::BadVersion, at,
              shown + " has version " + std::to_string(imports[i].version) + "; it must be >= 1");
    if (!domain.empty()) continue;
    standard = true;
    if (imports[i].version > newest)
      fail_at(Error::BadVersion, at,
              "operator set " + std::to_string(imports[i].version) + " is newer than the newest known here (" +
                  std::to_string(newest) + "); export the model with an older opset, or update");
  }
  if (needed && !standard && imports.empty())
    fail_at(Error::BadVersion, path, "imports no operator set; a model must say which opset it uses");
}

}  // namespace

std::string FieldPath::text() const {
  if (parent == nullptr && field.empty()) return {};
  std::string out = parent != nullptr ? parent->text() : std::string();
  if (!field.empty()) {
    if (!out.empty()) out += '.';
    out += field;
  }
  if (index >= 0) out += '[' + std::to_string(index) + ']';
  return out;
}

bool is_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = p + text.size();
  while (p != end) {
    if (*p < 0x80) {
      ++p;
      continue;
    }
    const int extra = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
    if (*p < 0xc2 || *p > 0xf4 || end - p <= extra) return false;
    for (int i = 1; i <= extra; ++i)
      if ((p[i] & 0xc0U) != 0x80U) return false;
    // overlong 3- and 4-byte forms, UTF-16 surrogates, beyond U+10FFFF
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
        (*p == 0xf4 && p[1] > 0x8f))
      return false;
    p += extra + 1;
  }
  return true;
}

std::string printable(std::string_view text, size_t max_bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  const bool cut = text.size() > max_bytes;
  if (cut) {
    text = text.substr(0, max_bytes);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80U) != 0) text.remove_suffix(1);
  }
  const bool keep_high = is_utf8(text);
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x20 || u == 0x7f || c == '\\' || c == '\'' || (u >= 0x80 && !keep_high)) {
      out += "\\x";
      out += kHex[u >> 4];
      out += kHex[u & 15U];
    } else {
      out += c;
    }
  }
  return cut ? out + "..." : out;
}

void fail_at(Error code, const FieldPath& path, const std::string& what) {
  const std::string place = path.text();
  throw Exception(code, place.empty() ? "ONNX model: " + what : "ONNX model, " + place + ": " + what);
}

int64_t checked_count(std::span<const int64_t> dims, const ReadLimits& limits, const FieldPath& path) {
  if (dims.size() > static_cast<size_t>(limits.max_rank))
    fail_at(Error::LimitExceeded, path,
            "rank " + std::to_string(dims.size()) + " is above the limit of " + std::to_string(limits.max_rank));
  int64_t nonzero = 1;
  bool zero = false;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] < 0)
      fail_at(Error::BadFile, path,
              "dim " + std::to_string(i) + " is " + std::to_string(dims[i]) + "; a dim must not be negative");
    zero = zero || dims[i] == 0;
    // a zero dim must not hide others whose product wraps in later stride arithmetic
    if (dims[i] != 0 && (!mul_checked(nonzero, dims[i], nonzero) || nonzero > limits.max_elements))
      fail_at(Error::LimitExceeded, path,
              "the product of the dims is above the limit of " + std::to_string(limits.max_elements) + " elements");
  }
  return zero ? 0 : nonzero;
}

uint64_t checked_bytes(int64_t count, TensorType type, const FieldPath& path) {
  const bool six_bits = type == TensorType::Float6E2M3 || type == TensorType::Float6E3M2;
  uint64_t bytes = 0;
  uint64_t bits = 0;
  const bool ok = six_bits ? count >= 0 && mul_checked<uint64_t>(static_cast<uint64_t>(count), 6, bits) &&
                                 add_checked<uint64_t>(bits, 7, bits)
                           : bytes_checked(count, to_dtype(type), bytes);
  if (!ok)
    fail_at(Error::BadFile, path,
            std::to_string(count) + " elements of type " + tensor_type_name(type) + " have no size in bytes that fits");
  return six_bits ? bits / 8 : bytes;
}

void check_tensor(const Tensor& tensor, const ReadLimits& limits, const FieldPath& path) {
  const int64_t count = checked_count(tensor.dims, limits, {&path, "dims"});
  if (!is_known(tensor.data_type))
    fail_at(tensor.data_type == TensorType::Undefined ? Error::BadFile : Error::Unsupported, {&path, "data_type"},
            "element type " + std::to_string(static_cast<int32_t>(tensor.data_type)) + " is not known to this version");
  if (tensor.has_segment)
    fail_at(Error::Unsupported, {&path, "segment"}, "tensors split into segments are not supported");
  if (tensor.location == Tensor::Location::Default) {
    check_payload(tensor, count, path);
    return;
  }
  if (tensor.data_type == TensorType::String)
    fail_at(Error::BadFile, path, "a STRING tensor cannot keep its elements in an external file");
  if ((tensor.raw_data && !tensor.raw_data->empty()) || tensor.typed.count != 0 || !tensor.strings.empty())
    fail_at(Error::BadFile, path, "has data of its own although data_location says EXTERNAL");
  if (tensor.external_data.empty())
    fail_at(Error::BadFile, path, "data_location says EXTERNAL but external_data is empty");
}

void check_tensors(const Model& model, const ReadLimits& limits) {
  TensorWalk walk(limits);
  walk.graph(model.graph, {nullptr, "graph"});
  for (size_t i = 0; i < model.function.size(); ++i)
    walk.function(model.function[i], {nullptr, "functions", static_cast<int64_t>(i)});
}

void check_versions(const Model& model, int64_t newest_opset) {
  const FieldPath root;
  if (model.ir_version < 1)
    fail_at(Error::BadVersion, {nullptr, "ir_version"}, "is missing or " + std::to_string(model.ir_version));
  if (model.ir_version > kNewestIrVersion)
    fail_at(Error::BadVersion, {nullptr, "ir_version"},
            std::to_string(model.ir_version) + " is newer than the newest known here (" +
                std::to_string(kNewestIrVersion) + "); export the model with an older IR version, or update");
  check_imports(model.opset_import, model.ir_version >= 3, newest_opset, root);
  for (size_t i = 0; i < model.function.size(); ++i)
    check_imports(model.function[i].opset_import, false, newest_opset, {nullptr, "functions", static_cast<int64_t>(i)});
}

void check_names(const Model& model) {
  NameWalk walk;
  walk.graph(model.graph, {nullptr, "graph"});
  std::set<std::tuple<std::string_view, std::string_view, std::string_view>> ids;
  for (size_t i = 0; i < model.function.size(); ++i) {
    const Function& f = model.function[i];
    const FieldPath at{nullptr, "functions", static_cast<int64_t>(i)};
    if (f.name.empty()) fail_at(Error::BadGraph, at, "has no name");
    if (!ids.insert({f.domain, f.name, f.overload}).second)
      fail_at(Error::BadGraph, at, "the function " + quoted(f.name) + " is defined more than once");
    walk.function(f, at);
  }
}

}  // namespace gf::onnx
