// Batch: the arrays of some samples, one behind the other, as a loader gives them; BatchTransform: what mixes the samples of one.
// The memory belongs to the loader and is used again. Thread rule: as std::vector; transforms are immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/array.h"
#include "trainer/data/dataset.h"
#include "trainer/tensor/tensor.h"

namespace gf::data {

class Batch {
 public:
  /// Samples in it.
  int64_t size() const { return static_cast<int64_t>(indices_.size()); }
  /// What each sample has; names, types and shapes without the batch.
  const std::vector<Field>& fields() const { return fields_; }
  /// The array of a field, [size(), field's shape]: what a train step's input of that name takes (copy it there, once). Throws NotFound.
  const io::Array& operator[](std::string_view name) const;
  const std::vector<io::Array>& arrays() const { return arrays_; }
  /// The same as a tensor of its own, for lazy steps.
  Tensor tensor(std::string_view name) const { return Tensor::from_array((*this)[name]); }
  /// The dataset's number of each sample.
  std::span<const int64_t> indices() const { return indices_; }

  // --- for who fills it
  /// Room for `count` samples of these fields; memory once taken is kept.
  void reset(const std::vector<Field>& fields, size_t count);
  std::vector<int64_t>& indices() { return indices_; }
  std::vector<io::Array>& arrays() { return arrays_; }
  /// Array `f` becomes [size(), field's shape] of another type; contents are lost.
  void retype(size_t f, const Field& field);

 private:
  std::vector<Field> fields_;
  std::vector<io::Array> arrays_;                 ///< as fields_
  std::vector<int64_t> indices_;
};

/// Changes a whole batch; runs behind the reading, on the same thread.
class BatchTransform {
 public:
  virtual ~BatchTransform() = default;
  /// What becomes of these fields. Throws gf::Exception where it cannot work on them.
  virtual std::vector<Field> fields(std::vector<Field> in) const = 0;
  /// `scratch` keeps its memory between calls. Random choices come from `draws` only. Throws gf::Exception: bad data.
  virtual void apply(Batch& batch, Draws& draws, std::vector<std::byte>& scratch) const = 0;
};

}  // namespace gf::data
