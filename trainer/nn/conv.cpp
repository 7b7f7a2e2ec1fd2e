#include "trainer/nn/conv.h"

#include <algorithm>

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/nn/init.h"
#include "trainer/tensor/functions_movement.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {
namespace {

Tensor convolve(const char* name, const Tensor& x, const Tensor& weight, const Tensor& bias, const Shape64& stride, const Shape64& padding,
                const Shape64& dilation, int64_t groups) {
  const lazy::Call call(name);
  const Shape64 pads = both_ends(padding);
  op::Conv::Attrs attrs;
  attrs.strides = ints(stride);
  attrs.dilations = ints(dilation);
  attrs.pads = ints(pads);
  attrs.groups = groups;
  return channels_first(apply<op::Conv>({channels_last(name, x, stride.size()), weight, bias}, attrs));
}

Tensor convolve_transposed(const char* name, const Tensor& x, const Tensor& weight, const Tensor& bias, const Shape64& stride,
                           const Shape64& padding, const Shape64& output_padding, int64_t groups, const Shape64& dilation) {
  const lazy::Call call(name);
  const Shape64 pads = both_ends(padding);
  op::ConvTranspose::Attrs attrs;
  attrs.strides = ints(stride);
  attrs.dilations = ints(dilation);
  attrs.pads = ints(pads);
  attrs.output_padding = ints(output_padding);
  attrs.groups = groups;
  return channels_first(apply<op::ConvTranspose>({channels_last(name, x, stride.size()), weight, bias}, attrs));
}

}  // namespace

Tensor channels_last(const char* function, const Tensor& x, size_t space) {
  static constexpr const char* kWanted[] = {"", "[N, C, L]", "[N, C, H, W]", "[N, C, D, H, W]"};
  if (x.shape().size() != space + 2)
    throw Exception(Error::ShapeMismatch, std::string(lazy::Call::name_or(function)) + ": the input has shape " + io::shape_text(x.shape()) + "; " + kWanted[space] + " is needed");
  return movedim(x, 1, -1);
}
Tensor channels_first(const Tensor& x) { return movedim(x, -1, 1); }

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride, int64_t padding, int64_t dilation, int64_t groups) {
  return convolve("conv1d", x, weight, bias, list_of(stride), list_of(padding), list_of(dilation), groups);
}
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, Pair stride, Pair padding, Pair dilation, int64_t groups) {
  return convolve("conv2d", x, weight, bias, list_of(stride), list_of(padding), list_of(dilation), groups);
}
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, Triple stride, Triple padding, Triple dilation, int64_t groups) {
  return convolve("conv3d", x, weight, bias, list_of(stride), list_of(padding), list_of(dilation), groups);
}
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride, int64_t padding, int64_t output_padding,
                        int64_t groups, int64_t dilation) {
  return convolve_transposed("conv_transpose1d", x, weight, bias, list_of(stride), list_of(padding), list_of(output_padding), groups, list_of(dilation));
}
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias, Pair stride, Pair padding, Pair output_padding, int64_t groups,
                        Pair dilation) {
  return convolve_transposed("conv_transpose2d", x, weight, bias, list_of(stride), list_of(padding), list_of(output_padding), groups, list_of(dilation));
}
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias, Triple stride, Triple padding, Triple output_padding,
                        int64_t groups, Triple dilation) {
  return convolve_transposed("conv_transpose3d", x, weight, bias, list_of(stride), list_of(padding), list_of(output_padding), groups, list_of(dilation));
}

Convolution::Convolution(int64_t in, int64_t out, Plan plan) : plan_(std::move(plan)) {
  const int64_t g = plan_.groups;
  if (g < 1 || in % g != 0 || out % g != 0)
    throw Exception(Error::InvalidArgument, std::string(plan_.name) + ": " + std::to_string(in) + " and " + std::to_string(out) + " channels do not divide by " + std::to_string(g) + " groups");
  Shape64 shape = plan_.transposed ? Shape64{in, out / g} : Shape64{out, in / g};
  int64_t fan_in = shape[1];
  for (const int64_t k : plan_.kernel) fan_in *= k;
  shape.insert(shape.end(), plan_.kernel.begin(), plan_.kernel.end());
  weight = register_parameter("weight", init::fan_in_uniform(shape, fan_in));
  if (plan_.bias) bias = register_parameter("bias", init::fan_in_uniform({out}, fan_in));
}

Tensor Convolution::forward(const Tensor& x) {
  const Plan& p = plan_;
  if (p.transposed) return convolve_transposed(p.name, x, weight, bias, p.stride, p.padding, p.output_padding, p.groups, p.dilation);
  if (p.mode == PadMode::Constant) return convolve(p.name, x, weight, bias, p.stride, p.padding, p.dilation, p.groups);
  Shape64 around;  // the last axis first
  for (auto it = p.padding.rbegin(); it != p.padding.rend(); ++it) around.insert(around.end(), {*it, *it});
  return convolve(p.name, pad(x, around, p.mode), weight, bias, p.stride, Shape64(p.padding.size(), 0), p.dilation, p.groups);
}

}  // namespace gf::nn
