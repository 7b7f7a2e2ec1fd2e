// A recording compiled into one program: leaves that are updated are State, other leaves inputs, what somebody holds outputs. Where a step
// is foreseen, the program has an entry for it, and the gradients that it waits for are State too.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/include/ghostflow/model.h"
#include "trainer/tensor/recording.h"

namespace gf::lazy {

struct Plan;
class Structure;

inline constexpr const char* kMainEntry = "main";

/// Values lie in places: State, then the outputs of the main entry. A place is known by whose value it holds.
class Compiled {
 public:
  /// A foreseen step, by places and inputs of the program.
  struct Update {
    std::shared_ptr<const optim::Optimizer> rule;
    size_t gradient = 0;
    size_t rate = 0, number = 0;              ///< inputs
    bool checked = false;
    std::vector<size_t> states;               ///< parameter, then slots
  };
  struct Step {
    std::string entry;
    std::vector<Update> updates;
  };

  /// `input_entries`: the entry of each input. `rules`: those of the updates inside; held, because programs are looked up by their addresses.
  Compiled(Model model, const std::vector<std::string>& input_entries, size_t states, size_t outputs, std::vector<Step> steps,
           std::vector<std::shared_ptr<const optim::Optimizer>> rules);

  size_t input_count() const { return inputs_.size(); }
  std::span<std::byte> input(size_t i) const { return inputs_[i]; }
  std::span<std::byte> place(size_t k) const { return places_[k].bytes; }
  /// False for an output that shares memory with what the next run replaces early: it is copied at once.
  bool keeps(size_t k) const { return places_[k].keeps; }
  bool is_output(size_t k) const { return k >= states_; }
  void run(const std::string& entry) { model_.run(entry); }
  Model& model() { return model_; }
  const std::string& main_entry() const { return main_entry_; }
  /// Where the outputs of the last run lie.
  void find_outputs();
  const std::vector<Step>& steps() const { return steps_; }

  /// Whose value a place holds; null when nobody's is left.
  ContentPtr resident(size_t k) const { return places_[k].resident.lock(); }
  void set_resident(size_t k, const ContentPtr& content) { places_[k].resident = content; }

  /// Where a step that looks for NaN is foreseen: what graph_of() gave, for the reports of that step.
  std::unique_ptr<const ir::Model> graph;
  /// Nodes of the last run of the main entry, while a foreseen step may follow.
  std::vector<std::weak_ptr<Node>> looked_at;

 private:
  struct Place {
    std::span<std::byte> bytes;
    std::weak_ptr<Content> resident;
    bool keeps = true;
  };
  Model model_;
  const std::string main_entry_ = kMainEntry;
  size_t states_;
  std::vector<std::span<std::byte>> inputs_;
  std::vector<Place> places_;
  std::vector<Step> steps_;
  std::vector<std::shared_ptr<const optim::Optimizer>> rules_;
};

/// The graph of a plan, as it was recorded: an entry for each part. `named`: State of the parameters' names, as reports tell them.
ir::Model graph_of(const Plan& plan, const Structure& structure, bool named);
/// The program of a plan, compiled.
std::shared_ptr<Compiled> compile(const Plan& plan, const Structure& structure);
/// Runs a plan: what `wanted` names and whatever else somebody still holds is known afterwards.
void run_plan(const Plan& plan, std::span<const ContentPtr> wanted);
/// Copies a value that lies in a program to the host.
void fetch_from_home(Content& content);
/// Throws InvalidArgument: the value is not known any more (a step has replaced it).
void expect_value(const Content& content);
/// The content as a constant (fixed) or an input of a graph.
ir::ValueId add_leaf(ir::Entry& entry, const Content& content, const std::string& name = {});

}  // namespace gf::lazy
