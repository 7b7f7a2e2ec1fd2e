// What a train step over several ranks has besides (trainer/step puts it in): gradients in buckets whose sums begin inside the backward part,
// optimizer state in parts (ZeRO-1), counters and statistics of all ranks. Graph only; it runs through a Communicator.
// Not owned: the entry outlives it. Thread rule: one thread at a time per model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "graph/ir/builder.h"
#include "trainer/optim/optimizer.h"

namespace gf::parallel {

/// Numbers of one train step for all ranks; each rank's entry is the same.
struct StepSettings {
  int ranks = 1;                 ///< needed with shard_optimizer; without it the step runs over any number
  /// Of the optimizer's state each rank has 1 / ranks (ZeRO-1: Rajbhandari et al., "ZeRO", 2020): it updates that part of the parameters and gets the
  /// others from the other ranks. Rules must be elementwise.
  bool shard_optimizer = false;
  int64_t bucket_bytes = int64_t{4} << 20;  ///< a transfer begins when so many bytes of gradients are there
};

/// Metadata of a model whose step has transfers: the settings, and which State is parts of what (JSON; shards.h reads it).
inline constexpr const char* kMetadata = "parallel";
/// State `<name>.<slot>` of `count` numbers is this rank's part of what optimizers keep for these parameters, one behind the other.
struct PartDescription {
  struct Slot {
    std::string name;
    bool number = false;         ///< one for all of them
  };
  std::string name;
  int64_t count = 0;
  std::vector<std::string> parameters;
  std::vector<Slot> slots;
};
std::string describe(const StepSettings& settings, const std::vector<PartDescription>& parts);

class StepTransfers {
 public:
  StepTransfers(ir::Entry& entry, const StepSettings& settings) : entry_(entry), settings_(settings), b_(entry, entry.body) {}

  /// Behind everything that makes one of the values; where nothing does, 0.
  size_t behind(const std::vector<ir::ValueId>& values) const;

  /// Which gradients go together: of one group and type, in the order in which they are made.
  struct Gradient {
    ir::ValueId value;
    size_t group;
  };
  std::vector<std::vector<size_t>> buckets(const std::vector<Gradient>& gradients) const;

  /// The sum (or mean) of these values over the ranks, together, begins behind the last of them.
  size_t reduce(const std::vector<ir::ValueId>& values, bool mean);
  /// The same, of which this rank gets its part: one value of part_count() numbers.
  size_t reduce_part(const std::vector<ir::ValueId>& values, bool mean);
  /// The results, waited for at the end of the block.
  std::vector<ir::ValueId> wait(size_t transfer);

  int64_t part_count(const std::vector<ir::ValueId>& values) const;
  /// This rank's part of the values.
  ir::ValueId part(const std::vector<ir::ValueId>& values);
  /// From everybody's part to values shaped like those: begins at the end of the block.
  size_t gather(ir::ValueId part, const std::vector<ir::ValueId>& like);
  /// Results of all gathers, none of which is waited for before the last one has begun.
  std::vector<std::vector<ir::ValueId>> wait_gathered();

  /// Whole-number State to which the entry adds the same in each run (draws of random numbers, batches seen): this run has the number that
  /// it would have if the ranks' runs came one after the other. `write`: the node that writes it, not in the block at present.
  void count_all(ir::Node& write, ir::ValueId state);

 private:
  struct Transfer {
    ir::ValueId buffer;
    std::vector<int64_t> shapes;
    int64_t ranks;
    bool mean;
    size_t results;
  };
  size_t begin(const std::vector<ir::ValueId>& values, bool mean, bool part);
  std::vector<ir::ValueId> wait(size_t transfer, ir::ValueId after);
  int64_t count_of(const std::vector<ir::ValueId>& values) const;
  int64_t rounded(int64_t count) const { return (count + settings_.ranks - 1) / settings_.ranks * settings_.ranks; }

  ir::Entry& entry_;
  const StepSettings& settings_;
  ir::Builder b_;
  std::vector<Transfer> transfers_;
  std::vector<size_t> gathers_;
};

/// Throws Unsupported, with the rule's name, where the update of an element hangs on other elements (norms, products, factored state).
void check_elementwise(const optim::Optimizer& rule, int rank, const OpTable& ops);

}  // namespace gf::parallel
