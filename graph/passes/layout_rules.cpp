#include "graph/passes/layout_rules.h"

#include <algorithm>
#include <numeric>

namespace gf {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

namespace {

int64_t normalized(int64_t axis, int rank) { return axis < 0 ? axis + rank : axis; }

MovedNode start(const Node& n, size_t permuted_inputs, const Perm& perm) {
  MovedNode m;
  m.def = n.def;
  m.attrs = n.attrs;
  m.inputs = n.inputs;
  m.roles.assign(n.inputs.size(), InputRole::Keep);
  std::fill_n(m.roles.begin(), std::min(permuted_inputs, n.inputs.size()), InputRole::Permuted);
  m.out_perms.assign(n.outputs.size(), perm);
  return m;
}

template <class Op>
MovedNode with_attrs(MovedNode m, const typename Op::Attrs& attrs) {
  m.attrs = ir::encode_attrs(op_def<Op>, &attrs);
  return m;
}

// Where the axes that stay go when `gone` (bits, axes of the permuted side) are dropped.
Perm without_axes(const Perm& perm, uint32_t gone) {
  Perm kept;  // source axes that stay, in the order of the permuted side
  for (size_t d = 0; d < perm.size(); ++d)
    if (((gone >> d) & 1U) == 0) kept.push_back(perm[d]);
  Perm out = kept;
  for (size_t i = 0; i < kept.size(); ++i)
    out[i] = std::count_if(kept.begin(), kept.end(), [&](int64_t k) { return k < kept[i]; });
  return out;
}

// Ops with one attribute `axis` that keep the shape (or change the length of that axis only).
template <class Op>
std::optional<MovedNode> move_axis(const Node& n, const Perm& perm, size_t permuted_inputs) {
  const ir::DecodedAttrs decoded(n);
  auto a = *static_cast<const typename Op::Attrs*>(decoded.get());
  const int64_t axis = normalized(a.axis, static_cast<int>(perm.size()));
  if (axis < 0 || axis >= static_cast<int64_t>(perm.size())) return std::nullopt;
  a.axis = perm[static_cast<size_t>(axis)];
  return with_attrs<Op>(start(n, permuted_inputs, perm), a);
}

std::optional<MovedNode> move_quantize(Rewriter& r, const Node& n, const Perm& perm) {
  if (r.rank(n.inputs[1]) > 1) return std::nullopt;  // block scales are laid out like the data
  if (n.is<op::QuantizeLinear>()) return move_axis<op::QuantizeLinear>(n, perm, 1);
  return move_axis<op::DequantizeLinear>(n, perm, 1);
}

std::optional<MovedNode> move_scan(const Node& n, const Perm& perm) {
  if (n.input(1) != kNoValue) return std::nullopt;
  return n.is<op::CumSum>() ? move_axis<op::CumSum>(n, perm, 1) : move_axis<op::CumProd>(n, perm, 1);
}

std::optional<MovedNode> move_reduce(Rewriter& r, const Node& n, const Perm& perm) {
  const ir::DecodedAttrs decoded(n);
  ReduceAttrs a = *static_cast<const ReduceAttrs*>(decoded.get());
  const int rank = static_cast<int>(perm.size());
  std::vector<int64_t> axes(a.axes.begin(), a.axes.end());
  if (n.input(1) != kNoValue) {
    const auto given = r.ints(n.input(1));
    if (!given) return std::nullopt;
    axes = *given;
  }
  if (axes.empty() && a.none) return start(n, 1, perm);
  if (axes.empty())
    for (int d = 0; d < rank; ++d) axes.push_back(d);
  uint32_t gone = 0;
  for (int64_t& d : axes) {
    d = normalized(d, rank);
    gone |= 1U << d;
    d = perm[static_cast<size_t>(d)];
  }
  std::sort(axes.begin(), axes.end());
  a.axes = axes;
  MovedNode m = start(n, 1, a.keepdims ? perm : without_axes(perm, gone));
  m.inputs.resize(1);
  m.roles.resize(1);
  m.attrs = ir::encode_attrs(*n.def, &a);
  return m;
}

template <class Op>
std::optional<MovedNode> move_arg(const Node& n, const Perm& perm) {
  auto m = move_axis<Op>(n, perm, 1);
  const ir::DecodedAttrs decoded(n);
  const auto& a = *static_cast<const typename Op::Attrs*>(decoded.get());
  if (m && !a.keepdims) m->out_perms[0] = without_axes(perm, 1U << normalized(a.axis, static_cast<int>(perm.size())));
  return m;
}

// Slices name axes by an input; without one they count from 0.
std::optional<MovedNode> move_slice(Rewriter& r, const Node& n, const Perm& perm) {
  const int rank = static_cast<int>(perm.size());
  std::vector<int64_t> axes;
  if (n.input(3) != kNoValue) {
    const auto given = r.ints(n.input(3));
    if (!given) return std::nullopt;
    axes = *given;
  } else {
    const Dim count = r.shape(n.inputs[1])[0];
    if (!count.is_const()) return std::nullopt;
    axes.resize(static_cast<size_t>(count.lo));
    std::iota(axes.begin(), axes.end(), int64_t{0});
  }
  for (int64_t& d : axes) d = perm[static_cast<size_t>(normalized(d, rank))];
  MovedNode m = start(n, 1, perm);
  m.inputs.resize(std::max<size_t>(4, m.inputs.size()), kNoValue);
  m.roles.resize(m.inputs.size(), InputRole::Keep);
  m.inputs[3] = r.add_ints(axes);
  return m;
}

std::optional<MovedNode> move_pad(Rewriter& r, const Node& n, const Perm& perm) {
  const int rank = static_cast<int>(perm.size());
  const auto pads = r.ints(n.inputs[1]);
  if (!pads) return std::nullopt;
  std::vector<int64_t> axes;
  if (n.input(3) != kNoValue) {
    const auto given = r.ints(n.input(3));
    if (!given) return std::nullopt;
    axes = *given;
  } else {
    axes.resize(static_cast<size_t>(rank));
    std::iota(axes.begin(), axes.end(), int64_t{0});
  }
  if (pads->size() != 2 * axes.size()) return std::nullopt;
  std::vector<int64_t> all(2 * perm.size(), 0);
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto d = static_cast<size_t>(perm[static_cast<size_t>(normalized(axes[k], rank))]);
    all[d] = (*pads)[k];
    all[d + perm.size()] = (*pads)[k + axes.size()];
  }
  MovedNode m = start(n, 1, perm);
  m.inputs[1] = r.add_ints(all);
  m.inputs.resize(std::min<size_t>(m.inputs.size(), 3));
  m.roles.resize(m.inputs.size());
  return m;
}

std::optional<MovedNode> move_gather(Rewriter& r, const Node& n, const Perm& perm) {
  const int rank = static_cast<int>(perm.size());
  const int indices = r.rank(n.inputs[1]);
  if (indices > 1) return std::nullopt;
  auto m = move_axis<op::Gather>(n, perm, 1);
  const ir::DecodedAttrs decoded(n);
  const int64_t axis = normalized(static_cast<const op::Gather::Attrs*>(decoded.get())->axis, rank);
  if (m && indices == 0) m->out_perms[0] = without_axes(perm, 1U << axis);
  return m;
}

std::optional<MovedNode> move_resize(const Node& n, const Perm& perm) {
  const ir::DecodedAttrs decoded(n);
  auto a = *static_cast<const op::Resize::Attrs*>(decoded.get());
  const int rank = static_cast<int>(perm.size());
  std::vector<int64_t> axes(a.axes.begin(), a.axes.end());
  if (axes.empty()) {
    axes.resize(perm.size());
    std::iota(axes.begin(), axes.end(), int64_t{0});
  }
  for (int64_t& d : axes) d = perm[static_cast<size_t>(normalized(d, rank))];
  a.axes = axes;
  return with_attrs<op::Resize>(start(n, 1, perm), a);
}

// Tile and expand list a number per axis.
std::optional<MovedNode> move_per_axis(Rewriter& r, const Node& n, const Perm& perm) {
  const ir::Value& list = r.value(n.inputs[1]);
  const auto known = r.ints(n.inputs[1]);
  if (!known || known->size() != perm.size() || list.shape.rank != 1) return std::nullopt;
  std::vector<int64_t> moved(perm.size());
  for (size_t d = 0; d < perm.size(); ++d) moved[static_cast<size_t>(perm[d])] = (*known)[d];
  MovedNode m = start(n, 1, perm);
  m.inputs[1] = r.add_ints(moved);
  return m;
}

std::optional<MovedNode> move_elementwise(Rewriter& r, const Node& n, const Perm& perm) {
  if (r.rank(n.outputs[0]) != static_cast<int>(perm.size())) return std::nullopt;
  MovedNode m = start(n, n.inputs.size(), perm);
  std::fill(m.roles.begin(), m.roles.end(), InputRole::Broadcast);
  return m;
}

// A matrix product keeps its batch axes in any order as long as the last axis stays last and the right side is one
// matrix.
std::optional<MovedNode> move_matmul(Rewriter& r, const Node& n, size_t source_input, const Perm& perm) {
  const ir::DecodedAttrs decoded(n);
  const auto& a = *static_cast<const op::MatMul::Attrs*>(decoded.get());
  const auto last = static_cast<int64_t>(perm.size()) - 1;
  if (source_input != 0 || a.transpose_a || perm.back() != last || r.rank(n.inputs[1]) != 2 || last < 2)
    return std::nullopt;
  MovedNode m = start(n, 1, perm);
  if (m.roles.size() > 3 && m.inputs[3] != kNoValue) m.roles[3] = InputRole::Permuted;
  return m;
}

}  // namespace

std::optional<MovedNode> move_before_transpose(Rewriter& r, const Node& n, size_t source_input, const Perm& perm) {
  if (n.writes_state >= 0 || !n.blocks.empty() || n.outputs.empty()) return std::nullopt;
  if (is_elementwise(n)) return move_elementwise(r, n, perm);
  if (n.is<op::MatMul>()) return move_matmul(r, n, source_input, perm);
  if (n.is<op::Concat>()) return move_axis<op::Concat>(n, perm, n.inputs.size());
  if (source_input != 0) return std::nullopt;
  if (n.is<op::Split>()) return move_axis<op::Split>(n, perm, 1);
  if (n.is<op::Slice>()) return move_slice(r, n, perm);
  if (n.is<op::Pad>()) return move_pad(r, n, perm);
  if (n.is<op::Gather>()) return move_gather(r, n, perm);
  if (n.is<op::Resize>()) return move_resize(n, perm);
  if (n.is<op::Tile>() || n.is<op::Expand>()) return move_per_axis(r, n, perm);
  if (n.is<op::Softmax>()) return move_axis<op::Softmax>(n, perm, 1);
  if (n.is<op::LogSoftmax>()) return move_axis<op::LogSoftmax>(n, perm, 1);
  if (n.is<op::Hardmax>()) return move_axis<op::Hardmax>(n, perm, 1);
  if (n.is<op::LpNormalization>()) return move_axis<op::LpNormalization>(n, perm, 1);
  if (n.is<op::CumSum>() || n.is<op::CumProd>()) return move_scan(n, perm);
  if (n.is<op::ArgMax>()) return move_arg<op::ArgMax>(n, perm);
  if (n.is<op::ArgMin>()) return move_arg<op::ArgMin>(n, perm);
  if (n.is<op::TopK>()) return move_axis<op::TopK>(n, perm, 1);
  if (n.is<op::QuantizeLinear>() || n.is<op::DequantizeLinear>()) return move_quantize(r, n, perm);
  const bool reduces = n.is<op::ReduceSum>() || n.is<op::ReduceMean>() || n.is<op::ReduceMax>() ||
                       n.is<op::ReduceMin>() || n.is<op::ReduceProd>() || n.is<op::ReduceL1>() ||
                       n.is<op::ReduceL2>() || n.is<op::ReduceLogSum>() || n.is<op::ReduceLogSumExp>() ||
                       n.is<op::ReduceSumSquare>();
  return reduces ? move_reduce(r, n, perm) : std::nullopt;
}

namespace {

// Axes of both sides of a reshape that hold the same elements; ones belong to nobody on the input side and to the group
// before them on the result's side.
struct Group {
  std::vector<int> from;    // axes of the permuted input, ones left out
  int first = 0, last = 0;  // result axes [first, last)
};

bool is_one(const Dim& d) { return d.is_const() && d.lo == 1; }

std::optional<std::vector<Group>> group_axes(Rewriter& r, const DimShape& from, const DimShape& to) {
  std::vector<int> left;
  for (int d = 0; d < from.rank; ++d)
    if (!is_one(from[d])) left.push_back(d);
  std::vector<Group> groups;
  size_t i = 0;
  int j = 0;
  const auto skip_ones = [&] {
    while (j < to.rank && is_one(to[j])) ++j;
  };
  if (!left.empty()) skip_ones();
  const int leading = j;  // ones in front stay in front, as a group of their own
  while (i < left.size()) {
    Group g;
    g.first = j;
    skip_ones();
    if (j >= to.rank) return std::nullopt;
    g.from.push_back(left[i]);
    Dim a = from[left[i++]], b = to[j++];
    while (!a.same(b)) {
      // the side that is provably smaller takes the next axis; unknown order: the side with a following axis of the
      // same name
      const bool grow_left = a.is_const() && b.is_const()
                                 ? a.lo < b.lo
                                 : (i < left.size() && j >= to.rank) || (!b.is_const() && a.is_const());
      const bool grow_right = a.is_const() && b.is_const() ? a.lo > b.lo : !grow_left;
      if (grow_left && i < left.size()) {
        a = r.multiply(a, from[left[i]]);
        g.from.push_back(left[i++]);
      } else if (grow_right && j < to.rank) {
        b = r.multiply(b, to[j++]);
      } else {
        return std::nullopt;
      }
      if (g.from.size() + static_cast<size_t>(j - g.first) > 2 * kMaxRank) return std::nullopt;
    }
    g.last = j;
    groups.push_back(std::move(g));
  }
  skip_ones();
  if (j != to.rank) return std::nullopt;
  if (groups.empty()) groups.push_back({{}, 0, to.rank});
  groups.back().last = to.rank;
  if (leading > 0) groups.insert(groups.begin(), Group{{}, 0, leading});
  return groups;
}

}  // namespace

std::optional<MovedReshape> move_reshape(Rewriter& r, const DimShape& x, const Perm& perm, const DimShape& result) {
  DimShape from;
  for (int64_t d : perm) from.push(x[static_cast<int>(d)]);
  for (int d = 0; d < from.rank; ++d)
    if (from[d].hi == 0) return std::nullopt;
  auto groups = group_axes(r, from, result);
  if (!groups) return std::nullopt;
  // in x, the axes of a group must follow each other (ones between them do not matter)
  std::vector<int> places(static_cast<size_t>(x.rank), -1);
  for (int d = 0, k = 0; d < x.rank; ++d)
    if (!is_one(x[d])) places[static_cast<size_t>(d)] = k++;
  const auto place = [&](int permuted_axis) {
    return places[static_cast<size_t>(perm[static_cast<size_t>(permuted_axis)])];
  };
  for (const Group& g : *groups)
    for (size_t k = 1; k < g.from.size(); ++k)
      if (place(g.from[k]) != place(g.from[k - 1]) + 1) return std::nullopt;
  std::vector<const Group*> order;
  for (const Group& g : *groups) order.push_back(&g);
  std::sort(order.begin(), order.end(), [&](const Group* a, const Group* b) {
    return (a->from.empty() ? -1 : place(a->from[0])) < (b->from.empty() ? -1 : place(b->from[0]));
  });
  MovedReshape m;
  m.out_perm.assign(static_cast<size_t>(result.rank), 0);
  for (const Group* g : order)
    for (int d = g->first; d < g->last; ++d) {
      m.out_perm[static_cast<size_t>(d)] = m.target.rank;
      m.target.push(result[d]);
    }
  return m;
}

}  // namespace gf
