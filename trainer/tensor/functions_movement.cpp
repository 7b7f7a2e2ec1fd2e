#include "trainer/tensor/functions_movement.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/tensor/evaluate.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/tensor_formula.h"

namespace gf {
namespace {

using lazy::Call;

[[noreturn]] void refuse(const char* function, const std::string& why) { throw Exception(Error::InvalidArgument, Call::name_or(function) + (": " + why)); }

int64_t axis_of(const char* function, const Tensor& x, int64_t axis) {
  const int64_t rank = x.rank();
  if (axis < -rank || axis >= rank) refuse(function, "axis " + std::to_string(axis) + " of a tensor of shape " + io::shape_text(x.shape()));
  return axis < 0 ? axis + rank : axis;
}

Tensor one_int(int64_t v) { return fixed_ints({&v, 1}); }

}  // namespace

Tensor gather(const Tensor& x, int64_t axis, const Tensor& index) {
  const Call call("gather");
  return apply<op::GatherElements>({x, index}, {.axis = axis});
}

Tensor scatter_reduce(const Tensor& x, int64_t axis, const Tensor& index, const Tensor& source, ScatterReduction how) {
  const Call call("scatter_reduce");
  return apply<op::ScatterElements>({x, index, source}, {.axis = axis, .reduction = how});
}
Tensor scatter(const Tensor& x, int64_t axis, const Tensor& index, const Tensor& source) {
  const Call call("scatter");
  return scatter_reduce(x, axis, index, source, ScatterReduction::None);
}
Tensor scatter_add(const Tensor& x, int64_t axis, const Tensor& index, const Tensor& source) {
  const Call call("scatter_add");
  return scatter_reduce(x, axis, index, source, ScatterReduction::Add);
}

Tensor index_select(const Tensor& x, int64_t axis, const Tensor& index) {
  const Call call("index_select");
  if (index.rank() != 1) refuse("index_select", "the index has shape " + io::shape_text(index.shape()) + ", it must be a vector");
  return apply<op::Gather>({x, index}, {.axis = axis});
}

Tensor index_add(const Tensor& x, int64_t axis, const Tensor& index, const Tensor& source) {
  const Call call("index_add");
  if (index.rank() != 1) refuse("index_add", "the index has shape " + io::shape_text(index.shape()) + ", it must be a vector");
  Shape64 shape(source.shape().size(), 1);
  shape[static_cast<size_t>(axis_of("index_add", source, axis))] = index.size(0);
  return scatter_add(x, axis, expand(reshape(index, shape), source.shape()), source);
}

Tensor select(const Tensor& x, int64_t axis, int64_t i) {
  const Call call("select");
  const int64_t at = axis_of("select", x, axis), length = x.size(at);
  if (i < -length || i >= length) refuse("select", "element " + std::to_string(i) + " of axis " + std::to_string(axis) + " of a tensor of shape " + io::shape_text(x.shape()));
  const int64_t from = i < 0 ? i + length : i;
  return squeeze(narrow(x, at, from, from + 1), at);
}

Tensor slice(const Tensor& x, int64_t axis, int64_t start, int64_t end, int64_t step) {
  const Call call("slice");
  return apply<op::Slice>({x, one_int(start), one_int(end), one_int(axis_of("slice", x, axis)), one_int(step)});
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  const Call call("masked_fill");
  return where(mask, number_like(x, value), x);
}

Tensor nonzero(const Tensor& x) {
  const Call call("nonzero");
  const op::NonZero::Attrs attrs;
  const Tensor by_axis = lazy::evaluate(op_def<op::NonZero>, &attrs, {&x, 1}, {true})[0];
  const int64_t rank = by_axis.size(0), count = by_axis.size(1);
  const auto from = by_axis.to_vector<int64_t>();
  std::vector<int64_t> to(from.size());
  for (size_t i = 0; i < to.size(); ++i) to[i] = from[i % static_cast<size_t>(rank) * static_cast<size_t>(count) + i / static_cast<size_t>(rank)];
  return Tensor::from(to, {count, rank});
}

UniqueResult unique(const Tensor& x, std::optional<int64_t> axis) {
  const Call call("unique");
  const op::Unique::Attrs attrs{.axis = axis ? axis_of("unique", x, *axis) : 0, .flat = !axis, .sorted = true};
  const std::vector<Tensor> r = lazy::evaluate(op_def<op::Unique>, &attrs, {&x, 1}, {true, false, true, true});
  if (axis) return {r[0], r[2], r[3]};
  io::Array inverse = r[2].array();
  inverse.shape = x.shape();
  return {r[0], Tensor::from_array(std::move(inverse)), r[3]};
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  const Call call("masked_select");
  if (mask.dtype() != DType::Bool)
    throw Exception(Error::TypeMismatch, std::string(Call::name_or("masked_select")) + ": the mask is " + dtype_name(mask.dtype()) + ", it must be bool");
  const Tensor whole = where(mask, x, x), places = nonzero(flatten(expand(mask, whole.shape())));
  return index_select(flatten(whole), 0, squeeze(places, 1));
}

std::pair<Tensor, Tensor> topk(const Tensor& x, int64_t k, int64_t axis, bool largest) {
  const Call call("topk");
  const op::TopK::Attrs attrs{.axis = axis, .largest = largest};
  const Tensor inputs[] = {x, one_int(k)};
  std::vector<Tensor> r = apply(op_def<op::TopK>, &attrs, inputs, 2);
  return {r[0], r[1]};
}
std::pair<Tensor, Tensor> sort(const Tensor& x, int64_t axis, bool descending) {
  const Call call("sort");
  return topk(x, x.size(axis_of("sort", x, axis)), axis, descending);
}
Tensor argsort(const Tensor& x, int64_t axis, bool descending) {
  const Call call("argsort");
  return sort(x, axis, descending).second;
}

Tensor roll(const Tensor& x, const Shape64& shifts, const Shape64& axes) {
  const Call call("roll");
  if (axes.empty()) {
    if (shifts.size() != 1) refuse("roll", "several shifts need their axes");
    return reshape(roll(flatten(x), shifts, {0}), x.shape());
  }
  if (shifts.size() != axes.size()) refuse("roll", std::to_string(shifts.size()) + " shifts for " + std::to_string(axes.size()) + " axes");
  Tensor y = x;
  for (size_t k = 0; k < axes.size(); ++k) {
    const int64_t axis = axis_of("roll", x, axes[k]), n = x.size(axis);
    const int64_t shift = n == 0 ? 0 : ((shifts[k] % n) + n) % n;
    if (shift != 0) y = cat({narrow(y, axis, n - shift, n), narrow(y, axis, 0, n - shift)}, axis);
  }
  return y;
}

Tensor flip(const Tensor& x, const Shape64& axes) {
  const Call call("flip");
  Tensor y = x;
  for (const int64_t axis : axes) y = slice(y, axis, -1, std::numeric_limits<int64_t>::min(), -1);
  return y;
}

Tensor tile(const Tensor& x, const Shape64& counts) {
  const Call call("tile");
  const size_t rank = std::max(counts.size(), x.shape().size());
  Shape64 shape(rank - x.shape().size(), 1), times(rank - counts.size(), 1);
  shape.insert(shape.end(), x.shape().begin(), x.shape().end());
  times.insert(times.end(), counts.begin(), counts.end());
  return apply<op::Tile>({shape == x.shape() ? x : reshape(x, shape), fixed_ints(times)});
}
Tensor repeat(const Tensor& x, const Shape64& counts) {
  const Call call("repeat");
  if (counts.size() < x.shape().size()) refuse("repeat", std::to_string(counts.size()) + " counts for a tensor of shape " + io::shape_text(x.shape()));
  return tile(x, counts);
}

Tensor repeat_interleave(const Tensor& x, int64_t times, int64_t axis) {
  const Call call("repeat_interleave");
  const int64_t at = axis_of("repeat_interleave", x, axis);
  Shape64 shape = x.shape();
  shape.insert(shape.begin() + at + 1, times);
  Shape64 result = x.shape();
  result[static_cast<size_t>(at)] *= times;
  return reshape(expand(unsqueeze(x, at + 1), shape), result);
}

Tensor pad(const Tensor& x, const Shape64& pads, PadMode mode, double value) {
  const Call call("pad");
  const size_t rank = x.shape().size(), padded = pads.size() / 2;
  if (pads.size() % 2 != 0 || padded > rank)
    refuse("pad", std::to_string(pads.size()) + " pads for a tensor of shape " + io::shape_text(x.shape()) + "; two per axis are needed, the last axis first");
  Shape64 both(2 * rank, 0);
  for (size_t k = 0; k < padded; ++k) {
    const size_t axis = rank - 1 - k;
    const int64_t length = x.shape()[axis], limit = mode == PadMode::Reflect ? length - 1 : length;
    const bool too_far = (mode == PadMode::Reflect || mode == PadMode::Wrap) && std::max(pads[2 * k], pads[2 * k + 1]) > limit;
    if (too_far) refuse("pad", "the border is wider than axis " + std::to_string(axis) + " of a tensor of shape " + io::shape_text(x.shape()) + " has elements to copy");
    both[axis] = pads[2 * k];
    both[rank + axis] = pads[2 * k + 1];
  }
  return apply<op::Pad>({x, fixed_ints(both), mode == PadMode::Constant ? number_like(x, value) : Tensor()}, {.mode = mode});
}

Tensor tril(const Tensor& x, int64_t k) {
  const Call call("tril");
  return apply<op::Trilu>({x, fixed_scalar(DType::I64, static_cast<double>(k))}, {.upper = false});
}
Tensor triu(const Tensor& x, int64_t k) {
  const Call call("triu");
  return apply<op::Trilu>({x, fixed_scalar(DType::I64, static_cast<double>(k))}, {.upper = true});
}

Tensor diagonal(const Tensor& x, int64_t k) {
  const Call call("diagonal");
  if (x.rank() < 2) refuse("diagonal", "a tensor of shape " + io::shape_text(x.shape()) + " has no diagonal");
  const int64_t rows = x.size(-2), columns = x.size(-1);
  Shape64 places, flat(x.shape().begin(), x.shape().end() - 2);
  for (int64_t r = std::max<int64_t>(-k, 0); r < rows && r + k < columns; ++r) places.push_back(r * columns + r + k);
  flat.push_back(rows * columns);
  return index_select(reshape(x, flat), -1, fixed_ints(places));
}

Tensor diag(const Tensor& x, int64_t k) {
  const Call call("diag");
  if (x.rank() == 2) return diagonal(x, k);
  if (x.rank() != 1) refuse("diag", "a tensor of shape " + io::shape_text(x.shape()) + "; a vector or a matrix is needed");
  // behind each element n zeros: the next one falls one place further in the next row of n
  const int64_t n = x.size(0), extra = k < 0 ? -k : k;
  const Tensor rows = reshape(narrow(flatten(pad(unsqueeze(x, 1), {0, n})), 0, 0, n * n), {n, n});
  return pad(rows, k < 0 ? Shape64{0, extra, extra, 0} : Shape64{extra, 0, 0, extra});
}

Tensor one_hot(const Tensor& indices, int64_t classes) {
  const Call call("one_hot");
  static constexpr int64_t kOffOn[] = {0, 1};
  return apply<op::OneHot>({indices, fixed_scalar(DType::I64, static_cast<double>(classes)), fixed_ints(kOffOn)});
}

std::vector<Tensor> meshgrid(const std::vector<Tensor>& vectors, bool xy) {
  const Call call("meshgrid");
  Shape64 shape;
  for (const Tensor& v : vectors) {
    if (v.rank() != 1) refuse("meshgrid", "a tensor of shape " + io::shape_text(v.shape()) + " among the vectors");
    shape.push_back(v.size(0));
  }
  std::vector<Tensor> grids;
  for (size_t k = 0; k < vectors.size(); ++k) {
    Shape64 along(vectors.size(), 1);
    along[k] = shape[k];
    const Tensor g = expand(reshape(vectors[k], along), shape);
    grids.push_back(xy && vectors.size() > 1 ? transpose(g, 0, 1) : g);
  }
  return grids;
}

std::vector<Tensor> chunk(const Tensor& x, int64_t n, int64_t axis) {
  const Call call("chunk");
  const int64_t length = x.size(axis_of("chunk", x, axis));
  if (n < 1) refuse("chunk", std::to_string(n) + " parts");
  const int64_t size = std::max<int64_t>((length + n - 1) / n, 1);
  Shape64 sizes;
  for (int64_t at = 0; at < length; at += size) sizes.push_back(std::min(size, length - at));
  return split(x, sizes, axis);
}
std::vector<Tensor> unbind(const Tensor& x, int64_t axis) {
  const Call call("unbind");
  const int64_t at = axis_of("unbind", x, axis);
  std::vector<Tensor> parts = split(x, Shape64(static_cast<size_t>(x.size(at)), 1), at);
  for (Tensor& t : parts) t = squeeze(t, at);
  return parts;
}

Tensor unflatten(const Tensor& x, int64_t axis, const Shape64& sizes) {
  const Call call("unflatten");
  const auto at = static_cast<size_t>(axis_of("unflatten", x, axis));
  int64_t known = 1;
  for (const int64_t s : sizes) known *= s == -1 ? 1 : s;
  Shape64 shape(x.shape().begin(), x.shape().begin() + static_cast<ptrdiff_t>(at));
  for (const int64_t s : sizes) shape.push_back(s == -1 && known != 0 ? x.shape()[at] / known : s);
  shape.insert(shape.end(), x.shape().begin() + static_cast<ptrdiff_t>(at) + 1, x.shape().end());
  return reshape(x, shape);
}

Tensor flatten(const Tensor& x, int64_t from, int64_t to) {
  const Call call("flatten");
  const int64_t first = axis_of("flatten", x, from), last = axis_of("flatten", x, to);
  if (first > last) refuse("flatten", "axis " + std::to_string(from) + " stands behind axis " + std::to_string(to));
  const auto begin = x.shape().begin();
  Shape64 shape(begin, begin + first);
  shape.push_back(std::accumulate(begin + first, begin + last + 1, int64_t{1}, std::multiplies<>()));
  shape.insert(shape.end(), begin + last + 1, x.shape().end());
  return reshape(x, shape);
}

Tensor movedim(const Tensor& x, int64_t from, int64_t to) {
  const Call call("movedim");
  const int64_t source = axis_of("movedim", x, from), target = axis_of("movedim", x, to);
  Shape64 axes(x.shape().size());
  std::iota(axes.begin(), axes.end(), 0);
  axes.erase(axes.begin() + source);
  axes.insert(axes.begin() + target, source);
  return permute(x, axes);
}

}  // namespace gf
