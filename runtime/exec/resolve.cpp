// Shapes of a session: from the input shapes at create and after a change, from data while running.
#include <algorithm>

#include "runtime/exec/core.h"

namespace gf {
namespace {

template <class V>
uint32_t size_of(const V* v) { return v != nullptr ? v->size() : 0; }

bool inputs_known(const NodeRecord& n) {
  for (int32_t k = 0; k < n.in_count; ++k)
    if (n.input(k) != nullptr && !n.input(k)->shape_known) return false;
  return true;
}

// The shape just now. Intervals are what the file says: a symbol keeps its identity, of another expression only the bound is
// known.
DimShape shape_now(const SessionCore& core, const TensorRecord& t) {
  DimShape s(t.view.shape);
  if (!core.intervals) return s;
  const auto* dims = core.entry->tensors()->Get(static_cast<uint32_t>(&t - core.tensors.data()))->dims();
  for (uint32_t d = 0; d < size_of(dims); ++d) {
    const int32_t symbol = dims->Get(d)->symbol();
    if (symbol == format::kDimConstant) continue;
    s.dims[d].lo = symbol < 0 ? 0 : core.entry->symbols()->Get(static_cast<uint32_t>(symbol))->lo();
    if (symbol >= 0) s.dims[d].expr = static_cast<uint32_t>(symbol) + 1;
  }
  return s;
}

void outputs_unknown(const NodeRecord& n) {
  for (int32_t k = 0; k < n.out_count; ++k) {
    TensorRecord* t = n.output(k);
    if (t == nullptr) continue;
    t->shape_known = false;
    t->value_count = -1;
  }
}

// Takes over what inference found for output `t`; `open` when the shape is still unknown.
Error adopt(const SessionCore& core, TensorRecord& t, const InferTensor& found, size_t output, bool& open, ErrorDetail* detail, int32_t node) {
  const Error misfit = t.is_static ? Error::BadGraph : Error::ShapeOutOfBounds;
  if (found.dtype != t.view.dtype)
    return GF_FAIL(detail, Error::BadGraph, node, "output %zu is %s by its op, %s in the file", output, dtype_name(found.dtype), dtype_name(t.view.dtype));
  t.value_count = found.values == t.values && t.values != nullptr && found.value_count <= t.value_capacity ? found.value_count : -1;
  if (core.intervals) {
    t.shape_known = found.shape_known;
    return t.shape_known && !t.unbounded ? check_plan(t, found.shape, "output", misfit, detail, node) : Error::Ok;
  }
  if (!found.shape_known || !found.shape.is_const()) {
    open = true;
    t.shape_known = false;
    return Error::Ok;
  }
  Shape s;
  s.rank = found.shape.rank;
  for (int d = 0; d < s.rank; ++d) s.dims[d] = found.shape[d].lo;
  uint64_t bytes = 0;
  int64_t count = 0;
  if (!t.unbounded) {
    GF_TRY(check_plan(t, found.shape, "output", misfit, detail, node));
  } else if (!count_checked(s.span(), count) || !bytes_checked(count, t.view.dtype, bytes)) {  // the caller finds it a block
    return GF_FAIL(detail, Error::ShapeOutOfBounds, node, "output %zu is too large", output);
  }
  t.view.shape = s;
  t.shape_known = true;
  return Error::Ok;
}

Error resolve_graph(SessionCore& core, uint32_t g, ErrorDetail* detail);

// A body input keeps the shape the file gives it when that is fixed; otherwise only a running loop knows it.
Error resolve_control_flow(SessionCore& core, NodeRecord& n, ErrorDetail* detail) {
  const auto typed = [&](int i, DType type) { return n.in[i] != nullptr && n.in[i]->dtype == type; };
  if (n.def->info.graphs == 2 && !typed(0, DType::Bool)) return GF_FAIL(detail, Error::BadGraph, -1, "an if needs a bool condition");
  if (n.def->info.graphs == 1 && ((n.in[0] != nullptr && !typed(0, DType::I64)) || (n.in[1] != nullptr && !typed(1, DType::Bool))))
    return GF_FAIL(detail, Error::BadGraph, -1, "a loop counts in int64 and goes on while a bool is true");
  for (uint32_t k = 0; k < size_of(n.source->graphs()); ++k) {
    const uint32_t g = n.source->graphs()->Get(k);
    const fb::Graph& inner = core.graph(g);
    for (uint32_t i = 0; i < size_of(inner.inputs()); ++i) {
      TensorRecord& t = core.tensor(inner.inputs()->Get(i));
      t.shape_known = t.is_static;
      t.value_count = -1;
      if (!t.unbounded) t.view.shape = t.bound;
      if (i < 2 && (!t.is_static || t.bound.count() != 1 || t.view.dtype != (i == 0 ? DType::I64 : DType::Bool)))
        return GF_FAIL(detail, Error::BadGraph, -1, "a loop body must take an int64 iteration number and a bool condition");
    }
    GF_TRY(resolve_graph(core, g, detail));
    if (n.def->info.graphs == 1) {
      const TensorRecord& cond = core.tensor(inner.outputs()->Get(0));
      if (cond.view.dtype != DType::Bool || cond.bound.count() != 1) return GF_FAIL(detail, Error::BadGraph, -1, "a loop body must give a bool condition first");
    }
    // types must agree: the session copies bytes between these tensors
    const uint32_t skip = n.def->info.graphs == 1 ? 1 : 0;
    for (uint32_t i = skip; i < size_of(inner.outputs()); ++i) {
      const TensorRecord* out = n.output(static_cast<int32_t>(i - skip));
      if (out != nullptr && out->view.dtype != core.tensor(inner.outputs()->Get(i)).view.dtype)
        return GF_FAIL(detail, Error::BadGraph, -1, "a sub-graph gives another type than its node");
      if (skip == 1 && i + 1 < size_of(inner.inputs()) && core.tensor(inner.inputs()->Get(i + 1)).view.dtype != core.tensor(inner.outputs()->Get(i)).view.dtype)
        return GF_FAIL(detail, Error::BadGraph, -1, "a loop's carried value changes its type");
    }
    if (skip == 1)
      for (uint32_t i = 2; i < size_of(inner.inputs()); ++i)
        if (n.in[i] == nullptr || n.in[i]->dtype != core.tensor(inner.inputs()->Get(i)).view.dtype)
          return GF_FAIL(detail, Error::BadGraph, -1, "a loop starts with another type than its body takes");
  }
  outputs_unknown(n);
  for (int32_t k = 0; k < n.out_count; ++k) {
    TensorRecord* t = n.output(k);
    if (t == nullptr || !t->is_static) continue;
    t->shape_known = true;  // checked against the real one when it is written
    t->view.shape = t->bound;
  }
  return Error::Ok;
}

Error resolve_graph(SessionCore& core, uint32_t g, ErrorDetail* detail) {
  const GraphRecord graph = core.graphs[g];
  for (uint32_t i = 0; i < graph.node_count; ++i) {
    const size_t index = graph.first_node + i;
    NodeRecord& n = core.nodes[index];
    if ((n.def->info.flags & kOpControlFlow) != 0) {
      if (const Error e = resolve_control_flow(core, n, detail); e != Error::Ok) return e;
      continue;
    }
    n.late = !inputs_known(n);
    if (n.late && n.after_write)
      return blame(core, index, GF_FAIL(detail, Error::BadGraph, static_cast<int32_t>(index), "only a run can tell its sizes, but it stands behind a node that writes State, where nothing may stop"), detail);
    if (n.late) {
      outputs_unknown(n);
      continue;
    }
    GF_TRY(infer_record(core, index, false, detail));
    for (int32_t k = 0; k < n.out_count; ++k) {  // a pool value gets its block while running
      const TensorRecord* t = n.output(k);
      if (t != nullptr && (!t->shape_known || t->unbounded)) n.late = true;
    }
  }
  return Error::Ok;
}

}  // namespace

Error infer_record(SessionCore& core, size_t index, bool with_data, ErrorDetail* detail) {
  NodeRecord& n = core.nodes[index];
  for (int32_t k = 0; k < n.in_count; ++k) {
    InferTensor& in = core.infer_in[static_cast<size_t>(k)];
    in = InferTensor();
    if (n.input(k) == nullptr) continue;
    const TensorRecord& t = *n.input(k);
    in.present = true;
    in.dtype = t.view.dtype;
    in.shape = shape_now(core, t);
    if (with_data || t.kind == format::kConstant) in.data = t.view.data;
    if (t.value_count >= 0) {
      in.values = t.values;
      in.value_count = t.value_count;
    }
  }
  for (int32_t k = 0; k < n.out_count; ++k) {
    InferTensor& out = core.infer_out[static_cast<size_t>(k)];
    out = InferTensor();
    out.present = n.output(k) != nullptr;
    if (!out.present) continue;
    const TensorRecord& t = *n.output(k);
    // with fewer than kMaxTrackedValues slots only ops that stay below may use them; set_values checks the op's side
    out.value_storage = t.value_capacity > 0 ? t.values : nullptr;
    out.value_capacity = t.value_capacity;
  }
  const auto ins = core.infer_in.first(static_cast<size_t>(n.in_count));
  const auto outs = core.infer_out.first(static_cast<size_t>(n.out_count));
  const auto node = static_cast<int32_t>(index);
  if (const Error e = run_infer(*n.def, n.attrs, ins, outs, nullptr, detail, node); e != Error::Ok) return blame(core, index, e, detail);
  bool open = false;
  for (int32_t k = 0; k < n.out_count; ++k) {
    if (n.output(k) == nullptr) continue;
    TensorRecord& t = *n.output(k);
    if (const Error e = adopt(core, t, outs[static_cast<size_t>(k)], static_cast<size_t>(k), open, detail, node); e != Error::Ok)
      return blame(core, index, e, detail);
    if (!t.unbounded || !with_data) continue;
    uint64_t bytes = 0;
    if (!t.shape_known || !bytes_checked(t.view.count(), t.view.dtype, bytes))
      return blame(core, index, GF_FAIL(detail, Error::Unsupported, node, "the size of output %d is known only afterwards and has no bound", static_cast<int>(k)), detail);
    if (const Error e = pool_allocate(core, t, bytes, detail, node); e != Error::Ok) return blame(core, index, e, detail);
  }
  if (open && with_data && (n.def->info.flags & kOpDataShape) == 0)
    return blame(core, index, GF_FAIL(detail, Error::Internal, node, "shape stays open although the data are known"), detail);
  return Error::Ok;
}

Error check_plan(const TensorRecord& t, const DimShape& s, const char* what, Error code, ErrorDetail* detail, int32_t node) {
  if (s.rank != t.bound.rank) return GF_FAIL(detail, code, node, "%s has rank %d, planned %d", what, s.rank, t.bound.rank);
  for (int d = 0; d < s.rank; ++d) {
    const bool over = s[d].lo > t.bound[d];
    if (over || (t.is_static && s[d].hi < t.bound[d]))
      return GF_FAIL(detail, code, node, "%s: dimension %d is %s%lld, planned %s%lld", what, d, s[d].is_const() ? "" : over ? "at least " : "at most ",
                     static_cast<long long>(over ? s[d].lo : s[d].hi), t.is_static ? "" : "at most ", static_cast<long long>(t.bound[d]));
  }
  return Error::Ok;
}

Error resolve_session(SessionCore& core, ErrorDetail* detail) { return resolve_graph(core, 0, detail); }

Error resolve_bounds(SessionCore& core, ErrorDetail* detail) {
  const bool fixed = size_of(core.entry->symbols()) == 0;
  const Error at_bounds = resolve_session(core, fixed ? detail : nullptr);
  core.shapes_dirty = at_bounds != Error::Ok;
  if (fixed || at_bounds == Error::Ok) return at_bounds;
  for (TensorRecord& t : core.tensors) t.view.shape = t.bound;
  core.intervals = true;
  const Error e = resolve_session(core, detail);
  core.intervals = false;
  return e;
}

}  // namespace gf
