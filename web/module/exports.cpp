// The exported functions over Program, Weights, State and Session. See exports.h for the rules.
#include "web/module/exports.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "runtime/core/checked.h"
#include "runtime/include/ghostflow/session.h"
#include "web/module/export.h"
#include "web/module/pool.h"

extern "C" __attribute__((import_module("env"), import_name("gfw_node_time"))) void gfw_node_time(int32_t node, double nanoseconds);
/// Copies bytes of the file to `to`.
extern "C" __attribute__((import_module("env"), import_name("gfw_read"))) void gfw_read(double offset, uint32_t bytes, std::byte* to);

namespace gf::web {
namespace {

struct Planned {
  int entry = -1;
  MemoryNeeds needs;
};

/// Everything of one module instance. Constant-initialised: a module has no start-up code of ours.
struct Module {
  ErrorDetail error;
  ErrorRecord error_record{};
  Tables tables;
  std::optional<Program> program;
  SessionOptions options;
  Planned planned[kMaxSessions];
  int planned_count = 0;
  NeedsRecord needs{};
  Weights weights;
  std::optional<State> state;
  std::optional<Session> sessions[kMaxSessions];
  int session_count = 0;
  std::span<std::byte> transient;  // activations, scratch, pool: free between runs
  TensorRecord tensor{};
  NodeRecord node{};
  TextRecord text{};
  double dims[kRank]{};
};

/// Never destroyed: an instance ends by being dropped, and a destructor would need a list of them.
union Forever {
  constexpr Forever() : module() {}
  ~Forever() {}
  Module module;
};
constinit Forever g_forever;
constexpr Module& g = g_forever.module;

int32_t status(Error error) {
  if (error == Error::Ok) return 0;
  g.error_record.status = static_cast<int32_t>(error);
  g.error_record.node = g.error.node;
  const char* text = g.error.error == error && g.error.text[0] != '\0' ? g.error.text : error_name(error);
  std::strncpy(g.error_record.text, text, sizeof g.error_record.text - 1);
  return static_cast<int32_t>(error);
}
ErrorDetail* fresh() {
  g.error = {};
  return &g.error;
}
int32_t fail(Error error, const char* text) { return status(g.error.set(error, -1, "%s", text)); }

bool valid_session(int32_t session) { return session >= 0 && session < g.session_count && g.sessions[session]; }

// NUL-terminated in the file.
const char* c_text(std::string_view text) { return text.data() != nullptr ? text.data() : ""; }

std::span<std::byte> block(std::byte*& at, double bytes) {
  const auto size = static_cast<size_t>(bytes);
  const std::span<std::byte> taken(at, size);
  at += (size + kAlignment - 1) / kAlignment * kAlignment;
  return taken;
}

double aligned(uint64_t bytes) { return static_cast<double>((bytes + kAlignment - 1) / kAlignment * kAlignment); }

TensorRecord* fill(const PortInfo& port) {
  TensorRecord& t = g.tensor;
  t = {};
  t.name = c_text(port.name);
  t.dtype = static_cast<int32_t>(port.dtype);
  t.rank = port.rank;
  uint64_t count = 1;
  for (int d = 0; d < port.rank; ++d) {
    t.dims[d] = static_cast<double>(port.bounds[d]);
    count *= static_cast<uint64_t>(port.bounds[d]);
    if (port.symbols[d] != -1) t.dynamic |= 1 << d;
  }
  uint64_t bytes = 0;
  if (bytes_checked(static_cast<int64_t>(count), port.dtype, bytes)) t.bytes = static_cast<double>(bytes);
  return &t;
}

// At least State::save_bytes(), before there is a State: per state a name, a type, dims and data.
double save_bound(const Program& program) {
  if (program.state_count() == 0) return 0;
  double bytes = kAlignment;
  for (int i = 0; i < program.state_count(); ++i) bytes += static_cast<double>(program.state(i).name.size()) + 16 * kMaxRank + fill(program.state(i))->bytes;
  return aligned(static_cast<uint64_t>(bytes));
}

bool read(void*, uint64_t offset, uint64_t bytes, std::byte* to) {
  gfw_read(static_cast<double>(offset), static_cast<uint32_t>(bytes), to);
  return true;
}

void after_node(void*, int32_t node, uint64_t begin, uint64_t end) { gfw_node_time(node, static_cast<double>(end - begin)); }

}  // namespace

GF_WEB_EXPORT(int32_t, gfw_abi)() { return kAbiVersion; }
GF_WEB_EXPORT(const ErrorRecord*, gfw_error)() { return &g.error_record; }
GF_WEB_EXPORT(const char*, gfw_error_name)(int32_t error) { return error_name(static_cast<Error>(error)); }
GF_WEB_EXPORT(const char*, gfw_dtype_name)(int32_t dtype) { return dtype_name(static_cast<DType>(dtype)); }
/// Eight numbers for gfw_set_shape.
GF_WEB_EXPORT(double*, gfw_dims)() { return g.dims; }

/// Checks the `size` bytes of a .gf file at `bytes` (64-byte aligned, unchanged from now on). `verify`: also the checksum of the data.
GF_WEB_EXPORT(int32_t, gfw_load)(const std::byte* bytes, uint32_t size, int32_t verify) {
  if (g.program) return fail(Error::WrongPhase, "this module holds a program already; make another instance");
  g.tables = default_tables();
  LoadOptions options;
  options.verify_data = verify != 0;
  const Result<Program> loaded = Program::load({bytes, size}, g.tables.ops, options, fresh());
  if (!loaded.ok()) return status(loaded.error());
  g.program = *loaded;
  g.options.isa = machine_isa();
  return 0;
}

GF_WEB_EXPORT(int32_t, gfw_entry_count)() { return g.program ? g.program->entry_count() : 0; }
GF_WEB_EXPORT(const char*, gfw_entry_name)(int32_t entry) {
  return g.program && entry >= 0 && entry < g.program->entry_count() ? c_text(g.program->entry_name(entry)) : nullptr;
}
/// How many inputs or outputs `entry` has, or states the program; -1: no such entry.
GF_WEB_EXPORT(int32_t, gfw_port_count)(int32_t entry, Kind kind) {
  if (!g.program) return -1;
  if (kind == Kind::State) return g.program->state_count();
  if (entry < 0 || entry >= g.program->entry_count()) return -1;
  return kind == Kind::Input ? g.program->input_count(entry) : g.program->output_count(entry);
}
/// One of them; nullptr: there is none. The record is overwritten by the next call.
GF_WEB_EXPORT(const TensorRecord*, gfw_port)(int32_t entry, Kind kind, int32_t index) {
  if (index < 0 || index >= gfw_port_count(entry, kind)) return nullptr;
  if (kind == Kind::State) return fill(g.program->state(index));
  return fill(kind == Kind::Input ? g.program->input(entry, index) : g.program->output(entry, index));
}
/// Text of the metadata under `key`; nullptr: there is none.
GF_WEB_EXPORT(const TextRecord*, gfw_metadata)(const char* key) {
  const std::string_view text = g.program ? g.program->metadata(key) : std::string_view();
  if (text.empty()) return nullptr;
  g.text = {text.data(), static_cast<int32_t>(text.size())};
  return &g.text;
}

/// Bytes of working memory that gfw_plan wants, aligned to 64.
GF_WEB_EXPORT(double, gfw_work_bytes)() { return g.program ? static_cast<double>(work_bytes(*g.program, g.tables)) : 0; }

/// Adds `entry` to what gfw_create will make; session numbers follow the order of these calls. `threads` is the same each time.
/// `strict`: refuse portable reference kernels. `pool_bytes`: for values whose size has no bound.
GF_WEB_EXPORT(int32_t, gfw_plan)(int32_t entry, int32_t threads, int32_t strict, double pool_bytes, std::byte* work, uint32_t size) {
  if (!g.program) return fail(Error::WrongPhase, "load a program first");
  if (g.planned_count == kMaxSessions) return fail(Error::LimitExceeded, "a module runs at most 16 entries");
  if (entry < 0 || entry >= g.program->entry_count()) return fail(Error::NotFound, "there is no such entry");
  g.options.strict = strict != 0;
  g.options.pool_bytes = static_cast<uint64_t>(pool_bytes);
  g.options.parallel = pool_parallel(threads);
  MemoryNeeds n;
  const Error error = memory_needs(*g.program, g.program->entry_name(entry), g.tables, g.options, {work, size}, n, fresh());
  if (error != Error::Ok) return status(error);
  g.planned[g.planned_count++] = {entry, n};
  NeedsRecord& t = g.needs;
  t.weights = aligned(n.weights_bytes);
  t.state = aligned(n.state_bytes);
  t.sessions += aligned(n.session_bytes);
  t.activations = std::max(t.activations, aligned(n.activation_bytes));
  t.scratch = std::max(t.scratch, aligned(n.scratch_bytes));
  t.pool = std::max(t.pool, aligned(n.pool_bytes));
  t.setup = std::max(t.setup, aligned(n.create_bytes) + aligned(work_bytes(*g.program, g.tables)));
  t.save = save_bound(*g.program);
  t.total = t.weights + t.state + t.sessions + std::max({t.activations + t.scratch + t.pool, t.setup, t.save});
  return 0;
}
GF_WEB_EXPORT(const NeedsRecord*, gfw_needs)() { return &g.needs; }

/// Finds `kept` and `window` of gfw_needs. `work`: gfw_work_bytes.
GF_WEB_EXPORT(int32_t, gfw_tail)(std::byte* work, uint32_t size) {
  if (!g.program) return fail(Error::WrongPhase, "load a program first");
  PackedTail tail;
  if (const Error e = packed_tail(*g.program, g.tables, g.options, {work, size}, tail, fresh()); e != Error::Ok) return status(e);
  g.needs.kept = aligned(tail.begin);
  g.needs.window = aligned(tail.window);
  return 0;
}
/// Reads from the loader, to their places behind the header, constants that planning may look at: for a file that is not in memory as a
/// whole (gfw_load needs the header and the seal only).
GF_WEB_EXPORT(void, gfw_read_small)() {
  if (g.program) read_small_constants(*g.program, {&read, nullptr, {}}, const_cast<std::byte*>(g.program->bytes().data()));
}

/// Packs weights into `size` bytes at `memory` (64-byte aligned, at least the weights of gfw_needs) with the setup bytes at `setup`.
/// `window`: the file is not in memory beyond `kept`, and constants are read from the loader; nullptr: it is.
GF_WEB_EXPORT(int32_t, gfw_pack)(std::byte* memory, uint32_t size, std::byte* setup, uint32_t setup_size, std::byte* window) {
  if (g.planned_count == 0 || g.weights.valid()) return fail(Error::WrongPhase, "plan entries first, and pack once");
  const NeedsRecord& t = g.needs;
  if (size < t.weights || setup_size < t.setup) return fail(Error::BufferTooSmall, "the memory is smaller than gfw_needs says");
  const double work_size = aligned(work_bytes(*g.program, g.tables));
  const std::span<std::byte> create = block(setup, t.setup - work_size), work = block(setup, work_size);
  g.options.reader = {};
  if (window != nullptr) g.options.reader = {&read, nullptr, {window, static_cast<size_t>(t.window)}, &read_constant};
  const Result<Weights> made = Weights::create(*g.program, g.tables, g.options, {memory, size}, create, work, fresh());
  if (!made.ok()) return status(made.error());
  g.weights = *made;
  return 0;
}

/// Sets State to its initial values and makes the planned sessions in `size` bytes at `memory` (64-byte aligned, at least the total of
/// gfw_needs less the weights). Starts nothing: workers of a build with threads must be waiting in gfw_worker before a run.
GF_WEB_EXPORT(int32_t, gfw_create)(std::byte* memory, uint32_t size) {
  if (!g.weights.valid() || g.session_count != 0) return fail(Error::WrongPhase, "pack first, and create once");
  const NeedsRecord& t = g.needs;
  if (size < t.total - t.weights) return fail(Error::BufferTooSmall, "the memory is smaller than gfw_needs says");
  std::byte* at = memory;
  const std::span<std::byte> state = block(at, t.state);
  std::byte* session_memory = at;
  at += static_cast<size_t>(t.sessions);
  g.transient = {at, size - static_cast<size_t>(at - memory)};
  if (g.program->state_count() > 0) {
    const Result<State> made = State::create(*g.program, state, fresh());
    if (!made.ok()) return status(made.error());
    g.state = *made;
  }
  const std::span<std::byte> activations = block(at, t.activations), scratch = block(at, t.scratch), pool = block(at, t.pool);
  for (int i = 0; i < g.planned_count; ++i) {
    const Planned& p = g.planned[i];
    const SessionMemory parts{block(session_memory, static_cast<double>(p.needs.session_bytes)), activations, scratch, pool};
    Result<Session> made = Session::create(*g.program, g.program->entry_name(p.entry), g.weights, g.state ? &*g.state : nullptr,
                                           g.tables, g.options, parts, fresh());
    if (!made.ok()) return status(made.error());
    g.sessions[g.session_count++].emplace(std::move(*made));
  }
  return 0;
}

/// An input or output of a session as it is now; nullptr: there is none. The record is overwritten by the next call.
GF_WEB_EXPORT(const TensorRecord*, gfw_tensor)(int32_t session, Kind kind, int32_t index) {
  if (!valid_session(session) || index < 0) return nullptr;
  const Session& s = *g.sessions[session];
  const bool input = kind == Kind::Input;
  if (index >= (input ? s.input_count() : s.output_count())) return nullptr;
  const int entry = g.planned[session].entry;
  fill(input ? g.program->input(entry, index) : g.program->output(entry, index));
  const TensorView view = input ? s.input(index) : s.output(index);
  g.tensor.data = const_cast<void*>(view.data);
  g.tensor.rank = view.shape.rank;
  for (int d = 0; d < g.tensor.rank; ++d) g.tensor.dims[d] = static_cast<double>(view.shape[d]);
  uint64_t bytes = 0;
  g.tensor.bytes = bytes_checked(view.shape.count(), view.dtype, bytes) ? static_cast<double>(bytes) : 0;
  return &g.tensor;
}
/// New shape of a dynamic input: the first `rank` numbers of gfw_dims. Inputs that share a dimension are set one by one, then
/// gfw_resolve.
GF_WEB_EXPORT(int32_t, gfw_set_shape)(int32_t session, int32_t input, int32_t rank) {
  if (!valid_session(session) || rank < 0 || rank > kRank) return fail(Error::InvalidArgument, "no such session, or a rank above 8");
  int64_t dims[kRank] = {};
  for (int d = 0; d < rank; ++d) dims[d] = static_cast<int64_t>(g.dims[d]);
  return status(g.sessions[session]->set_input_shape(input, {dims, static_cast<size_t>(rank)}, fresh()));
}
GF_WEB_EXPORT(int32_t, gfw_resolve)(int32_t session) {
  if (!valid_session(session)) return fail(Error::InvalidArgument, "no such session");
  return status(g.sessions[session]->resolve(fresh()));
}
GF_WEB_EXPORT(int32_t, gfw_run)(int32_t session) {
  if (!valid_session(session)) return fail(Error::InvalidArgument, "no such session");
  return status(g.sessions[session]->run(fresh()));
}

GF_WEB_EXPORT(int32_t, gfw_node_count)(int32_t session) { return valid_session(session) ? g.sessions[session]->node_count() : -1; }
GF_WEB_EXPORT(const NodeRecord*, gfw_node)(int32_t session, int32_t node) {
  if (!valid_session(session) || node < 0 || node >= g.sessions[session]->node_count()) return nullptr;
  const NodeReport r = g.sessions[session]->node(node);
  g.node = {r.op, r.kernel, r.refused, c_text(r.name)};
  return &g.node;
}
/// From now on the runs of `session` tell the loader's gfw_node_time the nanoseconds of each node, or (`on` 0) no longer.
GF_WEB_EXPORT(int32_t, gfw_profile)(int32_t session, int32_t on) {
  if (!valid_session(session)) return fail(Error::InvalidArgument, "no such session");
  g.sessions[session]->set_profile(on != 0 ? ProfileHook{&after_node, &now_nanoseconds, nullptr} : ProfileHook{});
  return 0;
}

/// Where state `index` lies: dense, in the shape that gfw_port tells. nullptr: there is none.
GF_WEB_EXPORT(void*, gfw_state_data)(int32_t index) {
  return g.state && index >= 0 && index < g.state->count() ? g.state->bytes(index).data() : nullptr;
}
GF_WEB_EXPORT(double, gfw_state_bytes)(int32_t index) {
  return g.state && index >= 0 && index < g.state->count() ? static_cast<double>(g.state->bytes(index).size()) : 0;
}
GF_WEB_EXPORT(int32_t, gfw_state_reset)() {
  if (!g.state) return fail(Error::NotFound, "the program has no State");
  g.state->reset();
  return 0;
}
/// Size of all states as one checked block; 0: the program has none.
GF_WEB_EXPORT(double, gfw_state_save_bytes)() { return g.state ? static_cast<double>(g.state->save_bytes()) : 0; }
/// Memory that is free between runs, for such blocks: at least gfw_transient_bytes. A run, and a view of an input, overwrite it.
GF_WEB_EXPORT(std::byte*, gfw_transient)() { return g.transient.data(); }
GF_WEB_EXPORT(double, gfw_transient_bytes)() { return static_cast<double>(g.transient.size()); }
GF_WEB_EXPORT(int32_t, gfw_state_save)(std::byte* data, uint32_t size) {
  return g.state ? status(g.state->save({data, size}, fresh())) : fail(Error::NotFound, "the program has no State");
}
/// Takes such a block back: everything or, on an error, nothing.
GF_WEB_EXPORT(int32_t, gfw_state_restore)(const std::byte* data, uint32_t size) {
  return g.state ? status(g.state->restore({data, size}, fresh())) : fail(Error::NotFound, "the program has no State");
}

}  // namespace gf::web
