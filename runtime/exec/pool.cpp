// The pool of values without a bound: first fit over blocks kept in order of their offsets. No heap, no headers in the pool.
#include <cstring>

#include "runtime/exec/core.h"

namespace gf {

Error pool_allocate(SessionCore& core, TensorRecord& t, uint64_t bytes, ErrorDetail* detail, int32_t node) {
  pool_release(core, t);
  uint64_t size = 0;
  if (!add_checked<uint64_t>(bytes, kTailBytes, size) || !align_checked(size, kAlignment, size)) size = ~uint64_t{0};
  uint64_t cursor = 0;
  uint32_t at = 0;
  for (; at < core.pool_count; ++at) {
    const TensorRecord& other = core.tensors.data()[core.pool_order[at]];
    if (other.offset - cursor >= size) break;
    cursor = other.offset + other.capacity;
  }
  if (at == core.pool_count && (cursor > core.pool.size() || core.pool.size() - cursor < size))
    return GF_FAIL(detail, Error::OutOfMemory, node, "the pool of %zu bytes has no room for a value of %llu bytes; raise pool_bytes",
                   core.pool.size(), static_cast<unsigned long long>(bytes));
  for (uint32_t k = core.pool_count; k > at; --k) core.pool_order[k] = core.pool_order[k - 1];
  core.pool_order[at] = static_cast<uint32_t>(&t - core.tensors.data());
  ++core.pool_count;
  t.pooled = true;
  t.offset = cursor;
  t.capacity = size;
  t.view.data = core.pool.data() + cursor;
  return Error::Ok;
}

Error pool_grow(SessionCore& core, TensorRecord& t, uint64_t bytes, uint64_t keep, ErrorDetail* detail, int32_t node) {
  // first fit finds the old place again when the room behind it suffices; either way the old bytes are still there
  const void* old = t.view.data;
  GF_TRY(pool_allocate(core, t, bytes, detail, node));
  if (keep != 0 && old != t.view.data) std::memmove(t.view.data, old, static_cast<size_t>(keep));
  return Error::Ok;
}

void pool_release(SessionCore& core, TensorRecord& t) {
  if (!t.pooled) return;
  const auto id = static_cast<uint32_t>(&t - core.tensors.data());
  uint32_t at = 0;
  while (core.pool_order[at] != id) ++at;
  for (--core.pool_count; at < core.pool_count; ++at) core.pool_order[at] = core.pool_order[at + 1];
  t.pooled = false;
  t.capacity = 0;
  t.view.data = nullptr;
}

void pool_sweep(SessionCore& core, int32_t step) {
  for (uint32_t k = core.pool_count; k-- > 0;) {
    TensorRecord& t = core.tensors.data()[core.pool_order[k]];
    if (t.last <= step) pool_release(core, t);
  }
}

void pool_clear(SessionCore& core) {
  while (core.pool_count > 0) pool_release(core, core.tensors.data()[core.pool_order[core.pool_count - 1]]);
}

}  // namespace gf
