// Trainer: the loop around a train step. Batches go in, losses come out; in between schedules, validation, checkpoints, early stopping, and
// whoever listens (callbacks.h). It runs any model with the entries train_step and evaluate (trainer/step: prepare_training(), training_model()).
// Owns the model. Thread rule: one thread at a time; loaders and checkpoints have threads of their own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/include/ghostflow/model.h"
#include "trainer/checkpoint/directory.h"
#include "trainer/data/data_loader.h"
#include "trainer/loop/callbacks.h"
#include "trainer/optim/schedule.h"
#include "trainer/parallel/communicator.h"

namespace gf {

struct EarlyStopping {
  std::string monitor = "loss";            ///< one of the metrics of validation; "accuracy" is better when larger, others when smaller
  int64_t patience = 3;                    ///< validations without an improvement of more than min_delta
  double min_delta = 0;
};

struct FitSettings {
  int64_t epochs = 0, steps = 0;           ///< one of the two; steps count from the first of all, also after resuming
  optim::Schedule schedule = {};           ///< factor for every group's own learning rate, by the steps done; none: constant
  /// Batches per step: accumulate - 1 runs of `accumulate_entry` and one of train_step (TrainStepOptions::accumulate_entry).
  int64_t accumulate = 1;
  std::string accumulate_entry = "accumulate";
  int64_t validate_every = 0;              ///< steps; 0: at the end of each epoch, and of all
  std::optional<EarlyStopping> early_stopping = {};

  std::string checkpoints = {};            ///< folder; none: nothing is saved
  int64_t save_every = 0;                  ///< steps; 0: at the end of each epoch. Always at the end, also when stopped
  CheckpointOptions checkpoint = {};
  /// Goes on from the newest good checkpoint: State, steps, order and position of the data, schedule. A folder without one begins at the
  /// beginning, and says so (FitListener::note); one with damaged files only is an error.
  bool resume = false;

  /// Which field of the dataset goes into which input ({"image", "x"}). Left out: fields and inputs of one name, `target` from label, target
  /// or targets, and the input that is left from the field that is left.
  std::vector<std::pair<std::string, std::string>> fields = {};
  std::vector<std::shared_ptr<FitListener>> listeners = {};
  /// This process is one of several that train together (trainer/parallel): the model was made with TrainStepOptions::parallel, `train` reads as this
  /// rank, validation is shared out. Rank 0 alone is heard by listeners and writes checkpoints. All ranks must be given the same; not owned.
  parallel::Communicator* ranks = nullptr;
  const std::atomic<bool>* stop = nullptr;  ///< set by someone else (Ctrl-C): the step is finished, a checkpoint written, fit() returns. A validation is broken off, and made when going on
};

class Trainer {
 public:
  /// Throws NotFound: the model has no entry train_step.
  explicit Trainer(Model model);

  /// Trains. Batches of `train` are of the size that train_step takes, or within its bounds; so are those of `validation` for evaluate.
  /// Throws InvalidArgument (settings, fields that do not fit), ShapeMismatch (batches), NonFinite: a loss that is NaN or infinite, with the
  /// step and the last checkpoint, which stays as it was (a model whose step skips such batches goes on instead); what reading data, saving
  /// and loading throw. With ranks: what all of them throw alike is a parallel::EveryRank; what one throws ends the job of all.
  FitResult fit(data::DataLoader& train, data::DataLoader* validation, const FitSettings& settings);
  FitResult fit(data::DataLoader& train, const FitSettings& settings) { return fit(train, nullptr, settings); }

  /// Means over an epoch of the loader of what evaluate gives ("loss", "accuracy"), weighted by the examples of each batch.
  Metrics evaluate(data::DataLoader& loader, const FitSettings& settings = {});

  Model& model() { return model_; }

 private:
  Model model_;
};

}  // namespace gf
