// Flags of a train step that `prepare` and `fit` share.
#pragma once

#include <string>

#include "tools/common/cli.h"
#include "trainer/step/prepare.h"

namespace gf::cli {

struct StepArgs {
  TrainStepOptions step;
  std::string activations = "f32", precision = "f32";
  double ema = 0;
  bool loss_scale = false;

  /// Options and passes by the flags.
  TrainStepOptions options() const;
  void set(PassOptions& passes) const;
  /// What products are computed from, and what this machine makes of that; empty for f32.
  std::string precision_note(const Common& common) const;
};

void add_step_options(CLI::App& command, StepArgs& args);

}  // namespace gf::cli
