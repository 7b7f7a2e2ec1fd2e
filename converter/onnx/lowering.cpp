#include "converter/onnx/lowering.h"

#include "converter/onnx/import_scope.h"
#include "converter/onnx/model_check.h"

namespace gf::onnx {

ir::ValueId Lowering::input(size_t i) {
  if (!has_input(i)) invalid("input " + std::to_string(i) + " is missing");
  const ir::ValueId v = scope_.find(node.input[i]);
  if (v == ir::kNoValue) invalid("input '" + printable(node.input[i]) + "' is not written by any node before it");
  return v;
}

std::optional<std::vector<int64_t>> Lowering::const_ints(size_t i) {
  if (!has_input(i)) return std::nullopt;
  const ir::Value& v = b.entry().value(input(i));
  if (v.is_constant()) return ir::constant_ints(*v.constant);
  if (!v.values_known) return std::nullopt;
  std::vector<int64_t> out;
  for (const Dim& d : v.values) {
    if (!d.is_const()) return std::nullopt;
    out.push_back(d.lo);
  }
  return out;
}

std::optional<std::vector<float>> Lowering::const_floats(size_t i) {
  if (!has_input(i)) return std::nullopt;
  const ir::Value& v = b.entry().value(input(i));
  if (!v.is_constant()) return std::nullopt;
  return ir::constant_floats(*v.constant);
}

std::vector<int64_t> Lowering::need_ints(size_t i, const char* what) {
  auto v = const_ints(i);
  if (!v) unsupported(std::string(what) + " must be constant", "give it as an initializer, or bind it (--bind)");
  return *v;
}

std::vector<float> Lowering::need_floats(size_t i, const char* what) {
  auto v = const_floats(i);
  if (!v) unsupported(std::string(what) + " must be constant", "give it as an initializer, or bind it (--bind)");
  return *v;
}

namespace {

const Attribute* typed(const Lowering& l, const Node& node, std::string_view name, AttributeType type) {
  const Attribute* a = node.find(name);
  if (a != nullptr && a->type != type)
    l.invalid("attribute '" + std::string(name) + "' has type " + attribute_type_name(a->type) + ", expected " + attribute_type_name(type), Error::BadAttribute);
  return a;
}

}  // namespace

int64_t Lowering::int_attr(std::string_view name, int64_t fallback) {
  const Attribute* a = typed(*this, node, name, AttributeType::Int);
  return a != nullptr ? a->i : fallback;
}
float Lowering::float_attr(std::string_view name, float fallback) {
  const Attribute* a = typed(*this, node, name, AttributeType::Float);
  return a != nullptr ? a->f : fallback;
}
std::string Lowering::string_attr(std::string_view name, std::string_view fallback) {
  const Attribute* a = typed(*this, node, name, AttributeType::String);
  return a != nullptr ? a->s : std::string(fallback);
}
std::vector<int64_t> Lowering::ints_attr(std::string_view name, std::vector<int64_t> fallback) {
  const Attribute* a = typed(*this, node, name, AttributeType::Ints);
  return a != nullptr ? a->ints : std::move(fallback);
}
std::vector<float> Lowering::floats_attr(std::string_view name, std::vector<float> fallback) {
  const Attribute* a = typed(*this, node, name, AttributeType::Floats);
  return a != nullptr ? a->floats : std::move(fallback);
}
std::vector<std::string> Lowering::strings_attr(std::string_view name, std::vector<std::string> fallback) {
  const Attribute* a = typed(*this, node, name, AttributeType::Strings);
  return a != nullptr ? a->strings : std::move(fallback);
}
const Tensor* Lowering::tensor_attr(std::string_view name) {
  const Attribute* a = typed(*this, node, name, AttributeType::Tensor);
  return a != nullptr && !a->tensors.empty() ? &a->tensors[0] : nullptr;
}
const Graph* Lowering::graph_attr(std::string_view name) {
  const Attribute* a = typed(*this, node, name, AttributeType::Graph);
  return a != nullptr && !a->graphs.empty() ? &a->graphs[0] : nullptr;
}

void Lowering::output(size_t i, ir::ValueId value) {
  if (!wants_output(i)) return;
  scope_.define(node.output[i], value);
  ir::Value& v = b.entry().value(value);
  if (v.name.empty()) v.name = node.output[i];
}

void Lowering::outputs(const ir::Node& n) {
  for (size_t i = 0; i < n.outputs.size(); ++i)
    if (n.outputs[i] != ir::kNoValue) output(i, n.outputs[i]);
}

void Lowering::unsupported(std::string reason, std::string alternative) const {
  throw UnsupportedOperator{std::move(reason), std::move(alternative)};
}

void Lowering::invalid(const std::string& what, Error code) const {
  throw Exception(code, "node '" + printable(node.name) + "' (" + printable(node.op_type) + "): " + what);
}

}  // namespace gf::onnx
