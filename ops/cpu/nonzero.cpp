// nonzero, compress, unique: outputs whose size the data decides. The plan has room for the largest.
#include "schema/ops/nonzero.h"

#include "ops/cpu/movement.h"
#include "ops/cpu/order.h"
#include "schema/ops/compress.h"
#include "schema/ops/unique.h"

namespace gf::cpu {
namespace {

Error check_capacity(const RunContext& c, int64_t elements, DType type) {
  const auto bytes = static_cast<uint64_t>(dense_bytes(type, elements));
  if (bytes <= c.output_capacity) return Error::Ok;
  return GF_FAIL(c.detail, Error::ShapeOutOfBounds, c.node, "the result needs %llu bytes, %llu were planned",
                 static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(c.output_capacity));
}

constexpr int64_t kRun = 256;

// Places of the elements of [first, first + kRun) that are not zero (-0 is, NaN is not).
int64_t find_nonzero(const TensorView& x, int64_t first, int64_t (&places)[kRun]) {
  const int64_t rest = x.count() - first, count = rest < kRun ? rest : kRun;
  uint64_t keys[kRun], zero = 0;
  load_keys(TensorView{&zero, {}, x.dtype}, 0, 1, 1, &zero);
  load_keys(x, first, 1, count, keys);
  int64_t found = 0;
  for (int64_t k = 0; k < count; ++k)
    if (keys[k] != zero) places[found++] = first + k;
  return found;
}

Error run_nonzero(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int rank = x.shape.rank;
  const int64_t count = x.count();
  int64_t places[kRun], n = 0, at = 0;
  for (int64_t first = 0; first < count; first += kRun) n += find_nonzero(x, first, places);
  GF_TRY(check_capacity(c, n * rank, DType::I64));
  y.shape = Shape(rank, n);
  for (int64_t first = 0; first < count; first += kRun) {
    const int64_t found = find_nonzero(x, first, places);
    for (int64_t j = 0; j < found; ++j, ++at)
      for (int d = rank - 1; d >= 0; --d) {
        y.as<int64_t>()[d * n + at] = places[j] % x.shape[d];
        places[j] /= x.shape[d];
      }
  }
  return Error::Ok;
}

Error run_compress(RunContext& c) {
  const TensorView &x = c.input(0), &condition = c.input(1);
  TensorView& y = c.output(0);
  const auto& a = c.attributes<op::Compress::Attrs>();
  const int axis = a.flat ? 0 : wrap_axis(a.axis, x.shape.rank);
  const AxisView view = a.flat ? AxisView{1, x.count(), 1} : axis_view(x.shape, axis);
  const auto* keep = condition.as<const uint8_t>();
  const int64_t limit = condition.count() < view.length ? condition.count() : view.length;
  int64_t n = 0;
  for (int64_t k = 0; k < condition.count(); ++k) {
    if (keep[k] != 0 && k >= limit) return index_error(c, k, k, axis, view.length);
    n += keep[k] != 0 ? 1 : 0;
  }
  GF_TRY(check_capacity(c, view.outer * n * view.inner, x.dtype));
  if (a.flat) {
    y.shape = Shape(n);
  } else {
    y.shape = x.shape;
    y.shape[axis] = n;
  }
  int64_t at = 0;
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t k = 0; k < limit; ++k) {
      if (keep[k] == 0) continue;
      copy_elements(x, (o * view.length + k) * view.inner, y, at++ * view.inner, view.inner);
    }
  return Error::Ok;
}

// Slices along the axis, compared element by element; NaN equals NaN and stands last, as in numpy.
struct Slices {
  const uint64_t* keys = nullptr;
  AxisView view;

  int compare(int64_t a, int64_t b) const {
    for (int64_t o = 0; o < view.outer; ++o)
      for (int64_t i = 0; i < view.inner; ++i) {
        const uint64_t x = keys[(o * view.length + a) * view.inner + i], y = keys[(o * view.length + b) * view.inner + i];
        if (x != y) return x < y ? -1 : 1;
      }
    return 0;
  }
};

bool before(const void* slices, int64_t a, int64_t b) {
  const int r = static_cast<const Slices*>(slices)->compare(a, b);
  return r != 0 ? r < 0 : a < b;
}

constexpr uint64_t kUniqueArrays = 6;

Error prepare_unique(const NodeView& node, KernelPlan& plan) {
  plan.scratch_bytes = kUniqueArrays * sizeof(int64_t) * static_cast<uint64_t>(node.input(0).shape.count() + 1);
  return Error::Ok;
}

// Groups equal slices: inverse[k] is the group of slice k, first[g] and counts[g] describe group g. Returns the number.
int64_t group_slices(const Slices& slices, int64_t length, bool sorted, int64_t* order, int64_t* inverse, int64_t* first,
                     int64_t* counts, int64_t* renamed) {
  for (int64_t k = 0; k < length; ++k) order[k] = k;
  sort_places(order, length, length, before, &slices);
  int64_t groups = 0;
  for (int64_t k = 0; k < length; ++k) {
    if (k == 0 || slices.compare(order[k - 1], order[k]) != 0) {
      first[groups] = order[k];
      counts[groups] = 0;
      ++groups;
    }
    ++counts[groups - 1];
    inverse[order[k]] = groups - 1;
  }
  if (sorted) return groups;
  int64_t next = 0;
  for (int64_t k = 0; k < length; ++k)  // names in order of first appearance
    if (first[inverse[k]] == k) renamed[inverse[k]] = next++;
  for (int64_t k = 0; k < length; ++k) inverse[k] = renamed[inverse[k]];
  for (int64_t g = 0; g < groups; ++g) order[g] = counts[g];  // order is free now
  for (int64_t g = 0; g < groups; ++g) counts[renamed[g]] = order[g];
  for (int64_t g = 0; g < groups; ++g) order[g] = first[g];
  for (int64_t g = 0; g < groups; ++g) first[renamed[g]] = order[g];
  return groups;
}

// No elements: slices along the axis (there may be some) are all equal.
Error run_unique_empty(RunContext& c, int axis, int64_t length) {
  const int64_t groups = length > 0 ? 1 : 0;
  if (c.has_output(0)) c.output(0).shape[axis] = groups;
  for (int i = 1; i < 4; ++i) {
    if (!c.has_output(i)) continue;
    const int64_t n = i == 2 ? length : groups;
    c.output(i).shape = Shape(n);
    for (int64_t k = 0; k < n; ++k) c.output(i).as<int64_t>()[k] = i == 3 ? length : 0;
  }
  return Error::Ok;
}

Error run_unique(RunContext& c) {
  const TensorView& x = c.input(0);
  const auto& a = c.attributes<op::Unique::Attrs>();
  const int axis = a.flat ? 0 : wrap_axis(a.axis, x.shape.rank);
  Slices slices;
  slices.view = a.flat ? AxisView{1, x.count(), 1} : axis_view(x.shape, axis);
  const int64_t length = slices.view.length, inner = slices.view.inner;
  if (x.count() == 0) return run_unique_empty(c, axis, length);
  auto* order = static_cast<int64_t*>(c.scratch);
  int64_t *inverse = order + length, *first = inverse + length, *counts = first + length, *renamed = counts + length;
  auto* keys = reinterpret_cast<uint64_t*>(renamed + length);
  load_keys(x, 0, 1, x.count(), keys);
  slices.keys = keys;
  const int64_t groups = group_slices(slices, length, a.sorted, order, inverse, first, counts, renamed);
  if (c.has_output(0)) {
    TensorView& y = c.output(0);
    GF_TRY(check_capacity(c, slices.view.outer * groups * inner, x.dtype));
    if (a.flat) {
      y.shape = Shape(groups);
    } else {
      y.shape = x.shape;
      y.shape[axis] = groups;
    }
    for (int64_t o = 0; o < slices.view.outer; ++o)
      for (int64_t g = 0; g < groups; ++g)
        copy_elements(x, (o * length + first[g]) * inner, y, (o * groups + g) * inner, inner);
  }
  const int64_t* lists[4] = {nullptr, first, inverse, counts};
  for (int i = 1; i < 4; ++i) {
    if (!c.has_output(i)) continue;
    const int64_t n = i == 2 ? length : groups;
    c.output(i).shape = Shape(n);
    std::memcpy(c.output(i).data, lists[i], static_cast<size_t>(n) * sizeof(int64_t));
  }
  return Error::Ok;
}

}  // namespace

extern const Kernel nonzero_kernel, compress_kernel, unique_kernel;
const Kernel nonzero_kernel{
    .op = op::NonZero::info.id, .name = "nonzero_portable", .rank = 1, .prepare = prepare_any, .run = run_nonzero};
const Kernel compress_kernel{
    .op = op::Compress::info.id, .name = "compress_portable", .rank = 1, .prepare = prepare_any, .run = run_compress};
const Kernel unique_kernel{
    .op = op::Unique::info.id, .name = "unique_portable", .rank = 1, .prepare = prepare_unique, .run = run_unique};

}  // namespace gf::cpu
