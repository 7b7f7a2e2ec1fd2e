#include "trainer/nn/module.h"

#include <algorithm>
#include <map>

#include "runtime/core/exception.h"
#include "trainer/tensor/match.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {

void Module::check_name(const std::string& name) const {
  const bool taken = std::any_of(items_.begin(), items_.end(), [&](const Item& i) { return i.name == name; }) ||
                     std::any_of(modules_.begin(), modules_.end(), [&](const auto& m) { return m.first == name; });
  if (name.empty() || name.find('.') != std::string::npos || taken)
    throw Exception(Error::InvalidArgument, "a module cannot register '" + name + "': " + (taken ? "the name is taken" : "names are not empty and have no dots"));
}

Tensor Module::register_parameter(const std::string& name, Tensor value) {
  check_name(name);
  value.set_requires_grad();
  value.variable().name = lazy::Call::keep(path_[0] == '\0' ? name : std::string(path_) + "." + name);
  return items_.emplace_back(Item{name, std::move(value), Kind::Parameter}).tensor;
}
Tensor Module::register_buffer(const std::string& name, Tensor value, bool persistent) {
  check_name(name);
  return items_.emplace_back(Item{name, std::move(value), persistent ? Kind::Buffer : Kind::Counter}).tensor;
}
void Module::add_module(const std::string& name, std::shared_ptr<Module> module) {
  check_name(name);
  if (module == nullptr) throw Exception(Error::InvalidArgument, "module '" + name + "' is null");
  module->put_under(path_[0] == '\0' ? name : std::string(path_) + "." + name);
  modules_.emplace_back(name, std::move(module));
}
void Module::put_under(const std::string& name) {
  path_ = lazy::Call::keep(path_[0] == '\0' ? name : name + "." + path_);
  for (const Item& i : items_)
    if (i.kind == Kind::Parameter) i.tensor.variable().name = lazy::Call::keep(std::string(path_) + "." + i.name);
  for (const auto& [inner, m] : modules_) m->put_under(name);
}

Tensor Module::operator()(const Tensor& x) {
  const lazy::Scope scope(path_);
  return forward(x);
}

void Module::collect(const std::string& prefix, Kind last, NamedTensors& to) const {
  for (const Item& i : items_)
    if (i.kind <= last) to.emplace_back(prefix + i.name, i.tensor);
  for (const auto& [name, m] : modules_) m->collect(prefix + name + ".", last, to);
}

Tensor Module::forward(const Tensor&) {
  throw Exception(Error::Unsupported, "forward: this module is not a function of one tensor; call the members that it has");
}

NamedTensors Module::named_parameters() const {
  NamedTensors all;
  collect("", Kind::Parameter, all);
  return all;
}
NamedTensors Module::state_dict() const {
  NamedTensors all;
  collect("", Kind::Buffer, all);
  return all;
}
NamedTensors Module::full_state() const {
  NamedTensors all;
  collect("", Kind::Counter, all);
  return all;
}
std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> all;
  for (auto& [name, t] : named_parameters()) all.push_back(t);
  return all;
}
std::vector<Tensor> Module::trainable_parameters() const {
  std::vector<Tensor> all = parameters();
  std::erase_if(all, [](const Tensor& t) { return !t.requires_grad(); });
  return all;
}
int64_t Module::parameter_count() const {
  int64_t n = 0;
  for (const Tensor& t : parameters()) n += t.numel();
  return n;
}

void Module::load_state_dict(const NamedTensors& values, bool strict) {
  const NamedTensors own = state_dict();
  Differences d = differences(specs_of(own), specs_of(values), "the module");
  if (!strict) {
    d.missing.clear();
    d.unexpected.clear();
  }
  d.refuse("load_state_dict");
  std::map<std::string, io::Array> arrays;
  for (const auto& [name, value] : values) arrays.emplace(name, value.array());
  for (auto [name, t] : own)
    if (const auto it = arrays.find(name); it != arrays.end()) t.assign(std::move(it->second));
}

Module& Module::train(bool on) {
  training_ = on;
  for (const auto& [name, m] : modules_) m->train(on);
  return *this;
}

}  // namespace gf::nn
