// Random numbers from Philox (schema/random.h): every element follows from seed, draw number and its own position, so
// results do not depend on threads or on the order of work.
#include <cmath>

#include "ops/cpu/movement.h"
#include "schema/ops/bernoulli.h"
#include "schema/ops/dropout.h"
#include "schema/ops/multinomial.h"
#include "schema/ops/random_normal.h"
#include "schema/ops/random_uniform.h"
#include "schema/random.h"

namespace gf::cpu {
namespace {

// Blocks of four words; a task handles whole blocks.
constexpr int64_t kBlocksPerTask = 2048;

struct Stream {
  uint64_t seed = 0;
  uint64_t draw = 0;
  PhiloxBlock block(int64_t index) const { return philox4x32(static_cast<uint64_t>(index), draw, seed); }
};

Stream stream_of(const RunContext& context, int64_t seed) {
  Stream s;
  s.seed = static_cast<uint64_t>(seed);
  if (context.has_input(1) && context.input(1).count() > 0) s.draw = static_cast<uint64_t>(load_one<int64_t>(context.input(1), 0));
  return s;
}

// f(block index, words) for all blocks that `count` elements of `per_block` a block need.
template <class F>
void for_blocks(const RunContext& context, const Stream& stream, int64_t count, int64_t per_block, F&& f) {
  const int64_t blocks = (count + per_block - 1) / per_block;
  context.parallel.chunks(blocks, kBlocksPerTask, [&](int64_t begin, int64_t end, int) {
    for (int64_t b = begin; b < end; ++b) f(b * per_block, stream.block(b));
  });
}

int64_t clip_count(int64_t first, int64_t wanted, int64_t count) { return count - first < wanted ? count - first : wanted; }

// Numbers from one block: f64 takes two words an element, the others one. Returns how many.
template <class C, class Round>
int64_t uniform_values(Round round, bool wide, const PhiloxBlock& words, C low, C high, C* out) {
  const C range = round(high - low);
  const size_t count = wide ? 2 : 4;
  for (size_t k = 0; k < count; ++k) {
    const C u = wide ? static_cast<C>(uniform_f64(words[2 * k], words[2 * k + 1])) : static_cast<C>(uniform_f32(words[k]));
    const C v = round(low + round(range * u));
    out[k] = wide || v < high || !(low < high) ? v : low;  // rounding must not reach the open end
  }
  return static_cast<int64_t>(count);
}
// Box-Muller: two uniforms (the first in (0, 1]) give two normals.
template <class C, class Round>
int64_t normal_values(Round round, bool wide, const PhiloxBlock& words, C mean, C scale, C* out) {
  for (size_t k = 0; k < (wide ? 2 : 4); k += 2) {
    const double first = wide ? uniform_f64(words[0], words[1]) : static_cast<double>(uniform_f32(words[k]));
    const double second = wide ? uniform_f64(words[2], words[3]) : static_cast<double>(uniform_f32(words[k + 1]));
    const double radius = std::sqrt(-2.0 * std::log(1.0 - first)), angle = 6.283185307179586477 * second;
    out[k] = round(mean + round(scale * round(static_cast<C>(radius * std::cos(angle)))));
    out[k + 1] = round(mean + round(scale * round(static_cast<C>(radius * std::sin(angle)))));
  }
  return wide ? 2 : 4;
}

Error fill(RunContext& context, DType type, bool normal, int64_t seed, float first, float second) {
  const TensorView& y = context.output(0);
  const int64_t count = y.count();
  const bool wide = type == DType::F64;
  return dispatch_rounded(type, [&]<class C>(auto round) {
    const C a = static_cast<C>(first), b = static_cast<C>(second);
    for_blocks(context, stream_of(context, seed), count, wide ? 2 : 4, [&](int64_t at, const PhiloxBlock& words) {
      C values[4];
      const int64_t n = normal ? normal_values(round, wide, words, a, b, values) : uniform_values(round, wide, words, a, b, values);
      store(y, at, clip_count(at, n, count), values);
    });
    return Error::Ok;
  });
}

Error run_uniform(RunContext& context) {
  const auto& a = context.attributes<op::RandomUniform::Attrs>();
  return fill(context, a.dtype, false, a.seed, a.low, a.high);
}

Error run_normal(RunContext& context) {
  const auto& a = context.attributes<op::RandomNormal::Attrs>();
  return fill(context, a.dtype, true, a.seed, a.mean, a.scale);
}

Error run_bernoulli(RunContext& context) {
  const TensorView& p = context.input(0);
  const TensorView& y = context.output(0);
  const int64_t count = y.count();
  const Stream stream = stream_of(context, context.attributes<op::Bernoulli::Attrs>().seed);
  for_blocks(context, stream, count, 4, [&](int64_t at, const PhiloxBlock& words) {
    double probability[4];
    uint64_t drawn[4];
    const int64_t n = clip_count(at, 4, count);
    load(p, at, n, probability);
    for (size_t k = 0; k < static_cast<size_t>(n); ++k)
      drawn[k] = static_cast<double>(uniform_f32(words[k])) < probability[k] ? 1 : 0;
    store(y, at, n, drawn);
  });
  return Error::Ok;
}

// Inverse of the cumulative distribution: first class whose cumulated weight exceeds u * total.
Error run_multinomial(RunContext& context) {
  const TensorView& x = context.input(0);
  const TensorView& y = context.output(0);
  const auto& a = context.attributes<op::Multinomial::Attrs>();
  const int64_t classes = x.shape[1];
  const Stream stream = stream_of(context, a.seed);
  if (classes == 0) return GF_FAIL(context.detail, Error::BadData, context.node, "there are no classes to draw from");
  context.parallel(x.shape[0], [&](int64_t row, int) {
    const auto value = [&](int64_t k) { return load_one<double>(x, row * classes + k); };
    double peak = -std::numeric_limits<double>::infinity();
    for (int64_t k = 0; k < classes; ++k)
      if (const double v = value(k); v > peak) peak = v;
    double total = 0;
    const auto weight = [&](int64_t k) {
      const double v = value(k);
      return v == peak ? 1.0 : std::exp(v - peak);
    };
    for (int64_t k = 0; k < classes; ++k) total += weight(k);
    for (int64_t s = 0; s < a.sample_size; ++s) {
      const PhiloxBlock words = stream.block(row * a.sample_size + s);
      const double target = uniform_f64(words[0], words[1]) * total;
      double sum = 0;
      int64_t chosen = classes - 1;
      for (int64_t k = 0; k < classes; ++k) {
        sum += weight(k);
        if (target < sum) {
          chosen = k;
          break;
        }
      }
      store_one(y, row * a.sample_size + s, chosen);
    }
  });
  return Error::Ok;
}

Error run_dropout(RunContext& context) {
  const TensorView& x = context.input(0);
  const TensorView& y = context.output(0);
  const auto& a = context.attributes<op::Dropout::Attrs>();
  uint8_t* mask = context.has_output(1) ? context.output(1).as<uint8_t>() : nullptr;
  const int64_t count = x.count();
  if (!a.training || a.ratio == 0.0f) {
    copy_dense(context.parallel, x, y);
    if (mask != nullptr && count > 0) std::memset(mask, 1, static_cast<size_t>(count));
    return Error::Ok;
  }
  const double scale = 1.0 / (1.0 - static_cast<double>(a.ratio));
  for_blocks(context, stream_of(context, a.seed), count, 4, [&](int64_t at, const PhiloxBlock& words) {
    double v[4];
    const int64_t n = clip_count(at, 4, count);
    load(x, at, n, v);
    for (size_t k = 0; k < static_cast<size_t>(n); ++k) {
      const bool keep = uniform_f32(words[k]) >= a.ratio;
      v[k] = keep ? v[k] * scale : 0.0;
      if (mask != nullptr) mask[static_cast<size_t>(at) + k] = keep ? 1 : 0;
    }
    store(y, at, n, v);
  });
  return Error::Ok;
}

Error prepare_dropout(const NodeView&, KernelPlan& plan) {
  plan.inplace_inputs = 1;
  return Error::Ok;
}

}  // namespace

extern const Kernel random_uniform_kernel;
extern const Kernel random_normal_kernel;
extern const Kernel bernoulli_kernel;
extern const Kernel multinomial_kernel;
extern const Kernel dropout_kernel;
const Kernel random_uniform_kernel{.op = op::RandomUniform::info.id, .name = "random_uniform_portable", .rank = 1,
                                   .prepare = prepare_any, .run = run_uniform};
const Kernel random_normal_kernel{.op = op::RandomNormal::info.id, .name = "random_normal_portable", .rank = 1,
                                  .prepare = prepare_any, .run = run_normal};
const Kernel bernoulli_kernel{.op = op::Bernoulli::info.id, .name = "bernoulli_portable", .rank = 1,
                              .prepare = prepare_any, .run = run_bernoulli};
const Kernel multinomial_kernel{.op = op::Multinomial::info.id, .name = "multinomial_portable", .rank = 1,
                                .prepare = prepare_any, .run = run_multinomial};
const Kernel dropout_kernel{.op = op::Dropout::info.id, .name = "dropout_portable", .rank = 1,
                            .prepare = prepare_dropout, .run = run_dropout};

}  // namespace gf::cpu
