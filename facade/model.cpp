#include "facade/model.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "runtime/platform/clock.h"
#include "runtime/platform/core_count.h"
#include "runtime/platform/mapped_file.h"
#include "runtime/platform/memory.h"
#include "runtime/platform/thread_pool.h"
#ifdef GF_HAS_SIMD
#include "ops/cpu/simd/isa_dispatch.h"
#endif
#ifdef GF_HAS_XNNPACK
#include "ops/cpu/xnnpack/pthreadpool_adapter.h"
#endif

namespace gf {
namespace {

[[noreturn]] void fail(Error error, const ErrorDetail& detail) {
  throw Exception(error, detail.text[0] != '\0' ? std::string(error_name(error)) + ": " + detail.text : std::string(error_name(error)));
}
void check(Error error, const ErrorDetail& detail) {
  if (error != Error::Ok) fail(error, detail);
}

// Whole pages from the system: zeroed, aligned, given back at once, and not part of the heap.
class Pages {
 public:
  Pages() = default;
  explicit Pages(uint64_t bytes) {
    ErrorDetail detail;
    auto pages = allocate_pages(bytes, &detail);
    if (!pages.ok()) fail(pages.error(), detail);
    pages_ = *pages;
  }
  Pages(Pages&& other) noexcept : pages_(std::exchange(other.pages_, {})) {}
  Pages& operator=(Pages&& other) noexcept {
    std::swap(pages_, other.pages_);
    return *this;
  }
  ~Pages() {
    if (!pages_.empty()) release_pages(pages_);
  }
  std::span<std::byte> span() const { return pages_; }

 private:
  std::span<std::byte> pages_;
};

Isa machine_isa() {
#ifdef GF_HAS_SIMD
  return simd::best_isa();
#else
  return Isa::Portable;
#endif
}

}  // namespace

struct Model::Impl {
  struct Entry {
    Pages session_memory, activations, scratch, pool;
    MemoryNeeds needs;
    Session session;  // last: closed before its memory goes
  };

  ModelOptions options;
  MappedFile file;
  Pages copy;
  std::optional<Program> program;
  Tables tables;
  Isa isa = Isa::Portable;
  SetupTimes times;
  Pages pool_memory;
  ThreadPool* pool = nullptr;
#ifdef GF_HAS_XNNPACK
  std::unique_ptr<pthreadpool, decltype(&pthreadpool_destroy)> pthreads{nullptr, &pthreadpool_destroy};
#endif
  ParallelFor parallel;
  Pages weights_memory, state_memory;
  std::optional<Weights> weights;
  std::optional<State> state;
  std::map<std::string, std::unique_ptr<Entry>, std::less<>> entries;

  ~Impl() {
    entries.clear();
    ThreadPool::destroy(pool);
  }

  void start(std::span<const std::byte> bytes, int64_t began) {
    isa = machine_isa();
    if (options.isa && isa_allows(isa, *options.isa)) isa = *options.isa;
    tables = options.tables ? *options.tables : default_tables(options.xnnpack && isa == machine_isa(), options.prefer);
    ErrorDetail detail;
    auto loaded = Program::load(bytes, tables.ops, {options.limits, options.verify_data}, &detail);
    if (!loaded.ok()) fail(loaded.error(), detail);
    program = *loaded;
    times.load_ms = static_cast<double>(monotonic_ns() - began) * 1e-6;
    const int threads = options.threads > 0 ? options.threads : physical_core_count();
    if (threads > 1) start_threads(threads);
    if (program->state_count() > 0) {
      state_memory = Pages(State::bytes_needed(*program));
      auto made = State::create(*program, state_memory.span(), &detail);
      if (!made.ok()) fail(made.error(), detail);
      state = *made;
    }
  }

  void start_threads(int threads) {
#ifdef GF_HAS_XNNPACK
    if (options.prefer == "xnnpack") {  // the only pool whose threads XNNPACK can use
      pthreads.reset(pthreadpool_create(static_cast<size_t>(threads)));
      if (pthreads == nullptr) throw Exception(Error::OutOfMemory, "no thread pool for XNNPACK");
      parallel = xnnpack::parallel_for(pthreads.get());
      return;
    }
#endif
    ErrorDetail detail;
    pool_memory = Pages(ThreadPool::bytes_needed(threads));
    auto made = ThreadPool::create(pool_memory.span(), threads, &detail);
    if (!made.ok()) fail(made.error(), detail);
    pool = *made;
    parallel = {&ThreadPool::run, pool, pool->threads()};
  }

  SessionOptions session_options() {
    SessionOptions o;
    o.isa = isa;
    o.strict = options.strict;
    o.pool_bytes = options.pool_bytes;
    o.external_inputs = o.external_outputs = options.external_io;
    o.parallel = parallel;
    if (!file.bytes().empty())  // else the packed weights would stand in memory twice
      o.packed = {[](void* mapped, std::span<const std::byte> original) { static_cast<MappedFile*>(mapped)->evict(original); }, &file};
    return o;
  }

  Entry& entry(std::string_view name) {
    if (const auto it = entries.find(name); it != entries.end()) return *it->second;
    const int64_t began = monotonic_ns();
    ErrorDetail detail;
    const SessionOptions o = session_options();
    const Pages work(work_bytes(*program, tables));
    auto e = std::make_unique<Entry>();
    check(memory_needs(*program, name, tables, o, work.span(), e->needs, &detail), detail);
    if (!weights) {
      weights_memory = Pages(e->needs.weights_bytes);
      const Pages create_memory(e->needs.create_bytes);
      auto made = Weights::create(*program, tables, o, weights_memory.span(), create_memory.span(), work.span(), &detail);
      if (!made.ok()) fail(made.error(), detail);
      weights = *made;
    }
    e->session_memory = Pages(e->needs.session_bytes);
    e->activations = Pages(e->needs.activation_bytes);
    e->scratch = Pages(e->needs.scratch_bytes);
    e->pool = Pages(e->needs.pool_bytes);
    auto made = Session::create(*program, name, *weights, state ? &*state : nullptr, tables, o,
                                {e->session_memory.span(), e->activations.span(), e->scratch.span(), e->pool.span()}, &detail);
    if (!made.ok()) fail(made.error(), detail);
    e->session = std::move(*made);
    times.create_ms += static_cast<double>(monotonic_ns() - began) * 1e-6;
    return *entries.emplace(std::string(name), std::move(e)).first->second;
  }
};

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::load(const std::string& path, const ModelOptions& options) {
  const int64_t began = monotonic_ns();
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  ErrorDetail detail;
  auto file = MappedFile::open(path.c_str(), &detail);
  if (!file.ok()) fail(file.error(), detail);
  impl->file = std::move(*file);
  impl->start(impl->file.bytes(), began);
  return Model(std::move(impl));
}

Model Model::from_bytes(std::vector<std::byte> bytes, const ModelOptions& options) {
  const int64_t began = monotonic_ns();
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->copy = Pages(bytes.size());
  if (!bytes.empty()) std::memcpy(impl->copy.span().data(), bytes.data(), bytes.size());
  impl->start(impl->copy.span().first(bytes.size()), began);
  return Model(std::move(impl));
}

const Program& Model::program() const { return *impl_->program; }
State* Model::state() { return impl_->state ? &*impl_->state : nullptr; }
const SetupTimes& Model::times() const { return impl_->times; }
Isa Model::isa() const { return impl_->isa; }
int Model::threads() const { return impl_->parallel.threads; }
Session& Model::session(std::string_view entry) { return impl_->entry(entry).session; }
MemoryNeeds Model::needs(std::string_view entry) { return impl_->entry(entry).needs; }

std::vector<std::pair<std::string, HostTensor>> Model::run(const std::vector<std::pair<std::string, HostTensor>>& inputs,
                                                           std::string_view entry) {
  Session& s = session(entry);
  for (const auto& [name, tensor] : inputs) set_input(s, name, tensor);
  ErrorDetail detail;
  check(s.run(&detail), detail);
  std::vector<std::pair<std::string, HostTensor>> out;
  const int index = program().find_entry(entry);
  for (int i = 0; i < s.output_count(); ++i) out.emplace_back(std::string(program().output(index, i).name), get_output(s, i));
  return out;
}

void set_input(Session& session, std::string_view name, const HostTensor& tensor) {
  const int i = session.find_input(name);
  if (i < 0) throw Exception(Error::NotFound, "the model has no input '" + std::string(name) + "'");
  const TensorView before = session.input(i);
  if (before.dtype != tensor.dtype)
    throw Exception(Error::TypeMismatch, "input '" + std::string(name) + "' is " + dtype_name(before.dtype) + ", not " + dtype_name(tensor.dtype));
  ErrorDetail detail;
  check(session.set_input_shape(i, tensor.shape, &detail), detail);
  if (!tensor.data.empty()) std::memcpy(session.input(i).data, tensor.data.data(), tensor.data.size());
}

HostTensor get_output(const Session& session, int i) {
  const TensorView view = session.output(i);
  HostTensor t;
  t.dtype = view.dtype;
  t.shape.assign(view.shape.dims, view.shape.dims + view.shape.rank);
  uint64_t bytes = 0;
  if (!bytes_checked(view.count(), view.dtype, bytes)) throw Exception(Error::Internal, "output has no size");
  t.data.resize(static_cast<size_t>(bytes));
  if (bytes != 0) std::memcpy(t.data.data(), view.data, t.data.size());
  return t;
}

}  // namespace gf
