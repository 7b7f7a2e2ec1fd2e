#include "graph/read/read.h"

#include <utility>

#include "graph/ir/builder.h"
#include "schema/format/format.h"
#include "schema/format/model_generated.h"
#include "schema/ops/identity.h"

namespace gf {
namespace {

std::string text(const flatbuffers::String* s) { return s != nullptr ? s->str() : std::string(); }

template <class T>
auto list(const flatbuffers::Vector<T>* v) {
  return v != nullptr ? std::vector<T>(v->begin(), v->end()) : std::vector<T>();
}

class Reader {
 public:
  Reader(const Program& program, std::shared_ptr<const void> owner) : program_(program), file_(program.raw()), owner_(std::move(owner)) {}

  ir::Model read() {
    read_constants();
    ir::Model model;
    model.producer = std::string(program_.producer());
    if (file_.metadata() != nullptr)
      for (const fb::KeyValue* kv : *file_.metadata()) model.metadata.emplace_back(text(kv->key()), text(kv->value()));
    if (file_.states() != nullptr)
      for (const fb::State* s : *file_.states())
        model.states.push_back({text(s->name()), static_cast<DType>(s->dtype()), list(s->dims()),
                                s->initial() >= 0 ? constants_[static_cast<size_t>(s->initial())] : nullptr});
    for (const fb::Entry* e : *file_.entries()) model.entries.push_back(read_entry(*e));
    ir::check(model);
    return model;
  }

 private:
  void read_constants() {
    if (file_.constants() == nullptr) return;
    for (uint32_t i = 0; i < file_.constants()->size(); ++i) {
      const fb::Constant& c = *file_.constants()->Get(i);
      auto constant = std::make_shared<ir::Constant>();
      constant->dtype = static_cast<DType>(c.stored() != 0 ? c.stored() : c.dtype());  // the value says what readers see
      constant->dims = list(c.dims());
      constant->data = {static_cast<const std::byte*>(program_.constant_data(i)), static_cast<size_t>(c.bytes())};
      constant->splat = c.splat();
      constant->owner = owner_;
      constants_.push_back(std::move(constant));
    }
  }

  std::unique_ptr<ir::Entry> read_entry(const fb::Entry& e) {
    auto entry = std::make_unique<ir::Entry>();
    entry_ = entry.get();
    file_entry_ = &e;
    entry->name = text(e.name());
    symbols_.clear();
    if (e.symbols() != nullptr)
      for (const fb::Symbol* s : *e.symbols()) {
        symbols_.push_back(entry->symbols.symbol(text(s->name()), s->lo(), s->hi()));
        if (const int index = entry->symbols.symbol_index(symbols_.back()); index >= 0) entry->symbols.mark_input(index);
      }
    for (const fb::Tensor* t : *e.tensors()) entry->add_value(read_tensor(*t));  // value id = tensor index
    entry->body = read_graph(0);
    for (uint32_t i = 0; i < entry->body.outputs.size(); ++i)
      entry->value(entry->body.outputs[i]).name = text(e.output_names()->Get(i));
    return entry;
  }

  ir::Value read_tensor(const fb::Tensor& t) {
    ir::Value v;
    v.name = text(t.name());
    v.dtype = static_cast<DType>(t.dtype());
    v.shape_known = !t.shape_unknown();
    if (t.dims() != nullptr)
      for (const fb::Dim* d : *t.dims()) v.shape.push(read_dim(*d));
    if (t.kind() == format::kConstant) {
      v.constant = constants_[t.index()];
      v.name = text(file_.constants()->Get(t.index())->name());
    } else if (t.kind() == format::kState) {
      v.state = static_cast<int32_t>(t.index());  // until a node turns out to write it
    }
    if (const fb::Quantization* q = t.quantization(); q != nullptr)
      v.quantization = ir::Quantization{q->axis(), q->block(), list(q->scales()), list(q->zero_points())};
    return v;
  }

  Dim read_dim(const fb::Dim& d) {
    if (d.symbol() == format::kDimConstant) return d.bound();
    if (d.symbol() >= 0) return symbols_[static_cast<size_t>(d.symbol())];
    return entry_->symbols.fresh(0, d.bound());  // computed ones are inferred again
  }

  static std::vector<ir::ValueId> ids(const flatbuffers::Vector<int32_t>* v) { return list(v); }

  ir::Block read_graph(uint32_t index) {
    const fb::Graph& g = *file_entry_->graphs()->Get(index);
    ir::Block block;
    block.inputs = ids(g.inputs());
    if (g.nodes() != nullptr)
      for (const fb::Node* n : *g.nodes()) {
        block.nodes.push_back(read_node(*n));
        copy_to_states(block);
      }
    block.outputs = ids(g.outputs());
    return block;
  }

  std::unique_ptr<ir::Node> read_node(const fb::Node& n) {
    const fb::Op& op = *file_.ops()->Get(n.op());
    auto node = std::make_unique<ir::Node>();
    node->def = resolve_op(program_.ops(), op.id(), op.name() != nullptr ? op.name()->string_view() : std::string_view());
    if (node->def == nullptr) throw Exception(Error::UnknownOp, "the file needs the op '" + text(op.name()) + "', which is not known here");
    if (n.attrs() != nullptr)
      for (const fb::Attr* a : *n.attrs())
        node->attrs.push_back({a->number(), static_cast<AttrType>(a->type()), a->i(), a->f(), text(a->s()), list(a->ints()), list(a->floats())});
    drop_unknown(*node);
    node->inputs = ids(n.inputs());
    node->outputs = ids(n.outputs());
    node->name = text(n.name());
    node->origin = text(n.origin());
    if (n.graphs() != nullptr)
      for (const uint32_t g : *n.graphs()) node->blocks.push_back(read_graph(g));
    for (const ir::ValueId id : node->outputs) {
      if (id == ir::kNoValue || entry_->value(id).state < 0) continue;
      ir::Value& v = entry_->value(id);
      if (node->is<op::Identity>()) node->writes_state = v.state;
      else written_.emplace_back(id, v.state);
      v.state = -1;
    }
    ir::infer_node(*entry_, *node);
    return node;
  }

  // States that the last node wrote itself: a graph says it with copies.
  void copy_to_states(ir::Block& block) {
    for (const auto& [value, state] : std::exchange(written_, {})) {
      ir::Builder b(*entry_, block);
      b.set_origin("", "new value of a state");
      b.node<op::Identity>({value}).writes_state = state;
    }
  }

  // Fields that this build does not know and need not understand (a newer writer's hints).
  static void drop_unknown(ir::Node& node) {
    std::erase_if(node.attrs, [&](const ir::Attr& a) {
      for (const AttrField& f : node.def->fields)
        if (f.number == a.number) return false;
      return true;
    });
  }

  const Program& program_;
  const fb::Model& file_;
  std::shared_ptr<const void> owner_;
  std::vector<ir::ConstantPtr> constants_;
  ir::Entry* entry_ = nullptr;
  const fb::Entry* file_entry_ = nullptr;
  std::vector<Dim> symbols_;
  std::vector<std::pair<ir::ValueId, int32_t>> written_;   // by the node being read: value, state
};

}  // namespace

ir::Model read_model(const Program& program, std::shared_ptr<const void> owner) { return Reader(program, std::move(owner)).read(); }

}  // namespace gf
