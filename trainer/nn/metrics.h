// How good predictions are: numbers computed on the host, in float64, with scikit-learn's meanings. Nothing is recorded and nothing
// differentiated; tensors are looked at. Throws gf::Exception with the function's name: ShapeMismatch, InvalidArgument.
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/tensor/tensor.h"

namespace gf::nn::metrics {

/// Part of equal labels: two tensors of integers of one shape; or scores [N, C], of which the largest counts, and targets [N].
double accuracy(const Tensor& predictions, const Tensor& targets);
/// Part of the rows of scores [N, C] whose target is among the k largest; of equal scores the lower class comes first.
double top_k_accuracy(const Tensor& scores, const Tensor& targets, int64_t k = 5);

/// counts[t * classes + p]: elements of class t that were said to be p. A label outside [0, classes) is IndexOutOfRange.
std::vector<int64_t> confusion_matrix(const Tensor& predictions, const Tensor& targets, int64_t classes);

/// Per class; a quotient of zeros is 0.
struct ClassScores {
  std::vector<double> precision, recall, f1;
  std::vector<int64_t> support;   ///< elements of the class
};
ClassScores class_scores(const Tensor& predictions, const Tensor& targets, int64_t classes);
/// One number for all classes: the plain mean, the mean by support, or from the counts of all classes together.
enum class Average : uint8_t { Macro, Weighted, Micro };
double precision(const Tensor& predictions, const Tensor& targets, int64_t classes, Average average = Average::Macro);
double recall(const Tensor& predictions, const Tensor& targets, int64_t classes, Average average = Average::Macro);
double f1_score(const Tensor& predictions, const Tensor& targets, int64_t classes, Average average = Average::Macro);

/// Mean over the classes that occur in either of intersection over union.
double mean_iou(const Tensor& predictions, const Tensor& targets, int64_t classes);
/// Area under the receiver's curve of scores for labels 0 and 1; equal scores count half. Throws InvalidArgument with one class only.
double roc_auc(const Tensor& scores, const Tensor& targets);
/// exp of a mean negative log-likelihood.
double perplexity(const Tensor& loss);
/// 1 - (sum of squared errors) / (sum of squared distances from the mean); a constant target gives 1 when it is met and 0 else.
double r2_score(const Tensor& predictions, const Tensor& targets);
double mean_squared_error(const Tensor& predictions, const Tensor& targets);
double mean_absolute_error(const Tensor& predictions, const Tensor& targets);

}  // namespace gf::nn::metrics
