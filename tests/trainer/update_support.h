// UpdateRun: one optimizer over some parameters, step by step: an entry with parameters, gradients, slots, learning rate and step
// number as inputs and what follows them as outputs, run through a Session. Parameters are float, double or BF16.
#pragma once

#include "graph/passes/pipeline.h"
#include "runtime/core/half.h"
#include "tests/graph/graph_test_util.h"
#include "trainer/optim/graph_update.h"

namespace gf::test {

template <class T>
class UpdateRun {
 public:
  /// `fused`: after the passes of a train step.
  UpdateRun(const optim::Optimizer& rule, const std::vector<std::vector<int64_t>>& shapes, bool fused = false)
      : rule_(rule), shapes_(shapes), model_(compile(fused)) {
    for (size_t k = 0; k < shapes.size(); ++k)
      for (const optim::Slot& s : slots(k))
        set(name(k, s.name), {}, s.initial);
  }

  /// "0" is parameter 0, "0.exp_avg" its slot.
  static std::string name(size_t k, const std::string& slot = {}) {
    return std::to_string(k) + (slot.empty() ? "" : "." + slot);
  }
  std::span<const optim::Slot> slots(size_t k) const { return rule_.slots(static_cast<int>(shapes_[k].size())); }
  const ir::Entry& entry() const { return net_.entry; }

  void set(const std::string& what, const std::vector<double>& values, double otherwise = 0) {
    const TensorView to = model_.input_view(what);
    ASSERT_TRUE(values.empty() || values.size() == static_cast<size_t>(to.count())) << what;
    for (int64_t i = 0; i < to.count(); ++i) {
      const double v = values.empty() ? otherwise : values[static_cast<size_t>(i)];
      if (to.dtype == DType::F64) to.as<double>()[i] = v;
      else if (to.dtype == DType::F32) to.as<float>()[i] = static_cast<float>(v);
      else to.as<BF16>()[i] = to_bf16(static_cast<float>(v));
    }
  }
  std::vector<double> get(const std::string& what) {
    const TensorView from = model_.input_view(what);
    std::vector<double> values;
    for (int64_t i = 0; i < from.count(); ++i)
      values.push_back(from.dtype == DType::F64   ? from.as<double>()[i]
                       : from.dtype == DType::F32 ? static_cast<double>(from.as<float>()[i])
                                                  : static_cast<double>(to_f32(from.as<BF16>()[i])));
    return values;
  }
  /// One step; what follows takes the place of what was.
  void step(double learning_rate, double number, const std::vector<std::vector<double>>& gradients) {
    model_.template input<double>("learning_rate")[0] = learning_rate;
    model_.template input<double>("step")[0] = number;
    for (size_t k = 0; k < shapes_.size(); ++k) set(name(k, "gradient"), gradients[k]);
    model_.run();
    for (const std::string& what : carried_) {
      const auto from = model_.template output<std::byte>("new " + what);
      std::copy(from.begin(), from.end(), model_.template input<std::byte>(what).begin());
    }
  }

 private:
  static constexpr DType kType = std::is_same_v<T, double> ? DType::F64 : std::is_same_v<T, float> ? DType::F32 : DType::BF16;

  Model compile(bool fused) {
    const auto lr = net_.input("learning_rate", {}, DType::F64), step = net_.input("step", {}, DType::F64);
    for (size_t k = 0; k < shapes_.size(); ++k) {
      const std::vector<Dim> dims(shapes_[k].begin(), shapes_[k].end());
      optim::UpdateValues v{net_.input(name(k), dims, kType), net_.input(name(k, "gradient"), dims, kType), {}, lr, step};
      for (const optim::Slot& s : slots(k)) {
        const auto slot_dims = optim::slot_dims(s, shapes_[k]);
        v.slots.push_back(net_.input(name(k, s.name), {slot_dims.begin(), slot_dims.end()}, optim::slot_dtype(s, kType, rule_.state_dtype())));
      }
      optim::GraphUpdate u(net_.entry, net_.entry.body, OpTable{}, name(k), v);
      u.apply(rule_);
      carry(name(k), u.new_parameter());
      for (size_t i = 0; i < slots(k).size(); ++i) carry(name(k, slots(k)[i].name), u.new_slot(i));
    }
    PassOptions passes;
    passes.exact = true;
    if (fused) run_passes(net_.model, passes);
    ir::check(net_.model);
    ModelOptions options;
    options.xnnpack = false;
    options.threads = 1;
    return Model::from_bytes(emit(net_.model), options);
  }
  void carry(const std::string& what, ir::ValueId v) {
    net_.output("new " + what, v);
    carried_.push_back(what);
  }
  const optim::Optimizer& rule_;
  std::vector<std::vector<int64_t>> shapes_;
  std::vector<std::string> carried_;
  Net net_;
  Model model_;
};

}  // namespace gf::test
