// window: w[n] from the cosine of n / period turns; mel_weight_matrix: triangles between neighbouring mel frequencies.
#include "schema/ops/window.h"

#include <cmath>

#include "ops/cpu/movement.h"
#include "schema/ops/mel_weight_matrix.h"

namespace gf::cpu {
namespace {

constexpr double kPi = 3.14159265358979323846;

Error run_window(RunContext& c) {
  const auto& a = c.attributes<op::Window::Attrs>();
  TensorView& y = c.output(0);
  const int64_t n = y.count();
  const double period = static_cast<double>(a.periodic ? n : n - 1);
  for (int64_t k = 0; k < n; ++k) {
    const double turn = period > 0 ? 2 * kPi * static_cast<double>(k) / period : 0;
    double w = 0;
    switch (a.kind) {
      case WindowKind::Hann: {
        const double s = std::sin(turn / 2);
        w = s * s;
        break;
      }
      case WindowKind::Hamming: w = 25.0 / 46.0 - (1 - 25.0 / 46.0) * std::cos(turn); break;
      case WindowKind::Blackman: w = 0.42 - 0.5 * std::cos(turn) + 0.08 * std::cos(2 * turn); break;
    }
    store_one(y, k, w);
  }
  return Error::Ok;
}

double mel_of(double hertz) { return 2595 * std::log10(1 + hertz / 700); }

Error run_mel(RunContext& c) {
  TensorView& y = c.output(0);
  const int64_t rows = y.shape[0], bands = y.shape[1];
  const int64_t length = index_at(c.input(1), 0), rate = index_at(c.input(2), 0);
  const double low = mel_of(load_one<double>(c.input(3), 0)), high = mel_of(load_one<double>(c.input(4), 0));
  if (index_at(c.input(0), 0) != bands || length / 2 + 1 != rows || length < 0)
    return GF_FAIL(c.detail, Error::BadData, c.node, "bands or dft_length do not give the planned shape");
  if (rate <= 0 || !(low >= 0) || !(high >= low))
    return GF_FAIL(c.detail, Error::BadData, c.node, "sample rate and band edges must be positive and in order");
  const double step = (high - low) / static_cast<double>(bands + 2);
  // spectrum row of the k-th of bands + 2 mel points
  const auto row_of = [&](int64_t k) {
    const double hertz = 700 * (std::pow(10.0, (low + static_cast<double>(k) * step) / 2595) - 1);
    return saturating_to_int<int64_t>(std::floor(static_cast<double>(length + 1) * hertz / static_cast<double>(rate)));
  };
  std::memset(y.data, 0, static_cast<size_t>(dense_bytes(y.dtype, y.count())));
  for (int64_t band = 0; band < bands; ++band) {
    const int64_t left = row_of(band), middle = row_of(band + 1), right = row_of(band + 2);
    if (right > rows)
      return GF_FAIL(c.detail, Error::BadData, c.node, "the upper edge lies above half the sample rate (band %lld)",
                     static_cast<long long>(band));
    if (left == middle && middle < rows) store_one(y, middle * bands + band, 1.0);
    for (int64_t r = left; left < middle && r <= middle && r < rows; ++r)
      store_one(y, r * bands + band, static_cast<double>(r - left) / static_cast<double>(middle - left));
    for (int64_t r = middle; r < right; ++r)
      store_one(y, r * bands + band, static_cast<double>(right - r) / static_cast<double>(right - middle));
  }
  return Error::Ok;
}

}  // namespace

extern const Kernel window_kernel, mel_weight_matrix_kernel;
const Kernel window_kernel{
    .op = op::Window::info.id, .name = "window_portable", .rank = 1, .prepare = prepare_any, .run = run_window};
const Kernel mel_weight_matrix_kernel{.op = op::MelWeightMatrix::info.id,
                                      .name = "mel_weight_matrix_portable",
                                      .rank = 1,
                                      .prepare = prepare_any,
                                      .run = run_mel};

}  // namespace gf::cpu
