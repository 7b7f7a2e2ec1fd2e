#include "trainer/nn/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/core/exception.h"

namespace gf::nn::metrics {
namespace {

std::vector<double> numbers(const Tensor& t) { return t.array().as<double>(); }

void expect_alike(const char* function, const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.numel() == 0)
    throw Exception(Error::ShapeMismatch, std::string(function) + ": predictions of shape " + io::shape_text(a.shape()) + " for targets of " + io::shape_text(b.shape()) + "; equal shapes with elements are needed");
}

// Place of the target among a row's scores, the largest being 0.
int64_t place_of(const double* row, int64_t classes, int64_t target) {
  int64_t before = 0;
  for (int64_t c = 0; c < classes; ++c) before += row[c] > row[target] || (row[c] == row[target] && c < target);
  return before;
}

double quotient(double a, double b) { return b == 0 ? 0 : a / b; }

struct Counts {
  std::vector<double> hit, said, is;  // per class
};

Counts counts(const Tensor& predictions, const Tensor& targets, int64_t classes) {
  const std::vector<int64_t> matrix = confusion_matrix(predictions, targets, classes);
  const auto n = static_cast<size_t>(classes);
  Counts c{std::vector<double>(n), std::vector<double>(n), std::vector<double>(n)};
  for (size_t t = 0; t < n; ++t)
    for (size_t p = 0; p < n; ++p) {
      const auto count = static_cast<double>(matrix[t * n + p]);
      if (t == p) c.hit[t] = count;
      c.is[t] += count;
      c.said[p] += count;
    }
  return c;
}

double averaged(const std::vector<double>& scores, const std::vector<int64_t>& support, Average average) {
  double total = 0, weights = 0;
  for (size_t k = 0; k < scores.size(); ++k) {
    const double w = average == Average::Weighted ? static_cast<double>(support[k]) : 1;
    total += w * scores[k];
    weights += w;
  }
  return quotient(total, weights);
}

// Over all classes together, every miss of one class is a false alarm of another: precision, recall and F1 are the accuracy.
double averaged(const Tensor& predictions, const Tensor& targets, int64_t classes, Average average, std::vector<double> ClassScores::* which) {
  const ClassScores s = class_scores(predictions, targets, classes);
  if (average == Average::Micro) return accuracy(predictions, targets);
  // classes that occur nowhere have no part in the mean
  std::vector<double> scores;
  std::vector<int64_t> support;
  const Counts c = counts(predictions, targets, classes);
  for (size_t k = 0; k < s.support.size(); ++k)
    if (c.said[k] + c.is[k] > 0) {
      scores.push_back((s.*which)[k]);
      support.push_back(s.support[k]);
    }
  return averaged(scores, support, average);
}

}  // namespace

double accuracy(const Tensor& predictions, const Tensor& targets) {
  if (predictions.rank() == targets.rank() + 1) return top_k_accuracy(predictions, targets, 1);
  expect_alike("accuracy", predictions, targets);
  const std::vector<double> p = numbers(predictions), t = numbers(targets);
  const auto equal = std::inner_product(p.begin(), p.end(), t.begin(), int64_t{0}, std::plus<>(), std::equal_to<>());
  return static_cast<double>(equal) / static_cast<double>(p.size());
}

double top_k_accuracy(const Tensor& scores, const Tensor& targets, int64_t k) {
  if (scores.rank() != 2 || targets.rank() != 1 || scores.size(0) != targets.size(0) || targets.numel() == 0)
    throw Exception(Error::ShapeMismatch, "top_k_accuracy: scores of shape " + io::shape_text(scores.shape()) + " for targets of " + io::shape_text(targets.shape()) + "; [N, C] and [N] are needed");
  const std::vector<double> s = numbers(scores);
  const auto t = targets.to_vector<int64_t>();
  const int64_t classes = scores.size(1);
  int64_t hits = 0;
  for (size_t i = 0; i < t.size(); ++i) {
    if (t[i] < 0 || t[i] >= classes) throw Exception(Error::IndexOutOfRange, "top_k_accuracy: class " + std::to_string(t[i]) + " of " + std::to_string(classes));
    hits += place_of(s.data() + static_cast<ptrdiff_t>(i) * classes, classes, t[i]) < k;
  }
  return static_cast<double>(hits) / static_cast<double>(t.size());
}

std::vector<int64_t> confusion_matrix(const Tensor& predictions, const Tensor& targets, int64_t classes) {
  expect_alike("confusion_matrix", predictions, targets);
  const auto p = predictions.to_vector<int64_t>(), t = targets.to_vector<int64_t>();
  std::vector<int64_t> matrix(static_cast<size_t>(classes * classes), 0);
  for (size_t i = 0; i < p.size(); ++i) {
    for (const int64_t c : {p[i], t[i]})
      if (c < 0 || c >= classes) throw Exception(Error::IndexOutOfRange, "confusion_matrix: class " + std::to_string(c) + " of " + std::to_string(classes));
    ++matrix[static_cast<size_t>(t[i] * classes + p[i])];
  }
  return matrix;
}

ClassScores class_scores(const Tensor& predictions, const Tensor& targets, int64_t classes) {
  const Counts c = counts(predictions, targets, classes);
  ClassScores s;
  for (size_t k = 0; k < c.hit.size(); ++k) {
    s.precision.push_back(quotient(c.hit[k], c.said[k]));
    s.recall.push_back(quotient(c.hit[k], c.is[k]));
    s.f1.push_back(quotient(2 * c.hit[k], c.said[k] + c.is[k]));
    s.support.push_back(static_cast<int64_t>(c.is[k]));
  }
  return s;
}

double precision(const Tensor& p, const Tensor& t, int64_t classes, Average a) { return averaged(p, t, classes, a, &ClassScores::precision); }
double recall(const Tensor& p, const Tensor& t, int64_t classes, Average a) { return averaged(p, t, classes, a, &ClassScores::recall); }
double f1_score(const Tensor& p, const Tensor& t, int64_t classes, Average a) { return averaged(p, t, classes, a, &ClassScores::f1); }

double mean_iou(const Tensor& predictions, const Tensor& targets, int64_t classes) {
  const Counts c = counts(predictions, targets, classes);
  double total = 0, occur = 0;
  for (size_t k = 0; k < c.hit.size(); ++k)
    if (const double both = c.said[k] + c.is[k] - c.hit[k]; both > 0) {
      total += c.hit[k] / both;
      ++occur;
    }
  return quotient(total, occur);
}

double roc_auc(const Tensor& scores, const Tensor& targets) {
  expect_alike("roc_auc", scores, targets);
  const std::vector<double> s = numbers(scores), t = numbers(targets);
  std::vector<size_t> order(s.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return s[a] < s[b]; });
  double below = 0, area = 0, ones = 0;  // zeros with lower scores; pairs in the right order
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    double zeros_here = 0, ones_here = 0;
    for (; end < order.size() && s[order[end]] == s[order[i]]; ++end) (t[order[end]] != 0 ? ones_here : zeros_here) += 1;
    area += ones_here * (below + zeros_here / 2);
    below += zeros_here;
    ones += ones_here;
    i = end;
  }
  if (below == 0 || ones == 0) throw Exception(Error::InvalidArgument, "roc_auc: all targets are of one class");
  return area / (below * ones);
}

double perplexity(const Tensor& loss) { return std::exp(loss.item()); }

double mean_squared_error(const Tensor& predictions, const Tensor& targets) {
  expect_alike("mean_squared_error", predictions, targets);
  const std::vector<double> p = numbers(predictions), t = numbers(targets);
  double total = 0;
  for (size_t i = 0; i < p.size(); ++i) total += (p[i] - t[i]) * (p[i] - t[i]);
  return total / static_cast<double>(p.size());
}
double mean_absolute_error(const Tensor& predictions, const Tensor& targets) {
  expect_alike("mean_absolute_error", predictions, targets);
  const std::vector<double> p = numbers(predictions), t = numbers(targets);
  double total = 0;
  for (size_t i = 0; i < p.size(); ++i) total += std::fabs(p[i] - t[i]);
  return total / static_cast<double>(p.size());
}

double r2_score(const Tensor& predictions, const Tensor& targets) {
  const double errors = mean_squared_error(predictions, targets);
  const std::vector<double> t = numbers(targets);
  const double middle = std::accumulate(t.begin(), t.end(), 0.0) / static_cast<double>(t.size());
  double spread = 0;
  for (const double v : t) spread += (v - middle) * (v - middle) / static_cast<double>(t.size());
  if (spread == 0) return errors == 0 ? 1 : 0;
  return 1 - errors / spread;
}

}  // namespace gf::nn::metrics
