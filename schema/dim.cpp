#include "schema/dim.h"

#include <algorithm>

namespace gf {
namespace {

constexpr int64_t kMin = -kUnbounded;

int64_t saturate_add(int64_t a, int64_t b) {
  int64_t out = 0;
  if (a == kUnbounded || b == kUnbounded) return kUnbounded;
  if (a == kMin || b == kMin) return kMin;
  return add_checked(a, b, out) ? out : (a > 0 ? kUnbounded : kMin);
}
int64_t saturate_mul(int64_t a, int64_t b) {
  int64_t out = 0;
  return mul_checked(a, b, out) && out != std::numeric_limits<int64_t>::min() ? out
                                                                              : ((a < 0) != (b < 0) ? kMin : kUnbounded);
}
int64_t floor_div(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return (a % b != 0 && ((a < 0) != (b < 0))) ? q - 1 : q;
}
int64_t ceil_div(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return (a % b != 0 && ((a < 0) == (b < 0))) ? q + 1 : q;
}
int64_t saturate_div(DimOp op, int64_t a, int64_t b) {
  if (a == kUnbounded || a == kMin) return (a > 0) == (b > 0) ? kUnbounded : kMin;
  if (b == kUnbounded || b == kMin) return op == DimOp::CeilDiv && (a > 0) == (b > 0) && a != 0 ? 1 : 0;
  return op == DimOp::FloorDiv ? floor_div(a, b) : ceil_div(a, b);
}

Dim constant(DimOp op, int64_t a, int64_t b, bool& overflow) {
  int64_t out = 0;
  switch (op) {
    case DimOp::Add: overflow |= !add_checked(a, b, out); return out;
    case DimOp::Sub: overflow |= !sub_checked(a, b, out); return out;
    case DimOp::Mul: overflow |= !mul_checked(a, b, out); return out;
    case DimOp::FloorDiv:
    case DimOp::CeilDiv:
    case DimOp::Mod:
      if (b == 0 || (b == -1 && a == std::numeric_limits<int64_t>::min())) {
        overflow = true;
        return 0;
      }
      if (op == DimOp::Mod) return a - floor_div(a, b) * b;
      return op == DimOp::FloorDiv ? floor_div(a, b) : ceil_div(a, b);
    case DimOp::Min: return std::min(a, b);
    case DimOp::Max: return std::max(a, b);
  }
  return 0;
}

}  // namespace

Dim dim_interval(DimOp op, const Dim& a, const Dim& b, bool& overflow) {
  if (a.is_const() && b.is_const()) return constant(op, a.lo, b.lo, overflow);
  switch (op) {
    case DimOp::Add: return {saturate_add(a.lo, b.lo), saturate_add(a.hi, b.hi)};
    case DimOp::Sub: return {saturate_add(a.lo, -b.hi), saturate_add(a.hi, -b.lo)};
    case DimOp::Min: return {std::min(a.lo, b.lo), std::min(a.hi, b.hi)};
    case DimOp::Max: return {std::max(a.lo, b.lo), std::max(a.hi, b.hi)};
    case DimOp::Mul: {
      const int64_t p[4] = {saturate_mul(a.lo, b.lo), saturate_mul(a.lo, b.hi), saturate_mul(a.hi, b.lo),
                            saturate_mul(a.hi, b.hi)};
      return {*std::min_element(p, p + 4), *std::max_element(p, p + 4)};
    }
    case DimOp::FloorDiv:
    case DimOp::CeilDiv: {
      // a divisor interval that touches zero tells only about its non-zero part
      const int64_t b_lo = b.lo == 0 ? 1 : b.lo;
      const int64_t b_hi = b.hi == 0 ? -1 : b.hi;
      if (b_lo > b_hi || (b_lo < 0 && b_hi > 0)) return {kMin, kUnbounded};
      const int64_t q[4] = {saturate_div(op, a.lo, b_lo), saturate_div(op, a.lo, b_hi), saturate_div(op, a.hi, b_lo),
                            saturate_div(op, a.hi, b_hi)};
      return {*std::min_element(q, q + 4), *std::max_element(q, q + 4)};
    }
    case DimOp::Mod: {
      if (b.lo <= 0) return {kMin, kUnbounded};
      return {0, a.lo >= 0 ? std::min(a.hi, b.hi - 1) : b.hi - 1};
    }
  }
  return {kMin, kUnbounded};
}

}  // namespace gf
