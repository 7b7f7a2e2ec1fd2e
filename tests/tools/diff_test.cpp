// gf-diff: references, layers, suites; and the quick start's answer.
#include "facade/evaluate.h"
#include "io/npy.h"
#include "tests/tools/tool_support.h"

namespace gf::test {
namespace {

std::string golden(const std::string& net) { return source_path("tests/golden/" + net).string(); }

TEST_F(Tools, DiffAgainstAFolderOfTheBackendLayout) {
  const ToolResult r = tool("gf-diff", golden("mlp") + "/model.onnx --reference " + golden("mlp") + " --json");
  EXPECT_EQ(r.code, 0) << r.out << r.err;
  const Json j = r.json();
  EXPECT_EQ(j["passed"], true);
  ASSERT_EQ(j["outputs"].size(), 1u);
  GF_EXPECT_FIELDS(j["outputs"][0], "name", "equal", "max_abs", "max_rel", "detail");
}

TEST_F(Tools, DiffAgainstAnNpzOfItsOwnAnswers) {
  const Json run = tool("gf-run", digits() + " --json --output-dir " + path("out") + " --input image=random:5").json();
  std::vector<io::NamedArray> arrays;
  arrays.push_back({"image", io::Array::zeros(DType::F32, {1, 1, 28, 28})});
  const Json zeros = tool("gf-run", digits() + " --json --output-dir " + path("zeros") + " --input image=zeros").json();
  arrays.push_back({"probabilities", io::read_npy(zeros["outputs"][0]["file"])});
  io::write_npz(path("ref.npz"), arrays);
  EXPECT_EQ(tool("gf-diff", digits() + " --reference " + path("ref.npz")).code, 0);
  arrays[1].array = io::read_npy(run["outputs"][0]["file"]);
  io::write_npz(path("other.npz"), arrays);
  const ToolResult differs = tool("gf-diff", digits() + " --reference " + path("other.npz") + " --json");
  EXPECT_EQ(differs.code, 1);
  EXPECT_EQ(differs.json()["passed"], false);
  EXPECT_EQ(tool("gf-diff", digits() + " --reference " + path("other.npz") + " --atol 2").code, 0);
}

TEST_F(Tools, DiffLayersFindsThePlantedNode) {
  const ToolResult clean = tool("gf-diff", golden("mlp") + "/model.onnx --layers --json --reference " + golden("mlp"));
  EXPECT_EQ(clean.code, 0) << clean.out << clean.err;
  EXPECT_TRUE(clean.json()["first_difference"].is_null());
  EXPECT_NE(clean.json()["reference"], "given");
  // a reference with a value inside the model that is wrong: the node that writes it is named
  const Json nodes = clean.json()["nodes"];
  ASSERT_GT(nodes.size(), 2u);
  const std::string value = nodes[1]["output"];
  std::filesystem::copy(golden("mlp") + "/test_data_set_0", path("ref"));
  std::string file = value;
  for (char& c : file)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-') c = '_';
  io::write_npy(path("ref") + "/" + file + ".npy", io::Array::from(std::vector<float>{1e6f, 1e6f}));
  const ToolResult r = tool("gf-diff", golden("mlp") + "/model.onnx --layers --json --reference " + path("ref"));
  EXPECT_EQ(r.code, 1);
  const Json j = r.json();
  EXPECT_EQ(j["reference"], "given");
  GF_EXPECT_FIELDS(j["first_difference"], "node", "op", "max_abs", "max_rel");
  EXPECT_EQ(j["first_difference"]["output"], value);
}

TEST_F(Tools, DiffWrongUsage) {
  expect_error("gf-diff", "", 2, "either a model or --suite");
  expect_error("gf-diff", digits(), 2, "--reference");
  expect_error("gf-diff", digits() + " --reference " + path("none"), 1, "there is no reference");
  expect_error("gf-diff", "--suite " + path("none"), 1, "is not a folder");
  expect_error("gf-diff", digits() + " --layers --reference " + golden("mlp"), 2, "needs the .onnx");
  io::write_npz(path("ref.npz"), {{"picture", io::Array::zeros(DType::F32, {1, 1, 28, 28})}});
  expect_error("gf-diff", digits() + " --reference " + path("ref.npz"), 1, "lacks input 'image' (it has: picture)");
}

// A suite with a right case, a wrong one, an unreadable one.
TEST_F(Tools, SuiteCountsEveryKindOfCase) {
  std::filesystem::create_directory(path("suite"));
  std::filesystem::copy(golden("mlp"), path("suite/right"), std::filesystem::copy_options::recursive);
  std::filesystem::copy(golden("mlp"), path("suite/wrong"), std::filesystem::copy_options::recursive);
  std::filesystem::copy_file(path("suite/wrong/test_data_set_0/input_0.pb"),
                             path("suite/wrong/test_data_set_0/output_0.pb"),
                             std::filesystem::copy_options::overwrite_existing);
  folder_.write("suite/broken/model.onnx", "this is no model");
  const ToolResult r = tool("gf-diff", "--suite " + path("suite") + " --json --rtol 1e-3 --atol 1e-4 --jobs 2");
  EXPECT_EQ(r.code, 1);
  const Json j = r.json();
  GF_EXPECT_FIELDS(j, "passed", "failed", "unsupported", "crashed", "timed_out", "cases");
  EXPECT_EQ(j["passed"], 1);
  EXPECT_EQ(j["failed"], 2);
  EXPECT_EQ(j["crashed"], 0);
  ASSERT_EQ(j["cases"].size(), 3u);
  for (const Json& c : j["cases"]) GF_EXPECT_FIELDS(c, "name", "status", "set", "detail", "max_abs", "max_rel");
  EXPECT_EQ(j["cases"][2]["name"], "wrong");
  EXPECT_EQ(j["cases"][2]["set"], "test_data_set_0");
  EXPECT_EQ(tool("gf-diff", "--suite " + path("suite") + " --filter right --rtol 1e-3 --atol 1e-4").code, 0);
  expect_error("gf-diff", "--suite " + path("suite") + " --filter nothing", 1, "no case that matches");
}

TEST_F(Tools, SuiteReadsTheLightLayout) {
  GF_SKIP_WITHOUT_DATA("onnx-backend/light/light_squeezenet.onnx");
  const ToolResult r =
      tool("gf-diff", "--suite " + data_path("onnx-backend/light").string() + " --filter light_s* --json");
  EXPECT_EQ(r.code, 0) << r.out << r.err;
  EXPECT_EQ(r.json()["passed"], 2);
}

TEST_F(Tools, QuickstartGivesAReadableAnswer) {
  const ToolResult r = run_command("sh " + source_path("examples/quickstart.sh").string() + " --bin " +
                                       tool_path("").string() + " --out " + path("quick"),
                                   folder_);
  EXPECT_EQ(r.code, 0) << r.out << r.err;
  size_t at = 0;
  for (const char* text :
       {"A digit", "label", "probability", "seven", "time ", " ms", "memory ", "heap allocations in run: "}) {
    at = r.out.find(text, at);
    ASSERT_NE(at, std::string::npos) << text << "\n" << r.out;
  }
  const bool counted = r.out.find("heap allocations in run: not counted") == std::string::npos;
  EXPECT_TRUE(!counted || r.out.find("heap allocations in run: 0\n") != std::string::npos) << r.out;
  if (std::filesystem::exists(source_path("../shared/data/models/squeezenet"))) {
    const size_t fish = r.out.find("A fish");
    ASSERT_NE(fish, std::string::npos);
    EXPECT_NE(r.out.find("tench, Tinca tinca", fish), std::string::npos);
  }
  EXPECT_EQ(run_command("sh " + source_path("examples/quickstart.sh").string() + " --wrong", folder_).code, 2);
}

}  // namespace
}  // namespace gf::test
