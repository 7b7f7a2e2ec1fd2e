// GraphFormula: the words of schema/formula.h as nodes of a block. `Base` is a Formula with the rest of what a rule sees
// (Expander, Differentiator). Not owned: entry and block outlive it. The first failure sticks, as Formula says.
#pragma once

#include <string>

#include "graph/ir/builder.h"
#include "schema/formula.h"

namespace gf::ir {

template <class Base>
class GraphFormula : public Base {
 public:
  /// Nodes are appended to `into` under the given name and origin; `ops` are those that rules may ask for by id.
  GraphFormula(Entry& entry, Block& into, const OpTable& ops, std::string name, std::string origin)
      : builder_(entry, into), ops_(ops) {
    builder_.set_origin(std::move(name), std::move(origin));
  }

  void emit(const OpDef& op, std::span<const Var> inputs, const void* attrs, std::span<Var> outputs) override {
    for (Var& v : outputs) v = {this, -1};
    if (this->error() != Error::Ok) return;
    std::vector<ValueId> ids;
    for (const Var& v : inputs) ids.push_back(v.id);
    guarded([&] {
      const Node& n = builder_.add_node(op, std::move(ids), attrs, outputs.size());
      for (size_t i = 0; i < outputs.size(); ++i) outputs[i].id = n.outputs[i];
    });
  }
  Var scalar(DType type, double value) override {
    Var v{this, -1};
    if (this->error() == Error::Ok) guarded([&] { v.id = builder_.scalar(type, value); });
    return v;
  }
  Var ints(IntList values) override { return {this, builder_.ints(values)}; }
  using Formula::ints;
  DType dtype(Var x) const override { return x ? builder_.dtype(x.id) : DType::F32; }
  const DimShape& shape(Var x) const override {
    static const DimShape kNone;
    return x ? builder_.shape(x.id) : kNone;
  }
  const OpDef* find_op(uint16_t id) const override { return ops_.find(id); }

 protected:
  ~GraphFormula() = default;

  Builder& builder() { return builder_; }
  Entry& entry() const { return builder_.entry(); }
  Var var(ValueId id) { return {this, id}; }
  /// Runs f; what it throws becomes the failure of the rule.
  template <class F>
  void guarded(F&& f) {
    try {
      f();
    } catch (const Exception& e) {
      message_ = e.what();
      (void)this->fail(e.code(), message_.c_str());
    }
  }

 private:
  Builder builder_;
  OpTable ops_;
  std::string message_;
};

}  // namespace gf::ir
