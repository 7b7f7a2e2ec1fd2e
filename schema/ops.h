// The one list of ops. A new op: its header under schema/ops, one include and one word here.
#pragma once

#include "schema/ops/add.h"
#include "schema/ops/center_crop_pad.h"
#include "schema/ops/col2im.h"
#include "schema/ops/compress.h"
#include "schema/ops/concat.h"
#include "schema/ops/constant_of_shape.h"
#include "schema/ops/depth_to_space.h"
#include "schema/ops/exp.h"
#include "schema/ops/expand.h"
#include "schema/ops/eye_like.h"
#include "schema/ops/flatten.h"
#include "schema/ops/gather.h"
#include "schema/ops/gather_elements.h"
#include "schema/ops/gather_nd.h"
#include "schema/ops/if.h"
#include "schema/ops/leaky_relu.h"
#include "schema/ops/less.h"
#include "schema/ops/loop.h"
#include "schema/ops/nonzero.h"
#include "schema/ops/one_hot.h"
#include "schema/ops/pad.h"
#include "schema/ops/range.h"
#include "schema/ops/reshape.h"
#include "schema/ops/reverse_sequence.h"
#include "schema/ops/scatter_elements.h"
#include "schema/ops/scatter_nd.h"
#include "schema/ops/shape.h"
#include "schema/ops/size.h"
#include "schema/ops/slice.h"
#include "schema/ops/softmax.h"
#include "schema/ops/space_to_depth.h"
#include "schema/ops/split.h"
#include "schema/ops/squeeze.h"
#include "schema/ops/tensor_scatter.h"
#include "schema/ops/tile.h"
#include "schema/ops/transpose.h"
#include "schema/ops/trilu.h"
#include "schema/ops/unique.h"
#include "schema/ops/unsqueeze.h"

namespace gf {

using AllOps = OpList<  //
    op::Add, op::Exp, op::LeakyRelu, op::Less,
    // movement
    op::Transpose, op::Reshape, op::Squeeze, op::Unsqueeze, op::Flatten, op::Concat, op::Split, op::Slice, op::Gather,
    op::GatherElements, op::GatherNd, op::ScatterElements, op::ScatterNd, op::TensorScatter, op::Expand, op::Tile,
    op::Pad, op::ShapeOf, op::Size, op::ConstantOfShape, op::Range, op::EyeLike, op::OneHot, op::NonZero,
    op::Compress, op::Unique, op::Trilu, op::DepthToSpace, op::SpaceToDepth, op::ReverseSequence, op::CenterCropPad,
    op::Col2Im,
    // reductions and normalisations
    op::Softmax,
    // control flow
    op::If, op::Loop>;

}  // namespace gf
