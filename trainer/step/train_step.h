// The train step: an entry that computes a loss becomes an entry that also replaces its parameters. Gradients, clipping and the
// update rules are appended as more graph, which is then optimised, planned and run like any other: no Session knows that it
// trains. Parameters, what optimizers remember, the step number and the learning rates are State, shared by all entries.
// Thread rule: one thread at a time per model.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/ir/graph.h"
#include "trainer/autodiff/autodiff.h"
#include "trainer/optim/averages.h"
#include "trainer/optim/optimizer.h"
#include "trainer/parallel/step_transfers.h"

namespace gf {

/// Parameters that share an optimizer with its settings, as PyTorch's parameter groups.
struct ParameterGroup {
  std::vector<std::string> parameters;                      ///< names of Model::states
  std::shared_ptr<const optim::Optimizer> optimizer;
};

/// The loss is multiplied before gradients are derived, and they are divided again: what is small in 16 bits is kept. The scale adapts itself, as
/// PyTorch's GradScaler: a step whose gradients overflow is skipped and lowers it, `interval` good ones in a row raise it. Powers of two change no
/// bits of the gradients. (Micikevicius et al., "Mixed Precision Training", 2018, arXiv 1710.03740)
struct LossScale {
  double initial = 65536, growth = 2, backoff = 0.5;
  int64_t interval = 2000;
};

struct TrainStepOptions {
  double clip_value = 0;       ///< > 0: every element of a gradient is kept within [-clip_value, clip_value] (before the norm)
  double clip_norm = 0;        ///< > 0: gradients are scaled so that their norm over all parameters is at most this
  /// A NaN or infinite loss or gradient ends the run with Error::NonFinite before any State is replaced; the error names the loss or the
  /// first such parameter. As clip_norm: costs a pass over the gradients, and every gradient stays alive until the last one is known.
  bool stop_if_not_finite = false;
  /// Or it leaves every State as it was but the counters of random draws, counts in kSkippedState, and the run ends well. A norm of finite
  /// gradients that is beyond float32 counts too. Costs the same. Not together with the above.
  bool skip_if_not_finite = false;
  /// Implies skip_if_not_finite. Not together with stop_if_not_finite, nor with gradients that the entry computes itself.
  std::optional<LossScale> loss_scale = {};
  /// Not empty: the model gets one more entry of this name, with the inputs and outputs of `entry`, which adds gradients up and replaces no
  /// parameter; `entry` then takes the mean of those gradients and its own. A batch in k pieces of equal size: k - 1 runs of this
  /// one, a run of `entry` (PyTorch: backward() of loss / k each, one step()). Without such runs `entry` does what it does without this, bit for
  /// bit. Costs a State of the size of each parameter. Clipping is of the mean; a stopped or skipped run adds nothing.
  std::string accumulate_entry;
  bool allow_unused = false;   ///< parameters that the loss does not depend on stay as they are; else they are an error
  /// Keeps an average of every parameter as State `<parameter>.average`, the parameter at first, which other entries read in the parameter's
  /// place after read_averages(): taken after the update of steps average_from, average_from + average_every, ... (1 is the first step).
  std::optional<optim::AverageSettings> averages = {};
  int64_t average_from = 1;
  int64_t average_every = 1;
  /// The step of one of several ranks that train together, each on its own batches (trainer/parallel): gradients, and the loss that is given
  /// out, are means over the ranks. Throws Unsupported: a rule that is not elementwise where its state is shared out.
  std::optional<parallel::StepSettings> parallel = {};
  AutodiffOptions autodiff;
};

inline constexpr const char* kGradientNorm = "gradient_norm";
/// Names of the State that a train step adds.
inline constexpr const char* kStepState = "optimizer.step";                 ///< float64 scalar: steps done
inline constexpr const char* kAveragedState = "optimizer.averaged";         ///< float64 scalar: moments in the averages
inline constexpr const char* kAverageSlot = "average";                     ///< as slot_state(): "fc1.weight.average"
inline constexpr const char* kSkippedState = "optimizer.skipped";           ///< float64 scalar: runs that skip_if_not_finite left out
inline constexpr const char* kLossScaleState = "optimizer.loss_scale";      ///< float64 scalar
inline constexpr const char* kGoodStepsState = "optimizer.good_steps";      ///< float64 scalar: since the loss scale changed
inline constexpr const char* kAddedState = "optimizer.added";               ///< float64 scalar: runs of accumulate_entry since the last step
std::string learning_rate_state(size_t group);                             ///< float64 scalar: "optimizer.lr.0"
/// Output of an entry that is the gradient of a parameter already (tensor/trace.h): a step takes it instead of deriving one.
std::string gradient_output(const std::string& parameter);                ///< "fc1.weight.gradient"
std::string slot_state(const std::string& parameter, const char* slot);    ///< "fc1.weight.exp_avg"

/// Makes named constants of all entries State, with their contents as the initial value: what an imported model needs before it
/// is trained. Constants that are equal but have other names stay apart. Throws NotFound, TypeMismatch (not a float).
void make_parameters(ir::Model& model, const std::vector<std::string>& names);
/// Names of the float constants that nodes read as weights (rank 1 and more, in no name twice), in the order of their first use.
std::vector<std::string> weight_names(const ir::Model& model);

/// Appends gradients of `loss` by the parameters of all groups, and their updates; State that the entry writes already (running statistics
/// of a traced module) is written behind them. Where the entry has outputs named by gradient_output(), those are the gradients; they are
/// outputs no more. `entry` belongs to `model`; `loss` is a value of one element in its body (forward form, not yet optimised). With
/// clip_norm, stop_if_not_finite or skip_if_not_finite each entry gets one more output, kGradientNorm (float64 scalar): the norm of all gradients
/// before it is clipped. Throws gf::Exception: NotFound (a name), InvalidArgument (a parameter twice; a parameter that the loss does not depend on; settings out of range; accumulate_entry is taken), and
/// what backward() throws. After an exception the model is no longer of use.
void add_train_step(ir::Model& model, ir::Entry& entry, ir::ValueId loss, const std::vector<ParameterGroup>& groups,
                    const TrainStepOptions& options = {});

/// Has `entry` read the average of every parameter that has one in its place: for evaluation and for the model that is handed out. Running
/// statistics of norms are not averaged. Returns how many were exchanged.
int read_averages(ir::Model& model, ir::Entry& entry);

}  // namespace gf
