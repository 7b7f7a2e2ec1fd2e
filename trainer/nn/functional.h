// Layers and losses as functions of tensors, with PyTorch's names, argument orders, meanings and defaults. Images are [N, C, H, W] as in
// PyTorch; inside, programs compute channels last, and the transposes between layers cancel when a step is compiled.
// Throws gf::Exception with the op's name: ShapeMismatch, TypeMismatch, BadAttribute.
#pragma once

#include "trainer/nn/activations.h"
#include "trainer/nn/conv.h"
#include "trainer/nn/norm.h"
#include "trainer/nn/pool.h"
#include "trainer/tensor/functions.h"

namespace gf::nn {

/// x weight^T + bias; weight [out, in], bias [out] or empty.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});
/// softmax(scale q k^T + mask) v; q, k, v [batch, heads, length, dim], fewer heads in k and v: grouped queries. mask: bool (true may be
/// read) or added. scale 0: 1 / sqrt(dim).
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask = {}, bool is_causal = false,
                                    double scale = 0);

enum class Reduction : uint8_t { None, Mean, Sum };
/// What losses end with: x itself, its mean or its sum.
Tensor reduced(const Tensor& x, Reduction reduction);

/// scores [N, C, ...], targets int64 [N, ...], or probabilities of the scores' shape; class weights [C] or empty. The mean is over the weights
/// of the targets that count; all of them ignored: NaN, as in PyTorch. A target outside [0, C) that is not ignore_index ends the run with IndexOutOfRange.
Tensor cross_entropy(const Tensor& scores, const Tensor& targets, const Tensor& weight = {}, int64_t ignore_index = -100,
                     Reduction reduction = Reduction::Mean, double label_smoothing = 0);
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& targets, const Tensor& weight = {}, int64_t ignore_index = -100,
                Reduction reduction = Reduction::Mean);
Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean);
Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean);
Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean, double beta = 1);
Tensor huber_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean, double delta = 1);
/// From logits: max(x, 0) - x t + log(1 + exp(-|x|)), the positive part times pos_weight (empty: 1).
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target, const Tensor& pos_weight = {},
                                        Reduction reduction = Reduction::Mean);
/// From probabilities; logarithms are kept at -100 and above, as in PyTorch.
Tensor binary_cross_entropy(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean);
/// target (log target - x), x being log-probabilities.
Tensor kl_div(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean);

}  // namespace gf::nn
