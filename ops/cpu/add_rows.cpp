// add_rows: every worker owns a part of the table and looks for its indices in the whole list, so each row adds up in the order of the list.
#include "schema/ops/add_rows.h"

#include "ops/cpu/scatter.h"

namespace gf::cpu {
namespace {

constexpr int64_t kParts = 16;  // of the table: more would read the list too often

Error run_add_rows(RunContext& c) {
  const TensorView &table = c.input(0), &indices = c.input(1), &rows = c.input(2);
  TensorView& y = c.output(0);
  const int64_t length = table.shape[0], row = table.shape.count(1, table.shape.rank), count = indices.count();
  if (rows.count() != count * row)
    return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "rows hold %lld elements, indices ask for %lld",
                   static_cast<long long>(rows.count()), static_cast<long long>(count * row));
  copy_dense(c.parallel, table, y);
  const int64_t part = std::max<int64_t>((length + kParts - 1) / kParts, row_grain(row));
  c.parallel.chunks(length, part, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = 0; t < count; ++t) {
      const int64_t at = wrap_index(index_at(indices, t), length);
      if (at >= begin && at < end) scatter_run(ScatterReduction::Add, y, at * row, rows, t * row, row);
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel add_rows_kernel;
const Kernel add_rows_kernel{
    .op = op::AddRows::info.id, .name = "add_rows_portable", .rank = 1, .prepare = prepare_inplace_first, .run = run_add_rows};

}  // namespace gf::cpu
