// Packing of weight matrices into the panels that the tile kernels read. Not per target: it asks the target's table for
// panel widths and for the transpose.
#include <algorithm>
#include <cstring>

#include "ops/cpu/simd/gemm.h"
#include "ops/cpu/simd/gemm_driver.h"
#include "runtime/core/checked.h"
#include "runtime/core/half.h"

namespace gf::simd {
namespace {

float load_as_f32(const PackSource& b, int64_t index) {
  switch (b.type) {
    case DType::F16: return to_f32(static_cast<const F16*>(b.data)[index]);
    case DType::BF16: return to_f32(static_cast<const BF16*>(b.data)[index]);
    default: return static_cast<const float*>(b.data)[index];
  }
}

}  // namespace

PackSource advance(const PackSource& b, int64_t elements) {
  PackSource out = b;
  const auto bytes = static_cast<int64_t>(dtype_bits(b.type) / 8);
  if (b.data != nullptr) out.data = static_cast<const char*>(b.data) + elements * bytes;  // k == 0: nothing there
  return out;
}

int64_t packed_columns(const GemmKernels& kernels, int64_t n) {
  const int64_t rest = n % kernels.nr;
  const int64_t width = rest == 0 ? 0 : rest <= kernels.lanes ? kernels.lanes : kernels.nr;
  return n - rest + width;
}

void pack_panel(const GemmKernels& kernels, const PackSource& b, int64_t k, int64_t columns, int64_t width,
                float* out) {
  const bool is_f32 = b.type == DType::F32;
  const auto* source = static_cast<const float*>(b.data);
  if (is_f32 && b.col_stride == 1) {
    kernels.copy_rows(source, b.row_stride, k, columns, out, width);
  } else if (is_f32 && b.row_stride == 1) {
    kernels.transpose(source, b.col_stride, k, columns, out, width);
  } else if (is_f32) {
    for (int64_t row = 0; row < k; ++row) {
      const float* from = source + row * b.row_stride;
      for (int64_t col = 0; col < columns; ++col, from += b.col_stride) out[row * width + col] = *from;
    }
  } else {
    for (int64_t row = 0; row < k; ++row)
      for (int64_t col = 0; col < columns; ++col)
        out[row * width + col] = load_as_f32(b, row * b.row_stride + col * b.col_stride);
  }
  if (columns == width) return;
  const auto missing = static_cast<size_t>(width - columns) * sizeof(float);
  for (int64_t row = 0; row < k; ++row) std::memset(out + row * width + columns, 0, missing);
}

uint64_t packed_b_bytes(Isa isa, int64_t k, int64_t n) {
  const GemmKernels& kernels = gemm_kernels(isa);
  uint64_t count = 0;
  if (k < 0 || n < 0 || n > INT64_MAX - kernels.nr) return UINT64_MAX;
  const auto columns = static_cast<uint64_t>(packed_columns(kernels, n));
  if (!mul_checked(columns, static_cast<uint64_t>(k), count) || !mul_checked<uint64_t>(count, 4, count) ||
      !align_checked(count, kGemmAlignment, count))
    return UINT64_MAX;
  return count;
}

void pack_b(Isa isa, const PackSource& b, int64_t k, int64_t n, void* packed) {
  const GemmKernels& kernels = gemm_kernels(isa);
  auto* out = static_cast<float*>(packed);
  for (int64_t col = 0; col < n; col += kernels.nr) {
    const int64_t columns = std::min<int64_t>(kernels.nr, n - col);
    const int64_t width = columns <= kernels.lanes ? kernels.lanes : kernels.nr;
    pack_panel(kernels, advance(b, col * b.col_stride), k, columns, width, out);
    out += k * width;
  }
}

}  // namespace gf::simd
