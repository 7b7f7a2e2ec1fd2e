#include "trainer/nn/norm.h"

#include <cmath>
#include <numeric>

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/nn/init.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/functions_movement.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {
namespace {

using lazy::Call;

Tensor filled(const Tensor& given, const Tensor& x, double value) { return given ? given : expand(number_like(x, value), {x.size(1)}); }

void expect_channels(const char* function, const Tensor& x) {
  if (x.rank() < 2) throw Exception(Error::ShapeMismatch, std::string(function) + ": an input of shape " + io::shape_text(x.shape()) + " has no channels");
}

// weight as [out, rest].
Tensor as_matrix(const Tensor& weight) { return reshape(weight, {weight.size(0), weight.numel() / weight.size(0)}); }

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  return apply<op::LayerNorm>({x, weight, bias}, {.axis = -weight.rank(), .epsilon = static_cast<float>(eps)});
}
Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  return apply<op::RmsNorm>({x, weight}, {.axis = -weight.rank(), .epsilon = static_cast<float>(eps)});
}

Tensor batch_norm(const Tensor& x, const Tensor& mean, const Tensor& var, const Tensor& weight, const Tensor& bias, double eps) {
  const Call call("batch_norm");
  expect_channels("batch_norm", x);
  return movedim(apply<op::BatchNorm>({movedim(x, 1, -1), weight, bias, mean, var}, {.epsilon = static_cast<float>(eps)}), -1, 1);
}

Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
  const Call call("group_norm");
  expect_channels("group_norm", x);
  return movedim(apply<op::GroupNorm>({movedim(x, 1, -1), filled(weight, x, 1), filled(bias, x, 0)}, {.num_groups = groups, .epsilon = static_cast<float>(eps)}), -1, 1);
}
Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const Call call("instance_norm");
  expect_channels("instance_norm", x);
  return movedim(apply<op::InstanceNorm>({movedim(x, 1, -1), filled(weight, x, 1), filled(bias, x, 0)}, {.epsilon = static_cast<float>(eps)}), -1, 1);
}

Tensor local_response_norm(const Tensor& x, int64_t size, double alpha, double beta, double k) {
  const Call call("local_response_norm");
  expect_channels("local_response_norm", x);
  const op::Lrn::Attrs attrs{.size = size, .alpha = static_cast<float>(alpha), .beta = static_cast<float>(beta), .bias = static_cast<float>(k)};
  // PyTorch's window begins size / 2 channels before, the op's (size - 1) / 2: the same on channels in opposite order
  const bool turned = size % 2 == 0;
  const Tensor last = movedim(turned ? flip(x, {1}) : x, 1, -1), y = movedim(apply<op::Lrn>({last}, attrs), -1, 1);
  return turned ? flip(y, {1}) : y;
}

Tensor normalize(const Tensor& x, double p, int64_t axis, double eps) {
  const Call call("normalize");
  return x / clamp(norm(x, p, {axis}, true), eps);
}

Tensor slice_norms(const Tensor& v) {
  Shape64 rest(v.shape().size() - 1);
  std::iota(rest.begin(), rest.end(), 1);
  const no_grad off;
  return Tensor::from_array(norm(v, 2, rest, true).array());
}
Tensor random_unit_vector(int64_t n, double eps) {
  const no_grad off;
  return Tensor::from_array(normalize(init::normal({n}), 2, 0, eps).array());
}

Tensor weight_norm(const Tensor& v, const Tensor& g) {
  const Call call("weight_norm");
  Shape64 rest(v.shape().size() - 1);
  std::iota(rest.begin(), rest.end(), 1);
  return v * (g / norm(v, 2, rest, true));
}

Tensor spectral_norm(const Tensor& weight, const Tensor& u, const Tensor& v, int64_t iterations, double eps, Tensor& next_u, Tensor& next_v) {
  const Call call("spectral_norm");
  const Tensor w = as_matrix(weight);
  next_u = u;
  next_v = v;
  {
    const no_grad off;
    for (int64_t i = 0; i < iterations; ++i) {
      next_v = normalize(matmul(transpose(w, 0, 1), next_u), 2, 0, eps);
      next_u = normalize(matmul(w, next_v), 2, 0, eps);
    }
  }
  return matmul(next_u, matmul(w, next_v));
}

LayerNorm::LayerNorm(Shape64 shape, double eps, bool with_bias) : eps_(eps) {
  weight = register_parameter("weight", Tensor::ones(shape));
  if (with_bias) bias = register_parameter("bias", Tensor::zeros(shape));
}
RMSNorm::RMSNorm(Shape64 shape, double eps) : eps_(eps) { weight = register_parameter("weight", Tensor::ones(std::move(shape))); }

BatchNorm::BatchNorm(const char* name, int min_rank, int max_rank, int64_t channels, const BatchNormOptions& options)
    : name_(name), min_rank_(min_rank), max_rank_(max_rank), channels_(channels), options_(options) {
  if (options.affine) {
    weight = register_parameter("weight", Tensor::ones({channels}));
    bias = register_parameter("bias", Tensor::zeros({channels}));
  }
  if (options.track_running_stats) {
    running_mean = register_buffer("running_mean", Tensor::zeros({channels}));
    running_var = register_buffer("running_var", Tensor::ones({channels}));
  }
}

Tensor BatchNorm::forward(const Tensor& x) {
  if (x.rank() < min_rank_ || x.rank() > max_rank_ || x.size(1) != channels_)
    throw Exception(Error::ShapeMismatch, std::string(name_) + ": the input has shape " + io::shape_text(x.shape()) + "; a batch of " + std::to_string(channels_) + " channels and " +
                                              (min_rank_ == 2 ? "at most one axis" : std::to_string(min_rank_ - 2) + " axes") + " are needed");
  const Call call(name_);
  if (!is_training() && options_.track_running_stats)
    return batch_norm(x, running_mean, running_var, filled(weight, x, 1), filled(bias, x, 0), options_.eps);
  const op::BatchNorm::Attrs attrs{.epsilon = static_cast<float>(options_.eps)};
  const Tensor inputs[] = {movedim(x, 1, -1), filled(weight, x, 1), filled(bias, x, 0)};
  const std::vector<Tensor> batch = apply(op_def<op::BatchNorm>, &attrs, inputs, 3);  // y, mean, variance
  if (is_training() && options_.track_running_stats) {
    const double n = static_cast<double>(x.numel() / channels_), old = 1 - options_.momentum;
    const no_grad off;
    running_mean.follow(running_mean * old + batch[1] * options_.momentum);
    running_var.follow(running_var * old + batch[2] * (options_.momentum * n / (n > 1 ? n - 1 : 1)));
  }
  return movedim(batch[0], -1, 1);
}

GroupNorm::GroupNorm(int64_t groups, int64_t channels, double eps, bool affine) : groups_(groups), eps_(eps) {
  if (groups < 1 || channels % groups != 0)
    throw Exception(Error::InvalidArgument, "GroupNorm: " + std::to_string(channels) + " channels do not divide by " + std::to_string(groups) + " groups");
  if (!affine) return;
  weight = register_parameter("weight", Tensor::ones({channels}));
  bias = register_parameter("bias", Tensor::zeros({channels}));
}

InstanceNorm::InstanceNorm(int64_t channels, double eps, bool affine, bool track_running_stats, double momentum) : eps_(eps), momentum_(momentum) {
  if (affine) {
    weight = register_parameter("weight", Tensor::ones({channels}));
    bias = register_parameter("bias", Tensor::zeros({channels}));
  }
  if (!track_running_stats) return;
  running_mean = register_buffer("running_mean", Tensor::zeros({channels}));
  running_var = register_buffer("running_var", Tensor::ones({channels}));
}

Tensor InstanceNorm::forward(const Tensor& x) {
  const Call call("instance_norm");
  expect_channels("instance_norm", x);
  if (!running_mean) return instance_norm(x, weight, bias, eps_);
  if (x.size(1) != running_mean.size(0))
    throw Exception(Error::ShapeMismatch, "instance_norm: the input has shape " + io::shape_text(x.shape()) + "; " + std::to_string(running_mean.size(0)) + " channels are needed");
  if (!is_training()) return batch_norm(x, running_mean, running_var, filled(weight, x, 1), filled(bias, x, 0), eps_);
  {
    const no_grad off;
    Shape64 space(x.shape().size() - 2);
    std::iota(space.begin(), space.end(), 2);
    running_mean.follow(lerp(running_mean, mean(mean(x, space), {0}), momentum_));
    running_var.follow(lerp(running_var, mean(var(x, space), {0}), momentum_));
  }
  return instance_norm(x, weight, bias, eps_);
}

}  // namespace gf::nn
