// Tools that the passes share: an index of producers and readers of one block that stays right while nodes are
// inserted, changed and erased, and readers of constants. A pass makes a Rewriter per block, walks nodes() and edits
// through it. Not owned: entry and block outlive the Rewriter. Erased nodes stay allocated until it dies, so pointers
// stay valid.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <unordered_set>

#include "graph/ir/builder.h"
#include "graph/passes/pipeline.h"
#include "schema/ops.h"

namespace gf {

using Perm = std::vector<int64_t>;

class Rewriter {
 public:
  Rewriter(ir::Entry& entry, ir::Block& block);

  ir::Entry& entry() const { return entry_; }
  ir::Block& block() const { return block_; }
  const ir::Value& value(ir::ValueId v) const { return entry_.value(v); }
  const DimShape& shape(ir::ValueId v) const { return entry_.value(v).shape; }
  int rank(ir::ValueId v) const { return entry_.value(v).shape.rank; }
  DType dtype(ir::ValueId v) const { return entry_.value(v).dtype; }

  /// The block's nodes in order, as they are now; nodes erased later answer alive() with false.
  std::vector<ir::Node*> nodes() const;
  bool alive(const ir::Node* n) const { return !dead_.contains(n); }

  /// Node of this block that computes v; nullptr for inputs, constants, state and values of outer blocks.
  ir::Node* producer(ir::ValueId v) const {
    return v >= 0 && static_cast<size_t>(v) < producers_.size() ? producers_[static_cast<size_t>(v)] : nullptr;
  }
  /// producer(v) when it is an `Op`, else nullptr.
  template <class Op>
  ir::Node* produced_by(ir::ValueId v) const {
    ir::Node* n = producer(v);
    return n != nullptr && n->is<Op>() ? n : nullptr;
  }
  /// Nodes that read v, once per input slot; nodes of nested blocks too.
  std::span<ir::Node* const> readers(ir::ValueId v) const { return readers_[static_cast<size_t>(v)]; }
  bool is_output(ir::ValueId v) const { return output_uses_[static_cast<size_t>(v)] > 0; }
  /// Exactly one input slot of one node reads v and no block returns it.
  bool single_use(ir::ValueId v) const { return readers(v).size() == 1 && !is_output(v); }
  /// The one reader of a single_use value when it is a node of this block, else nullptr.
  ir::Node* only_reader(ir::ValueId v) const;

  /// Inserts a node before `anchor` (name and origin are the anchor's).
  ir::Node& insert(const ir::Node& anchor, const OpDef& def, std::vector<ir::ValueId> inputs, const void* attrs,
                   size_t outputs = 1);
  template <class Op>
  ir::ValueId insert(const ir::Node& anchor, std::vector<ir::ValueId> inputs, const typename Op::Attrs& attrs = {}) {
    return insert(anchor, op_def<Op>, std::move(inputs), &attrs).outputs[0];
  }
  /// Turns `n` into another operation that gives the same values: outputs beyond the first are dropped.
  void become(ir::Node& n, const OpDef& def, std::vector<ir::ValueId> inputs, const void* attrs);
  template <class Op>
  void become(ir::Node& n, std::vector<ir::ValueId> inputs, const typename Op::Attrs& attrs = {}) {
    become(n, op_def<Op>, std::move(inputs), &attrs);
  }
  /// Output k of `n` (a fresh node nobody reads there) becomes the value `v` of another node, which loses it.
  void take_over(ir::Node& n, size_t k, ir::ValueId v);
  void set_input(ir::Node& n, size_t i, ir::ValueId v);
  /// Every reader of `from` reads `to`. A block output keeps its name: false, and nothing done, when `from` leaves a
  /// block and `to` cannot take its name.
  bool replace(ir::ValueId from, ir::ValueId to);
  void erase(ir::Node& n);
  /// Erases the producer of v, and what only it needed, when nobody reads its outputs.
  void erase_unread(ir::ValueId v);
  /// New attributes for the same operation; must not change the outputs' shapes.
  void set_attrs(ir::Node& n, const void* attrs);

  // --- constants
  const ir::Constant* constant(ir::ValueId v) const;
  /// All elements are this one number (floats and integers).
  std::optional<double> uniform(ir::ValueId v) const;
  /// uniform(v) is within `rtol` of `wanted`.
  bool is_uniform(ir::ValueId v, double wanted, double rtol = 1e-6) const;
  std::optional<std::vector<float>> floats(ir::ValueId v) const;
  /// Known integer contents (constants, shape computations).
  std::optional<std::vector<int64_t>> ints(ir::ValueId v) const;
  ir::ValueId add_constant(ir::ConstantPtr c) { return track(entry_.add_constant(std::move(c))); }
  ir::ValueId add_ints(std::span<const int64_t> v) { return add_constant(ir::make_ints(v)); }
  ir::ValueId add_floats(std::span<const float> v, std::vector<int64_t> dims) {
    return add_constant(ir::make_floats(v, std::move(dims)));
  }

  /// A reshape of x to `target` before `anchor`: with a constant shape (0 copies, -1 rest) where that can say it, else
  /// with a shape read from x's own dimensions; kNoValue when neither can.
  ir::ValueId reshape(const ir::Node& anchor, ir::ValueId x, const DimShape& target);
  /// The constant shape input that makes a reshape of `from` give `target`, when there is one.
  std::optional<std::vector<int64_t>> static_target(const DimShape& from, const DimShape& target);
  Dim multiply(Dim a, Dim b);
  Dim count(const DimShape& s, int from, int to);

 private:
  ir::ValueId track(ir::ValueId v);
  void grow();
  void link(ir::Node& n);
  void unlink(ir::Node& n);

  ir::Entry& entry_;
  ir::Block& block_;
  std::vector<ir::Node*> producers_;
  std::vector<std::vector<ir::Node*>> readers_;
  std::vector<int> output_uses_;
  std::unordered_set<const ir::Node*> dead_;
  std::vector<std::unique_ptr<ir::Node>> graveyard_;
};

/// Runs `f` on every block of every entry, nested ones first; adds up what it returns.
int for_each_rewriter(ir::Model& model, const std::function<int(Rewriter&)>& f);
/// Adds a remark to the report: "what: node name".
void note(const PassOptions& options, const std::string& what, const ir::Node& node);

// --- permutations: y = transpose(x, perm) has y axis d = x axis perm[d]
Perm perm_of(const ir::Node& transpose, int rank);
Perm inverse(const Perm& perm);
/// transpose(transpose(x, first), second) = transpose(x, compose(first, second)).
Perm compose(const Perm& first, const Perm& second);
bool is_identity(const Perm& perm);
/// A transposed copy; null for sub-byte types.
ir::ConstantPtr transpose_constant(const ir::Constant& c, const Perm& perm);
/// The same elements in another shape of as many.
ir::ConstantPtr reshape_constant(const ir::Constant& c, std::vector<int64_t> dims);

bool is_elementwise(const ir::Node& n);
/// What the node reads; values that its nested blocks read count as its own.
void all_inputs(const ir::Node& n, std::set<ir::ValueId>& all);
/// Multiply-accumulates of the node (schema/macs.h), varying dimensions at their upper bounds.
uint64_t macs_of(const ir::Entry& entry, const ir::Node& n);
/// Bytes of the value, at a guess of 16 for dimensions without a bound.
double estimated_bytes(const ir::Value& v);
bool same_shape(const DimShape& a, const DimShape& b);

}  // namespace gf
