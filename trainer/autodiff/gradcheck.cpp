#include "trainer/autodiff/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <optional>

#include "graph/emit/emit.h"
#include "graph/ir/builder.h"
#include "graph/passes/rewrite.h"
#include "graph/read/read.h"
#include "runtime/include/ghostflow/model.h"
#include "schema/ops/identity.h"
#include "schema/ops/reshape.h"
#include "schema/ops/shape.h"
#include "trainer/autodiff/autodiff.h"
#include "trainer/autodiff/uniform.h"

namespace gf {
namespace {

using Vector = std::vector<double>;
using Vectors = std::map<std::string, Vector>;
using Shapes = std::map<std::string, std::vector<int64_t>>;

constexpr const char* kSeed = "gradcheck.seed.";
constexpr const char* kGradient = "gradcheck.gradient.";
constexpr const char* kTangent = "gradcheck.tangent.";
constexpr const char* kChange = "gradcheck.change.";

/// An entry that is run again and again.
class Function {
 public:
  /// `others`: shapes of inputs that set() fills.
  Function(std::span<const std::byte> file, std::string entry, const NamedArrays& values, const Shapes& others = {})
      : entry_(std::move(entry)), model_(load(file)) {
    for (const auto& [name, shape] : others) model_.set_shape(name, shape, entry_);
    for (const auto& [name, array] : values)
      if (has_input(name)) model_.set_shape(name, array.shape, entry_);
    for (const auto& [name, array] : values) {
      if (!has_input(name)) continue;
      const auto to = model_.input<std::byte>(name, entry_);
      if (model_.input_view(name, entry_).dtype != array.dtype || to.size() != array.data.size())
        throw Exception(Error::TypeMismatch, "input '" + name + "' is " + dtype_name(model_.input_view(name, entry_).dtype) +
                                                 "; the value given is " + dtype_name(array.dtype));
      if (!to.empty()) std::memcpy(to.data(), array.data.data(), to.size());
    }
  }

  const Program& program() const { return model_.program(); }
  bool has_input(const std::string& name) {
    try {
      (void)model_.input_view(name, entry_);
      return true;
    } catch (const Exception& e) {
      if (e.code() != Error::NotFound) throw;
      return false;
    }
  }
  std::span<double> input(const std::string& name) { return model_.input<double>(name, entry_); }
  void set(const std::string& name, const Vector& v) { std::copy(v.begin(), v.end(), input(name).begin()); }
  void run() { model_.run(entry_); }
  std::vector<int64_t> shape(const std::string& output) {
    const TensorView v = model_.output_view(output, entry_);
    return {v.shape.dims, v.shape.dims + v.shape.rank};
  }
  Vector output(const std::string& name) {
    const auto v = model_.output<double>(name, entry_);
    return {v.begin(), v.end()};
  }

 private:
  static Model load(std::span<const std::byte> file) {
    ModelOptions options;
    options.threads = 1;
    options.xnnpack = false;
    return Model::from_bytes(file, options);
  }

  std::string entry_;
  Model model_;
};

class Check {
 public:
  Check(std::span<const std::byte> file, const NamedArrays& values, const GradcheckOptions& options)
      : values_(values), options_(options), forward_(file, options.entry, values), random_(options.seed) {
    find_names();
    forward_.run();
    for (const std::string& y : outputs_) {
      shapes_[y] = forward_.shape(y);
      y_[y] = forward_.output(y);
      y_count_ += static_cast<int64_t>(y_[y].size());
    }
    for (const std::string& x : inputs_) {
      const auto v = forward_.input(x);
      x_[x] = {v.begin(), v.end()};
      x_count_ += static_cast<int64_t>(v.size());
    }
  }

  GradcheckReport run() {
    const std::vector<std::byte> gradient_file = differentiated(false);
    Shapes seeds;
    for (const auto& [y, shape] : shapes_) seeds[kSeed + y] = shape;
    std::optional<Function> gradient;
    if (!gradient_file.empty()) gradient.emplace(gradient_file, options_.entry, values_, seeds);
    const bool full = y_count_ == 0 || x_count_ <= options_.full_jacobian / y_count_;
    if (full) compare_all(gradient);
    else compare_directions(gradient);
    if (options_.forward_mode) compare_forward();
    if (options_.second_order && report_.ok && gradient) second_order(gradient_file);
    return report_;
  }

 private:
  ir::Entry& entry_of(ir::Model& model) const {
    ir::Entry* entry = model.find(options_.entry);
    if (entry == nullptr) throw Exception(Error::NotFound, "gradcheck: there is no entry '" + options_.entry + "'");
    return *entry;
  }
  ir::Model graph() const { return read_model(forward_.program(), nullptr); }  // its constants lie in forward_'s copy

  void find_names() {
    ir::Model model = graph();
    const ir::Entry& entry = entry_of(model);
    for (const ir::ValueId v : entry.body.inputs) {
      const ir::Value& value = entry.value(v);
      if (std::none_of(values_.begin(), values_.end(), [&](const auto& p) { return p.first == value.name; }))
        throw Exception(Error::NotFound, "gradcheck: no value for input '" + value.name + "'");
      if (options_.inputs.empty() && value.dtype == DType::F64) inputs_.push_back(value.name);
    }
    for (const std::string& name : options_.inputs) {
      const auto at = std::find_if(entry.body.inputs.begin(), entry.body.inputs.end(),
                                   [&](ir::ValueId v) { return entry.value(v).name == name; });
      if (at == entry.body.inputs.end()) throw Exception(Error::NotFound, "gradcheck: there is no input '" + name + "'");
      if (entry.value(*at).dtype != DType::F64)
        throw Exception(Error::TypeMismatch, "gradcheck: input '" + name + "' is " + dtype_name(entry.value(*at).dtype) +
                                                 "; differences need float64");
      inputs_.push_back(name);
    }
    for (const ir::ValueId v : entry.body.outputs)
      if (entry.value(v).dtype == DType::F64) outputs_.push_back(entry.value(v).name);
    if (inputs_.empty() || outputs_.empty())
      throw Exception(Error::InvalidArgument, "gradcheck: entry '" + options_.entry + "' has no float64 " +
                                                  (inputs_.empty() ? "input" : "output"));
  }

  // A new input in the shape of v. Only symbols of inputs can be set from outside: other lengths get symbols of their own.
  static ir::ValueId input_like(ir::Entry& entry, ir::ValueId v, const char* prefix) {
    const std::string name = prefix + entry.value(v).name;
    const DimShape shape = entry.value(v).shape;
    DimShape open = shape;
    for (int d = 0; d < shape.rank; ++d)
      if (!shape[d].is_const() && entry.symbols.symbol_index(shape[d]) < 0)
        open[d] = entry.symbols.symbol(name + "." + std::to_string(d), shape[d].lo, shape[d].hi);
    const ir::ValueId given = entry.add_input(name, DType::F64, open);
    if (same_shape(open, shape)) return given;
    ir::Builder b(entry, entry.body);
    return b.add<op::Reshape>({given, b.add<op::ShapeOf>({v})});
  }

  // The file with gradients (inputs: a seed per output) or, forward mode, changes (inputs: a tangent per input) as outputs.
  // Empty when they are all zero because no output depends on an input.
  std::vector<std::byte> differentiated(bool forward_mode) const {
    ir::Model model = graph();
    ir::Entry& entry = entry_of(model);
    std::vector<ir::ValueId> of, wrt, given;
    const auto find = [&](const std::vector<ir::ValueId>& among, const std::string& name) {
      return *std::find_if(among.begin(), among.end(), [&](ir::ValueId v) { return entry.value(v).name == name; });
    };
    for (const std::string& y : outputs_) of.push_back(find(entry.body.outputs, y));
    for (const std::string& x : inputs_) wrt.push_back(find(entry.body.inputs, x));
    const auto& beside = forward_mode ? wrt : of;
    for (const ir::ValueId v : beside) given.push_back(input_like(entry, v, forward_mode ? kTangent : kSeed));
    std::vector<ir::ValueId> results;
    try {
      results = forward_mode ? jvp(entry, of, wrt, given) : gradients(entry, of, given, wrt);
    } catch (const Exception& e) {
      if (e.code() != Error::InvalidArgument) throw;  // nothing leads there
    }
    if (std::all_of(results.begin(), results.end(), [](ir::ValueId v) { return v == ir::kNoValue; })) return {};
    ir::Builder b(entry, entry.body);
    entry.body.outputs.clear();
    for (size_t k = 0; k < results.size(); ++k) {
      if (results[k] == ir::kNoValue) continue;
      const ir::ValueId copy = b.add<op::Identity>({results[k]});
      entry.value(copy).name = forward_mode ? kChange + outputs_[k] : kGradient + inputs_[k];
      entry.body.outputs.push_back(copy);
    }
    ir::check(model);
    return emit(model);
  }

  // Gradients for these seeds; zeros for an input that nothing leads from.
  Vectors pulled(std::optional<Function>& gradient, const Vectors& seeds) {
    if (gradient) {
      for (const auto& [y, seed] : seeds) gradient->set(kSeed + y, seed);
      gradient->run();
    }
    Vectors g;
    for (const std::string& x : inputs_) g[x] = output_or_zeros(gradient, kGradient + x, x_[x].size());
    return g;
  }
  static Vector output_or_zeros(std::optional<Function>& function, const std::string& name, size_t count) {
    try {
      if (function) return function->output(name);
    } catch (const Exception& e) {
      if (e.code() != Error::NotFound) throw;
    }
    return Vector(count, 0.0);
  }

  // Outputs at x + step * direction.
  Vectors moved(const Vectors& direction, double step) {
    for (const auto& [x, along] : direction) {
      const auto to = forward_.input(x);
      for (size_t k = 0; k < along.size(); ++k) to[k] = x_[x][k] + step * along[k];
    }
    forward_.run();
    Vectors y;
    for (const std::string& name : outputs_) y[name] = forward_.output(name);
    return y;
  }
  Vectors difference(const Vectors& direction) {
    Vectors up = moved(direction, options_.eps);
    const Vectors down = moved(direction, -options_.eps);
    for (auto& [y, v] : up)
      for (size_t k = 0; k < v.size(); ++k) v[k] = (v[k] - down.at(y)[k]) / (2 * options_.eps);
    return up;
  }
  Vectors zeros(const Vectors& like) const {
    Vectors z;
    for (const auto& [name, v] : like) z[name] = Vector(v.size(), 0.0);
    return z;
  }
  Vectors random(const Vectors& like) {
    Vectors r;
    for (const auto& [name, v] : like) r[name] = random_.vector(v.size());
    return r;
  }

  void compare(double derived, double measured, double scale, const std::string& place) {
    ++report_.compared;
    const double tolerance = options_.atol * scale + options_.rtol * std::fabs(measured);
    const double error = std::fabs(derived - measured);
    const double part = error == error ? error / tolerance : std::numeric_limits<double>::infinity();
    if (part <= report_.worst) return;
    report_.worst = part;
    if (part <= 1) return;
    report_.ok = false;
    report_.text = place + " is " + std::to_string(derived) + " by autodiff, " + std::to_string(measured) + " by differences";
  }

  void compare_all(std::optional<Function>& gradient) {
    std::map<std::string, std::map<std::string, std::vector<Vector>>> jacobian;  // [x][y]: a column per element of x
    Vectors direction = zeros(x_);
    for (const std::string& x : inputs_)
      for (size_t i = 0; i < x_[x].size(); ++i) {
        direction[x][i] = 1;
        for (auto& [y, column] : difference(direction)) jacobian[x][y].push_back(std::move(column));
        direction[x][i] = 0;
      }
    Vectors seeds = zeros(y_);
    for (const std::string& y : outputs_)
      for (size_t k = 0; k < y_[y].size(); ++k) {
        seeds[y][k] = 1;
        const Vectors row = pulled(gradient, seeds);
        seeds[y][k] = 0;
        for (const std::string& x : inputs_)
          for (size_t i = 0; i < x_[x].size(); ++i)
            compare(row.at(x)[i], jacobian[x][y][i][k], 1,
                    "d " + y + "[" + std::to_string(k) + "] / d " + x + "[" + std::to_string(i) + "]");
      }
  }

  void compare_directions(std::optional<Function>& gradient) {
    for (int n = 0; n < options_.directions; ++n) {
      const Vectors direction = random(x_), seeds = random(y_);
      const Vectors change = difference(direction), pull = pulled(gradient, seeds);
      compare(dot(pull, direction), dot(seeds, change), norm(direction) * norm(seeds),
              "the product along direction " + std::to_string(n));
    }
  }

  void compare_forward() {
    const std::vector<std::byte> file = differentiated(true);
    Shapes tangents;
    for (const std::string& x : inputs_) tangents[kTangent + x] = shape_of_input(x);
    std::optional<Function> push;
    if (!file.empty()) push.emplace(file, options_.entry, values_, tangents);
    const Vectors direction = random(x_), change = difference(direction);
    if (push) {
      for (const std::string& x : inputs_) push->set(kTangent + x, direction.at(x));
      push->run();
    }
    for (const std::string& y : outputs_) {
      const Vector derived = output_or_zeros(push, kChange + y, y_[y].size());
      for (size_t k = 0; k < derived.size(); ++k)
        compare(derived[k], change.at(y)[k], std::max(1.0, norm(direction)),
                "the change of " + y + "[" + std::to_string(k) + "] in forward mode");
    }
  }

  void second_order(const std::vector<std::byte>& gradient_file) {
    NamedArrays values = values_;
    for (const std::string& y : outputs_)
      values.emplace_back(kSeed + y, io::Array::from(random_.vector(y_[y].size()), shapes_[y]));
    GradcheckOptions options = options_;
    options.second_order = options.forward_mode = false;
    options.inputs = inputs_;
    for (const std::string& y : outputs_) options.inputs.push_back(kSeed + y);
    const GradcheckReport inner = Check(gradient_file, values, options).run();
    report_.compared += inner.compared;
    report_.worst = std::max(report_.worst, inner.worst);
    report_.ok = inner.ok;
    if (!inner.ok) report_.text = "second order: " + inner.text;
  }

  std::vector<int64_t> shape_of_input(const std::string& x) const {
    return std::find_if(values_.begin(), values_.end(), [&](const auto& p) { return p.first == x; })->second.shape;
  }
  static double dot(const Vectors& a, const Vectors& b) {
    double sum = 0;
    for (const auto& [name, v] : a)
      for (size_t k = 0; k < v.size(); ++k) sum += v[k] * b.at(name)[k];
    return sum;
  }
  static double norm(const Vectors& a) { return std::sqrt(dot(a, a)); }

  const NamedArrays& values_;
  const GradcheckOptions& options_;
  Function forward_;
  Uniform random_;
  std::vector<std::string> inputs_, outputs_;
  Shapes shapes_;
  Vectors x_, y_;
  int64_t x_count_ = 0, y_count_ = 0;
  GradcheckReport report_;
};

}  // namespace

GradcheckReport gradcheck(std::span<const std::byte> file, const NamedArrays& values, const GradcheckOptions& options) {
  return Check(file, values, options).run();
}

GradcheckReport gradcheck(ir::Model& model, const NamedArrays& values, const GradcheckOptions& options) {
  return gradcheck(emit(model), values, options);
}

}  // namespace gf
