// depth_to_space, space_to_depth (channels last), reverse_sequence, center_crop_pad: rearrangements as strided copies.
#include "schema/ops/depth_to_space.h"

#include "ops/cpu/movement.h"
#include "schema/ops/center_crop_pad.h"
#include "schema/ops/reverse_sequence.h"
#include "schema/ops/space_to_depth.h"

namespace gf::cpu {
namespace {

// Deep side [n, h, w, deep channels] against wide side [n, h * b, w * b, channels]: dims n, h, block row, w, block
// column, channel with the strides of both sides.
CopyBox block_box(const Shape& deep, const Shape& wide, int64_t b, DepthOrder order, bool deep_is_source) {
  const int64_t n = deep[0], h = deep[1], w = deep[2], channels = wide[3], depth = deep[3];
  const bool block_first = order == DepthOrder::BlockFirst;
  const int64_t dims[6] = {n, h, b, w, b, channels};
  const int64_t deep_strides[6] = {h * w * depth, w * depth, block_first ? b * channels : b, depth,
                                   block_first ? channels : 1, block_first ? 1 : b * b};
  const int64_t row = wide[2] * channels;
  const int64_t wide_strides[6] = {wide[1] * row, b * row, row, b * channels, channels, 1};
  CopyBox box;
  for (int d = 0; d < 6; ++d)
    box.push(dims[d], deep_is_source ? deep_strides[d] : wide_strides[d], deep_is_source ? wide_strides[d] : deep_strides[d]);
  return box;
}

Error run_depth_to_space(RunContext& c) {
  const auto& a = c.attributes<op::DepthToSpace::Attrs>();
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  if (y.shape[3] * a.block * a.block != x.shape[3])
    return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "channels do not divide by block^2");
  CopyBox box = block_box(x.shape, y.shape, a.block, a.order, true);
  copy_box(c.parallel, x, y, box);
  return Error::Ok;
}

Error run_space_to_depth(RunContext& c) {
  const auto& a = c.attributes<op::SpaceToDepth::Attrs>();
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  if (y.shape[1] * a.block != x.shape[1] || y.shape[2] * a.block != x.shape[2])
    return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "height or width do not divide by the block");
  CopyBox box = block_box(y.shape, x.shape, a.block, a.order, false);
  copy_box(c.parallel, x, y, box);
  return Error::Ok;
}

Error run_reverse_sequence(RunContext& c) {
  const TensorView &x = c.input(0), &lengths = c.input(1);
  TensorView& y = c.output(0);
  const bool batch_first = c.attributes<op::ReverseSequence::Attrs>().batch_axis == 0;
  const int64_t rows = x.shape[0], cols = x.shape[1], inner = x.shape.count(2, x.shape.rank);
  const int64_t batch = batch_first ? rows : cols, time = batch_first ? cols : rows;
  if (lengths.count() != batch) return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "one length per sequence is needed");
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t n = index_at(lengths, b);
    if (n < 0 || n > time)
      return GF_FAIL(c.detail, Error::BadData, c.node, "sequence %lld has length %lld of at most %lld",
                     static_cast<long long>(b), static_cast<long long>(n), static_cast<long long>(time));
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < cols; ++k) {
      const int64_t b = batch_first ? r : k, t = batch_first ? k : r, n = index_at(lengths, b);
      const int64_t from = t < n ? n - 1 - t : t;
      const int64_t source = batch_first ? b * cols + from : from * cols + b;
      copy_elements(x, source * inner, y, (r * cols + k) * inner, inner);
    }
  return Error::Ok;
}

Error run_center_crop_pad(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  int64_t source[kMaxRank], target[kMaxRank];
  dense_strides(x.shape, source);
  dense_strides(y.shape, target);
  CopyBox box;
  for (int d = 0; d < x.shape.rank; ++d) {
    const int64_t have = x.shape[d], want = y.shape[d];
    box.push(have < want ? have : want, source[d], target[d]);
    if (have > want) box.source_offset += (have - want) / 2 * source[d];
    else box.target_offset += (want - have) / 2 * target[d];
  }
  std::memset(y.data, 0, static_cast<size_t>(dense_bytes(y.dtype, y.count())));
  copy_box(c.parallel, x, y, box);
  return Error::Ok;
}

}  // namespace

extern const Kernel depth_to_space_kernel, space_to_depth_kernel, reverse_sequence_kernel, center_crop_pad_kernel;
const Kernel depth_to_space_kernel{.op = op::DepthToSpace::info.id,
                                   .name = "depth_to_space_portable",
                                   .rank = 1,
                                   .prepare = prepare_any,
                                   .run = run_depth_to_space};
const Kernel space_to_depth_kernel{.op = op::SpaceToDepth::info.id,
                                   .name = "space_to_depth_portable",
                                   .rank = 1,
                                   .prepare = prepare_any,
                                   .run = run_space_to_depth};
const Kernel reverse_sequence_kernel{.op = op::ReverseSequence::info.id,
                                     .name = "reverse_sequence_portable",
                                     .rank = 1,
                                     .prepare = prepare_any,
                                     .run = run_reverse_sequence};
const Kernel center_crop_pad_kernel{.op = op::CenterCropPad::info.id,
                                    .name = "center_crop_pad_portable",
                                    .rank = 1,
                                    .prepare = prepare_any,
                                    .run = run_center_crop_pad};

}  // namespace gf::cpu
