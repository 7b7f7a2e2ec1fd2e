// Modules that hold modules or only change shapes: Sequential, ModuleList, ModuleDict, Residual, Identity, Lambda, Flatten, Unflatten; names
// of parameters as in PyTorch.
#pragma once

#include <functional>

#include "trainer/nn/module.h"
#include "trainer/tensor/functions_movement.h"

namespace gf::nn {

class Identity final : public Module {
 public:
  Tensor forward(const Tensor& x) override { return x; }
};

/// A function as a module.
class Lambda final : public Module {
 public:
  explicit Lambda(std::function<Tensor(const Tensor&)> f) : f_(std::move(f)) {}
  Tensor forward(const Tensor& x) override { return f_(x); }

 private:
  std::function<Tensor(const Tensor&)> f_;
};

/// One after the other; parameters are called "0.weight", "2.weight", ...
class Sequential : public Module {
 public:
  Sequential() = default;
  Sequential(std::initializer_list<std::shared_ptr<Module>> modules);
  void append(std::shared_ptr<Module> module);
  size_t size() const { return layers_.size(); }
  const std::shared_ptr<Module>& operator[](size_t i) const { return layers_.at(i); }
  Tensor forward(const Tensor& x) override;

 private:
  std::vector<std::shared_ptr<Module>> layers_;
};

/// Modules in a row that their owner calls: "0.weight", "1.weight", ... operator[] throws std::out_of_range.
template <class M = Module>
class ModuleList final : public Module {
 public:
  ModuleList() = default;
  ModuleList(std::initializer_list<std::shared_ptr<M>> modules) {
    for (const auto& m : modules) append(m);
  }
  void append(std::shared_ptr<M> module) { modules_.push_back(register_module(std::to_string(modules_.size()), std::move(module))); }
  size_t size() const { return modules_.size(); }
  const std::shared_ptr<M>& operator[](size_t i) const { return modules_.at(i); }
  auto begin() const { return modules_.begin(); }
  auto end() const { return modules_.end(); }

 private:
  std::vector<std::shared_ptr<M>> modules_;
};

/// Modules by name, in the order in which they came in.
template <class M = Module>
class ModuleDict final : public Module {
 public:
  void insert(const std::string& name, std::shared_ptr<M> module) { modules_.emplace_back(name, register_module(name, std::move(module))); }
  size_t size() const { return modules_.size(); }
  bool contains(const std::string& name) const { return find(name) != nullptr; }
  /// Throws std::out_of_range with the name.
  const std::shared_ptr<M>& operator[](const std::string& name) const {
    const auto* m = find(name);
    if (m == nullptr) throw std::out_of_range("ModuleDict: there is no '" + name + "'");
    return *m;
  }
  auto begin() const { return modules_.begin(); }
  auto end() const { return modules_.end(); }

 private:
  const std::shared_ptr<M>* find(const std::string& name) const {
    for (const auto& [key, m] : modules_)
      if (key == name) return &m;
    return nullptr;
  }
  std::vector<std::pair<std::string, std::shared_ptr<M>>> modules_;
};

/// f(x) + x, or f(x) + shortcut(x) (He et al. 2016).
class Residual final : public Module {
 public:
  explicit Residual(std::shared_ptr<Module> f, std::shared_ptr<Module> shortcut = nullptr);
  Tensor forward(const Tensor& x) override;

 private:
  std::shared_ptr<Module> f_, shortcut_;
};

/// Axes [from, to] become one.
class Flatten final : public Module {
 public:
  explicit Flatten(int64_t from = 1, int64_t to = -1) : from_(from), to_(to) {}
  Tensor forward(const Tensor& x) override { return flatten(x, from_, to_); }

 private:
  int64_t from_, to_;
};

/// One axis becomes several.
class Unflatten final : public Module {
 public:
  Unflatten(int64_t axis, Shape64 sizes) : axis_(axis), sizes_(std::move(sizes)) {}
  Tensor forward(const Tensor& x) override { return unflatten(x, axis_, sizes_); }

 private:
  int64_t axis_;
  Shape64 sizes_;
};

}  // namespace gf::nn
