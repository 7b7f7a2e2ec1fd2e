// Averages of weights beside the training: exponential (EMA; Polyak and Juditsky 1992) or of all moments alike (SWA; Izmailov et al. 2018,
// arXiv 1803.05407), with torch.optim.swa_utils.AveragedModel's meaning. Here on lazy tensors; the strict step keeps its averages in State
// (TrainStepOptions::averages). Handles are the caller's. Thread rule: as Tensor.
#pragma once

#include <vector>

#include "schema/formula.h"
#include "trainer/tensor/tensor.h"

namespace gf::optim {

struct AverageSettings {
  enum class Kind : uint8_t {
    Ema,  ///< average += (1 - decay) * (weight - average)
    Swa,  ///< average += (weight - average) / (n + 1)
  };
  Kind kind = Kind::Ema;
  double decay = 0.999;  ///< of Ema, from 0 to 1
};
/// Throws gf::Exception (InvalidArgument): decay out of range.
void check(const AverageSettings& settings);
/// What the n-th update (0 is the first, which copies) gives to the weight; the average keeps the rest.
double average_share(const AverageSettings& settings, int64_t n);
/// The same for a float64 scalar n in a graph.
Var average_share(const AverageSettings& settings, Var n);
/// The average after an update, in its own type.
Var averaged(Var average, Var weight, Var share);

class AveragedWeights {
 public:
  /// Averages begin as zeros; the first update() copies. Throws InvalidArgument: no weights, settings out of range; TypeMismatch: a weight
  /// is no float.
  explicit AveragedWeights(std::vector<Tensor> weights, const AverageSettings& settings = {});

  /// After an optimizer's step (or each epoch): takes the weights in. Recorded; the next step's program computes it.
  void update();
  int64_t updates() const { return updates_; }
  /// The weights given, in their order.
  const std::vector<Tensor>& weights() const { return weights_; }
  /// Takes up averages of so many updates. Throws, and changes nothing: InvalidArgument (another number of averages, a negative count),
  /// ShapeMismatch, TypeMismatch.
  void restore(const std::vector<io::Array>& averages, int64_t updates);
  /// In the order of the weights. They lead no gradients back.
  const std::vector<Tensor>& averages() const { return averages_; }
  /// Exchanges weights and averages: for an evaluation, and back. Running statistics of norms are not averaged; run batches in training
  /// mode to have them follow (PyTorch's update_bn). Throws WrongPhase before the first update.
  void swap();

 private:
  std::vector<Tensor> weights_, averages_;
  AverageSettings settings_;
  int64_t updates_ = 0;
};

}  // namespace gf::optim
