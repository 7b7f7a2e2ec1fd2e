// The structure of what is to run: nodes, leaves and results numbered in the order of recording. Equal structures have equal keys, and
// programs are looked up by them. One object at a time reads plans; it keeps its memory, so reading needs none once it has grown.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trainer/tensor/recording.h"

namespace gf::lazy {

/// Nodes to run, in the order of recording; behind them, from `parts` on, the steps that are foreseen: one part each.
struct Plan {
  std::vector<std::shared_ptr<Node>> nodes;
  std::vector<size_t> parts;                        ///< first node of each foreseen step
  std::vector<std::shared_ptr<Stepper>> steppers;   ///< whose they are

  size_t main_count() const { return parts.empty() ? nodes.size() : parts[0]; }
  size_t part_count() const { return 1 + parts.size(); }
  size_t part_begin(size_t part) const { return part == 0 ? 0 : parts[part - 1]; }
  size_t part_end(size_t part) const { return part < parts.size() ? parts[part] : nodes.size(); }
};

/// What keep_activations_in() and compute_products_in() asked for.
DType kept_type();
DType products_type();
/// A new piece of work: notes of before mean nothing any more.
void begin_epoch();
/// The notes of the present work.
ContentNotes& notes_of(Content& c);
NodeNotes& notes_of(Node& n);

class Structure {
 public:
  enum class Role : uint8_t { Fixed, Input, State };
  struct Leaf {
    ContentPtr content;
    Role role = Role::Input;
    size_t index = 0;    ///< among its kind
    size_t part = 0;     ///< where it is an input
  };
  /// What a run of the main part leaves behind in a place of the program: State, or an output.
  struct Result {
    size_t node = 0, output = 0;
    ContentPtr content;  ///< null: nobody waits for it
    size_t place = 0;
  };

  void read(const Plan& plan, std::span<const ContentPtr> wanted);
  void clear();

  const std::string& key() const { return key_; }
  const std::vector<Leaf>& leaves() const { return leaves_; }
  /// Gradients that wait in State for a foreseen step, then updates, then outputs.
  const std::vector<Result>& results() const { return results_; }
  size_t inputs() const { return counts_[static_cast<size_t>(Role::Input)]; }
  /// State: of leaves, then of gradients that wait.
  size_t states() const { return counts_[static_cast<size_t>(Role::State)] + kept_; }
  size_t outputs() const { return outputs_; }
  size_t kept() const { return kept_; }
  /// Place of the State that holds a leaf or a waiting gradient. Neither: Internal.
  size_t state_place(Content& c) const;

 private:
  template <class T>
  void put(const T& v) {
    key_.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  size_t leaf(const ContentPtr& c, Role role, size_t part);
  void refer(const ContentPtr& c, size_t part);
  void add(const Node& n, size_t part);
  void find_results(const Plan& plan, std::span<const ContentPtr> wanted);

  std::vector<Leaf> leaves_;
  std::vector<Result> results_;
  size_t counts_[3] = {}, kept_ = 0, outputs_ = 0;
  std::string key_;
};

}  // namespace gf::lazy
