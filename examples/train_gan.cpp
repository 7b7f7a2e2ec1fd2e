// Two nets play against each other until one of them draws digits: DCGAN (Radford, Metz and Chintala 2016) on MNIST, at 28 x 28.
//   example_train_gan --data FOLDER --steps 1500 --out digits.png
// The artist draws from random numbers, the critic tells drawn digits from written ones; each learns from what the other one does.
#include <ghostflow/train.h>

#include "options.h"

namespace {

using gf::Tensor;
using namespace gf::nn;
using namespace gf::data;

constexpr int64_t kBatch = 64, kNoise = 64;

template <class Layer, class... Arguments>
std::shared_ptr<Module> layer(Arguments&&... arguments) {
  return std::make_shared<Layer>(std::forward<Arguments>(arguments)...);
}
using Up = ConvTransposeOptions<Pair>;
using Down = Conv2dOptions;

/// Noise [N, 64, 1, 1] to pictures [N, 1, 28, 28] between -1 and 1.
Sequential make_artist() {
  return {layer<ConvTranspose2d>(kNoise, 128, 7, Up{.bias = false}),                                layer<BatchNorm2d>(128), layer<ReLU>(),
          layer<ConvTranspose2d>(128, 64, 4, Up{.stride = 2, .padding = 1, .bias = false}),  // 14 x 14
          layer<BatchNorm2d>(64),  layer<ReLU>(),
          layer<ConvTranspose2d>(64, 1, 4, Up{.stride = 2, .padding = 1}),  layer<Tanh>()};
}
/// Pictures to a score each, [N, 1]: above 0, somebody wrote it.
Sequential make_critic() {
  return {layer<Conv2d>(1, 32, 4, Down{.stride = 2, .padding = 1}),  // 14 x 14
          layer<LeakyReLU>(0.2),
          layer<Conv2d>(32, 64, 4, Down{.stride = 2, .padding = 1, .bias = false}),  // 7 x 7
          layer<BatchNorm2d>(64), layer<LeakyReLU>(0.2), layer<Flatten>(), layer<Linear>(64 * 7 * 7, 1)};
}
/// First values as in the paper: normal with deviation 0.02, around 1 for the weights of norms and 0 for others.
void draw_first_values(Module& net) {
  for (auto& [name, p] : net.named_parameters())
    if (name.ends_with("weight")) p.assign(init::normal(p.shape(), p.rank() == 1 ? 1 : 0, 0.02).array());
}
gf::Trainable optimizer_of(Module& net) { return {net.parameters(), std::make_shared<gf::optim::Adam>(gf::optim::AdamSettings{.lr = 5e-4, .betas = {0.5, 0.999}})}; }

void train(const Options& options) {
  DataLoader batches(MNIST::in_folder(options.text("data"), true, {.transform = transforms(ToFloat(), Normalize({0.5F}, {0.5F}))}),
                     {.batch_size = kBatch, .shuffle = true, .drop_last = true, .seed = 1, .num_workers = 1});
  manual_seed(1);
  Sequential artist = make_artist(), critic = make_critic();
  draw_first_values(artist);
  draw_first_values(critic);
  gf::Trainable artist_optimizer = optimizer_of(artist), critic_optimizer = optimizer_of(critic);
  const Tensor yes = Tensor::ones({kBatch, 1}), no = Tensor::zeros({kBatch, 1}), wall = gf::randn({64, kNoise, 1, 1});
  const auto loss_of = [](const Tensor& scores, const Tensor& truth) { return binary_cross_entropy_with_logits(scores, truth); };

  const int64_t steps = options.number("steps");
  for (int64_t step = 0; step < steps; ++step) {
    const Tensor written = batches.cycle().tensor("image"), drawn = artist(gf::randn({kBatch, kNoise, 1, 1}));
    const Tensor critic_loss = loss_of(critic(written), yes) + loss_of(critic(drawn.detach()), no);
    critic_optimizer.zero_grad();
    critic_loss.backward();
    critic_optimizer.step();

    const Tensor artist_loss = loss_of(critic(drawn), yes);  // it wants to be taken for a writer
    artist_optimizer.zero_grad();
    artist_loss.backward();
    artist_optimizer.step();
    if (step % 100 == 0 || step + 1 == steps)
      std::printf("step %4lld  loss of the critic %.3f, of the artist %.3f\n", static_cast<long long>(step), critic_loss.item(), artist_loss.item());
  }

  const gf::no_grad off;
  artist.eval();
  write_picture_grid(options.text("out"), artist(wall), {.low = -1, .high = 1});
  std::printf("%s\n", options.text("out").c_str());
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, {{"data", "../shared/data/mnist"}, {"steps", "1500"}, {"out", "digits.png"}}, train);
}
