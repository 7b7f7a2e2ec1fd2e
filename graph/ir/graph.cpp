#include "graph/ir/graph.h"

#include <algorithm>
#include <cstring>

#include "graph/ir/infer_control_flow.h"

namespace gf::ir {

ValueId Entry::add_value(Value value) {
  values_.push_back(std::make_unique<Value>(std::move(value)));
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Entry::add_constant(ConstantPtr constant, std::string name) {
  Value v;
  v.name = std::move(name);
  v.dtype = constant->dtype;
  if (constant->dims.size() > kMaxRank)
    throw Exception(Error::LimitExceeded, "constant '" + v.name + "' has rank " + std::to_string(constant->dims.size()) +
                                              "; at most " + std::to_string(kMaxRank) + " is supported");
  for (int64_t d : constant->dims) v.shape.push(d);
  v.shape_known = true;
  v.constant = std::move(constant);
  return add_value(std::move(v));
}

ValueId Entry::add_input(std::string name, DType dtype, const DimShape& shape) {
  Value v;
  v.name = std::move(name);
  v.dtype = dtype;
  v.shape = shape;
  v.shape_known = true;
  const ValueId id = add_value(std::move(v));
  body.inputs.push_back(id);
  return id;
}

Entry* Model::find(std::string_view name) const {
  for (const auto& e : entries)
    if (e->name == name) return e.get();
  return nullptr;
}

DecodedAttrs::DecodedAttrs(const Node& node)
    : bytes_(new std::max_align_t[node.def->attrs_bytes / sizeof(std::max_align_t) + 1]()) {
  node.def->construct(bytes_.get());
  for (const Attr& a : node.attrs) {
    const auto field = std::find_if(node.def->fields.begin(), node.def->fields.end(),
                                    [&](const AttrField& f) { return f.number == a.number; });
    if (field == node.def->fields.end())
      throw Exception(Error::BadAttribute, node.origin + ": unknown attribute number " + std::to_string(a.number));
    ErrorDetail detail;
    if (store_attr(*field, a.view(), bytes_.get(), &detail, -1) != Error::Ok)
      throw Exception(detail.error, node.origin + ": " + detail.text);
  }
}

std::vector<Attr> encode_attrs(const OpDef& def, const void* attrs) {
  std::vector<std::max_align_t> defaults(def.attrs_bytes / sizeof(std::max_align_t) + 1);
  def.construct(defaults.data());
  std::vector<Attr> out;
  for (const AttrField& f : def.fields) {
    const auto own = [&f](const void* struct_bytes) {
      const AttrValue v = f.load(struct_bytes);
      return Attr{f.number, v.type, v.i, v.f, std::string(v.s), {v.ints.begin(), v.ints.end()}, {v.floats.begin(), v.floats.end()}};
    };
    Attr a = own(attrs);
    if (a != own(defaults.data())) out.push_back(std::move(a));
  }
  return out;
}

void infer_node(Entry& entry, Node& node) {
  if ((node.def->info.flags & kOpControlFlow) != 0) {
    infer_control_flow(entry, node);
    return;
  }
  const DecodedAttrs attrs(node);
  std::vector<InferTensor> inputs(node.inputs.size()), outputs(node.outputs.size());
  bool shapes_known = true;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const Value& v = entry.value(node.inputs[i]);
    InferTensor& t = inputs[i];
    t.present = true;
    t.dtype = v.dtype;
    t.shape = v.shape;
    t.shape_known = v.shape_known;
    shapes_known = shapes_known && v.shape_known;
    if (v.values_known) {
      t.values = v.values.data();
      t.value_count = static_cast<int>(v.values.size());
    }
    if (v.constant && !v.constant->splat) t.data = v.constant->data.data();
  }
  std::vector<std::vector<Dim>> storage(outputs.size(), std::vector<Dim>(kMaxTrackedValues));
  std::vector<std::vector<Dim>> splat_values;
  splat_values.reserve(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {  // splats have no dense bytes to read, but small ones are values
    if (node.inputs[i] == kNoValue) continue;
    const Value& v = entry.value(node.inputs[i]);
    if (!v.constant || !v.constant->splat) continue;
    if (const auto ints = constant_ints(*v.constant, kMaxTrackedValues)) {
      splat_values.emplace_back(ints->begin(), ints->end());
      inputs[i].values = splat_values.back().data();
      inputs[i].value_count = static_cast<int>(ints->size());
    }
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs[i].present = node.outputs[i] != kNoValue;
    outputs[i].value_storage = storage[i].data();
  }
  if (!shapes_known)
    throw Exception(Error::Unsupported, node.origin + ": an input's rank is decided by the data; give its shape");
  ErrorDetail detail;
  if (const Error e = run_infer(*node.def, attrs.get(), inputs, outputs, &entry.symbols, &detail, -1); e != Error::Ok)
    throw Exception(e, node.origin + ": " + detail.text);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    Value& v = entry.value(node.outputs[i]);
    v.dtype = outputs[i].dtype;
    v.shape_known = outputs[i].shape_known;
    v.shape = outputs[i].shape;
    v.values_known = outputs[i].value_count >= 0 && outputs[i].values == outputs[i].value_storage;
    if (v.values_known) v.values.assign(outputs[i].values, outputs[i].values + outputs[i].value_count);
    else v.values.clear();
  }
}

void infer_block(Entry& entry, Block& block) {
  for (auto& node : block.nodes) infer_node(entry, *node);
}

namespace {

template <class F>
void for_each_block(Block& block, F&& f) {
  f(block);
  for (auto& n : block.nodes)
    for (Block& b : n->blocks) for_each_block(b, f);
}

}  // namespace

Uses::Uses(Entry& entry) : uses_(entry.value_count()), producers_(entry.value_count(), nullptr) {
  for_each_block(entry.body, [this](Block& block) {
    for (auto& n : block.nodes) {
      for (size_t i = 0; i < n->inputs.size(); ++i)
        if (n->inputs[i] != kNoValue) uses_[static_cast<size_t>(n->inputs[i])].push_back({n.get(), i, &block});
      for (ValueId o : n->outputs)
        if (o != kNoValue) producers_[static_cast<size_t>(o)] = n.get();
    }
    for (size_t i = 0; i < block.outputs.size(); ++i)
      if (block.outputs[i] != kNoValue) uses_[static_cast<size_t>(block.outputs[i])].push_back({nullptr, i, &block});
  });
}

void replace_uses(Entry& entry, ValueId from, ValueId to) {
  for_each_block(entry.body, [&](Block& block) {
    for (auto& n : block.nodes) std::replace(n->inputs.begin(), n->inputs.end(), from, to);
    std::replace(block.outputs.begin(), block.outputs.end(), from, to);
  });
}

namespace {

class Checker {
 public:
  explicit Checker(const Entry& entry) : entry_(entry), visible_(entry.value_count(), false), written_(entry.value_count(), false) {
    for (size_t i = 0; i < entry.value_count(); ++i) {
      const Value& v = entry.value(static_cast<ValueId>(i));
      visible_[i] = v.is_constant() || v.state >= 0;
    }
  }
  void block(const Block& b) {
    std::vector<ValueId> made;
    for (ValueId v : b.inputs) define(v, "block input", made);
    for (const auto& n : b.nodes) {
      for (ValueId v : n->inputs)
        if (v != kNoValue && !visible(v)) fail("'" + n->origin + "' (" + n->def->info.name + ") reads value " + std::to_string(v) + " before it is written");
      for (const Block& inner : n->blocks) block(inner);
      for (ValueId v : n->outputs)
        if (v != kNoValue) define(v, n->def->info.name, made);
    }
    for (ValueId v : b.outputs)
      if (v == kNoValue || !visible(v)) fail("an output of a block is never written");
    for (ValueId v : made) visible_[static_cast<size_t>(v)] = false;
  }

 private:
  bool visible(ValueId v) const { return v >= 0 && static_cast<size_t>(v) < visible_.size() && visible_[static_cast<size_t>(v)]; }
  void define(ValueId v, const char* who, std::vector<ValueId>& made) {
    if (v < 0 || static_cast<size_t>(v) >= visible_.size()) fail("value id out of range");
    const auto i = static_cast<size_t>(v);
    if (entry_.value(v).state >= 0 && std::string_view(who) == "block input") return;
    if (written_[i]) fail(std::string("value ") + std::to_string(v) + " is written twice (" + who + ")");
    written_[i] = visible_[i] = true;
    made.push_back(v);
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Exception(Error::Internal, "graph of entry '" + entry_.name + "' is broken: " + what);
  }
  const Entry& entry_;
  std::vector<bool> visible_, written_;
};

void print_block(const Entry& entry, const Block& block, int indent, std::string& out) {
  const std::string pad(static_cast<size_t>(indent) * 2, ' ');
  const auto show = [&](ValueId id) {
    if (id == kNoValue) return std::string("-");
    const Value& v = entry.value(id);
    std::string s = (v.is_constant() ? "#" : "%") + std::to_string(id) + ":" + dtype_name(v.dtype) + "[";
    for (int d = 0; d < v.shape.rank; ++d) s += (d ? "," : "") + entry.symbols.to_text(v.shape[d]);
    return s + "]";
  };
  for (const auto& n : block.nodes) {
    out += pad;
    for (size_t i = 0; i < n->outputs.size(); ++i) out += (i ? ", " : "") + show(n->outputs[i]);
    out += std::string(" = ") + n->def->info.name + "(";
    for (size_t i = 0; i < n->inputs.size(); ++i) out += (i ? ", " : "") + show(n->inputs[i]);
    out += ")";
    for (const Attr& a : n->attrs) {
      for (const AttrField& f : n->def->fields)
        if (f.number == a.number) out += std::string(" ") + f.name + "=";
      if (a.type == AttrType::Int) out += std::to_string(a.i);
      else if (a.type == AttrType::Float) out += std::to_string(a.f);
      else if (a.type == AttrType::String) out += a.s;
      else if (a.type == AttrType::Ints) {
        out += "[";
        for (size_t i = 0; i < a.ints.size(); ++i) out += (i ? "," : "") + std::to_string(a.ints[i]);
        out += "]";
      } else out += "[" + std::to_string(a.floats.size()) + " floats]";
    }
    if (!n->origin.empty()) out += "  // " + n->origin;
    out += "\n";
    for (const Block& b : n->blocks) print_block(entry, b, indent + 1, out);
  }
  out += pad + "return";
  for (ValueId id : block.outputs) out += " " + show(id);
  out += "\n";
}

}  // namespace

void check(const Model& model) {
  for (const auto& e : model.entries) Checker(*e).block(e->body);
}

std::string to_text(const Entry& entry) {
  std::string out = "entry " + entry.name + "\n";
  print_block(entry, entry.body, 1, out);
  return out;
}

}  // namespace gf::ir
