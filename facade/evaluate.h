// Runs one op on host tensors: infer, choose a kernel, prepare, pack, init, run. For constant folding, calibration and
// the tests of ops; models run in a Session. Heap memory, ordinary C++; safe from several threads at once.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/array.h"
#include "runtime/include/ghostflow/tables.h"
#include "runtime/kernel/kernel.h"
#include "schema/op.h"

namespace gf {

/// A dense tensor in host memory; the form that io reads and writes too.
using HostTensor = io::Array;

/// An attribute by name. Lists and strings are owned.
struct Attribute {
  std::string name;
  AttrType type = AttrType::None;
  int64_t i = 0;
  double f = 0;
  std::string s;
  std::vector<int64_t> ints;
  std::vector<float> floats;

  Attribute(std::string n, int64_t v) : name(std::move(n)), type(AttrType::Int), i(v) {}
  Attribute(std::string n, int v) : Attribute(std::move(n), static_cast<int64_t>(v)) {}
  Attribute(std::string n, bool v) : Attribute(std::move(n), static_cast<int64_t>(v)) {}
  Attribute(std::string n, DType v) : Attribute(std::move(n), static_cast<int64_t>(v)) {}
  Attribute(std::string n, double v) : name(std::move(n)), type(AttrType::Float), f(v) {}
  Attribute(std::string n, float v) : Attribute(std::move(n), static_cast<double>(v)) {}
  Attribute(std::string n, std::string_view v) : name(std::move(n)), type(AttrType::String), s(v) {}
  Attribute(std::string n, const char* v) : Attribute(std::move(n), std::string_view(v)) {}
  Attribute(std::string n, std::vector<int64_t> v) : name(std::move(n)), type(AttrType::Ints), ints(std::move(v)) {}
  Attribute(std::string n, std::vector<float> v) : name(std::move(n)), type(AttrType::Floats), floats(std::move(v)) {}
};
using Attributes = std::vector<Attribute>;

/// How to run the op. Defaults: the best portable or tuned kernel that accepts, one thread, outputs min_outputs.
struct EvaluateOptions {
  ParallelFor parallel;                  ///< not owned; default: serial
  Isa isa = Isa::Portable;               ///< best level that may be used
  std::string kernel;                    ///< run the kernel of this name (error when it refuses); empty: highest rank
  int outputs = -1;                      ///< how many outputs are wanted; -1: the op's min_outputs
  std::vector<bool> constant;            ///< input i is a constant (may be packed); default: none is
  bool exact = false;                    ///< NodeView::exact
  bool padded = false;                   ///< buffers have readable tails as planned memory has (TensorInfo::is_padded)
  bool inplace = false;                  ///< give output 0 the memory of the first input the kernel allows
  std::string* kernel_used = nullptr;    ///< receives the name of the kernel that ran
};

/// What an op receives: nullopt is an absent optional input.
using HostInputs = std::vector<std::optional<HostTensor>>;

/// Runs one node of `def` and returns its outputs. Buffers have exact sizes (a sanitizer sees every overrun) and start
/// poisoned. Data-shaped outputs are cut to the size the kernel tells. Throws gf::Exception with the kernel's or
/// inference's sentence: BadAttribute, ShapeMismatch, TypeMismatch, Unsupported (no kernel accepts: all reasons), ...
std::vector<HostTensor> evaluate(const OpDef& def, const Attributes& attributes, const HostInputs& inputs,
                                 const Tables& tables, const EvaluateOptions& options = {});

/// As above for attributes that lie in an Attrs struct already (constant folding).
std::vector<HostTensor> evaluate_raw(const OpDef& def, const void* attrs, const HostInputs& inputs, const Tables& tables,
                                     const EvaluateOptions& options = {});

}  // namespace gf
