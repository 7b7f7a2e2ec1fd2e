// More losses, with PyTorch's names, argument orders, meanings and defaults (torch.nn.functional 2.13); what PyTorch does not have names its
// paper. The usual ones stand in functional.h. Throws gf::Exception with the function's name: ShapeMismatch, TypeMismatch, InvalidArgument.
#pragma once

#include "trainer/nn/functional.h"

namespace gf::nn {

/// exp(x) - t x, or x - t log(x + eps) for rates themselves; `full` adds Stirling's t log t - t + log(2 pi t) / 2 where t > 1.
Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, bool log_input = true, bool full = false, double eps = 1e-8,
                        Reduction reduction = Reduction::Mean);
/// (log v + (x - t)^2 / v) / 2 with v = max(var, eps); `full` adds log(2 pi) / 2.
Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& var, bool full = false, double eps = 1e-6,
                         Reduction reduction = Reduction::Mean);

// --- margins; labels are 1 and -1 where nothing else is said
/// max(0, 1 - t x): the loss of support vector machines.
Tensor hinge_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean);
/// x where t is 1, max(0, margin - x) where it is -1.
Tensor hinge_embedding_loss(const Tensor& x, const Tensor& target, double margin = 1, Reduction reduction = Reduction::Mean);
Tensor soft_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean);
/// scores [N, C], targets int64 [N]: weight[t] / C times the sum over the other classes of max(0, margin - x_t + x_c)^p.
Tensor multi_margin_loss(const Tensor& x, const Tensor& target, double p = 1, double margin = 1, const Tensor& weight = {},
                         Reduction reduction = Reduction::Mean);
/// scores [N, C], targets int64 [N, C]: classes, the first -1 ends them.
Tensor multilabel_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean);
/// scores and labels 0 or 1, [N, C]; class weights [C] or empty.
Tensor multilabel_soft_margin_loss(const Tensor& x, const Tensor& target, const Tensor& weight = {}, Reduction reduction = Reduction::Mean);
/// max(0, margin - t (a - b)).
Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin = 0, Reduction reduction = Reduction::Mean);

// --- distances
/// Along one axis; each norm counts as eps at least.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, int64_t axis = 1, double eps = 1e-8);
/// Norm of a - b + eps along the last axis.
Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p = 2, double eps = 1e-6, bool keepdim = false);
/// 1 - cosine for t = 1, max(0, cosine - margin) for -1.
Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin = 0, Reduction reduction = Reduction::Mean);
/// max(0, d(anchor, positive) - d(anchor, negative) + margin); `swap`: the lesser of d(anchor, negative) and d(positive, negative).
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative, double margin = 1, double p = 2, double eps = 1e-6,
                           bool swap = false, Reduction reduction = Reduction::Mean);
/// t d^2 / 2 + (1 - t) max(0, margin - d)^2 / 2 for labels 1 (alike) and 0 (Hadsell et al. 2006).
Tensor contrastive_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin = 1, Reduction reduction = Reduction::Mean);
/// Row i of query belongs to row i of keys, the other rows are the others: cross entropy of cosines over a temperature (van den Oord et al. 2018).
Tensor info_nce_loss(const Tensor& query, const Tensor& keys, double temperature = 0.1);
/// |x - centre of its class|^2 / 2 (Wen et al. 2016): features [N, D], targets int64 [N], centres [C, D].
Tensor center_loss(const Tensor& features, const Tensor& target, const Tensor& centers, Reduction reduction = Reduction::Mean);

/// Knowledge distillation (Hinton et al. 2015, arXiv 1503.02531) of scores [N, C, ...]: alpha times the cross entropy with the targets, and
/// 1 - alpha times T^2 KL(softmax(teacher / T) || softmax(student / T)), the mean over all places. No gradient reaches the teacher's scores.
/// Targets as in cross_entropy().
Tensor distillation_loss(const Tensor& student, const Tensor& teacher, const Tensor& target, double temperature = 4, double alpha = 0.5);

// --- classes of places that are rare
/// From logits, labels 0 or 1: alpha_t (1 - p_t)^gamma times the cross entropy (Lin et al. 2017); alpha < 0: without alpha_t.
Tensor focal_loss(const Tensor& x, const Tensor& target, double alpha = 0.25, double gamma = 2, Reduction reduction = Reduction::Mean);
/// From probabilities [N, ...]: the mean over samples of 1 - (2 sum p t + smooth) / (sum p + sum t + smooth) (Milletari et al. 2016).
Tensor dice_loss(const Tensor& p, const Tensor& target, double smooth = 1);
/// 1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth) (Salehi et al. 2017); alpha = beta = 1/2: dice_loss with half the smooth.
Tensor tversky_loss(const Tensor& p, const Tensor& target, double alpha = 0.5, double beta = 0.5, double smooth = 1);
/// The Lovasz extension of the Jaccard loss (Berman et al. 2018) over all elements: from logits and labels 0 or 1.
Tensor lovasz_hinge_loss(const Tensor& x, const Tensor& target);
/// The same from probabilities [N, C, ...] and classes int64 [N, ...]: the mean over the classes that occur.
Tensor lovasz_softmax_loss(const Tensor& p, const Tensor& target);

/// Targets without alignment (Graves et al. 2006): log-probabilities [time, N, classes], targets int64 [N, longest], lengths int64 [N] of
/// inputs and targets. A target that no path spells gives infinity. The mean divides each loss by its target's length.
Tensor ctc_loss(const Tensor& log_probabilities, const Tensor& targets, const Tensor& input_lengths, const Tensor& target_lengths, int64_t blank = 0,
                Reduction reduction = Reduction::Mean);

}  // namespace gf::nn
