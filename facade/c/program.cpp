// gf_program, gf_weights, gf_state, gf_threads, and what sessions need.
#include "facade/c/handles.h"
#include "facade/c/strict.h"
#include "facade/labels.h"

using gf::Error;
using gf::ErrorDetail;
using gf::c::fail;
using gf::c::guarded;
using gf::c::check_entry;
using gf::c::report;
using gf::c::span_of;

namespace gf::c {

gf_status session_options(const gf_program& program, const gf_session_options* given, SessionOptions& out, gf_error* error) {
  GF_C_TRY(check_size(given, "gf_session_options", error));
  out.isa = program.isa;
  if (given == nullptr) return GF_OK;
  GF_C_TRY(check_flags(given->flags, GF_STRICT | GF_EXTERNAL_INPUTS | GF_EXTERNAL_OUTPUTS, error));
  GF_C_TRY(check_parallel(given->parallel, error));
  out.strict = (given->flags & GF_STRICT) != 0;
  out.external_inputs = (given->flags & GF_EXTERNAL_INPUTS) != 0;
  out.external_outputs = (given->flags & GF_EXTERNAL_OUTPUTS) != 0;
  out.pool_bytes = given->pool_bytes;
  out.parallel = parallel_of(given->parallel);
  if (given->threads != nullptr) {
    GF_C_TRY(check_handle(given->threads, Kind::Threads, "gf_threads", error));
    out.parallel = {&ThreadPool::run, given->threads->pool, given->threads->pool->threads()};
  }
  return GF_OK;
}

gf_status check_entry(const gf_program& program, const char* entry, int& index, gf_error* error) {
  index = find_entry(*program.program, entry);
  return index >= 0 ? GF_OK : fail(error, Error::NotFound, "the program has no entry '%.100s'", entry != nullptr ? entry : "main");
}

}  // namespace gf::c

namespace {

// A block of the program's allocator for the length of a call.
class Temporary {
 public:
  Temporary(const gf_allocator& allocator, uint64_t bytes) : allocator_(allocator), bytes_(static_cast<size_t>(bytes)) {
    if (bytes == 0) return;
    if (bytes_ == bytes) memory_ = gf::c::allocate(allocator, bytes_, gf::kAlignment);
    if (memory_ == nullptr) throw std::bad_alloc();
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() { gf::c::release(allocator_, memory_, bytes_); }
  std::span<std::byte> span() const { return {static_cast<std::byte*>(memory_), bytes_}; }

 private:
  gf_allocator allocator_;
  size_t bytes_;
  void* memory_ = nullptr;
};

gf_status needs_of(const gf_program& p, int entry, const gf::SessionOptions& o, std::span<std::byte> work, gf::MemoryNeeds& needs, gf_error* error) {
  ErrorDetail detail;
  return report(error, gf::memory_needs(*p.program, p.program->entry_name(entry), p.tables, o, work, needs, &detail), detail);
}

// Bytes that packing wants do not depend on the entry, but a single entry may be refused (say, for its pool).
gf_status create_needs(const gf_program& p, const gf::SessionOptions& o, std::span<std::byte> work, gf::MemoryNeeds& needs, gf_error* error) {
  gf_status status = GF_NOT_FOUND;
  for (int e = 0; e < p.program->entry_count() && status != GF_OK; ++e) status = needs_of(p, e, o, work, needs, error);
  return status;
}

}  // namespace

extern "C" {

gf_status gf_program_load(const void* bytes, size_t size, const gf_program_options* options, gf_program** program, gf_error* error) {
  return guarded(error, [&]() -> gf_status {
    GF_C_NOT_NULL(program, error);
    *program = nullptr;
    GF_C_NOT_NULL(bytes, error);
    GF_C_TRY(gf::c::check_size(options, "gf_program_options", error));
    gf_program_options o = GF_PROGRAM_OPTIONS_INIT;
    if (options != nullptr) o = *options;
    GF_C_TRY(gf::c::check_flags(o.flags, GF_VERIFY_DATA, error));
    GF_C_TRY(gf::c::check_allocator(o.allocator, error));
    if (o.tables != nullptr) GF_C_TRY(gf::c::check_handle(o.tables, gf::c::Kind::Tables, "gf_tables", error));
    const gf::Tables tables = o.tables != nullptr ? o.tables->view() : gf::default_tables();
    ErrorDetail detail;
    auto loaded = gf::Program::load({static_cast<const std::byte*>(bytes), size}, tables.ops, {{}, (o.flags & GF_VERIFY_DATA) != 0}, &detail);
    if (!loaded.ok()) return report(error, loaded.error(), detail);
    auto* made = gf::c::make_handle<gf_program>(o.allocator);
    made->own = *loaded;
    made->program = &*made->own;
    if (o.tables != nullptr) made->rows = o.tables->rows;
    made->tables = tables;
    made->isa = gf::machine_isa();
    *program = made;
    return GF_OK;
  });
}

void gf_program_destroy(gf_program* program) {
  if (program == nullptr || program->kind != gf::c::Kind::Program || !program->own) return;
  gf::c::destroy_handle(program, gf::c::Kind::Program);
}

int32_t gf_program_entry_count(const gf_program* program) {
  return gf::c::check_handle(program, gf::c::Kind::Program, "program", nullptr) == GF_OK ? program->program->entry_count() : -1;
}

const char* gf_program_entry_name(const gf_program* program, int32_t entry) {
  return entry < 0 || entry >= gf_program_entry_count(program) ? nullptr : gf::c::c_text(program->program->entry_name(entry));
}

int32_t gf_program_count(const gf_program* program, const char* entry, gf_kind kind) {
  if (gf_program_entry_count(program) < 0) return -1;
  if (kind == GF_STATE) return program->program->state_count();
  const int e = gf::c::find_entry(*program->program, entry);
  if (e < 0 || (kind != GF_INPUT && kind != GF_OUTPUT)) return -1;
  return kind == GF_INPUT ? program->program->input_count(e) : program->program->output_count(e);
}

gf_status gf_program_tensor(const gf_program* program, const char* entry, gf_kind kind, int32_t index, gf_tensor* tensor, gf_error* error) {
  GF_C_HANDLE(program, Program, error);
  GF_C_TRY(gf::c::check_out(tensor, "gf_tensor", error));
  int e = 0;
  if (kind != GF_STATE) GF_C_TRY(check_entry(*program, entry, e, error));
  const int32_t count = gf_program_count(program, entry, kind);
  if (index < 0 || index >= count) return fail(error, Error::InvalidArgument, "there is no tensor %d of kind %d, only %d", index, static_cast<int>(kind), count);
  const gf::Program& p = *program->program;
  gf::c::fill(*tensor, kind == GF_STATE ? p.state(index) : kind == GF_INPUT ? p.input(e, index) : p.output(e, index), p, e);
  return GF_OK;
}

gf_status gf_program_metadata(const gf_program* program, const char* key, const char** text, size_t* size, gf_error* error) {
  GF_C_HANDLE(program, Program, error);
  GF_C_NOT_NULL(key, error);
  GF_C_NOT_NULL(text, error);
  GF_C_NOT_NULL(size, error);
  const std::string_view value = program->program->metadata(key);
  if (value.empty()) return fail(error, Error::NotFound, "the model has no metadata '%.100s'", key);
  *text = value.data();
  *size = value.size();
  return GF_OK;
}

gf_status gf_program_label(const gf_program* program, int32_t index, const char** text, size_t* size, gf_error* error) {
  GF_C_HANDLE(program, Program, error);
  GF_C_NOT_NULL(text, error);
  GF_C_NOT_NULL(size, error);
  std::string_view rest = program->program->metadata("labels");
  for (int32_t i = 0; index >= 0 && !rest.empty(); ++i) {
    const std::string_view line = gf::take_label(rest);
    if (i != index) continue;
    *text = line.data();
    *size = line.size();
    return GF_OK;
  }
  return fail(error, Error::NotFound, "the model has no label %d", index);
}

gf_status gf_threads_create(int32_t count, const gf_allocator* allocator, gf_threads** threads, gf_error* error) {
  return guarded(error, [&]() -> gf_status {
    GF_C_NOT_NULL(threads, error);
    *threads = nullptr;
    const gf_allocator a = allocator != nullptr ? *allocator : gf_allocator{};
    GF_C_TRY(gf::c::check_allocator(a, error));
    if (count < 0 || count > gf::ThreadPool::kMaxThreads) return fail(error, Error::InvalidArgument, "%d threads: give 0 (all cores) to %d", count, gf::ThreadPool::kMaxThreads);
    const int wanted = count != 0 ? count : gf::physical_core_count();
    const size_t bytes = gf::ThreadPool::bytes_needed(wanted);
    // Owns both blocks until all is well: the allocator may also throw (an address that is not aligned).
    const auto undo = [](gf_threads* t) {
      gf::c::release(t->allocator, t->memory, t->bytes);
      gf::c::destroy_handle(t, gf::c::Kind::Threads);
    };
    std::unique_ptr<gf_threads, decltype(undo)> made(gf::c::try_make_handle<gf_threads>(a), undo);
    if (made != nullptr) made->memory = gf::c::allocate(a, bytes, gf::ThreadPool::kAlignment);
    if (made == nullptr || made->memory == nullptr) return fail(error, Error::OutOfMemory, "no memory for a pool of %d threads", wanted);
    made->bytes = bytes;
    ErrorDetail detail;
    auto pool = gf::ThreadPool::create({static_cast<std::byte*>(made->memory), bytes}, wanted, &detail);
    if (!pool.ok()) return report(error, pool.error(), detail);
    made->pool = *pool;
    *threads = made.release();
    return GF_OK;
  });
}

void gf_threads_destroy(gf_threads* threads) {
  if (threads == nullptr || threads->kind != gf::c::Kind::Threads) return;
  gf::ThreadPool::destroy(threads->pool);
  gf::c::release(threads->allocator, threads->memory, threads->bytes);
  gf::c::destroy_handle(threads, gf::c::Kind::Threads);
}

gf_status gf_session_needs(const gf_program* program, const char* entry, const gf_session_options* options, gf_needs* needs, gf_error* error) {
  return guarded(error, [&]() -> gf_status {
    GF_C_HANDLE(program, Program, error);
    GF_C_TRY(gf::c::check_out(needs, "gf_needs", error));
    gf::SessionOptions o;
    GF_C_TRY(gf::c::session_options(*program, options, o, error));
    int e = 0;
    GF_C_TRY(check_entry(*program, entry, e, error));
    const Temporary work(program->allocator, gf::work_bytes(*program->program, program->tables));
    gf::MemoryNeeds n;
    GF_C_TRY(needs_of(*program, e, o, work.span(), n, error));
    *needs = {sizeof(gf_needs), n.weights_bytes, n.state_bytes, n.session_bytes, n.activation_bytes, n.scratch_bytes, n.pool_bytes};
    return GF_OK;
  });
}

gf_status gf_weights_create(const gf_program* program, const gf_session_options* options, void* memory, size_t bytes, gf_weights** weights,
                            gf_error* error) {
  return guarded(error, [&]() -> gf_status {
    GF_C_NOT_NULL(weights, error);
    *weights = nullptr;
    GF_C_HANDLE(program, Program, error);
    gf::SessionOptions o;
    GF_C_TRY(gf::c::session_options(*program, options, o, error));
    const Temporary work(program->allocator, gf::work_bytes(*program->program, program->tables));
    gf::MemoryNeeds n;
    GF_C_TRY(create_needs(*program, o, work.span(), n, error));
    const Temporary create(program->allocator, n.create_bytes);
    ErrorDetail detail;
    auto packed = gf::Weights::create(*program->program, program->tables, o, span_of(memory, bytes), create.span(), work.span(), &detail);
    if (!packed.ok()) return report(error, packed.error(), detail);
    *weights = gf::c::make_handle<gf_weights>(program->allocator, *packed);
    return GF_OK;
  });
}

void gf_weights_destroy(gf_weights* weights) { gf::c::destroy_handle(weights, gf::c::Kind::Weights); }

gf_status gf_state_create(const gf_program* program, void* memory, size_t bytes, gf_state** state, gf_error* error) {
  return guarded(error, [&]() -> gf_status {
    GF_C_NOT_NULL(state, error);
    *state = nullptr;
    GF_C_HANDLE(program, Program, error);
    ErrorDetail detail;
    auto laid = gf::State::create(*program->program, span_of(memory, bytes), &detail);
    if (!laid.ok()) return report(error, laid.error(), detail);
    auto* made = gf::c::make_handle<gf_state>(program->allocator);
    made->own = *laid;
    made->state = &*made->own;
    made->program = program->program;
    *state = made;
    return GF_OK;
  });
}

void gf_state_destroy(gf_state* state) {
  if (state == nullptr || state->kind != gf::c::Kind::State || !state->own) return;
  gf::c::destroy_handle(state, gf::c::Kind::State);
}

namespace {
gf_status state_bytes(const gf_state* state, const char* name, size_t bytes, std::span<std::byte>& out, gf_error* error) {
  GF_C_HANDLE(state, State, error);
  GF_C_NOT_NULL(name, error);
  const int i = state->state->find(name);
  if (i < 0) return fail(error, Error::NotFound, "there is no state '%.100s'", name);
  out = state->state->bytes(i);
  if (out.size() != bytes) return fail(error, Error::ShapeMismatch, "state '%.100s' has %zu bytes, not %zu", name, out.size(), bytes);
  return GF_OK;
}
}  // namespace

gf_status gf_state_read(const gf_state* state, const char* name, void* data, size_t bytes, gf_error* error) {
  std::span<std::byte> from;
  GF_C_TRY(state_bytes(state, name, bytes, from, error));
  if (bytes == 0) return GF_OK;
  GF_C_NOT_NULL(data, error);
  std::memcpy(data, from.data(), bytes);
  return GF_OK;
}

gf_status gf_state_write(gf_state* state, const char* name, const void* data, size_t bytes, gf_error* error) {
  std::span<std::byte> to;
  GF_C_TRY(state_bytes(state, name, bytes, to, error));
  if (bytes == 0) return GF_OK;
  GF_C_NOT_NULL(data, error);
  std::memcpy(to.data(), data, bytes);
  return GF_OK;
}

gf_status gf_state_reset(gf_state* state, gf_error* error) {
  GF_C_HANDLE(state, State, error);
  state->state->reset();
  return GF_OK;
}

size_t gf_state_save_bytes(const gf_state* state) {
  return gf::c::check_handle(state, gf::c::Kind::State, "state", nullptr) == GF_OK ? static_cast<size_t>(state->state->save_bytes()) : 0;
}

gf_status gf_state_save(const gf_state* state, void* data, size_t bytes, gf_error* error) {
  GF_C_HANDLE(state, State, error);
  GF_C_NOT_NULL(data, error);
  ErrorDetail detail;
  return report(error, state->state->save(span_of(data, bytes), &detail), detail);
}

gf_status gf_state_restore(gf_state* state, const void* data, size_t bytes, gf_error* error) {
  GF_C_HANDLE(state, State, error);
  GF_C_NOT_NULL(data, error);
  ErrorDetail detail;
  return report(error, state->state->restore({static_cast<const std::byte*>(data), bytes}, &detail), detail);
}

}  // extern "C"
