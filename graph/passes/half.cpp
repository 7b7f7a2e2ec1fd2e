// Graphs that compute in float16 or bfloat16 compute in float32: constants are widened (in the end stored narrow),
// entry inputs, entry outputs and states keep their types behind a cast. README.md of this folder says why.
#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "graph/ir/builder.h"
#include "graph/passes/passes.h"
#include "runtime/core/half.h"
#include "schema/ops.h"

namespace gf {
namespace {

bool is_half(DType type) { return type == DType::F16 || type == DType::BF16; }

/// The same numbers in float32.
ir::ConstantPtr widened(const ir::Constant& c) {
  ir::Constant one = c;
  if (c.splat) one.dims.clear();
  const std::vector<float> values = ir::constant_floats(one, static_cast<size_t>(one.count())).value();
  if (c.splat) return ir::make_splat(DType::F32, c.dims, std::as_bytes(std::span(values)));
  return ir::make_floats(values, c.dims);
}

class Widening {
 public:
  using Cache = std::map<ir::ConstantPtr, ir::ConstantPtr>;
  Widening(ir::Entry& entry, Cache& constants) : entry_(entry), constants_(constants) {}

  int run() {
    ir::Block& body = entry_.body;
    if (!computes_in_half(body)) return 0;
    types_.resize(entry_.value_count());
    for (size_t i = 0; i < types_.size(); ++i) {
      const ir::Value& v = entry_.value(static_cast<ir::ValueId>(i));
      types_[i] = v.dtype;
      if (v.constant && is_half(v.dtype)) widen_constant(static_cast<ir::ValueId>(i));
    }
    ir::Block casts = widen_sources();
    widen_block(body);
    for (ir::ValueId& out : body.outputs) out = narrow(body, out);
    body.nodes.insert(body.nodes.begin(), std::make_move_iterator(casts.nodes.begin()),
                      std::make_move_iterator(casts.nodes.end()));
    return changes_;
  }

 private:
  bool half(ir::ValueId v) const { return v != ir::kNoValue && is_half(entry_.value(v).dtype); }
  DType type_before(ir::ValueId v) const {
    return static_cast<size_t>(v) < types_.size() ? types_[static_cast<size_t>(v)] : entry_.value(v).dtype;
  }

  bool computes_in_half(const ir::Block& block) const {
    const auto any = [this](const std::vector<ir::ValueId>& ids) {
      return std::any_of(ids.begin(), ids.end(), [this](ir::ValueId v) { return half(v); });
    };
    return std::any_of(block.nodes.begin(), block.nodes.end(), [&](const auto& n) {
      return any(n->inputs) || any(n->outputs) ||
             std::any_of(n->blocks.begin(), n->blocks.end(),
                         [this](const ir::Block& b) { return computes_in_half(b); });
    });
  }

  // A constant that the entry returns keeps its type there.
  void widen_constant(ir::ValueId id) {
    auto& outputs = entry_.body.outputs;
    if (std::find(outputs.begin(), outputs.end(), id) != outputs.end())
      std::replace(outputs.begin(), outputs.end(), id,
                   entry_.add_constant(entry_.value(id).constant, entry_.value(id).name));
    ir::Value& v = entry_.value(id);
    ir::ConstantPtr& wide = constants_[v.constant];
    if (wide == nullptr) wide = widened(*v.constant);
    v.constant = wide;
    v.dtype = DType::F32;
  }

  // Entry inputs and states keep their types; nodes read a widened copy. Returns the casts.
  ir::Block widen_sources() {
    ir::Block casts;
    ir::Builder b(entry_, casts);
    b.set_origin("", "16-bit floats widened");
    const ir::Uses uses(entry_);
    const std::vector<ir::ValueId>& inputs = entry_.body.inputs;
    const std::vector<ir::ValueId> outputs = entry_.body.outputs;  // a copy: the entry may return an input as it is
    const auto count = static_cast<ir::ValueId>(types_.size());
    for (ir::ValueId id = 0; id < count; ++id) {
      const bool is_source = entry_.value(id).state >= 0 || std::find(inputs.begin(), inputs.end(), id) != inputs.end();
      if (!half(id) || !is_source || uses.of(id).empty()) continue;
      const ir::ValueId wide = b.add<op::Cast>({id}, {.to = DType::F32});
      ir::replace_uses(entry_, id, wide);
      while (types_.size() <= static_cast<size_t>(wide))
        types_.push_back(entry_.value(static_cast<ir::ValueId>(types_.size())).dtype);
      types_.back() = entry_.value(id).dtype;
    }
    entry_.body.outputs = outputs;
    return casts;
  }

  void widen_block(ir::Block& block) {
    std::vector<std::unique_ptr<ir::Node>> nodes = std::exchange(block.nodes, {});
    for (auto& n : nodes) {
      for (ir::Block& inner : n->blocks) {
        for (ir::ValueId v : inner.inputs)
          if (half(v)) entry_.value(v).dtype = DType::F32;
        widen_block(inner);
      }
      const auto was_half = [this](ir::ValueId v) { return v != ir::kNoValue && is_half(type_before(v)); };
      if (std::any_of(n->inputs.begin(), n->inputs.end(), was_half) ||
          std::any_of(n->outputs.begin(), n->outputs.end(), was_half))
        widen_node(block, std::move(n));
      else
        block.nodes.push_back(std::move(n));
    }
  }

  // Appends the node to the block, with casts around it where it needs any.
  void widen_node(ir::Block& block, std::unique_ptr<ir::Node> owned) {
    ir::Node& n = *owned;
    ++changes_;
    ir::Builder b(entry_, block);
    b.set_origin(n.name, n.origin);
    if (n.is<op::Cast>()) {
      auto attrs = ir::attrs_of<op::Cast>(n);
      if (is_half(attrs.to)) attrs.to = DType::F32;
      n.attrs = ir::encode_attrs(*n.def, &attrs);
    }
    try {
      ir::infer_node(entry_, n);
    } catch (const Exception&) {  // not defined for float32 (bit_cast): it gets what it was made for
      for (ir::ValueId& in : n.inputs)
        if (in != ir::kNoValue) in = b.cast(in, type_before(in));
      ir::infer_node(entry_, n);
    }
    block.nodes.push_back(std::move(owned));
    for (ir::ValueId& out : n.outputs) {
      if (!half(out)) continue;  // its type is an attribute: readers get a widened copy under the old id
      const ir::ValueId read = out;
      out = entry_.add_value(entry_.value(read));
      entry_.value(out).name.clear();
      ir::Node& cast = b.node<op::Cast>({out}, {.to = DType::F32});
      entry_.value(read).dtype = DType::F32;
      cast.outputs[0] = read;
    }
    // a cast writes the state in its place
    if (n.writes_state >= 0 && is_half(type_before(n.outputs[0])) && !half(n.outputs[0])) {
      const int32_t state = std::exchange(n.writes_state, -1);
      narrow(block, n.outputs[0]);
      block.nodes.back()->writes_state = state;
    }
  }

  // The value in the type it had, for the entry's outputs and states.
  ir::ValueId narrow(ir::Block& block, ir::ValueId v) {
    const DType type = type_before(v);
    if (entry_.value(v).dtype == type) return v;
    const auto [known, is_new] = narrowed_.try_emplace(v, ir::kNoValue);
    if (!is_new) return known->second;
    ir::Builder b(entry_, block);
    b.set_origin("", "narrowed to 16 bits");
    known->second = b.cast(v, type);
    entry_.value(known->second).name = std::exchange(entry_.value(v).name, {});
    return known->second;
  }

  ir::Entry& entry_;
  Cache& constants_;
  std::vector<DType> types_;
  std::map<ir::ValueId, ir::ValueId> narrowed_;
  int changes_ = 0;
};

// Smaller constants stay float32: kernels look at them when they are chosen.
constexpr size_t kLeastBytes = 4096;

// The same numbers in 16 bits; null where one of them does not fit.
template <class Half>
ir::ConstantPtr narrowed(const ir::Constant& c, DType type, Half (*narrow)(float)) {
  const size_t n = c.data.size() / sizeof(float);
  std::vector<std::byte> out(n * sizeof(Half));
  for (size_t i = 0; i < n; ++i) {
    float value = 0;
    std::memcpy(&value, c.data.data() + i * sizeof value, sizeof value);
    const Half h = narrow(value);
    const float back = to_f32(h);
    if (std::memcmp(&back, &value, sizeof back) != 0) return nullptr;
    std::memcpy(out.data() + i * sizeof h, &h, sizeof h);
  }
  return ir::make_constant(type, c.dims, std::move(out));
}

}  // namespace

int widen_half(ir::Model& model, const PassOptions& options) {
  if (options.exact) return 0;
  Widening::Cache constants;
  int changes = 0;
  for (auto& e : model.entries) changes += Widening(*e, constants).run();
  return changes;
}

int store_half(ir::Model& model, const PassOptions&) {
  Widening::Cache narrow;
  int changes = 0;
  for (auto& e : model.entries)
    for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(e->value_count()); ++id) {
      ir::Value& v = e->value(id);
      const ir::ConstantPtr c = v.constant;
      if (c == nullptr || c->dtype != DType::F32 || c->splat || c->data.size() <= kLeastBytes) continue;
      const auto [known, is_new] = narrow.try_emplace(c, nullptr);
      if (is_new) known->second = narrowed<F16>(*c, DType::F16, to_f16);
      if (is_new && known->second == nullptr) known->second = narrowed<BF16>(*c, DType::BF16, to_bf16);
      if (known->second == nullptr) continue;
      v.constant = known->second;  // the value stays float32
      ++changes;
    }
  return changes;
}

}  // namespace gf
