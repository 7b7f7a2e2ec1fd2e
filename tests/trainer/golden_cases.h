// Tables of PyTorch's values (golden_cases.py) against tables of calls: every case has a call and every call a case.
#pragma once

#include <functional>
#include <map>

#include "tests/trainer/golden_json.h"
#include "trainer/nn/module.h"
#include "trainer/tensor/functions.h"

namespace gf::test {

using Tensors = std::map<std::string, Tensor>;

/// One tensor or several.
struct Results : std::vector<Tensor> {
  Results(const Tensor& t) : vector{t} {}                                        // NOLINT(google-explicit-constructor)
  Results(std::vector<Tensor> v) : vector(std::move(v)) {}                       // NOLINT(google-explicit-constructor)
  Results(const std::pair<Tensor, Tensor>& p) : vector{p.first, p.second} {}     // NOLINT(google-explicit-constructor)
};
using Call = std::function<Results(Tensors&)>;

inline Tensors inputs_of(const nlohmann::json& c) {
  Tensors in;
  for (const auto& [key, t] : c["inputs"].items()) in[key] = tensor_of(t).set_requires_grad();
  for (const auto& [key, t] : c["fixed"].items()) in[key] = tensor_of(t);
  return in;
}

/// Values, then gradients of the sum of y * dy by every input.
inline void expect_case(const nlohmann::json& c, const Call& call) {
  Tensors in = inputs_of(c);
  const Results y = call(in);
  ASSERT_EQ(y.size(), c["y"].size());
  Tensor loss;
  for (size_t i = 0; i < y.size(); ++i)
    if (!c["dy"][i].is_null()) {
      const Tensor part = sum(y[i] * tensor_of(c["dy"][i]));
      loss = loss ? loss + part : part;
    }
  if (loss) loss.backward();
  for (size_t i = 0; i < y.size(); ++i) expect_near(y[i], c["y"][i], "y" + std::to_string(i));
  for (const auto& [key, t] : c["gradients"].items()) {
    const Tensor g = in.at(key).grad();
    if (g) expect_near(g, t, "gradient of " + key);
    else for (const auto& v : t["data"]) EXPECT_EQ(v.get<double>(), 0) << "no gradient of " << key;
  }
}

/// What a case of a module is made of: the module, and how it is called (on "x" when nothing else is said).
struct Made {
  template <class M>
  Made(std::shared_ptr<M> module, Call how = {}) : net(std::move(module)), call(std::move(how)) {  // NOLINT(google-explicit-constructor)
    if (!call) call = [n = net.get()](Tensors& t) { return (*n)(t.at("x")); };
  }
  std::shared_ptr<nn::Module> net;
  Call call;
};

inline void expect_module(const nlohmann::json& c, const Made& made) {
  if (!c.contains("state")) return expect_case(c, made.call);  // a function
  NamedTensors state;
  for (const auto& [name, t] : c["state"].items()) state.emplace_back(name, tensor_of(t));
  made.net->load_state_dict(state);
  for (Tensor p : made.net->trainable_parameters()) p.zero_grad();
  expect_case(c, made.call);
  Tensors own;
  for (const auto& [name, t] : made.net->state_dict()) own.emplace(name, t);
  for (const auto& [name, t] : c["state_gradients"].items()) expect_near(own.at(name).grad(), t, "gradient of " + name);
  for (const auto& [name, t] : c["after"].items()) expect_near(own.at(name), t, name + " afterwards");
}

/// Runs run(case, call) for every case of a file.
template <class Entry, class Run>
void expect_table(const std::string& file, const std::map<std::string, Entry>& calls, Run&& run) {
  const nlohmann::json cases = golden_file(file);
  std::map<std::string, int> seen;
  for (const auto& c : cases) {
    const auto name = c["name"].get<std::string>();
    SCOPED_TRACE(name);
    const auto it = calls.find(name);
    if (it == calls.end()) {
      ADD_FAILURE() << "no call";
      continue;
    }
    ++seen[name];
    try {
      run(c, it->second);
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
  }
  for (const auto& [name, call] : calls) EXPECT_EQ(seen[name], 1) << name << ": cases in " << file;
}

}  // namespace gf::test
