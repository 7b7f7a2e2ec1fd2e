// needs: GF_CONVERTER GF_IO GF_OPS_CPU
// Real models on real inputs: the MNIST net of CNTK, SqueezeNet on the fish, both graphs of silero's voice detector. Expected
// values stand beside the models, or (silero) in silero_speech.csv, made with ONNX Runtime by make_silero_golden.py.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "facade/convert.h"
#include "facade/host_run.h"
#include "facade/include/ghostflow/convert.h"
#include "graph/emit/emit.h"
#include "io/load.h"
#include "tests/support/test_data.h"

namespace gf::test {
namespace {

Model open(const std::string& file, const ConvertOptions& options = {}, const onnx::ImportOptions& import = {}) {
  ir::Model model = convert_files({{data_path(file).string(), import}}, options);
  ModelOptions run_with;
  run_with.threads = 2;
  return Model::from_bytes(emit(model), run_with);
}

// Numbers of a file, separated by anything that is none; lines with letters are skipped.
std::vector<float> numbers(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<float> out;
  for (std::string line; std::getline(in, line);) {
    if (line.find("Index") != std::string::npos) continue;
    std::replace(line.begin(), line.end(), ',', ' ');
    std::istringstream words(line);
    for (float v = 0; words >> v;) out.push_back(v);
  }
  return out;
}
// The second column of "Index,Value".
std::vector<float> values(const std::filesystem::path& path) {
  const auto all = numbers(path);
  std::vector<float> out;
  for (size_t i = 1; i < all.size(); i += 2) out.push_back(all[i]);
  return out;
}

TEST(Mnist, ScoresAreTheGoldenOnes) {
  GF_SKIP_WITHOUT_DATA("models/mnist-cntk");
  Model m = open("models/mnist-cntk/mnist.onnx");
  const auto image = numbers(data_path("models/mnist-cntk/mnist_28.csv"));
  const auto golden = values(data_path("models/mnist-cntk/golden_cpu.csv"));
  ASSERT_EQ(image.size(), 784U);
  ASSERT_EQ(golden.size(), 10U);
  const auto scores = run_named(m, {{"Input3", HostTensor::from<float>(image, {1, 1, 28, 28})}})[0].second.as<float>();
  const float largest = *std::max_element(golden.begin(), golden.end());
  for (size_t i = 0; i < 10; ++i) EXPECT_NEAR(scores[i], golden[i], 1e-3F * largest);
}

// How many of MNIST's first 3,000 test pictures a model gets right, pixels from 0 to `most`.
int right_of_3000(Model& m, float most) {
  const auto images = io::load_array(data_path("mnist/t3k-images-idx3-ubyte.gz").string()).as<float>();
  const auto labels = io::load_array(data_path("mnist/t3k-labels-idx1-ubyte.gz").string()).as<int64_t>();
  EXPECT_EQ(labels.size(), 3000U);
  EXPECT_EQ(images.size(), 3000U * 784U);
  int right = 0;
  Session& s = m.session();
  for (size_t i = 0; i < labels.size(); ++i) {
    std::transform(images.begin() + static_cast<std::ptrdiff_t>(i) * 784, images.begin() + static_cast<std::ptrdiff_t>(i + 1) * 784, s.input(0).as<float>(),
                   [&](float p) { return p * most / 255; });
    EXPECT_EQ(s.run(), Error::Ok);
    const auto* scores = s.output(0).as<const float>();
    right += std::max_element(scores, scores + 10) - scores == labels[i] ? 1 : 0;
  }
  std::cout << right << " of 3000 right\n";
  return right;
}

TEST(Mnist, ThreeThousandImages) {
  GF_SKIP_WITHOUT_DATA("models/mnist-cntk");
  GF_SKIP_WITHOUT_DATA("mnist/t3k-images-idx3-ubyte.gz");
  Model m = open("models/mnist-cntk/mnist.onnx");
  EXPECT_NEAR(right_of_3000(m, 255), 2943, 3);
}

// The net that ships, which our own trainer made (examples/digits). ONNX Runtime 1.32 counts 2,962 for the file.
TEST(Digits, ThreeThousandImages) {
  GF_SKIP_WITHOUT_DATA("mnist/t3k-images-idx3-ubyte.gz");
  const std::vector<std::byte> file = onnx_to_gf(source_path("examples/digits/digits.onnx").string());
  Model m = Model::from_bytes(file);
  EXPECT_NEAR(right_of_3000(m, 1), 2962, 1);
}

TEST(SqueezeNet, KnowsTheFish) {
  GF_SKIP_WITHOUT_DATA("models/squeezenet");
  Model m = open("models/squeezenet/SqueezeNet_fp16.onnx");
  const auto pixels = numbers(data_path("models/squeezenet/fish.csv"));
  const auto golden = values(data_path("models/squeezenet/golden_fp16_cpu.csv"));
  ASSERT_EQ(pixels.size(), 3U * 224U * 224U);
  ASSERT_EQ(golden.size(), 1000U);
  HostTensor x = HostTensor::zeros(m.session().input(0).dtype, {1, 3, 224, 224});
  if (x.dtype == DType::F16)
    for (size_t i = 0; i < pixels.size(); ++i) x.view<F16>()[i] = to_f16(pixels[i]);
  else
    std::memcpy(x.data.data(), pixels.data(), x.data.size());
  const auto p = run_named(m, {{"data_0", x}})[0].second.as<float>();
  ASSERT_EQ(p.size(), 1000U);
  double worst = 0;
  for (size_t i = 0; i < p.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(p[i]) - static_cast<double>(golden[i])));
  std::cout << "largest difference of a probability " << worst << '\n';
  EXPECT_LE(worst, 1e-3);
  std::vector<int> order(1000);
  for (int i = 0; i < 1000; ++i) order[static_cast<size_t>(i)] = i;
  std::partial_sort(order.begin(), order.begin() + 5, order.end(), [&](int a, int b) { return p[static_cast<size_t>(a)] > p[static_cast<size_t>(b)]; });
  EXPECT_EQ(std::vector<int>(order.begin(), order.begin() + 5), (std::vector<int>{0, 389, 395, 5, 390}));
}

// Weights of two bytes each stay so in the file, and no kernel is a reference one because of them.
TEST(SqueezeNet, HalfPrecisionTakesHalfTheFileAndTunedKernels) {
  GF_SKIP_WITHOUT_DATA("models/squeezenet");
  const auto path = data_path("models/squeezenet/SqueezeNet_fp16.onnx");
  ir::Model model = convert_files({{path.string(), {}}}, {});
  const std::vector<std::byte> file = emit(model);
  EXPECT_LT(static_cast<double>(file.size()), 1.02 * static_cast<double>(std::filesystem::file_size(path)));
  ModelOptions options;
  options.strict = true;
  Model m = Model::from_bytes(file, options);
  EXPECT_EQ(m.session().input(0).dtype, DType::F16);
}

// Streams the whole file, 512 new samples behind 64 old ones, the recurrent state kept as State.
std::vector<float> speech(Model& m, const std::vector<float>& samples) {
  constexpr size_t kWindow = 512, kContext = 64;
  Session& s = m.session();
  const int input = s.find_input("input");
  if (const int sr = s.find_input("sr"); sr >= 0) *s.input(sr).as<int64_t>() = 16000;
  std::vector<float> padded(kContext), out;
  padded.insert(padded.end(), samples.begin(), samples.end());
  ErrorDetail d;
  for (size_t at = 0; at + kWindow <= samples.size(); at += kWindow) {
    std::memcpy(s.input(input).data, padded.data() + at, (kWindow + kContext) * sizeof(float));
    if (const Error e = s.run(&d); e != Error::Ok) throw Exception(e, d.text);
    out.push_back(*s.output(0).as<const float>());
  }
  return out;
}

TEST(Silero, BothGraphsStreamTheWholeFileAsOnnxRuntimeDoes) {
  GF_SKIP_WITHOUT_DATA("models/silero-vad");
  ConvertOptions keep;
  keep.states = {{"stateN", "state"}};
  Model fixed = open("models/silero-vad/silero_vad_16k_static.onnx", keep);
  onnx::ImportOptions shapes;
  shapes.shapes = {{"input", {1, 576}}, {"state", {2, 1, 128}}, {"sr", {}}};
  Model with_if = open("models/silero-vad/silero_vad_16k_op15.onnx", keep, shapes);
  ASSERT_NE(fixed.state(), nullptr);
  ASSERT_NE(with_if.state(), nullptr);
  EXPECT_EQ(fixed.session().output_count(), 1);
  const auto samples = io::load_array(data_path("models/silero-vad/test.wav").string()).as<float>();
  const auto golden = numbers(source_path("tests/models/silero_speech.csv"));
  const auto a = speech(fixed, samples), b = speech(with_if, samples);
  ASSERT_EQ(golden.size(), 1875U);
  ASSERT_EQ(a.size(), golden.size());
  ASSERT_EQ(b.size(), golden.size());
  double worst = 0, apart = 0;
  for (size_t i = 0; i < golden.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(golden[i])));
    apart = std::max(apart, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  std::cout << golden.size() << " windows: " << worst << " from ONNX Runtime at most, " << apart << " between the two graphs\n";
  EXPECT_LE(worst, 1e-3);
  EXPECT_LE(apart, 1e-3);
  fixed.state()->reset();  // a second pass from the initial state gives the same answers
  EXPECT_EQ(speech(fixed, samples), a);
}

}  // namespace
}  // namespace gf::test
