#include "trainer/models/blocks.h"

#include <cmath>

#include "runtime/core/exception.h"
#include "trainer/nn/init.h"

namespace gf::models {

ModulePtr as_module(std::function<Tensor(const Tensor&)> f) { return std::make_shared<nn::Lambda>(std::move(f)); }

std::shared_ptr<nn::Conv2d> he_conv(int64_t in, int64_t out, const ConvOptions& o) {
  const auto conv = undrawn<nn::Conv2d>(
      in, out, o.kernel, nn::Conv2dOptions{.stride = o.stride, .padding = o.kernel / 2, .groups = o.groups, .bias = o.bias});
  if (o.bias) conv->bias.assign(io::Array::zeros(DType::F32, {out}));
  const nn::init::Fan fan = nn::init::fan_of(conv->weight.shape());
  conv->weight.follow(nn::init::normal(conv->weight.shape(), 0, std::sqrt(2.0 / static_cast<double>(o.by_inputs ? fan.in : fan.out))));
  return conv;
}

void draw_normal(nn::Module& module, double deviation) {
  for (auto& [name, t] : module.named_parameters()) {
    if (t.rank() >= 2) t.follow(nn::init::normal(t.shape(), 0, deviation));
    else if (name.ends_with("bias")) t.assign(io::Array::zeros(DType::F32, t.shape()));
  }
}

std::shared_ptr<nn::Linear> normal_linear(int64_t in, int64_t out, bool bias, double deviation) {
  auto linear = undrawn<nn::Linear>(in, out, bias);
  draw_normal(*linear, deviation);
  return linear;
}

std::shared_ptr<nn::Embedding> normal_embedding(int64_t count, int64_t dim, double deviation, std::optional<int64_t> padding) {
  auto table = undrawn<nn::Embedding>(count, dim, padding);
  draw_normal(*table, deviation);
  table->clear_padding();
  return table;
}

ModulePtr conv_norm_activation(int64_t in, int64_t out, const ConvOptions& options, Tensor (*activation)(const Tensor&)) {
  auto layers = std::make_shared<nn::Sequential>();
  layers->append(he_conv(in, out, options));
  layers->append(std::make_shared<nn::BatchNorm2d>(out));
  if (activation != nullptr) layers->append(as_module(activation));
  return layers;
}

Tensor mean_of_image(const Tensor& x) { return mean(x, {2, 3}); }

Tensor split_heads(const Tensor& x, int64_t heads) {
  return permute(reshape(x, {x.size(0), x.size(1), heads, x.size(2) / heads}), {0, 2, 1, 3});
}
Tensor merge_heads(const Tensor& x) { return reshape(permute(x, {0, 2, 1, 3}), {x.size(0), x.size(2), x.size(1) * x.size(3)}); }

void check_heads(const char* model, int64_t dim, int64_t heads) {
  if (heads < 1 || dim % heads != 0)
    throw Exception(Error::InvalidArgument, std::string(model) + ": " + std::to_string(dim) + " does not divide by " + std::to_string(heads) + " heads");
}

Tensor positions(const char* model, const Tensor& table, const Tensor& tokens) {
  if (tokens.rank() != 2 || tokens.size(1) > table.size(0))
    throw Exception(Error::ShapeMismatch, std::string(model) + ": tokens " + io::shape_text(tokens.shape()) + "; [batch, length] with a length up to " +
                                              std::to_string(table.size(0)) + " is needed");
  return narrow(table, 0, 0, tokens.size(1));
}

}  // namespace gf::models
