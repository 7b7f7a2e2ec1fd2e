// Module: layers with named parameters, as in PyTorch. A module registers its parameters, buffers and sub-modules by name; forward() is a
// function of tensors. Modules are owned by shared pointers inside their parents; parameters are handles that optimizers share.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "trainer/tensor/tensor.h"
#include "trainer/tensor/trace.h"

namespace gf::nn {

class Module {
 public:
  virtual ~Module() = default;
  /// Throws Unsupported for a module that is no function of one tensor (Bilinear, ModuleList, ...).
  virtual Tensor forward(const Tensor& x);
  /// forward(), and what it records is said to be in this module, by the path of its registrations ("layers.0.fc1").
  Tensor operator()(const Tensor& x);

  /// Parameters of this module and of those inside, as "fc1.weight", in the order of registration.
  NamedTensors named_parameters() const;
  std::vector<Tensor> parameters() const;
  /// Those that require gradients: what an optimizer is given when some are frozen.
  std::vector<Tensor> trainable_parameters() const;
  /// Parameters and buffers.
  NamedTensors state_dict() const;
  /// state_dict() and the buffers that are no part of it (counters of random draws): all that forward() may replace, for trace_call().
  NamedTensors full_state() const;
  /// Values for every name of state_dict(). Throws NotFound (names are missing or unknown; strict), ShapeMismatch, TypeMismatch, with all
  /// that differs; nothing changes then.
  void load_state_dict(const NamedTensors& values, bool strict = true);
  int64_t parameter_count() const;

  /// Training mode (the default) or evaluation mode, for this module and those inside.
  Module& train(bool on = true);
  Module& eval() { return train(false); }
  bool is_training() const { return training_; }

 protected:
  Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// A tensor that is trained; returns the handle.
  Tensor register_parameter(const std::string& name, Tensor value);
  /// A tensor that belongs to the state and is not trained; `persistent`: it is in state_dict().
  Tensor register_buffer(const std::string& name, Tensor value, bool persistent = true);
  template <class M>
  std::shared_ptr<M> register_module(const std::string& name, std::shared_ptr<M> module) {
    add_module(name, module);
    return module;
  }

 private:
  enum class Kind : uint8_t { Parameter, Buffer, Counter };
  struct Item {
    std::string name;
    Tensor tensor;
    Kind kind;
  };
  void add_module(const std::string& name, std::shared_ptr<Module> module);
  /// This module and those inside lie one name deeper.
  void put_under(const std::string& name);
  void check_name(const std::string& name) const;
  /// Items of the kinds up to `last`.
  void collect(const std::string& prefix, Kind last, NamedTensors& to) const;

  std::vector<Item> items_;
  std::vector<std::pair<std::string, std::shared_ptr<Module>>> modules_;
  bool training_ = true;
  const char* path_ = "";  ///< of registrations, for reports; kept for good
};

}  // namespace gf::nn
