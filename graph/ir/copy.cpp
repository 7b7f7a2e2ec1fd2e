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

Model copy(const Model& model) {
  Model to;
  for (const auto& from : model.entries) {
    auto e = std::make_unique<Entry>();
    e->name = from->name;
    e->symbols = from->symbols;
    for (size_t i = 0; i < from->value_count(); ++i) e->add_value(from->value(static_cast<ValueId>(i)));
    e->body = copy(from->body);
    to.entries.push_back(std::move(e));
  }
  to.states = model.states;
  to.metadata = model.metadata;
  to.producer = model.producer;
  return to;
}

}  // namespace gf::ir
