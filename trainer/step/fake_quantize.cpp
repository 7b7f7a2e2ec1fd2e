#include "trainer/step/fake_quantize.h"

#include <array>
#include <limits>
#include <map>

#include "graph/ir/formula.h"
#include "schema/ops.h"
#include "schema/ops/abs.h"
#include "schema/ops/clip.h"
#include "schema/ops/conv.h"
#include "schema/ops/conv_transpose.h"
#include "schema/ops/dequantize_linear.h"
#include "schema/ops/identity.h"
#include "schema/ops/matmul.h"
#include "schema/ops/max.h"
#include "schema/ops/min.h"
#include "schema/ops/quantize_linear.h"
#include "schema/ops/reduce_min.h"
#include "schema/ops/round.h"
#include "trainer/step/globs.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::ValueId;

constexpr double kLargestWeight = 127, kLargestInput = 255;
constexpr double kLeastScale = std::numeric_limits<float>::epsilon();  // as PyTorch's observers

// Words of a formula as nodes in front of a layer.
class Words final : public ir::GraphFormula<Formula> {
 public:
  Words(ir::Entry& entry, size_t position, const std::string& origin) : GraphFormula(entry, entry.body, AllOps::table(), {}, origin) { builder().insert_at(position); }
  using GraphFormula::var;
  ValueId done(Var v) const {
    if (error() != Error::Ok) throw Exception(error(), reason());
    return v.id;
  }
};

class FakeQuantizer {
 public:
  FakeQuantizer(ir::Model& model, ir::Entry& entry, const FakeQuantizeOptions& options, bool training)
      : model_(model), entry_(entry), options_(options), training_(training) {}

  FakeQuantized run() {
    if (!(options_.averaging > 0 && options_.averaging <= 1)) throw Exception(Error::InvalidArgument, "quantised training: averaging is above 0 and at most 1");
    std::vector<std::string> names;
    for (size_t i = 0; i < entry_.body.nodes.size(); ++i) {
      ir::Node& n = *entry_.body.nodes[i];
      const int axis = output_axis(n);
      if (axis == kNoLayer) continue;
      const std::string name = entry_.value(n.inputs[1]).name;
      names.push_back(name);
      if (!options_.weights.empty() && !matches_any(options_.weights, name)) continue;
      ++result_.layers;
      const size_t before = entry_.body.nodes.size();
      const ValueId x = input(n.inputs[0], name, i);
      const ValueId w = weight(n.inputs[1], axis, i + entry_.body.nodes.size() - before);
      n.inputs[0] = x;
      n.inputs[1] = w;
      i += entry_.body.nodes.size() - before;
    }
    if (result_.layers == 0)
      throw Exception(Error::InvalidArgument, "quantised training: no layer" + (options_.weights.empty() ? "" : " matches " + listed(options_.weights)) + "; weights of layers: " + (names.empty() ? "none" : listed(names)));
    for (const auto& [state, value] : writes_) {
      ir::Builder end(entry_, entry_.body);
      end.set_origin("", "new value of '" + model_.states[static_cast<size_t>(state)].name + "'");
      end.node<op::Identity>({value}).writes_state = state;
    }
    return std::move(result_);
  }

 private:
  static constexpr int kNoLayer = -2, kWhole = -1;

  // The axis of output channels in the weight; kWhole: one scale for all of it.
  int output_axis(const ir::Node& n) const {
    const ValueId w = n.input(1);
    if (w == kNoValue) return kNoLayer;
    const ir::Value& v = entry_.value(w);
    const bool known = (v.is_constant() || v.state >= 0) && v.dtype == DType::F32 && !v.name.empty() && v.shape.rank >= 2 && v.shape.is_const();
    if (!known || v.name.ends_with(".lora_a") || v.name.ends_with(".lora_b")) return kNoLayer;
    if (n.is<op::Conv>()) return 0;
    if (n.is<op::ConvTranspose>()) return ir::attrs_of<op::ConvTranspose>(n).groups == 1 ? 1 : kWhole;
    if (!n.is<op::MatMul>()) return kNoLayer;
    if (v.shape.rank != 2) return kWhole;
    return ir::attrs_of<op::MatMul>(n).transpose_b ? 0 : 1;
  }

  static Var pair(Words& f, Var x, Var scale, Var zero, int axis) {
    const Var q = f.node<op::QuantizeLinear>({x, scale, zero}, {.axis = axis});
    return f.node<op::DequantizeLinear>({q, scale, zero}, {.axis = axis});
  }

  ValueId weight(ValueId w, int axis, size_t place) {
    const auto known = weights_.find(w);
    if (known != weights_.end()) return known->second;
    Words f(entry_, place, "'" + entry_.value(w).name + "' as int8");
    const DimShape shape = entry_.value(w).shape;
    std::vector<int64_t> axes, dims;
    for (int d = 0; d < shape.rank; ++d)
      if (d != axis) axes.push_back(d);
    if (axis != kWhole) dims.push_back(shape[axis].lo);
    const Var most = f.reduce_max(f.node<op::Abs>({f.var(w)}), {axes.data(), axes.size()}, false);
    const Var scale = f.node<op::Max>({most / kLargestWeight, f.scalar(DType::F32, kLeastScale)});
    const std::byte none[1] = {};
    const Var zero = f.var(entry_.add_constant(ir::make_splat(DType::I8, dims, none)));
    const ValueId y = weights_[w] = f.done(pair(f, f.var(w), scale, zero, axis == kWhole ? 1 : axis));
    if (training_) result_.detours.push_back({y, w});
    return y;
  }

  ValueId input(ValueId v, const std::string& name, size_t place) {
    const auto known = inputs_.find(v);
    if (known != inputs_.end()) return known->second;
    constexpr float kNone = std::numeric_limits<float>::infinity();
    const int low_state = add_state(name + ".input_low", kNone), high_state = add_state(name + ".input_high", -kNone);
    Words f(entry_, place, "input of '" + name + "' as uint8");
    const Var x = f.var(v), none = f.scalar(DType::F32, 0), all = f.scalar(DType::F32, kLargestInput);
    Var low = f.var(read(low_state)), high = f.var(read(high_state));
    if (training_) {
      const Var first = f.less(high, low);
      const auto follow = [&](Var range, Var now) { return f.where(first, now, range + (now - range) * options_.averaging); };
      low = follow(low, f.node<op::ReduceMin>({x}, {.keepdims = false}));
      high = follow(high, f.reduce_max(x, {}, false));
      writes_.emplace_back(low_state, f.done(low));
      writes_.emplace_back(high_state, f.done(high));
    }
    // the range holds 0, so that padding is exact
    const Var least = f.node<op::Min>({low, none}), most = f.node<op::Max>({high, none});
    const Var scale = f.node<op::Max>({(most - least) / kLargestInput, f.scalar(DType::F32, kLeastScale)});
    const Var zero = f.node<op::Clip>({-f.node<op::Round>({least / scale})}, {.min = 0, .max = kLargestInput});
    Var straight;
    if (training_) {
      const Var q = f.node<op::Round>({x / scale}) + zero;
      straight = f.where(f.logical_and(f.less_or_equal(none, q), f.less_or_equal(q, all)), x, none);
    }
    const ValueId y = inputs_[v] = f.done(pair(f, x, scale, f.cast(zero, DType::U8), 1));
    if (training_) result_.detours.push_back({y, f.done(straight)});
    return y;
  }

  int add_state(const std::string& name, float initial) {
    for (size_t i = 0; i < model_.states.size(); ++i)
      if (model_.states[i].name == name) return static_cast<int>(i);
    model_.states.push_back({name, DType::F32, {}, ir::make_floats({&initial, 1}, {})});
    return static_cast<int>(model_.states.size() - 1);
  }
  ValueId read(int state) {
    ir::Value v;
    v.name = model_.states[static_cast<size_t>(state)].name;
    v.dtype = DType::F32;
    v.shape_known = true;
    v.state = state;
    return entry_.add_value(std::move(v));
  }

  ir::Model& model_;
  ir::Entry& entry_;
  const FakeQuantizeOptions& options_;
  const bool training_;
  FakeQuantized result_;
  std::map<ValueId, ValueId> inputs_, weights_;       // and what layers read in their place
  std::vector<std::pair<int, ValueId>> writes_;
};

}  // namespace

FakeQuantized fake_quantize(ir::Model& model, ir::Entry& entry, const FakeQuantizeOptions& options, bool training) { return FakeQuantizer(model, entry, options, training).run(); }

}  // namespace gf
