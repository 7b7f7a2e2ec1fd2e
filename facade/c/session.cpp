// gf_session: a thin shell over gf::Session. run adds a check of the handle to it and nothing else.
#include "facade/c/strict.h"
#include "runtime/platform/clock.h"

using gf::Error;
using gf::ErrorDetail;
using gf::c::fail;
using gf::c::guarded;
using gf::c::report;
using gf::c::span_of;

namespace {

bool alive(const gf_session* session) { return gf::c::check_handle(session, gf::c::Kind::Session, "session", nullptr) == GF_OK; }

gf_status check_memory_sizes(const gf_session_memory& m, gf_error* error) {
  const void* blocks[] = {m.session, m.activations, m.scratch, m.pool};
  const size_t sizes[] = {m.session_bytes, m.activation_bytes, m.scratch_bytes, m.pool_bytes};
  const char* names[] = {"session", "activations", "scratch", "pool"};
  for (int i = 0; i < 4; ++i)
    if (blocks[i] == nullptr && sizes[i] != 0) return fail(error, Error::InvalidArgument, "gf_session_memory.%s is NULL with a size of %zu", names[i], sizes[i]);
  return GF_OK;
}

gf_status tensor_at(const gf_session* session, gf_kind kind, int32_t index, gf::TensorView& view, gf_error* error) {
  GF_C_HANDLE(session, Session, error);
  const int32_t count = gf_session_count(session, kind);
  if (count < 0) return fail(error, Error::InvalidArgument, "a session has inputs and outputs, not kind %d", static_cast<int>(kind));
  if (index < 0 || index >= count)
    return fail(error, Error::InvalidArgument, "there is no %s %d: the session has %d", kind == GF_INPUT ? "input" : "output", index, count);
  view = kind == GF_INPUT ? session->session->input(index) : session->session->output(index);
  return GF_OK;
}

// Data that a run reads and writes is not touched while it goes on.
gf_status check_idle(const gf_session* session, gf_error* error) {
  return session->session->running() ? fail(error, Error::Busy, "the session is running on another thread") : GF_OK;
}

uint64_t bytes_of(const gf::TensorView& view) {
  uint64_t bytes = 0;
  return gf::bytes_checked(view.count(), view.dtype, bytes) ? bytes : 0;
}

}  // namespace

extern "C" {

gf_status gf_session_create(const gf_program* program, const char* entry, const gf_weights* weights, gf_state* state,
                            const gf_session_options* options, const gf_session_memory* memory, gf_session** session, gf_error* error) {
  return guarded(error, [&]() -> gf_status {
    GF_C_NOT_NULL(session, error);
    *session = nullptr;
    GF_C_HANDLE(program, Program, error);
    GF_C_HANDLE(weights, Weights, error);
    if (state != nullptr) GF_C_HANDLE(state, State, error);
    if (state != nullptr && state->program != program->program) return fail(error, Error::InvalidArgument, "the State was made for another program");
    GF_C_NOT_NULL(memory, error);
    GF_C_TRY(gf::c::check_size(memory, "gf_session_memory", error));
    GF_C_TRY(check_memory_sizes(*memory, error));
    gf::SessionOptions o;
    GF_C_TRY(gf::c::session_options(*program, options, o, error));
    int e = 0;
    GF_C_TRY(gf::c::check_entry(*program, entry, e, error));
    ErrorDetail detail;
    auto made = gf::Session::create(*program->program, program->program->entry_name(e), weights->weights, state != nullptr ? state->state : nullptr,
                                    program->tables, o,
                                    {span_of(memory->session, memory->session_bytes), span_of(memory->activations, memory->activation_bytes),
                                     span_of(memory->scratch, memory->scratch_bytes), span_of(memory->pool, memory->pool_bytes)},
                                    &detail);
    if (!made.ok()) return report(error, made.error(), detail);
    auto* handle = gf::c::make_handle<gf_session>(program->allocator);
    handle->rows = program->rows;
    handle->own = std::move(*made);
    handle->session = &handle->own;
    handle->own.set_cancel(&handle->cancel);
    *session = handle;
    return GF_OK;
  });
}

void gf_session_destroy(gf_session* session) {
  if (session == nullptr || session->kind != gf::c::Kind::Session || session->session != &session->own) return;
  gf::c::destroy_handle(session, gf::c::Kind::Session);
}

int32_t gf_session_count(const gf_session* session, gf_kind kind) {
  if (!alive(session) || (kind != GF_INPUT && kind != GF_OUTPUT)) return -1;
  return kind == GF_INPUT ? session->session->input_count() : session->session->output_count();
}

int32_t gf_session_find(const gf_session* session, gf_kind kind, const char* name) {
  if (!alive(session) || name == nullptr || (kind != GF_INPUT && kind != GF_OUTPUT)) return -1;
  return kind == GF_INPUT ? session->session->find_input(name) : session->session->find_output(name);
}

gf_status gf_session_tensor(const gf_session* session, gf_kind kind, int32_t index, gf_tensor* tensor, gf_error* error) {
  gf::TensorView view;
  GF_C_TRY(tensor_at(session, kind, index, view, error));
  GF_C_TRY(gf::c::check_out(tensor, "gf_tensor", error));
  gf::c::fill(*tensor, view, kind == GF_INPUT ? session->session->input_name(index) : session->session->output_name(index));
  return GF_OK;
}

gf_status gf_session_set_shape(gf_session* session, int32_t input, const int64_t* dims, int32_t rank, gf_error* error) {
  gf::TensorView view;
  GF_C_TRY(tensor_at(session, GF_INPUT, input, view, error));
  if (rank < 0 || rank > GF_MAX_RANK) return fail(error, Error::ShapeMismatch, "rank %d: 0 to %d is possible", rank, GF_MAX_RANK);
  if (rank != 0) GF_C_NOT_NULL(dims, error);
  ErrorDetail detail;
  return report(error, session->session->set_input_shape(input, {dims, static_cast<size_t>(rank)}, &detail), detail);
}

gf_status gf_session_write(gf_session* session, int32_t input, const void* data, size_t bytes, gf_error* error) {
  gf::TensorView view;
  GF_C_TRY(tensor_at(session, GF_INPUT, input, view, error));
  GF_C_TRY(check_idle(session, error));
  if (bytes != bytes_of(view))
    return fail(error, Error::ShapeMismatch, "input %d takes %llu bytes in its shape, not %zu", input, static_cast<unsigned long long>(bytes_of(view)), bytes);
  if (bytes == 0) return GF_OK;
  GF_C_NOT_NULL(data, error);
  if (view.data == nullptr) return fail(error, Error::WrongPhase, "input %d is external and not bound yet", input);
  std::memcpy(view.data, data, bytes);
  return GF_OK;
}

gf_status gf_session_read(const gf_session* session, int32_t output, void* data, size_t bytes, gf_error* error) {
  gf::TensorView view;
  GF_C_TRY(tensor_at(session, GF_OUTPUT, output, view, error));
  GF_C_TRY(check_idle(session, error));
  const uint64_t needed = bytes_of(view);
  if (bytes < needed) return fail(error, Error::BufferTooSmall, "output %d has %llu bytes, room for %zu was given", output, static_cast<unsigned long long>(needed), bytes);
  if (needed == 0) return GF_OK;
  GF_C_NOT_NULL(data, error);
  if (view.data == nullptr) return fail(error, Error::WrongPhase, "output %d has no contents yet: run first", output);
  std::memcpy(data, view.data, static_cast<size_t>(needed));
  return GF_OK;
}

gf_status gf_session_bind(gf_session* session, gf_kind kind, int32_t index, void* data, size_t bytes, gf_error* error) {
  gf::TensorView view;
  GF_C_TRY(tensor_at(session, kind, index, view, error));
  ErrorDetail detail;
  const Error e = kind == GF_INPUT ? session->session->bind_input(index, data, bytes, &detail) : session->session->bind_output(index, data, bytes, &detail);
  return report(error, e, detail);
}

gf_status gf_session_run(gf_session* session, gf_error* error) {
  GF_C_HANDLE(session, Session, error);
  if (error == nullptr) return static_cast<gf_status>(session->session->run(nullptr));
  ErrorDetail detail;
  const Error e = session->session->run(&detail);
  return e == Error::Ok ? GF_OK : report(error, e, detail);
}

void gf_session_cancel(gf_session* session, int cancel) {
  if (alive(session)) session->cancel.store(cancel != 0, std::memory_order_relaxed);
}

gf_status gf_session_set_profile(gf_session* session, gf_profile_function function, void* context, gf_error* error) {
  GF_C_HANDLE(session, Session, error);
  GF_C_TRY(check_idle(session, error));
  gf::ProfileHook hook;
  hook.after_node = function;
  hook.context = context;
  hook.now_ns = [] { return static_cast<uint64_t>(gf::monotonic_ns()); };
  session->session->set_profile(hook);
  return GF_OK;
}

int32_t gf_session_node_count(const gf_session* session) { return alive(session) ? session->session->node_count() : -1; }

gf_status gf_session_node(const gf_session* session, int32_t node, gf_node_report* out, gf_error* error) {
  GF_C_HANDLE(session, Session, error);
  GF_C_TRY(gf::c::check_out(out, "gf_node_report", error));
  if (node < 0 || node >= session->session->node_count()) return fail(error, Error::InvalidArgument, "there is no node %d", node);
  const gf::NodeReport r = session->session->node(node);
  *out = {sizeof *out, r.op, r.kernel, r.refused, gf::c::c_text(r.name)};
  return GF_OK;
}

}  // extern "C"
