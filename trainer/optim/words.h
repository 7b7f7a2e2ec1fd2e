// What the rules of optimizers.h share: a few words more than Formula has, and the checks of settings.
#pragma once

#include <array>
#include <string>

#include "trainer/optim/optimizer.h"

namespace gf::optim {

Var square(Var x);
Var abs(Var x);
Var sign(Var x);
Var max(Var a, Var b);
Var max(Var a, double b);
Var one_minus(Var x);
Var power(double base, Var exponent);       ///< base in the exponent's type
Var lerp(Var a, Var b, double weight);      ///< a at weight 0, b at 1
Var norm(Var x);                            ///< rank 0: root of the sum of squares
Var root_mean_square(Var x);                ///< rank 0
/// `ratio` where both norms are above 0, else 1.
Var trust_ratio(Var norm, Var other, Var ratio);

/// The gradient of what is minimised, plus weight_decay times the parameter.
Var descent(Update& u, bool maximize, double weight_decay = 0);
/// The parameter times 1 - lr * weight_decay.
Var decayed_parameter(Update& u, double weight_decay);
/// 1 - beta^t, float64.
Var bias_correction(Update& u, double beta);

/// Checks of one optimizer's settings; a failure throws gf::Exception (InvalidArgument) with the name of both.
class SettingCheck {
 public:
  explicit SettingCheck(const char* optimizer) : optimizer_(optimizer) {}
  void require(bool ok, const std::string& setting, double value, const char* range) const;
  void not_negative(const char* setting, double value) const;
  void state_dtype(std::optional<DType> type) const;
  void betas(const std::array<double, 2>& values) const;
  [[noreturn]] void refuse(const std::string& text) const;

 private:
  const char* optimizer_;
};

}  // namespace gf::optim
