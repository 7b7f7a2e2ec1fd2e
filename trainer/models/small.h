// Small nets: a chain of linear layers, LeNet-5, a variational autoencoder.
#pragma once

#include "trainer/models/blocks.h"

namespace gf::models {

struct MlpOptions {
  std::vector<int64_t> sizes = {784, 512, 256, 10};  ///< of the input, of what is hidden, of the output
};
/// Linear layers with ReLU between them, named "0", "2", ... as in PyTorch's Sequential. x [N, ...], made flat.
class Mlp final : public nn::Module {
 public:
  explicit Mlp(const MlpOptions& options = {});
  Tensor forward(const Tensor& x) override;

 private:
  std::vector<ModulePtr> layers_;
};

struct LeNetOptions {
  int64_t channels = 1, classes = 10;
  int64_t width = 1;  ///< times the 6 and 16 channels of the convolutions
};
/// LeNet-5 (LeCun et al. 1998) as it is used today: ReLU and max pools; images [N, C, 28, 28]. conv1, conv2, fc1, fc2, fc3.
/// Throws InvalidArgument: a width below 1.
class LeNet final : public nn::Module {
 public:
  explicit LeNet(const LeNetOptions& options = {});
  Tensor forward(const Tensor& x) override;

 private:
  ModulePtr conv1_, conv2_, fc1_, fc2_, fc3_;
};

struct VaeOptions {
  int64_t size = 784, hidden = 400, latent = 20;
};
/// Variational autoencoder (Kingma and Welling 2014) with one hidden layer each way; fc1, fc21 (mean), fc22 (log variance), fc3, fc4.
class Vae final : public nn::Module {
 public:
  struct Parts {
    Tensor reconstruction, mean, log_var;
  };

  explicit Vae(const VaeOptions& options = {});
  /// x [N, size] in [0, 1]; noise [N, latent], normal, is an argument so that a strict step gets new one each time.
  Parts run(const Tensor& x, const Tensor& noise);
  /// The reconstruction; the noise is drawn in training mode and 0 in evaluation mode.
  Tensor forward(const Tensor& x) override;
  /// [N, latent] to [N, size].
  Tensor decode(const Tensor& z);
  /// Cross entropy of the reconstruction plus the divergence of the latent distribution from the normal one; sums.
  static Tensor loss(const Parts& parts, const Tensor& x);

 private:
  int64_t latent_;
  ModulePtr fc1_, fc21_, fc22_, fc3_, fc4_;
};

}  // namespace gf::models
