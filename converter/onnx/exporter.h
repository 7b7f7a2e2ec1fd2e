// One entry on its way to ONNX: names, orders of axes, nodes. Internal to the exporter.
//
// Values of the graph are channels last, ONNX's are not. No transpose is written where it arises: a value remembers the
// tensor that it is a transpose of, ops work on that tensor where they can (graph/passes/layout_rules.h), and only what needs
// another order of axes writes the transpose. An imported image net comes out as it went in.
#pragma once

#include <map>
#include <set>
#include <unordered_map>

#include "converter/onnx/raising.h"
#include "graph/passes/layout_rules.h"

namespace gf::onnx {

class Exporter {
 public:
  Exporter(ir::Model& model, ir::Entry& entry, std::vector<std::string>* notes);
  Model run();

  // --- for Raising
  ir::Entry& entry() { return entry_; }
  int64_t opset() const { return opset_; }
  Rewriter& rewriter() { return *rewriter_; }
  /// Name of the tensor t with v = transpose(t, form).
  std::string tensor(ir::ValueId v, const Perm& form);
  std::string constant(const ir::ConstantPtr& c, const std::string& hint);
  std::string fresh_name(const std::string& hint);
  void write(const char* op, Names inputs, Names outputs, Attributes attributes, const char* domain, const ir::Node* source);
  /// Output k of `node` is now transpose(name, form); gives the name to use for a new tensor.
  std::string define_output(const ir::Node& node, size_t k, const Perm& form);

 private:
  struct Stored {
    std::string name;
    Perm form;
  };

  // preparation
  void choose_opset(const ir::Block& block);
  void expand();
  void name_ports();
  void name_states(const ir::Block& block);
  // nodes
  void raise_block(ir::Block& block);
  void raise(ir::Node& node);
  void raise_row(const ir::Node& node, std::vector<Perm> forms, std::vector<Perm> out_forms);
  bool raise_moved(ir::Node& node);
  bool raise_view(ir::Node& node);
  bool raise_shape(ir::Node& node);
  void raise_control(ir::Node& node);
  void raise_custom(const ir::Node& node);
  Graph raise_graph(ir::Block& block, const std::string& name);
  void alias_transpose(const ir::Node& node);
  bool alias_reshape(const ir::Node& node);
  const Stored* stored(ir::ValueId v);
  void finish_outputs(const ir::Block& block, const Names& names);
  void report(const ir::Node& node, const std::string& reason);
  // graph
  ValueInfo value_info(ir::ValueId v, const std::string& name) const;
  void add_metadata(Model& out) const;

  ir::Model& model_;
  ir::Entry& entry_;
  std::vector<std::string>* notes_;
  int64_t opset_ = kExportOpset;
  Graph* graph_ = nullptr;                              // that nodes are written to now
  Graph main_;
  std::unique_ptr<Rewriter> rewriter_;
  std::unordered_map<ir::ValueId, Stored> stored_;
  std::map<std::pair<ir::ValueId, Perm>, std::string> forms_;
  std::unordered_map<ir::ValueId, std::string> wanted_names_;   // of graph outputs
  std::set<std::string> used_, made_here_, node_names_;
  std::map<int32_t, std::string> state_in_, state_out_;
  std::map<std::string, std::string> small_constants_;
  std::vector<Unexportable> failures_;
  std::set<std::string> domains_;
};

}  // namespace gf::onnx
