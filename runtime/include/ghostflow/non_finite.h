// Where a NaN or an infinity comes from. Nothing is watched while all is well: after a run that failed or gave one, the entry is run once
// more with an eye on every node. Hosted: allocates and throws. Thread rule: as the session or model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/exception.h"
#include "runtime/include/ghostflow/model.h"

namespace gf {

/// Elements of one tensor.
struct ElementReport {
  std::string what;                  ///< "input 'x'", "State 'fc1.weight'", "a constant", "result 0", "operand 1"
  DType dtype = DType::Invalid;
  Shape shape;
  int64_t count = 0;
  int64_t nan_count = 0, infinite_count = 0;
  int64_t first = -1;                ///< flat index of the first that is NaN or infinite
  double first_value = 0;
  double least = 0, greatest = 0;    ///< of the finite ones; least > greatest: there is none

  bool finite() const { return nan_count == 0 && infinite_count == 0; }
  std::string text() const;          ///< "result 0, float32 [4, 10]: 3 of 40 elements are NaN, the first at [1, 2]"
};

/// A node whose result is not finite though everything it reads is.
struct NonFiniteNode {
  int32_t node = -1;                 ///< index in the entry that was looked at
  std::string op, name, place;       ///< name and place as recorded; empty where the file does not keep them (EmitOptions::node_names)
  ElementReport result;
  std::vector<ElementReport> operands;

  std::string text() const;
};

/// All that lies on the way to a result, a State that is written, or a check of the entry that is not finite. What is infinite on purpose and
/// leads to finite results (a mask of -infinity in front of a softmax) is on no such way.
struct NonFiniteReport {
  std::vector<ElementReport> given;        ///< inputs, State and constants that held NaN or infinity before the run, NaN first
  std::optional<NonFiniteNode> first;      ///< the first node, in order of computation, that makes one from finite operands
  std::optional<NonFiniteNode> first_nan;  ///< where the first NaN is made from infinities by a later node: that one

  /// False: everything that leaves the entry is finite.
  bool found() const { return first.has_value() || first_nan.has_value() || !given.empty(); }
  std::string text() const;                ///< a sentence for each; "" when nothing was found
};

/// Error::NonFinite with what was found.
class NonFiniteError : public Exception {
 public:
  NonFiniteError(const std::string& what, NonFiniteReport report) : Exception(Error::NonFinite, what), report_(std::move(report)) {}
  const NonFiniteReport& report() const { return report_; }

 private:
  NonFiniteReport report_;
};

/// Runs the entry of `session` again, with its inputs and State of this moment, and looks at the elements of every node's results. `state` (null
/// where the program has none) is what the session works on; it is as before afterwards, the session's outputs are those of this run. Takes the
/// memory of one more State, and a look at every element. Nodes are those of the program: of fused ones the whole is named. Throws what
/// run() gives, other than NonFinite.
NonFiniteReport find_non_finite(Session& session, State* state);
NonFiniteReport find_non_finite(Model& model, std::string_view entry = "main");

}  // namespace gf
