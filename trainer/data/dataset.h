// Dataset: samples by number, each a few named arrays of fixed types and shapes (the names are those of a train step's inputs).
// Thread rule: a Dataset is immutable once made, and read() is called by several threads at once; a SampleContext belongs to one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/array.h"
#include "trainer/data/draws.h"
#include "trainer/data/picture.h"

namespace gf::data {

/// One array of every sample.
struct Field {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;                     ///< without the batch; empty: a number

  bool operator==(const Field&) const = default;
};

/// What reading a sample may use: random numbers of (seed, epoch, index), and memory that the reading thread keeps.
struct SampleContext {
  Draws draws;
  Picture picture, spare;
};

class Dataset {
 public:
  Dataset() = default;
  virtual ~Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

  virtual int64_t size() const = 0;
  virtual const std::vector<Field>& fields() const = 0;
  /// Writes sample `index`, 0 <= index < size(): all bytes of field f into to[f], dense and in C order. Random choices come from
  /// context.draws only. Throws gf::Exception for a sample that cannot be read.
  virtual void read(int64_t index, SampleContext& context, std::span<const std::span<std::byte>> to) const = 0;
  /// How people call a sample in messages, such as its file; empty where its number says it all.
  virtual std::string describe(int64_t index) const;
};
using DatasetPtr = std::shared_ptr<const Dataset>;

/// A sample on its own, with the draws of (seed, epoch, index). Throws InvalidArgument for an index outside, and what read() throws.
std::vector<io::NamedArray> sample(const Dataset& dataset, int64_t index, uint64_t seed = 0, int64_t epoch = 0);

/// Arrays with the samples in the first dimension.
class TensorDataset : public Dataset {
 public:
  /// Throws InvalidArgument (none, a name twice or empty), ShapeMismatch (a scalar, first dimensions that differ), Unsupported (types
  /// below a byte).
  explicit TensorDataset(std::vector<io::NamedArray> arrays);
  int64_t size() const override { return size_; }
  const std::vector<Field>& fields() const override { return fields_; }
  void read(int64_t index, SampleContext& context, std::span<const std::span<std::byte>> to) const override;

 private:
  std::vector<io::NamedArray> arrays_;
  std::vector<Field> fields_;
  int64_t size_ = 0;
};

/// Some samples of another dataset, in the order given.
class Subset : public Dataset {
 public:
  /// Throws InvalidArgument: no dataset, an index outside it.
  Subset(DatasetPtr dataset, std::vector<int64_t> indices);
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  const std::vector<Field>& fields() const override { return dataset_->fields(); }
  void read(int64_t index, SampleContext& context, std::span<const std::span<std::byte>> to) const override;
  std::string describe(int64_t index) const override;
  const std::vector<int64_t>& indices() const { return indices_; }

 private:
  DatasetPtr dataset_;
  std::vector<int64_t> indices_;
};

/// Datasets one behind the other.
class ConcatDataset : public Dataset {
 public:
  /// Throws InvalidArgument (none), TypeMismatch and ShapeMismatch (their fields differ).
  explicit ConcatDataset(std::vector<DatasetPtr> datasets);
  int64_t size() const override { return ends_.back(); }
  const std::vector<Field>& fields() const override { return datasets_.front()->fields(); }
  void read(int64_t index, SampleContext& context, std::span<const std::span<std::byte>> to) const override;
  std::string describe(int64_t index) const override;

 private:
  std::pair<size_t, int64_t> place_of(int64_t index) const;

  std::vector<DatasetPtr> datasets_;
  std::vector<int64_t> ends_;                     ///< of each, in the whole
};

/// Splits without overlap, in random order: `lengths` that sum to the size of the dataset. Throws InvalidArgument.
std::vector<std::shared_ptr<Subset>> random_split(DatasetPtr dataset, const std::vector<int64_t>& lengths, uint64_t seed = 0);
/// The same by shares that sum to 1: floor(share * size) each, what is left over goes to the first ones, one each (PyTorch's rule).
std::vector<std::shared_ptr<Subset>> random_split(DatasetPtr dataset, const std::vector<double>& shares, uint64_t seed = 0);

/// Bytes of a field in one sample. Throws InvalidArgument (no name), Unsupported (types below a byte, strings), BadFile (negative dims).
size_t field_bytes(const Field& field);
/// "image float32 [3, 32, 32], label int64 []"
std::string fields_text(const std::vector<Field>& fields);

}  // namespace gf::data
