// gf-train: training from the shell. Its commands stand in train/.
#include <fmt/format.h>

#include "tools/train/commands.h"

using namespace gf;
using namespace gf::cli;

int main(int argc, char** argv) {
  Common common;
  return run_tool(
      "gf-train", "Trains models, and checks their gradients",
      "  gf-train fit lenet --data mnist:data/mnist --epochs 5 --checkpoint run --plot curves.svg -o digits.gf\n"
      "  gf-train fit char-gpt --data text:book.txt --steps 2000 --checkpoint run --resume\n"
      "  mpirun -n 2 gf-train fit resnet18 --data cifar:data/cifar --checkpoint run --shard-optimizer\n"
      "  gf-train prepare model.onnx --loss cross_entropy --optimizer adamw,lr=1e-3 --batch 16 -o model.gf\n"
      "  gf-train prepare model.onnx --loss mse --optimizer sgd,lr=0.01 --lora '*.q_proj.*,*.v_proj.*:8' --memory 8MB -o model.gf\n"
      "  gf-train fit squeezenet.onnx --head 10 --last 1 --data images:flowers,size=224 -o flowers.gf\n"
      "  gf-train fit lenet --data mnist:data/mnist --qat --teacher large.gf --checkpoint run\n"
      "  gf-train export run -o net.gf\n"
      "  gf-train export run --ema -o weights.safetensors\n"
      "  gf-train check model.onnx\n"
      "  gf-train check model.gf --input tokens=tokens.npy --each\n"
      "  gf-train check --list-ops",
      argc, argv, [&](CLI::App& app) {
        app.require_subcommand(1);
        app.failure_message(CLI::FailureMessage::simple);
        const std::vector<Command> commands = {add_fit(app, common), add_prepare(app, common), add_export(app, common), add_check(app, common)};
        return [commands]() -> int {
          const auto asked = std::find_if(commands.begin(), commands.end(), [](const Command& c) { return c.app->parsed(); });
          return asked->run();
        };
      });
}
