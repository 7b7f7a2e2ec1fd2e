// From tensors to a graph of its own: what was recorded between given inputs and outputs becomes an entry of an ir::Model, with the
// tensors that require gradients as State. The strict way to train (trainer/step) and to export starts here.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "graph/ir/graph.h"
#include "trainer/tensor/tensor.h"

namespace gf {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// The entry "main" (or `name`) computes `outputs` from `inputs`; `parameters` become State of their names with their present values.
/// Other known tensors that lead to an output become constants. Throws InvalidArgument: a name twice, an output that was not recorded
/// or needs what is no longer known.
ir::Model trace(const NamedTensors& inputs, const NamedTensors& outputs, const NamedTensors& parameters, const std::string& name = "main");

struct TraceOptions {
  std::string name = "main";  ///< of the entry
  /// The state becomes constants of its names, which passes may fold: a graph for evaluation. Else it becomes State.
  bool frozen = false;
  /// The first output is a loss: its gradients by the state that requires them become outputs too (trainer/step: gradient_output()), and
  /// add_train_step() takes those. What only a recording knows is in them: hooks, and Functions with a backward of their own.
  bool gradients = false;
};

/// The same for a module: calls `record`, which gives the outputs, and keeps what it replaces in `state` (parameters, running statistics,
/// counters: Module::full_state()) as writes of State. `state` has its values of before afterwards, as if `record` had not been called.
/// Throws as trace(), and InvalidArgument: frozen state that `record` replaces (the module is not in evaluation mode).
ir::Model trace_call(const NamedTensors& inputs, const NamedTensors& state, const std::function<NamedTensors()>& record,
                     const TraceOptions& options = {});

/// Moves the entries of a trace over the same state into `model` (a prompt and one token of a language model: "prefill" and "decode").
/// Throws InvalidArgument: an entry's name twice; ShapeMismatch: the two have other State.
void add_entries(ir::Model& model, ir::Model more);

}  // namespace gf
