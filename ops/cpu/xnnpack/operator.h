// How an XNNPACK operator becomes a kernel. A Spec says what the operator of one node is:
//   static Error parse(const NodeView&, KernelPlan&, Spec&)            accept or refuse
//   xnn_status create(const Constants&, xnn_operator_t*) const
//   xnn_status setup(xnn_operator_t, const Addresses&, pthreadpool_t) const
//   void constants(const NodeView&, InitContext&, Constants&) const    (with weights) the constants in XNNPACK's layout
//   void shrink()                                                      (with weights) one input channel per group
// Create and setup happen in init, where planned memory has its final addresses; run only calls xnn_run_operator.
#pragma once

#include <xnnpack.h>

#include <limits>
#include <new>

#include "ops/cpu/xnnpack/memory.h"
#include "ops/cpu/xnnpack/pthreadpool_adapter.h"
#include "ops/cpu/xnnpack/table.h"
#include "runtime/core/checked.h"

namespace gf::xnnpack {

static_assert(XNN_EXTRA_BYTES <= kTailBytes, "XNNPACK reads past buffers no further than planned memory allows");

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// Below every vector kernel of ours (20 and up), above the reference kernels (0 to 9); a table that is preferred stands above all.
inline constexpr uint16_t kRank = 15;

struct Constants {
  const float* weights = nullptr;
  const float* bias = nullptr;
};

struct Addresses {
  const float* in[2] = {};
  float* out = nullptr;
};

/// At the start of a node's kernel data; the operator's memory follows at kOperatorOffset.
struct OperatorData {
  xnn_operator_t op = nullptr;
  uint64_t asked = 0;  ///< bytes that XNNPACK asked for: what the plan is held against
};
inline constexpr uint64_t kOperatorOffset = kAlignment;
static_assert(sizeof(OperatorData) <= kOperatorOffset);

/// Refuses what no operator here may take: exact nodes, varying or empty shapes, other types than f32, memory that is not
/// planned. Inputs of `constants` (bit k) must be constant instead; those of `ignored` are not looked at.
Error check_node(const NodeView& node, KernelPlan& plan, uint32_t constants = 0, uint32_t ignored = 0);
/// The error of an operator that could not be made although prepare took it.
Error report_failure(InitContext& context, xnn_status status);
Error run_operator(RunContext& context);
void destroy_operator(void* data);

/// Zeros to read from while bytes are counted and the constant's own bytes are not at hand (a splat).
class Zeros {
 public:
  Zeros() = default;
  ~Zeros();
  Zeros(const Zeros&) = delete;
  Zeros& operator=(const Zeros&) = delete;
  /// The bytes of a constant input, or as many zeros; nullptr when there is no memory for them.
  const float* bytes_of(const TensorInfo& constant);

 private:
  std::span<std::byte> pages_;
};

/// What creating and setting up the operator asks of `memory`. Addresses are never read.
template <class Spec>
bool count_operator(const Spec& spec, const Constants& constants, Memory& memory) {
  alignas(kAlignment) static float nowhere[16];
  const Scope scope(memory);
  xnn_operator_t op = nullptr;
  if (spec.create(constants, &op) != xnn_status_success) return false;
  const xnn_status status = spec.setup(op, {{nowhere, nowhere}, nowhere}, nullptr);
  xnn_delete_operator(op);
  return status == xnn_status_success;
}

/// The same for weights too large to pack just for counting: their memory is refused and counted, the rest is that of an
/// operator with one input channel. Above the truth by less than the bytes of two such channels' zeros.
template <class Spec>
bool count_weighted(Spec spec, const Constants& constants, uint64_t channels, uint64_t& bytes) {
  constexpr uint64_t kSmall = 64 << 10;
  uint64_t packed = 0, rest = 0;
  int index = 0;
  {
    Memory memory(kSmall);
    const bool done = count_operator(spec, constants, memory);
    bytes = memory.used();
    if (!memory.refused()) return done;
    index = memory.pieces() - 1;
    packed = memory.bytes(index);
  }
  spec.shrink();
  Memory memory(Memory::kNoLimit);
  if (!count_operator(spec, constants, memory) || index >= memory.pieces()) return false;
  for (int k = 0; k < memory.pieces(); ++k)
    if (k != index) rest += (memory.bytes(k) + kAlignment - 1) / kAlignment * kAlignment;
  if (memory.pieces() > index + 1) rest += channels * sizeof(float);  // the zeros that stand for padding
  return align_checked(packed, kAlignment, packed) && align_checked(rest, kAlignment, rest) &&
         add_checked(packed, rest, bytes);
}

template <class Spec>
Error prepare_operator(const NodeView& node, KernelPlan& plan) {
  Spec spec;
  GF_TRY(Spec::parse(node, plan, spec));
  if (const char* reason = unavailable(); reason != nullptr) return plan.refuse(reason);
  uint64_t bytes = 0;
  bool counted = false;
  if constexpr (requires { spec.shrink(); }) {
    Zeros zeros;
    Constants constants;
    constants.weights = zeros.bytes_of(node.input(1));
    counted = constants.weights != nullptr && count_weighted(spec, constants, spec.channels(), bytes);
  } else {
    Memory memory(Memory::kNoLimit);
    counted = count_operator(spec, Constants(), memory);
    bytes = memory.used();
  }
  if (!counted) return plan.refuse("XNNPACK does not take these sizes");
  plan.data_bytes = kOperatorOffset + bytes;
  return Error::Ok;
}

template <class Spec>
Error init_operator(const NodeView& node, InitContext& context) {
  KernelPlan plan;
  Spec spec;
  GF_TRY(Spec::parse(node, plan, spec));
  Constants constants;
  if constexpr (requires { spec.shrink(); }) spec.constants(node, context, constants);
  Addresses at;
  for (size_t k = 0; k < node.inputs.size() && k < 2; ++k)
    if (node.inputs[k].present) at.in[k] = context.inputs[k]->as<const float>();
  at.out = context.outputs[0]->as<float>();
  Memory memory({static_cast<std::byte*>(context.data) + kOperatorOffset,
                 static_cast<size_t>(context.data_bytes - kOperatorOffset)});
  auto& data = *new (context.data) OperatorData();
  const Scope scope(memory);
  xnn_status status = spec.create(constants, &data.op);
  if (status == xnn_status_success) status = spec.setup(data.op, at, pool_of(context.parallel));
  data.asked = memory.asked();
  return status == xnn_status_success ? Error::Ok : report_failure(context, status);
}

/// The row of a kernel table.
template <class Spec>
constexpr Kernel operator_kernel(uint16_t op, const char* name) {
  return {.op = op,
          .name = name,
          .rank = kRank,
          .prepare = prepare_operator<Spec>,
          .init = init_operator<Spec>,
          .run = run_operator,
          .destroy = destroy_operator};
}

}  // namespace gf::xnnpack
