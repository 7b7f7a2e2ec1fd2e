#include "graph/ir/copy.h"

namespace gf::ir {
namespace {

Block copy(const Block& from) {
  Block to;
  to.inputs = from.inputs;
  to.outputs = from.outputs;
  for (const auto& n : from.nodes) {
    auto node = std::make_unique<Node>();
    node->def = n->def;
    node->attrs = n->attrs;
    node->inputs = n->inputs;
    node->outputs = n->outputs;
    for (const Block& b : n->blocks) node->blocks.push_back(copy(b));
    node->name = n->name;
    node->origin = n->origin;
    node->writes_state = n->writes_state;
    to.nodes.push_back(std::move(node));
  }
  return to;
}

}  // namespace

std::unique_ptr<Entry> copy(const Entry& entry) {
  auto e = std::make_unique<Entry>();
  e->name = entry.name;
  e->symbols = entry.symbols;
  for (size_t i = 0; i < entry.value_count(); ++i) e->add_value(entry.value(static_cast<ValueId>(i)));
  e->body = copy(entry.body);
  return e;
}

Model copy(const Model& model) {
  Model to;
  for (const auto& e : model.entries) to.entries.push_back(copy(*e));
  to.states = model.states;
  to.metadata = model.metadata;
  to.producer = model.producer;
  return to;
}

}  // namespace gf::ir
