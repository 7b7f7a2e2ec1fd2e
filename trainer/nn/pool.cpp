#include "trainer/nn/pool.h"

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/functions_movement.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/tensor_formula.h"

namespace gf::nn {
namespace {

struct Windows {
  Shape64 kernel, strides, pads, dilations;
  bool ceil_mode, count_include_pad;
};

template <class Size>
Windows windows(Size kernel, const PoolOptions<Size>& o) {
  return {list_of(kernel), list_of(o.stride.value_or(kernel)), both_ends(list_of(o.padding)), list_of(o.dilation), o.ceil_mode, o.count_include_pad};
}

template <class Op>
typename Op::Attrs attrs_of(const Windows& w) {
  typename Op::Attrs a;
  a.kernel = ints(w.kernel);
  a.strides = ints(w.strides);
  a.pads = ints(w.pads);
  a.dilations = ints(w.dilations);
  a.ceil_mode = w.ceil_mode;
  return a;
}

Tensor max_pool(const char* name, const Tensor& x, const Windows& w) {
  const lazy::Call call(name);
  return channels_first(apply<op::MaxPool>({channels_last(name, x, w.kernel.size())}, attrs_of<op::MaxPool>(w)));
}
Tensor avg_pool(const char* name, const Tensor& x, const Windows& w) {
  const lazy::Call call(name);
  op::AveragePool::Attrs attrs = attrs_of<op::AveragePool>(w);
  attrs.count_include_pad = w.count_include_pad;
  return channels_first(apply<op::AveragePool>({channels_last(name, x, w.kernel.size())}, attrs));
}

template <class Size>
Tensor lp_pool(const char* name, const Tensor& x, double p, Size kernel, std::optional<Size> stride, bool ceil_mode) {
  const lazy::Call call(name);
  double count = 1;
  for (const int64_t k : list_of(kernel)) count *= static_cast<double>(k);
  return pow(avg_pool(name, pow(x, p), windows(kernel, PoolOptions<Size>{.stride = stride, .ceil_mode = ceil_mode})) * count, 1 / p);
}

// Where all windows of an axis are equal and side by side, one pool does; else axis by axis.
struct Adaptive {
  const char* name;
  const Tensor& x;
  Shape64 size;

  void check() const {
    if (x.shape().size() != size.size() + 2)
      throw Exception(Error::ShapeMismatch, std::string(lazy::Call::name_or(name)) + ": the input has shape " + io::shape_text(x.shape()) + "; a batch, channels and " + std::to_string(size.size()) + " axes are needed");
    for (const int64_t s : size)
      if (s < 1) throw Exception(Error::InvalidArgument, std::string(lazy::Call::name_or(name)) + ": a size of " + std::to_string(s));
  }
  int64_t length(size_t d) const { return x.shape()[d + 2]; }
  bool divides() const {
    for (size_t d = 0; d < size.size(); ++d)
      if (length(d) % size[d] != 0) return false;
    return true;
  }
  Windows tiles() const {
    Shape64 kernel;
    for (size_t d = 0; d < size.size(); ++d) kernel.push_back(length(d) / size[d]);
    return {kernel, kernel, Shape64(2 * size.size(), 0), Shape64(size.size(), 1), false, true};
  }
  int64_t begin(size_t d, int64_t i) const { return i * length(d) / size[d]; }
  int64_t end(size_t d, int64_t i) const { return ((i + 1) * length(d) + size[d] - 1) / size[d]; }
};

Tensor adaptive_avg(const char* name, const Tensor& x, Shape64 size) {
  const lazy::Call call(name);
  const Adaptive a{name, x, std::move(size)};
  a.check();
  if (a.divides()) {
    if (a.size != Shape64(a.size.size(), 1)) return avg_pool(name, x, a.tiles());
    Shape64 space;
    for (size_t d = 0; d < a.size.size(); ++d) space.push_back(static_cast<int64_t>(d) + 2);
    return mean(x, space, true);
  }
  Tensor y = x;
  for (size_t d = 0; d < a.size.size(); ++d) {  // one matrix [length, size] of means along each axis
    std::vector<double> matrix(static_cast<size_t>(a.length(d) * a.size[d]), 0);
    for (int64_t i = 0; i < a.size[d]; ++i)
      for (int64_t k = a.begin(d, i); k < a.end(d, i); ++k) matrix[static_cast<size_t>(k * a.size[d] + i)] = 1 / static_cast<double>(a.end(d, i) - a.begin(d, i));
    const Tensor weights = cast(Tensor::from(matrix, {a.length(d), a.size[d]}), x.dtype());
    const auto axis = static_cast<int64_t>(d) + 2;
    y = movedim(matmul(movedim(y, axis, -1), weights), -1, axis);
  }
  return y;
}

Tensor adaptive_max(const char* name, const Tensor& x, Shape64 size) {
  const lazy::Call call(name);
  const Adaptive a{name, x, std::move(size)};
  a.check();
  if (a.divides()) return max_pool(name, x, a.tiles());
  Tensor y = x;
  for (size_t d = a.size.size(); d-- > 0;) {  // the last axis first: of equal elements the first in memory keeps the gradient
    std::vector<Tensor> parts;
    for (int64_t i = 0; i < a.size[d]; ++i) {
      Shape64 kernel(a.size.size(), 1);
      kernel[d] = a.end(d, i) - a.begin(d, i);
      const Windows w{kernel, kernel, Shape64(2 * kernel.size(), 0), Shape64(kernel.size(), 1), false, true};
      parts.push_back(max_pool(name, narrow(y, static_cast<int64_t>(d) + 2, a.begin(d, i), a.end(d, i)), w));
    }
    y = cat(parts, static_cast<int64_t>(d) + 2);
  }
  return y;
}

}  // namespace

Tensor max_pool1d(const Tensor& x, int64_t kernel, const PoolOptions<int64_t>& o) { return max_pool("max_pool1d", x, windows(kernel, o)); }
Tensor max_pool2d(const Tensor& x, Pair kernel, const PoolOptions<Pair>& o) { return max_pool("max_pool2d", x, windows(kernel, o)); }
Tensor max_pool3d(const Tensor& x, Triple kernel, const PoolOptions<Triple>& o) { return max_pool("max_pool3d", x, windows(kernel, o)); }
Tensor avg_pool1d(const Tensor& x, int64_t kernel, const PoolOptions<int64_t>& o) { return avg_pool("avg_pool1d", x, windows(kernel, o)); }
Tensor avg_pool2d(const Tensor& x, Pair kernel, const PoolOptions<Pair>& o) { return avg_pool("avg_pool2d", x, windows(kernel, o)); }
Tensor avg_pool3d(const Tensor& x, Triple kernel, const PoolOptions<Triple>& o) { return avg_pool("avg_pool3d", x, windows(kernel, o)); }

Tensor lp_pool1d(const Tensor& x, double p, int64_t kernel, std::optional<int64_t> stride, bool ceil_mode) {
  return lp_pool("lp_pool1d", x, p, kernel, stride, ceil_mode);
}
Tensor lp_pool2d(const Tensor& x, double p, Pair kernel, std::optional<Pair> stride, bool ceil_mode) {
  return lp_pool("lp_pool2d", x, p, kernel, stride, ceil_mode);
}
Tensor lp_pool3d(const Tensor& x, double p, Triple kernel, std::optional<Triple> stride, bool ceil_mode) {
  return lp_pool("lp_pool3d", x, p, kernel, stride, ceil_mode);
}

Tensor adaptive_avg_pool1d(const Tensor& x, int64_t size) { return adaptive_avg("adaptive_avg_pool1d", x, list_of(size)); }
Tensor adaptive_avg_pool2d(const Tensor& x, Pair size) { return adaptive_avg("adaptive_avg_pool2d", x, list_of(size)); }
Tensor adaptive_avg_pool3d(const Tensor& x, Triple size) { return adaptive_avg("adaptive_avg_pool3d", x, list_of(size)); }
Tensor adaptive_max_pool1d(const Tensor& x, int64_t size) { return adaptive_max("adaptive_max_pool1d", x, list_of(size)); }
Tensor adaptive_max_pool2d(const Tensor& x, Pair size) { return adaptive_max("adaptive_max_pool2d", x, list_of(size)); }
Tensor adaptive_max_pool3d(const Tensor& x, Triple size) { return adaptive_max("adaptive_max_pool3d", x, list_of(size)); }

Tensor global_avg_pool2d(const Tensor& x) { return mean(x, {2, 3}, true); }
Tensor global_max_pool2d(const Tensor& x) { return amax(x, {2, 3}, true); }

}  // namespace gf::nn
