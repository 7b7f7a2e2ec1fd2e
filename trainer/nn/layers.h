// Layers as modules, with PyTorch's parameters, names and first values (torch.nn 2.13).
#pragma once

#include <optional>

#include "trainer/nn/containers.h"
#include "trainer/nn/dropout.h"
#include "trainer/nn/functional.h"
#include "trainer/nn/module.h"

namespace gf::nn {

class Linear final : public Module {
 public:
  Linear(int64_t in, int64_t out, bool bias = true);
  Tensor forward(const Tensor& x) override { return linear(x, weight, this->bias); }
  Tensor weight, bias;  ///< [out, in], [out]
};

/// Rows of a table by integers. The row `padding` begins with zeros and gets no gradient.
class Embedding final : public Module {
 public:
  Embedding(int64_t count, int64_t dim, std::optional<int64_t> padding = {});
  Tensor forward(const Tensor& indices) override;
  /// Zeros in the row of padding, where there is one: for who draws the table anew.
  void clear_padding();
  Tensor weight;  ///< [count, dim], normal

 private:
  std::optional<int64_t> padding_;
};

/// What a bag of rows becomes.
enum class BagMode : uint8_t { Sum, Mean, Max };

/// Sums, means or maxima of rows: indices [bags, length] to [bags, dim].
class EmbeddingBag final : public Module {
 public:
  EmbeddingBag(int64_t count, int64_t dim, BagMode mode = BagMode::Mean);
  Tensor forward(const Tensor& indices) override;
  /// indices [n] in bags that begin at offsets [bags], the first at 0; an empty bag gives 0. Throws Unsupported for maxima.
  Tensor forward(const Tensor& indices, const Tensor& offsets);
  Tensor weight;  ///< [count, dim], normal

 private:
  BagMode mode_;
};

/// y_o = a^T W_o b + bias_o.
class Bilinear final : public Module {
 public:
  Bilinear(int64_t in_a, int64_t in_b, int64_t out, bool bias = true);
  using Module::forward;
  Tensor forward(const Tensor& a, const Tensor& b);  ///< [..., in_a], [..., in_b] to [..., out]
  Tensor weight, bias;                               ///< [out, in_a, in_b], [out]
};

}  // namespace gf::nn
