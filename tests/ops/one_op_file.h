// A golden case as a .gf with one node: what the converter writes for a model of that op. For the test that runs every case
// through a file, and as seeds of the fuzzers.
#pragma once

#include "graph/emit/emit.h"
#include "graph/ir/builder.h"
#include "tests/ops/golden_cases.h"

namespace gf::test {

inline std::vector<ir::Attr> ir_attributes(const OpDef& def, const json& attrs) {
  std::vector<ir::Attr> result;
  for (const Attribute& a : to_attributes(attrs))
    for (const AttrField& f : def.fields) {
      if (a.name != f.name) continue;
      ir::Attr out{f.number, a.type, a.i, a.f, a.s, a.ints, a.floats};
      if (f.type == AttrType::Float && a.type == AttrType::Int) {
        out.type = AttrType::Float;
        out.f = static_cast<double>(a.i);
      }
      result.push_back(std::move(out));
    }
  return result;
}

/// Inputs are named "0", "1", ...; the first is an input of the entry, the others are constants when `constants` says so or
/// when they are integers of at most 64 elements (shapes, axes, sizes: what models give as constants). Throws gf::Exception.
inline std::vector<std::byte> one_op_file(const json& c, const OpTable& ops, bool constants) {
  const OpDef& def = *ops.find(c["op"].get<std::string>());
  ir::Model model;
  model.producer = "test";
  model.entries.push_back(std::make_unique<ir::Entry>());
  ir::Entry& entry = *model.entries[0];
  std::vector<ir::ValueId> inputs;
  const HostInputs tensors = inputs_of(c);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i]) {
      inputs.push_back(ir::kNoValue);
      continue;
    }
    const HostTensor& t = *tensors[i];
    DimShape shape;
    for (const int64_t d : t.shape) shape.push(Dim(d));
    if (i > 0 && (constants || (dtype_is_int(t.dtype) && t.count() <= 64)))
      inputs.push_back(entry.add_constant(ir::make_constant(t.dtype, t.shape, t.data)));
    else
      inputs.push_back(entry.add_input(std::to_string(i), t.dtype, shape));
  }
  ir::Node node;
  node.def = &def;
  node.attrs = ir_attributes(def, c["attrs"]);
  const ir::DecodedAttrs attrs(node);
  ir::Builder builder(entry, entry.body);
  const ir::Node& made = builder.add_node(def, inputs, attrs.get(), c["outputs"].size());
  for (size_t i = 0; i < made.outputs.size(); ++i) entry.value(made.outputs[i]).name = "out" + std::to_string(i);
  entry.body.outputs = made.outputs;
  return emit(model);
}

}  // namespace gf::test
