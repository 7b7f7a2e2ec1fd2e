// UpdateRun: one optimizer over some parameters, step by step: an entry with parameters, gradients, slots, learning rate and step
// number as inputs and what follows them as outputs, run through a Session.
#pragma once

#include "tests/graph/graph_test_util.h"
#include "trainer/optim/graph_update.h"

namespace gf::test {

template <class T>
class UpdateRun {
 public:
  UpdateRun(const optim::Optimizer& rule, const std::vector<std::vector<int64_t>>& shapes)
      : rule_(rule), shapes_(shapes), model_(compile()) {
    for (size_t k = 0; k < shapes.size(); ++k)
      for (const optim::Slot& s : slots(k))
        if (s.shape == optim::Slot::Shape::Number) fill<double>(name(k, s.name), s.initial);
        else fill<T>(name(k, s.name), s.initial);
  }

  /// "0" is parameter 0, "0.exp_avg" its slot.
  static std::string name(size_t k, const std::string& slot = {}) {
    return std::to_string(k) + (slot.empty() ? "" : "." + slot);
  }
  std::span<const optim::Slot> slots(size_t k) const { return rule_.slots(static_cast<int>(shapes_[k].size())); }
  const ir::Entry& entry() const { return net_.entry; }

  void set(const std::string& what, const std::vector<double>& values) {
    if (model_.input_view(what).dtype == DType::F64) copy<double>(what, values);
    else copy<T>(what, values);
  }
  std::vector<double> get(const std::string& what) {
    std::vector<double> values;
    if (model_.input_view(what).dtype == DType::F64)
      for (const double v : model_.input<double>(what)) values.push_back(v);
    else
      for (const T v : model_.input<T>(what)) values.push_back(static_cast<double>(v));
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
  static constexpr DType kType = std::is_same_v<T, double> ? DType::F64 : DType::F32;

  Model compile() {
    const auto lr = net_.input("learning_rate", {}, DType::F64), step = net_.input("step", {}, DType::F64);
    for (size_t k = 0; k < shapes_.size(); ++k) {
      const std::vector<Dim> dims(shapes_[k].begin(), shapes_[k].end());
      optim::UpdateValues v{net_.input(name(k), dims, kType), net_.input(name(k, "gradient"), dims, kType), {}, lr, step};
      for (const optim::Slot& s : slots(k)) {
        const auto slot_dims = optim::slot_dims(s, shapes_[k]);
        v.slots.push_back(net_.input(name(k, s.name), {slot_dims.begin(), slot_dims.end()}, optim::slot_dtype(s, kType)));
      }
      optim::GraphUpdate u(net_.entry, net_.entry.body, OpTable{}, name(k), v);
      u.apply(rule_);
      carry(name(k), u.new_parameter());
      for (size_t i = 0; i < slots(k).size(); ++i) carry(name(k, slots(k)[i].name), u.new_slot(i));
    }
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
  template <class E>
  void copy(const std::string& what, const std::vector<double>& values) {
    const auto to = model_.template input<E>(what);
    ASSERT_EQ(to.size(), values.size()) << what;
    for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<E>(values[i]);
  }
  template <class E>
  void fill(const std::string& what, double value) {
    for (E& to : model_.template input<E>(what)) to = static_cast<E>(value);
  }

  const optim::Optimizer& rule_;
  std::vector<std::vector<int64_t>> shapes_;
  std::vector<std::string> carried_;
  Net net_;
  Model model_;
};

}  // namespace gf::test
