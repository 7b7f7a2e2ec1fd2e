// What differs between the tensors that somebody wants and those that are there: all of it at once, so that who loads the weights of
// another model learns in one message why they do not fit. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/core/error.h"
#include "trainer/tensor/trace.h"

namespace gf {

struct TensorSpec {
  std::string name;
  DType dtype = DType::Invalid;
  std::vector<int64_t> shape;
};
std::vector<TensorSpec> specs_of(const NamedTensors& tensors);

struct Differences {
  std::vector<std::string> missing;      ///< names that are wanted and not there
  std::vector<std::string> unexpected;   ///< names that are there and not wanted
  std::vector<std::string> shapes;       ///< "'w' has shape [2, 3], the model's is [3, 2]"
  std::vector<std::string> types;        ///< "'w' is float64, the model's is float32"
  std::vector<std::string> others;       ///< what else does not fit, as text

  bool none() const { return missing.empty() && unexpected.empty() && shapes.empty() && types.empty() && others.empty(); }
  /// Throws "<what>: " and all differences: NotFound (names), else ShapeMismatch, else TypeMismatch, else InvalidArgument; nothing where
  /// there are none.
  void refuse(const std::string& what) const;
};
/// `owner` is whose tensors are wanted: "the model".
Differences differences(const std::vector<TensorSpec>& wanted, const std::vector<TensorSpec>& there, const std::string& owner);

}  // namespace gf
