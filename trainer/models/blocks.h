// What several architectures share: layers with the first values that their papers name, functions as modules, heads of attention.
#pragma once

#include "trainer/nn/init.h"
#include "trainer/nn/layers.h"

namespace gf::models {

using ModulePtr = std::shared_ptr<nn::Module>;

/// A function as a module, which takes a place in a Sequential as PyTorch's activations do.
ModulePtr as_module(std::function<Tensor(const Tensor&)> f);

/// Convolution without bias unless asked for, drawn from a normal distribution by He et al. 2015, fan out (fan in where `by_inputs`).
struct ConvOptions {
  int64_t kernel = 1, stride = 1, groups = 1;
  bool bias = false, by_inputs = false;
};
/// A layer whose values are drawn afterwards.
template <class Layer, class... Arguments>
std::shared_ptr<Layer> undrawn(Arguments&&... arguments) {
  const nn::NoInit off;
  return std::make_shared<Layer>(std::forward<Arguments>(arguments)...);
}
/// Padding keeps the size at stride 1.
std::shared_ptr<nn::Conv2d> he_conv(int64_t in, int64_t out, const ConvOptions& options = {});
/// Matrices of the module are drawn anew, normal with this deviation; biases become 0.
void draw_normal(nn::Module& module, double deviation);
std::shared_ptr<nn::Linear> normal_linear(int64_t in, int64_t out, bool bias = true, double deviation = 0.02);
/// The row `padding` is 0 and gets no gradient.
std::shared_ptr<nn::Embedding> normal_embedding(int64_t count, int64_t dim, double deviation = 0.02, std::optional<int64_t> padding = {});

/// "0" a convolution, "1" batch norm, then the activation (empty: none): torchvision's Conv2dNormActivation.
ModulePtr conv_norm_activation(int64_t in, int64_t out, const ConvOptions& options, Tensor (*activation)(const Tensor&));

/// Classification of images: features [N, C, H, W] to their means [N, C].
Tensor mean_of_image(const Tensor& x);

/// [N, L, heads * dim] to [N, heads, L, dim] and back.
Tensor split_heads(const Tensor& x, int64_t heads);
Tensor merge_heads(const Tensor& x);
/// Throws InvalidArgument when `dim` does not divide by `heads`.
void check_heads(const char* model, int64_t dim, int64_t heads);
/// The rows of a table of positions that tokens [N, L] need: [L, dim]. Throws ShapeMismatch for more than the table has.
Tensor positions(const char* model, const Tensor& table, const Tensor& tokens);

}  // namespace gf::models
