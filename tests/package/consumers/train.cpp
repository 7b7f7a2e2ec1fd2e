// The optional component `trainer`: a net learns the exclusive or with lazy tensors, then as a train step in a file that the runtime
// runs alone.
#include <ghostflow/train.h>

#include <cmath>
#include <cstdio>

int main() {
  using namespace gf;
  nn::manual_seed(2);
  nn::Linear hidden(2, 8), out(8, 1);
  const auto net = [&](const Tensor& x) { return out(tanh(hidden(x))); };
  const Tensor x = Tensor::from(std::vector<float>{0, 0, 0, 1, 1, 0, 1, 1}, {4, 2}), t = Tensor::from(std::vector<float>{0, 1, 1, 0}, {4, 1});
  const auto rule = std::make_shared<optim::Adam>(optim::AdamSettings{.lr = 0.05});
  Trainable optimizer({hidden.weight, hidden.bias, out.weight, out.bias}, rule);
  for (int step = 0; step < 200; ++step) {
    nn::binary_cross_entropy_with_logits(net(x), t).backward();
    optimizer.step();
  }
  for (const float score : net(x).to_vector<float>()) std::printf("%d", score > 0 ? 1 : 0);

  const Tensor loss = nn::binary_cross_entropy_with_logits(net(x), t);
  ir::Model graph = trace({{"x", x}, {"t", t}}, {{"loss", loss}}, {{"w", hidden.weight}, {"b", hidden.bias}, {"v", out.weight}, {"c", out.bias}});
  add_train_step(graph, *graph.entries[0], graph.entries[0]->body.outputs[0], {{{"w", "b", "v", "c"}, rule}});
  (void)fit_memory(graph, "main", 1 << 20, {.exact = true});
  Model model = Model::from_bytes(emit(graph));
  const std::vector<float> pixels = x.to_vector<float>(), targets = t.to_vector<float>();
  std::copy(pixels.begin(), pixels.end(), model.input<float>("x").begin());
  std::copy(targets.begin(), targets.end(), model.input<float>("t").begin());
  model.run();
  const float first = model.output<float>("loss")[0];
  for (int step = 0; step < 50; ++step) model.run();
  std::printf(" %s\n", model.output<float>("loss")[0] < first ? "better" : "not better");
}
