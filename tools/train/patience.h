// How long an MPI's launcher waits after Ctrl-C before it kills, against how long the end of a step and a save take: said when it is too
// short. Thread rule: a FitListener.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trainer/loop/callbacks.h"

namespace gf::cli {

/// Seconds between the signal that asks and the one that kills, of the launcher that started this process; nothing: not known.
std::optional<double> launcher_patience();

class Patience final : public FitListener {
 public:
  /// Tells those who listen, once.
  Patience(double seconds, std::vector<std::shared_ptr<FitListener>> told) : seconds_(seconds), told_(std::move(told)) {}
  void step(const StepReport& report) override;
  void validated(const ValidationReport& report) override;
  void saved(int64_t step) override;

 private:
  double seconds_;
  std::vector<std::shared_ptr<FitListener>> told_;
  double step_seconds_ = 0;  // the longest
  std::chrono::steady_clock::time_point save_begins_{};
  bool said_ = false;
};

}  // namespace gf::cli
