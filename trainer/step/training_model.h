// A net of modules as a model that trains: the entries that prepare_training() gives an imported one, over one State. What the runtime, the
// trainer's loop and a device run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trainer/nn/module.h"
#include "trainer/step/fit.h"
#include "trainer/step/prepare.h"

namespace gf {

struct TrainingModelOptions {
  /// One example of the input: its name, type and shape without the batch.
  std::string input = "x";
  DType type = DType::F32;
  std::vector<int64_t> shape;
  int64_t batch = 1;                  ///< of train_step
  int64_t evaluate_batch = 1;         ///< of evaluate, and of main
  int64_t main_batch = 0;             ///< of main; 0: that of evaluate
  std::string loss;                   ///< loss_names(); its target becomes input "target"
  std::shared_ptr<const optim::Optimizer> optimizer;
  std::optional<FakeQuantizeOptions> quantize;  ///< as PrepareOptions has them
  std::optional<Teacher> teacher;
  TrainStepOptions step;
  std::optional<uint64_t> memory;     ///< bytes for activations and scratch of train_step, by fit_memory()
  PassOptions passes;                 ///< `exact` is set
};

/// Entries train_step (the module in training mode: input, target -> loss), evaluate (evaluation mode: input, target -> loss and, for classes,
/// accuracy) and main (input -> output), optimised; with averages, the last two read those. Parameters that require gradients are trained; State has the module's present
/// values. The module is in the mode of before afterwards. Throws what tracing and add_train_step() throw, and InvalidArgument.
ir::Model training_model(nn::Module& net, const TrainingModelOptions& options);

}  // namespace gf
