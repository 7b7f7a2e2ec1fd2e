// How each op works on permuted data: op(transpose(x, P)) = transpose(op'(x), Q). Used by the layout pass.
#pragma once

#include "graph/passes/rewrite.h"

namespace gf {

/// One input of a node that moves in front of a transpose.
enum class InputRole : uint8_t {
  Permuted,   ///< must be in the source's axis order
  Broadcast,  ///< same, but may have lower rank or ones (elementwise)
  Keep,       ///< read as it is (scales, counts)
};

/// The node after the move. `attrs` owns what the new attributes point to.
struct MovedNode {
  const OpDef* def = nullptr;
  std::vector<ir::Attr> attrs;
  std::vector<InputRole> roles;
  std::vector<ir::ValueId> inputs;  ///< Keep inputs are final; others are the node's own, still to be permuted
  std::vector<Perm> out_perms;      ///< per output: old = transpose(new, perm)
};

/// Describes `n` on data that is permuted the other way: input `source_input` is transpose(x, perm). Nothing when the
/// op (or these attributes) cannot move.
std::optional<MovedNode> move_before_transpose(Rewriter& r, const ir::Node& n, size_t source_input, const Perm& perm);

/// A reshape (or flatten, squeeze, unsqueeze) of transpose(x, perm) as transpose(reshape(x, target), out_perm), when it
/// neither splits nor joins axes that lie apart in x.
struct MovedReshape {
  DimShape target;
  Perm out_perm;
};
std::optional<MovedReshape> move_reshape(Rewriter& r, const DimShape& x, const Perm& perm, const DimShape& result);

}  // namespace gf
