// A net learns to balance a pole by trying: REINFORCE (Williams 1992) with a baseline, on the cart-pole of cart_pole.h.
//   example_train_cart_pole --steps 300
// In a step sixteen carts play until they are over. What turned out better than the baseline expected is made more probable, what turned out worse
// less. Ends when the last hundred games brought 490 points of 500 on average, then plays a hundred more with the better push each time.
#include <ghostflow/train.h>

#include <algorithm>
#include <array>
#include <deque>
#include <numeric>

#include "cart_pole.h"
#include "options.h"

namespace {

using gf::Tensor;

constexpr int64_t kCarts = 16, kMost = CartPole::kMostSteps;
constexpr double kDiscount = 0.99, kScale = 1 - kDiscount;  // returns times kScale are 0 to 1

using Carts = std::array<CartPole, kCarts>;

std::vector<float> seen_by(const Carts& carts) {
  std::vector<float> x;
  for (const CartPole& c : carts)
    for (const double v : {c.place, c.speed, c.angle, c.turn}) x.push_back(static_cast<float>(v));
  return x;
}

/// Games of all carts, one row per cart and step: what was seen, what was done, what it brought. Rows after the end of a game weigh nothing.
struct Games {
  std::vector<float> seen, brought = std::vector<float>(kCarts * kMost), weight = brought;
  std::vector<int64_t> done = std::vector<int64_t>(kCarts * kMost);
  std::vector<double> points;
};

/// `probable`: pushes as probable as the net says; else the better one each time.
Games play(gf::nn::Module& policy, std::mt19937_64& random, bool probable) {
  const gf::no_grad off;
  Games games;
  Carts carts;
  for (CartPole& c : carts) c.start(random);
  for (int64_t t = 0; t < kMost; ++t) {
    const std::vector<float> seen = seen_by(carts);
    games.seen.insert(games.seen.end(), seen.begin(), seen.end());
    if (std::all_of(carts.begin(), carts.end(), [](const CartPole& c) { return c.over(); })) continue;
    const std::vector<float> right = select(softmax(policy(Tensor::from(seen, {kCarts, 4})), 1), 1, 1).to_vector<float>();
    for (size_t i = 0; i < carts.size(); ++i) {
      if (carts[i].over()) continue;
      const double dice = probable ? static_cast<double>(random() >> 11) * 0x1p-53 : 0.5;
      const bool push_right = dice < static_cast<double>(right[i]);
      const size_t row = static_cast<size_t>(t) * carts.size() + i;
      games.done[row] = push_right ? 1 : 0;
      games.weight[row] = 1;
      carts[i].push(push_right);
    }
  }
  for (size_t i = 0; i < carts.size(); ++i) {
    double later = 0;  // points from here on, those that are far away count less
    for (int t = carts[i].steps; t-- > 0;) games.brought[static_cast<size_t>(t) * carts.size() + i] = static_cast<float>((later = 1 + kDiscount * later) * kScale);
    games.points.push_back(carts[i].steps);
  }
  return games;
}

Tensor loss_of(gf::nn::Module& policy, gf::nn::Module& baseline, const Games& g) {
  const Tensor seen = Tensor::from(g.seen, {kCarts * kMost, 4}), brought = Tensor::from(g.brought), done = Tensor::from(g.done);
  const Tensor share = Tensor::from(g.weight) / std::accumulate(g.weight.begin(), g.weight.end(), 0.0);
  const Tensor expected = squeeze(baseline(seen), 1);
  const Tensor better = (brought - expected).detach();
  const Tensor log_probability = squeeze(gather(log_softmax(policy(seen), 1), 1, unsqueeze(done, 1)), 1);
  return sum(share * square(brought - expected)) - sum(share * better * log_probability);
}

double mean(const auto& numbers) { return std::accumulate(numbers.begin(), numbers.end(), 0.0) / static_cast<double>(numbers.size()); }

void train(const Options& options) {
  gf::nn::manual_seed(1);
  std::mt19937_64 random(1);
  gf::models::Mlp policy({.sizes = {4, 64, 2}}), baseline({.sizes = {4, 64, 1}});
  std::vector<Tensor> parameters = policy.parameters();
  for (const Tensor& p : baseline.parameters()) parameters.push_back(p);
  gf::Trainable optimizer(parameters, std::make_shared<gf::optim::Adam>(gf::optim::AdamSettings{.lr = 1e-2}));

  std::deque<double> last;  // points of the last hundred games
  const int64_t steps = options.number("steps");
  for (int64_t step = 0; step < steps && (last.size() < 100 || mean(last) < 490); ++step) {
    const Games games = play(policy, random, true);
    loss_of(policy, baseline, games).backward();
    optimizer.step();
    for (const double p : games.points) last.push_back(p);
    while (last.size() > 100) last.pop_front();
    if (step % 10 == 0) std::printf("step %3lld  points of the last %zu games: %.1f\n", static_cast<long long>(step), last.size(), mean(last));
  }
  std::vector<double> points;
  while (points.size() < 100) {
    const Games games = play(policy, random, false);
    points.insert(points.end(), games.points.begin(), games.points.end());
  }
  points.resize(100);
  std::printf("%lld steps; 100 games: %.1f points on average, %.0f in the worst\n", static_cast<long long>(optimizer.steps()), mean(points),
              *std::min_element(points.begin(), points.end()));
}

}  // namespace

int main(int argc, char** argv) { return run_example(argc, argv, {{"steps", "300"}}, train); }
