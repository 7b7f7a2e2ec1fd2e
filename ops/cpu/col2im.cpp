// col2im: image[p] = sum of columns[k, l] over block places k and blocks l with l * stride + k * dilation - pad = p.
// Each output element gathers its addends, in a fixed order.
#include "schema/ops/col2im.h"

#include "ops/cpu/movement.h"

namespace gf::cpu {
namespace {

constexpr int kMaxSpatial = kMaxRank - 2;

struct Geometry {
  int rank = 0;
  int64_t image[kMaxSpatial], block[kMaxSpatial], blocks[kMaxSpatial];
  int64_t dilation[kMaxSpatial], stride[kMaxSpatial], pad[kMaxSpatial];
  int64_t area = 1;      // places in a block
  int64_t pixels = 1;
  int64_t columns = 1;   // number of blocks
};

bool read_geometry(const RunContext& c, Geometry& g) {
  const auto& a = c.attributes<op::Col2Im::Attrs>();
  const Shape& out = c.output(0).shape;
  g.rank = out.rank - 2;
  if (g.rank < 1 || g.rank > kMaxSpatial || c.input(2).count() != g.rank) return false;
  for (int d = 0; d < g.rank; ++d) {
    const auto k = static_cast<size_t>(d);
    g.image[d] = out[d + 2];
    g.block[d] = index_at(c.input(2), d);
    if (g.block[d] < 1 || g.block[d] > (1 << 30)) return false;
    g.dilation[d] = a.dilations.empty() ? 1 : a.dilations[k];
    g.stride[d] = a.strides.empty() ? 1 : a.strides[k];
    g.pad[d] = a.pads.empty() ? 0 : a.pads[k];
    const int64_t after = a.pads.empty() ? 0 : a.pads[k + static_cast<size_t>(g.rank)];
    const int64_t span = g.image[d] + g.pad[d] + after - g.dilation[d] * (g.block[d] - 1);
    if (span < 1) return false;
    g.blocks[d] = (span - 1) / g.stride[d] + 1;
    if (!mul_checked(g.area, g.block[d], g.area) || !mul_checked(g.columns, g.blocks[d], g.columns)) return false;
    g.pixels *= g.image[d];
  }
  const Shape& in = c.input(0).shape;
  return in[1] == out[1] * g.area && in[2] == g.columns;
}

// Column that holds block place `k` for pixel `p`, or -1.
int64_t column_of(const Geometry& g, int64_t p, int64_t k) {
  int64_t column = 0, scale = 1;
  for (int d = g.rank - 1; d >= 0; --d) {
    const int64_t at = p % g.image[d] + g.pad[d] - k % g.block[d] * g.dilation[d];
    p /= g.image[d];
    k /= g.block[d];
    if (at < 0 || at % g.stride[d] != 0 || at / g.stride[d] >= g.blocks[d]) return -1;
    column += at / g.stride[d] * scale;
    scale *= g.blocks[d];
  }
  return column;
}

Error run(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  Geometry g;
  if (!read_geometry(c, g)) return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "columns, block and image do not fit");
  const ComputeType compute = compute_type(x.dtype);
  c.parallel.chunks(y.count(), row_grain(g.area), [&](int64_t begin, int64_t end, int) {
    for (int64_t e = begin; e < end; ++e) {
      const int64_t plane = e / g.pixels;
      double sum = 0;
      uint64_t whole = 0;  // serves signed integers too
      for (int64_t k = 0; k < g.area; ++k) {
        const int64_t column = column_of(g, e % g.pixels, k);
        if (column < 0) continue;
        const int64_t at = (plane * g.area + k) * g.columns + column;
        if (compute == ComputeType::F64) sum += load_one<double>(x, at);
        else if (compute == ComputeType::F32) sum = static_cast<double>(static_cast<float>(sum + load_one<double>(x, at)));
        else whole += load_one<uint64_t>(x, at);
      }
      if (compute <= ComputeType::F64) store_one(y, e, sum);
      else store_one(y, e, whole);
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel col2im_kernel;
const Kernel col2im_kernel{
    .op = op::Col2Im::info.id, .name = "col2im_portable", .rank = 1, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
