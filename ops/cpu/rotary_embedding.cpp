// rotary_embedding: (a, b) -> (a cos - b sin, a sin + b cos) for pairs of the last axis, computed in float (f64:
// double).
#include "schema/ops/rotary_embedding.h"

#include "ops/cpu/movement.h"

namespace gf::cpu {
namespace {

constexpr int64_t kPiece = 64;

struct Tables {
  const TensorView* cos;
  const TensorView* sin;
  int64_t half;
};

// One row of `dim` elements from element `at` of x to y, with row `angle` of the tables.
template <class C, class Round>
void rotate(Round round, const TensorView& x, TensorView& y, int64_t at, const Tables& tables, int64_t angle, bool interleaved) {
  C c[kPiece], s[kPiece], a[kPiece], b[kPiece], out[2 * kPiece];
  for (int64_t from = 0; from < tables.half; from += kPiece) {
    const int64_t count = tables.half - from < kPiece ? tables.half - from : kPiece;
    load(*tables.cos, angle * tables.half + from, count, c);
    load(*tables.sin, angle * tables.half + from, count, s);
    const int64_t stride = interleaved ? 2 : 1;
    const int64_t first = at + from * stride, second = interleaved ? first + 1 : first + tables.half;
    load(x, first, stride, count, a);
    load(x, second, stride, count, b);
    for (int64_t k = 0; k < count; ++k) {
      out[interleaved ? 2 * k : k] = round(round(a[k] * c[k]) - round(b[k] * s[k]));
      out[interleaved ? 2 * k + 1 : kPiece + k] = round(round(a[k] * s[k]) + round(b[k] * c[k]));
    }
    store(y, first, interleaved ? 2 * count : count, out);
    if (!interleaved) store(y, second, count, out + kPiece);
  }
}

template <class C, class Round>
Error rotate_all(RunContext& c, Round round) {
  const auto& attrs = c.attributes<op::RotaryEmbedding::Attrs>();
  const TensorView &x = c.input(0), &cos = c.input(1), &sin = c.input(2);
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  const bool heads_first = attrs.layout == AttentionLayout::HeadsFirst;
  const int64_t heads = x.shape[heads_first ? 1 : 2], length = x.shape[heads_first ? 2 : 1], dim = x.shape[3];
  const Tables tables{&cos, &sin, cos.shape[cos.shape.rank - 1]};
  const TensorView* ids = c.has_input(3) ? &c.input(3) : nullptr;
  if (ids != nullptr) GF_TRY(check_indices(c, *ids, 0, cos.shape[0]));
  c.parallel.chunks(x.shape[0] * heads * length, row_grain(dim), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t batch = r / (heads * length), row = heads_first ? r % length : r / heads % length;
      int64_t angle = batch * length + row;
      if (ids != nullptr) angle = wrap_index(index_at(*ids, ids->shape[0] == 1 ? row : angle), cos.shape[0]);
      rotate<C>(round, x, y, r * dim, tables, angle, attrs.interleaved);
      const int64_t rest = r * dim + 2 * tables.half;
      copy_elements(x, rest, y, rest, dim - 2 * tables.half);
    }
  });
  return Error::Ok;
}

Error run(RunContext& c) {
  return dispatch_rounded(c.output(0).dtype, [&]<class C>(auto round) { return rotate_all<C>(c, round); });
}

}  // namespace

extern const Kernel rotary_embedding_kernel;
const Kernel rotary_embedding_kernel{.op = op::RotaryEmbedding::info.id,
                                     .name = "rotary_embedding_portable",
                                     .rank = 1,
                                     .prepare = prepare_any,
                                     .run = run};

}  // namespace gf::cpu
