// Batch transforms that mix samples: MixUp and CutMix, with the meaning of torchvision.transforms.v2. Labels become soft targets: shares of
// classes that sum to 1 (float32), which cross_entropy takes. Thread rule: immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "trainer/data/batch.h"

namespace gf::data {

struct MixSettings {
  int64_t classes = 0;                            ///< of the labels: int64 numbers below it
  double alpha = 1;                               ///< the share of a sample is drawn from Beta(alpha, alpha), once per batch
  std::string image = "image", label = "label";   ///< names of the fields
};

/// What both are: a share is drawn, each sample is mixed with the one in front of it (the first with the last), and its target is
/// share * its class + (1 - share) * the other's.
class Mixing : public BatchTransform {
 public:
  /// Throws NotFound (fields), TypeMismatch (pictures must be float32, labels int64 numbers).
  std::vector<Field> fields(std::vector<Field> in) const override;
  /// Throws BadData: a label out of range, with the sample's number.
  void apply(Batch& batch, Draws& draws, std::vector<std::byte>& scratch) const override;

 protected:
  /// Throws InvalidArgument: `who` with classes below 1, alpha not positive.
  Mixing(MixSettings settings, const char* who);
  /// Mixes pictures of this shape so that about `share` of each stays its own; gives the share that it is in truth.
  virtual double mix(std::span<float> pictures, const std::vector<int64_t>& shape, double share, Draws& draws, std::vector<std::byte>& scratch) const = 0;

  const std::string& image() const { return settings_.image; }

 private:
  MixSettings settings_;
  const char* who_;
};

/// share * x + (1 - share) * other (Zhang et al. 2017).
class MixUp : public Mixing {
 public:
  explicit MixUp(MixSettings settings) : Mixing(std::move(settings), "MixUp") {}

 protected:
  double mix(std::span<float> pictures, const std::vector<int64_t>& shape, double share, Draws& draws, std::vector<std::byte>& scratch) const override;
};

/// A rectangle of the other picture is pasted in (Yun et al. 2019): pictures [channels, height, width].
class CutMix : public Mixing {
 public:
  explicit CutMix(MixSettings settings) : Mixing(std::move(settings), "CutMix") {}
  std::vector<Field> fields(std::vector<Field> in) const override;

 protected:
  double mix(std::span<float> pictures, const std::vector<int64_t>& shape, double share, Draws& draws, std::vector<std::byte>& scratch) const override;
};

}  // namespace gf::data
