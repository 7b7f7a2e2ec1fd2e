#include "trainer/optim/words.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "runtime/core/exception.h"
#include "schema/ops/abs.h"
#include "schema/ops/max.h"
#include "schema/ops/reduce_l2.h"
#include "schema/ops/sign.h"

namespace gf::optim {

Var square(Var x) { return x * x; }
Var abs(Var x) { return x.formula->node<op::Abs>({x}); }
Var sign(Var x) { return x.formula->node<op::Sign>({x}); }
Var max(Var a, Var b) { return a.formula->node<op::Max>({a, b}); }
Var max(Var a, double b) { return max(a, a.formula->scalar(a.formula->dtype(a), b)); }
Var one_minus(Var x) { return x.formula->scalar(x.formula->dtype(x), 1) - x; }
Var power(double base, Var exponent) {
  Formula& f = *exponent.formula;
  return f.pow(f.scalar(f.dtype(exponent), base), exponent);
}
Var lerp(Var a, Var b, double weight) { return a + (b - a) * weight; }

Var norm(Var x) {
  Formula& f = *x.formula;
  const int rank = f.rank(x);
  if (rank == 0) return abs(x);
  int64_t axes[kMaxRank];
  for (int d = 0; d < rank; ++d) axes[d] = d;
  return f.node<op::ReduceL2>({x}, {.axes = IntList(axes, static_cast<size_t>(rank)), .keepdims = false});
}
Var root_mean_square(Var x) {
  const DimShape& shape = x.formula->shape(x);
  double count = 1;
  for (int d = 0; d < shape.rank; ++d) count *= static_cast<double>(shape[d].lo);
  return norm(x) * (1 / std::sqrt(std::max(count, 1.0)));
}
Var trust_ratio(Var norm, Var other, Var ratio) {
  Formula& f = *ratio.formula;
  const Var zero = f.scalar(f.dtype(ratio), 0), one = f.scalar(f.dtype(ratio), 1);
  return f.where(f.logical_and(f.less(zero, norm), f.less(zero, other)), ratio, one);
}

Var descent(Update& u, bool maximize, double weight_decay) {
  const Var g = maximize ? -u.gradient() : u.gradient();
  return weight_decay == 0 ? g : g + u.parameter() * weight_decay;
}
Var decayed_parameter(Update& u, double weight_decay) {
  if (weight_decay == 0) return u.parameter();
  return u.parameter() * u.number(one_minus(u.learning_rate() * weight_decay));
}
Var bias_correction(Update& u, double beta) { return one_minus(power(beta, u.step())); }

void SettingCheck::refuse(const std::string& text) const {
  throw Exception(Error::InvalidArgument, std::string(optimizer_) + ": " + text);
}
void SettingCheck::require(bool ok, const std::string& setting, double value, const char* range) const {
  if (ok && std::isfinite(value)) return;
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  refuse(setting + " is " + text + "; it must be " + range);
}
void SettingCheck::not_negative(const char* setting, double value) const {
  require(value >= 0, setting, value, "finite and not negative");
}
void SettingCheck::state_dtype(std::optional<DType> type) const {
  if (type && *type != DType::F32 && *type != DType::BF16)
    refuse(std::string("state_dtype is ") + dtype_name(*type) + "; it must be float32 or bfloat16 (squares of gradients do not fit float16)");
}
void SettingCheck::betas(const std::array<double, 2>& values) const {
  for (size_t k = 0; k < values.size(); ++k)
    require(values[k] >= 0 && values[k] < 1, "betas[" + std::to_string(k) + "]", values[k], "at least 0 and below 1");
}

}  // namespace gf::optim
