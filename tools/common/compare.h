// Comparing tensors as numpy.allclose does, with the largest differences for people.
#pragma once

#include <string>

#include "facade/host_run.h"

namespace gf::cli {

struct Comparison {
  bool equal = true;
  double max_abs = 0;
  double max_rel = 0;
  std::string detail;  ///< first difference, empty when equal
};

/// |a - b| <= atol + rtol * |b| for every element; NaN equals NaN, infinities must agree; types and shapes must be the
/// same. Integers and bools are compared exactly when both tolerances would round to it (they are compared as numbers
/// too).
Comparison compare(const HostTensor& actual, const HostTensor& expected, double rtol, double atol);

}  // namespace gf::cli
