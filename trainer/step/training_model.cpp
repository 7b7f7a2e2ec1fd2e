#include "trainer/step/training_model.h"

#include <algorithm>
#include <map>

#include "trainer/nn/mode.h"
#include "trainer/step/losses_by_name.h"

namespace gf {
namespace {

// Puts an entry into another model; State of the same name is the same.
void take_entry(ir::Model& into, ir::Model from) {
  std::map<int32_t, int32_t> moved;
  for (size_t i = 0; i < from.states.size(); ++i) {
    const auto known = std::find_if(into.states.begin(), into.states.end(), [&](const ir::StateVar& s) { return s.name == from.states[i].name; });
    moved[static_cast<int32_t>(i)] = static_cast<int32_t>(known - into.states.begin());
    if (known == into.states.end()) into.states.push_back(std::move(from.states[i]));
  }
  for (auto& entry : from.entries) {
    for (size_t v = 0; v < entry->value_count(); ++v)
      if (int32_t& state = entry->value(static_cast<ir::ValueId>(v)).state; state >= 0) state = moved.at(state);
    for (const auto& n : entry->body.nodes)
      if (n->writes_state >= 0) n->writes_state = moved.at(n->writes_state);
    into.entries.push_back(std::move(entry));
  }
}

constexpr const char* kTeacher = "teacher.scores";

// The input of that name is computed by the teacher.
void put_teacher(ir::Entry& entry, const Teacher& teacher, const Shape64& shape, const NamedLoss& loss) {
  const ir::ValueId scores = add_teacher(entry, teacher, loss.class_axis(static_cast<int>(shape.size())));
  const ir::Value& v = entry.value(scores);
  bool same = v.dtype == DType::F32 && v.shape.rank == static_cast<int>(shape.size());
  for (int d = 0; same && d < v.shape.rank; ++d) same = v.shape[d].is_const() && v.shape[d].lo == shape[static_cast<size_t>(d)];
  if (!same) throw Exception(Error::ShapeMismatch, "the teacher's scores are not float32 of the student's shape " + io::shape_text(shape));
  replace_input(entry, kTeacher, scores);
}

}  // namespace

ir::Model training_model(nn::Module& net, const TrainingModelOptions& o) {
  if (o.batch < 1 || o.evaluate_batch < 1) throw Exception(Error::InvalidArgument, "training_model: a batch is 1 or more");
  if (o.optimizer == nullptr) throw Exception(Error::InvalidArgument, "training_model: there is no optimizer");
  const NamedLoss& loss = loss_named(o.loss);
  const nn::KeepMode mode(net);
  const auto input = [&](int64_t batch) {
    Shape64 shape = {batch};
    shape.insert(shape.end(), o.shape.begin(), o.shape.end());
    return Tensor::zeros(shape, o.type);
  };
  ir::Model model;
  {
    net.train();
    const Tensor x = input(o.batch), t = loss.target_of(net(x));
    if (o.teacher) {
      const Tensor scores = Tensor::zeros(net(x).shape());
      const auto record = [&] { return NamedTensors{{"loss", loss.distilled(net(x), scores, t, o.teacher->temperature, o.teacher->alpha)}}; };
      take_entry(model, trace_call({{o.input, x}, {kTargetInput, t}, {kTeacher, scores}}, net.full_state(), record, {.name = "train_step"}));
      put_teacher(*model.entries[0], *o.teacher, scores.shape(), loss);
    } else {
      take_entry(model, trace_call({{o.input, x}, {kTargetInput, t}}, net.full_state(), [&] { return NamedTensors{{"loss", loss.run(net(x), t)}}; }, {.name = "train_step"}));
    }
  }
  net.eval();
  const Tensor x = input(o.evaluate_batch), t = loss.target_of(net(x));
  const auto evaluate = [&] {
    const Tensor y = net(x);
    NamedTensors results = {{"loss", loss.run(y, t)}};
    if (loss.of_classes()) results.emplace_back("accuracy", loss.accuracy(y, t));
    return results;
  };
  take_entry(model, trace_call({{o.input, x}, {kTargetInput, t}}, net.full_state(), evaluate, {.name = "evaluate"}));
  const Tensor one = input(o.main_batch > 0 ? o.main_batch : o.evaluate_batch);
  take_entry(model, trace_call({{o.input, one}}, net.full_state(), [&] { return NamedTensors{{"output", net(one)}}; }, {.name = "main"}));
  std::vector<std::string> names;
  for (const auto& [name, parameter] : net.named_parameters())
    if (parameter.requires_grad()) names.push_back(name);
  ir::Entry& step = *model.find("train_step");
  TrainStepOptions how = o.step;
  std::vector<AutodiffOptions::Detour> detours;
  if (o.quantize) {
    for (const auto& entry : model.entries) {
      FakeQuantized q = fake_quantize(model, *entry, *o.quantize, entry.get() == &step);
      if (entry.get() == &step) detours = std::move(q.detours);
    }
    how.autodiff.detours = detours;
  }
  add_train_step(model, step, step.body.outputs[0], {{names, o.optimizer}}, how);
  for (const char* entry : {"evaluate", "main"}) read_averages(model, *model.find(entry));
  ir::check(model);
  PassOptions passes = o.passes;
  passes.exact = true;
  if (o.memory) fit_memory(model, "train_step", *o.memory, passes);
  else run_passes(model, passes);
  return model;
}

}  // namespace gf
