// Building a session: records from the file, shapes, kernels, memory plan. The same code serves memory_needs and create.
#include <algorithm>
#include <cstring>

#include "runtime/core/format.h"
#include "runtime/exec/core.h"

namespace gf {
namespace {

std::string_view view(const flatbuffers::String* s) {
  return s != nullptr ? std::string_view(s->c_str(), s->size()) : std::string_view();
}
template <class V>
uint32_t size_of(const V* v) { return v != nullptr ? v->size() : 0; }

bool tracks_values(const fb::Tensor& t, uint32_t& capacity) {
  const auto dtype = static_cast<DType>(t.dtype());
  if ((!dtype_is_int(dtype) && dtype != DType::Bool) || t.kind() != format::kComputed || size_of(t.dims()) > 1 || t.unbounded()) return false;
  const int64_t n = size_of(t.dims()) == 0 ? 1 : t.dims()->Get(0)->bound();
  if (n > kMaxTrackedValues) return false;
  capacity = static_cast<uint32_t>(n);
  return true;
}

const OpDef* op_of(const Program& program, const fb::Node& n) {
  const fb::Op& op = *program.raw().ops()->Get(n.op());
  return resolve_op(program.ops(), op.id(), view(op.name()));
}

bool touches_pool(const NodeRecord& n) {
  for (int32_t k = 0; k < n.in_count; ++k)
    if (const TensorRecord* t = n.input(k); t != nullptr && t->unbounded) return true;
  for (int32_t k = 0; k < n.out_count; ++k)
    if (const TensorRecord* t = n.output(k); t != nullptr && t->unbounded) return true;
  return false;
}

class SessionBuilder {
 public:
  SessionBuilder(SessionCore& core, ErrorDetail* detail) : core_(core), detail_(detail) {}

  Error run() {
    GF_TRY(decode_tensors());
    GF_TRY(decode_nodes());
    GF_TRY(resolve_bounds(core_, detail_));
    for (size_t i = 0; i < core_.nodes.size(); ++i) GF_TRY(choose_kernel(i));
    lifetimes();
    share_memory();
    return plan();
  }

 private:
  Error decode_tensors() {
    const Program& p = *core_.program;
    for (size_t i = 0; i < core_.tensors.size(); ++i) {
      const fb::Tensor& t = *core_.entry->tensors()->Get(static_cast<uint32_t>(i));
      TensorRecord& r = core_.tensors[i];
      r.kind = t.kind();
      r.index = t.index();
      r.graph = t.graph();
      r.root = static_cast<int32_t>(i);
      r.view.dtype = static_cast<DType>(t.dtype());
      r.bound.rank = static_cast<int32_t>(size_of(t.dims()));
      for (int d = 0; d < r.bound.rank; ++d) {
        const fb::Dim* dim = t.dims()->Get(static_cast<uint32_t>(d));
        r.bound[d] = dim->bound();
        r.is_static = r.is_static && dim->symbol() == format::kDimConstant;
      }
      r.is_static = r.is_static && !t.shape_unknown();
      r.view.shape = r.bound;
      r.shape_known = r.kind != format::kComputed;
      if (t.unbounded()) {
        if (core_.options.pool_bytes == 0)
          return GF_FAIL(detail_, Error::Unsupported, -1, "tensor '%.80s' has no upper bound on its size; give its dimensions bounds when converting (--dim N=1..64), or the session a pool (pool_bytes)",
                         t.name() != nullptr ? t.name()->c_str() : "");
        r.unbounded = true;
        r.is_static = false;
        core_.needs.pool_bytes = core_.options.pool_bytes;
        continue;
      }
      if (!bytes_checked(r.bound.count(), r.view.dtype, r.capacity)) return GF_FAIL(detail_, Error::BadGraph, -1, "a tensor is too large");
      if (r.kind == format::kConstant) {
        const fb::Constant& c = *p.raw().constants()->Get(r.index);
        r.view.data = r.capacity != c.bytes() ? nullptr : const_cast<void*>(p.constant_data(r.index));
      }
    }
    for (int32_t id : *core_.graph(0).outputs()) core_.tensor(id).is_output = true;
    for (uint32_t g = 1; g < core_.graphs.size(); ++g)
      for (const auto* ids : {core_.graph(g).inputs(), core_.graph(g).outputs()})
        for (uint32_t i = 0; i < size_of(ids); ++i) core_.tensor(ids->Get(i)).handed_over = true;
    return Error::Ok;
  }

  Error decode_nodes() {
    uint32_t next = 0;
    for (uint32_t g = 0; g < core_.graphs.size(); ++g) {
      GraphRecord& r = core_.graphs[g];
      r.first_node = next;
      r.node_count = size_of(core_.graph(g).nodes());
      next += r.node_count;
    }
    int32_t step = 0;
    return decode_graph(0, step);
  }

  Error decode_graph(uint32_t g, int32_t& step) {
    const GraphRecord graph = core_.graphs[g];
    bool writes = false;
    for (uint32_t i = 0; i < graph.node_count; ++i) {
      const size_t index = graph.first_node + i;
      NodeRecord& n = core_.nodes[index];
      const fb::Node& source = *core_.graph(g).nodes()->Get(i);
      n.def = op_of(*core_.program, source);
      n.source = &source;
      n.graph = g;
      GF_TRY(decode_attrs(source, *n.def, n.attrs, detail_, static_cast<int32_t>(index)));
      n.begin = step++;
      for (uint32_t k = 0; k < size_of(source.graphs()); ++k) {
        core_.graphs[source.graphs()->Get(k)].owner = static_cast<int32_t>(index);
        GF_TRY(decode_graph(source.graphs()->Get(k), step));
      }
      n.end = size_of(source.graphs()) != 0 ? step++ : n.begin;
      for (int32_t k = 0; k < n.in_count; ++k) {
        const int32_t id = source.inputs()->Get(static_cast<uint32_t>(k));
        n.in[k] = id < 0 ? nullptr : &core_.tensor(id).view;
      }
      for (int32_t k = 0; k < n.out_count; ++k) {
        const int32_t id = source.outputs()->Get(static_cast<uint32_t>(k));
        n.out[k] = id < 0 ? nullptr : &core_.tensor(id).view;
        n.writes_state = n.writes_state || (id >= 0 && core_.tensor(id).kind == format::kState);
      }
      n.after_write = writes;
      writes = writes || n.writes_state;
    }
    return Error::Ok;
  }

  Error choose_kernel(size_t index) {
    NodeRecord& n = core_.nodes[index];
    if ((n.def->info.flags & kOpControlFlow) != 0) return Error::Ok;
    n.pool = touches_pool(n);
    NodeView node = node_view(core_, n);
    const char* best_refusal = "";
    int best_refused_rank = -1, chosen_rank = -1;
    for (int t = 0; t < core_.tables.kernel_table_count; ++t) {
      for (const Kernel* k : core_.tables.kernels[t]) {
        const int rank = core_.tables.rank(t, *k);
        if (k->op != n.def->info.id || rank <= chosen_rank) continue;
        KernelPlan plan;
        node.kernel = k;
        Error e = isa_allows(node.isa, k->isa) ? k->prepare(node, plan) : plan.refuse("needs a better instruction set");
        if (e == Error::Ok && core_.options.strict && k->rank < 10) e = plan.refuse("reference kernel, and strict was asked for");
        if (e == Error::Ok && n.pool) {
          if (plan.data_bytes != 0 || plan.pack_count != 0 || k->init != nullptr) e = plan.refuse("needs a bound on the sizes");
          plan.scratch_bytes = plan.scratch_bytes_per_worker = 0;  // told by the run, which knows the sizes
        }
        if (e == Error::Ok) {
          n.kernel = k;
          n.plan = plan;
          chosen_rank = rank;
        } else if (e == Error::Unsupported) {
          if (rank > best_refused_rank) {
            best_refused_rank = rank;
            best_refusal = plan.refused;
          }
        } else {
          return blame(core_, index, GF_FAIL(detail_, e, static_cast<int32_t>(index), "kernel %s failed to prepare%s%s", k->name, plan.refused[0] != '\0' ? ": " : "", plan.refused), detail_);
        }
      }
    }
    if (n.kernel == nullptr) {
      char types[96] = "";
      return blame(core_, index, GF_FAIL(detail_, Error::Unsupported, static_cast<int32_t>(index), "no kernel for (%s)%s%s", input_types(n, types), best_refused_rank >= 0 ? ": " : "", best_refusal), detail_);
    }
    if (best_refused_rank > chosen_rank) n.refused = best_refusal;
    return Error::Ok;
  }

  static const char* input_types(const NodeRecord& n, std::span<char> text) {
    size_t used = 0;
    for (int32_t k = 0; k < n.in_count && used < text.size() - 1; ++k)
      if (n.in[k] != nullptr) used += format_text(text.data() + used, text.size() - used, "%s%s", k != 0 ? ", " : "", dtype_name(n.in[k]->dtype));
    return text.data();
  }

  // Step at which a read of `t` by node `n` ends: for a tensor from outside a sub-graph, the end of the node around it.
  int32_t read_step(const TensorRecord& t, const NodeRecord& n) const {
    int32_t step = n.end;
    uint32_t g = n.graph;
    while (g != t.graph && core_.graphs[g].owner >= 0) {
      const NodeRecord& owner = core_.nodes[static_cast<size_t>(core_.graphs[g].owner)];
      step = owner.end;
      g = owner.graph;
    }
    return step;
  }

  static void touch(TensorRecord& t, int32_t first, int32_t last) {
    if (t.first < 0 || first < t.first) t.first = first;
    t.last = std::max(t.last, last);
  }

  void lifetimes() {
    const int32_t end = core_.nodes.empty() ? 1 : [this] {
      int32_t last = 0;
      for (const NodeRecord& n : core_.nodes) last = std::max(last, n.end);
      return last + 1;
    }();
    for (int32_t id : *core_.graph(0).inputs()) touch(core_.tensor(id), 0, end);
    for (NodeRecord& n : core_.nodes) {
      for (int32_t k = 0; k < n.in_count; ++k)
        if (TensorRecord* t = n.input(k); t != nullptr) t->last = std::max(t->last, read_step(*t, n));
      for (int32_t k = 0; k < n.out_count; ++k)
        if (TensorRecord* t = n.output(k); t != nullptr) touch(*t, n.begin, n.end);
      for (uint32_t k = 0; k < size_of(n.source->graphs()); ++k) {  // hand-over tensors live as long as the node runs
        const fb::Graph& inner = core_.graph(n.source->graphs()->Get(k));
        for (const auto* ids : {inner.inputs(), inner.outputs()})
          for (uint32_t i = 0; i < size_of(ids); ++i) touch(core_.tensor(ids->Get(i)), n.begin, n.end);
      }
    }
    for (int32_t id : *core_.graph(0).outputs()) touch(core_.tensor(id), core_.tensor(id).first, end);
  }

  bool arena_tensor(const TensorRecord& t) const {
    if (t.kind == format::kInput) return !core_.options.external_inputs;
    if (t.kind != format::kComputed || t.unbounded) return false;
    return !(t.is_output && core_.options.external_outputs);
  }

  // Views take over the memory of what they view, elementwise kernels that of a dying input.
  void share_memory() {
    for (NodeRecord& n : core_.nodes) {
      if ((n.def->info.flags & kOpControlFlow) != 0 || n.out_count == 0 || n.in_count == 0) continue;
      if (n.output(0) == nullptr) continue;
      TensorRecord& o = *n.output(0);
      if (!arena_tensor(o) || o.handed_over) continue;
      for (int32_t k = 0; k < n.in_count; ++k) {
        const bool is_view = (n.def->info.flags & kOpView) != 0 && k == 0;
        const bool in_place = k < 32 && ((n.plan.inplace_inputs >> k) & 1U) != 0;
        if (n.input(k) == nullptr || (!is_view && !in_place)) continue;
        const int32_t root = n.input(k)->root;
        TensorRecord& r = core_.tensor(root);
        if (!arena_tensor(r) || r.handed_over || r.graph != o.graph) continue;
        // overwriting needs the memory to die here; a caller's input may be read again by the next run
        if (in_place && !is_view && (r.kind == format::kInput || r.last != n.begin || o.capacity > r.capacity)) continue;
        if (in_place && !is_view && reads_twice(n, root, k)) continue;
        o.root = root;
        r.last = std::max(r.last, o.last);
        r.capacity = std::max(r.capacity, o.capacity);
        break;
      }
    }
  }

  static bool reads_twice(const NodeRecord& n, int32_t root, int32_t except) {
    for (int32_t k = 0; k < n.in_count; ++k)
      if (k != except && n.input(k) != nullptr && n.input(k)->root == root) return true;
    return false;
  }

  Error plan() {
    size_t count = 0;
    for (size_t i = 0; i < core_.tensors.size(); ++i) {
      TensorRecord& t = core_.tensors[i];
      t.planned = arena_tensor(t) && t.first >= 0;
      if (!t.planned || t.root != static_cast<int32_t>(i)) continue;
      PlanItem item;
      uint64_t padded = 0;
      if (!add_checked<uint64_t>(t.capacity, kTailBytes, padded) || !align_checked(padded, kAlignment, item.bytes))
        return GF_FAIL(detail_, Error::LimitExceeded, -1, "planned memory is too large");
      item.first = t.first;
      item.last = t.last;
      item.id = static_cast<uint32_t>(i);
      core_.plan_items[count++] = item;
    }
    ArenaPlan result;
    if (plan_arena(core_.plan_items.first(count), core_.plan_order.first(3 * count), result) != Error::Ok ||
        result.arena_bytes > core_.program->limits().planned_bytes)
      return GF_FAIL(detail_, Error::LimitExceeded, -1, "planned memory exceeds the limit");
    for (size_t i = 0; i < count; ++i) core_.tensors[core_.plan_items[i].id].offset = core_.plan_items[i].offset;
    core_.needs.activation_bytes = result.arena_bytes;
    core_.needs.max_live_bytes = result.max_live_bytes;
    return scratch();
  }

  Error scratch() {
    uint64_t shared = 0, worker = 0, total = 0;
    for (const NodeRecord& n : core_.nodes) {
      shared = std::max(shared, n.plan.scratch_bytes);
      worker = std::max(worker, n.plan.scratch_bytes_per_worker);
    }
    if (!align_checked(shared, kAlignment, shared) || !align_checked(worker, kAlignment, worker) ||
        !mul_checked<uint64_t>(worker, static_cast<uint64_t>(std::max(1, core_.options.parallel.threads)), total) ||
        !add_checked(total, shared, total) || total > core_.program->limits().planned_bytes)
      return GF_FAIL(detail_, Error::LimitExceeded, -1, "scratch memory exceeds the limit");
    core_.scratch_worker_offset = shared;
    core_.scratch_worker_bytes = worker;
    core_.needs.scratch_bytes = total;
    return Error::Ok;
  }

  SessionCore& core_;
  ErrorDetail* detail_;
};

TensorInfo info_of(const SessionCore& core, const TensorRecord* record) {
  TensorInfo info;
  if (record == nullptr) return info;
  const TensorRecord& t = *record;
  info.present = true;
  info.dtype = t.view.dtype;
  info.shape = t.bound;
  for (int d = 0; t.unbounded && d < info.shape.rank; ++d) info.shape[d] = std::min<int64_t>(info.shape[d], 1);
  info.is_static = t.is_static;
  info.is_constant = t.kind == format::kConstant;
  info.is_state = t.kind == format::kState;
  info.is_padded = t.kind == format::kComputed ? !(t.is_output && core.options.external_outputs)
                                               : (t.kind == format::kState || (t.kind == format::kInput && !core.options.external_inputs));
  info.constant_data = info.is_constant ? t.view.data : nullptr;
  return info;
}

}  // namespace

SessionCore* carve_session(const Program& program, int entry_index, const Tables&, Bump& memory) {
  const fb::Entry& entry = *program.raw().entries()->Get(static_cast<uint32_t>(entry_index));
  const auto core = memory.array<SessionCore>(1);
  SessionCore* c = core.data();
  uint64_t nodes = 0, pointers = 0, max_in = 0, max_out = 0, attr_bytes = 0, values = 0;
  for (const fb::Graph* g : *entry.graphs()) {
    nodes += size_of(g->nodes());
    for (uint32_t i = 0; i < size_of(g->nodes()); ++i) {
      const fb::Node& n = *g->nodes()->Get(i);
      pointers += size_of(n.inputs()) + size_of(n.outputs());
      max_in = std::max<uint64_t>(max_in, size_of(n.inputs()));
      max_out = std::max<uint64_t>(max_out, size_of(n.outputs()));
      attr_bytes += (op_of(program, n)->attrs_bytes + 15U) & ~15U;
    }
  }
  for (uint32_t i = 0; i < size_of(entry.tensors()); ++i) {
    uint32_t capacity = 0;
    if (tracks_values(*entry.tensors()->Get(i), capacity)) values += capacity;
  }
  const auto tensors = memory.array<TensorRecord>(size_of(entry.tensors()) + uint64_t{1});
  const auto node_records = memory.array<NodeRecord>(nodes);
  const auto graphs = memory.array<GraphRecord>(entry.graphs()->size());
  const auto pointer_block = memory.array<TensorView*>(pointers);
  auto* attrs = static_cast<std::byte*>(memory.take(attr_bytes));
  const auto dims = memory.array<Dim>(values);
  const auto infer_in = memory.array<InferTensor>(max_in);
  const auto infer_out = memory.array<InferTensor>(max_out);
  const auto info_in = memory.array<TensorInfo>(max_in);
  const auto info_out = memory.array<TensorInfo>(max_out);
  const auto plan_items = memory.array<PlanItem>(size_of(entry.tensors()));
  const auto plan_order = memory.array<uint32_t>(3 * uint64_t{size_of(entry.tensors())});
  uint64_t unbounded = 0;
  for (uint32_t i = 0; i < size_of(entry.tensors()); ++i) unbounded += entry.tensors()->Get(i)->unbounded() ? 1 : 0;
  const auto pool_order = memory.array<uint32_t>(unbounded == 0 ? 0 : unbounded + 1);
  if (c == nullptr || !memory.ok()) return nullptr;
  c->program = &program;
  c->entry = &entry;
  c->tensors = tensors.first(tensors.size() - 1);
  c->pool_scratch = &tensors.back();
  c->nodes = node_records;
  c->graphs = graphs;
  c->infer_in = infer_in;
  c->infer_out = infer_out;
  c->info_in = info_in;
  c->info_out = info_out;
  c->plan_items = plan_items;
  c->plan_order = plan_order;
  c->pool_order = pool_order;
  size_t at = 0, node_at = 0, value_at = 0;
  for (const fb::Graph* g : *entry.graphs()) {
    for (uint32_t i = 0; i < size_of(g->nodes()); ++i) {
      const fb::Node& n = *g->nodes()->Get(i);
      NodeRecord& r = c->nodes[node_at++];
      r.in_count = static_cast<int32_t>(size_of(n.inputs()));
      r.out_count = static_cast<int32_t>(size_of(n.outputs()));
      r.in = const_cast<const TensorView**>(pointer_block.data() + at);
      at += static_cast<size_t>(r.in_count);
      r.out = pointer_block.data() + at;
      at += static_cast<size_t>(r.out_count);
      r.attrs = attrs;
      attrs += (op_of(program, n)->attrs_bytes + 15U) & ~15U;
    }
  }
  for (uint32_t i = 0; i < size_of(entry.tensors()); ++i) {
    uint32_t capacity = 0;
    if (!tracks_values(*entry.tensors()->Get(i), capacity)) continue;
    c->tensors[i].values = dims.data() + value_at;
    c->tensors[i].value_capacity = static_cast<int32_t>(capacity);
    value_at += capacity;
  }
  return c;
}

Error plan_only(const Program& program, int entry, const Tables& tables, const SessionOptions& options, Bump& memory,
                SessionCore*& core, ErrorDetail* detail) {
  core = carve_session(program, entry, tables, memory);
  if (core == nullptr) return GF_FAIL(detail, Error::BufferTooSmall, -1, "memory for the session's records is too small (%llu bytes needed for them alone)", static_cast<unsigned long long>(memory.used()));
  core->options = options;
  core->tables = tables;
  GF_TRY(SessionBuilder(*core, detail).run());
  // the kernels' own data stand behind the records
  Bump total;
  total.take(memory.used());
  for (const NodeRecord& n : core->nodes)
    if (n.plan.data_bytes != 0) total.take(n.plan.data_bytes);
  if (!total.ok()) return GF_FAIL(detail, Error::LimitExceeded, -1, "kernel data are too large");
  core->needs.session_bytes = total.used();
  return Error::Ok;
}

Error build_session(const Program& program, int entry, const Tables& tables, const SessionOptions& options, Bump& memory,
                    SessionCore*& core, ErrorDetail* detail) {
  GF_TRY(plan_only(program, entry, tables, options, memory, core, detail));
  for (NodeRecord& n : core->nodes) n.data = n.plan.data_bytes != 0 ? memory.take(n.plan.data_bytes) : nullptr;
  if (!memory.ok())
    return GF_FAIL(detail, Error::BufferTooSmall, -1, "session memory is too small, %llu bytes are needed", static_cast<unsigned long long>(core->needs.session_bytes));
  return Error::Ok;
}

NodeView node_view(SessionCore& core, NodeRecord& n) {
  NodeView v;
  for (int32_t k = 0; k < n.in_count; ++k) core.info_in[static_cast<size_t>(k)] = info_of(core, n.input(k));
  for (int32_t k = 0; k < n.out_count; ++k) core.info_out[static_cast<size_t>(k)] = info_of(core, n.output(k));
  v.def = n.def;
  v.kernel = n.kernel;
  v.attrs = n.attrs;
  v.inputs = core.info_in.first(static_cast<size_t>(n.in_count));
  v.outputs = core.info_out.first(static_cast<size_t>(n.out_count));
  v.isa = core.options.isa;
  v.threads = std::max(1, core.options.parallel.threads);
  if (n.pool) v.isa = Isa::Portable;  // tuned kernels size their scratch by the bounds
  v.exact = (core.entry->flags() & format::kEntryExact) != 0;
  return v;
}

NodeView current_view(SessionCore& core, NodeRecord& n) {
  NodeView v = node_view(core, n);
  for (int32_t k = 0; k < n.in_count; ++k)
    if (n.in[k] != nullptr) core.info_in[static_cast<size_t>(k)].shape = n.in[k]->shape;
  for (int32_t k = 0; k < n.out_count; ++k)
    if (n.out[k] != nullptr) core.info_out[static_cast<size_t>(k)].shape = n.out[k]->shape;
  return v;
}

Error blame(SessionCore& core, size_t index, Error error, ErrorDetail* detail) {
  if (detail == nullptr || error == Error::Ok) return error;
  const NodeRecord& n = core.nodes[index];
  char text[sizeof detail->text];
  std::memcpy(text, detail->text, sizeof text);
  const std::string_view name = view(n.source->origin() != nullptr ? n.source->origin() : n.source->name());
  const auto node = static_cast<int32_t>(index);
  if (name.empty()) return GF_FAIL(detail, error, node, "%s (node %d): %s", n.def->info.name, node, text);
  return GF_FAIL(detail, error, node, "%s '%.*s': %s", n.def->info.name, static_cast<int>(std::min<size_t>(name.size(), 80)), name.data(), text);
}

}  // namespace gf
