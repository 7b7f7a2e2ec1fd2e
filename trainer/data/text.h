// Datasets of token sequences for language models. Thread rule: as Dataset.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/array.h"
#include "trainer/data/dataset.h"

namespace gf::data {

struct TextSettings {
  int64_t length = 64;                            ///< tokens of a sample (the context)
  int64_t stride = 0;                             ///< from one sample to the next; 0: `length`, so that every token is seen once in an epoch
  std::string tokens = "tokens", targets = "targets";  ///< names of the fields
};

/// Windows of a long sequence: int64 [length] tokens, and as targets the same one further on.
class TextDataset : public Dataset {
 public:
  /// Throws InvalidArgument (length below 1, negative stride), BadData (fewer than length + 1 tokens).
  explicit TextDataset(std::vector<int32_t> tokens, TextSettings settings = {});
  int64_t size() const override;
  const std::vector<Field>& fields() const override { return fields_; }
  void read(int64_t index, SampleContext& context, std::span<const std::span<std::byte>> to) const override;
  /// "tokens 128 to 191"
  std::string describe(int64_t index) const override;

 private:
  std::vector<int32_t> tokens_;
  int64_t length_, stride_;
  std::vector<Field> fields_;
};

/// A text file, gzip or not. Throws NotFound, IoError, LimitExceeded.
std::string read_text(const std::string& file, const io::Limits& limits = {});

}  // namespace gf::data
