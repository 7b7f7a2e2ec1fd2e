#include "trainer/step/train_step.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "graph/emit/state_writes.h"
#include "graph/ir/copy.h"
#include "schema/ops/add.h"
#include "schema/ops/and.h"
#include "schema/ops/clip.h"
#include "schema/ops/div.h"
#include "schema/ops/equal.h"
#include "schema/ops/floor.h"
#include "schema/ops/global_norm.h"
#include "schema/ops/identity.h"
#include "schema/ops/less.h"
#include "schema/ops/min.h"
#include "schema/ops/mul.h"
#include "schema/ops/sqrt.h"
#include "schema/ops/where.h"
#include "trainer/autodiff/recorded.h"
#include "trainer/optim/graph_update.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::ValueId;

int state_index(const ir::Model& model, const std::string& name) {
  for (size_t i = 0; i < model.states.size(); ++i)
    if (model.states[i].name == name) return static_cast<int>(i);
  return -1;
}

// Words of a formula as nodes of the entry.
class Words final : public ir::GraphFormula<Formula> {
 public:
  Words(ir::Entry& entry, const OpTable& ops, const std::string& name) : GraphFormula(entry, entry.body, ops, name, "'" + name + "'") {}
  using GraphFormula::var;
  ValueId done(Var v) const {
    if (error() != Error::Ok) throw Exception(error(), reason());
    return v.id;
  }
};

class TrainStep {
 public:
  TrainStep(ir::Model& model, ir::Entry& entry, const TrainStepOptions& options)
      : model_(model), entry_(entry), options_(options), b_(entry, entry.body) {
    if (options.parallel) transfers_.emplace(entry, *options.parallel);
  }

  void run(ValueId loss, const std::vector<ParameterGroup>& groups) {
    differentiate(loss, groups);
    if (accumulates()) add_up();
    if (transfers_) loss = over_ranks(loss, groups);
    if (accumulates()) take_mean();
    clip_values();
    watch(loss);
    clip_norm();
    adapt_scale(true);
    const int step_state = add_state(kStepState, DType::F64, {}, 0);
    const ValueId step = add(kStepState, read(step_state), 1);
    if (options_.averages) share(step);
    for (size_t g = 0; g < groups.size(); ++g) {
      const int rate_state = add_state(learning_rate_state(g), DType::F64, {}, groups[g].optimizer->learning_rate());
      const ValueId rate = read(rate_state);
      for (const Parameter& p : parameters_)
        if (p.group == g) update(p, *groups[g].optimizer, rate, step);
    }
    if (!parts_.empty()) write_gathered();
    writes_.push_back({step_state, step, kStepState});
    if (accumulates()) writes_.push_back({added_, b_.scalar(DType::F64, 0), kAddedState});
    finish();
  }

  // The entry that adds up only.
  void run_accumulate(ValueId loss, const std::vector<ParameterGroup>& groups) {
    differentiate(loss, groups);
    watch(loss);
    if (!transfers_) adapt_scale(false);  // ranks agree in the step
    add_up();
    for (const Parameter& p : parameters_) writes_.push_back({p.sum, p.gradient, slot_state(p.name, kSum)});
    writes_.push_back({added_, add(kAddedState, read(added_), 1), kAddedState});
    finish();
  }

 private:
  struct Parameter {
    std::string name;
    int state;
    size_t group;
    ValueId value, gradient = kNoValue;
    int sum = -1;  // State that gradients add up in
  };
  // Parameters whose optimizer state is shared out over the ranks: one vector, of which this rank has a part.
  struct Part {
    std::string name;
    std::vector<Parameter> members;
    int64_t count;  // of this rank
  };
  struct Write {
    int state;
    ValueId value;
    std::string name;
  };

  static constexpr const char* kSum = "gradient";
  static constexpr size_t kEnd = static_cast<size_t>(-1);

  bool accumulates() const { return !options_.accumulate_entry.empty(); }

  void differentiate(ValueId loss, const std::vector<ParameterGroup>& groups) {
    if (options_.stop_if_not_finite && skips())
      throw Exception(Error::InvalidArgument, "a step either stops or is skipped if something is not finite");
    mark_train_step(model_, entry_.name);
    collect(groups);
    own_writes_ = take_writes();
    if (transfers_)
      for (const auto& n : own_writes_) transfers_->count_all(*n, read(n->writes_state));
    const bool given = take_gradients();
    if (given && options_.loss_scale) throw Exception(Error::InvalidArgument, "the entry computes its gradients itself: scale its loss there");
    if (!given) derive(options_.loss_scale ? scaled(loss) : loss);
    attach_detached(entry_);
    drop_unused();
    if (options_.loss_scale) unscale();
  }

  bool skips() const { return options_.skip_if_not_finite || options_.loss_scale; }

  ValueId scaled(ValueId loss) {
    const LossScale& s = *options_.loss_scale;
    if (!(s.initial > 0) || !(s.growth >= 1) || !(s.backoff > 0 && s.backoff <= 1) || s.interval < 1 || std::isinf(s.initial) || std::isinf(s.growth))
      throw Exception(Error::InvalidArgument, "loss_scale: initial is above 0, growth 1 or more, backoff above 0 and at most 1, interval 1 or more");
    scale_state_ = add_state(kLossScaleState, DType::F64, {}, s.initial);
    b_.set_origin(kLossScaleState, "scaled loss");
    return b_.add<op::Mul>({loss, b_.cast(read(scale_state_), b_.dtype(loss))});
  }
  // In float32 and wider: what is small there and was not in 16 bits stays.
  void unscale() {
    b_.set_origin(kLossScaleState, "gradients without the loss's scale");
    const ValueId inverse = b_.add<op::Div>({b_.scalar(DType::F64, 1), read(scale_state_)});
    for (Parameter& p : parameters_) {
      const DType type = b_.dtype(p.gradient) == DType::F64 ? DType::F64 : DType::F32;
      p.gradient = b_.add<op::Mul>({b_.cast(p.gradient, type), b_.cast(inverse, type)});
    }
  }
  // Lower after an overflow, higher after many steps without one. `counts`: whether this run is a step that counts.
  void adapt_scale(bool counts) {
    if (!options_.loss_scale) return;
    const LossScale& s = *options_.loss_scale;
    const int good_state = add_state(kGoodStepsState, DType::F64, {}, 0);
    Words f(entry_, options_.autodiff.ops, kLossScaleState);
    const Var scale = f.var(read(scale_state_)), good = f.var(read(good_state)), zero = f.scalar(DType::F64, 0), finite = f.var(finite_);
    const Var next = counts ? good + 1.0 : good, grows = f.less_or_equal(f.scalar(DType::F64, static_cast<double>(s.interval)), next);
    always_.push_back({scale_state_, f.done(f.where(finite, f.where(grows, scale * s.growth, scale), scale * s.backoff)), kLossScaleState});
    always_.push_back({good_state, f.done(f.where(finite, f.where(grows, zero, next), zero)), kGoodStepsState});
  }

  // Sums of what accumulate_entry added since the last step, and the gradients: the first after a step starts afresh.
  void add_up() {
    added_ = add_state(kAddedState, DType::F64, {}, 0);
    b_.set_origin(kAddedState, "gradients added up");
    if (transfers_) b_.insert_at(0);
    const ValueId none = b_.add<op::Equal>({read(added_), b_.scalar(DType::F64, 0)});
    for (Parameter& p : parameters_) {
      p.sum = add_state(slot_state(p.name, kSum), b_.dtype(p.gradient), model_.states[static_cast<size_t>(p.state)].dims, 0);
      b_.set_origin("", "sum of gradients of " + p.name);
      if (transfers_) insert_behind({p.gradient, none});  // it goes to the other ranks as soon as it is there
      p.gradient = b_.add<op::Where>({none, p.gradient, b_.add<op::Add>({read(p.sum), p.gradient})});
    }
    b_.insert_at(kEnd);
  }
  void insert_behind(const std::vector<ValueId>& values) {
    const size_t at = transfers_->behind(values);
    b_.insert_at(at == entry_.body.nodes.size() ? kEnd : at);
  }
  void take_mean() {
    ValueId count = add(kAddedState, read(added_), 1);
    if (transfers_) count = transfers_->wait(transfers_->reduce({count}, false))[0];  // a rank may have left some out
    for (Parameter& p : parameters_) p.gradient = b_.add<op::Div>({p.gradient, b_.cast(count, b_.dtype(p.gradient))});
  }

  // Sums of gradients, means of the loss and of running statistics over the ranks, each beginning as soon as it can. Returns the loss.
  ValueId over_ranks(ValueId loss, const std::vector<ParameterGroup>& groups) {
    const bool mean = !accumulates(), share = options_.parallel->shard_optimizer;
    std::vector<parallel::StepTransfers::Gradient> gradients;
    for (const Parameter& p : parameters_) gradients.push_back({p.gradient, p.group});
    const auto buckets = transfers_->buckets(gradients);
    const auto values_of = [&](const std::vector<size_t>& members, ValueId Parameter::* what) {
      std::vector<ValueId> values;
      for (const size_t i : members) values.push_back(parameters_[i].*what);
      return values;
    };
    const size_t loss_transfer = transfers_->reduce({loss}, true);
    std::vector<size_t> begun;
    for (const auto& members : buckets) {
      const std::vector<ValueId> values = values_of(members, &Parameter::gradient);
      begun.push_back(share ? transfers_->reduce_part(values, mean) : transfers_->reduce(values, mean));
    }
    merge_statistics();
    const ValueId mean_loss = transfers_->wait(loss_transfer)[0];
    std::replace(entry_.body.outputs.begin(), entry_.body.outputs.end(), loss, mean_loss);
    entry_.value(mean_loss).name = std::exchange(entry_.value(loss).name, "");
    std::vector<Parameter> shared;
    for (size_t k = 0; k < buckets.size(); ++k) {
      const std::vector<ValueId> sums = transfers_->wait(begun[k]);
      for (size_t i = 0; i < buckets[k].size() && !share; ++i) parameters_[buckets[k][i]].gradient = sums[i];
      if (share) shared.push_back(share_out(buckets[k], values_of(buckets[k], &Parameter::value), sums[0], groups));
    }
    if (share) parameters_ = std::move(shared);
    model_.metadata.emplace_back(parallel::kMetadata, parallel::describe(*options_.parallel, descriptions_));
    return mean_loss;
  }
  // Running statistics: every rank goes on with the mean of all ranks'.
  void merge_statistics() {
    std::map<DType, std::vector<ir::Node*>> by_type;
    for (const auto& n : own_writes_)
      if (dtype_is_float(b_.dtype(n->inputs[0]))) by_type[b_.dtype(n->inputs[0])].push_back(n.get());
    for (const auto& [type, nodes] : by_type) {
      std::vector<ValueId> values;
      for (const ir::Node* n : nodes) values.push_back(n->inputs[0]);
      const std::vector<ValueId> means = transfers_->wait(transfers_->reduce(values, true));
      for (size_t i = 0; i < nodes.size(); ++i) nodes[i]->inputs[0] = means[i];
    }
  }
  // The parameters of a bucket as one, of which this rank updates its part.
  Parameter share_out(const std::vector<size_t>& members, const std::vector<ValueId>& values, ValueId gradient, const std::vector<ParameterGroup>& groups) {
    const std::string name = "shared." + std::to_string(parts_.size());
    Part part{name, {}, transfers_->part_count(values)};
    const size_t group = parameters_[members[0]].group;
    const optim::Optimizer& rule = *groups[group].optimizer;
    for (const size_t i : members) {
      part.members.push_back(parameters_[i]);
      parallel::check_elementwise(rule, static_cast<int>(model_.states[static_cast<size_t>(parameters_[i].state)].dims.size()), options_.autodiff.ops);
    }
    parallel::PartDescription d{name, part.count, {}, {}};
    for (const Parameter& p : part.members) d.parameters.push_back(p.name);
    for (const optim::Slot& s : rule.slots(1)) d.slots.push_back({s.name, s.shape == optim::Slot::Shape::Number});
    descriptions_.push_back(std::move(d));
    parts_.push_back(std::move(part));
    return {name, -static_cast<int>(parts_.size()), group, transfers_->part(values), gradient};
  }
  void write_gathered() {
    const auto values = transfers_->wait_gathered();
    for (size_t k = 0; k < values.size(); ++k)
      for (size_t i = 0; i < values[k].size(); ++i) {
        const Parameter& p = gathered_[k]->members[i];
        writes_.push_back({p.state, values[k][i], p.name});
        if (share_ != kNoValue) average(p, values[k][i], model_.states[static_cast<size_t>(p.state)].dims);
      }
  }

  void collect(const std::vector<ParameterGroup>& groups) {
    if (options_.averages) {
      optim::check(*options_.averages);
      if (options_.average_from < 1 || options_.average_every < 1)
        throw Exception(Error::InvalidArgument, "average_from and average_every count steps: they are 1 or more");
    }
    std::set<std::string> seen;
    for (size_t g = 0; g < groups.size(); ++g) {
      if (groups[g].optimizer == nullptr)
        throw Exception(Error::InvalidArgument, "parameter group " + std::to_string(g) + " has no optimizer");
      groups[g].optimizer->check();
      for (const std::string& name : groups[g].parameters) {
        const int state = state_index(model_, name);
        if (state < 0) throw Exception(Error::NotFound, "the model has no parameter '" + name + "'");
        if (!seen.insert(name).second) throw Exception(Error::InvalidArgument, "parameter '" + name + "' is given twice");
        parameters_.push_back({name, state, g, read(state)});
      }
    }
    if (parameters_.empty()) throw Exception(Error::InvalidArgument, "there is no parameter to train");
  }

  // Writes that the entry has already (running statistics): they come last, behind everything that may stop the step.
  std::vector<std::unique_ptr<ir::Node>> take_writes() {
    std::vector<std::unique_ptr<ir::Node>> writes;
    for (auto& n : entry_.body.nodes)
      if (n->writes_state >= 0) writes.push_back(std::move(n));
    std::erase(entry_.body.nodes, nullptr);
    return writes;
  }

  // Gradients that the entry computes already.
  bool take_gradients() {
    auto& outputs = entry_.body.outputs;
    for (Parameter& p : parameters_) {
      const auto at = std::find_if(outputs.begin(), outputs.end(), [&](ValueId v) { return entry_.value(v).name == gradient_output(p.name); });
      if (at == outputs.end()) continue;
      p.gradient = *at;
      outputs.erase(at);
    }
    return std::any_of(parameters_.begin(), parameters_.end(), [](const Parameter& p) { return p.gradient != kNoValue; });
  }
  void derive(ValueId loss) {
    std::vector<ValueId> wrt;
    for (const Parameter& p : parameters_) wrt.push_back(p.value);
    const std::vector<ValueId> gradients = backward(entry_, loss, wrt, options_.autodiff);
    for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i].gradient = gradients[i];
  }

  void drop_unused() {
    for (const Parameter& p : parameters_)
      if (p.gradient == kNoValue && !options_.allow_unused)
        throw Exception(Error::InvalidArgument, "the loss does not depend on parameter '" + p.name +
                                                    "': leave it out, or allow unused parameters");
    std::erase_if(parameters_, [](const Parameter& p) { return p.gradient == kNoValue; });
  }

  void clip_values() {
    if (!(options_.clip_value > 0)) return;
    for (Parameter& p : parameters_) {
      b_.set_origin("", "clipped gradient of " + p.name);
      const auto most = static_cast<float>(options_.clip_value);
      p.gradient = b_.add<op::Clip>({p.gradient}, {.min = -most, .max = most});
    }
  }

  // The norm of all gradients, and what is done where that or the loss is not finite.
  void watch(ValueId loss) {
    const bool stop = options_.stop_if_not_finite;
    if (!(options_.clip_norm > 0) && !stop && !skips()) return;
    const ValueId loss_norm = stop ? finite_norm(loss, "the loss") : kNoValue;  // first: a bad loss spoils every gradient
    std::map<DType, std::vector<ValueId>> by_type;
    for (const Parameter& p : parameters_) {
      const ValueId g = stop && parts_.empty() ? finite_norm(p.gradient, "gradient of " + p.name) : p.gradient;
      by_type[b_.dtype(g)].push_back(g);
    }
    b_.set_origin(kGradientNorm, "norm of the gradients");
    ValueId square = kNoValue;
    for (auto& [type, values] : by_type) {
      const bool first = stop && square == kNoValue;
      if (first) values.insert(values.begin(), b_.cast(loss_norm, type));  // watched, no part of the norm
      const ValueId n = b_.cast(b_.add<op::GlobalNorm>(values, {.watched = first ? 1 : 0}), DType::F64);
      const ValueId n2 = b_.add<op::Mul>({n, n});
      square = square == kNoValue ? n2 : b_.add<op::Add>({square, n2});
    }
    if (!parts_.empty()) square = transfers_->wait(transfers_->reduce({square}, false))[0];  // each rank has its part of the gradients
    b_.set_origin(kGradientNorm, "norm of the gradients");
    norm_ = b_.add<op::Sqrt>({square});
    if (stop && !parts_.empty()) norm_ = finite_norm(norm_, "gradients");
    entry_.value(norm_).name = kGradientNorm;
    entry_.body.outputs.push_back(norm_);
    if (!skips()) return;
    b_.set_origin(kSkippedState, "whether loss and gradients are finite");
    const auto is_finite = [&](ValueId norm) {
      return b_.add<op::Less>({norm, b_.scalar(DType::F64, std::numeric_limits<double>::infinity())});
    };
    finite_ = b_.add<op::And>({is_finite(b_.cast(b_.add<op::GlobalNorm>({loss}), DType::F64)), is_finite(norm_)});
  }
  // A node of its own for each: its error names it.
  ValueId finite_norm(ValueId v, const std::string& what) {
    b_.set_origin("", what);
    return b_.add<op::GlobalNorm>({v}, {.finite = true});
  }

  void clip_norm() {
    if (!(options_.clip_norm > 0)) return;
    b_.set_origin(kGradientNorm, "clipped gradients");
    // PyTorch's clip_grad_norm_: scale by max_norm / (norm + 1e-6) where that is below 1
    const ValueId total = b_.add<op::Add>({norm_, b_.scalar(DType::F64, 1e-6)});
    const ValueId ratio = b_.add<op::Div>({b_.scalar(DType::F64, options_.clip_norm), total});
    const ValueId factor = b_.add<op::Min>({ratio, b_.scalar(DType::F64, 1)});
    for (Parameter& p : parameters_) {  // 16 bits are widened: the update rounds once, behind everything
      const DType type = b_.dtype(p.gradient) == DType::F64 ? DType::F64 : DType::F32;
      p.gradient = b_.add<op::Mul>({b_.cast(p.gradient, type), b_.cast(factor, type)});
    }
  }

  void update(const Parameter& p, const optim::Optimizer& rule, ValueId rate, ValueId step) {
    const Part* const part = p.state < 0 ? &parts_[static_cast<size_t>(-p.state - 1)] : nullptr;
    const std::vector<int64_t> dims = part != nullptr ? std::vector{part->count} : model_.states[static_cast<size_t>(p.state)].dims;  // a copy: the list of states grows
    const DType type = b_.dtype(p.value);
    optim::UpdateValues values{p.value, p.gradient, {}, rate, step};
    std::vector<int> states;
    for (const optim::Slot& slot : rule.slots(static_cast<int>(dims.size()))) {
      states.push_back(add_state(slot_state(p.name, slot.name), optim::slot_dtype(slot, type, rule.state_dtype()), optim::slot_dims(slot, dims), slot.initial));
      values.slots.push_back(read(states.back()));
    }
    optim::GraphUpdate u(entry_, entry_.body, options_.autodiff.ops, p.name, values);
    u.apply(rule);
    for (size_t i = 0; i < states.size(); ++i)
      if (u.new_slot(i) != values.slots[i]) writes_.push_back({states[i], u.new_slot(i), slot_state(p.name, rule.slots(static_cast<int>(dims.size()))[i].name)});
    if (part != nullptr) {
      std::vector<ValueId> like;
      for (const Parameter& m : part->members) like.push_back(m.value);
      (void)transfers_->gather(u.new_parameter(), like);
      gathered_.push_back(part);
      return;
    }
    if (u.new_parameter() != p.value) writes_.push_back({p.state, u.new_parameter(), p.name});
    if (share_ != kNoValue) average(p, u.new_parameter(), dims);
  }

  // What this step gives to the averages: 0 where it is not one of those that count.
  void share(ValueId step) {
    const auto as_double = [](int64_t v) { return static_cast<double>(v); };
    const int count_state = add_state(kAveragedState, DType::F64, {}, 0);
    Words f(entry_, options_.autodiff.ops, kAveragedState);
    const Var n = f.var(read(count_state)), zero = f.scalar(DType::F64, 0);
    const Var since = (f.var(step) - as_double(options_.average_from)) / as_double(options_.average_every);
    const Var counts = f.logical_and(f.less_or_equal(zero, since), f.equal(since, f.node<op::Floor>({since})));
    const Var share = f.where(counts, optim::average_share(*options_.averages, n), zero), next = n + f.cast(counts, DType::F64);
    share_ = f.done(share);
    writes_.push_back({count_state, f.done(next), kAveragedState});
  }

  void average(const Parameter& p, ValueId weight, const std::vector<int64_t>& dims) {
    const std::string name = slot_state(p.name, kAverageSlot);
    const int state = add_state(name, b_.dtype(weight), dims, 0);
    model_.states[static_cast<size_t>(state)].initial = model_.states[static_cast<size_t>(p.state)].initial;
    Words f(entry_, options_.autodiff.ops, name);
    writes_.push_back({state, f.done(optim::averaged(f.var(read(state)), f.var(weight), f.var(share_))), name});
  }

  // State of that name: one that the model has (from another train step of it) serves again.
  int add_state(const std::string& name, DType type, const std::vector<int64_t>& dims, double initial) {
    if (const int known = state_index(model_, name); known >= 0) {
      const ir::StateVar& s = model_.states[static_cast<size_t>(known)];
      if (s.dtype == type && s.dims == dims) return known;
      throw Exception(Error::ShapeMismatch, "the model has another State '" + name + "' already");
    }
    ir::StateVar s;
    s.name = name;
    s.dtype = type;
    s.dims = dims;
    if (initial != 0) {
      const ValueId element = b_.scalar(type, initial);
      s.initial = ir::make_splat(type, dims, entry_.value(element).constant->data);
    }
    model_.states.push_back(std::move(s));
    return static_cast<int>(model_.states.size() - 1);
  }

  // The value of a State before the run.
  ValueId read(int state) {
    for (size_t v = 0; v < entry_.value_count(); ++v)
      if (entry_.value(static_cast<ValueId>(v)).state == state) return static_cast<ValueId>(v);
    const ir::StateVar& s = model_.states[static_cast<size_t>(state)];
    ir::Value v;
    v.name = s.name;
    v.dtype = s.dtype;
    for (const int64_t d : s.dims) v.shape.push(d);
    v.shape_known = true;
    v.state = state;
    return entry_.add_value(std::move(v));
  }

  ValueId add(const char* name, ValueId x, double number) {
    b_.set_origin(name, name);
    return b_.add<op::Add>({x, b_.scalar(b_.dtype(x), number)});
  }

  void write(int state, ValueId value, const std::string& name) {
    b_.set_origin("", "new value of '" + name + "'");
    b_.node<op::Identity>({value}).writes_state = state;
  }

  // All writes come last, behind everything that may stop the step.
  void finish() {
    const bool skips = finite_ != kNoValue;
    for (const Write& w : always_) write(w.state, w.value, w.name);
    for (const Write& w : writes_) write(w.state, skips ? kept(w.state, w.value) : w.value, w.name);
    for (auto& n : own_writes_) {
      if (skips && dtype_is_float(b_.dtype(n->inputs[0]))) n->inputs[0] = kept(n->writes_state, n->inputs[0]);  // not the counters of draws
      entry_.body.nodes.push_back(std::move(n));
    }
    if (!skips) return;
    const int skipped = add_state(kSkippedState, DType::F64, {}, 0);
    b_.set_origin(kSkippedState, kSkippedState);
    const ValueId one_more = b_.add<op::Where>({finite_, b_.scalar(DType::F64, 0), b_.scalar(DType::F64, 1)});
    write(skipped, b_.add<op::Add>({read(skipped), one_more}), kSkippedState);
  }
  // The new value, or in a step that is skipped the one of before.
  ValueId kept(int state, ValueId value) {
    b_.set_origin("", "kept unless finite");
    return b_.add<op::Where>({finite_, value, read(state)});
  }

  ir::Model& model_;
  ir::Entry& entry_;
  const TrainStepOptions& options_;
  ir::Builder b_;
  std::vector<Parameter> parameters_;
  std::vector<Write> writes_;
  ValueId share_ = kNoValue;  // of this step in the averages
  std::vector<std::unique_ptr<ir::Node>> own_writes_;
  std::optional<parallel::StepTransfers> transfers_;
  std::vector<Part> parts_;
  std::vector<const Part*> gathered_;  // in the order of the gathers
  std::vector<parallel::PartDescription> descriptions_;
  int added_ = -1;
  ValueId norm_ = kNoValue, finite_ = kNoValue;
  int scale_state_ = -1;
  std::vector<Write> always_;  // also in a run that is skipped
};

}  // namespace

std::vector<std::string> weight_names(const ir::Model& model) {
  std::vector<std::string> names;
  for (const auto& entry : model.entries)
    for (const auto& n : entry->body.nodes)
      for (const ValueId v : n->inputs) {
        if (v == kNoValue) continue;
        const ir::Value& x = entry->value(v);
        if (x.is_constant() && dtype_is_float(x.dtype) && x.shape.rank > 0 && !x.name.empty() &&
            std::find(names.begin(), names.end(), x.name) == names.end())
          names.push_back(x.name);
      }
  return names;
}

void make_parameters(ir::Model& model, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (state_index(model, name) >= 0) throw Exception(Error::InvalidArgument, "'" + name + "' is State already");
    int state = -1;
    for (auto& entry : model.entries)
      for (size_t i = 0; i < entry->value_count(); ++i) {
        ir::Value& v = entry->value(static_cast<ValueId>(i));
        if (v.name != name || !v.is_constant()) continue;
        if (!dtype_is_float(v.dtype))
          throw Exception(Error::TypeMismatch, "'" + name + "' is " + dtype_name(v.dtype) + "; only floats can be trained");
        if (state < 0) {
          model.states.push_back({name, v.dtype, v.constant->dims, v.constant});
          state = static_cast<int>(model.states.size() - 1);
        } else if (const ir::StateVar& s = model.states[static_cast<size_t>(state)]; s.dims != v.constant->dims || s.dtype != v.dtype) {
          throw Exception(Error::ShapeMismatch, "'" + name + "' has different types or shapes in two entries");
        }
        v.constant = nullptr;
        v.state = state;
        v.values_known = false;
        v.values.clear();
      }
    if (state < 0) throw Exception(Error::NotFound, "the model has no constant '" + name + "' that could be a parameter");
  }
}

std::string learning_rate_state(size_t group) { return "optimizer.lr." + std::to_string(group); }
std::string gradient_output(const std::string& parameter) { return parameter + ".gradient"; }
std::string slot_state(const std::string& parameter, const char* slot) { return parameter + "." + slot; }

int read_averages(ir::Model& model, ir::Entry& entry) {
  int changed = 0;
  for (size_t i = 0; i < entry.value_count(); ++i) {
    ir::Value& v = entry.value(static_cast<ValueId>(i));
    if (v.state < 0) continue;
    const std::string name = slot_state(model.states[static_cast<size_t>(v.state)].name, kAverageSlot);
    const int average = state_index(model, name);
    if (average < 0) continue;
    v.state = average;
    v.name = name;
    ++changed;
  }
  return changed;
}

void add_train_step(ir::Model& model, ir::Entry& entry, ValueId loss, const std::vector<ParameterGroup>& groups,
                    const TrainStepOptions& options) {
  const std::string& name = options.accumulate_entry;
  if (!name.empty()) {
    if (model.find(name) != nullptr) throw Exception(Error::InvalidArgument, "the model has an entry '" + name + "' already");
    ir::Entry& other = *model.entries.emplace_back(ir::copy(entry));
    other.name = name;
    TrainStep(model, other, options).run_accumulate(loss, groups);
  }
  TrainStep(model, entry, options).run(loss, groups);
}

}  // namespace gf
