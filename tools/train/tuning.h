// What fit and prepare share about a model that is tuned rather than trained from nothing: first values, a new head, which weights are
// trained, int8, a teacher.
#pragma once

#include <string>
#include <vector>

#include "tools/common/cli.h"
#include "trainer/step/prepare.h"

namespace gf::cli {

struct Tuning {
  PrepareOptions options;            ///< what the flags say, after set_tuning()
  std::vector<std::string> lora, quantized;
  std::string init, head, teacher;
  bool init_partial = false, qat = false;
  double temperature = 4, alpha = 0.5;
  ir::Model teacher_model;           ///< options.teacher points here

  /// The first flag given that changes which weights there are or which are trained; nullptr: none.
  const char* changes_weights() const;
};
void add_tuning(CLI::App& app, Tuning& tuning);
/// Reads the files. `batch`, `example`: sizes of a teacher's inputs, as ImportForTraining has them. Throws UsageError, and what reading throws.
void set_tuning(Tuning& tuning, const Common& common, const std::string& batch, const std::vector<int64_t>& example);

/// Weights by name out of .safetensors, .npz, a checkpoint, the initialisers of an .onnx, or the State of a .gf.
std::vector<io::NamedArray> read_tensors(const std::string& path);

}  // namespace gf::cli
