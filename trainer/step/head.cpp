#include "trainer/step/head.h"

#include <algorithm>
#include <cmath>

#include "schema/ops/add.h"
#include "schema/ops/conv.h"
#include "schema/ops/matmul.h"
#include "schema/ops/reshape.h"
#include "trainer/tensor/functions_creation.h"
#include "trainer/tensor/functions_movement.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::ValueId;

class Head {
 public:
  Head(ir::Entry& entry, const HeadOptions& options) : entry_(entry), options_(options), random_(options.seed) {}

  NewHead run(ValueId prediction) {
    if (options_.outputs < 1) throw Exception(Error::InvalidArgument, "a head has 1 or more outputs, not " + std::to_string(options_.outputs));
    ir::Node& layer = find(prediction);
    const bool conv = layer.is<op::Conv>();
    const ValueId w = layer.inputs[1];
    std::vector<int64_t> dims = entry_.value(w).constant->dims;
    const size_t axis = conv || ir::attrs_of<op::MatMul>(layer).transpose_b ? 0 : 1;
    head_.layer = layer.origin;
    head_.before = dims[axis];
    int64_t fan_in = 1;
    for (size_t d = 0; d < dims.size(); ++d) fan_in *= d == axis ? 1 : dims[d];
    most_ = 1 / std::sqrt(static_cast<double>(fan_in));
    dims[axis] = options_.outputs;
    only_reader(w, layer);
    renew(w, dims);
    if (layer.input(2) != kNoValue) renew_bias(layer.inputs[2], layer);
    if (layer.input(3) != kNoValue) refuse(layer, "adds another result");
    for (ir::Node* n : way_) adapt(*n);
    try {
      ir::infer_block(entry_, entry_.body);
    } catch (const Exception& e) {
      throw Exception(Error::Unsupported, "a head of " + std::to_string(options_.outputs) + " outputs does not fit what follows it: " + e.what());
    }
    return std::move(head_);
  }

 private:
  bool is_layer(const ir::Node& n) const {
    if (!n.is<op::Conv>() && !n.is<op::MatMul>()) return false;
    const ir::Value& w = entry_.value(n.inputs[1]);
    if (!w.is_constant() || !dtype_is_float(w.dtype) || (n.is<op::MatMul>() && w.shape.rank != 2)) return false;
    if (n.is<op::Conv>() && ir::attrs_of<op::Conv>(n).groups != 1) return false;
    return options_.weight.empty() || w.name == options_.weight;
  }

  // Back from the prediction, along what is computed from the input.
  ir::Node& find(ValueId v) {
    const ir::Uses uses(entry_);
    for (;;) {
      ir::Node* n = uses.producer(v);
      if (n == nullptr) break;
      if (is_layer(*n)) {
        std::reverse(way_.begin(), way_.end());
        return *n;
      }
      way_.push_back(n);
      ValueId from = kNoValue;
      for (const ValueId in : n->inputs) {
        if (in == kNoValue || entry_.value(in).is_constant() || !dtype_is_float(entry_.value(in).dtype)) continue;  // nor sizes
        if (from != kNoValue && from != in) return refuse_way(*n);
        from = in;
      }
      if (from == kNoValue) break;
      v = from;
    }
    if (options_.weight.empty()) throw Exception(Error::NotFound, "no matrix product or convolution leads to the prediction: there is no head to replace");
    throw Exception(Error::NotFound, "no layer on the way to the prediction has the weight '" + options_.weight + "'; layers: " + layers());
  }
  ir::Node& refuse_way(const ir::Node& n) {
    throw Exception(Error::Unsupported, "no head is found: " + n.origin + " reads several results, and no layer stands behind it. Layers: " + layers());
  }
  std::string layers() const {
    std::string text;
    for (const auto& n : entry_.body.nodes)
      if ((n->is<op::Conv>() || n->is<op::MatMul>()) && entry_.value(n->inputs[1]).is_constant()) text += (text.empty() ? "" : ", ") + entry_.value(n->inputs[1]).name;
    return text.empty() ? "none" : text;
  }
  [[noreturn]] void refuse(const ir::Node& n, const std::string& why) const {
    throw Exception(Error::Unsupported, "the head has " + std::to_string(head_.before) + " outputs, and " + n.origin + " " + why);
  }

  void only_reader(ValueId v, const ir::Node& reader) const {
    const ir::Uses uses(entry_);
    for (const ir::Uses::Use& u : uses.of(v))
      if (u.node != &reader) throw Exception(Error::Unsupported, "the weight '" + entry_.value(v).name + "' of the head has another reader: " + (u.node != nullptr ? u.node->origin : "an output"));
  }

  void renew(ValueId v, const std::vector<int64_t>& dims) {
    ir::Value& value = entry_.value(v);
    const io::Array values = cast(random_.uniform(dims, -most_, most_), value.dtype).array();
    value.constant = ir::make_constant(value.dtype, dims, values.data);
    value.shape = DimShape();
    for (const int64_t d : dims) value.shape.push(d);
    head_.weights.push_back(value.name);
  }
  bool is_per_output(ValueId v) const {
    const ir::Value& b = entry_.value(v);
    if (!b.is_constant()) return false;
    const auto& dims = b.constant->dims;
    return b.constant->count() == head_.before && std::count(dims.begin(), dims.end(), head_.before) >= 1;
  }
  void renew_bias(ValueId v, const ir::Node& n) {
    if (!is_per_output(v)) refuse(n, "has a bias that is no constant of one number for each");
    only_reader(v, n);
    std::vector<int64_t> dims = entry_.value(v).constant->dims;
    *std::find(dims.begin(), dims.end(), head_.before) = options_.outputs;
    renew(v, dims);
  }

  // What holds the old number of outputs on the way.
  void adapt(ir::Node& n) {
    if (n.is<op::Reshape>() && entry_.value(n.inputs[1]).is_constant()) {
      const ir::Constant& c = *entry_.value(n.inputs[1]).constant;
      std::vector<int64_t> dims = ir::constant_ints(c).value();
      if (std::count(dims.begin(), dims.end(), head_.before) > 1) refuse(n, "has two axes of that size");
      std::replace(dims.begin(), dims.end(), head_.before, options_.outputs);
      n.inputs[1] = entry_.add_constant(ir::make_ints(dims));
      return;
    }
    for (const ValueId v : n.inputs) {
      if (v == kNoValue || !entry_.value(v).is_constant() || entry_.value(v).constant->count() <= 1 || !dtype_is_float(entry_.value(v).dtype)) continue;
      if (n.is<op::Add>() && is_per_output(v)) renew_bias(v, n);
      else if (is_per_output(v)) refuse(n, "has numbers for each of them");
    }
  }

  ir::Entry& entry_;
  const HeadOptions& options_;
  Generator random_;
  double most_ = 0;
  NewHead head_;
  std::vector<ir::Node*> way_;  // from the layer to the prediction
};

}  // namespace

NewHead replace_head(ir::Entry& entry, size_t output, const HeadOptions& options) { return Head(entry, options).run(entry.body.outputs[output]); }

}  // namespace gf
