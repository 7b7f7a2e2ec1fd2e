// gf-info: what is in a model file: entries with inputs and outputs, ops, memory, metadata, sections.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "io/file.h"
#include "io/path.h"
#include "tools/common/dot.h"
#include "tools/common/graph_page.h"
#include "tools/common/inputs.h"
#include "tools/common/keys.h"
#include "tools/common/measure.h"
#include "tools/common/program_view.h"

using namespace gf;
using namespace gf::cli;

namespace {

struct Args {
  Common common;
  std::vector<std::string> models;
  std::string html, dot, trace, verify_key;
  bool ops = false, memory = false;
};

Json metadata_json(const FileInfo& info) {
  Json j = Json::object();
  for (const auto& [key, value] : info.metadata) j[key] = value;
  return j;
}

// Kernels that create chose, and why a better one was not taken; equal nodes counted.
Json kernels_json(const Session& session) {
  std::map<std::array<std::string, 3>, int> counts;
  for (int i = 0; i < session.node_count(); ++i) {
    const NodeReport r = session.node(i);
    ++counts[{r.op, r.kernel, r.refused}];
  }
  Json list = Json::array();
  for (const auto& [key, count] : counts) list.push_back({{"op", key[0]}, {"kernel", key[1]}, {"refused", key[2]}, {"count", count}});
  return list;
}

// Memory and kernels of a session on this machine; null and the reason when no session can be made here.
void add_session(Json& row, Model& model, const std::string& entry) {
  try {
    row["memory"] = memory_json(model.needs(entry), model.program().bytes().size());
    row["kernels"] = kernels_json(model.session(entry));
  } catch (const Exception& e) {
    row["memory"] = row["kernels"] = nullptr;
    row["memory_error"] = e.what();
  }
}

Json entry_json(Model& model, int e, const std::vector<NodeInfo>& nodes) {
  const Program& p = model.program();
  Json inputs = Json::array(), outputs = Json::array(), states = Json::array(), symbols = Json::array();
  for (int i = 0; i < p.input_count(e); ++i) inputs.push_back(port_json(p, e, p.input(e, i)));
  for (int i = 0; i < p.output_count(e); ++i) outputs.push_back(port_json(p, e, p.output(e, i)));
  for (int i : states_of(p, e)) states.push_back(port_json(p, -1, p.state(i)));
  for (int i = 0; i < p.symbol_count(e); ++i)
    symbols.push_back(
        {{"name", std::string(p.symbol(e, i).name)}, {"lo", p.symbol(e, i).lo}, {"hi", p.symbol(e, i).hi}});
  Json row{{"name", std::string(p.entry_name(e))},
           {"inputs", inputs},
           {"outputs", outputs},
           {"state", states},
           {"dims", symbols},
           {"nodes", nodes.size()},
           {"macs", total_macs(nodes)}};
  add_session(row, model, std::string(p.entry_name(e)));
  return row;
}

// What the ops of the model end with: values of Activation, each once.
Json activations_json(const std::vector<NodeInfo>& nodes) {
  std::set<int> values;
  for (const NodeInfo& n : nodes)
    if (n.activation > 0) values.insert(n.activation);
  return values;
}

Json model_json(Model& model, const std::string& path) {
  const Program& p = model.program();
  const FileInfo file = file_info(p);
  Json entries = Json::array();
  std::vector<NodeInfo> all;
  for (int e = 0; e < p.entry_count(); ++e) {
    const std::vector<NodeInfo> nodes = list_nodes(p, e);
    all.insert(all.end(), nodes.begin(), nodes.end());
    entries.push_back(entry_json(model, e, nodes));
  }
  return {{"model", path},
          {"format_version", fmt::format("{}.{}", file.version_major, file.version_minor)},
          {"producer", std::string(p.producer())},
          {"metadata", metadata_json(file)},
          {"entries", entries},
          {"ops", ops_json(all)},
          {"activations", activations_json(all)},
          {"weights_bytes", p.constant_bytes()},
          {"constants", file.constants},
          {"file_bytes", p.bytes().size()},
          {"sections", sections_json(file)},
          {"isa", isa_name(model.isa())}};
}

Json merge_ops(const Json& models) {
  std::map<std::string, Json> rows;
  for (const Json& m : models)
    for (const Json& row : m["ops"]) {
      Json& merged = rows[row["op"].dump() + row["dtypes"].dump()];
      if (merged.is_null())
        merged = row;
      else
        merged["count"] = merged["count"].get<int>() + row["count"].get<int>();
    }
  std::vector<Json> list;
  for (auto& [key, row] : rows) list.push_back(std::move(row));
  std::stable_sort(list.begin(), list.end(),
                   [](const Json& a, const Json& b) { return a["count"].get<int>() > b["count"].get<int>(); });
  return list;
}

// --- text

std::string port_text(const Json& p) {
  std::string shape;
  for (const Json& d : p["shape"])
    shape += (shape.empty() ? "" : "x") + (d.is_string() ? d.get<std::string>() : d.dump());
  return fmt::format("{:<24} {:<8} {}", p["name"].get<std::string>(), p["dtype"].get<std::string>(),
                     p["shape"].empty() ? "scalar" : shape);
}

std::string bytes(const Json& v) { return bytes_text(v.get<uint64_t>()); }

void print_memory(const Json& entry) {
  if (entry["memory"].is_null()) {
    fmt::print("    memory: {}\n", entry["memory_error"].get<std::string>());
    return;
  }
  const Json& m = entry["memory"];
  const double live = m["max_live_bytes"].get<double>();
  fmt::print("    memory on this machine\n");
  for (const char* key :
       {"weights_bytes", "state_bytes", "session_bytes", "activation_bytes", "scratch_bytes", "create_bytes"})
    fmt::print("      {:<18} {:>12}\n", key, bytes(m[key]));
  fmt::print("      {:<18} {:>12}  (activations are {:.2f} times that)\n", "max_live_bytes", bytes(m["max_live_bytes"]),
             live > 0 ? m["activation_bytes"].get<double>() / live : 1.0);
}

void print_ops(const Json& ops) {
  for (const Json& row : ops)
    fmt::print("  {:>6}  {:<24} {}\n", row["count"].get<int>(), row["op"].get<std::string>(),
               fmt::join(row["dtypes"].get<std::vector<std::string>>(), " "));
}

void print_model(const Json& m, const Args& a) {
  fmt::print("{}: format {}, {}, {} ({} of weights in {} constants)\n", m["model"].get<std::string>(),
             m["format_version"].get<std::string>(), m["producer"].get<std::string>(), bytes(m["file_bytes"]),
             bytes(m["weights_bytes"]), m["constants"].get<int>());
  for (const auto& [key, value] : m["metadata"].items()) {
    const std::string v = value.get<std::string>();
    const auto lines = std::count(v.begin(), v.end(), '\n');
    fmt::print("  {} = {}\n", key,
               lines > 0        ? fmt::format("({} lines)", lines + (v.back() == '\n' ? 0 : 1))
               : v.size() > 100 ? v.substr(0, 100) + "..."
                                : v);
  }
  for (const Json& e : m["entries"]) {
    fmt::print("  entry '{}': {} ops, {:.4g} million multiply-accumulates\n", e["name"].get<std::string>(),
               e["nodes"].get<size_t>(), e["macs"].get<double>() * 1e-6);
    for (const Json& p : e["inputs"]) fmt::print("    input  {}\n", port_text(p));
    for (const Json& p : e["outputs"]) fmt::print("    output {}\n", port_text(p));
    for (const Json& p : e["state"]) fmt::print("    state  {}\n", port_text(p));
    for (const Json& d : e["dims"])
      fmt::print("    {} = {}..{}\n", d["name"].get<std::string>(), d["lo"].get<int64_t>(), d["hi"].get<int64_t>());
    if (a.memory) print_memory(e);
  }
  if (m.contains("signature")) fmt::print("  signature valid\n");
  for (const Json& s : m["sections"])
    fmt::print("  section {} ({}{})\n", s["kind"].get<std::string>(), bytes(s["bytes"]),
               s["required"].get<bool>() ? ", required" : "");
  if (a.ops) {
    fmt::print("  ops\n");
    print_ops(m["ops"]);
  }
}

// --- drawings

void write_html(const Args& a, Model& model, Json described) {
  std::optional<Trace> trace;
  if (!a.trace.empty()) trace = read_trace(a.trace, model.program());
  for (int e = 0; e < model.program().entry_count(); ++e)
    described["entries"][static_cast<size_t>(e)]["graph"] = graph_json(model, e, trace ? &*trace : nullptr);
  const std::string name = io::text_of(io::path_of(a.models[0]).filename());
  described["model"] = name;
  described["tool"] = "gf-info " GF_VERSION;
  io::write_file(a.html, graph_page(described, name));
}

int info(const Args& a) {
  if (a.models.size() > 1 && (!a.html.empty() || !a.dot.empty()))
    throw UsageError("--html and --dot draw one model; call gf-info once for each");
  if (!a.trace.empty() && a.html.empty()) throw UsageError("--trace goes with --html: it adds times to the page");
  Json models = Json::array();
  for (const std::string& path : a.models) {
    Model model = open_model(path, model_options(a.common));
    if (!a.verify_key.empty()) {
      try {
        check_signature(model.program(), read_public_key(a.verify_key));
      } catch (const Exception& e) {
        // another key is a wrong argument of the library's function, but no wrong usage of this program
        const Error code = e.code() == Error::InvalidArgument ? Error::BadFile : e.code();
        throw Exception(code, fmt::format("{}: {}", path, e.what()));
      }
    }
    models.push_back(model_json(model, path));
    if (!a.verify_key.empty()) models.back()["signature"] = "valid";
    if (!a.html.empty()) write_html(a, model, models.back());
    if (!a.dot.empty())
      io::write_file(a.dot, dot_text(model.program(), io::text_of(io::path_of(path).filename())));
  }
  if (a.common.json) {
    const Json out = models.size() == 1 ? models[0] : Json{{"models", models}, {"ops", merge_ops(models)}};
    fmt::print("{}\n", out.dump(-1, ' ', false, Json::error_handler_t::replace));
    return kOk;
  }
  for (const Json& m : models) print_model(m, a);
  if (models.size() > 1 && a.ops) {
    fmt::print("all models\n");
    print_ops(merge_ops(models));
  }
  return kOk;
}

}  // namespace

int main(int argc, char** argv) {
  Args a;
  return run_tool(
      "gf-info", "Shows what is in models",
      "  gf-info model.gf --memory\n"
      "  gf-info a.gf b.gf --ops --json\n"
      "  gf-bench model.gf --trace trace.json && gf-info model.gf --html model.html --trace trace.json",
      argc, argv, [&a](CLI::App& app) {
        add_common(app, a.common, 1);
        app.add_option("models", a.models, "Models (.gf, or .onnx, which is converted in memory)")->required();
        app.add_flag("--ops", a.ops, "List ops with their types and counts");
        app.add_flag("--memory", a.memory, "Show what a session needs on this machine");
        app.add_option("--html", a.html, "Write one page that shows graph, memory plan, sizes and metadata");
        app.add_option("--trace", a.trace, "Trace of gf-bench --trace: the page then shows times");
        app.add_option("--dot", a.dot, "Write the graph as Graphviz text");
        app.add_option("--verify-signature", a.verify_key,
                       "Public key (PEM): exit code 1 unless every model is signed with its private half");
        return [&a]() -> int { return info(a); };
      });
}
