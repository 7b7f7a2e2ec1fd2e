// gf_model: the friendly level of the C API over gf::Model.
#include "facade/c/handles.h"

using gf::Error;
using gf::c::fail;
using gf::c::guarded;

struct gf_model : gf::c::Handle {
  explicit gf_model(gf::Model m) : Handle(gf::c::Kind::Model), model(std::move(m)) {}

  std::shared_ptr<gf_tables::Rows> rows;   // custom ops and kernels that the model uses: stand until its sessions are closed
  gf::Model model;
  gf_program program;
  gf_state state;
  std::map<std::string, std::unique_ptr<gf_session>, std::less<>> sessions;
  std::atomic<gf_session*> main{nullptr};
  std::atomic<uint32_t> busy{0};  // a word: to exchange a byte, RISC-V calls a library (libatomic)
  gf_log_function log = nullptr;
  void* log_context = nullptr;

  void say(gf_log_level level, const std::string& text) const {
    if (log != nullptr) log(log_context, level, text.c_str());
  }
};

namespace {

gf_status options_of(const gf_model_options* given, gf::ModelOptions& out, gf_model_options& o, gf_error* error) {
  GF_C_TRY(gf::c::check_size(given, "gf_model_options", error));
  if (given != nullptr) o = *given;
  GF_C_TRY(gf::c::check_flags(o.flags, GF_STRICT | GF_VERIFY_DATA | GF_EXTERNAL_INPUTS | GF_EXTERNAL_OUTPUTS | GF_IN_PLACE, error));
  GF_C_TRY(gf::c::check_parallel(o.parallel, error));
  if (o.threads < 0 || o.threads > gf::ThreadPool::kMaxThreads) return fail(error, Error::InvalidArgument, "threads is %d, not 0 to %d", o.threads, gf::ThreadPool::kMaxThreads);
  if (((o.flags & GF_EXTERNAL_INPUTS) != 0) != ((o.flags & GF_EXTERNAL_OUTPUTS) != 0))
    return fail(error, Error::InvalidArgument, "a gf_model binds both inputs and outputs or neither; use gf_session_create to choose");
  if (o.tables != nullptr) {
    GF_C_TRY(gf::c::check_handle(o.tables, gf::c::Kind::Tables, "gf_tables", error));
    out.tables = o.tables->view();
  }
  out.threads = o.threads;
  out.parallel = gf::c::parallel_of(o.parallel);
  out.strict = (o.flags & GF_STRICT) != 0;
  out.verify_data = (o.flags & GF_VERIFY_DATA) != 0;
  out.external_io = (o.flags & GF_EXTERNAL_INPUTS) != 0;
  if (o.pool_bytes != 0) out.pool_bytes = o.pool_bytes;
  return GF_OK;
}

// `load` makes the gf::Model; everything around it is common to files and memory.
template <class Load>
gf_status load_model(const gf_model_options* given, gf_model** model, gf_error* error, const char* what, Load load) {
  if (model != nullptr) *model = nullptr;
  gf_model_options o = GF_MODEL_OPTIONS_INIT;
  gf_error local{};
  const gf_status status = guarded(&local, [&]() -> gf_status {
    GF_C_NOT_NULL(model, &local);
    gf::ModelOptions options;
    GF_C_TRY(options_of(given, options, o, &local));
    auto made = std::make_unique<gf_model>(load(options, (o.flags & GF_IN_PLACE) != 0));
    if (o.tables != nullptr) made->rows = o.tables->rows;
    made->program.program = &made->model.program();
    made->program.isa = made->model.isa();
    made->program.tables = made->model.tables();
    made->state.state = made->model.state();
    made->state.program = made->program.program;
    made->log = o.log;
    made->log_context = o.log_context;
    made->say(GF_LOG_INFO, std::string("loaded ") + what);
    *model = made.release();
    return GF_OK;
  });
  if (status == GF_OK) return status;
  if (error != nullptr) *error = local;
  if (o.log != nullptr) o.log(o.log_context, GF_LOG_ERROR, local.text);
  return status;
}

void log_session(const gf_model& model, const gf::Session& session) {
  if (model.log == nullptr) return;
  for (int i = 0; i < session.node_count(); ++i) {
    const gf::NodeReport r = session.node(i);
    model.say(GF_LOG_DEBUG, "node " + std::to_string(i) + " " + r.op + ": " + r.kernel);
    if (r.refused[0] != '\0') model.say(GF_LOG_INFO, "node " + std::to_string(i) + " " + r.op + ": a faster kernel refused: " + r.refused);
  }
}

gf_status find_session(gf_model* model, const char* entry, gf_session** out, gf_error* error) {
  if (entry == nullptr) entry = "main";
  if (model->busy.exchange(1, std::memory_order_acquire) != 0) return fail(error, Error::Busy, "another thread is using this model");
  const gf_status status = guarded(error, [&]() -> gf_status {
    auto it = model->sessions.find(entry);
    if (it == model->sessions.end()) {
      auto handle = std::make_unique<gf_session>();
      handle->session = &model->model.session(entry);
      handle->session->set_cancel(&handle->cancel);
      log_session(*model, *handle->session);
      it = model->sessions.emplace(entry, std::move(handle)).first;
    }
    *out = it->second.get();
    return GF_OK;
  });
  model->busy.store(0, std::memory_order_release);
  return status;
}

gf_status main_session(gf_model* model, gf_session** out, gf_error* error) {
  *out = model->main.load(std::memory_order_acquire);
  if (*out != nullptr) return GF_OK;
  GF_C_TRY(find_session(model, nullptr, out, error));
  model->main.store(*out, std::memory_order_release);
  return GF_OK;
}

gf_status named(gf_model* model, gf_kind kind, const char* name, gf_dtype dtype, void** data, size_t* bytes, gf_error* error) {
  GF_C_HANDLE(model, Model, error);
  GF_C_NOT_NULL(name, error);
  GF_C_NOT_NULL(data, error);
  gf_session* session = nullptr;
  GF_C_TRY(main_session(model, &session, error));
  const int32_t index = gf_session_find(session, kind, name);
  if (index < 0)
    return guarded(error, [&]() -> gf_status {  // says which names there are
      static_cast<void>(kind == GF_INPUT ? model->model.input_view(name) : model->model.output_view(name));
      return GF_INTERNAL;
    });
  gf_tensor t = GF_TENSOR_INIT;
  GF_C_TRY(gf_session_tensor(session, kind, index, &t, error));
  if (dtype != GF_ANY && static_cast<int32_t>(dtype) != t.dtype)
    return fail(error, Error::TypeMismatch, "'%.100s' is %s, not %s", name, gf_dtype_name(static_cast<gf_dtype>(t.dtype)), gf_dtype_name(dtype));
  if (t.data == nullptr && t.bytes != 0) return fail(error, Error::WrongPhase, "'%.100s' has no memory yet: bind it, or run first", name);
  *data = t.data;
  if (bytes != nullptr) *bytes = static_cast<size_t>(t.bytes);
  return GF_OK;
}

}  // namespace

extern "C" {

gf_status gf_model_load(const char* path, const gf_model_options* options, gf_model** model, gf_error* error) {
  return load_model(options, model, error, path != nullptr ? path : "", [&](const gf::ModelOptions& o, bool) {
    if (path == nullptr) throw gf::Exception(Error::InvalidArgument, "path is NULL");
    return gf::Model::load(path, o);
  });
}

gf_status gf_model_load_memory(const void* bytes, size_t size, const gf_model_options* options, gf_model** model, gf_error* error) {
  return load_model(options, model, error, "a model in memory", [&](const gf::ModelOptions& o, bool in_place) {
    if (bytes == nullptr && size != 0) throw gf::Exception(Error::InvalidArgument, "bytes is NULL");
    const std::span<const std::byte> span(static_cast<const std::byte*>(bytes), size);
    return in_place ? gf::Model::from_memory(span, o) : gf::Model::from_bytes(span, o);
  });
}

void gf_model_destroy(gf_model* model) {
  if (model == nullptr || model->kind != gf::c::Kind::Model) return;
  for (auto& [name, session] : model->sessions) session->kind = gf::c::Kind::Dead;
  model->kind = gf::c::Kind::Dead;
  delete model;
}

gf_status gf_model_input(gf_model* model, const char* name, gf_dtype dtype, void** data, size_t* bytes, gf_error* error) {
  return named(model, GF_INPUT, name, dtype, data, bytes, error);
}

gf_status gf_model_output(gf_model* model, const char* name, gf_dtype dtype, const void** data, size_t* bytes, gf_error* error) {
  return named(model, GF_OUTPUT, name, dtype, const_cast<void**>(data), bytes, error);
}

gf_status gf_model_run(gf_model* model, gf_error* error) {
  GF_C_HANDLE(model, Model, error);
  gf_session* session = nullptr;
  GF_C_TRY(main_session(model, &session, error));
  return gf_session_run(session, error);
}

gf_status gf_model_session(gf_model* model, const char* entry, gf_session** session, gf_error* error) {
  GF_C_HANDLE(model, Model, error);
  GF_C_NOT_NULL(session, error);
  *session = nullptr;
  return find_session(model, entry, session, error);
}

const gf_program* gf_model_program(const gf_model* model) {
  return model != nullptr && model->kind == gf::c::Kind::Model ? &model->program : nullptr;
}

gf_state* gf_model_state(gf_model* model) {
  return model != nullptr && model->kind == gf::c::Kind::Model && model->state.state != nullptr ? &model->state : nullptr;
}

}  // extern "C"
