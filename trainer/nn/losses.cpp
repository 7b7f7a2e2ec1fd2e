#include "trainer/nn/losses.h"

#include <cmath>
#include <numbers>

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/tensor/functions_creation.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/functions_movement.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {
namespace {

using lazy::Call;

void expect_rank(const char* function, const Tensor& x, int rank, const char* wanted) {
  if (x.rank() != rank)
    throw Exception(Error::ShapeMismatch, std::string(function) + ": an operand has shape " + io::shape_text(x.shape()) + "; " + wanted + " is needed");
}

// 1 where the class is the target's: [N, C] of scores' type.
Tensor one_hot_like(const Tensor& target, const Tensor& scores) { return cast(one_hot(target, scores.size(1)), scores.dtype()); }

Shape64 axes_from(const Tensor& x, int64_t first) {
  Shape64 axes;
  for (int64_t d = first; d < x.rank(); ++d) axes.push_back(d);
  return axes;
}

}  // namespace

Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, bool log_input, bool full, double eps, Reduction reduction) {
  const Call call("poisson_nll_loss");
  Tensor each = log_input ? exp(x) - target * x : x - target * log(x + eps);
  if (full) {
    const Tensor many = clamp(target, 1), stirling = target * log(many) - target + 0.5 * log(many * (2 * std::numbers::pi));
    each = each + where(gt(target, 1), stirling, number_like(target, 0));
  }
  return reduced(each, reduction);
}

Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& var, bool full, double eps, Reduction reduction) {
  const Call call("gaussian_nll_loss");
  const Tensor v = maximum(var, number_like(var, eps)), e = x - target;
  const Tensor each = (log(v) + e * e / v) * 0.5;
  return reduced(full ? each + 0.5 * std::log(2 * std::numbers::pi) : each, reduction);
}

Tensor hinge_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  const Call call("hinge_loss");
  return reduced(relu(1 - target * x), reduction);
}
Tensor hinge_embedding_loss(const Tensor& x, const Tensor& target, double margin, Reduction reduction) {
  const Call call("hinge_embedding_loss");
  const Tensor zero = number_like(x, 0);
  return reduced(where(ne(target, 1), relu(margin - x), zero) + where(ne(target, -1), x, zero), reduction);
}
Tensor soft_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  const Call call("soft_margin_loss");
  return reduced(apply<op::Softplus>({-(target * x)}), reduction);
}

Tensor multi_margin_loss(const Tensor& x, const Tensor& target, double p, double margin, const Tensor& weight, Reduction reduction) {
  const Call call("multi_margin_loss");
  expect_rank("multi_margin_loss", x, 2, "[N, C]");
  expect_rank("multi_margin_loss", target, 1, "[N]");
  const Tensor own = gather(x, 1, unsqueeze(target, 1)), short_of = relu(margin - own + x);
  const Tensor others = 1 - one_hot_like(target, x);
  Tensor each = sum((p == 1 ? short_of : pow(short_of, p)) * others, {1}) / static_cast<double>(x.size(1));
  if (weight) each = each * embedding(target, weight);
  return reduced(each, reduction);
}

Tensor multilabel_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  const Call call("multilabel_margin_loss");
  expect_rank("multilabel_margin_loss", x, 2, "[N, C]");
  const Tensor valid = cumprod(cast(ge(target, 0), x.dtype()), 1);                            // [N, places]: before the first -1
  const Tensor at = clamp(target, 0);
  const Tensor is_target = amax(cast(one_hot(at, x.size(1)), x.dtype()) * unsqueeze(valid, 2), {1});  // [N, C]
  const Tensor short_of = relu(1 - unsqueeze(gather(x, 1, at), 2) + unsqueeze(x, 1));         // [N, places, C]
  const Tensor each = sum(short_of * unsqueeze(valid, 2) * unsqueeze(1 - is_target, 1), {1, 2}) / static_cast<double>(x.size(1));
  return reduced(each, reduction);
}

Tensor multilabel_soft_margin_loss(const Tensor& x, const Tensor& target, const Tensor& weight, Reduction reduction) {
  const Call call("multilabel_soft_margin_loss");
  const Tensor each = binary_cross_entropy_with_logits(x, target, {}, Reduction::None);
  return reduced(mean(weight ? each * weight : each, {-1}), reduction);
}

Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin, Reduction reduction) {
  const Call call("margin_ranking_loss");
  return reduced(relu(margin - target * (a - b)), reduction);
}

Tensor cosine_similarity(const Tensor& a, const Tensor& b, int64_t axis, double eps) {
  const Call call("cosine_similarity");
  return sum(normalize(a, 2, axis, eps) * normalize(b, 2, axis, eps), {axis});
}
Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p, double eps, bool keepdim) {
  const Call call("pairwise_distance");
  return norm(a - b + eps, p, {-1}, keepdim);
}

Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin, Reduction reduction) {
  const Call call("cosine_embedding_loss");
  constexpr double kEps = 1e-12;  // of squares, as in PyTorch
  const Tensor cosine = sum(a * b, {-1}) / sqrt((sum(a * a, {-1}) + kEps) * (sum(b * b, {-1}) + kEps)), zero = number_like(cosine, 0);
  return reduced(where(eq(target, 1), 1 - cosine, zero) + where(eq(target, -1), relu(cosine - margin), zero), reduction);
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative, double margin, double p, double eps, bool swap,
                           Reduction reduction) {
  const Call call("triplet_margin_loss");
  Tensor apart = pairwise_distance(anchor, negative, p, eps);
  if (swap) apart = minimum(apart, pairwise_distance(positive, negative, p, eps));
  return reduced(relu(margin + pairwise_distance(anchor, positive, p, eps) - apart), reduction);
}

Tensor contrastive_loss(const Tensor& a, const Tensor& b, const Tensor& target, double margin, Reduction reduction) {
  const Call call("contrastive_loss");
  const Tensor d = norm(a - b, 2, {-1}), gap = relu(margin - d);
  return reduced((target * d * d + (1 - target) * gap * gap) * 0.5, reduction);
}

Tensor info_nce_loss(const Tensor& query, const Tensor& keys, double temperature) {
  const Call call("info_nce_loss");
  expect_rank("info_nce_loss", query, 2, "[N, D]");
  return cross_entropy(matmul(normalize(query), transpose(normalize(keys), 0, 1)) / temperature, arange(query.size(0)));
}

Tensor center_loss(const Tensor& features, const Tensor& target, const Tensor& centers, Reduction reduction) {
  const Call call("center_loss");
  const Tensor e = features - embedding(target, centers);
  return reduced(sum(e * e, {-1}) * 0.5, reduction);
}

Tensor distillation_loss(const Tensor& student, const Tensor& teacher, const Tensor& target, double temperature, double alpha) {
  const Call call("distillation_loss");
  if (!(temperature > 0 && std::isfinite(temperature)) || !(alpha >= 0 && alpha <= 1))
    throw Exception(Error::InvalidArgument, "distillation_loss: temperature " + std::to_string(temperature) + " and alpha " + std::to_string(alpha) + "; above 0, and from 0 to 1");
  if (student.shape() != teacher.shape())
    throw Exception(Error::ShapeMismatch, "distillation_loss: the student scores " + io::shape_text(student.shape()) + ", the teacher " + io::shape_text(teacher.shape()));
  const int64_t axis = student.rank() == 1 ? 0 : 1;
  const Tensor soft = teacher.detach() / temperature;
  const Tensor each = sum(softmax(soft, axis) * (log_softmax(soft, axis) - log_softmax(student / temperature, axis)), {axis});
  const Tensor from_teacher = mean(each) * (temperature * temperature * (1 - alpha));
  return alpha == 0 ? from_teacher : cross_entropy(student, target) * alpha + from_teacher;
}

Tensor focal_loss(const Tensor& x, const Tensor& target, double alpha, double gamma, Reduction reduction) {
  const Call call("focal_loss");
  const Tensor p = sigmoid(x), missed = p + target - 2 * (p * target);  // 1 - p_t
  Tensor each = binary_cross_entropy_with_logits(x, target, {}, Reduction::None) * pow(missed, gamma);
  if (alpha >= 0) each = each * (target * (2 * alpha - 1) + (1 - alpha));
  return reduced(each, reduction);
}

Tensor dice_loss(const Tensor& p, const Tensor& target, double smooth) {
  const Call call("dice_loss");
  const Shape64 axes = axes_from(p, 1);
  return mean(1 - (2 * sum(p * target, axes) + smooth) / (sum(p, axes) + sum(target, axes) + smooth));
}
Tensor tversky_loss(const Tensor& p, const Tensor& target, double alpha, double beta, double smooth) {
  const Call call("tversky_loss");
  const Shape64 axes = axes_from(p, 1);
  const Tensor hit = sum(p * target, axes), wrong = sum(p * (1 - target), axes), missed = sum((1 - p) * target, axes);
  return mean(1 - (hit + smooth) / (hit + alpha * wrong + beta * missed + smooth));
}

namespace {

// Errors of one class [n] and whether its elements belong to it [n]: the extension is linear along the order of errors, with the steps of
// the Jaccard loss as elements come in one by one.
Tensor lovasz_extension(const Tensor& errors, const Tensor& belongs) {
  const auto [sorted, places] = sort(errors, 0, true);
  const Tensor truth = gather(belongs.detach(), 0, places), all = sum(truth);
  const Tensor jaccard = 1 - (all - cumsum(truth, 0)) / (all + cumsum(1 - truth, 0));
  const Tensor before = pad(narrow(jaccard, 0, 0, jaccard.size(0) - 1), {1, 0});
  return sum(sorted * (jaccard - before));
}

}  // namespace

Tensor lovasz_hinge_loss(const Tensor& x, const Tensor& target) {
  const Call call("lovasz_hinge_loss");
  return lovasz_extension(relu(flatten(1 - x * (2 * target - 1))), flatten(target));
}

Tensor lovasz_softmax_loss(const Tensor& p, const Tensor& target) {
  const Call call("lovasz_softmax_loss");
  const int64_t classes = p.size(1);
  const Tensor rows = reshape(movedim(p, 1, 0), {classes, p.numel() / classes}), labels = flatten(target);
  Tensor total, present;
  for (int64_t k = 0; k < classes; ++k) {
    const Tensor belongs = cast(eq(labels, static_cast<double>(k)), p.dtype());
    const Tensor occurs = cast(gt(sum(belongs), 0), p.dtype());
    const Tensor loss = lovasz_extension(abs(belongs - select(rows, 0, k)), belongs) * occurs;
    total = total ? total + loss : loss;
    present = present ? present + occurs : occurs;
  }
  return total / present;
}

// alpha[s]: log of the probability of all paths that spell the target up to place s of "blank t1 blank t2 ... blank"; one step per time.
Tensor ctc_loss(const Tensor& log_p, const Tensor& targets, const Tensor& input_lengths, const Tensor& target_lengths, int64_t blank, Reduction reduction) {
  const Call call("ctc_loss");
  expect_rank("ctc_loss", log_p, 3, "[time, N, classes]");
  expect_rank("ctc_loss", targets, 2, "[N, longest]");
  constexpr double kNever = -1e30;  // a log of 0 whose gradients are numbers
  const int64_t time = log_p.size(0), n = log_p.size(1), places = 2 * targets.size(1) + 1;
  const Tensor blanks = Tensor::full({n, targets.size(1), 1}, static_cast<double>(blank), DType::I64);
  const Tensor last = Tensor::full({n, 1}, static_cast<double>(blank), DType::I64);
  const Tensor word = cat({flatten(cat({blanks, unsqueeze(targets, 2)}, 2), 1), last}, 1);                     // [N, places]
  const Tensor never = number_like(log_p, kNever);
  // a blank may be left out between two different letters
  const Tensor two_before = pad(narrow(word, 1, 0, std::max<int64_t>(places - 2, 0)), {std::min<int64_t>(2, places), 0}, PadMode::Constant, static_cast<double>(blank));
  const Tensor may_skip = logical_and(ne(word, static_cast<double>(blank)), ne(word, two_before));
  const auto of_time = [&](int64_t t) { return gather(select(log_p, 0, t), 1, word); };
  const auto shifted = [&](const Tensor& a, int64_t by) { return pad(narrow(a, 1, 0, a.size(1) - by), {by, 0}, PadMode::Constant, kNever); };
  Tensor alpha = where(lt(unsqueeze(arange(places), 0), 2), of_time(0), never);
  for (int64_t t = 1; t < time; ++t) {
    const Tensor one = shifted(alpha, 1), two = places > 2 ? where(may_skip, shifted(alpha, 2), never) : expand(never, alpha.shape());
    const Tensor next = maximum(logsumexp(stack({alpha, one, two}), {0}) + of_time(t), never);
    alpha = where(lt(number_like(input_lengths, static_cast<double>(t)), unsqueeze(input_lengths, 1)), next, alpha);
  }
  const Tensor end = unsqueeze(target_lengths * 2, 1), letter = clamp(end - 1, 0);
  const Tensor at_letter = where(gt(end, 0), gather(alpha, 1, letter), never);
  const Tensor total = flatten(logsumexp(stack({gather(alpha, 1, end), at_letter}), {0}));                  // [N]
  const Tensor each = where(gt(total, kNever / 2), -total, number_like(total, std::numeric_limits<double>::infinity()));
  if (reduction != Reduction::Mean) return reduced(each, reduction);
  return mean(each / cast(clamp(target_lengths, 1), each.dtype()));
}

}  // namespace gf::nn
