#include "ops/cpu/xnnpack/operator.h"

#include "runtime/platform/memory.h"

namespace gf::xnnpack {

Error check_node(const NodeView& node, KernelPlan& plan, uint32_t constants, uint32_t ignored) {
  if (node.exact) return plan.refuse("a train step: XNNPACK flushes denormals and loses NaN");
  if (!node.is_static()) return plan.refuse("XNNPACK serves shapes that never change only");
  const auto check = [&](const TensorInfo& t, bool constant) -> Error {
    if (t.dtype != DType::F32) return plan.refuse("element type is not float32");
    if (t.shape.count() == 0) return plan.refuse("an empty tensor");
    if (constant) return t.is_constant ? Error::Ok : plan.refuse("weights or bias are not constant");
    return t.is_padded ? Error::Ok : plan.refuse("a tensor is not in planned memory (bound by the caller, or a constant)");
  };
  for (size_t k = 0; k < node.inputs.size(); ++k)
    if (node.inputs[k].present && ((ignored >> k) & 1U) == 0) GF_TRY(check(node.inputs[k], ((constants >> k) & 1U) != 0));
  if (node.has_output(1)) return plan.refuse("more than one output");
  return check(node.output(0), false);
}

Error report_failure(InitContext& context, xnn_status status) {
  return GF_FAIL(context.detail, Error::Internal, -1, "XNNPACK (status %d) could not make an operator in %llu planned bytes",
                 static_cast<int>(status), static_cast<unsigned long long>(context.data_bytes));
}

Error run_operator(RunContext& c) {
  const auto& data = *static_cast<const OperatorData*>(c.data);
  if (xnn_run_operator(data.op, pool_of(c.parallel)) == xnn_status_success) return Error::Ok;
  return GF_FAIL(c.detail, Error::Internal, c.node, "xnn_run_operator failed");
}

void destroy_operator(void* data) {
  Memory none{std::span<std::byte>()};
  const Scope scope(none);  // the operator's memory is the session's
  xnn_delete_operator(static_cast<OperatorData*>(data)->op);
}

Zeros::~Zeros() {
  if (!pages_.empty()) release_pages(pages_);
}

const float* Zeros::bytes_of(const TensorInfo& constant) {
  if (constant.constant_data != nullptr) return static_cast<const float*>(constant.constant_data);
  auto pages = allocate_pages(static_cast<uint64_t>(constant.shape.count()) * sizeof(float));
  if (!pages.ok()) return nullptr;
  pages_ = *pages;
  return reinterpret_cast<const float*>(pages_.data());
}

}  // namespace gf::xnnpack
