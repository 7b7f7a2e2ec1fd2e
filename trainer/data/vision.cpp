#include "trainer/data/vision.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "io/idx.h"
#include "io/image.h"
#include "io/path.h"
#include "runtime/core/exception.h"

namespace gf::data {

VisionDataset::VisionDataset(VisionSettings settings) : settings_(std::move(settings)) {
  if (settings_.transform == nullptr) settings_.transform = std::make_shared<ToFloat>();
}

void VisionDataset::ready(const PictureFormat& in) {
  made_ = settings_.transform->format(in);
  const std::vector<int64_t> shape = made_.floats ? std::vector<int64_t>{made_.channels, made_.height, made_.width}
                                                  : std::vector<int64_t>{made_.height, made_.width, made_.channels};
  fields_ = {{settings_.image, made_.floats ? DType::F32 : DType::U8, shape}, {settings_.label, DType::I64, {}}};
}

void VisionDataset::read(int64_t index, SampleContext& context, std::span<const std::span<std::byte>> to) const {
  Picture& picture = context.picture;
  load(index, picture);
  const PictureFormat in = picture;
  const PictureFormat out = settings_.transform->format(in);
  if (out != made_)
    throw Exception(Error::ShapeMismatch, "the picture of " + in.text() + " becomes " + out.text() + " where others become " + made_.text() +
                                              "; add Resize and CenterCrop, or RandomResizedCrop, to the transforms");
  settings_.transform->apply(picture, context.spare, context.draws);
  const void* data = picture.floats ? static_cast<const void*>(picture.values.data()) : picture.pixels.data();
  std::memcpy(to[0].data(), data, to[0].size());
  const int64_t shown = label(index);
  std::memcpy(to[1].data(), &shown, sizeof(shown));
}

MNIST::MNIST(const std::string& images, const std::string& labels, VisionSettings given, int64_t classes) : VisionDataset(std::move(given)) {
  images_ = io::read_idx(images, settings().limits);
  labels_ = io::read_idx(labels, settings().limits);
  const std::string image_file = io::printable(images), label_file = io::printable(labels);
  if (images_.dtype != DType::U8 || images_.shape.size() != 3)
    throw Exception(Error::TypeMismatch, image_file + ": holds " + dtype_name(images_.dtype) + " " + io::shape_text(images_.shape) +
                                             " where pictures, uint8 [n, height, width], are wanted; are the files in the right order?");
  if (labels_.dtype != DType::U8 || labels_.shape.size() != 1)
    throw Exception(Error::TypeMismatch, label_file + ": holds " + dtype_name(labels_.dtype) + " " + io::shape_text(labels_.shape) +
                                             " where labels, uint8 [n], are wanted; are the files in the right order?");
  if (images_.shape[0] != labels_.shape[0])
    throw Exception(Error::ShapeMismatch, label_file + ": has " + std::to_string(labels_.shape[0]) + " labels, but " + image_file + " has " +
                                              std::to_string(images_.shape[0]) + " pictures; the files do not belong together");
  if (images_.data.empty()) throw Exception(Error::BadFile, image_file + ": has no pictures");
  for (int64_t i = 0; i < size(); ++i)
    if (label(i) >= classes)
      throw Exception(Error::BadData, label_file + ": label " + std::to_string(label(i)) + " of sample " + std::to_string(i) +
                                          " is out of range; there are " + std::to_string(classes) + " classes");
  for (int64_t c = 0; c < classes; ++c) classes_.push_back(std::to_string(c));
  ready({1, images_.shape[1], images_.shape[2], false});
}

std::shared_ptr<MNIST> MNIST::in_folder(const std::string& folder, bool train, VisionSettings settings) {
  const auto file = [&](const char* part, const char* what) {  // gzip or not; empty: there is none
    for (const char* ending : {"", ".gz"})
      if (const std::string path = folder + "/" + part + what + ending; std::filesystem::exists(io::path_of(path))) return path;
    return std::string();
  };
  const std::vector<const char*> parts = train ? std::vector{"train"} : std::vector{"t10k", "t3k"};
  std::string tried;
  for (const char* part : parts) {
    const std::string images = file(part, "-images-idx3-ubyte"), labels = file(part, "-labels-idx1-ubyte");
    if (!images.empty() && !labels.empty()) return std::make_shared<MNIST>(images, labels, std::move(settings));
    tried += (tried.empty() ? "" : ", or ") + std::string(part) + "-images-idx3-ubyte with " + part + "-labels-idx1-ubyte";
  }
  throw Exception(Error::NotFound, io::printable(folder) + " holds none of " + tried + " (nor with .gz)");
}

void MNIST::load(int64_t index, Picture& to) const {
  to.reset({1, images_.shape[1], images_.shape[2], false});
  std::memcpy(to.pixels.data(), images_.data.data() + static_cast<size_t>(index) * to.pixels.size(), to.pixels.size());
}

namespace {
constexpr size_t kSide = 32, kPlane = kSide * kSide, kPixels = 3 * kPlane;
}

CIFAR::CIFAR(Kind kind, const std::vector<std::string>& files, VisionSettings given)
    : VisionDataset(std::move(given)), record_bytes_((kind == Kind::Cifar10 ? 1 : 2) + kPixels), label_byte_(kind == Kind::Cifar100 ? 1 : 0) {
  if (files.empty()) throw Exception(Error::InvalidArgument, "CIFAR: no files are given");
  const int64_t class_count = kind == Kind::Cifar10 ? 10 : kind == Kind::Cifar100 ? 100 : 20;
  if (kind == Kind::Cifar10) classes_ = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  for (const std::string& file : files) {
    const io::Bytes bytes = io::read_file_or_gzip(file, settings().limits);
    const std::string where = io::printable(file);
    if (bytes.empty() || bytes.size() % record_bytes_ != 0)
      throw Exception(Error::BadFile, where + ": " + std::to_string(bytes.size()) + " bytes are no whole number of records of " +
                                          std::to_string(record_bytes_) + "; is it the binary version of " +
                                          (kind == Kind::Cifar10 ? "CIFAR-10?" : "CIFAR-100?"));
    for (size_t at = 0; at < bytes.size(); at += record_bytes_)
      if (const auto shown = static_cast<int64_t>(bytes[at + label_byte_]); shown >= class_count)
        throw Exception(Error::BadData, where + ": label " + std::to_string(shown) + " of record " + std::to_string(at / record_bytes_) +
                                            " is out of range; there are " + std::to_string(class_count) + " classes");
    records_.insert(records_.end(), bytes.begin(), bytes.end());
  }
  ready({3, static_cast<int64_t>(kSide), static_cast<int64_t>(kSide), false});
}

int64_t CIFAR::label(int64_t index) const { return static_cast<int64_t>(records_[static_cast<size_t>(index) * record_bytes_ + label_byte_]); }

void CIFAR::load(int64_t index, Picture& to) const {
  to.reset({3, static_cast<int64_t>(kSide), static_cast<int64_t>(kSide), false});
  const std::byte* planes = records_.data() + (static_cast<size_t>(index) + 1) * record_bytes_ - kPixels;
  for (size_t i = 0; i < kPlane; ++i)
    for (size_t c = 0; c < 3; ++c) to.pixels[3 * i + c] = static_cast<uint8_t>(planes[c * kPlane + i]);
}

namespace {

bool is_picture(const std::filesystem::path& path) {
  std::string ending = io::text_of(path.extension());
  for (char& c : ending)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

// Folders (or pictures, at any depth) below one, by name.
std::vector<std::filesystem::path> folders_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_directory()) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}
std::vector<std::filesystem::path> pictures_in(const std::filesystem::path& folder, uint64_t most) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && is_picture(entry.path())) {
      out.push_back(entry.path());
      if (out.size() > most)
        throw Exception(Error::LimitExceeded, io::printable(io::text_of(folder)) + ": has more than " + std::to_string(most) +
                                                  " pictures; raise max_entries if that is meant");
    }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

ImageFolder::ImageFolder(const std::string& folder, VisionSettings given, Channels channels) : VisionDataset(std::move(given)), channels_(channels) {
  const std::filesystem::path root = io::path_of(folder);
  const std::string where = io::printable(folder);
  std::error_code code;
  if (!std::filesystem::exists(root, code)) throw Exception(Error::NotFound, where + ": there is no such folder");
  if (!std::filesystem::is_directory(root, code)) throw Exception(Error::IoError, where + ": is no folder; give one that has a folder per class");
  try {
    for (const std::filesystem::path& c : folders_in(root)) {
      const auto label = static_cast<int64_t>(classes_.size());
      const auto pictures = pictures_in(c, settings().limits.max_entries - files_.size());
      if (pictures.empty())
        throw Exception(Error::BadData, io::printable(io::text_of(c)) + ": this class has no pictures (.png, .jpg, .jpeg); add some or remove the folder");
      for (const std::filesystem::path& p : pictures) files_.push_back({io::text_of(p), label});
      classes_.push_back(io::text_of(c.filename()));
    }
  } catch (const std::filesystem::filesystem_error& e) {
    throw Exception(Error::IoError, where + ": cannot be listed: " + e.code().message());
  }
  if (files_.empty()) throw Exception(Error::BadData, where + ": has no folders; one folder per class is wanted, with its pictures inside");
  Picture first;
  load(0, first);
  ready(first);
}

void ImageFolder::load(int64_t index, Picture& to) const {
  io::Image image = io::read_image(files_[static_cast<size_t>(index)].path, settings().limits);
  image = channels_ == Channels::Rgb ? io::to_rgb(image) : io::to_gray(image);
  to.channels = image.channels;
  to.height = image.height;
  to.width = image.width;
  to.floats = false;
  to.pixels = std::move(image.pixels);
}

}  // namespace gf::data
