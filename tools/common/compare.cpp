#include "tools/common/compare.h"

#include <fmt/format.h>

#include <cmath>

#include "tools/common/cli.h"

namespace gf::cli {

Comparison compare(const HostTensor& actual, const HostTensor& expected, double rtol, double atol) {
  Comparison c;
  if (actual.dtype != expected.dtype) {
    c.equal = false;
    c.detail = fmt::format("type is {}, expected {}", dtype_name(actual.dtype), dtype_name(expected.dtype));
    return c;
  }
  if (actual.shape != expected.shape) {
    c.equal = false;
    c.detail = fmt::format("shape is {}, expected {}", shape_text(actual.shape), shape_text(expected.shape));
    return c;
  }
  const bool exact_bytes = actual.dtype == DType::C64 || actual.dtype == DType::C128;
  if (exact_bytes) {
    const DType part = actual.dtype == DType::C64 ? DType::F32 : DType::F64;
    HostTensor a = actual, b = expected;
    a.dtype = b.dtype = part;
    a.shape.push_back(2);
    b.shape.push_back(2);
    return compare(a, b, rtol, atol);
  }
  const std::vector<double> a = actual.as<double>(), b = expected.as<double>();
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double difference = std::abs(a[i] - b[i]);
    const bool bad = !(difference <= atol + rtol * std::abs(b[i])) || std::isinf(a[i]) || std::isinf(b[i]);
    c.max_abs = std::max(c.max_abs, difference);
    if (b[i] != 0) c.max_rel = std::max(c.max_rel, difference / std::abs(b[i]));
    if (!bad) continue;
    if (c.equal) c.detail = fmt::format("element {} is {:.9g}, expected {:.9g}", i, a[i], b[i]);
    c.equal = false;
  }
  return c;
}

}  // namespace gf::cli
