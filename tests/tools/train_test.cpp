// gf-train: the gradient check of whole models, and what it says about those that it cannot check.
// needs: GF_TRAINER GF_CONVERTER
#include <sstream>

#include "tests/tools/tool_support.h"

namespace gf::test {
namespace {

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

std::string golden(const std::string& net) { return source_path("tests/golden/" + net + "/model.onnx").string(); }

TEST_F(Tools, TrainCheckOfNetworks) {
  for (const char* net : {"mlp", "lstm", "bigru", "dscnn_kws"}) {
    SCOPED_TRACE(net);
    const ToolResult r = tool("gf-train", "check " + golden(net) + " --directions 3 --json");
    EXPECT_EQ(r.code, 0) << r.err;
    const Json j = r.json();
    GF_EXPECT_FIELDS(j, "model", "entry", "ok", "compared", "worst", "detail", "tensors");
    EXPECT_EQ(j["ok"], true);
    EXPECT_GT(j["compared"], 3);
    EXPECT_LT(j["worst"], 1.0);
  }
}

TEST_F(Tools, TrainCheckNamesTensors) {
  const ToolResult r = tool("gf-train", "check " + golden("mlp") + " --each --directions 2 --json");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json tensors = r.json()["tensors"];
  ASSERT_EQ(tensors.size(), 7u);
  EXPECT_EQ(tensors[0]["name"], "x");
  EXPECT_EQ(tensors[0]["kind"], "input");
  EXPECT_EQ(tensors[1]["name"], "w0");
  EXPECT_EQ(tensors[1]["kind"], "weight");
  const std::string fused = path("mlp.gf");
  ASSERT_EQ(tool("gf-convert", golden("mlp") + " -o " + fused).code, 0);
  EXPECT_EQ(tool("gf-train", "check " + fused + " --directions 2").code, 0);
  const ToolResult text = tool("gf-train", "check " + golden("mlp") + " --directions 2");
  EXPECT_NE(text.out.find("gradients of 'main' are right: "), std::string::npos) << text.out;
  expect_error("gf-train", "check " + fused + " --entry other", 2, "no entry 'other'");
}

// Differences over a step of 1 are wrong by far: the check sees it, and says which tensors.
TEST_F(Tools, TrainCheckThatFails) {
  const std::string arguments = "check " + golden("mlp") + " --eps 1 --directions 2";
  const ToolResult r = tool("gf-train", arguments);
  EXPECT_EQ(r.code, 1);
  EXPECT_NE(r.out.find("DIFFER  input   x"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("    ok  weight  w5"), std::string::npos) << r.out;  // the last bias: a linear one
  EXPECT_NE(r.out.find("gradients of 'main' DIFFER"), std::string::npos) << r.out;
  const ToolResult json = tool("gf-train", arguments + " --json");
  EXPECT_EQ(json.code, 1);
  EXPECT_EQ(json.json()["ok"], false);
}

TEST_F(Tools, TrainCheckOfIntegerInputs) {
  EXPECT_EQ(tool("gf-train", "check " + golden("minilm") + " --directions 1").code, 0);  // by the weights: the inputs are integers
  expect_error("gf-train", "check " + golden("minilm") + " --inputs-only", 2, "no float64 input");
}

TEST_F(Tools, TrainPrepare) {
  const std::string out = path("train.gf"), base = "prepare " + digits_onnx() + " --loss cross_entropy -o " + out;
  const ToolResult r = tool("gf-train", base + " --optimizer sgd,lr=0.1,momentum=0.9 --trainable 'net.fc.*,net.norm*' --batch 1..4 --json");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json j = r.json();
  GF_EXPECT_FIELDS(j, "output", "file_bytes", "trained", "frozen", "weights", "memory", "notes");
  EXPECT_EQ(j["trained"], 11760 + 10 + 2 * 12 + 2 * 24);
  EXPECT_GT(j["memory"]["train_step"]["activation_bytes"], 0);
  const Json info = tool("gf-info", out + " --json").json();
  ASSERT_EQ(info["entries"].size(), 3u);
  EXPECT_EQ(info["entries"][1]["name"], "train_step");
  EXPECT_EQ(info["entries"][1]["inputs"][1]["name"], "target");
  // the model itself answers as before
  const std::string picture = source_path("examples/digits/digit_7.png").string();
  EXPECT_EQ(tool("gf-run", out + " --input " + picture + " --image nchw,scale=1/255 --top 1 --json").json()["top"][0]["index"], 7);
  const Json run = tool("gf-run", out + " --entry train_step --input image=random:1 --input target=zeros --repeat 20 --output-dir " + path("out") + " --json").json();
  EXPECT_EQ(run["heap_allocations_in_run"].is_null() ? 0 : run["heap_allocations_in_run"].get<int>(), 0);
  const ToolResult text = tool("gf-train", base + " --lora fc:4 --batch 8 --memory 1MB --activations bf16");
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("4744 numbers are trained, 14542 stay"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("softmax is part of cross_entropy"), std::string::npos) << text.out;
}

// What is computed is the same on every processor; whether that is fast is said.
TEST_F(Tools, TrainPrecision) {
  const std::string base = "prepare " + digits_onnx() + " --loss cross_entropy --batch 4 -o " + path("train.gf") + " --precision bf16";
  const ToolResult emulated = tool("gf-train", base + " --isa portable");
  ASSERT_EQ(emulated.code, 0) << emulated.err;
  EXPECT_NE(emulated.out.find("warning: this processor (portable) has no products of bfloat16"), std::string::npos) << emulated.out;
  const Json j = tool("gf-train", base + " --json").json();
  EXPECT_NE(j["notes"].back().get<std::string>().find("bfloat16"), std::string::npos) << j;
  EXPECT_EQ(tool("gf-run", path("train.gf") + " --entry train_step --input image=random:1 --input target=zeros --json").code, 0);
  expect_error("gf-train", base + " --precision f16", 2, "f16 not in");
  folder_.write("xor.csv", "a,b,label\n1,1,1\n1,-1,0\n-1,1,0\n-1,-1,1\n");
  const std::string fit = " --data csv:" + path("xor.csv") + ",target=label,classes=2 --validate 0.25 --batch 2 --steps 2 --precision bf16";
  const ToolResult r = tool("gf-train", "fit mlp" + fit);
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.err.find("bfloat16"), std::string::npos) << r.err;
  expect_error("gf-train", "fit " + path("train.gf") + fit, 2, "the step of");
}

TEST_F(Tools, TrainPrepareThatFails) {
  const std::string base = "prepare " + digits_onnx() + " -o " + path("train.gf");
  expect_error("gf-train", base, 2, "--loss is required");
  expect_error("gf-train", base + " --loss softmax", 2, "there is no loss 'softmax'; there are: cross_entropy");
  expect_error("gf-train", base + " --loss mse --optimizer adam,rate=1", 2, "there is no setting 'rate'");
  expect_error("gf-train", base + " --loss mse --batch 4..2", 2, "1 <= LOW <= HIGH");
  expect_error("gf-train", base + " --loss mse --lora fc:4 --lora conv:8", 2, "one rank for all");
  expect_error("gf-train", base + " --loss mse --trainable nothing", 2, "no weight matches 'nothing'");
  expect_error("gf-train", base + " --loss cross_entropy --batch 64 --memory 10kB", 1, "A smaller batch takes less");
  expect_error("gf-train", "prepare " + digits_onnx() + " --loss mse -o " + path("no/such/folder.gf"), 1, "folder.gf");
  expect_error("gf-train", "prepare " + golden("mlp") + " --loss mse --stop-if-not-finite --skip-if-not-finite -o " + path("x.gf"), 2, "excludes");
}

// Numbers of a table: a .gf that was trained, a run that goes on, files for people.
TEST_F(Tools, TrainFit) {
  std::string table = "a,b,label\n";
  for (int i = 0; i < 200; ++i) {
    const double a = (i * 37 % 101) / 50.0 - 1, b = (i * 53 % 97) / 48.0 - 1;
    table += std::to_string(a) + "," + std::to_string(b) + "," + std::to_string(a * b > 0 ? 1 : 0) + "\n";
  }
  folder_.write("xor.csv", table);
  const std::string base = "fit mlp --data csv:" + path("xor.csv") + ",target=label,classes=2 --batch 20 --optimizer adam,lr=0.01 --threads 1";
  const ToolResult r = tool("gf-train", base + " --epochs 40 --checkpoint " + path("run") + " --plot " + path("curves.svg") + " --log-dir " + path("logs") + " -o " + path("xor.gf") + " --json");
  ASSERT_EQ(r.code, 0) << r.err;
  const std::vector<Json> lines = json_lines(r.out);
  ASSERT_GT(lines.size(), 100u);
  GF_EXPECT_FIELDS(lines[0], "step", "epoch", "loss", "lr", "step_ms", "examples_per_s");
  const Json& end = lines.back();
  GF_EXPECT_FIELDS(end, "done", "step", "loss", "validation", "best_step", "seconds", "stall_seconds", "stopped", "early");
  EXPECT_EQ(end["step"], 40 * 9);
  EXPECT_GT(end["validation"]["accuracy"], 0.85) << end;
  const ToolResult more = tool("gf-train", base + " --epochs 41 --checkpoint " + path("run") + " --resume --json");
  ASSERT_EQ(more.code, 0) << more.err;
  EXPECT_EQ(json_lines(more.out)[0]["resumed_from"], 360);
  EXPECT_EQ(json_lines(more.out).back()["step"], 369);
  EXPECT_NE(more.err.find("goes on after step 360"), std::string::npos) << more.err;
  const Json info = tool("gf-info", path("xor.gf") + " --json").json();
  EXPECT_EQ(info["entries"].size(), 3u);
  EXPECT_EQ(tool("gf-run", path("xor.gf") + " --input x=ones --json").code, 0);
  EXPECT_NE(read_text(path("curves.svg")).find("</svg>"), std::string::npos);
  // an imported model goes on too, with batches that vary
  const ToolResult onnx = tool("gf-train", "fit " + digits_onnx() + " --data npz:" + path("none.npz") + " --steps 1");
  EXPECT_EQ(onnx.code, 1);
  EXPECT_NE(onnx.err.find("none.npz"), std::string::npos) << onnx.err;
}

TEST_F(Tools, TrainFitThatFails) {
  folder_.write("few.csv", "1,2,0\n2,3,1\n3,4,5\n");
  const std::string data = " --data csv:" + path("few.csv") + ",classes=2";
  expect_error("gf-train", "fit vgg" + data, 2, "'vgg' is no file and no net; nets: mlp, lenet");
  expect_error("gf-train", "fit mlp --data few.csv", 2, "KIND:PATH");
  expect_error("gf-train", "fit mlp --data excel:x", 2, "there is no kind 'excel'");
  expect_error("gf-train", "fit mlp --data csv:" + path("few.csv") + ",column=2", 2, "csv has no setting 'column'");
  expect_error("gf-train", "fit mlp" + data + " --optimizer adm", 2, "there is no optimizer 'adm'");
  expect_error("gf-train", "fit mlp" + data + " --schedule up", 1, "few.csv");
  expect_error("gf-train", "fit mlp" + data + " --resume", 2, "--resume needs --checkpoint");
  expect_error("gf-train", "fit mlp" + data + " --plot curves.svg --plot-scale cubic", 2, "--plot-scale");
  expect_error("gf-train", "fit mlp" + data + " --plot-scale log", 2, "--plot");
  expect_error("gf-train", "fit mlp" + data, 1, "line 3");
  expect_error("gf-train", "fit mlp --data mnist:" + path("nowhere"), 1, "holds none of train-images-idx3-ubyte");
}

// A table of two groups, and the command that trains on it.
std::string quadrants(const TempFolder& folder) {
  std::string table = "a,b,label\n";
  for (int i = 0; i < 120; ++i) {
    const double a = (i * 37 % 101) / 50.0 - 1, b = (i * 53 % 97) / 48.0 - 1;
    table += std::to_string(a) + "," + std::to_string(b) + "," + std::to_string(a * b > 0 ? 1 : 0) + "\n";
  }
  folder.write("xor.csv", table);
  return "fit mlp --data csv:" + folder.path("xor.csv").string() + ",target=label,classes=2 --batch 12 --optimizer adam,lr=0.01 --threads 1 --seed 1 ";
}

// What a person has after a training becomes what he needs.
TEST_F(Tools, TrainExport) {
  const std::string fit = quadrants(folder_), run = path("run");
  const ToolResult r = tool("gf-train", fit + "--epochs 3 --ema 0.9 --save-every 9 --checkpoint " + run + " -o " + path("trained.gf"));
  ASSERT_EQ(r.code, 0) << r.err;
  const auto answer = [&](const std::string& model) {
    const ToolResult got = tool("gf-run", model + " --input x=random:3 --output-dir " + path("out") + " --json");
    EXPECT_EQ(got.code, 0) << model << got.err;
    return got.code == 0 ? read_text(got.json()["outputs"][0]["file"].get<std::string>()) : "";
  };
  const ToolResult e = tool("gf-train", "export " + run + " -o " + path("net.gf") + " -O 0 --json");
  ASSERT_EQ(e.code, 0) << e.err;
  GF_EXPECT_FIELDS(e.json(), "output", "file_bytes", "step", "averaged", "entries", "tensors", "notes");
  EXPECT_EQ(e.json()["step"], 27);
  EXPECT_EQ(e.json()["entries"], Json::parse(R"(["main"])"));
  const std::string want = answer(path("trained.gf"));
  EXPECT_EQ(answer(path("net.gf")), want);  // main of the training file, bit for bit
  const Json info = tool("gf-info", path("net.gf") + " --json").json();
  EXPECT_EQ(info["entries"].size(), 1u);
  EXPECT_EQ(info["entries"][0]["state"].size(), 0u);
  EXPECT_LT(std::filesystem::file_size(path("net.gf")), std::filesystem::file_size(path("trained.gf")) / 2);
  // from the trained file itself, from one checkpoint, from an older step
  for (const std::string& from : {path("trained.gf"), run + "/step-000000000027.gfckpt.safetensors"}) {
    ASSERT_EQ(tool("gf-train", "export " + from + " -O 0 -o " + path("again.gf")).code, 0) << from;
    EXPECT_EQ(answer(path("again.gf")), want) << from;
  }
  ASSERT_EQ(tool("gf-train", "export " + run + " --step 18 -o " + path("early.gf")).code, 0);
  EXPECT_NE(answer(path("early.gf")), want);
  ASSERT_EQ(tool("gf-train", "export " + run + " --last-weights -o " + path("last.gf")).code, 0);
  EXPECT_NE(answer(path("last.gf")), want);
  // ONNX, and back
  ASSERT_EQ(tool("gf-train", "export " + run + " -o " + path("net.onnx")).code, 0);
  EXPECT_EQ(tool("gf-convert", path("net.onnx") + " -o " + path("back.gf")).code, 0);
  EXPECT_EQ(tool("gf-run", path("back.gf") + " --input x=random:3").code, 0);
  // weights alone, and a training that begins with them
  for (const char* ending : {".safetensors", ".npz"}) {
    const ToolResult w = tool("gf-train", "export " + run + " -o " + path(std::string("w") + ending) + " --json");
    ASSERT_EQ(w.code, 0) << w.err;
    EXPECT_EQ(w.json()["tensors"], 6);
    std::string still = fit;
    still.replace(still.find("adam,lr=0.01"), 12, "sgd,lr=0");
    const ToolResult more = tool("gf-train", still + "--steps 1 --init " + path(std::string("w") + ending) + " -o " + path("same.gf"));
    ASSERT_EQ(more.code, 0) << more.err;
    EXPECT_EQ(answer(path("same.gf")), want);
  }
}

TEST_F(Tools, TrainExportThatFails) {
  const std::string fit = quadrants(folder_), run = path("run");
  ASSERT_EQ(tool("gf-train", fit + "--steps 2 --checkpoint " + run).code, 0);
  const std::string checkpoint = run + "/step-000000000002.gfckpt.safetensors";
  expect_error("gf-train", "export " + run + " -o net.pt", 2, "the ending says what is written: .gf, .onnx, .safetensors or .npz");
  expect_error("gf-train", "export " + path("nowhere") + " -o " + path("n.gf"), 1, "no such file or folder");
  std::filesystem::create_directory(path("empty"));
  expect_error("gf-train", "export " + path("empty") + " -o " + path("n.gf"), 1, "holds no checkpoint");
  expect_error("gf-train", "export " + digits_onnx() + " -o " + path("n.gf"), 2, "gf-convert makes a .gf of it");
  expect_error("gf-train", "export " + path("xor.csv") + " -o " + path("n.gf"), 2, "neither a folder of checkpoints");
  expect_error("gf-train", "export " + run + " -o " + path("no/such/n.gf"), 1, "n.gf");
  expect_error("gf-train", "export " + run + " --last-weights -o " + path("n.gf"), 1, "kept no averages");
  expect_error("gf-train", "export " + run + " --step 7 -o " + path("n.gf"), 1, "7");
  expect_error("gf-train", "export " + checkpoint + " --step 2 -o " + path("n.gf"), 2, "--step goes with a folder");
  expect_error("gf-train", "export " + run + " --entry decode -o " + path("n.gf"), 1, "no entry 'decode'; there are: ");
  expect_error("gf-train", "export " + digits() + " -o " + path("n.safetensors"), 2, "has no State");
  // of another model: all tensors that differ
  ASSERT_EQ(tool("gf-train", "prepare " + digits_onnx() + " --loss cross_entropy -o " + path("other.gf")).code, 0);
  expect_error("gf-train", "export " + checkpoint + " --model " + path("other.gf") + " -o " + path("n.gf"), 1, "net.fc.weight");
  expect_error("gf-train", "export " + checkpoint + " --model " + path("other.gf") + " -o " + path("n.gf"), 1, "0.weight");
  expect_error("gf-train", "export " + checkpoint + " --model " + digits() + " -o " + path("n.gf"), 2, "has no State");
  std::filesystem::copy_file(checkpoint, path("alone.safetensors"));
  expect_error("gf-train", "export " + path("alone.safetensors") + " -o " + path("n.gf"), 2, "say with --model which one");
  EXPECT_EQ(tool("gf-train", "export " + path("alone.safetensors") + " --model " + run + "/model.gf -o " + path("n.gf")).code, 0);
  // damaged
  std::string bytes = read_text(checkpoint);
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
  folder_.write("bad.safetensors", bytes);
  expect_error("gf-train", "export " + path("bad.safetensors") + " -o " + path("n.npz"), 1, "checksum");
}

TEST_F(Tools, TrainTuning) {
  const std::string base = "prepare " + digits_onnx() + " --loss cross_entropy --batch 4 -o " + path("train.gf");
  const Json head = tool("gf-train", base + " --head 3 --last 1 --json").json();
  EXPECT_EQ(head["trained"], 3 * 1176 + 3);
  EXPECT_NE(head["notes"][0].get<std::string>().find("3 outputs instead of 10"), std::string::npos) << head["notes"];
  EXPECT_EQ(tool("gf-train", base + " --head net.fc.weight:4 --qat --teacher " + digits_onnx()).code, 1);  // 10 scores
  const ToolResult qat = tool("gf-train", base + " --qat --teacher " + digits_onnx() + " --temperature 2 --alpha 0.1");
  EXPECT_EQ(qat.code, 0) << qat.err;
  EXPECT_NE(qat.out.find("3 layers compute as int8"), std::string::npos) << qat.out;
  // the initialisers of another file as first values
  EXPECT_EQ(tool("gf-train", base + " --init " + digits_onnx()).code, 0);
  expect_error("gf-train", base + " --init " + golden("mlp"), 1, "does not fit");
  expect_error("gf-train", base + " --init nothing.npz", 1, "nothing.npz: no such file");
  expect_error("gf-train", base + " --init " + digit(7), 2, "weights come from .safetensors, .npz, .onnx or .gf");
  expect_error("gf-train", base + " --head none:3", 1, "has the weight 'none'; layers: ");
  expect_error("gf-train", base + " --head many", 2, "--head many");
  expect_error("gf-train", base + " --head 0", 2, "N being 1 or more");
  expect_error("gf-train", base + " --temperature 3", 2, "--teacher");
  expect_error("gf-train", base + " --qat --qat-layers head", 2, "no layer matches *head*");
  expect_error("gf-train", base + " --teacher nothing.onnx", 1, "nothing.onnx");
  const std::string fit = quadrants(folder_);
  expect_error("gf-train", fit + "--head 3", 2, "--head goes with an .onnx");
  const ToolResult taught = tool("gf-train", fit + "--steps 5 -o " + path("teacher.gf"));
  ASSERT_EQ(taught.code, 0) << taught.err;
  const ToolResult small = tool("gf-train", fit + "--steps 5 --qat --teacher " + path("teacher.gf") + " --checkpoint " + path("run8"));
  ASSERT_EQ(small.code, 0) << small.err;
  ASSERT_EQ(tool("gf-train", "export " + path("run8") + " -o " + path("int8.gf")).code, 0);
  expect_error("gf-train", "fit " + path("teacher.gf") + " --data csv:" + path("xor.csv") + ",target=label,classes=2 --qat", 2, "part of the train step");
}

TEST_F(Tools, TrainUsage) {
  expect_error("gf-train", "", 2, "subcommand");
  expect_error("gf-train", "check", 2, "give a model");
  expect_error("gf-train", "check nothing.onnx", 1, "nothing.onnx");
  expect_error("gf-train", "check " + digits_onnx() + " --input picture=zeros", 2, "picture");
  expect_error("gf-train", "export", 2, "source is required");
}

TEST_F(Tools, TrainListsTheGradientsOfOps) {
  const Json j = tool("gf-train", "check --list-ops --json").json();
  int with = 0;
  for (const Json& r : j["ops"]) {
    with += r["gradient"].get<bool>() ? 1 : 0;
    EXPECT_EQ(r["why_not"] == "", r["gradient"].get<bool>()) << r;
    EXPECT_NE(r["why_not"], "pending") << r;
  }
  EXPECT_GT(with, 130);
  const std::string table = tool("gf-train", "check --list-ops").out;
  EXPECT_EQ(table, read_text(source_path("schema/gradients/COVERAGE.md"))) << "write it anew: gf-train check --list-ops > schema/gradients/COVERAGE.md";
}

}  // namespace
}  // namespace gf::test
