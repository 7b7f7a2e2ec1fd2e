// From a training to a snapshot and back, both ways to train: State of the runtime (strict), and modules with their optimizer (lazy). Names
// are the same in both, so a checkpoint of the one goes on in the other: "fc1.weight", "fc1.weight.exp_avg", "fc1.weight.average",
// "optimizer.step", "optimizer.lr.0". Restoring changes everything, or nothing and says all that differs. Thread rule: as what is saved.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/include/ghostflow/session.h"
#include "trainer/checkpoint/container.h"
#include "trainer/nn/module.h"
#include "trainer/optim/averages.h"
#include "trainer/optim/lbfgs.h"
#include "trainer/optim/schedule.h"
#include "trainer/tensor/functions_creation.h"
#include "trainer/tensor/trainable.h"

namespace gf {

/// Of a program: its structure (graph, attributes, names, shapes), not its weights. Of tensors: names, types, shapes.
std::string graph_hash(const Program& program);
std::string graph_hash(const NamedTensors& tensors);

struct Restored {
  /// Whether the checkpoint is of this very graph. All tensors fit in any case, but another graph (batch size, dropout, settings of the
  /// optimizer) does not give the losses that the first would have given.
  bool same_graph = false;
};

/// All State: weights, moments, step, learning rates, counters of random draws, running statistics, averages, sums of gradients. The views
/// hold until something writes the State.
Snapshot snapshot_of(const Program& program, const State& state, int64_t step);
/// Throws, and changes nothing: NotFound, ShapeMismatch, TypeMismatch with all tensors that differ; BadData: a counter that cannot be one
/// (a negative step).
Restored restore(const Checkpoint& checkpoint, const Program& program, State& state);

/// What a loop over lazy tensors has. Nothing is owned; what is left out is neither saved nor expected.
struct LazyTraining {
  nn::Module* module = nullptr;
  Trainable* optimizer = nullptr;                      ///< of parameters of the module
  optim::LBFGS* lbfgs = nullptr;                       ///< in its place
  optim::AveragedWeights* averages = nullptr;          ///< likewise
  /// Where random numbers come from. A layer that draws (dropout) keeps the key that it was made with: make the module after the same
  /// manual_seed() when going on.
  Generator* generator = &default_generator();
};
/// Computes what has not been computed yet. The views hold until something is computed again. Throws NotFound: a tensor of the optimizer or of
/// the averages is no parameter of the module; InvalidArgument: no module, or both kinds of optimizer.
Snapshot snapshot_of(const LazyTraining& training, int64_t step);
/// As above; also InvalidArgument: saved with another optimizer of equal slots (Adam and AdamW).
Restored restore(const Checkpoint& checkpoint, const LazyTraining& training);

namespace checkpoint {

/// Numbers as text and back, exactly. `key` of a reader must be there: NotFound; and hold such numbers: BadData.
void put_whole(Texts& to, const std::string& key, uint64_t value);
uint64_t whole_of(const Texts& from, const std::string& key);
void put_numbers(Texts& to, const std::string& key, std::span<const double> values);
std::vector<double> numbers_of(const Texts& from, const std::string& key);
/// A Scheduler's or Plateau's state, as "<name>.<entry>".
void put_schedule(Texts& to, const std::string& name, const optim::ScheduleState& state);
optim::ScheduleState schedule_of(const Texts& from, const std::string& name);

}  // namespace checkpoint

}  // namespace gf
