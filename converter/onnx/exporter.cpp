#include "converter/onnx/exporter.h"

#include <algorithm>

#include "converter/onnx/model_check.h"
#include "graph/passes/expand.h"

namespace gf::onnx {
namespace {

using ir::kNoValue;
using ir::ValueId;

template <class F>
void for_each_node(const ir::Block& block, F&& f) {
  for (const auto& n : block.nodes) {
    f(*n);
    for (const ir::Block& inner : n->blocks) for_each_node(inner, f);
  }
}

// First opset with tensors of the type.
int type_since(DType t) {
  if (t == DType::I4 || t == DType::U4) return 21;
  if (t == DType::F4E2M1) return 23;
  if (t == DType::F8E8M0) return 24;
  if (t == DType::I2 || t == DType::U2) return 25;
  return dtype_is_float8(t) ? 19 : 0;
}

int64_t ir_version_of(int64_t opset) {
  if (opset <= 18) return 8;
  if (opset <= 20) return 9;
  if (opset <= 22) return 10;
  return opset == 23 ? 11 : opset == 24 ? 12 : opset <= 26 ? 13 : kNewestIrVersion;
}

// A product of two matrices that Gemm says in one node.
bool is_gemm(const ir::Entry& e, const ir::Node& n) {
  if (!n.is<op::MatMul>() || n.inputs.size() < 2) return false;
  const ir::Value &a = e.value(n.inputs[0]), &b = e.value(n.inputs[1]);
  const auto attrs = ir::attrs_of<op::MatMul>(n);
  const bool bias = n.input(2) != kNoValue, residual = n.input(3) != kNoValue;
  return a.shape.rank == 2 && b.shape.rank == 2 && dtype_is_float(a.dtype) && attrs.activation == Activation::None && !(bias && residual);
}

bool is_custom(const OpDef& op) { return op.info.id >= kFirstCustomOpId; }

}  // namespace

Exporter::Exporter(ir::Model& model, ir::Entry& entry, std::vector<std::string>* notes)
    : model_(model), entry_(entry), notes_(notes) {}

// --- preparation

void Exporter::choose_opset(const ir::Block& block) {
  int64_t least = kExportOpset;
  const auto want = [&](int64_t version) { least = std::max(least, version); };
  for_each_node(block, [&](const ir::Node& n) {
    for (const auto* list : {&n.inputs, &n.outputs})
      for (const ValueId v : *list)
        if (v != kNoValue) want(type_since(entry_.value(v).dtype));
    const OpRules* rules = find_rules(RulesOf<AllOps>::kRows, *n.def);
    if (rules != nullptr && rules->expand != nullptr) return;
    if (const ExportRow* row = find_export_row(*n.def)) {
      want(row->since);
      if (row->needs != nullptr) want(row->needs(entry_, n));
    } else if (const ImportRow* same = find_same_row(*n.def)) {
      want(same->since);
    }
  });
  opset_ = least;
}

void Exporter::expand() {
  ExpandOptions options;
  options.wanted = [this](const ir::Node& n) { return !is_gemm(entry_, n); };
  options.failed = [this](const ir::Node& n, const Exception& why) { report(n, why.what()); };
  expand_fused(entry_, options);
}

void Exporter::name_ports() {
  for (const ValueId v : entry_.body.inputs) {
    const std::string& name = entry_.value(v).name;
    used_.insert(name);
    stored_[v] = {name, identity_form(entry_.value(v).shape.rank)};
    main_.input.push_back(value_info(v, name));
  }
  for (const ValueId v : entry_.body.outputs) {
    const std::string& name = entry_.value(v).name;
    if (!used_.insert(name).second)
      throw Exception(Error::BadGraph, "two inputs or outputs of entry '" + entry_.name + "' are called '" + name + "', which ONNX forbids");
    wanted_names_[v] = name;
  }
}

// A state that this entry writes is an input and an output; one that it only reads holds constants.
void Exporter::name_states(const ir::Block& block) {
  for_each_node(block, [&](const ir::Node& n) {
    if (n.writes_state >= 0) state_out_[n.writes_state] = "";
  });
  for (auto& [index, out] : state_out_) {
    const ir::StateVar& s = model_.states[static_cast<size_t>(index)];
    const bool zeros = s.initial == nullptr || std::all_of(s.initial->data.begin(), s.initial->data.end(), [](std::byte b) { return b == std::byte{0}; });
    if (!zeros)
      failures_.push_back({s.name, "state", "it starts at other values than zero, which the inputs of an ONNX model cannot say"});
    state_in_[index] = fresh_name(s.name);
    out = fresh_name(s.name + "_next");
  }
}

namespace {
// The hint, or the first of hint_1, hint_2, ... that is not yet among `used`, where it goes.
std::string unused_name(std::set<std::string>& used, const std::string& hint) {
  std::string name = hint;
  for (int i = 1; !used.insert(name).second; ++i) name = hint + "_" + std::to_string(i);
  return name;
}
}  // namespace

std::string Exporter::fresh_name(const std::string& hint) { return unused_name(used_, hint.empty() ? "value" : hint); }

// --- tensors

std::string Exporter::constant(const ir::ConstantPtr& c, const std::string& hint) {
  std::string key;
  if (c->dense_bytes() <= 256) {  // small ones are shared
    const auto bytes = c->dense();
    key = std::to_string(static_cast<int>(c->dtype));
    for (const int64_t d : c->dims) key += "," + std::to_string(d);
    key += ":" + std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (const auto it = small_constants_.find(key); it != small_constants_.end()) return it->second;
  }
  const std::string name = fresh_name(hint);
  Bytes bytes = c->splat ? Bytes::take(c->dense()) : Bytes::view(c->data, c);
  main_.initializer.push_back(make_tensor(name, c->dtype, c->dims, std::move(bytes)));
  if (!key.empty()) small_constants_[key] = name;
  return name;
}

const Exporter::Stored* Exporter::stored(ValueId v) {
  if (const auto it = stored_.find(v); it != stored_.end()) return &it->second;
  const ir::Value& value = entry_.value(v);
  const Perm plain = identity_form(value.shape.rank);
  if (value.is_constant()) {
    ir::ConstantPtr c = value.constant;
    if (c->dtype != value.dtype) c = ir::make_floats(ir::constant_floats(*c).value(), c->dims);  // float32 stored in 16 bits
    return &(stored_[v] = {constant(c, value.name.empty() ? "constant" : value.name), plain});
  }
  if (value.state >= 0) {
    auto& name = state_in_[value.state];
    if (name.empty()) {
      const ir::StateVar& s = model_.states[static_cast<size_t>(value.state)];
      const std::vector<std::byte> zero((dtype_bits(s.dtype) + 7) / 8);
      name = constant(s.initial != nullptr ? s.initial : ir::make_splat(s.dtype, s.dims, zero), s.name);
    }
    return &(stored_[v] = {name, plain});
  }
  throw Exception(Error::Internal, "a value is read before it is written");
}

std::string Exporter::tensor(ValueId v, const Perm& form) {
  if (const auto it = stored_.find(v); it != stored_.end() && it->second.form == form) return it->second.name;
  if (const auto it = forms_.find({v, form}); it != forms_.end()) return it->second;
  const ir::Value& value = entry_.value(v);
  if (value.is_constant() && !is_identity(form)) {
    if (const auto moved = transpose_constant(*value.constant, inverse(form)); moved != nullptr)
      return forms_[{v, form}] = constant(moved, value.name.empty() ? "constant" : value.name);
  }
  const Stored from = *stored(v);
  if (from.form == form) return from.name;
  // v = transpose(from, f) = transpose(t, form): t = transpose(v, inverse(form))
  const Perm perm = compose(from.form, inverse(form));
  const auto wanted = wanted_names_.find(v);
  const bool output = is_identity(form) && wanted != wanted_names_.end() && graph_ == &main_;
  const std::string name = output ? wanted->second : fresh_name(from.name + "_transposed");
  write("Transpose", {from.name}, {name}, {make_attribute("perm", perm)}, "", nullptr);
  return forms_[{v, form}] = name;
}

void Exporter::write(const char* op, Names inputs, Names outputs, Attributes attributes, const char* domain, const ir::Node* source) {
  Node n;
  n.op_type = op;
  n.domain = domain;
  if (source != nullptr && !source->name.empty()) n.name = unused_name(node_names_, source->name);  // readers want them different
  for (const std::string& o : outputs) made_here_.insert(o);
  while (!inputs.empty() && inputs.back().empty()) inputs.pop_back();
  n.input = std::move(inputs);
  n.output = std::move(outputs);
  n.attribute = std::move(attributes);
  graph_->node.push_back(std::move(n));
}

std::string Exporter::define_output(const ir::Node& node, size_t k, const Perm& form) {
  const ValueId v = node.outputs[k];
  const ir::Value& value = entry_.value(v);
  const auto wanted = wanted_names_.find(v);
  std::string name;
  if (k == 0 && node.writes_state >= 0)
    name = state_out_.at(node.writes_state);
  else if (wanted != wanted_names_.end() && is_identity(form) && graph_ == &main_)
    name = wanted->second;
  else
    name = fresh_name(!value.name.empty() ? value.name : !node.name.empty() ? node.name : node.def->info.name);
  stored_[v] = {name, form};
  return name;
}

void Exporter::report(const ir::Node& node, const std::string& reason) {
  std::string name = node.name;
  for (const ValueId v : node.outputs)
    if (name.empty() && v != kNoValue) name = entry_.value(v).name.empty() ? "#" + std::to_string(v) : entry_.value(v).name;
  for (const Unexportable& u : failures_)
    if (u.node == name && u.op == node.def->info.name) return;
  failures_.push_back({name, node.def->info.name, reason});
}

// --- nodes

void Exporter::alias_transpose(const ir::Node& node) {
  const ir::Value& x = entry_.value(node.inputs[0]);
  if (x.is_constant())
    if (const auto moved = transpose_constant(*x.constant, perm_of(node, x.shape.rank)); moved != nullptr) {
      stored_[node.outputs[0]] = {constant(moved, x.name.empty() ? "constant" : x.name), identity_form(x.shape.rank)};
      return;
    }
  const Stored from = *stored(node.inputs[0]);
  stored_[node.outputs[0]] = {from.name, compose(from.form, perm_of(node, x.shape.rank))};
}

// A reshape that only moves axes of length one is a transpose too: the layout pass makes them from transposes.
bool Exporter::alias_reshape(const ir::Node& node) {
  const ir::Value &x = entry_.value(node.inputs[0]), &y = entry_.value(node.outputs[0]);
  if (x.is_constant() || !y.shape_known || x.shape.rank != y.shape.rank) return false;
  const auto is_one = [](const Dim& d) { return d.is_const() && d.lo == 1; };
  Perm ones, others, perm;
  for (int d = 0; d < x.shape.rank; ++d) (is_one(x.shape[d]) ? ones : others).push_back(d);
  size_t one = 0, other = 0;
  for (int d = 0; d < y.shape.rank; ++d) {
    if (is_one(y.shape[d])) {
      if (one == ones.size()) return false;
      perm.push_back(ones[one++]);
    } else {
      if (other == others.size() || !y.shape[d].same(x.shape[static_cast<int>(others[other])])) return false;
      perm.push_back(others[other++]);
    }
  }
  const Stored from = *stored(node.inputs[0]);
  stored_[node.outputs[0]] = {from.name, compose(from.form, perm)};
  return true;
}

void Exporter::raise_row(const ir::Node& node, std::vector<Perm> forms, std::vector<Perm> out_forms) {
  Raising r(*this, node, std::move(forms), std::move(out_forms));
  if (const ExportRow* row = find_export_row(*node.def)) return row->raise(r);
  if (const ImportRow* same = find_same_row(*node.def)) return r.emit(same->op, r.all(), r.same_attributes());
  r.unsupported("ONNX has no operator for it");
}

// The node on the tensors that its inputs are transposes of, when it can work there.
bool Exporter::raise_moved(ir::Node& node) {
  std::map<Perm, double> candidates;
  double plain = 0;
  for (const ValueId v : node.inputs) {
    if (v == kNoValue || entry_.value(v).is_constant()) continue;
    const Stored* s = stored(v);
    if (is_identity(s->form)) plain += entry_.value(v).shape.rank > 1 ? estimated_bytes(entry_.value(v)) : 0;
    else candidates[s->form] += estimated_bytes(entry_.value(v));
  }
  if (candidates.empty()) return false;
  const Perm form = std::max_element(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) { return a.second < b.second; })->first;
  if (plain > candidates[form]) return false;
  size_t first = 0;
  while (node.inputs[first] == kNoValue || entry_.value(node.inputs[first]).is_constant() || stored(node.inputs[first])->form != form) ++first;
  auto moved = move_before_transpose(*rewriter_, node, first, form);
  if (!moved) return false;
  const Perm back = inverse(form);
  std::vector<Perm> forms(moved->inputs.size());
  for (size_t i = 0; i < moved->inputs.size(); ++i) {
    const ValueId v = moved->inputs[i];
    if (v == kNoValue) continue;
    const ir::Value& value = entry_.value(v);
    const auto rank = static_cast<size_t>(value.shape.rank);
    forms[i] = identity_form(value.shape.rank);
    if (moved->roles[i] == InputRole::Keep || rank == 0) continue;
    if (rank == form.size()) {
      forms[i] = form;
      continue;
    }
    // a constant of lower rank is given the missing axes
    if (moved->roles[i] != InputRole::Broadcast || !value.is_constant() || rank > form.size()) return false;
    std::vector<int64_t> dims(form.size() - rank, 1);
    dims.insert(dims.end(), value.constant->dims.begin(), value.constant->dims.end());
    const auto c = transpose_constant(*reshape_constant(*value.constant, dims), back);
    if (c == nullptr) return false;
    moved->inputs[i] = rewriter_->add_constant(c);
    forms[i] = identity_form(static_cast<int>(form.size()));
  }
  ir::Node there;
  there.def = moved->def;
  there.attrs = moved->attrs;
  there.inputs = moved->inputs;
  there.outputs = node.outputs;
  there.name = node.name;
  there.origin = node.origin;
  raise_row(there, std::move(forms), moved->out_perms);
  return true;
}

// A reshape of a transposed tensor, where it neither joins nor splits axes that lie apart.
bool Exporter::raise_view(ir::Node& node) {
  const ValueId x = node.inputs[0], y = node.outputs[0];
  if (entry_.value(x).is_constant() || !entry_.value(y).shape_known) return false;
  const Stored s = *stored(x);
  if (is_identity(s.form)) return false;
  DimShape shape = entry_.value(x).shape;
  for (size_t d = 0; d < s.form.size(); ++d) shape[static_cast<int>(s.form[d])] = entry_.value(x).shape[static_cast<int>(d)];
  const auto moved = move_reshape(*rewriter_, shape, s.form, entry_.value(y).shape);
  if (!moved) return false;
  const auto target = rewriter_->static_target(shape, moved->target);
  if (!target) return false;
  const std::string dims = constant(ir::make_ints(*target), "ints");
  write("Reshape", {s.name, dims}, {define_output(node, 0, moved->out_perm)}, {}, "", &node);
  return true;
}

// The dimensions of a transposed tensor are its own in another order.
bool Exporter::raise_shape(ir::Node& node) {
  const ValueId x = node.inputs[0];
  if (entry_.value(x).is_constant()) return false;
  const Stored s = *stored(x);
  if (is_identity(s.form)) return false;
  int start = 0, end = 0;
  op::ShapeOf::bounds(ir::attrs_of<op::ShapeOf>(node), entry_.value(x).shape.rank, start, end);
  const std::vector<int64_t> picked(s.form.begin() + start, s.form.begin() + end);
  const std::string all = fresh_name("shape");
  write("Shape", {s.name}, {all}, {}, "", &node);
  const std::string places = constant(ir::make_ints(picked), "ints");
  write("Gather", {all, places}, {define_output(node, 0, identity_form(1))}, {}, "", &node);
  return true;
}

void Exporter::raise_custom(const ir::Node& node) {
  const std::string full = node.def->info.name;
  const size_t dot = full.rfind('.');
  const std::string domain = dot == std::string::npos ? kCustomDomain : full.substr(0, dot);
  domains_.insert(domain);
  std::vector<Perm> forms, out_forms;
  for (const ValueId v : node.inputs) forms.push_back(v == kNoValue ? Perm() : identity_form(entry_.value(v).shape.rank));
  for (const ValueId v : node.outputs) out_forms.push_back(v == kNoValue ? Perm() : identity_form(entry_.value(v).shape.rank));
  Raising r(*this, node, std::move(forms), out_forms);
  r.emit_forms(dot == std::string::npos ? full.c_str() : full.c_str() + dot + 1, r.all(), r.same_attributes(), out_forms, domain.c_str());
}

void Exporter::raise_control(ir::Node& node) {
  const bool is_if = node.is<op::If>();
  Names inputs;
  for (const ValueId v : node.inputs) inputs.push_back(v == kNoValue ? std::string() : tensor(v, identity_form(entry_.value(v).shape.rank)));
  Attributes attributes;
  for (size_t i = 0; i < node.blocks.size(); ++i) {
    const char* name = !is_if ? "body" : i == 0 ? "then_branch" : "else_branch";
    attributes.push_back(make_attribute(name, raise_graph(node.blocks[i], name)));
  }
  Names outputs;
  for (size_t k = 0; k < node.outputs.size(); ++k)
    outputs.push_back(node.outputs[k] == kNoValue ? fresh_name("unused") : define_output(node, k, identity_form(entry_.value(node.outputs[k]).shape.rank)));
  write(is_if ? "If" : "Loop", std::move(inputs), std::move(outputs), std::move(attributes), "", &node);
}

// Names of the outer scopes stay visible inside; what is made inside is forgotten at its end.
Graph Exporter::raise_graph(ir::Block& block, const std::string& name) {
  Graph graph;
  graph.name = name;
  Graph* outer = std::exchange(graph_, &graph);
  auto outer_forms = forms_;
  auto outer_made = std::exchange(made_here_, {});
  auto outer_rewriter = std::exchange(rewriter_, std::make_unique<Rewriter>(entry_, block));
  for (const ValueId v : block.inputs) {
    const std::string in = fresh_name(entry_.value(v).name.empty() ? "in" : entry_.value(v).name);
    stored_[v] = {in, identity_form(entry_.value(v).shape.rank)};
    graph.input.push_back(value_info(v, in));
  }
  raise_block(block);
  Names names;
  for (size_t i = 0; i < block.outputs.size(); ++i) names.push_back("");
  finish_outputs(block, names);
  graph_ = outer;
  forms_ = std::move(outer_forms);
  made_here_ = std::move(outer_made);
  rewriter_ = std::move(outer_rewriter);
  return graph;
}

// Outputs are results of nodes of this very graph, under the names given ("": any).
void Exporter::finish_outputs(const ir::Block& block, const Names& names) {
  for (size_t i = 0; i < block.outputs.size(); ++i) {
    const ValueId v = block.outputs[i];
    std::string name = tensor(v, identity_form(entry_.value(v).shape.rank));
    const bool fine = made_here_.contains(name) && (names[i].empty() || names[i] == name);
    if (!fine) {
      const std::string copy = names[i].empty() ? fresh_name(name) : names[i];
      write("Identity", {name}, {copy}, {}, "", nullptr);
      name = copy;
    }
    graph_->output.push_back(value_info(v, name));
  }
}

void Exporter::raise(ir::Node& node) {
  if (is_custom(*node.def)) return raise_custom(node);
  if (!node.blocks.empty()) return raise_control(node);
  if (node.writes_state < 0) {
    if (node.is<op::Transpose>()) return alias_transpose(node);
    if (node.is<op::Reshape>() && alias_reshape(node)) return;
    if (node.is<op::ShapeOf>() && raise_shape(node)) return;
    if ((node.is<op::Reshape>() || node.is<op::Flatten>() || node.is<op::Squeeze>() || node.is<op::Unsqueeze>()) && raise_view(node)) return;
    const ExportRow* row = find_export_row(*node.def);
    if ((row == nullptr || !row->image) && raise_moved(node)) return;
  }
  std::vector<Perm> forms, out_forms;
  for (const ValueId v : node.inputs) forms.push_back(v == kNoValue ? Perm() : identity_form(entry_.value(v).shape.rank));
  for (const ValueId v : node.outputs) out_forms.push_back(v == kNoValue ? Perm() : identity_form(entry_.value(v).shape.rank));
  raise_row(node, std::move(forms), std::move(out_forms));
}

void Exporter::raise_block(ir::Block& block) {
  for (auto& n : block.nodes) {
    try {
      raise(*n);
    } catch (const NotExportable& why) {
      report(*n, why.reason);
    }
    for (const ValueId v : n->outputs)  // after a failure the others are looked at all the same
      if (v != kNoValue && !stored_.contains(v)) stored_[v] = {"?", identity_form(entry_.value(v).shape.rank)};
  }
}

// --- the model

ValueInfo Exporter::value_info(ValueId v, const std::string& name) const {
  const ir::Value& value = entry_.value(v);
  ValueInfo info;
  info.name = name;
  std::vector<Dimension> dims;
  for (int d = 0; d < value.shape.rank; ++d) {
    const Dim dim = value.shape[d];
    const std::string text = entry_.symbols.to_text(dim);
    if (dim.is_const()) dims.push_back(make_dim(dim.lo));
    else if (text.find('?') == std::string::npos) dims.push_back(make_dim(text));
    else dims.emplace_back();
  }
  info.type = make_tensor_type(value.dtype, std::move(dims));
  if (!value.shape_known) info.type->shape.reset();
  return info;
}

void Exporter::add_metadata(Model& out) const {
  for (const auto& [key, value] : model_.metadata) out.metadata_props.push_back({key, value});
  std::string dims, states;
  for (const ir::Symbol& s : entry_.symbols.symbols())
    if (s.is_input && s.hi != kUnbounded) dims += (dims.empty() ? "" : "\n") + s.name + "=" + std::to_string(s.lo) + ".." + std::to_string(s.hi);
  for (const auto& [index, name] : state_out_) states += (states.empty() ? "" : "\n") + name + "=" + state_in_.at(index);
  if (!dims.empty()) out.metadata_props.push_back({kDimsKey, dims});
  if (!states.empty()) out.metadata_props.push_back({kStatesKey, states});
}

Model Exporter::run() {
  choose_opset(entry_.body);
  expand();
  graph_ = &main_;
  main_.name = entry_.name;
  name_ports();
  name_states(entry_.body);
  for (const auto& [index, name] : state_in_) {
    const ir::StateVar& s = model_.states[static_cast<size_t>(index)];
    std::vector<Dimension> dims;
    for (const int64_t d : s.dims) dims.push_back(make_dim(d));
    ValueInfo in;
    in.name = name;
    in.type = make_tensor_type(s.dtype, dims);
    main_.input.push_back(in);
  }
  rewriter_ = std::make_unique<Rewriter>(entry_, entry_.body);
  raise_block(entry_.body);
  if (!failures_.empty()) throw ExportError(failures_);
  Names names;
  for (const ValueId v : entry_.body.outputs) names.push_back(entry_.value(v).name);
  finish_outputs(entry_.body, names);
  for (const auto& [index, name] : state_out_) {
    ValueInfo out = main_.input[0];
    for (const ValueInfo& in : main_.input)
      if (in.name == state_in_.at(index)) out = in;
    out.name = name;
    main_.output.push_back(std::move(out));
    if (notes_ != nullptr) notes_->push_back("state '" + state_in_.at(index) + "' became input '" + state_in_.at(index) + "' and output '" + name + "'");
  }
  if (notes_ != nullptr && opset_ != kExportOpset) notes_->push_back("an op needs opset " + std::to_string(opset_));
  Model out;
  out.ir_version = ir_version_of(opset_);
  out.opset_import.push_back({"", opset_});
  for (const std::string& d : domains_) out.opset_import.push_back({d, 1});
  out.producer_name = "GhostFlow";
  out.producer_version = GF_VERSION;
  add_metadata(out);
  out.graph = std::move(main_);
  return out;
}

// --- public

namespace {
std::string report_text(const std::vector<Unexportable>& list) {
  std::string text = std::to_string(list.size()) + (list.size() == 1 ? " node cannot be written as ONNX:" : " nodes cannot be written as ONNX:");
  for (const Unexportable& u : list) text += "\n  " + u.op + " in node '" + u.node + "': " + u.reason;
  return text;
}
}  // namespace

ExportError::ExportError(std::vector<Unexportable> list) : Exception(Error::Unsupported, report_text(list)), list_(std::move(list)) {}

Model export_model(ir::Model& model, const ExportOptions& options, std::vector<std::string>* notes) {
  std::string names;
  for (const auto& e : model.entries) names += (names.empty() ? "" : ", ") + e->name;
  if (options.entry.empty() && model.entries.size() != 1)
    throw Exception(Error::InvalidArgument, "an ONNX model is one entry, the file has several; choose with --entry: " + names);
  ir::Entry* entry = options.entry.empty() ? model.entries[0].get() : model.find(options.entry);
  if (entry == nullptr) throw Exception(Error::NotFound, "there is no entry '" + options.entry + "' (there are: " + names + ")");
  return Exporter(model, *entry, notes).run();
}

}  // namespace gf::onnx
