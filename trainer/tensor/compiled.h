// A recording compiled into one program: leaves that are updated are State, other leaves inputs, what somebody holds outputs.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/include/ghostflow/model.h"
#include "trainer/tensor/recording.h"

namespace gf::lazy {

/// Nodes to run, in the order of recording.
struct Plan {
  std::vector<std::shared_ptr<Node>> nodes;
};

class Compiled {
 public:
  /// `rules`: the update rules inside. Held, because programs are looked up by their addresses.
  Compiled(Model model, size_t inputs, size_t states, std::vector<std::shared_ptr<const optim::Optimizer>> rules);

  std::span<std::byte> input(size_t i) const { return inputs_[i]; }
  std::span<std::byte> state(size_t k) const { return states_[k]; }
  TensorView output(size_t i) { return model_.output_view("o" + std::to_string(i)); }
  void run() { model_.run(); }

  /// Whose value State k holds; null when nobody's is left.
  ContentPtr resident(size_t k) const { return residents_[k].lock(); }
  void set_resident(size_t k, const ContentPtr& content) { residents_[k] = content; }

 private:
  Model model_;
  std::vector<std::span<std::byte>> inputs_, states_;
  std::vector<std::shared_ptr<const optim::Optimizer>> rules_;
  std::vector<std::weak_ptr<Content>> residents_;
};

/// Runs a plan: what `wanted` names and whatever else somebody still holds is known afterwards.
void run_plan(Plan& plan, const std::vector<ContentPtr>& wanted);
/// Copies a value that lies in a program's State to the host.
void fetch_from_home(Content& content);
/// The content as a constant (fixed) or an input of a graph.
ir::ValueId add_leaf(ir::Entry& entry, const Content& content, const std::string& name = {});

}  // namespace gf::lazy
