// The mutable graph that importer, passes, trainer and emitter share. An Entry owns its values and one Block of nodes in
// execution order; control-flow nodes own nested blocks, which may read values of the blocks around them. Values are
// SSA: written by one node, or given (input, constant, state). Ordinary hosted C++: may throw gf::Exception.
// Thread rule: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/ir/symbols.h"
#include "runtime/core/exception.h"
#include "schema/op.h"

namespace gf::ir {

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;

/// Dense constant bytes (little-endian, row-major, sub-byte types packed), or one element repeated (`splat`).
/// Immutable and shared; the bytes may belong to a mapped file through `owner`.
struct Constant {
  DType dtype = DType::Invalid;
  std::vector<int64_t> dims;
  std::span<const std::byte> data;         ///< one element when `splat`; aligned to the element size
  bool splat = false;
  std::shared_ptr<const void> owner;

  int64_t count() const;
  uint64_t dense_bytes() const;            ///< bytes of the dense form
  std::vector<std::byte> dense() const;    ///< a copy in dense form
};
using ConstantPtr = std::shared_ptr<const Constant>;

/// A constant that owns a copy of `bytes` (or takes them).
ConstantPtr make_constant(DType dtype, std::vector<int64_t> dims, std::vector<std::byte> bytes);
ConstantPtr make_splat(DType dtype, std::vector<int64_t> dims, std::span<const std::byte> element);
ConstantPtr make_ints(std::span<const int64_t> values);                 ///< int64 vector
ConstantPtr make_int_scalar(int64_t value);                             ///< int64 scalar
ConstantPtr make_floats(std::span<const float> values, std::vector<int64_t> dims);
/// Contents as int64 (integer and bool types), or nothing when the type does not fit or it is longer than `most`.
std::optional<std::vector<int64_t>> constant_ints(const Constant& constant, size_t most = size_t{1} << 24);
/// Contents as float (f32, f64, f16, bf16), likewise.
std::optional<std::vector<float>> constant_floats(const Constant& constant, size_t most = size_t{1} << 28);

/// Quantisation parameters of a value: per tensor (axis -1) or per channel along `axis`.
struct Quantization {
  int32_t axis = -1;
  int64_t block = 0;
  std::vector<float> scales;
  std::vector<int32_t> zero_points;
};

struct Value {
  std::string name;
  DType dtype = DType::Invalid;
  DimShape shape;
  bool shape_known = false;
  std::vector<Dim> values;              ///< integer contents where shape inference knows them
  bool values_known = false;
  ConstantPtr constant;                 ///< the value is a constant; 16-bit floats of a float32 value: the file stores it so
  int32_t state = -1;                   ///< index into Model::states: the value is the state before this run
  std::optional<Quantization> quantization;

  bool is_constant() const { return constant != nullptr; }
};

/// Owned attribute value; see AttrValue.
struct Attr {
  uint16_t number = 0;
  AttrType type = AttrType::None;
  int64_t i = 0;
  double f = 0;
  std::string s;
  std::vector<int64_t> ints;
  std::vector<float> floats;

  AttrValue view() const { return {type, i, f, s, ints, floats}; }
  bool operator==(const Attr&) const = default;
};

struct Node;

/// Nodes in execution order with the values that enter and leave.
struct Block {
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<std::unique_ptr<Node>> nodes;
};

struct Node {
  const OpDef* def = nullptr;
  std::vector<Attr> attrs;               ///< only fields that differ from the defaults
  std::vector<ValueId> inputs;           ///< kNoValue: left out
  std::vector<ValueId> outputs;          ///< kNoValue: not wanted
  std::vector<Block> blocks;             ///< control flow
  std::string name;                      ///< for people; need not be unique
  std::string origin;                    ///< where it came from: "Conv 'features.0' (ai.onnx 13)"
  int32_t writes_state = -1;             ///< Model::states index that output 0 replaces at the end of the run

  bool is(const OpDef& d) const { return def == &d; }
  template <class Op>
  bool is() const { return def == &op_def<Op>; }
  ValueId input(size_t i) const { return i < inputs.size() ? inputs[i] : kNoValue; }
  ValueId output(size_t i = 0) const { return i < outputs.size() ? outputs[i] : kNoValue; }
};

/// Attributes of a node as the op's struct. Views inside point into the node and die with it (or with a change of it).
class DecodedAttrs {
 public:
  explicit DecodedAttrs(const Node& node);  ///< throws BadAttribute
  const void* get() const { return bytes_.get(); }

 private:
  std::unique_ptr<std::max_align_t[]> bytes_;
};
template <class Op>
typename Op::Attrs attrs_of(const Node& node) {
  return *static_cast<const typename Op::Attrs*>(DecodedAttrs(node).get());
}
/// Owned form of an attribute struct (fields that differ from the defaults).
std::vector<Attr> encode_attrs(const OpDef& def, const void* attrs);

struct StateVar {
  std::string name;
  DType dtype = DType::Invalid;
  std::vector<int64_t> dims;
  ConstantPtr initial;                   ///< null: zeros
};

/// One entry point: named inputs and outputs over a block. Values live in a deque-like table so references stay valid.
class Entry {
 public:
  std::string name = "main";
  Block body;
  SymbolTable symbols;                   ///< named dimensions and their algebra

  Value& value(ValueId id) { return *values_[static_cast<size_t>(id)]; }
  const Value& value(ValueId id) const { return *values_[static_cast<size_t>(id)]; }
  size_t value_count() const { return values_.size(); }
  ValueId add_value(Value value);
  ValueId add_constant(ConstantPtr constant, std::string name = {});
  ValueId add_input(std::string name, DType dtype, const DimShape& shape);

 private:
  std::vector<std::unique_ptr<Value>> values_;
};

struct Model {
  std::vector<std::unique_ptr<Entry>> entries;
  std::vector<StateVar> states;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string producer;

  Entry* find(std::string_view name) const;
};

/// Runs shape inference of one node (control flow: from its blocks) and writes types, shapes and known contents to its
/// outputs. Throws gf::Exception with the node's origin in the text.
void infer_node(Entry& entry, Node& node);
/// Re-infers a whole block in order (after a pass changed shapes or a caller changed input shapes).
void infer_block(Entry& entry, Block& block);

/// Where each value is read and written. Built on demand; stale after any change.
class Uses {
 public:
  struct Use {
    Node* node = nullptr;                ///< nullptr: an output of `block`
    size_t input = 0;
    Block* block = nullptr;
  };
  explicit Uses(Entry& entry);
  std::span<const Use> of(ValueId id) const { return uses_[static_cast<size_t>(id)]; }
  Node* producer(ValueId id) const { return producers_[static_cast<size_t>(id)]; }
  /// Exactly one reader, which is a node (not a block output).
  Node* only_reader(ValueId id) const {
    const auto u = of(id);
    return u.size() == 1 ? u[0].node : nullptr;
  }

 private:
  std::vector<std::vector<Use>> uses_;
  std::vector<Node*> producers_;
};

/// Makes every reader of `from` (nodes and block outputs, nested ones too) read `to`.
void replace_uses(Entry& entry, ValueId from, ValueId to);
/// Checks SSA, order and scoping; throws Internal with the place when a pass broke the graph.
void check(const Model& model);
/// Text form, one line per node, for logs and tests.
std::string to_text(const Entry& entry);

}  // namespace gf::ir
