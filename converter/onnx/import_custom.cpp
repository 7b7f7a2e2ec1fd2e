// Operators of the caller's own (ImportOptions::custom_ops), taken as they stand: inputs and outputs in order, attributes by
// name. The exporter writes such nodes in the same way.
#include <algorithm>
#include <cstddef>

#include "converter/onnx/export.h"
#include "converter/onnx/import_scope.h"
#include "converter/onnx/model_check.h"

namespace gf::onnx {
namespace {

AttrType attr_type(AttributeType type) {
  switch (type) {
    case AttributeType::Int: return AttrType::Int;
    case AttributeType::Float: return AttrType::Float;
    case AttributeType::String: return AttrType::String;
    case AttributeType::Ints: return AttrType::Ints;
    case AttributeType::Floats: return AttrType::Floats;
    default: return AttrType::None;
  }
}

void store(Lowering& l, const OpDef& op, const Attribute& a, void* attrs) {
  const auto field = std::find_if(op.fields.begin(), op.fields.end(), [&](const AttrField& f) { return a.name == f.name; });
  if (field == op.fields.end()) l.invalid(std::string(op.info.name) + " has no attribute '" + printable(a.name) + "'", Error::BadAttribute);
  AttrValue value;
  value.type = attr_type(a.type);
  value.i = a.i;
  value.f = static_cast<double>(a.f);
  value.s = a.s;
  value.ints = a.ints;
  value.floats = a.floats;
  ErrorDetail detail;
  if (const Error e = store_attr(*field, value, attrs, &detail, -1); e != Error::Ok) l.invalid(detail.text, e);
}

}  // namespace

const OpDef* find_custom_op(std::span<const OpDef* const> ops, const Node& node) {
  const std::string name = node.domain == kCustomDomain ? node.op_type : node.domain + "." + node.op_type;
  const auto found = std::find_if(ops.begin(), ops.end(), [&](const OpDef* op) { return op->info.name == name; });
  return found != ops.end() ? *found : nullptr;
}

void lower_custom(Lowering& l, const OpDef& op) {
  std::vector<std::max_align_t> attrs(op.attrs_bytes / sizeof(std::max_align_t) + 1);
  void* const bytes = attrs.data();
  op.construct(bytes);
  for (const Attribute& a : l.node.attribute) store(l, op, a, bytes);
  std::vector<ir::ValueId> inputs;
  for (size_t i = 0; i < l.input_count(); ++i) inputs.push_back(l.optional_input(i));
  size_t outputs = l.output_count();
  while (outputs > 0 && !l.wants_output(outputs - 1)) --outputs;
  if (static_cast<int>(outputs) < op.info.min_outputs || (op.info.max_outputs >= 0 && static_cast<int>(outputs) > op.info.max_outputs))
    l.invalid(std::string(op.info.name) + " has " + std::to_string(op.info.min_outputs) + " to " + std::to_string(op.info.max_outputs) + " outputs, not " + std::to_string(outputs));
  l.outputs(l.b.add_node(op, std::move(inputs), bytes, outputs));
}

}  // namespace gf::onnx
