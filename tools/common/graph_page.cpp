#include "tools/common/graph_page.h"

#include "tools/html/page_parts.h"

namespace gf::cli {
namespace {

Json tensor_json(const GraphTensor& t) {
  static constexpr const char* kRoles[] = {"computed", "constant", "state", "input"};
  Json j{{"name", t.name}, {"dtype", dtype_name(t.dtype)}, {"role", kRoles[static_cast<size_t>(t.role) & 3U]}, {"shape", t.shape}, {"bytes", t.bytes}};
  if (t.role == TensorRole::Constant) j["stored"] = t.stored_bytes;
  if (t.source >= 0) j["source"] = t.source;
  if (t.splat) j["splat"] = true;
  if (t.unbounded) j["unbounded"] = true;
  if (t.shape_unknown) j["shape_unknown"] = true;
  if (!t.quantization.empty()) j["quantization"] = t.quantization;
  return j;
}

Json node_json(const GraphNode& n) {
  Json attributes = Json::array();
  for (const GraphAttribute& a : n.attributes) attributes.push_back({a.name, a.value, a.is_default});
  Json j{{"name", n.info.name}, {"op", n.info.op},         {"family", n.family},         {"in", n.inputs},
         {"out", n.outputs},    {"attributes", attributes}, {"macs", n.info.macs}};
  if (!n.origin.empty() && n.origin != n.info.name) j["origin"] = n.origin;
  if (!n.graphs.empty()) j["graphs"] = n.graphs;
  return j;
}

void add_session(Json& j, Model& model, const std::string& entry, const GraphView& graph) {
  try {
    const Session& session = model.session(entry);
    const MemoryPlan plan = view_memory(session, graph);
    Json buffers = Json::array();
    for (const PlannedBuffer& b : plan.buffers)
      buffers.push_back({{"offset", b.offset}, {"bytes", b.bytes}, {"first", b.first}, {"last", b.last}, {"tensors", b.tensors}});
    j["buffers"] = buffers;
    for (size_t i = 0; i < plan.steps.size(); ++i) {
      const NodeReport r = session.node(static_cast<int>(i));
      Json& node = j["nodes"][i];
      node["steps"] = {plan.steps[i].first, plan.steps[i].second};
      node["kernel"] = r.kernel;
      if (r.refused[0] != '\0') node["refused"] = r.refused;
    }
  } catch (const Exception& e) {
    j["session_error"] = e.what();
  }
}

// JSON inside <script>: '<' could end the element or open a comment, so it never stands there as itself.
std::string script_text(const Json& j) {
  const std::string text = j.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string out;
  out.reserve(text.size() + 64);
  for (const char c : text) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

std::string html_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

}  // namespace

Json graph_json(Model& model, int entry, const Trace* trace) {
  const Program& program = model.program();
  const GraphView graph = view_graph(program, entry);
  Json tensors = Json::array(), nodes = Json::array(), graphs = Json::array();
  for (const GraphTensor& t : graph.tensors) tensors.push_back(tensor_json(t));
  for (const GraphNode& n : graph.nodes) nodes.push_back(node_json(n));
  for (const GraphBlock& g : graph.graphs) graphs.push_back({{"nodes", g.nodes}, {"in", g.inputs}, {"out", g.outputs}});
  Json j{{"tensors", tensors}, {"nodes", nodes}, {"graphs", graphs}, {"buffers", Json::array()}};
  const std::string name(program.entry_name(entry));
  add_session(j, model, name, graph);
  if (trace != nullptr && trace->entry == name) {
    j["runs"] = trace->runs;
    for (size_t i = 0; i < trace->nodes.size(); ++i) {
      j["nodes"][i]["ms"] = trace->nodes[i].ms;
      j["nodes"][i]["calls"] = trace->nodes[i].calls;
    }
  }
  return j;
}

std::string graph_page(const Json& model, const std::string& title) {
  struct Part {
    std::string_view mark;
    std::string text;
  };
  std::string script;
  for (const std::string_view part : {page_layout_js, page_base_js, page_drawing_js, page_graph_js, page_details_js,
                                      page_memory_js, page_tables_js, page_js})
    script += part;
  // one pass over the template: nothing that was put in is looked at again
  const Part parts[] = {{"@@TITLE@@", html_text(title)},
                        {"@@STYLE@@", std::string(page_css)},
                        {"@@DATA@@", script_text(model)},
                        {"@@SCRIPT@@", script}};
  std::string out;
  std::string_view rest = page_html;
  for (size_t at = rest.find("@@"); at != std::string_view::npos; at = rest.find("@@")) {
    out += rest.substr(0, at);
    rest.remove_prefix(at);
    for (const Part& p : parts) {
      if (!rest.starts_with(p.mark)) continue;
      out += p.text;
      rest.remove_prefix(p.mark.size());
      break;
    }
  }
  return out.append(rest);
}

}  // namespace gf::cli
