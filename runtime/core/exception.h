// The exception of the hosted layers (graph, converter, trainer, io, facade, tools). The core (runtime, schema, ops)
// returns Error values and never includes this file; no exception crosses the C API.
#pragma once

#include <stdexcept>
#include <string>

#include "runtime/core/error.h"

namespace gf {

/// An Error with a sentence for people: what, where, what to do.
class Exception : public std::runtime_error {
 public:
  Exception(Error code, const std::string& what) : std::runtime_error(what), code_(code) {}
  Error code() const { return code_; }

 private:
  Error code_;
};

}  // namespace gf
