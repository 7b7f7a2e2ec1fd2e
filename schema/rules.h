// What an op knows about itself as a formula of other ops, apart from the row that the runtime links: rules call for other
// ops, and a build with ten ops must not link the rest. Only graph/ and what stands on it ask for rules.
#pragma once

#include "schema/formula.h"

namespace gf {

struct OpRules {
  const OpDef* op = nullptr;
  /// Builds the node's outputs from base ops; nullptr: the op is a base op.
  Error (*expand)(Expander& expander, const void* attrs) = nullptr;
};

namespace detail {
template <class Op>
concept HasExpand = requires(Expander& e, const typename Op::Attrs& a) {
  { Op::expand(e, a) } -> std::same_as<Error>;
};
}  // namespace detail

template <class Op>
constexpr OpRules make_op_rules() {
  OpRules rules;
  rules.op = &op_def<Op>;
  static_assert(detail::HasExpand<Op> || (Op::info.flags & kOpFused) == 0, "a fused op needs expand()");
  if constexpr (detail::HasExpand<Op>)
    rules.expand = [](Expander& e, const void* a) { return Op::expand(e, *static_cast<const typename Op::Attrs*>(a)); };
  return rules;
}
template <class Op>
inline constexpr OpRules op_rules = make_op_rules<Op>();

/// Rules of a list of ops (`rules_of<AllOps>`), in list order.
template <class List>
struct RulesOf;
template <class... Ops>
struct RulesOf<OpList<Ops...>> {
  static constexpr std::array<const OpRules*, sizeof...(Ops)> kRows{&op_rules<Ops>...};
};

/// The rules of `op` among `rows`; nullptr when it has none.
inline const OpRules* find_rules(std::span<const OpRules* const> rows, const OpDef& op) {
  for (const OpRules* row : rows)
    if (row->op == &op) return row;
  return nullptr;
}

}  // namespace gf
