// gf-convert: flags, report, entries, state, metadata, and what it says about models it cannot take.
#include <array>

#include "converter/onnx/writer.h"
#include "tests/tools/tool_support.h"

namespace gf::test {
namespace {

TEST_F(Tools, ConvertWritesAFileThatOtherToolsRead) {
  const ToolResult r = tool("gf-convert", digits_onnx() + " -o " + path("a.gf"));
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("entry 'main': image (float32 1x1x28x28) -> probabilities (float32 1x10)"), std::string::npos)
      << r.out;
  const Json info = tool("gf-info", path("a.gf") + " --json").json();
  EXPECT_EQ(info["format_version"].get<std::string>().substr(0, 2), "1.");
  EXPECT_EQ(info["metadata"]["image"].get<std::string>(), "nchw,gray,scale=1/255");
}

// What gf-run -v prints node by node.
TEST_F(Tools, InfoListsTheKernels) {
  const Json best = tool("gf-info", digits() + " --json").json()["entries"][0];
  int nodes = 0;
  for (const Json& row : best["kernels"]) {
    GF_EXPECT_FIELDS(row, "op", "kernel", "refused", "count");
    nodes += row["count"].get<int>();
  }
  EXPECT_EQ(nodes, best["nodes"].get<int>());
  const auto kernel_of_conv = [&](const std::string& flags) -> std::string {
    const Json info = tool("gf-info", digits() + " --json " + flags).json();
    for (const Json& row : info["entries"][0]["kernels"])
      if (row["op"] == "conv") return row["kernel"];
    return "";
  };
  EXPECT_EQ(kernel_of_conv("--prefer portable"), "conv_portable");
  EXPECT_NE(kernel_of_conv("--prefer simd"), "conv_portable");
}

TEST_F(Tools, ConvertIsDeterministic) {
  ASSERT_EQ(tool("gf-convert", digits_onnx() + " -o " + path("a.gf")).code, 0);
  ASSERT_EQ(tool("gf-convert", digits_onnx() + " -o " + path("b.gf")).code, 0);
  EXPECT_EQ(read_text(path("a.gf")), read_text(path("b.gf")));
}

TEST_F(Tools, ConvertReportSaysWhatEveryPassDid) {
  ASSERT_EQ(tool("gf-convert", digits_onnx() + " -o " + path("a.gf") + " --report " + path("r.json")).code, 0);
  const Json report = Json::parse(read_text(path("r.json")));
  GF_EXPECT_FIELDS(report, "inputs", "ops_before", "ops_after", "passes", "fused", "entries", "notes", "file_bytes");
  EXPECT_LT(report["ops_after"].get<int>(), report["ops_before"].get<int>());
  ASSERT_FALSE(report["passes"].empty());
  for (const Json& pass : report["passes"])
    GF_EXPECT_FIELDS(pass, "pass", "changes", "ops_before", "ops_after", "notes");
  ASSERT_EQ(report["entries"].size(), 1u);
  const Json& plan = report["entries"][0]["memory_plan"];
  EXPECT_GT(plan["activation_bytes"].get<int64_t>(), 0);
  EXPECT_LE(plan["activations_over_live"].get<double>(), 1.25);
  EXPECT_EQ(report["inputs"][0]["ops"]["Conv"], 2);
}

TEST_F(Tools, ConvertJsonIsOneObject) {
  const Json j = tool("gf-convert", digits_onnx() + " -o " + path("a.gf") + " --json").json();
  GF_EXPECT_FIELDS(j, "output", "passes", "entries");
}

TEST_F(Tools, ConvertFoldsBatchNormalization) {
  ASSERT_EQ(tool("gf-convert", digits_onnx() + " -o " + path("a.gf")).code, 0);
  const Json info = tool("gf-info", path("a.gf") + " --json").json();
  ASSERT_FALSE(info["ops"].empty());
  for (const Json& row : info["ops"]) EXPECT_NE(row["op"], "batch_norm");
}

TEST_F(Tools, ConvertDimGivesBounds) {
  ASSERT_EQ(tool("gf-convert", digits_onnx() + " -o " + path("n.gf") + " --dim N=1..8").code, 0);
  const Json input = tool("gf-info", path("n.gf") + " --json").json()["entries"][0]["inputs"][0];
  EXPECT_EQ(input["shape"], Json::parse(R"(["N",1,28,28])"));
  EXPECT_EQ(input["bounds"], Json::parse("[8,1,28,28]"));
}

TEST_F(Tools, ConvertShapeFixesAnInput) {
  ASSERT_EQ(tool("gf-convert", digits_onnx() + " -o " + path("n.gf") + " --shape image=5x1x28x28").code, 0);
  EXPECT_EQ(tool("gf-info", path("n.gf") + " --json").json()["entries"][0]["outputs"][0]["shape"],
            Json::parse("[5,10]"));
}

TEST_F(Tools, ConvertSeveralEntriesShareWeights) {
  ASSERT_EQ(
      tool("gf-convert", digits_onnx() + " batch=" + digits_onnx() + " -o " + path("two.gf") + " --entry single").code,
      0);
  const Json two = tool("gf-info", path("two.gf") + " --json").json(),
             one = tool("gf-info", digits() + " --json").json();
  ASSERT_EQ(two["entries"].size(), 2u);
  EXPECT_EQ(two["entries"][0]["name"], "single");
  EXPECT_EQ(two["entries"][1]["name"], "batch");
  EXPECT_EQ(two["weights_bytes"], one["weights_bytes"]);
  EXPECT_EQ(
      tool("gf-run", path("two.gf") + " --entry batch --top 1 --json --input " + digit(9)).json()["top"][0]["label"],
      "nine");
  expect_error("gf-run", path("two.gf") + " --entry other --input " + digit(9), 2, "there are: single, batch");
}

TEST_F(Tools, ConvertMetadataFromFileAndText) {
  const std::string labels = folder_.write("labels.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n").string();
  ASSERT_EQ(tool("gf-convert",
                 digits_onnx() + " -o " + path("m.gf") + " --meta labels=" + labels + " --meta licence=Apache-2.0")
                .code,
            0);
  EXPECT_EQ(tool("gf-info", path("m.gf") + " --json").json()["metadata"]["licence"], "Apache-2.0");
  EXPECT_EQ(tool("gf-run", path("m.gf") + " --top 1 --json --input " + digit(2)).json()["top"][0]["label"], "c");
  expect_error("gf-convert", digits_onnx() + " --meta labels=" + path("no.txt"), 1, "no.txt");
}

TEST_F(Tools, ConvertBindMakesAnInputConstant) {
  ASSERT_EQ(
      tool("gf-convert", digits_onnx() + " -o " + path("b.gf") + " --image gray,scale=1/255 --bind image=" + digit(4))
          .code,
      0);
  const Json info = tool("gf-info", path("b.gf") + " --json").json();
  EXPECT_TRUE(info["entries"][0]["inputs"].empty());
  const Json run = tool("gf-run", path("b.gf") + " --top 1 --json").json();
  EXPECT_EQ(run["top"][0]["label"], "four");
}

TEST_F(Tools, ConvertStateDisappearsFromInputsAndOutputs) {
  const std::string model = source_path("tests/golden/lstm/model.onnx").string();
  ASSERT_EQ(tool("gf-convert", model + " -o " + path("s.gf") + " --state hn=h0 --state cn=c0").code, 0);
  const Json entry = tool("gf-info", path("s.gf") + " --json").json()["entries"][0];
  ASSERT_EQ(entry["state"].size(), 2u);
  for (const Json& port : entry["inputs"]) EXPECT_NE(port["name"], "h0");
  for (const Json& port : entry["outputs"]) EXPECT_NE(port["name"], "hn");
  expect_error("gf-convert", model + " --state hn=nothing -o " + path("t.gf"), 2, "--state hn=nothing");
}

TEST_F(Tools, ConvertOptimisationLevelsGiveTheSameAnswer) {
  std::vector<double> first;
  for (const char* level : {"-O0", "-O1", "-O2", "-O3"}) {
    ASSERT_EQ(tool("gf-convert", digits_onnx() + " -o " + path("o.gf") + " " + level).code, 0) << level;
    const Json run = tool("gf-run", path("o.gf") + " --top 3 --json --input " + digit(0)).json();
    std::vector<double> probabilities;
    for (const Json& row : run["top"]) probabilities.push_back(row["probability"]);
    if (first.empty()) first = probabilities;
    for (size_t i = 0; i < first.size(); ++i) EXPECT_NEAR(probabilities[i], first[i], 1e-5) << level;
  }
}

TEST_F(Tools, ConvertListOps) {
  const Json all = tool("gf-convert", "--list-ops --json").json();
  bool softmax = false;
  for (const Json& row : all["ops"]) softmax = softmax || row["op"] == "Softmax";
  EXPECT_TRUE(softmax);
  const ToolResult used = tool("gf-convert", "--list-ops " + digits_onnx());
  EXPECT_EQ(used.code, 0);
  EXPECT_NE(used.out.find("BatchNormalization"), std::string::npos);
}

TEST_F(Tools, ConvertLeavesNoFileBehindOnFailure) {
  const std::string broken = folder_.write("broken.onnx", read_text(digits_onnx()).substr(0, 30000)).string();
  expect_error("gf-convert", broken + " -o " + path("x.gf"), 1, "broken.onnx");
  EXPECT_FALSE(std::filesystem::exists(path("x.gf")));
}

TEST_F(Tools, ConvertKeepsTheOldFileOnFailure) {
  folder_.write("x.gf", "old");
  expect_error("gf-convert", digits_onnx() + " -o " + path("x.gf") + " --shape image=1x3x28x28", 1, "'image'");
  EXPECT_EQ(read_text(path("x.gf")), "old");
}

// Two operators that nobody knows and one that everybody does.
std::string model_with_unknown_operators() {
  onnx::Model m;
  m.ir_version = 8;
  m.opset_import = {{"", 17}, {"com.example", 1}};
  m.graph.name = "g";
  using Row = std::array<const char*, 4>;
  for (const auto& [domain, op, in, out] : {Row{"com.example", "Frobnicate", "x", "a"}, Row{"", "Relu", "x", "b"},
                                            Row{"com.example", "Wobble", "b", "c"}}) {
    onnx::Node n;
    n.domain = domain;
    n.op_type = op;
    n.name = std::string("node_") + op;
    n.input = {in};
    n.output = {out};
    m.graph.node.push_back(n);
  }
  const auto value = [](const char* name) {
    onnx::ValueInfo v;
    v.name = name;
    v.type = onnx::make_tensor_type(DType::F32, {onnx::make_dim(2)});
    return v;
  };
  m.graph.input = {value("x")};
  m.graph.output = {value("a"), value("c")};
  const std::vector<std::byte> bytes = onnx::write_model(m);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(Tools, ConvertListsEverythingUnsupportedAtOnce) {
  const std::string model = folder_.write("unknown.onnx", model_with_unknown_operators()).string();
  const ToolResult r = tool("gf-convert", model + " -o " + path("u.gf"));
  EXPECT_EQ(r.code, 3) << r.err;
  for (const char* text : {"2 nodes are not supported", "com.example.Frobnicate", "node_Frobnicate",
                           "com.example.Wobble", "node_Wobble", "opset 1"})
    EXPECT_NE(r.err.find(text), std::string::npos) << text << "\n" << r.err;
  EXPECT_EQ(r.err.find("Relu"), std::string::npos) << r.err;
  EXPECT_FALSE(std::filesystem::exists(path("u.gf")));
  EXPECT_EQ(tool("gf-run", model + " --input x=zeros").code, 3);
  EXPECT_EQ(tool("gf-info", model).code, 3);
  const ToolResult list = tool("gf-convert", "--list-ops " + model);
  EXPECT_EQ(list.code, 3);
  EXPECT_NE(list.out.find("com.example.Wobble  NOT SUPPORTED"), std::string::npos) << list.out;
}

TEST_F(Tools, ConvertBackToOnnx) {
  const std::string onnx = path("again.onnx"), gf = path("again.gf");
  const Json j = tool("gf-convert", digits() + " -o " + onnx + " --meta note=hello --json").json();
  EXPECT_EQ(j["opset"], 17);
  EXPECT_EQ(j["nodes"].get<size_t>() > 3, true);
  EXPECT_FALSE(j["ops"].contains("Transpose")) << j.dump();
  ASSERT_EQ(tool("gf-convert", onnx + " -o " + gf).code, 0);
  EXPECT_EQ(tool("gf-info", gf + " --json").json()["metadata"]["note"], "hello");
  const auto top = [&](const std::string& model) {
    return tool("gf-run", model + " --input image=" + digit(4) + " --top 3 --json").json()["top"];
  };
  const Json before = top(digits()), after = top(gf);
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i]["index"], after[i]["index"]);
    EXPECT_NEAR(before[i]["score"].get<double>(), after[i]["score"].get<double>(), 1e-5);
  }
}

TEST_F(Tools, ConvertBackToOnnxAsksForAnEntry) {
  ASSERT_EQ(tool("gf-convert", digits_onnx() + " batch=" + digits_onnx() + " -o " + path("two.gf") + " --entry single").code, 0);
  expect_error("gf-convert", path("two.gf") + " -o " + path("two.onnx"), 2, "single, batch");
  expect_error("gf-convert", path("two.gf") + " -o " + path("two.onnx") + " --entry third", 1, "single, batch");
  EXPECT_EQ(tool("gf-convert", path("two.gf") + " -o " + path("two.onnx") + " --entry batch").code, 0);
}

TEST_F(Tools, ConvertWrongUsage) {
  expect_error("gf-convert", digits() + " -o " + path("x.gf"), 2, "gf-convert IN.gf -o OUT.onnx");
  expect_error("gf-convert", digits() + " -o " + path("x.onnx") + " --shape image=1x1x28x28", 2, "come from ONNX");
  expect_error("gf-convert", path("none.gf") + " -o " + path("x.onnx"), 1, "there is no file");
  expect_error("gf-convert", digits_onnx() + " -o " + path("x.onnx"), 2, "name a .gf");
  expect_error("gf-convert", "", 2, "give an ONNX file");
  expect_error("gf-convert", path("none.onnx"), 1, "there is no file");
  expect_error("gf-convert", path(""), 1, "is a folder");
  expect_error("gf-convert", digits_onnx() + " --shape picture=1x1x28x28", 2, "there are: image");
  expect_error("gf-convert", digits_onnx() + " --shape image=1xtwox28x28", 2, "'two'");
  expect_error("gf-convert", digits_onnx() + " --shape image", 2, "NAME=VALUE");
  expect_error("gf-convert", digits_onnx() + " --dim M=1..4", 2, "--dim names 'M'");
  expect_error("gf-convert", digits_onnx() + " --dim N=4..1", 2, "--dim N");
  expect_error("gf-convert", digits_onnx() + " --bind picture=" + digit(0), 2, "--bind names 'picture'");
  expect_error("gf-convert", digits_onnx() + " " + digits_onnx(), 2, "needs the name of its entry");
  expect_error("gf-convert", digits_onnx() + " --sideways", 2, "--sideways");
  expect_error("gf-convert", digits_onnx() + " -O7", 2, "-O");
  expect_error("gf-convert", digits_onnx() + " -o " + path("no/such/folder/x.gf"), 1, "does not exist");
  expect_error("gf-convert", digits_onnx() + " --entry a a=" + digits_onnx() + " -o " + path("x.gf"), 2,
               "two entries are called 'a'");
}

TEST_F(Tools, FlagsOfLaterVersionsSaySo) {
  for (const char* flag : {"--quantize int8", "--calibrate x", "--precision bf16", "--pack avx2", "--storage f16"})
    expect_error("gf-convert", digits_onnx() + " " + flag, 2, "later version");
}

TEST_F(Tools, HelpHasExamplesAndVersionIsOnStdout) {
  for (const char* name : {"gf-convert", "gf-info", "gf-run", "gf-bench", "gf-diff"}) {
    const ToolResult help = tool(name, "--help");
    EXPECT_EQ(help.code, 0) << name;
    EXPECT_NE(help.out.find("Examples:"), std::string::npos) << name;
    const ToolResult version = tool(name, "--version");
    EXPECT_EQ(version.code, 0) << name;
    EXPECT_EQ(version.out.find(std::string(name) + " "), 0u) << version.out;
  }
}

}  // namespace
}  // namespace gf::test
