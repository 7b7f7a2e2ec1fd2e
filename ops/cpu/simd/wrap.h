// What the kernels that wrap the vector functions of this folder share: the epilogue of a node, keys of packed weights,
// and a few checks. Plain functions, any thread.
#pragma once

#include <new>

#include "ops/cpu/built_activations.h"
#include "ops/cpu/op_util.h"
#include "ops/cpu/simd/gemm.h"
#include "ops/cpu/simd/table.h"
#include "schema/epilogue.h"

namespace gf::simd {

static_assert(static_cast<int>(Activation::Elu) == static_cast<int>(gf::Activation::Elu) &&
                  static_cast<int>(Activation::Gelu) == static_cast<int>(gf::Activation::Gelu) &&
                  static_cast<int>(Activation::Clamp) == static_cast<int>(gf::Activation::Clamp),
              "the two enums are one");

template <class Attrs>
ActivationSpec activation_of(const Attrs& a) {
  return {static_cast<Activation>(a.activation), a.activation_a, a.activation_b};
}

using cpu::prepare_epilogue;

/// Key of packed weights: a hash of everything the bytes depend on besides the constant. Never 0.
class PackKey {
 public:
  explicit PackKey(uint16_t op, Isa isa) { add(op).add(static_cast<int64_t>(isa)); }
  PackKey& add(int64_t value) {
    for (int k = 0; k < 8; ++k) {  // FNV-1a
      hash_ ^= (static_cast<uint64_t>(value) >> (8 * k)) & 0xFFU;
      hash_ *= 0x100000001b3U;
    }
    return *this;
  }
  uint64_t value() const { return hash_ != 0 ? hash_ : 1; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325U;
};

/// Every present float input and output is f32.
inline bool all_f32(const NodeView& node) {
  for (const TensorInfo& t : node.inputs)
    if (t.present && dtype_is_float(t.dtype) && t.dtype != DType::F32) return false;
  for (const TensorInfo& t : node.outputs)
    if (t.present && dtype_is_float(t.dtype) && t.dtype != DType::F32) return false;
  return !node.inputs.empty() && node.input(0).dtype == DType::F32;
}

/// Refusal of kernels that compute from operands as they are.
inline constexpr const char* kOperandsRounded = "its operands are rounded to bfloat16";

inline const float* optional_f32(const RunContext& c, int i) {
  return c.has_input(i) ? c.input(i).as<const float>() : nullptr;
}

/// Bytes of per-node data for a T made by init.
template <class T>
T& make_data(InitContext& context) {
  static_assert(std::is_trivially_destructible_v<T>);
  return *new (context.data) T{};
}

}  // namespace gf::simd
