// needs: GF_CONVERTER GF_TOOLS GF_IO GF_OPS_CPU
// The promise of FORMAT.md: the file of format 1.0 loads and answers as it did. Its bytes are known here, so that nobody
// makes it anew; the answers are ONNX Runtime's (README.md).
#include <cmath>
#include <map>
#include <set>

#include "facade/graph_view.h"
#include "facade/host_run.h"
#include "io/file.h"
#include "io/npy.h"
#include "runtime/core/crc32c.h"
#include "tests/support/test_data.h"
#include "tools/common/golden.h"

namespace gf::test {
namespace {

constexpr size_t kBytes = 14226;
constexpr uint32_t kChecksum = 0x1e3a3abb;

std::string file_path() { return source_path("tests/format/v1_0.gf").string(); }

Model load(bool tuned = true) {
  ModelOptions options;
  options.verify_data = true;
  options.threads = 1;
  if (!tuned) options.isa = Isa::Portable;
  options.xnnpack = tuned;
  return Model::load(file_path(), options);
}

std::map<std::string, HostTensor> answers() {
  std::map<std::string, HostTensor> out;
  for (io::NamedArray& a : io::read_npz(source_path("tests/format/v1_0.npz").string())) out[a.name] = std::move(a.array);
  return out;
}

void expect_close(const HostTensor& actual, const HostTensor& expected, const std::string& what) {
  ASSERT_EQ(actual.shape, expected.shape) << what;
  const std::vector<double> a = actual.as<double>(), b = expected.as<double>();
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-5 + 1e-4 * std::abs(b[i])) << what << " at " << i;
}

TEST(FormatCompatibility, TheFileIsTheOneOfTheRelease) {
  const io::Bytes bytes = io::read_file(file_path());
  EXPECT_EQ(bytes.size(), kBytes) << "v1_0.gf is never made again, see README.md";
  EXPECT_EQ(crc32c(bytes.data(), bytes.size()), kChecksum) << "v1_0.gf is never made again, see README.md";
  EXPECT_LT(bytes.size(), 60'000u);
}

TEST(FormatCompatibility, HoldsEveryPartOfTheFormat) {
  const Model model = load();
  const Program& p = model.program();
  const FileInfo info = file_info(p);
  EXPECT_EQ(info.version_major, 1);
  EXPECT_EQ(info.version_minor, 0);
  EXPECT_EQ(p.entry_count(), 2);
  EXPECT_EQ(p.state_count(), 1);
  EXPECT_EQ(p.state(0).name, "h");
  EXPECT_EQ(p.metadata("labels"), "north\neast\nsouth\nwest\n");
  EXPECT_EQ(p.metadata("license"), "Apache-2.0");
  EXPECT_EQ(p.section_count("golden"), 1);
  const int entry = p.find_entry("main");
  ASSERT_EQ(p.symbol_count(entry), 1);
  EXPECT_EQ(p.symbol(entry, 0).name, "N");
  EXPECT_EQ(p.symbol(entry, 0).lo, 1);
  EXPECT_EQ(p.symbol(entry, 0).hi, 4);
  const GraphView g = view_graph(p, entry);
  std::set<std::string> ops;
  for (const GraphNode& n : g.nodes) ops.insert(n.info.op);
  for (const char* op : {"if", "loop", "quantize_linear", "conv", "layer_norm", "softmax"}) EXPECT_TRUE(ops.contains(op)) << op;
  EXPECT_EQ(g.graphs.size(), 4u);
  bool splat = false, expression = false, quantized = false;
  for (const GraphTensor& t : g.tensors) {
    splat = splat || t.splat;
    quantized = quantized || !t.quantization.empty();
    for (const std::string& d : t.shape) expression = expression || d == "N";
  }
  EXPECT_TRUE(splat);
  EXPECT_TRUE(quantized);
  EXPECT_TRUE(expression);
}

TEST(FormatCompatibility, AnswersAreThoseOfOnnxRuntime) {
  const auto expected = answers();
  for (const bool tuned : {false, true}) {
    Model model = load(tuned);
    for (int r = 0; r < 3; ++r) {
      const std::string run = "main_" + std::to_string(r);
      const auto out = run_named(model, {{"x", expected.at(run + "_in_x")}, {"flag", expected.at(run + "_in_flag")}}, "main");
      ASSERT_GE(out.size(), 3u);
      for (const auto& [name, tensor] : out)
        if (name != "h_out") expect_close(tensor, expected.at(run + "_out_" + name), run + " " + name);
      HostTensor h = HostTensor::zeros(DType::F32, {8});
      ASSERT_EQ(model.state()->read("h", h.data.data(), h.data.size()), Error::Ok);
      expect_close(h, expected.at(run + "_out_h_out"), run + " state");
    }
    for (const auto& [name, tensor] : run_named(model, {{"a", expected.at("second_0_in_a")}}, "second"))
      expect_close(tensor, expected.at("second_0_out_" + name), name);
  }
}

TEST(FormatCompatibility, GoldenSectionHolds) {
  for (const bool tuned : {false, true}) {
    Model model = load(tuned);
    const auto golden = cli::read_golden(model.program());
    ASSERT_TRUE(golden.has_value());
    EXPECT_EQ(golden->runs.size(), 4u);
    for (const cli::GoldenResult& r : cli::verify_golden(model, *golden)) EXPECT_TRUE(r.comparison.equal) << r.entry << " " << r.comparison.detail;
  }
}

}  // namespace
}  // namespace gf::test
