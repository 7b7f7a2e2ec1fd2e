#include "trainer/data/mixing.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "runtime/core/exception.h"

namespace gf::data {
namespace {

size_t place_of(const std::vector<Field>& fields, const std::string& name, const char* who) {
  for (size_t f = 0; f < fields.size(); ++f)
    if (fields[f].name == name) return f;
  throw Exception(Error::NotFound, std::string(who) + ": there is no field '" + io::printable(name) + "'; there is " + fields_text(fields));
}

// Calls each(x, other) for every sample of the batch, the last one first; `other` is the sample in front of x as it was.
template <class F>
void with_others(std::span<float> pictures, size_t samples, std::vector<std::byte>& scratch, F&& each) {
  const size_t n = pictures.size() / samples;
  scratch.resize(n * sizeof(float));
  float* last = reinterpret_cast<float*>(scratch.data());
  std::copy(pictures.end() - static_cast<std::ptrdiff_t>(n), pictures.end(), last);
  for (size_t i = samples; i-- > 0;) each(pictures.data() + i * n, i == 0 ? static_cast<const float*>(last) : pictures.data() + (i - 1) * n);
}

}  // namespace

Mixing::Mixing(MixSettings settings, const char* who) : settings_(std::move(settings)), who_(who) {
  if (settings_.classes < 1) throw Exception(Error::InvalidArgument, std::string(who) + ": the number of classes is missing");
  if (!(settings_.alpha > 0 && std::isfinite(settings_.alpha))) throw Exception(Error::InvalidArgument, std::string(who) + ": alpha must be positive");
}

std::vector<Field> Mixing::fields(std::vector<Field> in) const {
  const Field& image = in[place_of(in, settings_.image, who_)];
  if (image.dtype != DType::F32)
    throw Exception(Error::TypeMismatch, std::string(who_) + ": pictures are " + dtype_name(image.dtype) + "; floats can be mixed (end the transforms with ToFloat)");
  Field& label = in[place_of(in, settings_.label, who_)];
  if (label.dtype != DType::I64 || !label.shape.empty())
    throw Exception(Error::TypeMismatch, std::string(who_) + ": labels are " + dtype_name(label.dtype) + " " + io::shape_text(label.shape) +
                                             "; int64 numbers are wanted (targets that are mixed already cannot be mixed again)");
  label = {label.name, DType::F32, {settings_.classes}};
  return in;
}

void Mixing::apply(Batch& batch, Draws& draws, std::vector<std::byte>& scratch) const {
  const size_t image = place_of(batch.fields(), settings_.image, who_), label = place_of(batch.fields(), settings_.label, who_);
  const auto samples = static_cast<size_t>(batch.size()), classes = static_cast<size_t>(settings_.classes);
  const std::span<const int64_t> raw = std::as_const(batch.arrays()[label]).view<int64_t>();
  for (size_t i = 0; i < samples; ++i)
    if (raw[i] < 0 || raw[i] >= settings_.classes)
      throw Exception(Error::BadData, std::string(who_) + ": label " + std::to_string(raw[i]) + " of sample " + std::to_string(std::as_const(batch).indices()[i]) +
                                          " is out of range; there are " + std::to_string(classes) + " classes");
  const double wanted = draws.beta(settings_.alpha, settings_.alpha);
  const double share = mix(batch.arrays()[image].view<float>(), batch.fields()[image].shape, wanted, draws, scratch);
  scratch.resize(samples * sizeof(int64_t));
  std::memcpy(scratch.data(), raw.data(), scratch.size());
  const auto* shown = reinterpret_cast<const int64_t*>(scratch.data());
  batch.retype(label, {settings_.label, DType::F32, {settings_.classes}});
  const std::span<float> targets = batch.arrays()[label].view<float>();
  std::fill(targets.begin(), targets.end(), 0.0F);
  for (size_t i = 0; i < samples; ++i) {
    targets[i * classes + static_cast<size_t>(shown[i])] += static_cast<float>(share);
    targets[i * classes + static_cast<size_t>(shown[i == 0 ? samples - 1 : i - 1])] += static_cast<float>(1 - share);
  }
}

double MixUp::mix(std::span<float> pictures, const std::vector<int64_t>& shape, double share, Draws&, std::vector<std::byte>& scratch) const {
  const size_t n = static_cast<size_t>(io::element_count(shape, "MixUp"));
  const auto own = static_cast<float>(share), rest = static_cast<float>(1 - share);
  with_others(pictures, pictures.size() / n, scratch, [&](float* x, const float* other) {
    for (size_t k = 0; k < n; ++k) x[k] = own * x[k] + rest * other[k];
  });
  return share;
}

std::vector<Field> CutMix::fields(std::vector<Field> in) const {
  std::vector<Field> out = Mixing::fields(in);
  if (in[place_of(in, image(), "CutMix")].shape.size() == 3) return out;
  throw Exception(Error::ShapeMismatch, "CutMix: takes pictures [channels, height, width]; there is " + fields_text(in));
}

double CutMix::mix(std::span<float> pictures, const std::vector<int64_t>& shape, double share, Draws& draws, std::vector<std::byte>& scratch) const {
  const int64_t channels = shape[0], height = shape[1], width = shape[2];
  const double reach = 0.5 * std::sqrt(1 - share);
  const int64_t x = draws.below(width), y = draws.below(height);
  const auto half_width = static_cast<int64_t>(reach * static_cast<double>(width)), half_height = static_cast<int64_t>(reach * static_cast<double>(height));
  const int64_t left = std::max<int64_t>(x - half_width, 0), right = std::min(x + half_width, width);
  const int64_t top = std::max<int64_t>(y - half_height, 0), bottom = std::min(y + half_height, height);
  with_others(pictures, pictures.size() / static_cast<size_t>(channels * height * width), scratch, [&](float* own, const float* other) {
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t row = top; row < bottom; ++row) {
        const int64_t at = (c * height + row) * width;
        std::copy(other + at + left, other + at + right, own + at + left);
      }
  });
  return 1 - static_cast<double>((right - left) * (bottom - top)) / static_cast<double>(height * width);
}

}  // namespace gf::data
