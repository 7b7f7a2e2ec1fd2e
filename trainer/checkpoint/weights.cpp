#include "trainer/checkpoint/weights.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "io/npy.h"
#include "io/safetensors.h"
#include "runtime/core/exception.h"
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
    const size_t dot = p.name.rfind('.');
    if (p.name.starts_with("optimizer.") || (dot != std::string_view::npos && names.contains(p.name.substr(0, dot)))) continue;
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

}  // namespace gf
