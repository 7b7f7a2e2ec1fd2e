// What is left of a net after training: the module's own answers (in evaluation mode), for one batch and for batches that vary, as .gf and as ONNX.
#include "trainer/step/inference_model.h"

#include <cmath>

#include "facade/include/ghostflow/convert.h"
#include "schema/ops/identity.h"
#include "tests/support/expect_refused.h"
#include "tests/support/test_data.h"
#include "tests/trainer/gradcheck_support.h"
#include "trainer/models/small.h"
#include "trainer/nn/init.h"
#include "trainer/nn/layers.h"
#include "trainer/nn/norm.h"

namespace gf::test {
namespace {

using M = std::shared_ptr<nn::Module>;

M small_net() {
  using namespace nn;
  manual_seed(3);
  return M(new Sequential{std::make_shared<Conv2d>(1, 3, 3, Conv2dOptions{.padding = 1}), std::make_shared<BatchNorm2d>(3), std::make_shared<Dropout>(0.5),
                          std::make_shared<Flatten>(), std::make_shared<Linear>(3 * 4 * 5, 6), std::make_shared<Unflatten>(1, Shape64{2, 3})});
}
Tensor pictures(int64_t n) {
  std::vector<float> v(static_cast<size_t>(n) * 20);
  for (size_t i = 0; i < v.size(); ++i) v[i] = std::sin(static_cast<float>(i));
  return Tensor::from(v, {n, 1, 4, 5});
}
const InferenceModelOptions kOne = {.input = "image", .shape = {1, 4, 5}, .output = "scores"};

InferenceModelOptions with(int64_t batch, const std::string& name) {
  InferenceModelOptions o = kOne;
  o.batch = batch;
  o.batch_name = name;
  return o;
}
void expect_answers(const std::string& file, nn::Module& net, const std::vector<int64_t>& batches) {
  Model model = Model::load(file);
  for (const int64_t n : batches) {
    const int64_t shape[] = {n, 1, 4, 5};
    if (batches.size() > 1) model.set_shape("image", shape);
    const std::vector<float> x = pictures(n).to_vector<float>(), want = net(pictures(n)).to_vector<float>();
    ASSERT_EQ(model.input<float>("image").size(), x.size());
    std::copy(x.begin(), x.end(), model.input<float>("image").begin());
    model.run();
    const auto y = model.output<float>("scores");
    ASSERT_EQ(y.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(y[i], want[i], 1e-5) << file << ", batch " << n << ", number " << i;
  }
}

TEST(InferenceModel, AnswersAsTheModuleDoes) {
  const TempFolder folder;
  const auto file = [&](const char* name) { return folder.path(name).string(); };
  const M net = small_net();
  (void)(*net)(pictures(4)).array();  // running statistics are no longer those of the beginning
  ASSERT_TRUE(net->is_training());
  const ir::Model graph = inference_model(*net, kOne);
  for (const auto& n : graph.entries[0]->body.nodes) EXPECT_FALSE(n->is<op::Identity>()) << "a copy of the scores";
  const size_t size = save_model(file("one.gf"), inference_model(*net, kOne));
  EXPECT_EQ(size, std::filesystem::file_size(file("one.gf")));
  save_model(file("many.gf"), inference_model(*net, with(5, "N")));
  save_model(file("free.onnx"), inference_model(*net, with(0, "N")));
  EXPECT_TRUE(net->is_training());
  net->eval();
  expect_answers(file("one.gf"), *net, {1});
  expect_answers(file("many.gf"), *net, {1, 3, 5});
  OnnxToGfOptions options;
  options.dims["N"] = {1, 7};
  const std::vector<std::byte> bytes = onnx_to_gf(file("free.onnx"), options);
  folder.write("free.gf", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  expect_answers(file("free.gf"), *net, {7, 2});
}

TEST(InferenceModel, SaysWhenABatchCannotVary) {
  const auto refused = [](nn::Module& net, const InferenceModelOptions& o, Error code, const std::string& text) {
    expect_refused(code, text, [&] { (void)inference_model(net, o); });
  };
  nn::Lambda together([](const Tensor& x) { return sum(x, {0}); }), by_four([](const Tensor& x) { return x + Tensor::ones({4, 1, 4, 5}); });
  nn::Lambda mixed([](const Tensor& x) { return reshape(x, {-1, 2}); });
  refused(together, with(4, "N"), Error::Unsupported, "no axis for it in front");
  refused(by_four, with(4, "N"), Error::Unsupported, "the batch cannot vary");
  refused(mixed, with(4, "N"), Error::Unsupported, "the batch cannot vary");
  refused(together, with(0, ""), Error::InvalidArgument, "a batch is 1 or more");
  refused(together, with(-1, "N"), Error::InvalidArgument, "a batch is 1 or more");
}

TEST(InferenceModel, FilesThatCannotBeWrittenAreErrors) {
  models::Mlp net({.sizes = {2, 2}});
  expect_refused(Error::IoError, "/no/such/folder", [&] { save_model("/no/such/folder/x.gf", inference_model(net, {.shape = {2}})); });
}

}  // namespace
}  // namespace gf::test
