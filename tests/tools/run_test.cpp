// gf-run and gf-bench and gf-info: answers, JSON fields, files, streams, and error texts.
#include <cmath>

#include "io/npy.h"
#include "tests/tools/tool_support.h"

namespace gf::test {
namespace {

TEST_F(Tools, RunClassifiesTheDigits) {
  const std::pair<int, const char*> expected[] = {{0, "zero"}, {2, "two"}, {4, "four"}, {7, "seven"}, {9, "nine"}};
  for (const auto& [which, label] : expected) {
    const Json top = tool("gf-run", digits() + " --top 3 --json --input image=" + digit(which)).json()["top"];
    ASSERT_EQ(top.size(), 3u);
    EXPECT_EQ(top[0]["label"], label);
    EXPECT_EQ(top[0]["index"], which);
    EXPECT_GT(top[0]["probability"].get<double>(), 0.9);
  }
}

TEST_F(Tools, RunJsonHasTheFieldsOfTheContract) {
  const Json j = tool("gf-run", digits() + " --json --output-dir " + path("out") + " --input " + digit(7)).json();
  GF_EXPECT_FIELDS(j, "entry", "run_ms", "heap_allocations_in_run", "outputs", "top");
  EXPECT_EQ(j["entry"], "main");
  EXPECT_GT(j["run_ms"].get<double>(), 0);
  EXPECT_TRUE(j["heap_allocations_in_run"].is_null() || j["heap_allocations_in_run"] == 0)
      << j["heap_allocations_in_run"];
  ASSERT_EQ(j["outputs"].size(), 1u);
  const Json& output = j["outputs"][0];
  EXPECT_EQ(output["name"], "probabilities");
  EXPECT_EQ(output["dtype"], "float32");
  EXPECT_EQ(output["shape"], Json::parse("[1,10]"));
  EXPECT_EQ(output["file"], path("out") + "/probabilities.npy");
  const io::Array array = io::read_npy(output["file"]);
  EXPECT_EQ(array.shape, (std::vector<int64_t>{1, 10}));
  float sum = 0;
  for (float v : array.view<float>()) sum += v;
  EXPECT_NEAR(sum, 1, 1e-5);
}

TEST_F(Tools, RunTextIsReadable) {
  const ToolResult r = tool("gf-run", digits() + " --top 2 --input " + digit(7));
  EXPECT_EQ(r.code, 0) << r.err;
  for (const char* text : {"class", "label", "probability", "seven", "time ", "memory ", "heap allocations in run: "})
    EXPECT_NE(r.out.find(text), std::string::npos) << text << "\n" << r.out;
}

TEST_F(Tools, RunTakesAnOnnxFileAsItIs) {
  const Json j = tool("gf-run", digits_onnx() + " --top 1 --json --input " + digit(4)).json();
  EXPECT_EQ(j["top"][0]["label"], "four");
}

TEST_F(Tools, RunOpenDimensionsOfAnOnnxTakeTheFilesSize) {
  io::write_npy(path("three.npy"), io::Array::zeros(DType::F32, {3, 1, 28, 28}));
  const Json j = tool("gf-run", digits_onnx() + " --json --input image=" + path("three.npy")).json();
  EXPECT_EQ(j["outputs"][0]["shape"], Json::parse("[3,10]"));
}

TEST_F(Tools, RunEveryInstructionSetAndThreadCountAgrees) {
  for (const char* flags : {"--isa portable", "--isa avx2", "--no-xnnpack", "--threads 1", "--threads 3"}) {
    const Json j = tool("gf-run", digits() + " --top 1 --json " + flags + " --input " + digit(2)).json();
    EXPECT_EQ(j["top"][0]["label"], "two") << flags;
  }
}

TEST_F(Tools, RunRepeatKeepsState) {
  // the same input three times over is not one input: hidden and cell state have moved on
  const std::string model = source_path("tests/golden/lstm/model.onnx").string();
  ASSERT_EQ(tool("gf-convert", model + " -o " + path("s.gf") + " --state hn=h0 --state cn=c0").code, 0);
  const std::string name = tool("gf-info", path("s.gf") + " --json").json()["entries"][0]["inputs"][0]["name"];
  const std::string run = path("s.gf") + " --input " + name + "=ones --json --output-dir ";
  const Json once = tool("gf-run", run + path("one")).json(),
             thrice = tool("gf-run", run + path("three") + " --repeat 3").json();
  EXPECT_EQ(thrice["runs"], 3);
  EXPECT_NE(read_text(once["outputs"][0]["file"].get<std::string>()),
            read_text(thrice["outputs"][0]["file"].get<std::string>()));
}

TEST_F(Tools, RunStreamCutsWindowsAndStacks) {
  // 2,000 pixels are two and a half digits of 784: three windows, the last filled with zeros
  std::string text;
  for (int i = 0; i < 2000; ++i) text += (i % 7 == 0 ? "1\n" : "0\n");
  const std::string file = folder_.write("long.csv", text).string();
  const Json j =
      tool("gf-run", digits() + " --json --stream image=784 --output-dir " + path("out") + " --input image=" + file)
          .json();
  EXPECT_EQ(j["windows"], 3);
  EXPECT_EQ(j["outputs"][0]["shape"], Json::parse("[3,1,10]"));
  const Json overlapping = tool("gf-run", digits() + " --json --stream image=784:392 --input image=" + file).json();
  EXPECT_EQ(overlapping["windows"], 5);  // 1 + ceil((2000 - 784) / 392)
  // the first window alone gives the first row
  std::string head;
  for (int i = 0; i < 784; ++i) head += (i % 7 == 0 ? "1\n" : "0\n");
  const Json alone = tool("gf-run", digits() + " --json --output-dir " + path("one") +
                                        " --input image=" + folder_.write("head.csv", head).string())
                         .json();
  const io::Array all = io::read_npy(j["outputs"][0]["file"]), one = io::read_npy(alone["outputs"][0]["file"]);
  for (size_t i = 0; i < 10; ++i) EXPECT_EQ(all.view<float>()[i], one.view<float>()[i]);
}

TEST_F(Tools, RunVerboseNamesKernels) {
  const ToolResult r = tool("gf-run", digits() + " -v --input image=zeros");
  EXPECT_EQ(r.code, 0);
  EXPECT_NE(r.err.find("conv"), std::string::npos) << r.err;
}

TEST_F(Tools, RunStrictRefusesReferenceKernels) {
  // the detector's last stage has a portable kernel only; the digit net has tuned ones for everything
  const std::string detector = source_path("tests/golden/yolo_nms/model.onnx").string();
  const ToolResult r = tool("gf-run", detector + " --strict --input image=zeros");
  EXPECT_EQ(r.code, 3) << r.err;
  EXPECT_NE(r.err.find("non_max_suppression"), std::string::npos) << r.err;
  EXPECT_EQ(tool("gf-run", digits() + " --strict --input image=zeros").code, 0);
}

TEST_F(Tools, RunWrongInputs) {
  const std::string d = digits();
  expect_error("gf-run", d, 2, "input 'image' is missing");
  expect_error("gf-run", d + " --input picture=" + digit(0), 2,
               "there is no input 'picture'; inputs of 'main': image (float32 1x1x28x28)");
  expect_error("gf-run", d + " --input image=" + path("none.npy"), 1, "none.npy");
  expect_error("gf-run", d + " --input image=" + folder_.write("x.mp3", "x").string(), 2, "x.mp3");
  expect_error("gf-run", d + " --entry decode --input " + digit(0), 2, "no entry 'decode'; there are: main");
  expect_error("gf-run", path("none.gf"), 1, "there is no file");
  expect_error("gf-run", folder_.write("text.gf", std::string(400, 'x')).string() + " --input " + digit(0), 1,
               "text.gf");
  expect_error("gf-run", d + " --input image=random:many", 2, "random:many");
  expect_error("gf-run", d + " --input image=" + digit(0) + " --stream image", 2, "--stream");
  expect_error("gf-run", d + " --input image=" + digit(0) + " --stream image=0", 2, "--stream");
  expect_error("gf-run", d + " --input image=" + digit(0) + " --image nchw,scale=fast", 2, "scale");
  expect_error("gf-run", d + " --input image=zeros --isa pentium", 2, "--isa");
  expect_error("gf-run", d + " --input image=zeros --repeat 0", 2, "--repeat");
}

TEST_F(Tools, RunWrongShapesAndTypes) {
  io::write_npy(path("wide.npy"), io::Array::zeros(DType::F32, {1, 1, 28, 29}));
  expect_error("gf-run", digits() + " --input image=" + path("wide.npy"), 1,
               "has shape 1x1x28x29, input 'image' wants 1x1x28x28");
  io::write_npy(path("nan.npy"), io::Array::from(std::vector<float>{1.5f}));
  const std::string model = source_path("tests/golden/bert/model.onnx").string();
  ASSERT_EQ(tool("gf-convert", model + " -o " + path("b.gf")).code, 0);
  const Json input = tool("gf-info", path("b.gf") + " --json").json()["entries"][0]["inputs"][0];
  ASSERT_EQ(input["dtype"], "int64");
  expect_error("gf-run", path("b.gf") + " --input " + input["name"].get<std::string>() + "=" + path("nan.npy"), 1,
               "element 0 is 1.5");
}

TEST_F(Tools, DamagedFilesAreErrors) {
  const std::string good = read_text(digits());
  std::string flipped = good;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 4);
  expect_error("gf-run", folder_.write("flipped.gf", flipped).string() + " --input image=zeros", 1, "flipped.gf");
  expect_error("gf-info", folder_.write("cut.gf", good.substr(0, good.size() - 100)).string(), 1, "cut.gf");
  expect_error("gf-bench", folder_.write("empty.gf", "").string(), 1, "empty.gf");
}

TEST_F(Tools, InfoJsonHasTheFieldsOfTheContract) {
  const Json j = tool("gf-info", digits() + " --json").json();
  GF_EXPECT_FIELDS(j, "format_version", "producer", "metadata", "entries", "ops", "weights_bytes", "sections");
  const Json& e = j["entries"][0];
  GF_EXPECT_FIELDS(e, "name", "inputs", "outputs", "state", "nodes", "macs", "memory");
  EXPECT_EQ(e["inputs"][0]["name"], "image");
  EXPECT_EQ(e["inputs"][0]["dtype"], "float32");
  EXPECT_EQ(e["inputs"][0]["shape"], Json::parse("[1,1,28,28]"));
  // conv 12 x 1 x 3x3 at 28x28, conv 24 x 12 x 3x3 at 14x14, 1176 x 10
  EXPECT_EQ(e["macs"], 12 * 9 * 28 * 28 + 24 * 12 * 9 * 14 * 14 + 24 * 7 * 7 * 10);
  int views = 0;
  for (const Json& row : j["ops"]) {
    GF_EXPECT_FIELDS(row, "op", "dtypes", "count", "view");
    EXPECT_EQ(row["view"], row["op"] == "reshape") << row;  // the pictures become rows; nothing else only names bytes anew
    views += row["view"] == true ? 1 : 0;
  }
  EXPECT_EQ(views, 1);
}

TEST_F(Tools, InfoOfSeveralModelsMergesOps) {
  const Json two = tool("gf-info", digits() + " " + digits() + " --json").json(),
             one = tool("gf-info", digits() + " --json").json();
  ASSERT_EQ(two["models"].size(), 2u);
  ASSERT_EQ(two["ops"].size(), one["ops"].size());
  int all = 0, single = 0;
  for (const Json& row : two["ops"]) all += row["count"].get<int>();
  for (const Json& row : one["ops"]) single += row["count"].get<int>();
  EXPECT_EQ(all, 2 * single);
}

TEST_F(Tools, InfoTextNamesOpsAndMemory) {
  const ToolResult r = tool("gf-info", digits() + " --ops --memory");
  EXPECT_EQ(r.code, 0) << r.err;
  for (const char* text :
       {"entry 'main'", "input  image", "output probabilities", "conv", "activation_bytes", "max_live_bytes"})
    EXPECT_NE(r.out.find(text), std::string::npos) << text << "\n" << r.out;
}

TEST_F(Tools, BenchJsonHasTheFieldsOfTheContract) {
  const Json j = tool("gf-bench", digits() + " --json --min-time 0.05").json();
  GF_EXPECT_FIELDS(j, "model", "entry", "precision", "isa", "threads", "load_ms", "create_ms", "first_run_ms", "run_ms",
                   "heap_allocations_in_run", "rss_before_bytes", "peak_rss_bytes", "memory", "macs", "gflops", "ops");
  GF_EXPECT_FIELDS(j["run_ms"], "median", "min", "mean", "p95", "p99", "count");
  GF_EXPECT_FIELDS(j["memory"], "weights_bytes", "state_bytes", "activation_bytes", "scratch_bytes", "pool_bytes",
                   "create_bytes", "file_bytes", "max_live_bytes");
  EXPECT_EQ(j["threads"], 1);
  EXPECT_GE(j["run_ms"]["count"].get<int>(), 5);
  EXPECT_LE(j["run_ms"]["min"].get<double>(), j["run_ms"]["median"].get<double>());
  EXPECT_LE(j["run_ms"]["median"].get<double>(), j["run_ms"]["p95"].get<double>());
  EXPECT_LE(j["run_ms"]["p95"].get<double>(), j["run_ms"]["p99"].get<double>());
  EXPECT_TRUE(j["heap_allocations_in_run"].is_null() || j["heap_allocations_in_run"] == 0)
      << j["heap_allocations_in_run"];
  EXPECT_EQ(j["memory"]["file_bytes"], std::filesystem::file_size(digits()));
  const size_t nodes = tool("gf-info", digits() + " --json").json()["entries"][0]["nodes"];
  ASSERT_EQ(j["ops"].size(), nodes);
  for (const Json& row : j["ops"]) GF_EXPECT_FIELDS(row, "node", "op", "kernel", "ms", "gflops");
}

TEST_F(Tools, BenchTraceOpensAsATrace) {
  ASSERT_EQ(tool("gf-bench", digits() + " --min-time 0.01 --trace " + path("t.json")).code, 0);
  const Json trace = Json::parse(read_text(path("t.json")));
  ASSERT_TRUE(trace.contains("traceEvents"));
  int nodes = 0;
  for (const Json& e : trace["traceEvents"]) {
    GF_EXPECT_FIELDS(e, "name", "ph", "pid", "tid");
    if (e["ph"] != "X") continue;
    GF_EXPECT_FIELDS(e, "ts", "dur");
    EXPECT_GE(e["ts"].get<double>(), 0);
    EXPECT_GE(e["dur"].get<double>(), 0);
    nodes += e.contains("cat") && e["cat"] == "conv" ? 1 : 0;
  }
  EXPECT_GE(nodes, 2 * 3);  // two convolutions, at least three profiled runs
}

TEST_F(Tools, BenchTableIsSortedByTime) {
  const ToolResult r = tool("gf-bench", digits() + " --min-time 0.02 --ops");
  EXPECT_EQ(r.code, 0) << r.err;
  std::istringstream lines(r.out.substr(r.out.find("GFLOP/s  op")));
  std::string line;
  std::getline(lines, line);
  double last = 1e30;
  int rows = 0;
  for (; std::getline(lines, line); ++rows) {
    const double ms = std::stod(line);
    EXPECT_LE(ms, last);
    last = ms;
  }
  EXPECT_GT(rows, 3);
}

TEST_F(Tools, BenchDefaultInputsWorkForTokens) {
  const ToolResult r =
      tool("gf-bench", source_path("tests/golden/bert/model.onnx").string() + " --json --min-time 0.01");
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(r.json().contains("convert_ms"));
}

TEST_F(Tools, SqueezeNetKnowsTheFish) {
  GF_SKIP_WITHOUT_DATA("models/squeezenet/SqueezeNet_fp16.onnx");
  const std::string folder = data_path("models/squeezenet").string();
  ASSERT_EQ(tool("gf-convert",
                 folder + "/SqueezeNet_fp16.onnx -o " + path("s.gf") + " --meta labels=" + folder + "/labels.txt")
                .code,
            0);
  const ToolResult r = tool("gf-run", path("s.gf") + " --top 5 --json --input " + folder + "/fish.csv");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json j = r.json();
  std::map<int, double> golden;
  std::istringstream lines(read_text(folder + "/golden_fp16_cpu.csv"));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) golden[std::stoi(line)] = std::stod(line.substr(line.find(',') + 1));
  const int order[] = {0, 389, 395, 5, 390};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(j["top"][i]["index"], order[i]);
    EXPECT_NEAR(j["top"][i]["probability"].get<double>(), golden[order[i]], 1e-3);
  }
  EXPECT_EQ(j["top"][0]["label"], "tench, Tinca tinca");
}

TEST_F(Tools, SileroGraphsAgreeOverAStream) {
  GF_SKIP_WITHOUT_DATA("models/silero-vad/test.wav");
  const std::string folder = data_path("models/silero-vad").string();
  ASSERT_EQ(
      tool("gf-convert", folder + "/silero_vad_16k_static.onnx -o " + path("a.gf") + " --state stateN=state").code, 0);
  const std::string rate = folder_.write("rate.csv", "16000\n").string();
  ASSERT_EQ(tool("gf-convert", folder + "/silero_vad_16k_op15.onnx -o " + path("b.gf") +
                                   " --state stateN=state --shape input=1x576 --shape state=2x1x128 --bind sr=" + rate)
                .code,
            0);
  const std::string stream = " --stream input=576:512 --json --input input=" + folder + "/test.wav --output-dir ";
  const Json a = tool("gf-run", path("a.gf") + stream + path("a")).json(),
             b = tool("gf-run", path("b.gf") + stream + path("b")).json();
  EXPECT_EQ(a["windows"], b["windows"]);
  const io::Array x = io::read_npy(a["outputs"][0]["file"]), y = io::read_npy(b["outputs"][0]["file"]);
  ASSERT_EQ(x.shape, y.shape);
  double most = 0;
  for (size_t i = 0; i < x.view<float>().size(); ++i) {
    ASSERT_NEAR(x.view<float>()[i], y.view<float>()[i], 1e-3) << "window " << i;
    most = std::max<double>(most, x.view<float>()[i]);
  }
  EXPECT_GT(most, 0.9);  // there is speech in it
  EXPECT_TRUE(a["heap_allocations_in_run"].is_null() || a["heap_allocations_in_run"] == 0)
      << a["heap_allocations_in_run"];
}

}  // namespace
}  // namespace gf::test
