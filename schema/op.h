// The op definition scheme: one struct per op (schema/ops/<op>.h) with id, attributes, shape inference, gradient and
// expansion (schema/rules.h); everything else is derived from it. This header holds the vocabulary and the type-erased row (OpDef) that
// tables are made of. No heap, no exceptions; all rows are constant data.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "schema/attr.h"
#include "schema/infer.h"
#include "schema/macs.h"

namespace gf {

/// Facts about an op that passes, planner and tools ask for. Bits of OpInfo::flags.
enum OpFlags : uint32_t {
  kOpElementwise = 1U << 0,   ///< each output element depends on the same (broadcast) element of the inputs only
  kOpView = 1U << 1,          ///< output 0 holds the bytes of input 0 in the same order (reshape and its kin)
  kOpControlFlow = 1U << 2,   ///< owns sub-graphs and is run by the session itself (if, loop)
  kOpRandom = 1U << 3,        ///< result differs from run to run: never folded, never merged
  kOpDataShape = 1U << 4,     ///< the kernel sets an output's shape while running (nonzero, unique, ...)
  kOpFused = 1U << 5,         ///< made by a pass, never imported; needs expand() (schema/rules.h)
  kOpCommutative = 1U << 6,
  kOpQuantized = 1U << 7,     ///< works on integers with scales
  kOpDataErrors = 1U << 8,    ///< the kernel may end a run for what its data are (an index outside, a length, ...)
  kOpIntegerErrors = 1U << 9, ///< the same on integers only (division by zero); set for every op with a `hazard`
};

/// Identity card of an op. Ids are written numbers, never reused; >= kFirstCustomOpId belongs to users.
struct OpInfo {
  uint16_t id = 0;
  const char* name = "";      ///< snake_case, unique; the word used everywhere for this op
  int8_t min_inputs = 1;
  int8_t max_inputs = 1;      ///< -1: any number
  int8_t min_outputs = 1;
  int8_t max_outputs = 1;     ///< -1: any number. Outputs beyond min_outputs exist only when somebody reads them
  uint32_t flags = 0;
  int8_t graphs = 0;          ///< sub-graphs owned by a node
};
inline constexpr uint16_t kFirstCustomOpId = 0x8000;

/// A rule is `static Error grad(Differentiator&, const Attrs&)`, declared with its formula in the op's struct and defined in
/// schema/gradients/, where it may call for other ops (see schema/gradient.h).
class Differentiator;
/// Gradient slot: the rule is not written yet.
struct PendingGradient {};
/// Gradient slot: that of the op in base ops, by expand() or, for gradients only, by formula() (schema/gradient.h).
struct GradientOfExpansion {};
/// Gradient slot: the op has no gradient, and PyTorch has none either; `reason` says why (integer output, ...).
struct NoGradient {
  const char* reason;
};

/// One row of an op table: an op definition with its types erased. Rows are constant data made by op_def<Op>() or, for
/// custom ops, written by hand.
struct OpDef {
  OpInfo info;
  std::span<const AttrField> fields;
  uint16_t attrs_bytes = 0;
  uint16_t attrs_alignment = 1;
  void (*construct)(void* attrs) = nullptr;                             ///< writes the defaults
  Error (*infer)(InferContext& context, const void* attrs) = nullptr;   ///< types and shapes of the outputs
  const char* gradient = "pending";                                     ///< "pending", "rule" or the reason for none
  uint64_t (*macs)(const NodeShapes& shapes, const void* attrs) = nullptr;  ///< ops whose work is products; see macs.h
};

/// Attributes of ops that have none.
struct NoAttrs {};

namespace detail {
template <class Op>
concept HasMacs = requires(const NodeShapes& s, const typename Op::Attrs& a) {
  { Op::macs(s, a) } -> std::same_as<uint64_t>;
};
template <class Op>
concept HasFields = requires { Op::fields; };

template <class Op>
constexpr std::span<const AttrField> fields_of() {
  if constexpr (HasFields<Op>) return Op::fields;
  else return {};
}
template <class Op>
constexpr const char* gradient_of() {
  using G = std::remove_cvref_t<decltype(Op::grad)>;
  if constexpr (std::is_same_v<G, PendingGradient>) return "pending";
  else if constexpr (std::is_same_v<G, NoGradient>) return Op::grad.reason;
  else return "rule";
}
}  // namespace detail

/// The type-erased row of an op definition. An op without `grad`, `info`, `Attrs` or `infer` does not compile.
template <class Op>
constexpr OpDef make_op_def() {
  using Attrs = typename Op::Attrs;
  static_assert(std::is_trivially_destructible_v<Attrs> && std::is_trivially_copyable_v<Attrs>,
                "attributes live in raw session memory");
  static_assert(Op::info.id != 0 && Op::info.name[0] != '\0', "an op needs an id and a name");
  OpDef def;
  def.info = Op::info;
  if constexpr (requires { Op::kHazard; }) def.info.flags |= kOpIntegerErrors;
  def.fields = detail::fields_of<Op>();
  def.attrs_bytes = sizeof(Attrs);
  def.attrs_alignment = alignof(Attrs);
  def.construct = [](void* p) { *static_cast<Attrs*>(p) = Attrs{}; };
  def.infer = [](InferContext& c, const void* a) { return Op::infer(c, *static_cast<const Attrs*>(a)); };
  if constexpr (detail::HasMacs<Op>)
    def.macs = [](const NodeShapes& s, const void* a) { return Op::macs(s, *static_cast<const Attrs*>(a)); };
  def.gradient = detail::gradient_of<Op>();
  return def;
}
template <class Op>
inline constexpr OpDef op_def = make_op_def<Op>();

/// The ops a build knows, by value. Not owned: rows must outlive everything that was given the table.
struct OpTable {
  std::span<const OpDef* const> rows;

  /// Row with that id (or, for custom ops, that name); nullptr when the table has none.
  const OpDef* find(uint16_t id) const {
    for (const OpDef* row : rows)
      if (row->info.id == id) return row;
    return nullptr;
  }
  const OpDef* find(std::string_view name) const {
    for (const OpDef* row : rows)
      if (name == row->info.name) return row;
    return nullptr;
  }
};

/// A list of op definitions and the table made from it.
template <class... Ops>
struct OpList {
  static constexpr size_t kCount = sizeof...(Ops);
  static constexpr std::array<const OpDef*, kCount> kRows{&op_def<Ops>...};
  static constexpr OpTable table() { return {std::span<const OpDef* const>(kRows)}; }
  /// f.template operator()<Op>() for every op, in list order.
  template <class F>
  static constexpr void for_each(F&& f) {
    (f.template operator()<Ops>(), ...);
  }
};

}  // namespace gf
