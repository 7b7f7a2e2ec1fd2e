#include "converter/onnx/raising.h"

#include <numeric>

#include "converter/onnx/exporter.h"

namespace gf::onnx {

Perm identity_form(int rank) {
  Perm p(static_cast<size_t>(rank));
  std::iota(p.begin(), p.end(), int64_t{0});
  return p;
}

Perm channels_first_form(int rank) {
  Perm p = identity_form(rank);
  if (rank < 3) return p;
  p.erase(p.begin() + 1);
  p.push_back(1);
  return p;
}

Raising::Raising(Exporter& exporter, const ir::Node& node, std::vector<Perm> forms, std::vector<Perm> out_forms)
    : node(node), exporter_(exporter), forms_(std::move(forms)), out_forms_(std::move(out_forms)) {}

int64_t Raising::opset() const { return exporter_.opset(); }
const ir::Value& Raising::value(size_t i) const { return exporter_.entry().value(node.input(i)); }
DimShape Raising::tensor_shape(size_t i) const {
  DimShape out = value(i).shape;
  for (size_t d = 0; d < forms_[i].size(); ++d) out[static_cast<int>(forms_[i][d])] = value(i).shape[static_cast<int>(d)];
  return out;
}
std::optional<std::vector<int64_t>> Raising::ints(size_t i) const {
  return has(i) ? exporter_.rewriter().ints(node.input(i)) : std::nullopt;
}

std::string Raising::in_form(size_t i, const Perm& form) { return has(i) ? exporter_.tensor(node.input(i), form) : std::string(); }
std::string Raising::in(size_t i) { return has(i) ? in_form(i, forms_[i]) : std::string(); }
std::string Raising::first(size_t i) { return has(i) ? in_form(i, channels_first_form(rank(i))) : std::string(); }
Names Raising::all() {
  Names names;
  for (size_t i = 0; i < node.inputs.size(); ++i) names.push_back(in(i));
  while (!names.empty() && names.back().empty()) names.pop_back();
  return names;
}

std::string Raising::ints_value(const std::vector<int64_t>& values) { return exporter_.constant(ir::make_ints(values), "ints"); }
std::string Raising::floats_value(const std::vector<float>& values) {
  return exporter_.constant(ir::make_floats(values, {static_cast<int64_t>(values.size())}), "floats");
}
std::string Raising::scalar(DType dtype, double value) {
  ir::Entry scratch;
  ir::Builder b(scratch, scratch.body);
  return exporter_.constant(scratch.value(b.scalar(dtype, value)).constant, "number");
}

std::string Raising::temp(const char* op, Names inputs, Attributes attributes) {
  const std::string name = exporter_.fresh_name(node.name.empty() ? node.def->info.name : node.name);
  exporter_.write(op, std::move(inputs), {name}, std::move(attributes), "", &node);
  return name;
}

void Raising::emit_forms(const char* op, Names inputs, Attributes attributes, std::vector<Perm> out_forms, const char* domain) {
  Names outputs;
  for (size_t k = 0; k < node.outputs.size(); ++k)
    outputs.push_back(node.outputs[k] == ir::kNoValue ? std::string() : exporter_.define_output(node, k, out_forms[k]));
  while (!outputs.empty() && outputs.back().empty()) outputs.pop_back();
  exporter_.write(op, std::move(inputs), std::move(outputs), std::move(attributes), domain, &node);
}
void Raising::emit(const char* op, Names inputs, Attributes attributes) {
  emit_forms(op, std::move(inputs), std::move(attributes), out_forms_);
}
void Raising::emit_first(const char* op, Names inputs, Attributes attributes) {
  std::vector<Perm> forms;
  for (const ir::ValueId v : node.outputs)
    forms.push_back(v == ir::kNoValue ? Perm() : channels_first_form(exporter_.entry().value(v).shape.rank));
  emit_forms(op, std::move(inputs), std::move(attributes), std::move(forms));
}

Attributes Raising::same_attributes() const {
  const ir::DecodedAttrs decoded(node);
  Attributes out;
  for (const AttrField& f : node.def->fields) {
    const AttrValue v = f.load(decoded.get());
    switch (f.type) {
      case AttrType::Int: out.push_back(make_attribute(f.name, v.i)); break;
      case AttrType::Float: out.push_back(make_attribute(f.name, static_cast<float>(v.f))); break;
      case AttrType::String: out.push_back(make_attribute(f.name, std::string(v.s))); break;
      case AttrType::Ints:
        if (!v.ints.empty()) out.push_back(make_attribute(f.name, std::vector<int64_t>(v.ints.begin(), v.ints.end())));
        break;
      case AttrType::Floats:
        if (!v.floats.empty()) out.push_back(make_attribute(f.name, std::vector<float>(v.floats.begin(), v.floats.end())));
        break;
      case AttrType::None: break;
    }
  }
  return out;
}

const ExportRow* find_export_row(const OpDef& op) {
  for (const auto table : {export_rows_nn(), export_rows_image(), export_rows_shape(), export_rows_other()})
    for (const ExportRow& row : table)
      if (row.op == &op) return &row;
  return nullptr;
}

const ImportRow* find_same_row(const OpDef& op) {
  for (const auto table : import_rows())
    for (const ImportRow& row : table)
      if (row.same == &op) return &row;
  return nullptr;
}

}  // namespace gf::onnx
