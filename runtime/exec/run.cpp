// Running a session: nodes in order, control flow, data-dependent shapes. No heap; nothing checked but what data decide.
#include <algorithm>
#include <cstring>
#include <limits>

#include "runtime/exec/core.h"

namespace gf {
namespace {

template <class V>
uint32_t size_of(const V* v) { return v != nullptr ? v->size() : 0; }

uint64_t dense_bytes(const TensorView& t) {
  uint64_t bytes = 0;
  return bytes_checked(t.shape.count(), t.dtype, bytes) ? bytes : 0;
}

// Copies contents and shape from one tensor to another of the same type. `what` names the place in errors.
Error hand_over(SessionCore& core, const TensorView& from, TensorRecord& to, const char* what, ErrorDetail* detail, int32_t node) {
  const uint64_t bytes = dense_bytes(from);
  if (to.unbounded) {
    GF_TRY(pool_allocate(core, to, bytes, detail, node));
  } else {
    GF_TRY(check_plan(to, DimShape(from.shape), what, Error::ShapeOutOfBounds, detail, node));
  }
  to.view.shape = from.shape;
  to.shape_known = true;
  if (bytes != 0 && to.view.data != from.data) std::memmove(to.view.data, from.data, static_cast<size_t>(bytes));
  return Error::Ok;
}

Error run_if(SessionCore& core, NodeRecord& n, int32_t index, ErrorDetail* detail) {
  const bool condition = n.in[0]->count() > 0 && n.in[0]->as<const uint8_t>()[0] != 0;
  const uint32_t g = n.source->graphs()->Get(condition ? 0 : 1);
  GF_TRY(run_graph(core, g, detail));
  const fb::Graph& branch = core.graph(g);
  for (int32_t k = 0; k < n.out_count; ++k) {
    TensorRecord* out = n.output(k);
    if (out != nullptr) GF_TRY(hand_over(core, core.tensor(branch.outputs()->Get(static_cast<uint32_t>(k))).view, *out, "an output of a branch", detail, index));
  }
  return Error::Ok;
}

class LoopRun {
 public:
  LoopRun(SessionCore& core, NodeRecord& node, int32_t index, ErrorDetail* detail)
      : core_(core), n_(node), index_(index), detail_(detail), body_index_(node.source->graphs()->Get(0)), body_(core.graph(body_index_)),
        carried_(static_cast<uint32_t>(node.in_count) - 2) {}

  Error run() {
    const int64_t limit = core_.program->limits().loop_trips;
    const bool counted = n_.in[0] != nullptr;
    const int64_t trips = counted && n_.in[0]->count() > 0 ? n_.in[0]->as<const int64_t>()[0] : std::numeric_limits<int64_t>::max();
    bool go_on = n_.in[1] == nullptr || (n_.in[1]->count() > 0 && n_.in[1]->as<const uint8_t>()[0] != 0);
    for (uint32_t i = 0; i < carried_; ++i) GF_TRY(hand_over(core_, *n_.in[i + 2], body_input(i + 2), "a loop's start value", detail_, index_));
    int64_t done = 0;
    for (; done < trips && go_on; ++done) {
      if (done >= limit) return GF_FAIL(detail_, Error::BadData, index_, "loop ran %lld times, the limit", static_cast<long long>(limit));
      if (!core_.state_written && core_.options.cancel != nullptr && core_.options.cancel->load(std::memory_order_relaxed))
        return GF_FAIL(detail_, Error::Cancelled, index_, "cancelled");
      body_input(0).view.as<int64_t>()[0] = done;
      body_input(1).view.as<uint8_t>()[0] = 1;
      GF_TRY(run_graph(core_, body_index_, detail_));
      go_on = body_output(0).view.as<const uint8_t>()[0] != 0;
      GF_TRY(scan(done));
      for (uint32_t i = 0; i < carried_; ++i) GF_TRY(hand_over(core_, body_output(i + 1).view, body_input(i + 2), "a loop's carried value", detail_, index_));
    }
    return finish(done);
  }

 private:
  TensorRecord& body_input(uint32_t i) { return core_.tensor(body_.inputs()->Get(i)); }
  TensorRecord& body_output(uint32_t i) { return core_.tensor(body_.outputs()->Get(i)); }
  TensorRecord* node_output(uint32_t i) { return n_.output(static_cast<int32_t>(i)); }

  // Appends this round's scanned values to the stacked outputs.
  Error scan(int64_t round) {
    for (uint32_t i = carried_; i < static_cast<uint32_t>(n_.out_count); ++i) {
      TensorRecord* out = node_output(i);
      if (out == nullptr) continue;
      const TensorView& slice = body_output(i + 1).view;
      const uint64_t bytes = dense_bytes(slice);
      uint64_t end = 0;
      if (out->unbounded) GF_TRY(grow(*out, bytes, static_cast<uint64_t>(round)));
      if (!mul_checked(bytes, static_cast<uint64_t>(round) + 1, end) || end > out->capacity || slice.shape.rank + 1 != out->bound.rank)
        return GF_FAIL(detail_, Error::ShapeOutOfBounds, index_, "a loop's stacked output outgrows its plan in round %lld", static_cast<long long>(round));
      if (round > 0 && dense_bytes_of_row(*out) != bytes) return GF_FAIL(detail_, Error::BadData, index_, "a loop's stacked output changes its shape between rounds");
      out->view.shape.rank = out->bound.rank;
      for (int d = 0; d < slice.shape.rank; ++d) out->view.shape[d + 1] = slice.shape[d];
      if (bytes != 0) std::memcpy(out->view.as<std::byte>() + bytes * static_cast<uint64_t>(round), slice.data, static_cast<size_t>(bytes));
    }
    return Error::Ok;
  }
  // Room for one more slice in a pool value: the block doubles when it is full.
  Error grow(TensorRecord& out, uint64_t bytes, uint64_t round) {
    if (round == 0) pool_release(core_, out);
    uint64_t wanted = 0;
    if (!mul_checked(bytes, round + 1, wanted) || !mul_checked<uint64_t>(wanted, 2, wanted)) return Error::OutOfMemory;
    if (out.pooled && out.capacity >= bytes * (round + 1)) return Error::Ok;
    return pool_grow(core_, out, wanted, bytes * round, detail_, index_);
  }
  static uint64_t dense_bytes_of_row(const TensorRecord& out) {
    uint64_t bytes = 0;
    return bytes_checked(out.view.shape.count(1, out.view.shape.rank), out.view.dtype, bytes) ? bytes : 0;
  }

  Error finish(int64_t rounds) {
    for (uint32_t i = 0; i < static_cast<uint32_t>(n_.out_count); ++i) {
      TensorRecord* out = node_output(i);
      if (out == nullptr) continue;
      if (i < carried_) {
        GF_TRY(hand_over(core_, body_input(i + 2).view, *out, "a loop's output", detail_, index_));
        continue;
      }
      if (rounds == 0) {  // no round told the shape of a slice: the bounds do
        out->view.shape = out->bound;
        for (int d = 0; d < out->bound.rank; ++d)
          if (out->bound[d] == kUnbounded) out->view.shape[d] = 0;
        if (out->unbounded) GF_TRY(pool_allocate(core_, *out, 0, detail_, index_));
      }
      out->view.shape[0] = rounds;
      out->shape_known = true;
      if (!out->unbounded) GF_TRY(check_plan(*out, DimShape(out->view.shape), "a loop's stacked output", Error::ShapeOutOfBounds, detail_, index_));
    }
    return Error::Ok;
  }

  SessionCore& core_;
  NodeRecord& n_;
  const int32_t index_;
  ErrorDetail* detail_;
  const uint32_t body_index_;
  const fb::Graph& body_;
  const uint32_t carried_;
};

// Scratch of a node whose sizes only this run knows: the kernel is asked again, the pool gives the room.
Error pool_scratch(SessionCore& core, NodeRecord& n, size_t index, RunContext& c, ErrorDetail* detail) {
  KernelPlan plan;
  const auto node = static_cast<int32_t>(index);
  if (const Error e = n.kernel->prepare(current_view(core, n), plan); e != Error::Ok)
    return blame(core, index, GF_FAIL(detail, e, node, "kernel %s: %s", n.kernel->name, plan.refused), detail);
  uint64_t shared = 0, worker = 0, total = 0;
  if (!align_checked(plan.scratch_bytes, kAlignment, shared) || !align_checked(plan.scratch_bytes_per_worker, kAlignment, worker) ||
      !mul_checked<uint64_t>(worker, static_cast<uint64_t>(std::max(1, core.options.parallel.threads)), total) || !add_checked(total, shared, total))
    return blame(core, index, GF_FAIL(detail, Error::OutOfMemory, node, "scratch is too large"), detail);
  if (total == 0) return Error::Ok;
  if (const Error e = pool_allocate(core, *core.pool_scratch, total, detail, node); e != Error::Ok) return blame(core, index, e, detail);
  core.pool_scratch->last = -1;  // freed by the sweep behind this node
  c.scratch = core.pool_scratch->view.data;
  c.worker_scratch = static_cast<std::byte*>(c.scratch) + shared;
  c.scratch_bytes_per_worker = worker;
  return Error::Ok;
}

Error run_kernel(SessionCore& core, NodeRecord& n, size_t index, ErrorDetail* detail) {
  if (n.late) GF_TRY(infer_record(core, index, true, detail));
  RunContext c;
  c.def = n.def;
  c.kernel = n.kernel;
  c.attrs = n.attrs;
  c.inputs = n.in;
  c.outputs = n.out;
  c.input_count = n.in_count;
  c.output_count = n.out_count;
  c.data = n.data;
  c.scratch = core.scratch;
  c.worker_scratch = core.scratch + core.scratch_worker_offset;
  c.scratch_bytes_per_worker = core.scratch_worker_bytes;
  std::memcpy(c.packed, n.packed, sizeof c.packed);
  c.parallel = core.options.parallel;
  if (n.pool) GF_TRY(pool_scratch(core, n, index, c, detail));
  c.detail = detail;
  c.node = static_cast<int32_t>(index);
  const bool data_shape = (n.def->info.flags & kOpDataShape) != 0;
  if (data_shape && n.out_count > 0 && n.output(0) != nullptr) c.output_capacity = n.output(0)->capacity;
  if (const Error e = n.kernel->run(c); e != Error::Ok) {
    if (detail != nullptr && detail->error == Error::Ok) static_cast<void>(GF_FAIL(detail, e, c.node, "%s", error_name(e)));
    return blame(core, index, e, detail);
  }
  if (data_shape) {
    for (int32_t k = 0; k < n.out_count; ++k) {
      if (n.output(k) == nullptr) continue;
      TensorRecord& t = *n.output(k);
      if (dense_bytes(t.view) > t.capacity) return GF_FAIL(detail, Error::Internal, c.node, "kernel %s wrote past its plan", n.kernel->name);
      if (!t.unbounded)
        if (const Error e = check_plan(t, DimShape(t.view.shape), "output", Error::ShapeOutOfBounds, detail, c.node); e != Error::Ok) return blame(core, index, e, detail);
      t.shape_known = true;
    }
  }
  return Error::Ok;
}

}  // namespace

Error run_graph(SessionCore& core, uint32_t g, ErrorDetail* detail) {
  const GraphRecord graph = core.graphs[g];
  const ProfileHook hook = core.options.profile;
  for (uint32_t i = 0; i < graph.node_count; ++i) {
    const size_t index = graph.first_node + i;
    NodeRecord& n = core.nodes[index];
    if (!core.state_written && core.options.cancel != nullptr && core.options.cancel->load(std::memory_order_relaxed))
      return GF_FAIL(detail, Error::Cancelled, static_cast<int32_t>(index), "cancelled before node %zu", index);
    const uint64_t begin = hook.after_node != nullptr ? hook.now_ns() : 0;
    core.state_written = core.state_written || n.writes_state;
    if (n.kernel != nullptr) GF_TRY(run_kernel(core, n, index, detail));
    else if (n.def->info.graphs == 2) GF_TRY(run_if(core, n, static_cast<int32_t>(index), detail));
    else GF_TRY(LoopRun(core, n, static_cast<int32_t>(index), detail).run());
    if (core.pool_count != 0) pool_sweep(core, n.end);
    if (hook.after_node != nullptr) hook.after_node(hook.context, static_cast<int32_t>(index), begin, hook.now_ns());
  }
  return Error::Ok;
}

}  // namespace gf
