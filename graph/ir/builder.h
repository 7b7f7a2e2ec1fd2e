// Builder: appends nodes to a block with shape inference at once, in the words of the op definitions:
//   ValueId y = b.add<op::Transpose>({x}, {.perm = perm});
// Not owned: entry and block outlive the builder.
#pragma once

#include <initializer_list>

#include "graph/ir/graph.h"

namespace gf::ir {

class Builder {
 public:
  Builder(Entry& entry, Block& block) : entry_(&entry), block_(&block) {}

  Entry& entry() const { return *entry_; }
  Block& block() const { return *block_; }
  /// Position in block().nodes before which nodes are inserted; npos: at the end.
  void insert_at(size_t position) { position_ = position; }
  size_t position() const { return position_; }
  /// Text put into Node::origin and Node::name of new nodes.
  void set_origin(std::string name, std::string origin) {
    name_ = std::move(name);
    origin_ = std::move(origin);
  }

  /// Adds a node and returns it; outputs [0, output_count) are made and inferred. Throws gf::Exception.
  Node& add_node(const OpDef& def, std::vector<ValueId> inputs, const void* attrs, size_t output_count = 1,
                 std::vector<Block> blocks = {});
  template <class Op>
  Node& node(std::vector<ValueId> inputs, const typename Op::Attrs& attrs = {}, size_t output_count = 1) {
    return add_node(op_def<Op>, std::move(inputs), &attrs, output_count);
  }
  /// Single-output form.
  template <class Op>
  ValueId add(std::vector<ValueId> inputs, const typename Op::Attrs& attrs = {}) {
    return node<Op>(std::move(inputs), attrs).outputs[0];
  }

  ValueId ints(std::span<const int64_t> values) { return entry_->add_constant(make_ints(values)); }
  ValueId ints(std::initializer_list<int64_t> values) {
    return ints(std::span<const int64_t>(values.begin(), values.size()));
  }
  ValueId int_scalar(int64_t value) { return entry_->add_constant(make_int_scalar(value)); }
  /// Scalar of a float or integer type.
  ValueId scalar(DType dtype, double value);

  const DimShape& shape(ValueId id) const { return entry_->value(id).shape; }
  int rank(ValueId id) const { return shape(id).rank; }
  DType dtype(ValueId id) const { return entry_->value(id).dtype; }

  // frequent small things
  ValueId transpose(ValueId x, std::span<const int64_t> perm);   ///< no node when perm is the identity
  ValueId to_channels_last(ValueId x);                           ///< N C spatial... -> N spatial... C (rank >= 3)
  ValueId to_channels_first(ValueId x);                          ///< the inverse
  ValueId reshape(ValueId x, std::span<const int64_t> dims);     ///< dims as Reshape: 0 copies, -1 infers
  ValueId cast(ValueId x, DType to);                             ///< no node when the type is the same already

 private:
  Entry* entry_;
  Block* block_;
  size_t position_ = static_cast<size_t>(-1);
  std::string name_, origin_;
};

}  // namespace gf::ir
