// pad: y[i] = x[source(i - before)] per axis; a negative pad first removes elements, then the rest is padded. Trailing
// axes without padding move as one block.
#include "schema/ops/pad.h"

#include "ops/cpu/movement.h"

namespace gf::cpu {
namespace {

struct PadAxis {
  int64_t start = 0;   // first source element kept
  int64_t length = 0;  // source elements kept
  int64_t before = 0;  // padded elements in front
};

// Position in [0, length) that padded position `i` (relative to the kept part) shows, or -1 for the constant.
int64_t source_of(PadMode mode, int64_t i, int64_t length) {
  if (i >= 0 && i < length) return i;
  switch (mode) {
    case PadMode::Constant: return -1;
    case PadMode::Edge: return i < 0 ? 0 : length - 1;
    case PadMode::Wrap: {
      const int64_t r = i % length;
      return r < 0 ? r + length : r;
    }
    case PadMode::Reflect: {
      if (length == 1) return 0;
      const int64_t period = 2 * (length - 1);
      int64_t r = i % period;
      if (r < 0) r += period;
      return r < length ? r : period - r;
    }
  }
  return -1;
}

// Fills `plan` from pads and axes; false when they do not fit the planned output.
bool read_pads(const RunContext& c, PadAxis* plan) {
  const Shape &in = c.input(0).shape, &out = c.output(0).shape;
  for (int d = 0; d < in.rank; ++d) plan[d] = {0, in[d], 0};
  const int64_t n = c.has_input(3) ? c.input(3).count() : in.rank;
  if (c.input(1).count() != 2 * n) return false;
  for (int64_t k = 0; k < n; ++k) {
    const int64_t axis = c.has_input(3) ? wrap_index(index_at(c.input(3), k), in.rank) : k;
    if (axis < 0) return false;
    PadAxis& p = plan[axis];
    const int64_t before = index_at(c.input(1), k), after = index_at(c.input(1), k + n);
    p.start = before < 0 ? -before : 0;
    p.length = in[static_cast<int>(axis)] - p.start - (after < 0 ? -after : 0);
    p.before = before > 0 ? before : 0;
    if (p.start + p.length > in[static_cast<int>(axis)]) return false;
    if (p.length < 0) {  // pads of both signs that eat more than there is: only padding is left
      p.length = 0;
      p.start = 0;
    }
    int64_t total = 0;
    if (!add_checked(in[static_cast<int>(axis)], before, total) || !add_checked(total, after, total) ||
        total != out[static_cast<int>(axis)])
      return false;
  }
  return true;
}

void pad_rows(RunContext& c, const PadAxis* plan, int last, int64_t block, const void* fill) {
  const auto mode = c.attributes<op::Pad::Attrs>().mode;
  const Shape &in = c.input(0).shape, &out = c.output(0).shape;
  const int64_t row = out[last] * block;
  c.parallel.chunks(out.count(0, last), row_grain(row), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      int64_t rest = r, from = 0, stride = in[last] * block;
      bool constant = false;
      for (int d = last - 1; d >= 0; --d) {
        const int64_t at = source_of(mode, rest % out[d] - plan[d].before, plan[d].length);
        rest /= out[d];
        constant |= at < 0;
        from += (at + plan[d].start) * stride;
        stride *= in[d];
      }
      for (int64_t i = 0; i < out[last];) {
        const int64_t inside = i - plan[last].before;
        const int64_t at = constant ? -1 : source_of(mode, inside, plan[last].length);
        // a run of the source, of the constant up to where that begins or the row ends, or one element of the other modes
        const int64_t run = at >= 0 ? (at == inside ? plan[last].length - at : 1) : (!constant && inside < 0 ? -inside : out[last] - i);
        const int64_t n = (run < out[last] - i ? run : out[last] - i) * block;
        if (at < 0) fill_elements(c.output(0), r * row + i * block, n, fill);
        else copy_elements(c.input(0), from + (at + plan[last].start) * block, c.output(0), r * row + i * block, n);
        i += n / block;
      }
    }
  });
}

Error run(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  PadAxis plan[kMaxRank];
  if (!read_pads(c, plan))
    return GF_FAIL(c.detail, Error::BadData, c.node, "pads or axes do not fit the planned shape");
  if (y.count() == 0) return Error::Ok;
  const auto mode = c.attributes<op::Pad::Attrs>().mode;
  int last = x.shape.rank - 1;
  while (last > 0 && x.shape[last] == y.shape[last] && plan[last].before == 0 && plan[last].start == 0) --last;
  for (int d = 0; d < x.shape.rank; ++d)
    if (mode != PadMode::Constant && plan[d].length == 0 && y.shape[d] > 0)
      return GF_FAIL(c.detail, Error::BadData, c.node, "axis %d is empty: nothing to pad with in this mode", d);
  const int64_t block = x.shape.rank == 0 ? 1 : x.shape.count(last + 1, x.shape.rank);
  constexpr uint64_t kZero[2] = {};
  if (x.shape.rank == 0) copy_elements(x, 0, y, 0, 1);
  else pad_rows(c, plan, last, block, c.has_input(2) && c.input(2).count() == 1 ? c.input(2).data : kZero);
  return Error::Ok;
}

}  // namespace

extern const Kernel pad_kernel;
const Kernel pad_kernel{.op = op::Pad::info.id, .name = "pad_portable", .rank = 10, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
