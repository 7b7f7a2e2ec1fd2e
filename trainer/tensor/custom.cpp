#include "trainer/tensor/custom.h"

#include <algorithm>
#include <cmath>

#include "trainer/tensor/functions.h"
#include "trainer/tensor/recording.h"

namespace gf {
namespace {

using lazy::ContentPtr;

struct Registry {
  CustomOps added;
  std::vector<const OpDef*> ops{AllOps::table().rows.begin(), AllOps::table().rows.end()};
  std::vector<const OpGradient*> gradients{GradientsOf<AllOps>::kRows.begin(), GradientsOf<AllOps>::kRows.end()};
};
Registry& registry() {
  static Registry r;
  return r;
}

template <class T>
void add_new(std::vector<T>& to, const std::vector<T>& from) {
  for (const T& v : from)
    if (std::find(to.begin(), to.end(), v) == to.end()) to.push_back(v);
}

}  // namespace

std::vector<Tensor> Function::operator()(const std::vector<Tensor>& inputs) const {
  if (forward == nullptr || backward == nullptr) throw Exception(Error::InvalidArgument, "a Function '" + name + "' without forward or backward is called");
  FunctionContext context;
  std::vector<ContentPtr> given, raw, saved;
  for (const Tensor& t : inputs) {
    given.push_back(t ? t.variable().content : nullptr);
    context.needs_.push_back(!lazy::gradients_are_off() && lazy::leads_back(given.back()));
  }
  std::vector<Tensor> results;
  {
    const lazy::NoGrad off;
    const lazy::Call call(lazy::Call::keep(name));
    results = forward(context, inputs);
  }
  if (results.empty()) throw Exception(Error::InvalidArgument, name + ": forward gave no result");
  if (std::find(context.needs_.begin(), context.needs_.end(), true) == context.needs_.end()) return results;
  for (const Tensor& t : results) {
    if (!t) throw Exception(Error::InvalidArgument, name + ": forward gave an empty Tensor");
    raw.push_back(t.variable().content);
  }
  auto call = std::make_shared<lazy::FunctionCall>();
  call->name = name;
  call->needs = context.needs_;
  for (const Tensor& t : context.saved_) {
    const ContentPtr c = t.variable().content;
    // a result is saved as the call gives it; who gives an input back means the input
    const bool is_input = std::find(given.begin(), given.end(), c) != given.end();
    const auto at = is_input ? raw.end() : std::find(raw.begin(), raw.end(), c);
    call->saved_outputs.push_back(at == raw.end() ? -1 : static_cast<int>(at - raw.begin()));
    if (at == raw.end()) saved.push_back(c);
  }
  call->backward = [back = backward](const lazy::FunctionCall& f, std::vector<Tensor> tensors, const std::vector<Tensor>& gradients) {
    FunctionContext c;
    c.saved_ = std::move(tensors);
    c.needs_ = f.needs;
    return back(c, gradients);
  };
  std::vector<Tensor> wrapped;
  for (ContentPtr& c : lazy::record_function(std::move(call), raw, given, saved)) wrapped.push_back(lazy::tensor_of(std::move(c)));
  return wrapped;
}

void add_custom_ops(const CustomOps& more) {
  Registry& r = registry();
  for (const OpDef* op : more.ops) {
    if (op->info.id < kFirstCustomOpId)
      throw Exception(Error::InvalidArgument, std::string("custom op '") + op->info.name + "': ids of custom ops begin at " + std::to_string(kFirstCustomOpId));
    const OpDef* known = OpTable{r.ops}.find(std::string_view(op->info.name));
    if (known != nullptr && known != op) throw Exception(Error::InvalidArgument, std::string("custom op '") + op->info.name + "': another op has that name");
  }
  add_new(r.added.ops, more.ops);
  add_new(r.added.kernels, more.kernels);
  add_new(r.added.gradients, more.gradients);
  add_new(r.ops, more.ops);
  add_new(r.gradients, more.gradients);
}
const CustomOps& custom_ops() { return registry().added; }

AutodiffOptions custom_autodiff() {
  AutodiffOptions o;
  o.gradients = registry().gradients;
  o.ops = {registry().ops};
  return o;
}

namespace {

using TensorFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

std::vector<Tensor> leaves_of(const std::vector<io::Array>& values) {
  std::vector<Tensor> leaves;
  for (const io::Array& a : values) leaves.push_back(Tensor::from_array(a).set_requires_grad());
  return leaves;
}

double& element(io::Array& a, size_t i) { return a.view<double>()[i]; }

// Results at these values, one behind the other.
std::vector<std::vector<double>> results_at(const TensorFunction& f, const std::vector<io::Array>& values) {
  std::vector<std::vector<double>> all;
  for (const Tensor& y : f(leaves_of(values))) all.push_back(y.to_vector<double>());
  return all;
}

// d y[k][e] / d every input.
std::vector<std::vector<double>> gradients_of(const TensorFunction& f, const std::vector<io::Array>& values, size_t k, size_t e) {
  const std::vector<Tensor> x = leaves_of(values);
  const Tensor y = f(x)[k];
  io::Array seed = io::Array::zeros(DType::F64, y.shape());
  element(seed, e) = 1;
  const Tensor loss = sum(y * Tensor::from_array(std::move(seed)));
  if (loss.requires_grad()) loss.backward();
  std::vector<std::vector<double>> all;
  for (size_t i = 0; i < x.size(); ++i)
    all.push_back(x[i].grad() ? x[i].grad().to_vector<double>() : std::vector<double>(static_cast<size_t>(values[i].count()), 0.0));
  return all;
}

void compare(GradcheckReport& report, const GradcheckOptions& options, double a, double n, const std::function<std::string()>& place) {
  const double part = std::fabs(a - n) / (options.atol + options.rtol * std::fabs(n));
  ++report.compared;
  if (!(part <= 1) && report.ok) {
    report.ok = false;
    report.text = place() + ": the gradient says " + std::to_string(a) + ", differences say " + std::to_string(n);
  }
  report.worst = std::isnan(part) ? INFINITY : std::max(report.worst, part);
}

void check_once(const TensorFunction& f, std::vector<io::Array> values, const GradcheckOptions& options, GradcheckReport& report) {
  const auto y = results_at(f, values);
  int64_t in = 0, out = 0;
  for (const io::Array& a : values) in += a.count();
  for (const auto& r : y) out += static_cast<int64_t>(r.size());
  if (in * out > options.full_jacobian)
    throw Exception(Error::LimitExceeded, "gradcheck: " + std::to_string(in * out) + " derivatives; check at smaller tensors or raise full_jacobian");
  std::vector<std::vector<std::vector<std::vector<double>>>> derived(y.size());  // by result, its element, input, its element
  for (size_t k = 0; k < y.size(); ++k)
    for (size_t e = 0; e < y[k].size(); ++e) derived[k].push_back(gradients_of(f, values, k, e));
  for (size_t i = 0; i < values.size(); ++i)
    for (size_t d = 0; d < static_cast<size_t>(values[i].count()); ++d) {
      const double x = element(values[i], d);
      element(values[i], d) = x + options.eps;
      const auto above = results_at(f, values);
      element(values[i], d) = x - options.eps;
      const auto below = results_at(f, values);
      element(values[i], d) = x;
      for (size_t k = 0; k < y.size(); ++k)
        for (size_t e = 0; e < y[k].size(); ++e)
          compare(report, options, derived[k][e][i][d], (above[k][e] - below[k][e]) / (2 * options.eps), [&] {
            return "element " + std::to_string(e) + " of result " + std::to_string(k) + " by element " + std::to_string(d) + " of input " + std::to_string(i);
          });
    }
}

}  // namespace

GradcheckReport gradcheck(const TensorFunction& function, const std::vector<Tensor>& at, const GradcheckOptions& options) {
  std::vector<io::Array> values;
  for (const Tensor& t : at) {
    if (t.dtype() != DType::F64)
      throw Exception(Error::TypeMismatch, "gradcheck: input " + std::to_string(values.size()) + " is " + dtype_name(t.dtype()) + "; float64 is needed");
    values.push_back(t.array());
  }
  GradcheckReport report;
  check_once(function, values, options, report);
  if (!options.second_order || !report.ok) return report;
  // the gradient of a weighted sum of all results is a function of the inputs, too
  const TensorFunction gradient = [&](const std::vector<Tensor>& given) {
    Tensor loss = Tensor::scalar(0, DType::F64);
    for (const Tensor& y : function(given)) {
      std::vector<double> weights(static_cast<size_t>(y.numel()));
      for (size_t e = 0; e < weights.size(); ++e) weights[e] = std::sin(1.0 + static_cast<double>(e));
      loss = loss + sum(y * Tensor::from(weights, y.shape()));
    }
    return grad(loss, given, true);
  };
  check_once(gradient, values, options, report);
  if (!report.ok) report.text = "second order: " + report.text;
  return report;
}

}  // namespace gf
