#include "trainer/data/text.h"

#include <cstring>

#include "io/file.h"
#include "runtime/core/exception.h"

namespace gf::data {

TextDataset::TextDataset(std::vector<int32_t> tokens, TextSettings settings)
    : tokens_(std::move(tokens)), length_(settings.length), stride_(settings.stride == 0 ? settings.length : settings.stride) {
  if (length_ < 1 || stride_ < 0)
    throw Exception(Error::InvalidArgument, "TextDataset: length " + std::to_string(length_) + " and stride " + std::to_string(stride_) + " must be positive");
  if (static_cast<int64_t>(tokens_.size()) <= length_)
    throw Exception(Error::BadData, "TextDataset: " + std::to_string(tokens_.size()) + " tokens are too few for a sample of " + std::to_string(length_) +
                                        " and its targets; take a longer text or shorter samples");
  fields_ = {{settings.tokens, DType::I64, {length_}}, {settings.targets, DType::I64, {length_}}};
}

int64_t TextDataset::size() const { return (static_cast<int64_t>(tokens_.size()) - length_ - 1) / stride_ + 1; }

void TextDataset::read(int64_t index, SampleContext&, std::span<const std::span<std::byte>> to) const {
  const int32_t* from = tokens_.data() + index * stride_;
  for (size_t f = 0; f < 2; ++f)
    for (int64_t i = 0; i < length_; ++i) {
      const int64_t token = from[i + static_cast<int64_t>(f)];
      std::memcpy(to[f].data() + static_cast<size_t>(i) * sizeof(token), &token, sizeof(token));
    }
}

std::string TextDataset::describe(int64_t index) const {
  return "tokens " + std::to_string(index * stride_) + " to " + std::to_string(index * stride_ + length_ - 1);
}

std::string read_text(const std::string& file, const io::Limits& limits) {
  const io::Bytes bytes = io::read_file_or_gzip(file, limits);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace gf::data
