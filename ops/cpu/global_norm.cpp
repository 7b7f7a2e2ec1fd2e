// global_norm: squares summed in f64 over fixed chunks, whose sums are added in order: the same for every number of threads.
#include "schema/ops/global_norm.h"

#include <algorithm>
#include <cmath>

#include "ops/cpu/op_util.h"

namespace gf::cpu {
namespace {

constexpr int64_t kChunk = 8192;
constexpr int kLanes = 8;       // sums side by side, so that a compiler may use vectors
constexpr int64_t kTile = 256;  // elements converted at once

int64_t chunks_of(int64_t count) { return (count + kChunk - 1) / kChunk; }

Error prepare(const NodeView& node, KernelPlan& plan) {
  int64_t chunks = 0;  // of the largest input: they come one after the other
  for (const TensorInfo& x : node.inputs) chunks = std::max(chunks, chunks_of(x.shape.count()));
  plan.scratch_bytes = sizeof(double) * static_cast<uint64_t>(chunks);
  return Error::Ok;
}

template <class T>
void add_squares(const T* x, int64_t count, double (&sums)[kLanes]) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int k = 0; k < kLanes; ++k) {
      const auto v = static_cast<double>(x[i + k]);
      sums[k] += v * v;
    }
  for (; i < count; ++i) {
    const auto v = static_cast<double>(x[i]);
    sums[i % kLanes] += v * v;
  }
}

double square_sum(const TensorView& x, int64_t begin, int64_t end) {
  double sums[kLanes] = {};
  if (x.dtype == DType::F32) {
    add_squares(x.as<const float>() + begin, end - begin, sums);
  } else if (x.dtype == DType::F64) {
    add_squares(x.as<const double>() + begin, end - begin, sums);
  } else {
    float tile[kTile];
    for (int64_t at = begin; at < end; at += kTile) {
      const int64_t count = end - at < kTile ? end - at : kTile;
      load(x, at, count, tile);
      add_squares(tile, count, sums);
    }
  }
  double sum = 0;
  for (const double s : sums) sum += s;
  return sum;
}

Error run(RunContext& c) {
  const auto& attrs = c.attributes<op::GlobalNorm::Attrs>();
  auto* const sums = static_cast<double*>(c.scratch);
  double total = 0;
  for (int i = 0; i < c.input_count; ++i) {
    const TensorView& x = c.input(i);
    const int64_t count = x.count();
    c.parallel.chunks(count, kChunk, [&](int64_t begin, int64_t end, int) { sums[begin / kChunk] = square_sum(x, begin, end); });
    double sum = 0;
    for (int64_t k = 0; k < chunks_of(count); ++k) sum += sums[k];
    if (attrs.finite && !std::isfinite(sum))
      return GF_FAIL(c.detail, Error::NonFinite, c.node, "input %d has elements that are NaN or infinite", i);
    if (i >= attrs.watched) total += sum;
  }
  store_one(c.output(0), 0, std::sqrt(total));
  return Error::Ok;
}

}  // namespace

extern const Kernel global_norm_kernel;
const Kernel global_norm_kernel{.op = op::GlobalNorm::info.id, .name = "global_norm_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
