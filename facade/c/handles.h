// What the C API's opaque types are, and the checks that every function shares. Internal to facade/c.
// Ownership: a handle made by *_create owns its C++ object; those that a gf_model gives out only refer to the model's.
#pragma once

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>

#include "runtime/core/exception.h"
#include "runtime/include/ghostflow/ghostflow.h"
#include "runtime/include/ghostflow/model.h"
#include "runtime/include/ghostflow/session.h"

namespace gf::c {

/// First word of every handle. `kDead` is written by destroy, so that using a handle again is an error where its memory
/// still stands.
enum class Kind : uint32_t {
  Model = 0x6d6d6601, Program = 0x6d6d6602, Weights = 0x6d6d6603, State = 0x6d6d6604, Session = 0x6d6d6605,
  Threads = 0x6d6d6606, Tables = 0x6d6d6607, Dead = 0xdeadf00d
};

struct Handle {
  explicit Handle(Kind k) : kind(k) {}
  Kind kind;
};

/// Fills `error` if there is one; returns `status`.
inline gf_status report(gf_error* error, Error status, int32_t node, const char* text) {
  if (error != nullptr && status != Error::Ok) {
    error->status = static_cast<int32_t>(status);
    error->node = node;
    std::snprintf(error->text, sizeof error->text, "%s", text);
  }
  return static_cast<gf_status>(status);
}
inline gf_status report(gf_error* error, Error status, const ErrorDetail& detail) {
  return report(error, status, detail.node, detail.text[0] != '\0' ? detail.text : error_name(status));
}
/// printf-style.
#if defined(__GNUC__) && !defined(__MINGW32__)  // which would hold the text against Microsoft's printf
__attribute__((format(printf, 3, 4)))
#endif
inline gf_status fail(gf_error* error, Error status, const char* format, ...) {
  char text[sizeof error->text];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return report(error, status, -1, text);
}

/// The wall: no exception of what `f` calls leaves the library.
template <class F>
gf_status guarded(gf_error* error, F&& f) noexcept {
  try {
    return f();
  } catch (const ModelError& e) {
    return report(error, e.code(), e.node(), e.what());
  } catch (const Exception& e) {
    return report(error, e.code(), -1, e.what());
  } catch (const std::bad_alloc&) {
    return report(error, Error::OutOfMemory, -1, "out of memory");
  } catch (const std::exception& e) {
    return report(error, Error::Internal, -1, e.what());
  } catch (...) {
    return report(error, Error::Internal, -1, "an exception of unknown type");
  }
}

/// GF_OK when `handle` is a living object of that kind.
inline gf_status check_handle(const Handle* handle, Kind kind, const char* what, gf_error* error) {
  if (handle == nullptr) return fail(error, Error::InvalidArgument, "%s is NULL", what);
  if (handle->kind == kind) return GF_OK;
  if (handle->kind == Kind::Dead) return fail(error, Error::WrongPhase, "this %s was destroyed", what);
  return fail(error, Error::InvalidArgument, "this is not a %s", what);
}
#define GF_C_HANDLE(handle, kind, error) \
  if (const gf_status gf_c_status = ::gf::c::check_handle((handle), ::gf::c::Kind::kind, #handle, (error)); gf_c_status != GF_OK) return gf_c_status
#define GF_C_NOT_NULL(pointer, error) \
  if ((pointer) == nullptr) return ::gf::c::fail((error), ::gf::Error::InvalidArgument, "%s is NULL", #pointer)
#define GF_C_TRY(expression) \
  if (const gf_status gf_c_status = (expression); gf_c_status != GF_OK) return gf_c_status

/// Options are NULL (defaults) or have exactly a size that this version knows.
template <class T>
gf_status check_size(const T* options, const char* what, gf_error* error) {
  if (options == nullptr || options->struct_size == sizeof(T)) return GF_OK;
  return fail(error, Error::InvalidArgument, "%s: struct_size is %zu, this library (ABI %u) knows %zu; initialise it with its _INIT macro",
              what, options->struct_size, static_cast<unsigned>(GF_ABI_VERSION), sizeof(T));
}
/// As check_size for structs that are filled: NULL is an error too.
template <class T>
gf_status check_out(const T* out, const char* what, gf_error* error) {
  if (out == nullptr) return fail(error, Error::InvalidArgument, "%s is NULL", what);
  return check_size(out, what, error);
}
gf_status check_flags(uint32_t flags, uint32_t allowed, gf_error* error);
gf_status check_parallel(const gf_parallel& parallel, gf_error* error);
gf_status check_allocator(const gf_allocator& allocator, gf_error* error);

/// Memory by the caller's functions, or malloc's.
void* allocate(const gf_allocator& allocator, size_t bytes, size_t alignment);
void release(const gf_allocator& allocator, void* memory, size_t bytes);

/// A handle in memory of the allocator, which it keeps; nullptr when that gives nothing. `destroy_handle` marks it dead first.
template <class T, class... A>
T* try_make_handle(const gf_allocator& allocator, A&&... arguments) {
  void* memory = allocate(allocator, sizeof(T), alignof(T));
  if (memory == nullptr) return nullptr;
  T* made = new (memory) T(std::forward<A>(arguments)...);
  made->allocator = allocator;
  return made;
}
/// The same for functions behind the wall: throws OutOfMemory.
template <class T, class... A>
T* make_handle(const gf_allocator& allocator, A&&... arguments) {
  T* made = try_make_handle<T>(allocator, std::forward<A>(arguments)...);
  if (made == nullptr) throw Exception(Error::OutOfMemory, "the allocator gave nothing");
  return made;
}
template <class T>
void destroy_handle(T* handle, Kind kind) {
  if (handle == nullptr || handle->kind != kind) return;
  const gf_allocator allocator = handle->allocator;
  handle->~T();
  *reinterpret_cast<volatile Kind*>(static_cast<Handle*>(handle)) = Kind::Dead;
  release(allocator, handle, sizeof(T));
}

inline const char* c_text(std::string_view text) { return text.data() != nullptr ? text.data() : ""; }  // NUL-terminated in the file
void fill(gf_tensor& out, const PortInfo& port, const Program& program, int entry);
void fill(gf_tensor& out, const TensorView& view, std::string_view name);
/// `entry` or "main"; the only entry of a program stands for "main" too. -1: there is none.
int find_entry(const Program& program, const char* entry);
inline ParallelFor parallel_of(const gf_parallel& p) { return p.run != nullptr ? ParallelFor{p.run, p.context, p.threads} : ParallelFor{}; }

}  // namespace gf::c

struct gf_tables : gf::c::Handle {
  gf_tables() : Handle(gf::c::Kind::Tables) {}
  gf::Tables view() const;
  struct Rows;
  gf_allocator allocator{};
  std::shared_ptr<Rows> rows;
};

struct gf_program : gf::c::Handle {
  gf_program() : Handle(gf::c::Kind::Program) {}
  gf_allocator allocator{};
  const gf::Program* program = nullptr;   // `own`, or the model's
  std::optional<gf::Program> own;
  std::shared_ptr<gf_tables::Rows> rows;  // behind `tables`, where the caller gave some
  gf::Tables tables;
  gf::Isa isa = gf::Isa::Portable;
};

struct gf_weights : gf::c::Handle {
  explicit gf_weights(gf::Weights w) : Handle(gf::c::Kind::Weights), weights(w) {}
  gf_allocator allocator{};
  gf::Weights weights;
};

struct gf_state : gf::c::Handle {
  gf_state() : Handle(gf::c::Kind::State) {}
  gf_allocator allocator{};
  gf::State* state = nullptr;             // `own`, or the model's
  std::optional<gf::State> own;
  const gf::Program* program = nullptr;
};

struct gf_threads : gf::c::Handle {
  gf_threads() : Handle(gf::c::Kind::Threads) {}
  gf_allocator allocator{};
  gf::ThreadPool* pool = nullptr;
  void* memory = nullptr;
  size_t bytes = 0;
};

struct gf_session : gf::c::Handle {
  gf_session() : Handle(gf::c::Kind::Session) {}
  gf_allocator allocator{};
  std::shared_ptr<gf_tables::Rows> rows;  // closing `own` asks its kernels
  gf::Session* session = nullptr;         // `own`, or the model's
  gf::Session own;
  std::atomic<bool> cancel{false};
};
