// bit_shift: x shifted by y bits with NumPy broadcasting; right shifts of signed values copy the sign. A shift count that
// is negative or not below the width shifts everything out (ONNX BitShift-28).
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct BitShift : BinaryOp<BitShift> {
  static constexpr OpInfo info{
      .id = 71, .name = "bit_shift", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise};
  static constexpr DTypeSet kTypes = kInts;
  enum class Direction : uint8_t { Left = 0, Right = 1 };  ///< stands in files: never renumber
  struct Attrs {
    Direction direction = Direction::Left;  ///< which way
  };
  static constexpr AttrField fields[] = {field<&Attrs::direction>(1, "direction", 0, 1)};
  template <class T>
  static T apply(T x, T y, const Attrs& a) {
    const bool all_out = y < T(0) || y >= T(64);
    if (a.direction == Direction::Left) return all_out ? T(0) : static_cast<T>(static_cast<uint64_t>(x) << y);
    return all_out ? (x < T(0) ? static_cast<T>(-1) : T(0)) : static_cast<T>(x >> y);
  }
  static constexpr NoGradient grad{"integer operation"};
};

}  // namespace gf::op
