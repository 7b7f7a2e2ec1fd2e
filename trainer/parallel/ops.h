// The nodes by which a train step talks to the other ranks. A transfer is two of them: one begins it, in a buffer that lives until the other
// waits for it, and what stands between them runs beside it. Custom ops: Model gets them by ModelOptions (transfer_ops()), and they go
// through the Scope of the thread that runs the step.
#pragma once

#include "runtime/include/ghostflow/model.h"
#include "schema/rules.h"

namespace gf::parallel {

/// The numbers of all inputs, one behind the other, filled up with zeros to `count`; their sums over the ranks begin.
struct Reduce {
  static constexpr OpInfo info{.id = kFirstCustomOpId + 64, .name = "parallel.reduce", .max_inputs = -1, .flags = kOpRandom | kOpDataErrors};
  struct Attrs {
    int64_t bucket = 0;    ///< number of the transfer in its entry
    int64_t count = 0;
    int64_t ranks = 0;     ///< 0: everybody gets all sums; else the part of its rank, count / ranks
  };
  static constexpr AttrField fields[] = {field<&Attrs::bucket>(1, "bucket", 0), field<&Attrs::count>(2, "count", 0), field<&Attrs::ranks>(3, "ranks", 0)};
  static Error infer(InferContext& c, const Attrs& a);
  static constexpr NoGradient grad{"a transfer of gradients"};
};

/// This rank's part of parameters, as long as the others' parts: the next values come from all of them.
struct Gather {
  static constexpr OpInfo info{.id = kFirstCustomOpId + 65, .name = "parallel.gather", .flags = kOpRandom};
  struct Attrs {
    int64_t bucket = 0;
    int64_t ranks = 1;
  };
  static constexpr AttrField fields[] = {field<&Attrs::bucket>(1, "bucket", 0), field<&Attrs::ranks>(2, "ranks", 1)};
  static Error infer(InferContext& c, const Attrs& a);
  static constexpr NoGradient grad{"a transfer of parameters"};
};

/// Waits for what a Reduce or Gather began (input 0 is its buffer) and takes it apart. Input 1 is what it does not come before: else a
/// pass would put it right behind the beginning.
struct Wait {
  static constexpr OpInfo info{.id = kFirstCustomOpId + 66, .name = "parallel.wait", .max_inputs = 2, .max_outputs = -1, .flags = kOpRandom};
  struct Attrs {
    int64_t bucket = 0;
    int64_t ranks = 0;     ///< as Reduce: output 0 is this rank's part
    bool mean = false;     ///< sums are divided by the number of ranks
    IntList shapes = {};   ///< of the outputs: rank, dims, rank, dims, ...
  };
  static constexpr AttrField fields[] = {field<&Attrs::bucket>(1, "bucket", 0), field<&Attrs::ranks>(2, "ranks", 0), field<&Attrs::mean>(3, "mean"),
                                         field<&Attrs::shapes>(4, "shapes")};
  static Error infer(InferContext& c, const Attrs& a);
  static constexpr NoGradient grad{"a transfer of gradients"};
};

/// This rank's part of the numbers of all inputs, as Reduce puts them together.
struct Part {
  static constexpr OpInfo info{.id = kFirstCustomOpId + 67, .name = "parallel.part", .max_inputs = -1, .flags = kOpRandom};
  struct Attrs {
    int64_t count = 0;     ///< of all parts
    int64_t ranks = 1;
  };
  static constexpr AttrField fields[] = {field<&Attrs::count>(1, "count", 0), field<&Attrs::ranks>(2, "ranks", 1)};
  static Error infer(InferContext& c, const Attrs& a);
  static constexpr NoGradient grad{"a part of parameters"};
};

/// x + by * rank, or x + by * (number of ranks): counters that a run adds to count the runs of all ranks.
struct Count {
  static constexpr OpInfo info{.id = kFirstCustomOpId + 68, .name = "parallel.count", .flags = kOpRandom};
  struct Attrs {
    int64_t by = 1;
    bool all = false;
  };
  static constexpr AttrField fields[] = {field<&Attrs::by>(1, "by"), field<&Attrs::all>(2, "all")};
  static Error infer(InferContext& c, const Attrs& a);
  static constexpr NoGradient grad{"a counter"};
};

/// Adds what models with such steps need.
void add_transfer_ops(ModelOptions& options);

}  // namespace gf::parallel
