// gf-info --html and --dot: the page is whole, needs nothing else, keeps hostile names as text, and its memory plan is one;
// the graph for Graphviz is well formed. What the page draws was looked at by people, with Chromium.
#include <map>
#include <set>

#include "converter/onnx/writer.h"
#include "io/file.h"
#include "tests/tools/tool_support.h"

namespace gf::test {
namespace {

constexpr char kHostile[] = "</script><img src=x onerror=alert(1)>\"'&<!--\\n}; digraph {";

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

/// The model inside the page, found as a browser finds it: up to the first end of the element.
Json page_data(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const size_t from = page.find(begin);
  EXPECT_NE(from, std::string::npos);
  const size_t to = page.find("</script", from);
  const Json j = Json::parse(page.substr(from + begin.size(), to - from - begin.size()), nullptr, false);
  EXPECT_FALSE(j.is_discarded());
  return j;
}

bool installed(const std::string& program) { return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0; }

class Page : public Tools {
 protected:
  std::string page_of(const std::string& model, const std::string& more = "") {
    const ToolResult r = tool("gf-info", model + " --html " + path("page.html") + more);
    EXPECT_EQ(r.code, 0) << r.err;
    return read_text(path("page.html"));
  }
  /// A loop around an if, the digits' names made hostile.
  std::string hostile() {
    onnx::Model m;
    m.ir_version = 8;
    m.opset_import = {{"", 17}};
    onnx::Graph& g = m.graph;
    g.name = kHostile;
    const auto value = [](const std::string& name, DType type, std::vector<onnx::Dimension> dims) {
      onnx::ValueInfo v;
      v.name = name;
      v.type = onnx::make_tensor_type(type, std::move(dims));
      return v;
    };
    const auto node = [](const char* op, const char* in, const std::string& out) {
      onnx::Node n;
      n.op_type = op;
      n.input = {in};
      n.output = {out};
      return n;
    };
    g.input = {value(kHostile, DType::F32, {onnx::make_dim(int64_t{4})}), value("flag", DType::Bool, {})};
    const auto branch = [&](const char* op, const std::string& out) {
      onnx::Graph b;
      b.name = out;
      b.node = {node(op, kHostile, out)};
      b.output = {value(out, DType::F32, {onnx::make_dim(int64_t{4})})};
      return b;
    };
    onnx::Node choose = node("If", "flag", "y");
    choose.name = kHostile;
    choose.attribute.push_back(onnx::make_attribute("then_branch", branch("Relu", "a")));
    choose.attribute.push_back(onnx::make_attribute("else_branch", branch("Neg", "b")));
    g.node = {choose};
    g.output = {value("y", DType::F32, {onnx::make_dim(int64_t{4})})};
    const std::string source = path("hostile.onnx"), file = path("hostile.gf");
    io::write_file(source, onnx::write_model(m));
    io::write_file(path("meta.txt"), std::string(kHostile));
    const ToolResult r = tool("gf-convert", source + " -o " + file + " --keep-node-names --meta note=" + path("meta.txt"));
    EXPECT_EQ(r.code, 0) << r.err;
    return file;
  }
};

TEST_F(Page, NeedsNothingElse) {
  const std::string page = page_of(digits());
  EXPECT_TRUE(page.starts_with("<!doctype html>"));
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  for (const char* outside : {"http://", "https://", "<link", "@import", "url(", "fetch(", "XMLHttpRequest", "innerHTML", "document.write", "eval(", "@@"})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  EXPECT_EQ(count(page, "<script"), 2u);
  EXPECT_EQ(count(page, "</html>"), 1u);
}

TEST_F(Page, HostileNamesStayText) {
  const std::string page = page_of(hostile());
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_EQ(count(page, "<script"), 2u);
  EXPECT_EQ(count(page, "</script>"), 2u);
  const Json j = page_data(page);
  EXPECT_EQ(j["metadata"]["note"], kHostile);
  EXPECT_EQ(j["entries"][0]["inputs"][0]["name"], kHostile);
  bool found = false;
  for (const Json& node : j["entries"][0]["graph"]["nodes"]) found = found || node["name"] == kHostile;
  EXPECT_TRUE(found);
}

TEST_F(Page, SubGraphsHangOnTheirNode) {
  const Json g = page_data(page_of(hostile()))["entries"][0]["graph"];
  ASSERT_EQ(g["graphs"].size(), 3u);
  const Json& node = g["nodes"][g["graphs"][0]["nodes"][0].get<size_t>()];
  EXPECT_EQ(node["op"], "if");
  EXPECT_EQ(node["graphs"], Json::parse("[1,2]"));
  EXPECT_LT(node["steps"][0].get<int>(), node["steps"][1].get<int>());
}

TEST_F(Page, MemoryPlanIsAPlan) {
  for (const char* net : {"mobilenet_v2", "gpt2_cached", "yolo_nms", "lstm"}) {
    const Json entry = page_data(page_of(source_path(std::string("tests/golden/") + net + "/model.onnx").string()))["entries"][0];
    const Json &g = entry["graph"], &memory = entry["memory"];
    uint64_t arena = 0;
    std::map<int, uint64_t> live;
    for (const Json& a : g["buffers"]) {
      arena = std::max(arena, a["offset"].get<uint64_t>() + a["bytes"].get<uint64_t>());
      for (int s = a["first"]; s <= a["last"].get<int>(); ++s) live[s] += a["bytes"].get<uint64_t>();
      for (const Json& b : g["buffers"]) {
        if (&a == &b || a["last"] < b["first"] || b["last"] < a["first"]) continue;
        EXPECT_TRUE(a["offset"].get<uint64_t>() + a["bytes"].get<uint64_t>() <= b["offset"].get<uint64_t>() ||
                    b["offset"].get<uint64_t>() + b["bytes"].get<uint64_t>() <= a["offset"].get<uint64_t>())
            << net << ": " << a << " and " << b;
      }
    }
    uint64_t most = 0;
    for (const auto& [step, bytes] : live) most = std::max(most, bytes);
    EXPECT_EQ(arena, memory["activation_bytes"].get<uint64_t>()) << net;
    EXPECT_EQ(most, memory["max_live_bytes"].get<uint64_t>()) << net;
    for (const Json& node : g["nodes"]) GF_EXPECT_FIELDS(node, "name", "op", "family", "in", "out", "kernel", "steps", "macs");
  }
}

TEST_F(Page, AttributesShapesAndKernelsAreThere) {
  const Json g = page_data(page_of(digits()))["entries"][0]["graph"];
  bool conv = false;
  for (const Json& node : g["nodes"]) {
    if (node["op"] != "conv") continue;
    conv = true;
    std::set<std::string> names;
    for (const Json& a : node["attributes"]) names.insert(a[0].get<std::string>());
    EXPECT_TRUE(names.contains("strides") && names.contains("pads")) << node;
    EXPECT_NE(node["kernel"], "");
    EXPECT_EQ(g["tensors"][node["out"][0].get<size_t>()]["dtype"], "float32");
  }
  EXPECT_TRUE(conv);
}

TEST_F(Page, TracesGiveTimes) {
  ASSERT_EQ(tool("gf-bench", digits() + " --min-time 0.01 --trace " + path("t.json")).code, 0);
  const Json g = page_data(page_of(digits(), " --trace " + path("t.json")))["entries"][0]["graph"];
  EXPECT_GE(g["runs"].get<int>(), 3);
  for (const Json& node : g["nodes"]) {
    EXPECT_EQ(node["calls"], 1);
    EXPECT_GT(node["ms"].get<double>(), 0);
  }
}

TEST_F(Page, TracesOfOtherThingsAreRefused) {
  ASSERT_EQ(tool("gf-bench", digits() + " --min-time 0.01 --trace " + path("t.json")).code, 0);
  expect_error("gf-info", hostile() + " --html " + path("p.html") + " --trace " + path("t.json"), 1, "trace of another model");
  expect_error("gf-info", digits() + " --html " + path("p.html") + " --trace " + folder_.write("no.json", "[1]").string(), 1, "is not a trace");
  expect_error("gf-info", digits() + " --html " + path("p.html") + " --trace " + folder_.write("bad.json", "{").string(), 1, "is not a trace");
  Json trace = Json::parse(read_text(path("t.json")));
  trace["otherData"]["runs"] = -4;
  expect_error("gf-info", digits() + " --html " + path("p.html") + " --trace " + folder_.write("runs.json", trace.dump()).string(), 1, "how many runs");
  trace["otherData"]["runs"] = 3;
  trace["traceEvents"].push_back({{"ph", "X"}, {"args", {{"index", 1e300}}}});
  expect_error("gf-info", digits() + " --html " + path("p.html") + " --trace " + folder_.write("node.json", trace.dump()).string(), 1, "trace of another model");
  EXPECT_FALSE(std::filesystem::exists(path("p.html")));
}

TEST_F(Page, FlagsThatDoNotGoTogether) {
  expect_error("gf-info", digits() + " " + digits() + " --html " + path("p.html"), 2, "one model");
  expect_error("gf-info", digits() + " --trace " + path("t.json"), 2, "--html");
}

TEST_F(Page, ChromiumDrawsIt) {
  if (!installed("chromium")) GTEST_SKIP() << "chromium is not installed";
  for (const std::string& model : {hostile(), source_path("tests/golden/bert/model.onnx").string()}) {
    static_cast<void>(page_of(model));
    const ToolResult r = run_command("timeout 100 chromium --headless --no-sandbox --disable-gpu --disable-background-networking --virtual-time-budget=5000 --dump-dom 'file://" + path("page.html") + "'", folder_);
    if (r.out.empty()) GTEST_SKIP() << "chromium does not start here: " << r.err.substr(0, 200);
    EXPECT_NE(r.out.find("data-ready=\"yes\""), std::string::npos) << "the script stopped\n" << r.err;
    EXPECT_EQ(r.out.find("<img"), std::string::npos);
  }
}

TEST_F(Page, DotIsWellFormed) {
  ASSERT_EQ(tool("gf-info", hostile() + " --dot " + path("g.dot")).code, 0);
  const std::string dot = read_text(path("g.dot"));
  // quotes and braces balance when strings are read as the DOT language says
  int depth = 0, most = 0;
  bool inside = false;
  for (size_t i = 0; i < dot.size(); ++i) {
    if (inside && dot[i] == '\\') {
      ++i;
    } else if (dot[i] == '"') {
      inside = !inside;
    } else if (!inside && dot[i] == '{') {
      most = std::max(most, ++depth);
    } else if (!inside && dot[i] == '}') {
      EXPECT_GE(--depth, 0);
    }
    EXPECT_TRUE(inside || static_cast<unsigned char>(dot[i]) >= 0x20 || dot[i] == '\n');
  }
  EXPECT_FALSE(inside);
  EXPECT_EQ(depth, 0);
  EXPECT_EQ(most, 3);  // graph, entry, branch
  EXPECT_EQ(count(dot, "subgraph cluster_e0_g"), 2u);
  if (!installed("dot")) GTEST_SKIP() << "graphviz is not installed; checked without it";
  const ToolResult r = run_command("dot -Tsvg " + path("g.dot") + " -o " + path("g.svg"), folder_);
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.err, "");
}

// Perfetto reads the Trace Event Format: complete events in microseconds that nest on each thread.
TEST_F(Page, TraceHasTheShapeThatPerfettoReads) {
  ASSERT_EQ(tool("gf-bench", digits() + " --min-time 0.01 --trace " + path("t.json")).code, 0);
  const Json trace = Json::parse(read_text(path("t.json")));
  std::map<int, double> end;
  std::set<std::string> meta;
  int spans = 0;
  for (const Json& e : trace["traceEvents"]) {
    ASSERT_TRUE(e["name"].is_string() && e["ph"].is_string() && e["pid"].is_number_integer() && e["tid"].is_number_integer()) << e;
    if (e["ph"] == "M") {
      meta.insert(e["name"].get<std::string>());
      EXPECT_TRUE(e["args"]["name"].is_string());
      continue;
    }
    ASSERT_EQ(e["ph"], "X");
    ASSERT_TRUE(e["ts"].is_number() && e["dur"].is_number()) << e;
    EXPECT_FALSE(e["name"].get<std::string>().empty());
    EXPECT_GE(e["dur"].get<double>(), 0);
    EXPECT_GE(e["ts"].get<double>() + 1e-3, end[e["tid"].get<int>()]) << "overlaps the event before it: " << e;
    end[e["tid"].get<int>()] = e["ts"].get<double>() + e["dur"].get<double>();
    ++spans;
  }
  EXPECT_EQ(meta, (std::set<std::string>{"process_name", "thread_name"}));
  EXPECT_GT(spans, 10);
  EXPECT_EQ(trace["displayTimeUnit"], "ms");
  EXPECT_EQ(trace["otherData"]["entry"], "main");
}

}  // namespace
}  // namespace gf::test
