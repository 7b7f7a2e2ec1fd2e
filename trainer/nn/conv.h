// Convolutions in one, two and three dimensions as functions and modules, with PyTorch's parameters, names, meanings and first values
// (torch.nn 2.13). Signals are [N, C, space...]. Throws gf::Exception with the function's name: ShapeMismatch, TypeMismatch, BadAttribute.
#pragma once

#include "schema/ops/pad.h"
#include "trainer/nn/module.h"
#include "trainer/nn/sizes.h"

namespace gf::nn {

/// weight [out, in / groups, kernel...], bias [out] or empty.
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, int64_t stride = 1, int64_t padding = 0, int64_t dilation = 1,
              int64_t groups = 1);
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Pair stride = 1, Pair padding = 0, Pair dilation = 1,
              int64_t groups = 1);
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Triple stride = 1, Triple padding = 0, Triple dilation = 1,
              int64_t groups = 1);
/// weight [in, out / groups, kernel...]; the result has (length - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, int64_t stride = 1, int64_t padding = 0,
                        int64_t output_padding = 0, int64_t groups = 1, int64_t dilation = 1);
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Pair stride = 1, Pair padding = 0, Pair output_padding = 0,
                        int64_t groups = 1, Pair dilation = 1);
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Triple stride = 1, Triple padding = 0,
                        Triple output_padding = 0, int64_t groups = 1, Triple dilation = 1);

template <class Size>
struct ConvOptions {
  Size stride = 1, padding = 0, dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::Constant;  ///< of what padding adds: zeros, Reflect, Edge (PyTorch's replicate), Wrap (circular)
};
template <class Size>
struct ConvTransposeOptions {
  Size stride = 1, padding = 0, output_padding = 0;
  int64_t groups = 1;
  bool bias = true;
  Size dilation = 1;
};
using Conv1dOptions = ConvOptions<int64_t>;
using Conv2dOptions = ConvOptions<Pair>;
using Conv3dOptions = ConvOptions<Triple>;

/// What the convolutions share.
class Convolution : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  Tensor weight, bias;

 protected:
  struct Plan {
    const char* name;      ///< of the function
    bool transposed;
    Shape64 kernel, stride, padding, dilation, output_padding;
    int64_t groups;
    bool bias;
    PadMode mode;
  };
  Convolution(int64_t in, int64_t out, Plan plan);

  template <class Size>
  static Plan plan(const char* name, Size kernel, const ConvOptions<Size>& o) {
    return {name, false, list_of(kernel), list_of(o.stride), list_of(o.padding), list_of(o.dilation), {}, o.groups, o.bias, o.padding_mode};
  }
  template <class Size>
  static Plan plan(const char* name, Size kernel, const ConvTransposeOptions<Size>& o) {
    return {name, true, list_of(kernel), list_of(o.stride), list_of(o.padding), list_of(o.dilation), list_of(o.output_padding), o.groups, o.bias, PadMode::Constant};
  }

 private:
  Plan plan_;
};

class Conv1d final : public Convolution {
 public:
  Conv1d(int64_t in, int64_t out, int64_t kernel, const Conv1dOptions& o = {}) : Convolution(in, out, plan("conv1d", kernel, o)) {}
};
class Conv2d final : public Convolution {
 public:
  Conv2d(int64_t in, int64_t out, Pair kernel, const Conv2dOptions& o = {}) : Convolution(in, out, plan("conv2d", kernel, o)) {}
};
class Conv3d final : public Convolution {
 public:
  Conv3d(int64_t in, int64_t out, Triple kernel, const Conv3dOptions& o = {}) : Convolution(in, out, plan("conv3d", kernel, o)) {}
};
class ConvTranspose1d final : public Convolution {
 public:
  ConvTranspose1d(int64_t in, int64_t out, int64_t kernel, const ConvTransposeOptions<int64_t>& o = {})
      : Convolution(in, out, plan("conv_transpose1d", kernel, o)) {}
};
class ConvTranspose2d final : public Convolution {
 public:
  ConvTranspose2d(int64_t in, int64_t out, Pair kernel, const ConvTransposeOptions<Pair>& o = {})
      : Convolution(in, out, plan("conv_transpose2d", kernel, o)) {}
};
class ConvTranspose3d final : public Convolution {
 public:
  ConvTranspose3d(int64_t in, int64_t out, Triple kernel, const ConvTransposeOptions<Triple>& o = {})
      : Convolution(in, out, plan("conv_transpose3d", kernel, o)) {}
};

}  // namespace gf::nn
