#include "trainer/optim/averages.h"

#include "runtime/core/exception.h"
#include "trainer/optim/words.h"
#include "trainer/tensor/functions.h"
#include "trainer/tensor/tensor_formula.h"

namespace gf::optim {

void check(const AverageSettings& s) {
  SettingCheck("averages of weights").require(s.decay >= 0 && s.decay <= 1, "decay", s.decay, "from 0 to 1");
}

double average_share(const AverageSettings& s, int64_t n) {
  if (n == 0) return 1;
  return s.kind == AverageSettings::Kind::Ema ? 1 - s.decay : 1 / (static_cast<double>(n) + 1);
}
Var average_share(const AverageSettings& s, Var n) {
  Formula& f = *n.formula;
  if (s.kind == AverageSettings::Kind::Swa) return f.reciprocal(n + 1);
  const Var one = f.scalar(DType::F64, 1);
  return f.where(f.less(n, one), one, f.scalar(DType::F64, 1 - s.decay));
}
Var averaged(Var average, Var weight, Var share) {
  Formula& f = *average.formula;
  return average + f.cast(share, f.dtype(average)) * (weight - average);
}

AveragedWeights::AveragedWeights(std::vector<Tensor> weights, const AverageSettings& settings) : weights_(std::move(weights)), settings_(settings) {
  check(settings_);
  if (weights_.empty()) throw Exception(Error::InvalidArgument, "averages of weights: there are no weights");
  for (const Tensor& w : weights_) {
    if (!dtype_is_float(w.dtype()))
      throw Exception(Error::TypeMismatch, std::string("averages of weights: a weight is ") + dtype_name(w.dtype()) + "; only floats have averages");
    averages_.push_back(Tensor::zeros(w.shape(), w.dtype()));
  }
}

void AveragedWeights::update() {
  const no_grad off;
  const Tensor share = Tensor::scalar(average_share(settings_, updates_), DType::F64);
  for (size_t i = 0; i < weights_.size(); ++i) {
    TensorFormula f;
    averages_[i].follow(f.tensor(averaged(f.var(averages_[i]), f.var(weights_[i]), f.var(share))));
  }
  ++updates_;
}

void AveragedWeights::restore(const std::vector<io::Array>& averages, int64_t updates) {
  if (averages.size() != averages_.size() || updates < 0)
    throw Exception(Error::InvalidArgument, "averages of weights: " + std::to_string(averages.size()) + " averages of " + std::to_string(updates) +
                                                " updates to restore; there are " + std::to_string(averages_.size()));
  for (size_t i = 0; i < averages.size(); ++i) {
    if (averages[i].shape != weights_[i].shape()) throw Exception(Error::ShapeMismatch, "averages of weights: number " + std::to_string(i) + " to restore has another shape");
    if (averages[i].dtype != weights_[i].dtype()) throw Exception(Error::TypeMismatch, "averages of weights: number " + std::to_string(i) + " to restore has another type");
  }
  for (size_t i = 0; i < averages.size(); ++i) averages_[i].assign(averages[i]);
  updates_ = updates;
}

void AveragedWeights::swap() {
  if (updates_ == 0) throw Exception(Error::WrongPhase, "averages of weights: swap() before the first update()");
  for (size_t i = 0; i < weights_.size(); ++i) {
    io::Array average = averages_[i].array();
    averages_[i].assign(weights_[i].array());
    weights_[i].assign(std::move(average));
  }
}

}  // namespace gf::optim
