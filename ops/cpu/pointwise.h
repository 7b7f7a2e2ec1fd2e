// Interpreter of pointwise programs: resolves a program once (init) to steps over tiles in a few slots, then runs them
// tile by tile. Backends give their own functions for the steps through a resolver.
// Thread rule: a resolved program is read-only; every worker has slots of its own on its stack.
#pragma once

#include "ops/cpu/op_util.h"
#include "schema/ops/pointwise.h"

namespace gf::cpu {

/// Most elements of a tile: 2 kB, so that a chain's slots stay in the first-level cache.
inline constexpr int64_t kPointwiseTile = 512;
/// Bytes of attributes one step may have.
inline constexpr size_t kMaxStepAttrs = 32;
/// Intermediate results alive at once (also those that are outputs), inputs not counted.
inline constexpr int kMaxSlots = 8;

struct PointwiseStep;
/// Computes `count` elements; `b` is null for unary steps. `out` may be `a` or `b`.
using StepFn = void (*)(const PointwiseStep& step, const float* a, const float* b, float* out, int64_t count);

struct PointwiseStep {
  StepFn run = nullptr;
  const void* function = nullptr;      ///< the resolver's own use
  float p0 = 0, p1 = 0;                ///< likewise
  int16_t a = 0, b = -1;               ///< place: [0, kMaxInputs) input, from kMaxInputs on slot, -1 none
  int16_t out = 0;                     ///< slot; -1 - k: output k itself
  bool a_is_number = false;            ///< the operand is an input of one element and `run` reads that one only
  bool b_is_number = false;
  alignas(8) unsigned char attrs[kMaxStepAttrs] = {};
};

/// Elements of one type as another's, both in a row.
using ConvertFn = void (*)(const void* in, void* out, int64_t count);

struct PointwiseProgram {
  int steps = 0;
  int outputs = 1;
  int slots = 0;                       ///< in use
  uint32_t numbers = 0;                ///< inputs of one element; the others are runs
  uint32_t spread = 0;                 ///< those of `numbers` that some step reads as a run
  int64_t tile = kPointwiseTile;       ///< elements
  int16_t slot_of_output[op::Pointwise::kMaxOutputs] = {};  ///< copied from at the end of a tile; -1: a step writes it
  ConvertFn widen[op::Pointwise::kMaxInputs] = {};          ///< to f32; null: op_util's load
  ConvertFn narrow[op::Pointwise::kMaxOutputs] = {};        ///< from f32; null: op_util's store
  PointwiseStep step[op::Pointwise::kMaxInstructions];
};

/// Gives `step` its function for `op` (attributes are in step.attrs); false when it has none. a_is_number and b_is_number come
/// as what the operands are (never both); a function for runs clears them.
using ResolveStep = bool (*)(uint16_t op, Isa isa, bool binary, PointwiseStep& step);

/// A backend's functions. `convert` may be null, and may give null: then op_util's load and store do it.
struct PointwiseResolver {
  ResolveStep step;
  ConvertFn (*convert)(Isa isa, DType from, DType to) = nullptr;
};

/// The portable functions: every unary and binary elementwise op on floats.
bool resolve_portable_step(uint16_t op, Isa isa, bool binary, PointwiseStep& step);

/// Decodes the program of `node`. Unsupported (with plan's reason) when an op is no elementwise op on floats, its
/// arity or parameters do not fit, or more than kMaxSlots results live at once.
Error resolve_pointwise(const NodeView& node, const PointwiseResolver& resolve, PointwiseProgram& program, const char*& refused);

/// Whole kernel phases for a resolver.
Error prepare_pointwise(const NodeView& node, KernelPlan& plan, const PointwiseResolver& resolve);
Error init_pointwise(const NodeView& node, InitContext& context, const PointwiseResolver& resolve);
Error run_pointwise(RunContext& context);

}  // namespace gf::cpu
