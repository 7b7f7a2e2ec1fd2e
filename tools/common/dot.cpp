#include "tools/common/dot.h"

#include <fmt/format.h>

#include <map>

#include "facade/graph_view.h"

namespace gf::cli {
namespace {

// A double-quoted string of the DOT language: '"' and '\' are escaped, and control characters do not survive.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  return out + "\"";
}

std::string type_text(const GraphTensor& t) {
  std::string shape;
  for (const std::string& d : t.shape) shape += (shape.empty() ? "" : "x") + d;
  return fmt::format("{} {}", dtype_name(t.dtype), t.shape_unknown ? "?" : shape.empty() ? "scalar" : shape);
}

class DotWriter {
 public:
  DotWriter(const GraphView& view, int entry, std::string& out) : view_(view), entry_(entry), out_(out) {}

  void write(const std::string& name) {
    out_ += fmt::format("  subgraph cluster_e{} {{\n    label={};\n", entry_, quoted("entry " + name));
    block(0, 2);
    const GraphBlock& top = view_.graphs[0];
    for (size_t i = 0; i < top.outputs.size(); ++i) {
      const std::string id = fmt::format("e{}_o{}", entry_, i);
      const GraphTensor& t = view_.tensors[static_cast<size_t>(top.outputs[i])];
      out_ += fmt::format("    {} [shape=oval, label={}];\n", id, quoted(t.name + "\n" + type_text(t)));
      edge(top.outputs[i], id);
    }
    out_ += "  }\n";
  }

 private:
  std::string node_id(int32_t node) const { return fmt::format("e{}_n{}", entry_, node); }
  std::string tensor_id(int32_t tensor) const { return fmt::format("e{}_t{}", entry_, tensor); }

  void port(int32_t tensor, const std::string& indent) {
    const GraphTensor& t = view_.tensors[static_cast<size_t>(tensor)];
    out_ += fmt::format("{}{} [shape=oval, label={}];\n", indent, tensor_id(tensor),
                        quoted((t.name.empty() ? "in" : t.name) + "\n" + type_text(t)));
    source_[tensor] = tensor_id(tensor);
  }

  // Constants are not drawn: they would hide the graph.
  void edge(int32_t tensor, const std::string& to) {
    if (tensor < 0) return;
    const GraphTensor& t = view_.tensors[static_cast<size_t>(tensor)];
    if (t.role == TensorRole::Constant) return;
    if (t.role == TensorRole::State && !source_.contains(tensor)) port(tensor, "    ");
    if (const auto it = source_.find(tensor); it != source_.end())
      out_ += fmt::format("    {} -> {} [label={}];\n", it->second, to, quoted(type_text(t)));
  }

  void block(uint32_t graph, int depth) {
    const std::string indent(static_cast<size_t>(depth) * 2, ' ');
    const GraphBlock& b = view_.graphs[graph];
    for (const int32_t t : b.inputs) port(t, indent);
    for (const int32_t i : b.nodes) {
      const GraphNode& n = view_.nodes[static_cast<size_t>(i)];
      const std::string label = n.info.name.starts_with('#') ? n.info.op : n.info.op + "\n" + n.info.name;
      out_ += fmt::format("{}{} [label={}];\n", indent, node_id(i), quoted(label));
      for (const int32_t t : n.inputs) edge(t, node_id(i));
      for (size_t g = 0; g < n.graphs.size(); ++g) {
        out_ += fmt::format("{}subgraph cluster_e{}_g{} {{\n{}  label={};\n", indent, entry_, n.graphs[g], indent,
                            quoted(fmt::format("{} {}", n.info.op, g)));
        block(n.graphs[g], depth + 1);
        out_ += indent + "}\n";
        for (const int32_t t : view_.graphs[n.graphs[g]].outputs)
          if (const auto it = source_.find(t); it != source_.end())
            out_ += fmt::format("{}{} -> {} [style=dashed];\n", indent, it->second, node_id(i));
      }
      for (const int32_t t : n.outputs)
        if (t >= 0) source_[t] = node_id(i);
    }
  }

  const GraphView& view_;
  int entry_;
  std::string& out_;
  std::map<int32_t, std::string> source_;  // what makes a tensor
};

}  // namespace

std::string dot_text(const Program& program, const std::string& title) {
  std::string out = fmt::format(
      "digraph {} {{\n  compound=true;\n  node [shape=box, style=rounded, fontname=\"Helvetica\", fontsize=11];\n"
      "  edge [fontname=\"Helvetica\", fontsize=9];\n",
      quoted(title));
  for (int e = 0; e < program.entry_count(); ++e)
    DotWriter(view_graph(program, e), e, out).write(std::string(program.entry_name(e)));
  return out + "}\n";
}

}  // namespace gf::cli
