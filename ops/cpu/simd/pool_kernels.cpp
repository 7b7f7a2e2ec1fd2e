// max_pool with its gradient, average_pool and lp_pool in f32 on the vector functions, one or two spatial axes.
#include "ops/cpu/simd/pool.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/average_pool.h"
#include "schema/ops/lp_pool.h"
#include "schema/ops/max_pool.h"
#include "schema/ops/max_pool_grad.h"

namespace gf::simd {
namespace {

Error prepare_pool(const NodeView& node, KernelPlan& plan) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  if (node.input(0).shape.rank > 4) return plan.refuse("more than two spatial axes");
  plan.data_bytes = sizeof(Isa);
  return Error::Ok;
}

Error init_pool(const NodeView& node, InitContext& context) {
  make_data<Isa>(context) = node.isa;
  return Error::Ok;
}

/// Sizes of a pool that reads x and gives y.
template <class Attrs>
PoolArgs args_of(const Attrs& attrs, const TensorView& image, const Shape& y) {
  const Shape& x = image.shape;
  Window rows, cols;  // one spatial axis: it is the width
  const int last = x.rank - 3;
  const auto kernel = [&](int d) { return attrs.kernel[static_cast<size_t>(d)]; };
  cols = window_of(attrs.window(), last, x[last + 1], y[last + 1], kernel(last));
  if (last == 1) rows = window_of(attrs.window(), 0, x[1], y[1], kernel(0));
  PoolArgs a;
  a.in = image.as<const float>();
  a.batch = x[0];
  a.channels = x[x.rank - 1];
  a.in_h = rows.in;
  a.in_w = cols.in;
  a.out_h = rows.out;
  a.out_w = cols.out;
  a.kernel_h = rows.kernel;
  a.kernel_w = cols.kernel;
  a.stride_h = rows.stride;
  a.stride_w = cols.stride;
  a.dilation_h = rows.dilation;
  a.dilation_w = cols.dilation;
  a.pad_top = rows.pad_begin;
  a.pad_bottom = rows.pad_end;
  a.pad_left = cols.pad_begin;
  a.pad_right = cols.pad_end;
  return a;
}

template <class Attrs>
Error run_pool(RunContext& c, PoolKind kind) {
  const auto& attrs = c.attributes<Attrs>();
  if (c.output(0).count() == 0) return Error::Ok;
  PoolArgs a = args_of(attrs, c.input(0), c.output(0).shape);
  a.out = c.output(0).as<float>();
  if constexpr (requires { attrs.column_major; }) {
    a.indices = c.has_output(1) ? c.output(1).template as<int64_t>() : nullptr;
    a.column_major_index = attrs.column_major;
  }
  if constexpr (requires { attrs.count_include_pad; }) a.count_include_pad = attrs.count_include_pad;
  if constexpr (requires { attrs.p; }) a.p = static_cast<int>(attrs.p);
  pool_f32(*static_cast<const Isa*>(c.data), kind, a, c.parallel);
  return Error::Ok;
}

Error run_max_grad(RunContext& c) {
  if (c.output(0).count() == 0) return Error::Ok;
  const PoolArgs a = args_of(c.attributes<op::MaxPoolGrad::Attrs>(), c.input(0), c.input(1).shape);
  max_pool_grad_f32(*static_cast<const Isa*>(c.data), a, c.input(1).as<const float>(), c.output(0).as<float>(), c.parallel);
  return Error::Ok;
}

Error run_max(RunContext& c) { return run_pool<op::MaxPool::Attrs>(c, PoolKind::Max); }
Error run_average(RunContext& c) { return run_pool<op::AveragePool::Attrs>(c, PoolKind::Average); }
Error run_lp(RunContext& c) { return run_pool<op::LpPool::Attrs>(c, PoolKind::Lp); }

}  // namespace

const Kernel max_pool_kernel{.op = op::MaxPool::info.id,
                             .name = "max_pool_f32_simd",
                             .rank = 20,
                             .prepare = prepare_pool,
                             .init = init_pool,
                             .run = run_max};
const Kernel max_pool_grad_kernel{.op = op::MaxPoolGrad::info.id,
                                  .name = "max_pool_grad_f32_simd",
                                  .rank = 20,
                                  .prepare = prepare_pool,
                                  .init = init_pool,
                                  .run = run_max_grad};
const Kernel average_pool_kernel{.op = op::AveragePool::info.id,
                                 .name = "average_pool_f32_simd",
                                 .rank = 20,
                                 .prepare = prepare_pool,
                                 .init = init_pool,
                                 .run = run_average};
const Kernel lp_pool_kernel{.op = op::LpPool::info.id,
                            .name = "lp_pool_f32_simd",
                            .rank = 20,
                            .prepare = prepare_pool,
                            .init = init_pool,
                            .run = run_lp};

}  // namespace gf::simd
