// The one list of ops. A new op: its header under schema/ops, one include and one word here.
#pragma once

#include "schema/ops/abs.h"
#include "schema/ops/acos.h"
#include "schema/ops/acosh.h"
#include "schema/ops/add.h"
#include "schema/ops/and.h"
#include "schema/ops/asin.h"
#include "schema/ops/asinh.h"
#include "schema/ops/atan.h"
#include "schema/ops/atanh.h"
#include "schema/ops/bernoulli.h"
#include "schema/ops/bit_cast.h"
#include "schema/ops/bit_shift.h"
#include "schema/ops/bitwise_and.h"
#include "schema/ops/bitwise_not.h"
#include "schema/ops/bitwise_or.h"
#include "schema/ops/bitwise_xor.h"
#include "schema/ops/cast.h"
#include "schema/ops/ceil.h"
#include "schema/ops/celu.h"
#include "schema/ops/center_crop_pad.h"
#include "schema/ops/clip.h"
#include "schema/ops/col2im.h"
#include "schema/ops/compress.h"
#include "schema/ops/concat.h"
#include "schema/ops/constant_of_shape.h"
#include "schema/ops/cos.h"
#include "schema/ops/cosh.h"
#include "schema/ops/depth_to_space.h"
#include "schema/ops/div.h"
#include "schema/ops/dropout.h"
#include "schema/ops/elu.h"
#include "schema/ops/equal.h"
#include "schema/ops/erf.h"
#include "schema/ops/exp.h"
#include "schema/ops/expand.h"
#include "schema/ops/eye_like.h"
#include "schema/ops/flatten.h"
#include "schema/ops/floor.h"
#include "schema/ops/gather.h"
#include "schema/ops/gather_elements.h"
#include "schema/ops/gather_nd.h"
#include "schema/ops/gelu.h"
#include "schema/ops/greater.h"
#include "schema/ops/greater_or_equal.h"
#include "schema/ops/hard_sigmoid.h"
#include "schema/ops/hard_swish.h"
#include "schema/ops/identity.h"
#include "schema/ops/if.h"
#include "schema/ops/is_inf.h"
#include "schema/ops/is_nan.h"
#include "schema/ops/leaky_relu.h"
#include "schema/ops/less.h"
#include "schema/ops/less_or_equal.h"
#include "schema/ops/log.h"
#include "schema/ops/loop.h"
#include "schema/ops/max.h"
#include "schema/ops/min.h"
#include "schema/ops/mish.h"
#include "schema/ops/mod.h"
#include "schema/ops/mul.h"
#include "schema/ops/multinomial.h"
#include "schema/ops/neg.h"
#include "schema/ops/nonzero.h"
#include "schema/ops/not.h"
#include "schema/ops/one_hot.h"
#include "schema/ops/or.h"
#include "schema/ops/pad.h"
#include "schema/ops/pow.h"
#include "schema/ops/prelu.h"
#include "schema/ops/random_normal.h"
#include "schema/ops/random_uniform.h"
#include "schema/ops/range.h"
#include "schema/ops/reciprocal.h"
#include "schema/ops/relu.h"
#include "schema/ops/reshape.h"
#include "schema/ops/reverse_sequence.h"
#include "schema/ops/round.h"
#include "schema/ops/scatter_elements.h"
#include "schema/ops/scatter_nd.h"
#include "schema/ops/selu.h"
#include "schema/ops/shape.h"
#include "schema/ops/shrink.h"
#include "schema/ops/sigmoid.h"
#include "schema/ops/sign.h"
#include "schema/ops/sin.h"
#include "schema/ops/sinh.h"
#include "schema/ops/size.h"
#include "schema/ops/slice.h"
#include "schema/ops/softmax.h"
#include "schema/ops/softplus.h"
#include "schema/ops/softsign.h"
#include "schema/ops/space_to_depth.h"
#include "schema/ops/split.h"
#include "schema/ops/sqrt.h"
#include "schema/ops/squeeze.h"
#include "schema/ops/sub.h"
#include "schema/ops/swish.h"
#include "schema/ops/tan.h"
#include "schema/ops/tanh.h"
#include "schema/ops/tensor_scatter.h"
#include "schema/ops/thresholded_relu.h"
#include "schema/ops/tile.h"
#include "schema/ops/transpose.h"
#include "schema/ops/trilu.h"
#include "schema/ops/unique.h"
#include "schema/ops/unsqueeze.h"
#include "schema/ops/where.h"
#include "schema/ops/xor.h"

namespace gf {

using AllOps = OpList<  //
    op::Add, op::Exp, op::LeakyRelu, op::Less, op::Abs, op::Neg, op::Sign, op::Sqrt, op::Reciprocal, op::Log, op::Sin,
    op::Cos, op::Tan, op::Asin, op::Acos, op::Atan, op::Sinh, op::Cosh, op::Tanh, op::Asinh, op::Acosh, op::Atanh,
    op::Ceil, op::Floor, op::Round, op::Erf, op::Relu, op::Elu, op::Celu, op::Selu, op::Softplus, op::Softsign,
    op::Sigmoid, op::HardSigmoid, op::HardSwish, op::Gelu, op::Swish, op::Mish, op::ThresholdedRelu, op::Shrink,
    op::Clip, op::BitwiseNot, op::Not, op::IsNan, op::IsInf, op::Sub, op::Mul, op::Div, op::Mod, op::Pow, op::Min,
    op::Max, op::PRelu, op::BitwiseAnd, op::BitwiseOr, op::BitwiseXor, op::BitShift, op::And, op::Or, op::Xor,
    op::Equal, op::LessOrEqual, op::Greater, op::GreaterOrEqual, op::Where, op::Cast, op::BitCast, op::Identity,
    op::Dropout, op::Bernoulli, op::RandomNormal, op::RandomUniform, op::Multinomial,
    // movement
    op::Transpose, op::Reshape, op::Squeeze, op::Unsqueeze, op::Flatten, op::Concat, op::Split, op::Slice, op::Gather,
    op::GatherElements, op::GatherNd, op::ScatterElements, op::ScatterNd, op::TensorScatter, op::Expand, op::Tile,
    op::Pad, op::ShapeOf, op::Size, op::ConstantOfShape, op::Range, op::EyeLike, op::OneHot, op::NonZero, op::Compress,
    op::Unique, op::Trilu, op::DepthToSpace, op::SpaceToDepth, op::ReverseSequence, op::CenterCropPad, op::Col2Im,
    // reductions and normalisations
    op::Softmax,
    // control flow
    op::If, op::Loop>;

}  // namespace gf
