#include "runtime/exec/session.h"

#include <algorithm>
#include <cstring>

#include "runtime/exec/core.h"

namespace gf {
namespace {

bool aligned(std::span<std::byte> memory) { return reinterpret_cast<uintptr_t>(memory.data()) % kAlignment == 0; }

std::string_view view(const flatbuffers::String* s) {
  return s != nullptr ? std::string_view(s->c_str(), s->size()) : std::string_view();
}

#ifndef NDEBUG
constexpr const char kBytesGone[] = "the bytes of the model are not what was loaded: were they freed or overwritten? They must outlive the program";
#endif

Error attach_tensors(SessionCore& core, const Weights& weights, State* state, std::byte* arena, ErrorDetail* detail) {
  for (TensorRecord& t : core.tensors) {
    switch (t.kind) {
      case format::kConstant:
        if (t.view.data == nullptr) t.view.data = const_cast<void*>(weights.find(t.index, kDenseKey, t.capacity));
        break;
      case format::kState:
        if (state == nullptr) return GF_FAIL(detail, Error::InvalidArgument, -1, "entry '%.60s' works on State; give one to create", core.entry->name() != nullptr ? core.entry->name()->c_str() : "");
        t.view.data = state->bytes(static_cast<int>(t.index)).data();
        break;
      default:
        if (t.planned) t.view.data = arena + core.tensor(t.root).offset;
    }
  }
  return Error::Ok;
}

Error attach_kernels(SessionCore& core, const Weights& weights, ErrorDetail* detail) {
  for (size_t i = 0; i < core.nodes.size(); ++i) {
    NodeRecord& n = core.nodes[i];
    if (n.kernel == nullptr) continue;
    for (int p = 0; p < n.plan.pack_count; ++p) {
      const PackRequest& r = n.plan.packs[p];
      n.packed[p] = weights.find(n.input(r.input)->index, r.key, r.bytes);
      if (n.packed[p] == nullptr)
        return blame(core, i, GF_FAIL(detail, Error::InvalidArgument, static_cast<int32_t>(i), "the weights were made for other kernels: use the same tables and options for Weights and Session"), detail);
    }
    if (n.plan.data_bytes != 0) std::memset(n.data, 0, static_cast<size_t>(n.plan.data_bytes));
    if (n.kernel->init == nullptr) continue;
    InitContext c;
    c.data = n.data;
    c.data_bytes = n.plan.data_bytes;
    std::memcpy(c.packed, n.packed, sizeof c.packed);
    c.parallel = core.options.parallel;
    c.inputs = n.in;
    c.outputs = n.out;
    c.scratch = core.scratch;
    c.detail = detail;
    const NodeView node = node_view(core, n);
    if (const Error e = n.kernel->init(node, c); e != Error::Ok) {
      if (detail != nullptr && detail->error == Error::Ok)
        static_cast<void>(GF_FAIL(detail, e, static_cast<int32_t>(i), "kernel %s could not be set up", n.kernel->name));
      return blame(core, i, e, detail);
    }
    n.initialized = true;
  }
  return Error::Ok;
}

void destroy_kernels(SessionCore& core) {
  for (NodeRecord& n : core.nodes) {
    if (n.initialized && n.kernel->destroy != nullptr) n.kernel->destroy(n.data);
    n.initialized = false;
  }
}

Error bind(SessionCore& core, TensorRecord& t, bool external, const void* data, size_t bytes, ErrorDetail* detail) {
  if (!external) return GF_FAIL(detail, Error::WrongPhase, -1, "this session owns its inputs or outputs; create it with external_inputs / external_outputs to bind");
  if (core.running.load(std::memory_order_relaxed) != 0) return GF_FAIL(detail, Error::Busy, -1, "the session is running");
  if (data == nullptr && t.capacity != 0) return GF_FAIL(detail, Error::InvalidArgument, -1, "null buffer");
  if (bytes < t.capacity) return GF_FAIL(detail, Error::BufferTooSmall, -1, "buffer has %zu bytes, %llu are needed", bytes, static_cast<unsigned long long>(t.capacity));
  if (reinterpret_cast<uintptr_t>(data) % std::max<uint64_t>(1, dtype_bits(t.view.dtype) / 8) != 0)
    return GF_FAIL(detail, Error::Misaligned, -1, "buffer is not aligned to its element size");
  t.view.data = const_cast<void*>(data);
  return Error::Ok;
}

}  // namespace

Error check_memory(std::span<std::byte> memory, uint64_t needed, const char* what, ErrorDetail* detail) {
  if (memory.size() < needed)
    return GF_FAIL(detail, Error::BufferTooSmall, -1, "%s memory has %zu bytes, %llu are needed", what, memory.size(), static_cast<unsigned long long>(needed));
  if (!aligned(memory)) return GF_FAIL(detail, Error::Misaligned, -1, "%s memory must be aligned to %zu", what, kAlignment);
  return Error::Ok;
}

Error memory_needs(const Program& program, std::string_view entry, const Tables& tables, const SessionOptions& options,
                   std::span<std::byte> work, MemoryNeeds& needs, ErrorDetail* detail) {
  const int index = program.find_entry(entry);
  if (index < 0) return GF_FAIL(detail, Error::NotFound, -1, "the model has no entry '%.*s'", static_cast<int>(std::min<size_t>(entry.size(), 60)), entry.data());
  if (!aligned(work)) return GF_FAIL(detail, Error::Misaligned, -1, "work memory must be aligned to %zu", kAlignment);
  Bump memory(work);
  SessionCore* core = nullptr;
  GF_TRY(plan_only(program, index, tables, options, memory, core, detail));
  needs = core->needs;
  needs.state_bytes = State::bytes_needed(program);
  return weights_needs(program, tables, options, work, needs, detail);
}

Result<Session> Session::create(const Program& program, std::string_view entry, const Weights& weights, State* state,
                                const Tables& tables, const SessionOptions& options, const SessionMemory& memory,
                                ErrorDetail* detail) {
  const int index = program.find_entry(entry);
  if (index < 0) return GF_FAIL(detail, Error::NotFound, -1, "the model has no entry '%.*s'", static_cast<int>(std::min<size_t>(entry.size(), 60)), entry.data());
  if (!weights.valid()) return GF_FAIL(detail, Error::InvalidArgument, -1, "these weights were never created, or their memory was used for something else");
#ifndef NDEBUG
  if (!program.intact()) return GF_FAIL(detail, Error::WrongPhase, -1, "%s", kBytesGone);
#endif
  if (!aligned(memory.session)) return GF_FAIL(detail, Error::Misaligned, -1, "session memory must be aligned to %zu", kAlignment);
  Bump records(memory.session);
  SessionCore* core = nullptr;
  if (const Error e = build_session(program, index, tables, options, records, core, detail); e != Error::Ok) return e;
  if (const Error e = check_memory(memory.activations, core->needs.activation_bytes, "activation", detail); e != Error::Ok) return e;
  if (const Error e = check_memory(memory.scratch, core->needs.scratch_bytes, "scratch", detail); e != Error::Ok) return e;
  if (const Error e = check_memory(memory.pool, core->needs.pool_bytes, "pool", detail); e != Error::Ok) return e;
  core->scratch = memory.scratch.data();
  core->pool = memory.pool;
  core->needs.state_bytes = State::bytes_needed(program);
  if (const Error e = attach_tensors(*core, weights, state, memory.activations.data(), detail); e != Error::Ok) return e;
  if (const Error e = attach_kernels(*core, weights, detail); e != Error::Ok) {
    destroy_kernels(*core);
    return e;
  }
  Session s;
  s.core_ = core;
  return s;
}

Session& Session::operator=(Session&& other) noexcept {
  if (this != &other) {
    close();
    core_ = other.core_;
    other.core_ = nullptr;
  }
  return *this;
}

void Session::close() {
  if (core_ != nullptr) destroy_kernels(*core_);
  core_ = nullptr;
}

int Session::input_count() const { return core_ != nullptr ? static_cast<int>(core_->graph(0).inputs()->size()) : 0; }
int Session::output_count() const { return core_ != nullptr ? static_cast<int>(core_->graph(0).outputs()->size()) : 0; }

std::string_view Session::input_name(int i) const {
  if (i < 0 || i >= input_count()) return {};
  return view(core_->entry->tensors()->Get(static_cast<uint32_t>(core_->graph(0).inputs()->Get(static_cast<uint32_t>(i))))->name());
}
std::string_view Session::output_name(int i) const {
  return i < 0 || i >= output_count() ? std::string_view() : view(core_->entry->output_names()->Get(static_cast<uint32_t>(i)));
}

int Session::find_input(std::string_view name) const {
  for (int i = 0; i < input_count(); ++i)
    if (input_name(i) == name) return i;
  return -1;
}
int Session::find_output(std::string_view name) const {
  for (int i = 0; i < output_count(); ++i)
    if (output_name(i) == name) return i;
  return -1;
}

TensorView Session::input(int i) const {
  if (i < 0 || i >= input_count()) return {};
  return core_->tensor(core_->graph(0).inputs()->Get(static_cast<uint32_t>(i))).view;
}
TensorView Session::output(int i) const {
  if (i < 0 || i >= output_count()) return {};
  return core_->tensor(core_->graph(0).outputs()->Get(static_cast<uint32_t>(i))).view;
}

Error Session::set_input_shape(int i, std::span<const int64_t> dims, ErrorDetail* detail) {
  if (core_ == nullptr) return GF_FAIL(detail, Error::WrongPhase, -1, "the session is closed");
  if (i < 0 || i >= input_count()) return GF_FAIL(detail, Error::InvalidArgument, -1, "no input %d", i);
  const int32_t id = core_->graph(0).inputs()->Get(static_cast<uint32_t>(i));
  TensorRecord& t = core_->tensor(id);
  const fb::Tensor& f = *core_->entry->tensors()->Get(static_cast<uint32_t>(id));
  const char* name = f.name() != nullptr ? f.name()->c_str() : "";
  if (core_->running.load(std::memory_order_relaxed) != 0) return GF_FAIL(detail, Error::Busy, -1, "the session is running");
  if (static_cast<int>(dims.size()) != t.bound.rank)
    return GF_FAIL(detail, Error::ShapeMismatch, -1, "input '%.60s' has rank %d, not %zu", name, t.bound.rank, dims.size());
  for (int d = 0; d < t.bound.rank; ++d) {
    const int64_t v = dims[static_cast<size_t>(d)];
    const int32_t symbol = f.dims()->Get(static_cast<uint32_t>(d))->symbol();
    if (symbol < 0) {
      if (v != t.bound[d])
        return GF_FAIL(detail, Error::ShapeMismatch, -1, "input '%.60s': dimension %d is %lld, not %lld", name, d, static_cast<long long>(t.bound[d]), static_cast<long long>(v));
      continue;
    }
    const fb::Symbol& s = *core_->entry->symbols()->Get(static_cast<uint32_t>(symbol));
    if (v < s.lo() || v > s.hi())
      return GF_FAIL(detail, Error::ShapeOutOfBounds, -1, "input '%.60s': dimension %d (%.40s) may be %lld to %lld, not %lld", name, d, s.name() != nullptr ? s.name()->c_str() : "", static_cast<long long>(s.lo()), static_cast<long long>(s.hi()), static_cast<long long>(v));
  }
  for (int d = 0; d < t.bound.rank; ++d) {
    core_->shapes_dirty = core_->shapes_dirty || t.view.shape[d] != dims[static_cast<size_t>(d)];
    t.view.shape[d] = dims[static_cast<size_t>(d)];
  }
  return Error::Ok;
}

namespace {

// The same symbol must have one size in all inputs.
Error check_symbols(SessionCore& core, ErrorDetail* detail) {
  const auto& inputs = *core.graph(0).inputs();
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    const fb::Tensor& a = *core.entry->tensors()->Get(static_cast<uint32_t>(inputs.Get(i)));
    for (int d = 0; d < core.tensor(inputs.Get(i)).bound.rank; ++d) {
      const int32_t symbol = a.dims()->Get(static_cast<uint32_t>(d))->symbol();
      if (symbol < 0) continue;
      for (uint32_t k = 0; k <= i; ++k) {
        const fb::Tensor& b = *core.entry->tensors()->Get(static_cast<uint32_t>(inputs.Get(k)));
        for (int e = 0; e < core.tensor(inputs.Get(k)).bound.rank; ++e) {
          if (b.dims()->Get(static_cast<uint32_t>(e))->symbol() != symbol) continue;
          const int64_t x = core.tensor(inputs.Get(i)).view.shape[d], y = core.tensor(inputs.Get(k)).view.shape[e];
          if (x != y)
            return GF_FAIL(detail, Error::ShapeMismatch, -1, "inputs '%.40s' and '%.40s' give different sizes (%lld, %lld) to the same dimension", a.name() != nullptr ? a.name()->c_str() : "", b.name() != nullptr ? b.name()->c_str() : "", static_cast<long long>(x), static_cast<long long>(y));
        }
      }
    }
  }
  return Error::Ok;
}

}  // namespace

Error Session::resolve(ErrorDetail* detail) {
  if (core_ == nullptr) return GF_FAIL(detail, Error::WrongPhase, -1, "the session is closed");
  if (!core_->shapes_dirty) return Error::Ok;
  GF_TRY(check_symbols(*core_, detail));
  GF_TRY(resolve_session(*core_, detail));
  core_->shapes_dirty = false;
  return Error::Ok;
}

Error Session::bind_input(int i, const void* data, size_t bytes, ErrorDetail* detail) {
  if (core_ == nullptr) return GF_FAIL(detail, Error::WrongPhase, -1, "the session is closed");
  if (i < 0 || i >= input_count()) return GF_FAIL(detail, Error::InvalidArgument, -1, "no input %d", i);
  return bind(*core_, core_->tensor(core_->graph(0).inputs()->Get(static_cast<uint32_t>(i))), core_->options.external_inputs, data, bytes, detail);
}

Error Session::bind_output(int i, void* data, size_t bytes, ErrorDetail* detail) {
  if (core_ == nullptr) return GF_FAIL(detail, Error::WrongPhase, -1, "the session is closed");
  if (i < 0 || i >= output_count()) return GF_FAIL(detail, Error::InvalidArgument, -1, "no output %d", i);
  return bind(*core_, core_->tensor(core_->graph(0).outputs()->Get(static_cast<uint32_t>(i))), core_->options.external_outputs, data, bytes, detail);
}

bool Session::running() const { return core_ != nullptr && core_->running.load(std::memory_order_relaxed) != 0; }

Error Session::run(ErrorDetail* detail) {
  if (core_ == nullptr) return GF_FAIL(detail, Error::WrongPhase, -1, "the session is closed or was never created");
#ifndef NDEBUG
  if (!core_->program->intact()) return GF_FAIL(detail, Error::WrongPhase, -1, "%s", kBytesGone);
#endif
  if (core_->running.exchange(1, std::memory_order_acquire) != 0) return GF_FAIL(detail, Error::Busy, -1, "the session is already running on another thread");
  const Error result = [&] {
    if (core_->shapes_dirty) GF_TRY(resolve(detail));
    for (int i = 0; i < input_count(); ++i)
      if (input(i).data == nullptr && input(i).count() != 0) return GF_FAIL(detail, Error::WrongPhase, -1, "input %d is not bound", i);
    for (int i = 0; i < output_count(); ++i)
      if (output(i).data == nullptr && !core_->tensor(core_->graph(0).outputs()->Get(static_cast<uint32_t>(i))).unbounded &&
          core_->tensor(core_->graph(0).outputs()->Get(static_cast<uint32_t>(i))).capacity != 0)
        return GF_FAIL(detail, Error::WrongPhase, -1, "output %d is not bound", i);
    core_->state_written = false;
    pool_clear(*core_);
    if (detail != nullptr) detail->error = Error::Ok;
    return run_graph(*core_, 0, detail);
  }();
  core_->running.store(0, std::memory_order_release);
  return result;
}

int Session::node_count() const { return core_ != nullptr ? static_cast<int>(core_->nodes.size()) : 0; }

NodeReport Session::node(int i) const {
  NodeReport r;
  if (i < 0 || i >= node_count()) return r;
  const NodeRecord& n = core_->nodes[static_cast<size_t>(i)];
  r.op = n.def->info.name;
  r.kernel = n.kernel != nullptr ? n.kernel->name : "";
  r.refused = n.refused;
  r.name = view(n.source->name());
  r.origin = view(n.source->origin());
  return r;
}

MemoryNeeds Session::memory() const { return core_ != nullptr ? core_->needs : MemoryNeeds(); }
void Session::set_profile(const ProfileHook& hook) {
  if (core_ != nullptr) core_->options.profile = hook;
}
void Session::set_cancel(const std::atomic<bool>* cancel) {
  if (core_ != nullptr) core_->options.cancel = cancel;
}

}  // namespace gf
