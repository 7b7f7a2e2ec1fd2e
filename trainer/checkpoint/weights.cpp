#include "trainer/checkpoint/weights.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "io/npy.h"
#include "io/safetensors.h"
#include "runtime/core/exception.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/functions.h"
#include "trainer/tensor/match.h"

namespace gf {
namespace {

bool is_npz(const std::string& path) {
  if (path.ends_with(".npz")) return true;
  if (!path.ends_with(".safetensors")) throw Exception(Error::InvalidArgument, io::printable(path) + ": weights are kept in files that end in .safetensors or .npz");
  return false;
}
void write(const std::string& path, const std::vector<io::NamedArray>& arrays) { return is_npz(path) ? io::write_npz(path, arrays) : io::write_safetensors(path, arrays, {{"format", "pt"}}); }
std::vector<io::NamedArray> read(const std::string& path) { return is_npz(path) ? io::read_npz(path) : io::read_safetensors(path); }

std::vector<TensorSpec> specs_of(const std::vector<io::NamedArray>& arrays) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, a] : arrays) specs.push_back({name, a.dtype, a.shape});
  return specs;
}

Imported check(const std::string& path, const std::vector<TensorSpec>& wanted, const std::vector<io::NamedArray>& there, bool strict) {
  Differences d = differences(wanted, specs_of(there), "the model");
  Imported left;
  if (!strict) {
    left = {std::move(d.missing), std::move(d.unexpected)};
    d.missing.clear();
    d.unexpected.clear();
  }
  d.refuse(io::printable(path) + " does not fit");
  return left;
}

// Neither "optimizer.*", nor what is called by another's name and a slot.
bool is_weight(std::string_view name, const std::set<std::string_view>& names) {
  const size_t dot = name.rfind('.');
  return !name.starts_with("optimizer.") && (dot == std::string_view::npos || !names.contains(name.substr(0, dot)));
}

struct Weight {
  int state;
  TensorSpec spec;
};
std::vector<Weight> weights_of(const Program& program) {
  std::set<std::string_view> names;
  for (int i = 0; i < program.state_count(); ++i) names.insert(program.state(i).name);
  std::vector<Weight> weights;
  for (int i = 0; i < program.state_count(); ++i) {
    const PortInfo p = program.state(i);
    if (!is_weight(p.name, names)) continue;
    weights.push_back({i, {std::string(p.name), p.dtype, {p.bounds, p.bounds + p.rank}}});
  }
  return weights;
}

}  // namespace

void export_weights(const std::string& path, const NamedTensors& weights) {
  std::vector<io::NamedArray> arrays;
  for (const auto& [name, t] : weights) arrays.push_back({name, t.array()});
  write(path, arrays);
}

void export_weights(const std::string& path, const std::vector<io::NamedArray>& weights) { write(path, weights); }

void export_weights(const std::string& path, const Program& program, const State& state) {
  std::vector<io::NamedArray> arrays;
  for (const Weight& w : weights_of(program)) arrays.push_back({w.spec.name, io::Array::from_bytes(w.spec.dtype, w.spec.shape, state.bytes(w.state))});
  write(path, arrays);
}

Imported import_weights(const std::string& path, nn::Module& module, bool strict) {
  std::vector<io::NamedArray> arrays = read(path);
  Imported left = check(path, specs_of(module.state_dict()), arrays, strict);
  std::map<std::string, Tensor> own;
  for (const auto& [name, t] : module.state_dict()) own.emplace(name, t);
  for (auto& [name, a] : arrays)
    if (const auto it = own.find(name); it != own.end()) it->second.assign(std::move(a));
  return left;
}

Imported import_weights(const std::string& path, const Program& program, State& state, bool strict) {
  const std::vector<io::NamedArray> arrays = read(path);
  const std::vector<Weight> weights = weights_of(program);
  std::vector<TensorSpec> wanted;
  for (const Weight& w : weights) wanted.push_back(w.spec);
  Imported left = check(path, wanted, arrays, strict);
  for (const auto& [name, a] : arrays) {
    const auto w = std::find_if(weights.begin(), weights.end(), [&name = name](const Weight& it) { return it.spec.name == name; });
    if (w != weights.end() && !a.data.empty()) std::memcpy(state.bytes(w->state).data(), a.data.data(), a.data.size());
  }
  return left;
}

std::vector<io::NamedArray> read_weights(const std::string& path) {
  std::vector<io::NamedArray> all = read(path);
  std::set<std::string> owned;
  for (const auto& [name, a] : all) owned.insert(name);
  const std::set<std::string_view> names(owned.begin(), owned.end());
  std::erase_if(all, [&](const io::NamedArray& a) { return !is_weight(a.name, names); });
  return all;
}

std::vector<io::NamedArray> weights_of(const Snapshot& snapshot, bool averages) {
  std::set<std::string_view> names;
  for (const io::SafeTensor& t : snapshot.tensors) names.insert(t.name);
  if (averages) {
    const io::SafeTensor* count = snapshot.find(kAveragedState);
    if (count == nullptr || count->to_array().as<double>().at(0) < 1)
      throw Exception(Error::WrongPhase, count == nullptr ? "this training kept no averages of its weights" : "no step has gone into the averages of the weights yet");
  }
  std::vector<io::NamedArray> weights;
  for (const io::SafeTensor& t : snapshot.tensors) {
    if (!is_weight(t.name, names)) continue;
    const io::SafeTensor* average = averages ? snapshot.find(slot_state(t.name, kAverageSlot)) : nullptr;
    weights.push_back({t.name, (average != nullptr ? *average : t).to_array()});
  }
  return weights;
}

namespace {

// Where a weight of a graph lies: in a State's first value, or in constants of the entries.
struct Place {
  ir::StateVar* state = nullptr;
  std::vector<ir::Value*> constants;
};
std::map<std::string, Place> places_of(ir::Model& model) {
  std::map<std::string, Place> places;
  std::set<std::string_view> names;
  for (const ir::StateVar& s : model.states) names.insert(s.name);
  for (ir::StateVar& s : model.states)
    if (is_weight(s.name, names)) places[s.name].state = &s;
  for (const std::string& name : weight_names(model))
    for (const auto& entry : model.entries)
      for (size_t i = 0; i < entry->value_count(); ++i)
        if (ir::Value& v = entry->value(static_cast<ir::ValueId>(i)); v.name == name && v.is_constant() && dtype_is_float(v.dtype)) places[name].constants.push_back(&v);
  return places;
}
TensorSpec spec_of(const std::string& name, const Place& p) {
  if (p.state != nullptr) return {name, p.state->dtype, p.state->dims};
  return {name, p.constants[0]->dtype, p.constants[0]->constant->dims};
}

}  // namespace

Imported import_weights(std::vector<io::NamedArray> weights, const std::string& where, ir::Model& model, bool strict, const std::vector<std::string>& renewed) {
  std::map<std::string, Place> places = places_of(model);
  const auto is_renewed = [&](const std::string& name) { return std::find(renewed.begin(), renewed.end(), name) != renewed.end(); };
  std::erase_if(weights, [&](const io::NamedArray& a) {
    const auto it = places.find(a.name);
    return it != places.end() && is_renewed(a.name) && spec_of(a.name, it->second).shape != a.array.shape;
  });
  std::vector<TensorSpec> wanted;
  for (const auto& [name, p] : places) {
    const bool there = std::any_of(weights.begin(), weights.end(), [&name = name](const io::NamedArray& a) { return a.name == name; });
    if (there || !is_renewed(name)) wanted.push_back(spec_of(name, p));
  }
  for (auto& [name, a] : weights)
    for (const TensorSpec& t : wanted)
      if (t.name == name && t.dtype != a.dtype && dtype_is_float(t.dtype) && dtype_is_float(a.dtype)) a = cast(Tensor::from_array(std::move(a)), t.dtype).array();
  Imported left = check(where, wanted, weights, strict);
  for (auto& [name, a] : weights) {
    const auto it = places.find(name);
    if (it == places.end()) continue;
    const ir::ConstantPtr values = ir::make_constant(a.dtype, a.shape, std::move(a.data));
    if (it->second.state != nullptr) it->second.state->initial = values;
    for (ir::Value* v : it->second.constants) v->constant = values;
  }
  return left;
}

}  // namespace gf
