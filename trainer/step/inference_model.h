// A net of modules as a model for inference: what is left of it when training is over.
#pragma once

#include <string>
#include <vector>

#include "trainer/nn/module.h"

namespace gf {

struct InferenceModelOptions {
  /// One example of the input: its name, type and shape without the batch.
  std::string input = "x";
  DType type = DType::F32;
  std::vector<int64_t> shape = {};
  std::string output = "y";
  int64_t batch = 1;
  /// Name of the batch's dimension, which then takes any value from 1 to `batch` (0: without an end, for ONNX files, whose readers give one); empty:
  /// always `batch`. The net must treat examples one by one.
  std::string batch_name = {};
  std::string entry = "main";
};

/// The entry computes the module in evaluation mode; its weights are constants of their names. Not optimised yet: save_model() (ghostflow/convert.h)
/// and run_passes() do that. The module is in the mode of before afterwards. Throws what tracing throws; InvalidArgument (a batch below 1, or of 0 without a name),
/// Unsupported: a batch that is to vary, of a net whose results for one example depend on how many there are.
ir::Model inference_model(nn::Module& net, const InferenceModelOptions& options);

}  // namespace gf
