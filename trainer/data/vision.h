// Datasets of pictures with a class each: MNIST, CIFAR, folders. A sample is the picture after the transforms and its label (int64).
// Files are untrusted: sizes are bounded, every label is checked. Thread rule: as Dataset.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/array.h"
#include "io/file.h"
#include "trainer/data/dataset.h"
#include "trainer/data/transforms.h"

namespace gf::data {

struct VisionSettings {
  TransformPtr transform = {};                    ///< not given: ToFloat
  std::string image = "image", label = "label";   ///< names of the fields
  io::Limits limits = {};                         ///< of the files
};

/// A list of transforms as a pointer, for the settings: `{.transform = transforms(RandomCrop(32, 4), ToFloat())}`.
template <class... T>
TransformPtr transforms(T... steps) {
  return std::make_shared<Compose>(std::move(steps)...);
}

/// Base of what follows, and of datasets of your own: says where pixels and labels come from; a constructor ends with ready().
class VisionDataset : public Dataset {
 public:
  const std::vector<Field>& fields() const override { return fields_; }
  void read(int64_t index, SampleContext& context, std::span<const std::span<std::byte>> to) const override;
  virtual int64_t label(int64_t index) const = 0;
  /// Names of the classes, where they are known.
  const std::vector<std::string>& classes() const { return classes_; }

 protected:
  explicit VisionDataset(VisionSettings settings);
  /// Puts the pixels of a picture (HWC, uint8) into `to`.
  virtual void load(int64_t index, Picture& to) const = 0;
  /// Fields for pictures that come as `in`. Throws what the transforms do.
  void ready(const PictureFormat& in);
  const VisionSettings& settings() const { return settings_; }

  std::vector<std::string> classes_;

 private:
  VisionSettings settings_;
  PictureFormat made_;
  std::vector<Field> fields_;
};

/// Pictures and labels of MNIST and its kin: IDX files, gzip or not, [n, height, width] and [n] of uint8; 1 channel.
class MNIST : public VisionDataset {
 public:
  /// Throws: what io::read_idx throws (NotFound, BadFile, ...); ShapeMismatch and TypeMismatch with both files' names; BadData for a
  /// label that is not below `classes`.
  MNIST(const std::string& images, const std::string& labels, VisionSettings settings = {}, int64_t classes = 10);
  /// From a folder with the files under their usual names, those for training or those for tests (10,000, or the first 3,000: "t3k-images-idx3-ubyte").
  /// Throws NotFound with the names, and as above.
  static std::shared_ptr<MNIST> in_folder(const std::string& folder, bool train, VisionSettings settings = {});
  int64_t size() const override { return labels_.count(); }
  int64_t label(int64_t index) const override { return static_cast<int64_t>(labels_.data[static_cast<size_t>(index)]); }

 protected:
  void load(int64_t index, Picture& to) const override;

 private:
  io::Array images_, labels_;
};

/// CIFAR's binary version (Krizhevsky 2009): records of a label byte (CIFAR-100: coarse, fine) and 3 x 32 x 32 bytes, RGB planes.
class CIFAR : public VisionDataset {
 public:
  enum class Kind : uint8_t { Cifar10, Cifar100, Cifar100Coarse };
  /// Files one behind the other, gzip or not: data_batch_1.bin to data_batch_5.bin, or train.bin. Throws InvalidArgument (no files),
  /// NotFound, IoError, BadFile (no whole number of records, empty), BadData (a label out of range: file and record).
  CIFAR(Kind kind, const std::vector<std::string>& files, VisionSettings settings = {});
  int64_t size() const override { return static_cast<int64_t>(records_.size() / record_bytes_); }
  int64_t label(int64_t index) const override;

 protected:
  void load(int64_t index, Picture& to) const override;

 private:
  io::Bytes records_;
  size_t record_bytes_, label_byte_;
};

/// One folder per class, in it (and in folders below) PNG and JPEG files: classes are numbered in the order of their names, as are the
/// files of one. Pictures are decoded when they are read.
class ImageFolder : public VisionDataset {
 public:
  enum class Channels : uint8_t { Rgb, Gray };
  /// Opens the first picture to know what the transforms make of it; all must come to the same size. Throws NotFound, IoError,
  /// BadData: no class folders, a class folder without pictures; LimitExceeded: more files than limits.max_entries.
  explicit ImageFolder(const std::string& folder, VisionSettings settings = {}, Channels channels = Channels::Rgb);
  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  int64_t label(int64_t index) const override { return files_[static_cast<size_t>(index)].label; }
  std::string describe(int64_t index) const override { return files_[static_cast<size_t>(index)].path; }

 protected:
  void load(int64_t index, Picture& to) const override;

 private:
  struct File {
    std::string path;
    int64_t label;
  };
  std::vector<File> files_;
  Channels channels_;
};

}  // namespace gf::data
