// Result<T>: a value or an Error, without exceptions and without heap.
#pragma once

#include <new>
#include <type_traits>
#include <utility>

#include "runtime/core/error.h"

namespace gf {

/// Move-only value-or-Error. Reading the value of a failed Result is a programming error (checked in debug builds).
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : error_(Error::Ok) { new (&storage_) T(std::move(value)); }  // NOLINT: implicit by design
  Result(Error error) : error_(error) {}                                        // NOLINT: implicit by design
  Result(Result&& other) noexcept : error_(other.error_) {
    if (ok()) new (&storage_) T(std::move(*other));
  }
  Result& operator=(Result&& other) noexcept {
    if (this != &other) {
      reset();
      error_ = other.error_;
      if (ok()) new (&storage_) T(std::move(*other));
    }
    return *this;
  }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() { reset(); }

  bool ok() const { return error_ == Error::Ok; }
  explicit operator bool() const { return ok(); }
  Error error() const { return error_; }
  T& operator*() { return *std::launder(reinterpret_cast<T*>(&storage_)); }
  const T& operator*() const { return *std::launder(reinterpret_cast<const T*>(&storage_)); }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }

 private:
  void reset() {
    if (ok()) (**this).~T();
  }
  alignas(T) unsigned char storage_[sizeof(T)];
  Error error_;
};

}  // namespace gf
