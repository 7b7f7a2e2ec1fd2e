// Importer rows of softmax, normalisations and losses on class indices. Channels move to the end for operators that see
// images (the passes cancel the transposes).
#include "converter/onnx/import_util.h"
#include "converter/onnx/lowering.h"

namespace gf::onnx {
namespace {

using ir::ValueId;

// Before opset 13 the input was seen as a matrix split at `axis`; that is the same as one axis only for the last one.
template <class Op>
void softmax(Lowering& l) {
  const ValueId x = l.input(0);
  const int rank = l.b.rank(x);
  if (l.opset >= 13) {
    l.output(0, l.b.add<Op>({x}, {.axis = l.int_attr("axis", -1)}));
    return;
  }
  int64_t axis = l.int_attr("axis", 1);
  if (axis < -rank || axis > rank) l.invalid("axis " + std::to_string(axis) + " is outside the rank", Error::BadAttribute);
  if (axis < 0) axis += rank;
  if (axis == rank - 1) {
    l.output(0, l.b.add<Op>({x}, {.axis = -1}));
    return;
  }
  const ValueId matrix = l.b.add<op::Flatten>({x}, {.axis = axis});
  const ValueId shape = l.b.add<op::ShapeOf>({x});
  l.output(0, l.b.add<op::Reshape>({l.b.add<Op>({matrix}, {.axis = -1}), shape}, {.allowzero = true}));
}

// Scale and bias may be smaller than the normalised axes, as long as they broadcast to them.
ValueId spread(Lowering& l, ValueId parameter, ValueId x, int64_t axis) {
  if (parameter == ir::kNoValue) return parameter;
  const DimShape& p = l.b.shape(parameter);
  const DimShape& s = l.b.shape(x);
  const int length = s.rank - static_cast<int>(axis < 0 ? axis + s.rank : axis);
  bool fits = p.rank >= length;
  for (int k = 1; k <= length && fits; ++k) fits = !(p[p.rank - k].is_const() && p[p.rank - k].lo == 1) || s[s.rank - k].hi == 1;
  int64_t elements = 1;
  for (int d = 0; d < p.rank; ++d) elements *= p[d].is_const() ? p[d].lo : 2;
  if (fits || elements == 1) return parameter;
  const ValueId shape = l.b.add<op::ShapeOf>({x}, {.start = s.rank - length});
  return l.b.add<op::Expand>({parameter, shape});
}

// Statistics outputs exist only when read.
void layer_norm(Lowering& l) {
  const int64_t axis = l.int_attr("axis", -1);
  const ValueId x = l.input(0);
  const op::LayerNorm::Attrs a{.axis = axis, .epsilon = l.float_attr("epsilon", 1e-5f)};
  const size_t outputs = l.wants_output(2) ? 3 : l.wants_output(1) ? 2 : 1;
  l.outputs(l.b.node<op::LayerNorm>({x, spread(l, l.input(1), x, axis), spread(l, l.optional_input(2), x, axis)}, a, outputs));
}

void rms_norm(Lowering& l) {
  const int64_t axis = l.int_attr("axis", -1);
  const ValueId x = l.input(0);
  const op::RmsNorm::Attrs a{.axis = axis, .epsilon = l.float_attr("epsilon", 1e-5f)};
  l.output(0, l.b.add<op::RmsNorm>({x, spread(l, l.input(1), x, axis)}, a));
}

// com.microsoft: y = layer_norm(x + skip [+ bias]) and, as fourth output, the sum.
template <bool kRms>
void skip_norm(Lowering& l) {
  const float epsilon = l.float_attr("epsilon", 1e-5f);
  ValueId sum = l.b.add<op::Add>({l.input(0), l.input(1)});
  const size_t bias = kRms ? 3 : 4;
  if (l.has_input(bias)) sum = l.b.add<op::Add>({sum, l.input(bias)});
  if constexpr (kRms) {
    l.output(0, l.b.add<op::RmsNorm>({sum, l.input(2)}, {.epsilon = epsilon}));
  } else {
    l.output(0, l.b.add<op::LayerNorm>({sum, l.input(2), l.optional_input(3)}, {.epsilon = epsilon}));
  }
  if (l.wants_output(1) || l.wants_output(2)) l.unsupported("the statistics outputs");
  if (l.wants_output(3)) l.output(3, sum);
}

// Scale and bias: one entry per channel; before opset 21 one per group.
void group_norm(Lowering& l) {
  const int64_t groups = l.int_attr("num_groups", 0);
  const ValueId x = l.b.to_channels_last(l.input(0));
  const Dim channels = l.b.shape(x)[l.b.rank(x) - 1];
  if (groups < 1) l.invalid("num_groups is missing or below 1", Error::BadAttribute);
  const auto per_channel = [&](size_t i) {
    const ValueId p = l.input(i);
    if (l.opset >= 21 || (channels.is_const() && channels.lo == groups)) return p;
    if (!channels.is_const() || channels.lo % groups != 0) l.unsupported("one scale per group with a dynamic number of channels");
    const ValueId column = l.b.add<op::Unsqueeze>({p}, {.axes = std::vector<int64_t>{1}});
    const ValueId spread = l.b.add<op::Expand>({column, l.b.ints({groups, channels.lo / groups})});
    return l.b.reshape(spread, std::vector<int64_t>{channels.lo});
  };
  const op::GroupNorm::Attrs a{.num_groups = groups, .epsilon = l.float_attr("epsilon", 1e-5f)};
  l.output(0, l.b.to_channels_first(l.b.add<op::GroupNorm>({x, per_channel(1), per_channel(2)}, a)));
}

void instance_norm(Lowering& l) {
  const ValueId x = l.b.to_channels_last(l.input(0));
  l.output(0, l.b.to_channels_first(l.b.add<op::InstanceNorm>({x, l.input(1), l.input(2)},
                                                              {.epsilon = l.float_attr("epsilon", 1e-5f)})));
}

// Training form: statistics of the batch, and running ones as further outputs (var is the biased one, as ONNX has it).
void batch_norm_training(Lowering& l, ValueId x, float epsilon) {
  const bool running_too = l.wants_output(1) || l.wants_output(2);
  const std::vector<ValueId> now =
      l.b.node<op::BatchNorm>({x, l.input(1), l.input(2)}, {.epsilon = epsilon}, running_too ? 3 : 1).outputs;
  l.output(0, l.b.to_channels_first(now[0]));
  if (!running_too) return;
  const float momentum = l.float_attr("momentum", 0.9f);
  const auto running = [&](size_t output, ValueId old, ValueId fresh) {
    if (!l.wants_output(output)) return;
    const DType type = l.b.dtype(old);
    const ValueId kept = l.b.add<op::Mul>({old, l.b.scalar(type, static_cast<double>(momentum))});
    const ValueId added = l.b.add<op::Mul>({l.b.cast(fresh, type), l.b.scalar(type, 1.0 - static_cast<double>(momentum))});
    l.output(output, l.b.add<op::Add>({kept, added}));
  };
  running(1, l.input(3), now[1]);
  running(2, l.input(4), now[2]);
}

void batch_norm(Lowering& l) {
  const ValueId x = l.b.to_channels_last(l.input(0));
  const float epsilon = l.float_attr("epsilon", 1e-5f);
  if (l.opset < 9 && l.int_attr("spatial", 1) == 0) l.unsupported("spatial = 0 (one statistic per position)");
  const bool old_training = l.opset < 7 && l.int_attr("is_test", 0) == 0 && l.output_count() > 1;
  if (old_training || (l.opset < 14 && l.wants_output(3))) l.unsupported("the training form of this opset");
  if (l.opset >= 14 && l.int_attr("training_mode", 0) != 0) return batch_norm_training(l, x, epsilon);
  l.output(0, l.b.to_channels_first(l.b.add<op::BatchNorm>(
                  {x, l.input(1), l.input(2), l.input(3), l.input(4)}, {.epsilon = epsilon})));
}

void lrn(Lowering& l) {
  if (!l.has_attr("size")) l.invalid("attribute 'size' is missing", Error::BadAttribute);
  const ValueId x = l.b.to_channels_last(l.input(0));
  l.output(0, l.b.to_channels_first(l.b.add<op::Lrn>({x}, {.size = l.int_attr("size", 1),
                                                           .alpha = l.float_attr("alpha", 1e-4f),
                                                           .beta = l.float_attr("beta", 0.75f),
                                                           .bias = l.float_attr("bias", 1.0f)})));
}

void lp_normalization(Lowering& l) {
  l.output(0, l.b.add<op::LpNormalization>({l.input(0)}, {.axis = l.int_attr("axis", -1), .p = l.int_attr("p", 2)}));
}

void mean_variance(Lowering& l) {
  std::vector<int64_t> axes = l.ints_attr("axes", {0, 2, 3});
  if (l.opset < 9 && !l.has_attr("axes")) axes = l.int_attr("across_channels", 0) != 0 ? std::vector<int64_t>{0, 1, 2, 3} : axes;
  if (l.opset < 9 && l.int_attr("normalize_variance", 1) == 0) l.unsupported("normalize_variance = 0");
  l.output(0, l.b.add<op::MeanVarianceNormalization>({l.input(0)}, {.axes = axes}));
}

ClassLossAttrs loss_attrs(Lowering& l) {
  ClassLossAttrs a;
  a.reduction = word_attr(l, "reduction", kLossReductions, "mean");
  a.ignore_index = l.int_attr("ignore_index", kNoIgnoreIndex);
  return a;
}
void nll_loss(Lowering& l) {
  l.output(0, l.b.add<op::NllLoss>({l.input(0), l.input(1), l.optional_input(2)}, loss_attrs(l)));
}
void softmax_cross_entropy(Lowering& l) {
  l.outputs(l.b.node<op::SoftmaxCrossEntropyLoss>({l.input(0), l.input(1), l.optional_input(2)}, loss_attrs(l),
                                                  l.wants_output(1) ? 2 : 1));
}

constexpr ImportRow kRows[] = {
    {"", "BatchNormalization", 1, batch_norm},
    {"", "GroupNormalization", 18, group_norm},
    {"", "Hardmax", 1, softmax<op::Hardmax>, &op_def<op::Hardmax>},
    {"", "InstanceNormalization", 1, instance_norm},
    {"", "LRN", 1, lrn},
    {"", "LayerNormalization", 17, layer_norm, &op_def<op::LayerNorm>},
    {"", "LogSoftmax", 1, softmax<op::LogSoftmax>, &op_def<op::LogSoftmax>},
    {"", "LpNormalization", 1, lp_normalization, &op_def<op::LpNormalization>},
    {"", "MeanVarianceNormalization", 1, mean_variance, &op_def<op::MeanVarianceNormalization>},
    {"", "NegativeLogLikelihoodLoss", 12, nll_loss},
    {"", "RMSNormalization", 23, rms_norm},
    {"", "Softmax", 1, softmax<op::Softmax>, &op_def<op::Softmax>},
    {"", "SoftmaxCrossEntropyLoss", 12, softmax_cross_entropy},
    {"com.microsoft", "SimplifiedLayerNormalization", 1, rms_norm},
    {"", "SimplifiedLayerNormalization", 1, rms_norm},
    {"com.microsoft", "SkipLayerNormalization", 1, skip_norm<false>},
    {"com.microsoft", "SkipSimplifiedLayerNormalization", 1, skip_norm<true>},
};

}  // namespace

std::span<const ImportRow> import_rows_norm() { return kRows; }

}  // namespace gf::onnx
