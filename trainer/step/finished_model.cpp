#include "trainer/step/finished_model.h"

#include <algorithm>
#include <map>
#include <set>

#include "graph/emit/state_writes.h"
#include "graph/passes/expand.h"
#include "schema/ops/batch_norm.h"
#include "schema/ops/matmul.h"
#include "trainer/step/globs.h"
#include "trainer/step/train_step.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::ValueId;

template <class F>
void for_each_node(const ir::Block& block, F f) {
  for (const auto& n : block.nodes) {
    f(*n);
    for (const ir::Block& b : n->blocks) for_each_node(b, f);
  }
}

ir::ConstantPtr first_value(const ir::StateVar& s) {
  if (s.initial != nullptr) return s.initial;
  const std::vector<std::byte> zero(dtype_bits(s.dtype) / 8);
  return ir::make_splat(s.dtype, s.dims, zero);
}

class Inference {
 public:
  Inference(ir::Model& model, const InferenceOptions& options) : model_(model), options_(options) {}

  void run() {
    keep_entries();
    if (options_.last_weights) take_last_weights();
    freeze();
    for (auto& entry : model_.entries) {
      merge_lora(*entry);
      ExpandOptions expand;  // activations that a train step gave to batch norms; weights take in the rest
      expand.wanted = [](const ir::Node& n) { return n.is<op::BatchNorm>(); };
      if (options_.passes.level >= 2) expand_fused(*entry, expand);
      ir::infer_block(*entry, entry->body);
    }
    ir::check(model_);
    PassOptions passes = options_.passes;
    passes.exact = false;
    passes.integer_products = options_.int8_weights && options_.integer_products;
    if (options_.int8_weights && passes.evaluator) passes.evaluator = keeping_int8(passes.evaluator);
    run_passes(model_, passes);
  }

 private:
  void keep_entries() {
    std::vector<std::string> there;
    for (const auto& e : model_.entries) there.push_back(e->name);
    for (const std::string& name : options_.entries)
      if (model_.find(name) == nullptr) throw Exception(Error::NotFound, "the model has no entry '" + name + "'; there are: " + listed(there));
    std::erase_if(model_.entries, [&](const auto& e) {
      if (!options_.entries.empty()) return std::find(options_.entries.begin(), options_.entries.end(), e->name) == options_.entries.end();
      return is_train_step(model_, e->name) || e->name == "evaluate";
    });
    if (model_.entries.empty()) throw Exception(Error::InvalidArgument, "nothing is left for inference; entries: " + listed(there));
    std::erase_if(model_.metadata, [](const auto& m) { return m.first == "train_steps"; });
  }

  const ir::StateVar* state_named(const std::string& name) const {
    const auto at = std::find_if(model_.states.begin(), model_.states.end(), [&](const ir::StateVar& s) { return s.name == name; });
    return at == model_.states.end() ? nullptr : &*at;
  }
  // The name of the weight that an average belongs to; empty: it is none.
  std::string averaged(const ir::StateVar& s) const {
    const std::string end = slot_state("", kAverageSlot);
    if (!s.name.ends_with(end)) return {};
    const std::string weight = s.name.substr(0, s.name.size() - end.size());
    return state_named(weight) != nullptr ? weight : std::string();
  }
  void take_last_weights() {
    if (state_named(kAveragedState) == nullptr) throw Exception(Error::WrongPhase, "this training kept no averages of its weights: they are those of the last step anyway");
    for (ir::StateVar& s : model_.states)
      if (const std::string weight = averaged(s); !weight.empty()) s.initial = first_value(*state_named(weight));
  }

  // State that nobody writes any more is constant; what nobody reads or writes goes.
  void freeze() {
    std::set<int32_t> written, kept;
    for (const auto& e : model_.entries)
      for_each_node(e->body, [&](const ir::Node& n) {
        if (n.writes_state >= 0) written.insert(n.writes_state);
      });
    for (auto& e : model_.entries)
      for (size_t i = 0; i < e->value_count(); ++i) {
        ir::Value& v = e->value(static_cast<ValueId>(i));
        if (v.state < 0 || written.contains(v.state)) continue;
        const ir::StateVar& s = model_.states[static_cast<size_t>(v.state)];
        v.constant = first_value(s);
        if (const std::string weight = averaged(s); !weight.empty()) v.name = weight;
        v.state = -1;
      }
    std::map<int32_t, int32_t> moved;
    std::vector<ir::StateVar> states;
    for (const int32_t s : written) {
      moved[s] = static_cast<int32_t>(states.size());
      states.push_back(std::move(model_.states[static_cast<size_t>(s)]));
    }
    model_.states = std::move(states);
    for (auto& e : model_.entries) {
      for (size_t i = 0; i < e->value_count(); ++i)
        if (int32_t& s = e->value(static_cast<ValueId>(i)).state; s >= 0) s = moved.at(s);
      for_each_node(e->body, [&](ir::Node& n) {
        if (n.writes_state >= 0) n.writes_state = moved.at(n.writes_state);
      });
    }
  }

  // y = x W, small = x A, sum = y + scale small B  ->  sum = x (W + scale A B)
  void merge_lora(ir::Entry& entry) {
    const ir::Uses uses(entry);
    std::vector<const ir::Node*> gone;
    for (const auto& n : entry.body.nodes) {
      if (!is_product(entry, *n, ".lora_b") || n->input(3) == kNoValue) continue;
      ir::Node *small = uses.producer(n->inputs[0]), *large = uses.producer(n->inputs[3]);
      if (small == nullptr || large == nullptr || !is_product(entry, *small, ".lora_a") || !is_product(entry, *large, "")) continue;
      if (small->inputs[0] != large->inputs[0] || uses.only_reader(n->inputs[0]) == nullptr || uses.only_reader(n->inputs[3]) == nullptr || uses.only_reader(large->inputs[1]) == nullptr) continue;
      const auto outer = ir::attrs_of<op::MatMul>(*n), inner = ir::attrs_of<op::MatMul>(*small), whole = ir::attrs_of<op::MatMul>(*large);
      if (whole.activation != Activation::None || whole.residual_scale != 1 || outer.residual_scale != 1 || inner.transpose_b || outer.transpose_b || n->input(2) != kNoValue) continue;
      const double scale = static_cast<double>(outer.alpha) * static_cast<double>(inner.alpha) / static_cast<double>(whole.alpha);
      large->inputs[1] = merged(entry, large->inputs[1], small->inputs[1], n->inputs[1], scale, whole.transpose_b);
      large->outputs[0] = n->outputs[0];
      // the result of the last product is made by the first one now
      auto attrs = whole;
      attrs.activation = outer.activation;
      attrs.activation_a = outer.activation_a;
      attrs.activation_b = outer.activation_b;
      large->attrs = ir::encode_attrs(*large->def, &attrs);
      gone.push_back(small);
      gone.push_back(n.get());
    }
    std::erase_if(entry.body.nodes, [&](const auto& n) { return std::find(gone.begin(), gone.end(), n.get()) != gone.end(); });
  }
  static bool is_product(const ir::Entry& entry, const ir::Node& n, const char* ending) {
    if (!n.is<op::MatMul>() || ir::attrs_of<op::MatMul>(n).transpose_a) return false;
    const ir::Value& w = entry.value(n.inputs[1]);
    return w.is_constant() && w.dtype == DType::F32 && w.shape.rank == 2 && w.name.ends_with(ending);
  }
  static ValueId merged(ir::Entry& entry, ValueId w, ValueId a, ValueId b, double scale, bool transposed) {
    std::vector<float> sum = ir::constant_floats(*entry.value(w).constant).value();
    const std::vector<float> left = ir::constant_floats(*entry.value(a).constant).value(), right = ir::constant_floats(*entry.value(b).constant).value();
    const auto in = static_cast<size_t>(entry.value(a).constant->dims[0]), rank = static_cast<size_t>(entry.value(a).constant->dims[1]), out = static_cast<size_t>(entry.value(b).constant->dims[1]);
    for (size_t i = 0; i < in; ++i)
      for (size_t o = 0; o < out; ++o) {
        double more = 0;
        for (size_t r = 0; r < rank; ++r) more += static_cast<double>(left[i * rank + r]) * static_cast<double>(right[r * out + o]);
        float& at = sum[transposed ? o * in + i : i * out + o];
        at = static_cast<float>(static_cast<double>(at) + scale * more);
      }
    return entry.add_constant(ir::make_floats(sum, entry.value(w).constant->dims), entry.value(w).name);
  }

  ir::Model& model_;
  const InferenceOptions& options_;
};

// `read`: the bytes of a State, or false.
template <class Read>
void take(ir::Model& model, const Read& read) {
  for (ir::StateVar& v : model.states) {
    uint64_t count = 1;
    for (const int64_t d : v.dims) count *= static_cast<uint64_t>(d);
    std::vector<std::byte> bytes(static_cast<size_t>(count * dtype_bits(v.dtype) / 8));
    if (!read(v.name, bytes)) throw Exception(Error::NotFound, "State '" + v.name + "' cannot be read");
    v.initial = ir::make_constant(v.dtype, v.dims, std::move(bytes));
  }
}

}  // namespace

void take_state(ir::Model& model, const State& state) {
  take(model, [&](const std::string& name, std::vector<std::byte>& to) { return state.read(name, to.data(), to.size()) == Error::Ok; });
}
void take_state(ir::Model& model, const Snapshot& snapshot) {
  take(model, [&](const std::string& name, std::vector<std::byte>& to) {
    const io::SafeTensor* const t = snapshot.find(name);
    if (t == nullptr || t->data.size() != to.size()) return false;
    std::copy(t->data.begin(), t->data.end(), to.begin());
    return true;
  });
}

void make_inference_model(ir::Model& model, const InferenceOptions& options) { Inference(model, options).run(); }

}  // namespace gf
