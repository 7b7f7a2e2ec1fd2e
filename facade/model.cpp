#include "runtime/include/ghostflow/model.h"

#include <cstring>
#include <map>

#include "facade/entry.h"
#include "facade/labels.h"
#include "runtime/platform/clock.h"
#include "runtime/platform/core_count.h"
#include "runtime/platform/mapped_file.h"
#include "runtime/platform/memory.h"
#include "runtime/platform/thread_pool.h"
#ifdef GF_HAS_XNNPACK
#include "ops/cpu/xnnpack/pthreadpool_adapter.h"
#endif

namespace gf {
namespace {

[[noreturn]] void fail(Error error, const ErrorDetail& detail) {
  throw ModelError(error, detail.text[0] != '\0' ? std::string(error_name(error)) + ": " + detail.text : std::string(error_name(error)),
                   detail.node);
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

}  // namespace

struct __attribute__((visibility("hidden"))) Model::Impl {
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
  std::vector<const OpDef*> op_rows;  // with the caller's

  ~Impl() {
    entries.clear();
    ThreadPool::destroy(pool);
  }

  void choose_tables() {
    const Tables given = options.tables ? *options.tables : default_tables(options.xnnpack && isa == machine_isa(), options.prefer);
    tables.ops = given.ops;
    if (!options.custom_ops.empty()) {
      op_rows.assign(given.ops.rows.begin(), given.ops.rows.end());
      op_rows.insert(op_rows.end(), options.custom_ops.begin(), options.custom_ops.end());
      tables.ops = {op_rows};
    }
    if (!options.custom_kernels.empty()) tables.add(options.custom_kernels);
    if (given.preferred >= 0) tables.preferred = given.preferred + tables.kernel_table_count;
    for (int i = 0; i < given.kernel_table_count; ++i) tables.add(given.kernels[i]);
  }

  void start(std::span<const std::byte> bytes, int64_t began) {
    isa = machine_isa();
    if (options.isa && isa_allows(isa, *options.isa)) isa = *options.isa;
    choose_tables();
    ErrorDetail detail;
    auto loaded = Program::load(bytes, tables.ops, {options.limits, options.verify_data}, &detail);
    if (!loaded.ok()) fail(loaded.error(), detail);
    program = *loaded;
    times.load_ms = static_cast<double>(monotonic_ns() - began) * 1e-6;
    if (options.parallel.run_tasks != nullptr) {
      parallel = options.parallel;
    } else if (const int threads = options.threads > 0 ? options.threads : physical_core_count(); threads > 1) {
      start_threads(threads);
    }
    if (program->state_count() > 0) {
      state_memory = Pages(State::bytes_needed(*program));
      auto made = State::create(*program, state_memory.span(), &detail);
      if (!made.ok()) fail(made.error(), detail);
      state = *made;
      file.evict(file.bytes());  // first values were copied: training should not hold them twice
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
    if (const int found = entry_for(*program, name); found >= 0) name = program->entry_name(found);
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

Model Model::from_bytes(std::span<const std::byte> bytes, const ModelOptions& options) {
  const int64_t began = monotonic_ns();
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->copy = Pages(bytes.size());
  if (!bytes.empty()) std::memcpy(impl->copy.span().data(), bytes.data(), bytes.size());
  impl->start(impl->copy.span().first(bytes.size()), began);
  return Model(std::move(impl));
}

Model Model::from_memory(std::span<const std::byte> bytes, const ModelOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->start(bytes, monotonic_ns());
  return Model(std::move(impl));
}

const Program& Model::program() const { return *impl_->program; }
State* Model::state() { return impl_->state ? &*impl_->state : nullptr; }
const Tables& Model::tables() const { return impl_->tables; }
const SetupTimes& Model::times() const { return impl_->times; }
Isa Model::isa() const { return impl_->isa; }
int Model::threads() const { return impl_->parallel.threads; }
Session& Model::session(std::string_view entry) { return impl_->entry(entry).session; }
MemoryNeeds Model::needs(std::string_view entry) { return impl_->entry(entry).needs; }

namespace {

// The names that there are, for errors about one that there is not.
template <class NameOf>
std::string list_names(int count, NameOf name_of) {
  std::string names;
  for (int i = 0; i < count; ++i) names += (i == 0 ? "'" : ", '") + std::string(name_of(i)) + "'";
  return names.empty() ? "none" : names;
}

}  // namespace

TensorView Model::input_view(std::string_view name, std::string_view entry) {
  const Session& s = session(entry);
  const int i = s.find_input(name);
  if (i < 0)
    throw Exception(Error::NotFound, "the model has no input '" + std::string(name) + "'; it has " +
                                         list_names(s.input_count(), [&](int k) { return s.input_name(k); }));
  return s.input(i);
}

TensorView Model::output_view(std::string_view name, std::string_view entry) {
  const Session& s = session(entry);
  const int i = s.find_output(name);
  if (i < 0)
    throw Exception(Error::NotFound, "the model has no output '" + std::string(name) + "'; it has " +
                                         list_names(s.output_count(), [&](int k) { return s.output_name(k); }));
  return s.output(i);
}

void Model::set_shape(std::string_view input, std::span<const int64_t> dims, std::string_view entry) {
  input_view(input, entry);  // says so when there is none
  Session& s = session(entry);
  ErrorDetail detail;
  check(s.set_input_shape(s.find_input(input), dims, &detail), detail);
}

void Model::run(std::string_view entry) {
  ErrorDetail detail;
  check(session(entry).run(&detail), detail);
}

std::vector<std::string> Model::labels() const {
  std::vector<std::string> lines;
  std::string_view text = program().metadata("labels");
  while (!text.empty()) lines.emplace_back(take_label(text));
  return lines;
}

TensorView Model::typed(const TensorView& view, std::string_view name, DTypeSet types) {
  if (!types.contains(view.dtype))
    throw Exception(Error::TypeMismatch, "'" + std::string(name) + "' holds " + dtype_name(view.dtype) + ", which is not the element type asked for");
  if (view.data == nullptr && view.count() != 0)
    throw Exception(Error::WrongPhase, "'" + std::string(name) + "' has no memory yet: bind it, or run first");
  return view;
}

size_t Model::byte_count(const TensorView& view) {
  uint64_t bytes = 0;
  if (!bytes_checked(view.count(), view.dtype, bytes)) throw Exception(Error::Internal, "a tensor has no size");
  return static_cast<size_t>(bytes);
}

}  // namespace gf
