// Gradients of the elementwise ops on one tensor. At kinks the choice is PyTorch's. Where a formula could overflow on the side
// that is not chosen it is written with y, so that differentiating it again gives no 0 * infinity.
#include <cmath>

#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

// --- powers, exponentials
Error Abs::grad(D& d, const Attrs&) { return d.give(0, d.dy() * d.sign(d.x())); }
Error Neg::grad(D& d, const Attrs&) { return d.give(0, -d.dy()); }
Error Sqrt::grad(D& d, const Attrs&) { return d.give(0, d.dy() / (2.0 * d.y())); }
Error Reciprocal::grad(D& d, const Attrs&) { return d.give(0, -d.dy() * d.squared(d.y())); }
Error Exp::grad(D& d, const Attrs&) { return d.give(0, d.dy() * d.y()); }
Error Log::grad(D& d, const Attrs&) { return d.give(0, d.dy() / d.x()); }
Error Erf::grad(D& d, const Attrs&) {
  return d.give(0, d.dy() * (1.12837916709551257390 * d.exp(-d.squared(d.x()))));  // 2 / sqrt(pi)
}

// --- trigonometric, hyperbolic and their inverses
Error Sin::grad(D& d, const Attrs&) { return d.give(0, d.dy() * d.node<Cos>({d.x()})); }
Error Cos::grad(D& d, const Attrs&) { return d.give(0, -d.dy() * d.node<Sin>({d.x()})); }
Error Tan::grad(D& d, const Attrs&) { return d.give(0, d.dy() * (1.0 + d.squared(d.y()))); }
Error Sinh::grad(D& d, const Attrs&) { return d.give(0, d.dy() * d.node<Cosh>({d.x()})); }
Error Cosh::grad(D& d, const Attrs&) { return d.give(0, d.dy() * d.node<Sinh>({d.x()})); }
Error Tanh::grad(D& d, const Attrs&) { return d.give(0, d.dy() * (1.0 + -d.squared(d.y()))); }
Error Asin::grad(D& d, const Attrs&) { return d.give(0, d.dy() / d.sqrt(1.0 + -d.squared(d.x()))); }
Error Acos::grad(D& d, const Attrs&) { return d.give(0, -d.dy() / d.sqrt(1.0 + -d.squared(d.x()))); }
Error Atan::grad(D& d, const Attrs&) { return d.give(0, d.dy() / (1.0 + d.squared(d.x()))); }
Error Asinh::grad(D& d, const Attrs&) { return d.give(0, d.dy() / d.sqrt(1.0 + d.squared(d.x()))); }
Error Acosh::grad(D& d, const Attrs&) { return d.give(0, d.dy() / d.sqrt(d.squared(d.x()) - 1.0)); }
Error Atanh::grad(D& d, const Attrs&) { return d.give(0, d.dy() / (1.0 + -d.squared(d.x()))); }

// --- steps: the gradient is zero wherever there is one
Error Ceil::grad(D&, const Attrs&) { return Error::Ok; }
Error Floor::grad(D&, const Attrs&) { return Error::Ok; }
Error Round::grad(D&, const Attrs&) { return Error::Ok; }
Error Sign::grad(D&, const Attrs&) { return Error::Ok; }

// --- activations
namespace {
Var at_most(Var x, double limit) { return x.formula->less_or_equal(x, x.formula->scalar(x.formula->dtype(x), limit)); }
Var at_least(Var x, double limit) { return x.formula->less_or_equal(x.formula->scalar(x.formula->dtype(x), limit), x); }
double number(float v) { return static_cast<double>(v); }
}  // namespace

Error Relu::grad(D& d, const Attrs&) { return d.give(0, d.zero_where(at_most(d.y(), 0), d.dy())); }
Error ThresholdedRelu::grad(D& d, const Attrs& a) {
  return d.give(0, d.zero_where(at_most(d.x(), number(a.alpha)), d.dy()));
}
Error LeakyRelu::grad(D& d, const Attrs& a) {
  return d.give(0, d.where(at_most(d.x(), 0), d.dy() * number(a.alpha), d.dy()));
}
Error Elu::grad(D& d, const Attrs& a) {  // alpha e^x = y + alpha below 0
  return d.give(0, d.where(at_most(d.x(), 0), d.dy() * (d.y() + number(a.alpha)), d.dy()));
}
Error Celu::grad(D& d, const Attrs& a) {  // e^(x / alpha) = y / alpha + 1 below 0
  return d.give(0, d.where(at_most(d.x(), 0), d.dy() * (d.y() / number(a.alpha) + 1.0), d.dy()));
}
Error Selu::grad(D& d, const Attrs& a) {  // gamma alpha e^x = y + gamma alpha below 0
  const double low = number(a.gamma) * number(a.alpha);
  return d.give(0, d.where(at_most(d.x(), 0), d.dy() * (d.y() + low), d.dy() * number(a.gamma)));
}
Error Sigmoid::grad(D& d, const Attrs&) { return d.give(0, d.dy() * (d.y() * (1.0 + -d.y()))); }
Error Softplus::grad(D& d, const Attrs&) { return d.give(0, d.dy() * d.sigmoid(d.x())); }
Error Softsign::grad(D& d, const Attrs&) { return d.give(0, d.dy() / d.squared(1.0 + d.abs(d.x()))); }
Error HardSigmoid::grad(D& d, const Attrs& a) {
  const Var flat = d.node<Or>({at_most(d.y(), 0), at_least(d.y(), 1)});
  return d.give(0, d.zero_where(flat, d.dy() * number(a.alpha)));
}
Error HardSwish::grad(D& d, const Attrs&) {  // 0 below -3, x / 3 + 1 / 2, 1 above 3
  const Var x = d.x(), middle = d.dy() * (x / 3.0 + 0.5);
  const Var upper = d.where(d.less(d.scalar(d.dtype(x), 3), x), d.dy(), middle);
  return d.give(0, d.zero_where(d.less(x, d.scalar(d.dtype(x), -3)), upper));
}
Error Swish::grad(D& d, const Attrs& a) {  // s + a x s (1 - s)
  const Var ax = d.x() * number(a.alpha), s = d.sigmoid(ax);
  return d.give(0, d.dy() * (s * (1.0 + ax * (1.0 + -s))));
}
Error Mish::grad(D& d, const Attrs&) {  // t + x sigmoid(x) (1 - t^2), t = tanh(softplus(x))
  const Var x = d.x(), t = d.tanh(d.softplus(x));
  return d.give(0, d.dy() * (t + x * d.sigmoid(x) * (1.0 + -d.squared(t))));
}
Error Gelu::grad(D& d, const Attrs& a) { return d.give(0, d.node<GeluGrad>({d.x(), d.dy()}, a)); }
Error Shrink::grad(D& d, const Attrs& a) { return d.give(0, d.zero_where(at_most(d.abs(d.x()), number(a.lambd)), d.dy())); }
Error Clip::grad(D& d, const Attrs& a) {  // 1 where min <= x <= max
  Var inside{};
  if (std::isfinite(a.min)) inside = at_least(d.x(), a.min);
  if (std::isfinite(a.max)) inside = d.logical_and(inside, at_most(d.x(), a.max));
  return d.give(0, inside ? d.where(inside, d.dy(), d.scalar(d.dtype(d.dy()), 0)) : d.dy());
}

// --- the value itself
Error Identity::grad(D& d, const Attrs&) { return d.give(0, d.dy()); }
Error Cast::grad(D& d, const Attrs&) { return d.give(0, d.dy()); }  // give() casts back
// The same mask is drawn again: key and counter give it, so nothing of it is kept.
Error Dropout::grad(D& d, const Attrs& a) { return d.give(0, a.training ? d.node<Dropout>({d.dy(), d.input(1)}, a) : d.dy()); }

}  // namespace gf::op
