// DataLoader: batches of a dataset, in order or shuffled anew in each epoch, read ahead by threads. Order and contents depend on the
// dataset, the seed and the epoch alone: not on threads, their number, or the machine. Shares the dataset; owns threads and batches.
// Thread rule: one thread at a time calls a loader; its own threads read the dataset.
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include "trainer/data/batch.h"
#include "trainer/data/dataset.h"

namespace gf::data {

struct DataLoaderSettings {
  int64_t batch_size = 1;
  bool shuffle = false;
  /// true: samples at the end of an epoch that fill no batch (no step of all ranks) are left out. false: one rank has a smaller last
  /// batch; several ranks fill their last step up with samples from the front of the epoch's order, so that all batches are full.
  bool drop_last = false;
  uint64_t seed = 0;
  int num_workers = 0;                            ///< threads that read ahead; 0: next() reads
  int prefetch_factor = 2;                        ///< batches ahead, per worker
  /// Of `world` processes this is `rank`. A step of all takes world * batch_size samples in order, rank r the r-th batch_size of them:
  /// what one process sees in `world` batches of that size.
  int rank = 0, world = 1;
  std::vector<std::shared_ptr<const BatchTransform>> batch_transforms = {};
};

/// Where a loader stands: all that a checkpoint needs to go on with the very next batch, also with other batch sizes, ranks or threads.
struct Position {
  uint64_t seed = 0;
  int64_t epoch = 0;
  int64_t next = 0;                               ///< samples of the epoch that all ranks together have had
  int64_t samples = 0;                            ///< of the dataset, to recognise another one; 0: unknown

  bool operator==(const Position&) const = default;
};

class DataLoader {
 public:
  /// Throws InvalidArgument: no dataset, an empty one, settings out of range, drop_last with a step that is larger than the dataset;
  /// and what the batch transforms' fields() throw.
  explicit DataLoader(DatasetPtr dataset, DataLoaderSettings settings = {});
  ~DataLoader();
  DataLoader(DataLoader&&) noexcept;
  DataLoader& operator=(DataLoader&&) noexcept;

  /// The next batch of this epoch, valid until the next call; nullptr at its end, and the call after that begins the next epoch.
  /// Throws what reading a sample throws, with the sample's number and name, when its batch is due; position() then stays in
  /// front of that batch.
  const Batch* next();
  /// The next batch of all epochs, for loops that count steps: where an epoch ends, the next one begins. Throws as next().
  const Batch& cycle();

  /// Batches of a whole epoch, for this rank.
  int64_t size() const;
  const Dataset& dataset() const;
  const DataLoaderSettings& settings() const;
  /// Fields of the batches: the dataset's, after the batch transforms.
  const std::vector<Field>& fields() const;

  /// In front of the batch that next() gives.
  Position position() const;
  /// Goes on there. Throws InvalidArgument: negative, beyond the dataset, of a dataset of another size.
  void restore(const Position& position);
  /// The beginning of an epoch.
  void set_epoch(int64_t epoch);

  /// Seconds that next() has waited for data (all of the reading, without workers) since the loader was made.
  double stall_seconds() const;
  /// Bytes of all batches, which are kept: (num_workers * prefetch_factor + 1) of them.
  uint64_t memory_bytes() const;

  /// For `for (auto& batch : loader)`: the rest of the epoch that the loader stands in. After a loop that was left early (break), the
  /// next loop begins the next epoch; use next() to go on in the middle.
  class Iterator {
   public:
    explicit Iterator(DataLoader* loader) : loader_(loader), batch_(loader->next()) {}
    const Batch& operator*() const { return *batch_; }
    const Batch* operator->() const { return batch_; }
    Iterator& operator++() {
      batch_ = loader_->next();
      return *this;
    }
    bool operator==(std::default_sentinel_t) const { return batch_ == nullptr; }

   private:
    DataLoader* loader_;
    const Batch* batch_;
  };
  Iterator begin();
  std::default_sentinel_t end() const { return {}; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gf::data
