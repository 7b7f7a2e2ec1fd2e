// A model for inference becomes one that trains on a device with the runtime alone: entry `main` as it was, `train_step` with loss,
// gradients and updates, `evaluate` with loss and metrics, over the same State.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/ir/graph.h"
#include "io/array.h"
#include "trainer/step/fake_quantize.h"
#include "trainer/step/fit.h"
#include "trainer/step/head.h"
#include "trainer/step/losses_by_name.h"
#include "trainer/step/splice.h"
#include "trainer/step/train_step.h"

namespace gf {

struct LoraOptions {
  std::vector<std::string> weights;   ///< globs; empty: none
  int64_t rank = 8;
  double alpha = 0;                   ///< the product is scaled by alpha / rank; 0: 2 * rank
  uint64_t seed = 0;                  ///< of the first values
};

/// First values from elsewhere: see import_weights() (trainer/checkpoint).
struct StartWeights {
  std::vector<io::NamedArray> tensors;
  std::string from;                   ///< begins messages
  bool partial = false;               ///< tensors that one side lacks are left out, and named in the notes
};

struct PrepareOptions {
  std::string entry = "main";
  std::string output;                 ///< the prediction; may be left out where the entry has one output
  std::string loss;                   ///< loss_names(); its target becomes input "target" of train_step and evaluate
  std::shared_ptr<const optim::Optimizer> optimizer;
  /// Which weights are trained: those that match one of the globs ('*' and '?'; none: all) and, with `last`, belong to the last so many nodes
  /// with weights, and, with `biases_only`, are biases. Statistics of batch normalisation never are.
  std::vector<std::string> trainable;
  int last = 0;
  bool biases_only = false;
  /// Weights of matrix products that match stay as they are; beside each W [in, out] two small ones are trained (Hu et al., "LoRA", 2022):
  /// x W + alpha / rank x A B, A `<W>.lora_a` [in, rank] uniform as PyTorch's linear layers, B `<W>.lora_b` [rank, out] zeros. With LoRA nothing else is trained
  /// unless `trainable`, `last` or `biases_only` says so.
  LoraOptions lora;
  std::optional<StartWeights> weights;
  HeadOptions head;                   ///< a last layer for other classes, before anything else is done
  std::optional<FakeQuantizeOptions> quantize;  ///< quantisation-aware training: all entries compute as int8 would
  std::optional<Teacher> teacher;     ///< train_step learns from its scores too; loss: cross_entropy or cross_entropy_last
  TrainStepOptions step;
  std::optional<uint64_t> memory;     ///< bytes for activations and scratch of train_step, by fit_memory()
  PassOptions passes;                 ///< how the model is optimised; `exact` is set
};

struct PrepareReport {
  struct Weight {
    std::string name;
    std::vector<int64_t> dims;
    bool trained = false;
  };
  std::vector<Weight> weights;        ///< of the entry, and those that were added
  int64_t trained = 0, frozen = 0;    ///< numbers in them
  std::vector<std::string> notes;     ///< "the softmax in front of the loss is left out: ..."
  std::optional<FitReport> fit;
};

/// Tensors that were left out, as notes.
std::vector<std::string> put_weights(ir::Model& model, const StartWeights& weights, const std::vector<std::string>& renewed = {});

/// `model` as imported (its weights under their names, nothing folded) becomes one with the entries main, train_step and evaluate, optimised.
/// Float16 and bfloat16 become float32, inputs and outputs too.
/// train_step: the inputs of the entry and `target`; output `loss`. evaluate: the same inputs; outputs `loss` and, for classes, `accuracy`. With averages, evaluate and the
/// entry read those.
/// The prediction's shape may have bounded axes. Throws gf::Exception: InvalidArgument (unknown loss; no optimizer; globs that match nothing;
/// nothing to train), NotFound (entry, output), Unsupported (LoRA of what no matrix product reads), ShapeMismatch (a loss that wants another
/// shape), LimitExceeded (the memory), and what import_weights(), replace_head(), fake_quantize(), add_teacher() and add_train_step() throw. After an exception the model is no longer of use.
PrepareReport prepare_training(ir::Model& model, const PrepareOptions& options);

}  // namespace gf
