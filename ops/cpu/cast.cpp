// Conversion between element types: elements go through the one compute type that holds the source exactly (f32 for
// the small floats, f64, i64, u64), so every result is rounded once. The rules stand in schema/ops/cast.h.
#include "ops/cpu/op_util.h"
#include "ops/cpu/small_float.h"
#include "schema/ops/cast.h"

namespace gf::cpu {
namespace {

constexpr int64_t kTile = 256;
using Attrs = op::Cast::Attrs;

// E8M0 keeps a power of two; ONNX names three roundings of what lies between.
unsigned to_e8m0(float f, const Attrs& a) {
  const uint32_t magnitude = bit_cast<uint32_t>(f) & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return 0xff;
  if (magnitude == 0) return a.saturate ? 0 : 0xff;
  const uint32_t exponent = magnitude >> 23;
  const uint32_t mantissa = magnitude & 0x7fffffU;
  if (exponent == 0) return mantissa > 0x400000U && a.round_mode != op::Cast::RoundMode::Down ? 1 : 0;
  bool up = false;
  if (a.round_mode == op::Cast::RoundMode::Up) up = mantissa != 0;
  else if (a.round_mode == op::Cast::RoundMode::Nearest) up = mantissa >= 0x400000U;
  const uint32_t e = exponent + (up ? 1U : 0U);
  return e >= 255 ? (a.saturate ? 0xfeU : 0xffU) : e;
}

// f64 holds what the small floats hold; the rounding to f32 on the way shows the next one what was cut off.
void store_float8(const Attrs& a, const TensorView& y, int64_t first, int64_t count, const double* source) {
  auto* d = y.as<uint8_t>() + first;
  for (int64_t k = 0; k < count; ++k) {
    const float f = round_to_odd(source[k]);
    d[k] = static_cast<uint8_t>(a.to == DType::F8E8M0 ? to_e8m0(f, a) : f32_to_small_float(a.to, f, a.saturate));
  }
}

Error run(RunContext& context) {
  const TensorView& x = context.input(0);
  const TensorView& y = context.output(0);
  const Attrs& a = context.attributes<Attrs>();
  const ComputeType compute = compute_type(x.dtype);
  // Chunks begin at multiples of kGrain, so no two share a byte of a sub-byte type.
  context.parallel.chunks(x.count(), kGrain, [&](int64_t begin, int64_t end, int) {
    alignas(8) unsigned char tile[kTile * 8];
    double wide[kTile];
    for (int64_t at = begin; at < end; at += kTile) {
      const int64_t count = end - at < kTile ? end - at : kTile;
      if (dtype_is_float8(y.dtype)) {
        load(x, at, count, wide);
        store_float8(a, y, at, count, wide);
      } else {
        load_as(compute, x, at, 1, count, tile);
        store_as(compute, y, at, count, tile);
      }
    }
  });
  return Error::Ok;
}

Error prepare(const NodeView& node, KernelPlan& plan) {
  if (dtype_bits(node.input(0).dtype) == dtype_bits(node.output(0).dtype)) plan.inplace_inputs = 1;
  return Error::Ok;
}

}  // namespace

extern const Kernel cast_kernel;
const Kernel cast_kernel{.op = op::Cast::info.id, .name = "cast_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
