// Transforms of one picture, with the meaning and the names of torchvision.transforms: each is a small immutable object, and a list of
// them turns what was decoded (uint8, HWC) into what a net takes (float32, CHW). Random ones draw from the sample's own numbers.
// Thread rule: apply() is called by several threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "trainer/data/draws.h"
#include "trainer/data/picture.h"

namespace gf::data {

class Transform {
 public:
  virtual ~Transform() = default;
  /// What becomes of a picture of this format. Throws gf::Exception (ShapeMismatch, TypeMismatch) where it cannot work on it.
  virtual PictureFormat format(const PictureFormat& in) const = 0;
  /// Changes `picture`, whose format format() has accepted; `spare` is memory to work in, and the two may change places.
  virtual void apply(Picture& picture, Picture& spare, Draws& draws) const = 0;
};
using TransformPtr = std::shared_ptr<const Transform>;

/// One after the other: `Compose(RandomCrop(32, 4), RandomHorizontalFlip(), ToFloat(), Normalize({0.5}, {0.25}))`.
class Compose : public Transform {
 public:
  explicit Compose(std::vector<TransformPtr> steps) : steps_(std::move(steps)) {}
  template <class... T>
    requires(std::is_base_of_v<Transform, T> && ...)
  explicit Compose(T... steps) : steps_{std::make_shared<T>(std::move(steps))...} {}
  PictureFormat format(const PictureFormat& in) const override;
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;

 private:
  std::vector<TransformPtr> steps_;
};

/// Pixels 0 to 255 become float32 planes from 0 to 1 (ToTensor of torchvision).
class ToFloat : public Transform {
 public:
  PictureFormat format(const PictureFormat& in) const override;
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;
};

/// One channel becomes three equal ones (v2.RGB of torchvision): gray pictures for nets of colour ones. Pixels only: in front of ToFloat.
class GrayToRgb : public Transform {
 public:
  PictureFormat format(const PictureFormat& in) const override;
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;
};

/// (x - mean) / deviation; one number for all channels, or one each. Floats only.
class Normalize : public Transform {
 public:
  /// Throws InvalidArgument: no numbers, not finite, a deviation of 0.
  Normalize(std::vector<float> mean, std::vector<float> deviation);
  PictureFormat format(const PictureFormat& in) const override;
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;

 private:
  std::vector<float> mean_, deviation_;
};

/// Turned over with probability p.
class RandomHorizontalFlip : public Transform {
 public:
  explicit RandomHorizontalFlip(double p = 0.5);
  PictureFormat format(const PictureFormat& in) const override { return in; }
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;

 private:
  double p_;
};
class RandomVerticalFlip : public Transform {
 public:
  explicit RandomVerticalFlip(double p = 0.5);
  PictureFormat format(const PictureFormat& in) const override { return in; }
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;

 private:
  double p_;
};

/// The middle of the picture. Where it is smaller, it is put into the middle of `fill`.
class CenterCrop : public Transform {
 public:
  explicit CenterCrop(int64_t size) : CenterCrop(size, size) {}
  CenterCrop(int64_t height, int64_t width, float fill = 0);
  PictureFormat format(const PictureFormat& in) const override;
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;

 private:
  int64_t height_, width_;
  float fill_;
};

/// A window of the picture with `padding` pixels of `fill` on each side.
class RandomCrop : public Transform {
 public:
  explicit RandomCrop(int64_t size, int64_t padding = 0) : RandomCrop(size, size, padding) {}
  RandomCrop(int64_t height, int64_t width, int64_t padding, float fill = 0);
  PictureFormat format(const PictureFormat& in) const override;
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;

 private:
  int64_t height_, width_, padding_;
  float fill_;
};

/// Bilinear with antialiasing, as Pillow does it bit for bit. Pixels only.
class Resize : public Transform {
 public:
  /// The shorter side becomes `size`, the longer floor(size * long / short).
  explicit Resize(int64_t size) : Resize(size, 0) {}
  Resize(int64_t height, int64_t width);
  PictureFormat format(const PictureFormat& in) const override;
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;

 private:
  int64_t height_, width_;
};

/// A part of the picture, a share of its area between `scale` and an aspect between `ratio`, resized (Szegedy et al. 2014). Pixels only.
class RandomResizedCrop : public Transform {
 public:
  struct Range {
    double low, high;
  };
  explicit RandomResizedCrop(int64_t size, Range scale = {0.08, 1.0}, Range ratio = {3.0 / 4, 4.0 / 3});
  PictureFormat format(const PictureFormat& in) const override;
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;

 private:
  int64_t size_;
  Range scale_, ratio_;
};

enum class Interpolation : uint8_t { Nearest, Bilinear };

/// Turned around its middle by an angle between -degrees and degrees; the size stays, corners become `fill`.
class RandomRotation : public Transform {
 public:
  explicit RandomRotation(double degrees, Interpolation interpolation = Interpolation::Nearest, float fill = 0);
  PictureFormat format(const PictureFormat& in) const override { return in; }
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;

 private:
  double degrees_;
  Interpolation interpolation_;
  float fill_;
};

struct ColorJitterSettings {
  double brightness = 0, contrast = 0, saturation = 0;  ///< factors between max(0, 1 - x) and 1 + x
  double hue = 0;                                       ///< turns between -x and x of the colour circle, at most 0.5
};

/// Brightness, contrast, saturation and hue, in random order. Pixels only; gray ones have neither saturation nor hue.
class ColorJitter : public Transform {
 public:
  explicit ColorJitter(ColorJitterSettings settings);
  PictureFormat format(const PictureFormat& in) const override;
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;

 private:
  ColorJitterSettings settings_;
};

struct RandomErasingSettings {
  double p = 0.5;
  double scale_low = 0.02, scale_high = 0.33;           ///< share of the area
  double ratio_low = 0.3, ratio_high = 3.3;             ///< height / width
  float value = 0;
  bool noise = false;                                   ///< normal numbers in place of `value`
};

/// A rectangle is overwritten (Zhong et al. 2017). Floats only: behind ToFloat, and Normalize as a rule.
class RandomErasing : public Transform {
 public:
  explicit RandomErasing(RandomErasingSettings settings = {});
  PictureFormat format(const PictureFormat& in) const override;
  void apply(Picture& picture, Picture& spare, Draws& draws) const override;

 private:
  RandomErasingSettings settings_;
};

// --- what the above are made of, without chance (torchvision.transforms.functional). `out` is another picture.

/// Rows from `top`, columns from `left`; what lies outside of `in` is `fill`.
void crop(const Picture& in, Picture& out, int64_t top, int64_t left, int64_t height, int64_t width, float fill = 0);
void horizontal_flip(const Picture& in, Picture& out);
void vertical_flip(const Picture& in, Picture& out);
/// Counter-clockwise.
void rotate(const Picture& in, Picture& out, double degrees, Interpolation interpolation, float fill = 0);
/// In place, on pixels: result cut to 0 .. 255 and rounded down, as torchvision does with uint8 tensors.
void adjust_brightness(Picture& picture, double factor);
void adjust_contrast(Picture& picture, double factor);
void adjust_saturation(Picture& picture, double factor);
void adjust_hue(Picture& picture, double turn);

}  // namespace gf::data
