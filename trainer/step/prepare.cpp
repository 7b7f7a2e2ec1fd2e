#include "trainer/step/prepare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "graph/ir/builder.h"
#include "graph/ir/copy.h"
#include "graph/passes/pipeline.h"
#include "schema/ops/add.h"
#include "schema/ops/batch_norm.h"
#include "schema/ops/conv.h"
#include "schema/ops/conv_transpose.h"
#include "schema/ops/dequantize_linear.h"
#include "schema/ops/identity.h"
#include "schema/ops/matmul.h"
#include "schema/ops/quantize_linear.h"
#include "schema/ops/resize.h"
#include "schema/ops/sigmoid.h"
#include "trainer/autodiff/float64.h"
#include "trainer/checkpoint/weights.h"
#include "trainer/step/globs.h"
#include "trainer/step/losses_by_name.h"
#include "trainer/tensor/functions_creation.h"
#include "trainer/tensor/trace.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::ValueId;

// --- weights

struct Weight {
  std::string name;
  std::vector<int64_t> dims;
  size_t node = 0;       ///< its first reader
  bool bias = false;     ///< added to a product or a convolution
};

// Float constants with names that nodes compute with; not statistics, scales of sizes and the like.
std::vector<Weight> weights_of(const ir::Entry& entry) {
  std::vector<Weight> weights;
  for (size_t i = 0; i < entry.body.nodes.size(); ++i) {
    const ir::Node& n = *entry.body.nodes[i];
    if (n.is<op::Resize>() || n.is<op::QuantizeLinear>() || n.is<op::DequantizeLinear>()) continue;
    for (size_t k = 0; k < n.inputs.size(); ++k) {
      if (n.inputs[k] == kNoValue || (n.is<op::BatchNorm>() && k >= 3)) continue;
      const ir::Value& v = entry.value(n.inputs[k]);
      if (!v.is_constant() || !dtype_is_float(v.dtype) || v.shape.rank == 0 || v.name.empty()) continue;
      if (std::any_of(weights.begin(), weights.end(), [&](const Weight& w) { return w.name == v.name; })) continue;
      const bool product = n.is<op::MatMul>() || n.is<op::Conv>() || n.is<op::ConvTranspose>();
      const bool bias = v.shape.rank == 1 && ((product && k == 2) || n.is<op::Add>());
      if (v.constant->count() <= 1 && !bias) continue;  // a number of a formula
      weights.push_back({v.name, v.constant->dims, i, bias});
    }
  }
  return weights;
}

class Preparation {
 public:
  Preparation(ir::Model& model, const PrepareOptions& options) : model_(model), options_(options), loss_(loss_named(options.loss)) {}

  PrepareReport run() {
    if (options_.optimizer == nullptr) throw Exception(Error::InvalidArgument, "there is no optimizer");
    for (const char* name : {"train_step", "evaluate"})
      if (model_.find(name) != nullptr) throw Exception(Error::InvalidArgument, std::string("the model has an entry '") + name + "' already");
    main_ = model_.find(options_.entry);
    if (main_ == nullptr) throw Exception(Error::NotFound, "the model has no entry '" + options_.entry + "'");
    if (half_to_float32(model_)) report_.notes.push_back("16-bit floats are float32 from here on: that is what is trained");
    const size_t output = find_output();
    const std::vector<std::string> renewed = options_.head.outputs != 0 ? renew_head(output) : std::vector<std::string>();
    if (options_.weights)
      for (std::string& note : put_weights(model_, *options_.weights, renewed)) report_.notes.push_back(std::move(note));
    add_lora();
    const std::vector<std::string> names = choose();
    make_parameters(model_, names);
    for (const char* name : {"train_step", "evaluate"}) add_entry(name, output);
    ir::Entry& step = *model_.find("train_step");
    TrainStepOptions how = options_.step;
    const FakeQuantized quantized = quantize();
    if (options_.quantize) how.autodiff.detours = quantized.detours;
    add_train_step(model_, step, step.body.outputs[0], {{names, options_.optimizer}}, how);
    for (ir::Entry* entry : {main_, model_.find("evaluate")}) read_averages(model_, *entry);
    ir::check(model_);
    PassOptions passes = options_.passes;
    passes.exact = true;
    if (options_.memory) report_.fit = fit_memory(model_, "train_step", *options_.memory, passes);
    else run_passes(model_, passes);
    return std::move(report_);
  }

 private:
  size_t find_output() const {
    std::vector<std::string> names;
    for (const ValueId v : main_->body.outputs) names.push_back(main_->value(v).name);
    if (options_.output.empty() && names.size() == 1) return 0;
    const auto at = std::find(names.begin(), names.end(), options_.output);
    if (options_.output.empty()) throw Exception(Error::InvalidArgument, "entry '" + options_.entry + "' has several outputs: say which one the loss is of: " + listed(names));
    if (at == names.end()) throw Exception(Error::NotFound, "entry '" + options_.entry + "' has no output '" + options_.output + "'; there are: " + listed(names));
    return static_cast<size_t>(at - names.begin());
  }

  std::vector<std::string> renew_head(size_t output) {
    const NewHead head = replace_head(*main_, output, options_.head);
    report_.notes.push_back("new head: " + head.layer + " has " + std::to_string(options_.head.outputs) + " outputs instead of " + std::to_string(head.before) + " (" + listed(head.weights) + ")");
    std::erase_if(model_.metadata, [](const auto& m) { return m.first == "labels"; });  // of the classes that it had
    return head.weights;
  }

  FakeQuantized quantize() {
    if (!options_.quantize) return {};
    for (const auto& entry : model_.entries)
      if (entry->name != "train_step") (void)fake_quantize(model_, *entry, *options_.quantize, false);
    FakeQuantized q = fake_quantize(model_, *model_.find("train_step"), *options_.quantize, true);
    report_.notes.push_back(std::to_string(q.layers) + " layers compute as int8");
    return q;
  }

  // --- LoRA

  void add_lora() {
    const LoraOptions& lora = options_.lora;
    if (lora.weights.empty()) return;
    if (lora.rank < 1) throw Exception(Error::InvalidArgument, "the rank of LoRA is 1 or more, not " + std::to_string(lora.rank));
    Generator random(lora.seed);
    bool any = false;
    for (const Weight& w : weights_of(*main_)) {
      if (w.dims.size() != 2 || !matches_any(lora.weights, w.name)) continue;
      any = true;
      add_lora(w, random);
    }
    if (!any) throw Exception(Error::InvalidArgument, "no matrix matches --lora " + listed(lora.weights) + "; weights: " + weight_list());
  }

  void add_lora(const Weight& w, Generator& random) {
    ValueId a = kNoValue, b = kNoValue;
    for (size_t i = 0; i < main_->body.nodes.size(); ++i) {
      const ir::Node& n = *main_->body.nodes[i];
      const bool reads = std::any_of(n.inputs.begin(), n.inputs.end(), [&](ValueId v) { return v != kNoValue && main_->value(v).name == w.name; });
      if (!reads) continue;
      const auto attrs = n.is<op::MatMul>() ? ir::attrs_of<op::MatMul>(n) : op::MatMul::Attrs{};
      if (!n.is<op::MatMul>() || main_->value(n.inputs[0]).name == w.name || attrs.transpose_a || attrs.activation != Activation::None)
        throw Exception(Error::Unsupported, "LoRA stands beside matrix products x W; '" + w.name + "' is read by " + n.origin);
      const int64_t in = w.dims[attrs.transpose_b ? 1 : 0], out = w.dims[attrs.transpose_b ? 0 : 1], rank = options_.lora.rank;
      if (a == kNoValue) {
        const double most = 1 / std::sqrt(static_cast<double>(in));  // Kaiming with a = sqrt 5
        a = add_weight(w.name + ".lora_a", random.uniform({in, rank}, -most, most).array());
        b = add_weight(w.name + ".lora_b", Tensor::zeros({rank, out}).array());
      }
      i += beside(i, a, b, attrs);
    }
  }
  // x A B behind node i; returns how many nodes came.
  size_t beside(size_t i, ValueId a, ValueId b, const op::MatMul::Attrs& attrs) {
    const LoraOptions& lora = options_.lora;
    const double alpha = lora.alpha == 0 ? 2.0 * static_cast<double>(lora.rank) : lora.alpha;
    const ValueId x = main_->body.nodes[i]->inputs[0], y = main_->body.nodes[i]->outputs[0];
    ir::Builder builder(*main_, main_->body);
    builder.insert_at(i + 1);
    builder.set_origin(main_->body.nodes[i]->name, "LoRA beside " + main_->body.nodes[i]->origin);
    const ValueId small = builder.add<op::MatMul>({x, a});
    const float scale = static_cast<float>(alpha / static_cast<double>(lora.rank)) * attrs.alpha;
    const ValueId sum = builder.add<op::MatMul>({small, b, kNoValue, y}, {.alpha = scale});
    ir::replace_uses(*main_, y, sum);
    main_->body.nodes[i + 2]->inputs[3] = y;
    std::swap(main_->value(y).name, main_->value(sum).name);
    return 2;
  }
  ValueId add_weight(const std::string& name, const io::Array& values) {
    added_.insert(name);
    return main_->add_constant(ir::make_constant(values.dtype, values.shape, values.data), name);
  }

  // --- which weights are trained

  std::string weight_list() const {
    std::vector<std::string> names;
    for (const Weight& w : weights_of(*main_)) names.push_back(w.name);
    constexpr size_t kShown = 12;
    const size_t more = names.size() > kShown ? names.size() - kShown : 0;
    names.resize(names.size() - more);
    return names.empty() ? "none" : listed(names) + (more > 0 ? " and " + std::to_string(more) + " more" : "");
  }

  std::vector<std::string> choose() {
    const std::vector<Weight> all = weights_of(*main_);
    const bool says = !options_.trainable.empty() || options_.last > 0 || options_.biases_only;
    if (options_.last < 0) throw Exception(Error::InvalidArgument, "the number of last layers is 1 or more");
    for (const std::string& glob : options_.trainable)
      if (std::none_of(all.begin(), all.end(), [&](const Weight& w) { return glob_matches(glob.c_str(), w.name.c_str()); }))
        throw Exception(Error::InvalidArgument, "no weight matches '" + glob + "'; weights: " + weight_list());
    const size_t from = first_of_last(all);
    std::vector<std::string> names;
    for (const Weight& w : all) {
      const bool is_lora = added_.contains(w.name), among = options_.lora.weights.empty() || says;
      const bool chosen = (options_.trainable.empty() || matches_any(options_.trainable, w.name)) && w.node >= from && (!options_.biases_only || w.bias);
      const bool trained = is_lora || (among && chosen);
      int64_t count = 1;
      for (const int64_t d : w.dims) count *= d;
      report_.weights.push_back({w.name, w.dims, trained});
      (trained ? report_.trained : report_.frozen) += count;
      if (trained) names.push_back(w.name);
    }
    if (names.empty()) throw Exception(Error::InvalidArgument, "nothing is left to train; weights: " + weight_list());
    return names;
  }
  // The first node of the last layers: layers are nodes with a weight of rank 2 or more.
  size_t first_of_last(const std::vector<Weight>& all) const {
    std::set<size_t> layers;
    for (const Weight& w : all)
      if (w.dims.size() >= 2 && !added_.contains(w.name)) layers.insert(w.node);
    if (options_.last == 0 || static_cast<size_t>(options_.last) >= layers.size()) return 0;
    return *std::next(layers.begin(), static_cast<std::ptrdiff_t>(layers.size()) - options_.last);
  }

  // --- entries

  void add_entry(const char* name, size_t output) {
    ir::Entry& entry = *model_.entries.emplace_back(ir::copy(*main_));
    entry.name = name;
    const ValueId prediction = before_loss(entry, entry.body.outputs[output], std::string_view(name) == "train_step");
    const DimShape shape = entry.value(prediction).shape;
    if (!dtype_is_float(entry.value(prediction).dtype))
      throw Exception(Error::TypeMismatch, "the prediction '" + entry.value(prediction).name + "' is " + dtype_name(entry.value(prediction).dtype) + ": a loss needs floats");
    const bool classes = loss_.of_classes();
    DimShape target_shape;
    for (int d = 0; d < shape.rank; ++d)
      if (!classes || d != loss_.class_axis(shape.rank)) target_shape.push(shape[d]);
    const ValueId target = entry.add_input(kTargetInput, classes ? DType::I64 : entry.value(prediction).dtype, target_shape);
    const bool metrics = classes && std::string_view(name) == "evaluate";
    std::vector<ValueId> values = {prediction, target};
    if (options_.teacher && std::string_view(name) == "train_step") values.push_back(teacher_scores(entry, prediction));
    const ir::Model loss = loss_graph(most_of(entry, shape), entry.value(prediction).dtype, metrics, values.size() == 3);
    entry.body.outputs = splice(entry, loss, *loss.entries[0], values, std::string("loss ") + loss_.name);
    const char* const names[] = {"loss", "accuracy"};
    for (size_t i = 0; i < entry.body.outputs.size(); ++i) entry.value(entry.body.outputs[i]).name = names[i];
  }

  ValueId teacher_scores(ir::Entry& entry, ValueId prediction) {
    const DimShape& shape = entry.value(prediction).shape;
    const ValueId scores = add_teacher(entry, *options_.teacher, loss_.class_axis(shape.rank));
    const ir::Value &mine = entry.value(prediction), &its = entry.value(scores);  // the axes of batches may have other names
    bool same = mine.dtype == its.dtype && mine.shape.rank == its.shape.rank;
    for (int d = 0; same && d < mine.shape.rank; ++d) same = mine.shape[d].hi == its.shape[d].hi;
    if (!same) throw Exception(Error::ShapeMismatch, "the teacher's scores " + shape_of(entry, its) + " are not of the student's type and shape, " + shape_of(entry, mine));
    return scores;
  }

  static std::string shape_of(const ir::Entry& entry, const ir::Value& v) {
    std::string text = dtype_name(v.dtype) + std::string(" [");
    for (int d = 0; d < v.shape.rank; ++d) text += (d > 0 ? ", " : "") + entry.symbols.to_text(v.shape[d]);
    return text + "]";
  }

  // A softmax or sigmoid that the loss has inside is left out.
  ValueId before_loss(const ir::Entry& entry, ValueId v, bool say) {
    const std::string_view name = loss_.name;
    ValueId scores = v;
    const char* op = "sigmoid";
    if (loss_.of_classes() && name != "nll") {
      scores = before_softmax(entry, v, loss_.class_axis(entry.value(v).shape.rank));
      op = "softmax";
    } else if (name == "bce_with_logits" || name == "focal") {
      for (const auto& n : entry.body.nodes)
        if (n->output() == behind_copies(entry, v) && n->is<op::Sigmoid>()) scores = n->inputs[0];
    }
    if (scores != v && say) report_.notes.push_back("the loss is of what goes into '" + entry.value(v).name + "': " + op + " is part of " + loss_.name);
    return scores;
  }

  static Shape64 most_of(const ir::Entry& entry, const DimShape& shape) {
    Shape64 most;
    for (int d = 0; d < shape.rank; ++d) {
      if (shape[d].hi > std::numeric_limits<int32_t>::max())
        throw Exception(Error::Unsupported, "the prediction of entry '" + entry.name + "' has no bound along axis " + std::to_string(d) + ": say how large it is at most");
      most.push_back(shape[d].hi);
    }
    return most;
  }

  // Inputs: prediction, target, and the teacher's scores.
  ir::Model loss_graph(const Shape64& shape, DType type, bool metrics, bool teacher) const {
    const Tensor x = Tensor::zeros(shape, type), t = loss_.target_of(x);
    if (teacher) {
      const Tensor scores = Tensor::zeros(shape, type);
      return trace({{"x", x}, {kTargetInput, t}, {"teacher", scores}}, {{"loss", loss_.distilled(x, scores, t, options_.teacher->temperature, options_.teacher->alpha)}}, {});
    }
    NamedTensors outputs = {{"loss", loss_.run(x, t)}};
    if (metrics) outputs.emplace_back("accuracy", loss_.accuracy(x, t));
    return trace({{"x", x}, {kTargetInput, t}}, outputs, {});
  }

  ir::Model& model_;
  const PrepareOptions& options_;
  const NamedLoss& loss_;
  ir::Entry* main_ = nullptr;
  std::set<std::string> added_;  // names of LoRA's weights
  PrepareReport report_;
};

}  // namespace

std::vector<std::string> put_weights(ir::Model& model, const StartWeights& weights, const std::vector<std::string>& renewed) {
  const Imported left = import_weights(weights.tensors, weights.from, model, !weights.partial, renewed);
  std::vector<std::string> notes;
  if (!left.missing.empty()) notes.push_back(weights.from + " lacks " + listed(left.missing) + ": as they were");
  if (!left.unexpected.empty()) notes.push_back("the model lacks " + listed(left.unexpected) + " of " + weights.from);
  return notes;
}

PrepareReport prepare_training(ir::Model& model, const PrepareOptions& options) { return Preparation(model, options).run(); }

}  // namespace gf
