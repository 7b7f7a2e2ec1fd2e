// Gradients of ops that move elements: shapes, slices, gathers and scatters. Where there is no op for the way back, the op
// itself is run on the flat indices of x, which tells where each element came from (Differentiator::collect).
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

namespace {

int positive(int64_t axis, int rank) { return static_cast<int>(axis < 0 ? axis + rank : axis); }

Var concat_parts(D& d, std::span<const Var> parts, int64_t axis) {
  if (parts.size() == 1) return parts[0];
  Var y;
  const Concat::Attrs attrs{.axis = axis};
  d.emit(op_def<Concat>, parts, &attrs, {&y, 1});
  return y;
}

Error reshape_back(D& d) { return d.give(0, d.reshape_like(d.dy(), d.x())); }

}  // namespace

// --- the same elements in another shape
Error Reshape::grad(D& d, const Attrs&) { return reshape_back(d); }
Error Flatten::grad(D& d, const Attrs&) { return reshape_back(d); }
Error Squeeze::grad(D& d, const Attrs&) { return reshape_back(d); }
Error Unsqueeze::grad(D& d, const Attrs&) { return reshape_back(d); }

// --- another order
Error Transpose::grad(D& d, const Attrs& a) {
  const int rank = d.rank(d.x());
  int64_t inverse[kMaxRank];
  for (int k = 0; k < rank; ++k) {
    const int axis = a.perm.empty() ? rank - 1 - k : positive(a.perm[static_cast<size_t>(k)], rank);
    inverse[axis] = k;
  }
  return d.give(0, d.transpose(d.dy(), IntList(inverse, static_cast<size_t>(rank))));
}
Error ReverseSequence::grad(D& d, const Attrs& a) { return d.give(0, d.node<ReverseSequence>({d.dy(), d.input(1)}, a)); }
Error DepthToSpace::grad(D& d, const Attrs& a) {
  return d.give(0, d.node<SpaceToDepth>({d.dy()}, {.block = a.block, .order = a.order}));
}
Error SpaceToDepth::grad(D& d, const Attrs& a) {
  return d.give(0, d.node<DepthToSpace>({d.dy()}, {.block = a.block, .order = a.order}));
}

// --- joining and cutting
Error Concat::grad(D& d, const Attrs& a) {
  const int axis = positive(a.axis, d.rank(d.y()));
  Var start = d.ints({0});
  int64_t known = 0;  // start, as long as it is a constant
  bool constant = true;
  for (int i = 0; i < d.input_count(); ++i) {
    const Dim n = d.shape(d.input(i))[axis];
    constant = constant && n.is_const();
    known += n.lo;
    const Var end = constant ? d.ints({known}) : start + d.length(d.input(i), axis);
    if (d.wants(i)) (void)d.give(i, d.slice(d.dy(), axis, start, end));
    start = end;
  }
  return d.error();
}

Error Split::grad(D& d, const Attrs& a) {
  constexpr int kMost = 256;
  Var parts[kMost];
  if (d.output_count() > kMost) return d.fail(Error::LimitExceeded, "the gradient of a split into more than 256 parts");
  for (int i = 0; i < d.output_count(); ++i) {
    const Var g = d.output_gradient(i);
    parts[i] = g ? g : d.zeros_like(d.output(i));
  }
  return d.give(0, concat_parts(d, {parts, static_cast<size_t>(d.output_count())}, a.axis));
}

namespace {
// The pads that put dy back where a slice with steps of 1 took it: [rank] befores, [rank] afters, constants where they are.
// False when starts, ends or axes are known only while running, or a step is not 1.
bool slice_pads(D& d, Var& pads) {
  const Var x = d.x(), y = d.y();
  const int rank = d.rank(x);
  IntList starts, axes, steps;
  if (!d.known_ints(d.input(1), starts)) return false;
  if (d.input(3) && !d.known_ints(d.input(3), axes)) return false;
  if (d.input(4) && !d.known_ints(d.input(4), steps)) return false;
  for (const int64_t s : steps)
    if (s != 1) return false;
  Var parts[2 * kMaxRank];
  int64_t known[2 * kMaxRank] = {};
  bool constant = true;
  for (size_t k = 0; k < starts.size(); ++k) {
    const int axis = d.input(3) ? positive(axes[k], rank) : static_cast<int>(k);
    const Dim in = d.shape(x)[axis], out = d.shape(y)[axis];
    const int64_t start = starts[k];
    if (in.is_const() && out.is_const()) {
      int64_t from = start, end = in.lo;
      Slice::clamp(in.lo, 1, from, end);
      known[axis] = from;
      known[axis + rank] = in.lo - from - out.lo;
      continue;
    }
    if (start < 0 || start > in.lo) return false;  // counted from the end, or past one that may come
    constant = false;
    known[axis] = start;
    parts[axis + rank] = d.length(x, axis) - (d.length(y, axis) + d.ints({start}));
  }
  const size_t count = 2 * static_cast<size_t>(rank);
  if (constant) {
    pads = d.ints(IntList(known, count));
    return true;
  }
  for (size_t k = 0; k < count; ++k)
    if (!parts[k]) parts[k] = d.ints({known[k]});
  pads = concat_parts(d, {parts, count}, 0);
  return true;
}
}  // namespace

Error Slice::grad(D& d, const Attrs&) {
  Var pads;
  if (slice_pads(d, pads)) return d.give(0, d.node<Pad>({d.dy(), pads}));
  const Var from = d.node<Slice>({d.flat_indices(d.x()), d.input(1), d.input(2), d.input(3), d.input(4)});
  return d.give(0, d.collect(d.dy(), from, d.x()));
}

// constant: what was added is cut off again; the value gets the gradient of what was added. Others: collected
Error Pad::grad(D& d, const Attrs& a) {
  const Var dy = d.dy();
  if (a.mode != PadMode::Constant) {
    const Var from = d.node<Pad>({d.flat_indices(d.x()), d.input(1), Var{}, d.input(3)}, a);
    return d.give(0, d.collect(dy, from, d.x()));
  }
  IntList known;
  Var back;
  if (d.known_ints(d.input(1), known) && known.size() <= 2 * kMaxRank) {
    int64_t pads[2 * kMaxRank];
    for (size_t k = 0; k < known.size(); ++k) pads[k] = -known[k];
    back = d.ints(IntList(pads, known.size()));
  } else {
    back = d.node<Neg>({d.cast(d.input(1), DType::I64)});
  }
  (void)d.give(0, d.node<Pad>({dy, back, Var{}, d.input(3)}));
  if (d.wants(2)) {
    const Var inside = d.node<Pad>({d.zeros_like(d.x()), d.input(1), d.scalar(d.dtype(dy), 1), d.input(3)});
    (void)d.give(2, d.reduce_sum(dy * inside, {}, false));
  }
  return d.error();
}

Error CenterCropPad::grad(D& d, const Attrs& a) {
  const Var x = d.x();
  const int rank = d.rank(x), count = a.axes.empty() ? rank : static_cast<int>(a.axes.size());
  Var lengths[kMaxRank];
  for (int k = 0; k < count; ++k)
    lengths[k] = d.length(x, a.axes.empty() ? k : positive(a.axes[static_cast<size_t>(k)], rank));
  return d.give(0, d.node<CenterCropPad>({d.dy(), concat_parts(d, {lengths, static_cast<size_t>(count)}, 0)}, a));
}

// --- repeating
Error Expand::grad(D& d, const Attrs&) { return d.give(0, d.dy()); }  // give() sums

// [.., r, n, ..] summed over the repeats r
Error Tile::grad(D& d, const Attrs&) {
  const Var x = d.x();
  const DimShape s = d.shape(x), t = d.shape(d.y());
  int64_t dims[2 * kMaxRank], axes[kMaxRank];
  size_t count = 0, repeated = 0;
  for (int k = 0; k < s.rank && s.is_const() && t.is_const(); ++k) {
    if (s[k].lo != t[k].lo && s[k].lo > 0) {
      axes[repeated++] = static_cast<int64_t>(count);
      dims[count++] = t[k].lo / s[k].lo;
    }
    dims[count++] = s[k].lo;
  }
  if (!s.is_const() || !t.is_const() || count > kMaxRank)
    return d.give(0, d.collect(d.dy(), d.node<Tile>({d.flat_indices(x), d.input(1)}), x));
  const Var wide = d.node<Reshape>({d.dy(), d.ints(IntList(dims, count))}, {.allowzero = true});
  return d.give(0, repeated == 0 ? wide : d.reduce_sum(wide, IntList(axes, repeated), false));
}

Error Trilu::grad(D& d, const Attrs& a) { return d.give(0, d.node<Trilu>({d.dy(), d.input(1)}, a)); }

// --- picking
Error Gather::grad(D& d, const Attrs& a) {
  const Var data = d.input(0), indices = d.input(1);
  const int rank = d.rank(data), axis = positive(a.axis, rank), picks = d.rank(indices);
  if (d.shape(d.y()).rank != rank - 1 + picks || picks + 1 > kMaxRank)
    return d.fail(Error::LimitExceeded, "the gradient of a gather with indices of the highest rank");
  // the axes of the indices first, then those before and behind the axis
  int64_t to_front[kMaxRank], back[kMaxRank];
  const int all = rank - 1 + picks;
  for (int k = 0; k < all; ++k) to_front[k] = k < picks ? axis + k : (k < picks + axis ? k - picks : k);
  back[axis] = 0;
  for (int k = 0; k < rank; ++k)
    if (k != axis) back[k] = k < axis ? k + 1 : k;
  const bool moves = axis != 0;
  Var zeros = d.zeros_like(data), updates = d.dy();
  if (moves) {
    int64_t front[kMaxRank];
    front[0] = axis;
    for (int k = 1; k < rank; ++k) front[k] = k <= axis ? k - 1 : k;
    zeros = d.transpose(zeros, IntList(front, static_cast<size_t>(rank)));
    updates = d.transpose(updates, IntList(to_front, static_cast<size_t>(all)));
  }
  Var sums = d.node<AddRows>({zeros, indices, updates});
  if (moves) sums = d.transpose(sums, IntList(back, static_cast<size_t>(rank)));
  return d.give(0, sums);
}
Error AddRows::grad(D& d, const Attrs&) {
  (void)d.give(0, d.dy());
  return d.wants(2) ? d.give(2, d.gather(d.dy(), d.input(1), 0)) : d.error();
}
Error GatherElements::grad(D& d, const Attrs& a) {
  return d.give(0, d.node<ScatterElements>({d.zeros_like(d.x()), d.input(1), d.dy()},
                                           {.axis = a.axis, .reduction = ScatterReduction::Add}));
}
Error GatherNd::grad(D& d, const Attrs& a) {
  if (a.batch_dims == 0)
    return d.give(0, d.node<ScatterNd>({d.zeros_like(d.x()), d.input(1), d.dy()}, {.reduction = ScatterReduction::Add}));
  return d.give(0, d.collect(d.dy(), d.node<GatherNd>({d.flat_indices(d.x()), d.input(1)}, a), d.x()));
}
Error Compress::grad(D& d, const Attrs& a) {
  return d.give(0, d.collect(d.dy(), d.node<Compress>({d.flat_indices(d.x()), d.input(1)}, a), d.x()));
}
Error TopK::grad(D& d, const Attrs& a) {
  return d.give(0, d.node<ScatterElements>({d.zeros_like(d.x()), d.output(1), d.dy()},
                                           {.axis = a.axis, .reduction = ScatterReduction::Add}));
}
// y = off + (on - off) where hot
Error OneHot::grad(D& d, const Attrs& a) {
  const DType type = d.dtype(d.dy());
  const Var off_on = d.concat({d.reshape(d.scalar(type, 0), {1}), d.reshape(d.scalar(type, 1), {1})}, 0);
  const Var hot = d.node<OneHot>({d.input(0), d.input(1), off_on}, a);
  const Var on = d.reduce_sum(d.dy() * hot, {}, false), all = d.reduce_sum(d.dy(), {}, false);
  return d.give(2, d.concat({d.unsqueeze(all - on, {0}), d.unsqueeze(on, {0})}, 0));
}

// --- writing
namespace {
// What a scatter that overwrites left of data and of updates: the op writes the flat index + 1 of every update over zeros, so
// 0 marks elements of data, and of several updates of one element only the last gets a gradient.
template <class Write>
Error written_over(D& d, int updates, Write&& write) {
  const Var data = d.input(0), put = d.input(updates), dy = d.dy();
  const Var mark = write(d.zeros_like(d.flat_indices(data)), d.flat_indices(put) + 1.0);
  if (d.wants(0)) (void)d.give(0, d.zero_where(d.less(d.scalar(DType::I64, 0), mark), dy));
  if (!d.wants(updates)) return d.error();
  const Var room = d.node<Expand>({d.scalar(d.dtype(dy), 0), d.size(put) + d.ints({1})});
  const Var sums = d.node<ScatterElements>({room, d.reshape(mark, {-1}), d.reshape(dy, {-1})},
                                           {.axis = 0, .reduction = ScatterReduction::Add});
  return d.give(updates, d.reshape_like(d.slice(sums, 0, d.ints({1}), d.size(put) + d.ints({1})), put));
}
constexpr const char* kOnlySums = "the gradient of a scatter that multiplies, or keeps the larger or smaller";
}  // namespace

Error ScatterElements::grad(D& d, const Attrs& a) {
  const Var indices = d.input(1);
  if (a.reduction == ScatterReduction::Add) {
    (void)d.give(0, d.dy());
    return d.wants(2) ? d.give(2, d.node<GatherElements>({d.dy(), indices}, {.axis = a.axis})) : d.error();
  }
  if (a.reduction != ScatterReduction::None) return d.fail(Error::Unsupported, kOnlySums);
  return written_over(d, 2, [&](Var over, Var marks) { return d.node<ScatterElements>({over, indices, marks}, a); });
}
Error ScatterNd::grad(D& d, const Attrs& a) {
  const Var indices = d.input(1);
  if (a.reduction == ScatterReduction::Add) {
    (void)d.give(0, d.dy());
    return d.wants(2) ? d.give(2, d.node<GatherNd>({d.dy(), indices})) : d.error();
  }
  if (a.reduction != ScatterReduction::None) return d.fail(Error::Unsupported, kOnlySums);
  return written_over(d, 2, [&](Var over, Var marks) { return d.node<ScatterNd>({over, indices, marks}, a); });
}
Error TensorScatter::grad(D& d, const Attrs& a) {
  return written_over(d, 1, [&](Var over, Var marks) { return d.node<TensorScatter>({over, marks, d.input(2)}, a); });
}

}  // namespace gf::op
