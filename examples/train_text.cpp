// A net reads a text, character by character, and learns to go on with it; then it writes some of its own:
//   example_train_text --net gpt --text FILE --steps 2000
// Nets: gpt (4 layers of 128 with 4 heads), lstm (2 layers of 256). The last tenth of the text is kept to see what the net makes of lines that it has not read.
#include <ghostflow/convert.h>
#include <ghostflow/train.h>

#include <random>

#include "options.h"

namespace {

using gf::Tensor;
using namespace gf::data;
using ModulePtr = std::shared_ptr<gf::nn::Module>;

constexpr int64_t kContext = 64;  // characters that the net sees at once

struct Lesson {
  ModulePtr net;
  int64_t batch;
  double rate;
  std::shared_ptr<const gf::optim::Optimizer> rule;
};
Lesson make_lesson(const std::string& name, int64_t characters) {
  if (name == "gpt")
    return {std::make_shared<gf::models::Gpt2>(gf::models::Gpt2Options{.words = characters, .positions = kContext, .depth = 4, .heads = 4, .dim = 128, .dropout = 0}),
            12, 1e-3, std::make_shared<gf::optim::AdamW>(gf::optim::AdamWSettings{.lr = 1e-3, .betas = {0.9, 0.99}, .weight_decay = 0.1})};
  if (name == "lstm")
    return {std::make_shared<gf::models::RecurrentLm>(gf::models::RecurrentLmOptions{.words = characters, .dim = 256, .hidden = 256, .dropout = 0}),
            32, 2e-3, std::make_shared<gf::optim::AdamW>(gf::optim::AdamWSettings{.lr = 2e-3})};
  throw gf::Exception(gf::Error::InvalidArgument, "there is no net '" + name + "'; there are: gpt, lstm");
}

/// Mean cross entropy of the next character, in nats. Scores [batch, context, characters] become rows.
Tensor loss_of(gf::nn::Module& net, const Batch& batch) {
  const Tensor scores = net(batch.tensor("tokens"));
  return gf::nn::cross_entropy(reshape(scores, {-1, scores.size(2)}), flatten(batch.tensor("targets")));
}

double mean_loss(gf::nn::Module& net, DataLoader& text) {
  const gf::no_grad off;
  double sum = 0;
  int64_t count = 0;
  for (const auto& batch : text) {
    sum += loss_of(net, batch).item() * static_cast<double>(batch.size());
    count += batch.size();
  }
  return sum / static_cast<double>(count);
}

/// Goes on from `text` by so many characters. Each is drawn from the net's probabilities, sharpened by the temperature.
std::string write(gf::nn::Module& net, const CharTokenizer& characters, const std::string& text, int64_t count, double temperature = 0.8) {
  const gf::no_grad off;
  std::mt19937_64 random(1);
  std::vector<int32_t> written = characters.encode(text);
  for (int64_t i = 0; i < count; ++i) {
    // The last characters, from the left; what stands behind them does not matter, for nobody looks ahead.
    const size_t known = std::min<size_t>(written.size(), kContext);
    std::vector<int64_t> window(written.end() - static_cast<ptrdiff_t>(known), written.end());
    window.resize(kContext);
    const Tensor scores = net(Tensor::from(window, {1, kContext}));
    const std::vector<float> all = softmax(scores / temperature, 2).to_vector<float>();
    const float* p = &all[(known - 1) * static_cast<size_t>(characters.vocabulary_size())];
    double left = static_cast<double>(random() >> 11) * 0x1p-53;
    int32_t next = 0;
    for (; next + 1 < characters.vocabulary_size(); ++next)
      if ((left -= static_cast<double>(p[next])) < 0) break;
    written.push_back(next);
  }
  return characters.decode(written);
}

void train(const Options& options) {
  const std::string text = read_text(options.text("text"));
  const CharTokenizer characters = CharTokenizer::from_text(text);
  std::vector<int32_t> tokens = characters.encode(text), unseen(tokens.begin() + static_cast<ptrdiff_t>(tokens.size() * 9 / 10), tokens.end());
  tokens.resize(tokens.size() - unseen.size());

  gf::nn::manual_seed(1);
  const Lesson lesson = make_lesson(options.text("net"), characters.vocabulary_size());
  gf::nn::Module& net = *lesson.net;
  DataLoader batches(std::make_shared<TextDataset>(tokens, TextSettings{.length = kContext, .stride = 1}), {.batch_size = lesson.batch, .shuffle = true, .seed = 1});
  DataLoader tests(std::make_shared<TextDataset>(unseen, TextSettings{.length = kContext}), {.batch_size = lesson.batch});
  gf::Trainable optimizer(net.parameters(), lesson.rule);
  const int64_t steps = options.number("steps"), look_every = std::max<int64_t>(1, options.number("look-every"));
  const auto schedule = gf::optim::schedule::cosine({.t_max = std::max<int64_t>(steps, 1)});
  std::printf("%zu characters, %lld different ones; %s: %lld weights, %lld steps\n", text.size(), static_cast<long long>(characters.vocabulary_size()),
              options.text("net").c_str(), static_cast<long long>(net.parameter_count()), static_cast<long long>(steps));

  const auto look = [&](int64_t step, double loss) {
    std::printf("step %lld  loss %.4f  on unseen text %.4f\n%s\n\n", static_cast<long long>(step), loss, mean_loss(net, tests),
                write(net, characters, options.text("begin"), 200).c_str());
  };
  for (int64_t step = 0; step < steps; ++step) {
    const Tensor loss = loss_of(net, batches.cycle());
    loss.backward();
    optimizer.set_learning_rate(schedule(lesson.rate, step));
    optimizer.step();
    if ((step + 1) % look_every == 0 || step + 1 == steps) look(step + 1, loss.item());
  }
  std::printf("%s\n", write(net, characters, options.text("begin"), options.number("write")).c_str());

  if (options.text("out").empty()) return;
  const size_t size =
      gf::save_model(options.text("out"), gf::inference_model(net, {.input = "tokens", .type = gf::DType::I64, .shape = {kContext}, .output = "scores"}));
  std::printf("%s: %zu bytes\n", options.text("out").c_str(), size);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string text = "../shared/data/text/tinyshakespeare.txt";
  return run_example(argc, argv, {{"net", "gpt"}, {"text", text}, {"steps", "2000"}, {"look-every", "500"}, {"begin", "ROMEO:"}, {"write", "500"}, {"out", ""}}, train);
}
