// Pointwise chains on the vector functions: the interpreter of ops/cpu/pointwise.h with vector steps; ops without a vector
// form take the portable step.
#include "ops/cpu/pointwise.h"

#include "ops/cpu/simd/elementwise_kernels.h"
#include "ops/cpu/simd/table.h"

namespace gf::simd {
namespace {

void run_unary_step(const cpu::PointwiseStep& step, const float* a, const float*, float* out, int64_t count) {
  reinterpret_cast<UnaryF32>(const_cast<void*>(step.function))(a, out, count, step.p0, step.p1);
}

void run_binary_step(const cpu::PointwiseStep& step, const float* a, const float* b, float* out, int64_t count) {
  reinterpret_cast<Binary>(const_cast<void*>(step.function))(a, b, out, count);
}

bool resolve(uint16_t op, Isa isa, bool binary, cpu::PointwiseStep& step) {
  BinaryKind kind{};
  if (binary && find_binary(op, step.attrs, kind)) {
    const Operands form = step.a_is_number ? Operands::ScalarVector : step.b_is_number ? Operands::VectorScalar : Operands::VectorVector;
    step.function = reinterpret_cast<const void*>(binary_f32(isa, kind, form));
    step.run = run_binary_step;
    return true;
  }
  if (!binary) {
    const BoundUnary bound = bind_unary(isa, op, step.attrs);
    if (bound.function != nullptr) {
      step.function = reinterpret_cast<const void*>(bound.function);
      step.p0 = bound.p0;
      step.p1 = bound.p1;
      step.run = run_unary_step;
      return true;
    }
  }
  return cpu::resolve_portable_step(op, isa, binary, step);
}

constexpr cpu::PointwiseResolver kResolver{resolve, cast_run};

}  // namespace

const Kernel pointwise_kernel{
    .op = op::Pointwise::info.id,
    .name = "pointwise_simd",
    .rank = 20,
    .prepare = [](const NodeView& n, KernelPlan& p) { return cpu::prepare_pointwise(n, p, kResolver); },
    .init = [](const NodeView& n, InitContext& c) { return cpu::init_pointwise(n, c, kResolver); },
    .run = cpu::run_pointwise};

}  // namespace gf::simd
