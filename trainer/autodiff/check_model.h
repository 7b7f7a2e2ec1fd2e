// The gradient check of a whole model, in float64: derivatives of its float outputs by its float inputs, by every weight, and by what it
// keeps between runs.
#pragma once

#include <string>
#include <vector>

#include "trainer/autodiff/gradcheck.h"

namespace gf {

struct ModelCheckOptions {
  std::string entry = "main";
  NamedArrays inputs;                  ///< values of inputs; float ones not named are random in [-1, 1), others must be named
  bool weights = true;                 ///< by the weights too, not by inputs alone
  bool each = false;                   ///< a check per tensor even where all of them together pass
  GradcheckOptions how;                ///< `entry` and `inputs` are set by the check
};

struct ModelCheckReport {
  enum class Kind : uint8_t { Input, Weight, State };
  struct Tensor {
    std::string name;
    Kind kind;
    std::vector<int64_t> shape;
    GradcheckReport report;            ///< compared == 0: it was checked together with the others only
  };
  GradcheckReport all;                 ///< every tensor at once
  std::vector<Tensor> tensors;         ///< when `all` failed, or with `each`: which of them
};

/// Constants that an op has no gradient by (class weights) stay what they are. Checks an entry of `model`, which is used up: it becomes a graph in float64 whose weights and State are inputs. Sizes that the graph
/// leaves open are those of the given inputs, else their lower bound (at least 1). Throws gf::Exception: NotFound (the entry; a value for
/// an input of integers), Unsupported (an op without a gradient on the way, with name and place; a random op, whose runs differ; an op that
/// does not exist in float64), InvalidArgument (no float output or nothing to differentiate by).
ModelCheckReport check_model(ir::Model& model, const ModelCheckOptions& options = {});
const char* kind_name(ModelCheckReport::Kind kind);

}  // namespace gf
