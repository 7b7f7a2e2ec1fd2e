// What moves, picks and orders elements of tensors, with PyTorch's names, meanings and defaults. Negative axes count from the end. Errors
// begin with the function's name: ShapeMismatch, TypeMismatch, InvalidArgument; an index outside its axis ends the run (IndexOutOfRange).
#pragma once

#include <optional>
#include <utility>

#include "schema/ops/pad.h"
#include "schema/ops/scatter_elements.h"
#include "trainer/tensor/functions.h"

namespace gf {

// --- by indices (int64 or int32)
/// y[i][j] = x[index[i][j]][j] for axis 0; index has the rank of x and at most its lengths on the other axes.
Tensor gather(const Tensor& x, int64_t axis, const Tensor& index);
/// x with source written to (added to, ...) places of one axis; index and source have one shape.
Tensor scatter(const Tensor& x, int64_t axis, const Tensor& index, const Tensor& source);
Tensor scatter_add(const Tensor& x, int64_t axis, const Tensor& index, const Tensor& source);
/// No gradients but for None and Add.
Tensor scatter_reduce(const Tensor& x, int64_t axis, const Tensor& index, const Tensor& source, ScatterReduction how);
/// Slices of one axis, named by a vector.
Tensor index_select(const Tensor& x, int64_t axis, const Tensor& index);
/// x with slices of source added to the slices that index names.
Tensor index_add(const Tensor& x, int64_t axis, const Tensor& index, const Tensor& source);
/// One slice; the axis goes.
Tensor select(const Tensor& x, int64_t axis, int64_t i);
/// Elements start, start + step, ... below end of one axis; negative numbers count from its end, step is not 0.
Tensor slice(const Tensor& x, int64_t axis, int64_t start, int64_t end, int64_t step = 1);
/// x, where the bool mask is true the value.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

// --- what only running tells the size of: computed at once, on the host; a traced graph holds the results as constants
/// Places of the elements that are not 0, in row-major order: int64 [count, rank]. No gradients, as in PyTorch.
Tensor nonzero(const Tensor& x);
/// Distinct elements in order, or distinct slices of one axis; for each element (in x's shape) or slice the place of its like among them;
/// how often each occurs. int64; no gradients, as in PyTorch.
struct UniqueResult {
  Tensor values, inverse, counts;
};
UniqueResult unique(const Tensor& x, std::optional<int64_t> axis = {});
/// The elements of x at the places where the bool mask is true (both broadcast), as a vector. The mask is computed at once; gradients lead
/// back to x.
Tensor masked_select(const Tensor& x, const Tensor& mask);

// --- order
/// Values and their places, stable; NaN counts as the largest.
std::pair<Tensor, Tensor> sort(const Tensor& x, int64_t axis = -1, bool descending = false);
Tensor argsort(const Tensor& x, int64_t axis = -1, bool descending = false);
/// The k largest (or least) in order, and their places.
std::pair<Tensor, Tensor> topk(const Tensor& x, int64_t k, int64_t axis = -1, bool largest = true);

// --- shifts, copies, borders
/// Elements shifted towards the end, those that fall out come in again; no axes: over the flattened tensor.
Tensor roll(const Tensor& x, const Shape64& shifts, const Shape64& axes = {});
Tensor flip(const Tensor& x, const Shape64& axes);
/// NumPy's tile: missing leading counts and missing leading axes are 1. PyTorch's Tensor.repeat with as many counts as axes or more.
Tensor tile(const Tensor& x, const Shape64& counts);
Tensor repeat(const Tensor& x, const Shape64& counts);
/// Each slice of the axis `times` times, one behind the other.
Tensor repeat_interleave(const Tensor& x, int64_t times, int64_t axis);
/// pads: before and after the last axis, then the one before it, ...; negative ones cut. Constant, Reflect, Edge (PyTorch's replicate), Wrap
/// (circular).
Tensor pad(const Tensor& x, const Shape64& pads, PadMode mode = PadMode::Constant, double value = 0);

// --- matrices and grids
/// Lower and upper triangle of the last two axes, from diagonal k.
Tensor tril(const Tensor& x, int64_t k = 0);
Tensor triu(const Tensor& x, int64_t k = 0);
/// Diagonal k of the last two axes as the last axis.
Tensor diagonal(const Tensor& x, int64_t k = 0);
/// A vector as diagonal k of a matrix, or diagonal k of a matrix.
Tensor diag(const Tensor& x, int64_t k = 0);
/// int64, a new last axis of `classes` places.
Tensor one_hot(const Tensor& indices, int64_t classes);
/// Vectors along axes of one grid; `xy`: the first two change places (indexing "xy").
std::vector<Tensor> meshgrid(const std::vector<Tensor>& vectors, bool xy = false);

// --- parts and shapes
/// At most n parts of equal length, the last one shorter.
std::vector<Tensor> chunk(const Tensor& x, int64_t n, int64_t axis = 0);
std::vector<Tensor> unbind(const Tensor& x, int64_t axis = 0);
/// One axis becomes several; one size may be -1.
Tensor unflatten(const Tensor& x, int64_t axis, const Shape64& sizes);
/// Axes [from, to] become one.
Tensor flatten(const Tensor& x, int64_t from, int64_t to);
Tensor movedim(const Tensor& x, int64_t from, int64_t to);

}  // namespace gf
