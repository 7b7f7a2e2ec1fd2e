// dft and stft: X[k] = sum x[n] e^(-2 pi i k n / N) in f64. Radix-2 (Cooley & Tukey 1965) for powers of two, Bluestein's
// chirp transform (1970) for the rest, so that every length is O(N log N).
#include "schema/ops/dft.h"

#include <cmath>
#include <utility>

#include "ops/cpu/movement.h"
#include "schema/ops/stft.h"

namespace gf::cpu {
namespace {

constexpr double kPi = 3.14159265358979323846;

struct Complex {
  double re = 0, im = 0;
};
Complex multiply(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
Complex root(double turns) { return {std::cos(2 * kPi * turns), std::sin(2 * kPi * turns)}; }

int64_t padded_length(int64_t n) {
  if (is_power_of_two(static_cast<uint64_t>(n))) return 0;
  int64_t m = 1;
  while (m < 2 * n - 1) m *= 2;
  return m;
}
/// Complex numbers that transform() needs besides its data.
int64_t transform_scratch(int64_t n) { return 2 * padded_length(n) + n; }

// In place, n a power of two; sign -1 forward, +1 inverse (not divided).
void radix2(Complex* x, int64_t n, int sign) {
  for (int64_t i = 1, j = 0; i < n; ++i) {
    int64_t bit = n >> 1;
    for (; (j & bit) != 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
  for (int64_t size = 2; size <= n; size *= 2) {
    const int64_t half = size / 2;
    for (int64_t k = 0; k < half; ++k) {
      const Complex w = root(sign * static_cast<double>(k) / static_cast<double>(size));
      for (int64_t at = k; at < n; at += size) {
        const Complex odd = multiply(x[at + half], w), even = x[at];
        x[at] = {even.re + odd.re, even.im + odd.im};
        x[at + half] = {even.re - odd.re, even.im - odd.im};
      }
    }
  }
}

void transform(Complex* x, int64_t n, int sign, Complex* scratch) {
  const int64_t m = padded_length(n);
  if (m == 0) return radix2(x, n, sign);
  Complex *a = scratch, *b = scratch + m, *chirp = scratch + 2 * m;
  // k^2 / 2n turns; k^2 is reduced modulo 2n in integers, where it is exact
  for (int64_t k = 0; k < n; ++k) {
    const auto square = static_cast<int64_t>(static_cast<uint64_t>(k) * static_cast<uint64_t>(k) % static_cast<uint64_t>(2 * n));
    chirp[k] = root(sign * static_cast<double>(square) / static_cast<double>(2 * n));
  }
  for (int64_t k = 0; k < m; ++k) a[k] = b[k] = {};
  for (int64_t k = 0; k < n; ++k) {
    a[k] = multiply(x[k], chirp[k]);
    const Complex conjugate = {chirp[k].re, -chirp[k].im};
    b[k] = conjugate;
    if (k > 0) b[m - k] = conjugate;
  }
  radix2(a, m, -1);
  radix2(b, m, -1);
  for (int64_t k = 0; k < m; ++k) a[k] = multiply(a[k], b[k]);
  radix2(a, m, 1);
  const double scale = 1 / static_cast<double>(m);
  for (int64_t k = 0; k < n; ++k) {
    x[k] = multiply(a[k], chirp[k]);
    x[k].re *= scale;
    x[k].im *= scale;
  }
}

// Worker memory for transforms of up to n elements.
uint64_t worker_bytes(int64_t n) {
  int64_t most = 0;  // shorter lengths may pad further
  for (int64_t m = n; m > 0 && m > n - 2; --m) most = transform_scratch(m) > most ? transform_scratch(m) : most;
  return sizeof(Complex) * static_cast<uint64_t>(n + most);
}

int dft_axis(const op::Dft::Attrs& a, const RunContext& c) {
  return wrap_axis(c.has_input(2) ? index_at(c.input(2), 0) : a.axis, c.input(0).shape.rank);
}

Error prepare_dft(const NodeView& node, KernelPlan& plan) {
  const auto& a = node.attributes<op::Dft::Attrs>();
  const Shape &in = node.input(0).shape, &out = node.output(0).shape;
  int64_t n = 1;  // the axis may be an input: the longest will do
  for (int d = 0; d < in.rank - 1; ++d) {
    const int64_t length = a.onesided && !a.inverse ? 2 * out[d] : out[d];
    n = length > n ? length : n;
  }
  plan.scratch_bytes_per_worker = worker_bytes(n);
  return Error::Ok;
}

Error run_dft(RunContext& c) {
  const auto& a = c.attributes<op::Dft::Attrs>();
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int axis = dft_axis(a, c), last = x.shape.rank - 1;
  const int64_t parts = x.shape[last], out_parts = y.shape[last], have = x.shape[axis];
  int64_t n = a.inverse && a.onesided ? 2 * (have - 1) : have;
  if (c.has_input(1)) n = index_at(c.input(1), 0);
  const int64_t kept = a.onesided && !a.inverse ? n / 2 + 1 : n;
  if (n < 1 || y.shape[axis] != kept)
    return GF_FAIL(c.detail, Error::BadData, c.node, "the transform's length %lld is not the planned one", static_cast<long long>(n));
  const int64_t outer = x.shape.count(0, axis), inner = x.shape.count(axis + 1, last);
  const int64_t given = a.inverse && a.onesided ? n / 2 + 1 : n;  // frequencies or samples that are read
  c.parallel(outer * inner, [&](int64_t line, int worker) {
    auto* data = c.scratch_of<Complex>(worker);
    const int64_t o = line / inner, i = line % inner;
    for (int64_t k = 0; k < n; ++k) {
      Complex v;
      // a one-sided spectrum goes on with the conjugates of its mirror image
      const bool mirrored = k >= given;
      const int64_t from = mirrored ? n - k : k;
      if (from < have) {
        const int64_t at = ((o * have + from) * inner + i) * parts;
        v.re = load_one<double>(x, at);
        if (parts == 2) v.im = load_one<double>(x, at + 1);
        if (mirrored) v.im = -v.im;
        if (a.inverse && a.onesided && (from == 0 || 2 * from == n)) v.im = 0;  // real by definition
      }
      data[k] = v;
    }
    transform(data, n, a.inverse ? 1 : -1, data + n);
    const double scale = a.inverse ? 1 / static_cast<double>(n) : 1;
    for (int64_t k = 0; k < kept; ++k) {
      const int64_t at = ((o * kept + k) * inner + i) * out_parts;
      store_one(y, at, data[k].re * scale);
      if (out_parts == 2) store_one(y, at + 1, data[k].im * scale);
    }
  });
  return Error::Ok;
}

Error prepare_stft(const NodeView& node, KernelPlan& plan) {
  const Shape& out = node.output(0).shape;
  plan.scratch_bytes_per_worker =
      worker_bytes(node.attributes<op::Stft::Attrs>().onesided ? 2 * out[2] : (out[2] > 1 ? out[2] : 1));
  return Error::Ok;
}

Error run_stft(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int64_t step = index_at(c.input(1), 0), length = x.shape[1], parts = x.shape[2];
  int64_t n = length;
  if (c.has_input(2)) n = c.input(2).count();
  if (c.has_input(3)) n = index_at(c.input(3), 0);
  const int64_t frames = y.shape[1], kept = y.shape[2];
  const int64_t wanted = c.attributes<op::Stft::Attrs>().onesided ? n / 2 + 1 : n;
  if (step < 1 || n < 1 || n > length || (length - n) / step + 1 != frames || kept != wanted ||
      (c.has_input(2) && c.input(2).count() != n))
    return GF_FAIL(c.detail, Error::BadData, c.node, "frame step or length do not give the planned shape");
  c.parallel(x.shape[0] * frames, [&](int64_t task, int worker) {
    auto* data = c.scratch_of<Complex>(worker);
    const int64_t start = task / frames * length + task % frames * step;
    for (int64_t k = 0; k < n; ++k) {
      const double w = c.has_input(2) ? load_one<double>(c.input(2), k) : 1;
      data[k].re = w * load_one<double>(x, (start + k) * parts);
      data[k].im = parts == 2 ? w * load_one<double>(x, (start + k) * parts + 1) : 0;
    }
    transform(data, n, -1, data + n);
    for (int64_t k = 0; k < kept; ++k) {
      store_one(y, (task * kept + k) * 2, data[k].re);
      store_one(y, (task * kept + k) * 2 + 1, data[k].im);
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel dft_kernel, stft_kernel;
const Kernel dft_kernel{.op = op::Dft::info.id, .name = "dft_portable", .rank = 1, .prepare = prepare_dft, .run = run_dft};
const Kernel stft_kernel{
    .op = op::Stft::info.id, .name = "stft_portable", .rank = 1, .prepare = prepare_stft, .run = run_stft};

}  // namespace gf::cpu
