// Who listens to a loop that trains: reports and where they go. Thread rule: called on the thread of fit(), one after the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gf {

using Metrics = std::vector<std::pair<std::string, double>>;

struct FitPlan {
  int64_t first_step = 0;                  ///< steps done before
  int64_t last_step = 0;                   ///< where it ends, unless it is stopped
  int64_t steps_per_epoch = 0;
  std::optional<int64_t> resumed_from;     ///< step of the checkpoint
};
struct StepReport {
  int64_t step = 0;                        ///< steps done, this one too
  int64_t epoch = 0;                       ///< from 0
  double loss = 0, learning_rate = 0;
  double seconds = 0;                      ///< of this step, waiting for data included
  double examples_per_second = 0;          ///< lately
  double seconds_left = 0;                 ///< of all steps, at that speed
};
struct ValidationReport {
  int64_t step = 0, epoch = 0;
  Metrics metrics;
  double seconds = 0;
  bool best = false;                       ///< the best so far, by the metric that is watched
};
struct FitResult {
  enum class End : uint8_t { Finished, Stopped, EarlyStopped };
  End end = End::Finished;
  int64_t step = 0;
  double loss = 0;                         ///< of the last step that had a finite one
  int64_t skipped = 0;                     ///< steps of this run that changed nothing, as something was not finite; each has a note
  Metrics validation;                      ///< the last one
  double best = 0;                         ///< of the metric that is watched
  int64_t best_step = 0;                   ///< 0: there was no validation
  double seconds = 0;
  double stall_seconds = 0;                ///< of these: waiting for data
  std::optional<int64_t> resumed_from;
};

class FitListener {
 public:
  virtual ~FitListener() = default;
  virtual void begin(const FitPlan&) {}
  virtual void step(const StepReport&) {}
  virtual void validated(const ValidationReport&) {}
  virtual void saved(int64_t /*step*/) {}
  /// Something that a person should know.
  virtual void note(const std::string& /*line*/) {}
  virtual void end(const FitResult&) {}
};

}  // namespace gf
