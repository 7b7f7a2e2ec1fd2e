// Clean-ups: dead nodes, constants, no-ops, common sub-expressions.
#include <algorithm>
#include <cstring>
#include <map>

#include "graph/passes/passes.h"
#include "schema/ops.h"

namespace gf {
namespace {

bool keeps_alive(const ir::Node& n) { return n.writes_state >= 0; }

// Marks what the outputs of `block` need, from the end; returns the number of nodes removed.
int sweep(ir::Entry& entry, ir::Block& block, std::vector<bool>& used) {
  for (ir::ValueId v : block.outputs)
    if (v != ir::kNoValue) used[static_cast<size_t>(v)] = true;
  int removed = 0;
  std::vector<std::unique_ptr<ir::Node>> kept;
  for (auto it = block.nodes.rbegin(); it != block.nodes.rend(); ++it) {
    ir::Node& n = **it;
    const bool live = keeps_alive(n) || std::any_of(n.outputs.begin(), n.outputs.end(), [&](ir::ValueId v) {
                        return v != ir::kNoValue && used[static_cast<size_t>(v)];
                      });
    if (!live) {
      ++removed;
      continue;
    }
    for (size_t k = 0; k < n.outputs.size(); ++k)  // optional outputs exist only for readers
      if (n.outputs[k] != ir::kNoValue && !used[static_cast<size_t>(n.outputs[k])] &&
          static_cast<int>(k) >= n.def->info.min_outputs && (n.def->info.flags & kOpControlFlow) == 0)
        n.outputs[k] = ir::kNoValue;
    while (!n.outputs.empty() && n.outputs.back() == ir::kNoValue &&
           static_cast<int>(n.outputs.size()) > n.def->info.min_outputs && (n.def->info.flags & kOpControlFlow) == 0)
      n.outputs.pop_back();
    for (ir::ValueId v : n.inputs)
      if (v != ir::kNoValue) used[static_cast<size_t>(v)] = true;
    for (ir::Block& inner : n.blocks) removed += sweep(entry, inner, used);
    kept.push_back(std::move(*it));
  }
  std::reverse(kept.begin(), kept.end());
  block.nodes = std::move(kept);
  return removed;
}

template <class F>
void for_each_block(ir::Block& block, F&& f) {
  f(block);
  for (auto& n : block.nodes)
    for (ir::Block& b : n->blocks) for_each_block(b, f);
}

bool same_shape(const ir::Value& a, const ir::Value& b) {
  if (!a.shape_known || !b.shape_known || a.shape.rank != b.shape.rank || a.dtype != b.dtype) return false;
  for (int d = 0; d < a.shape.rank; ++d)
    if (!a.shape[d].same(b.shape[d])) return false;
  return true;
}

// Every element of a constant equals `wanted` (floats; +0 for zero: -0 would change x + c).
bool is_all(const ir::Entry& entry, ir::ValueId v, double wanted) {
  if (v == ir::kNoValue || !entry.value(v).is_constant()) return false;
  const ir::Constant& c = *entry.value(v).constant;
  if (const auto ints = ir::constant_ints(c, 1 << 16))
    return !ints->empty() &&
           std::all_of(ints->begin(), ints->end(), [&](int64_t x) { return static_cast<double>(x) == wanted; });
  const auto floats = ir::constant_floats(c, 1 << 16);
  return floats && !floats->empty() &&
         std::all_of(floats->begin(), floats->end(), [&](float x) { return static_cast<double>(x) == wanted; });
}

// The input that a node hands through unchanged, or kNoValue. x + 0 is left alone: it turns -0 into +0.
ir::ValueId passes_through(const ir::Entry& entry, const ir::Node& n) {
  if (n.writes_state >= 0 || n.inputs.empty() || n.outputs.empty() || n.outputs[0] == ir::kNoValue) return ir::kNoValue;
  const ir::Value& out = entry.value(n.outputs[0]);
  const auto same = [&](size_t i) {
    return i < n.inputs.size() && n.inputs[i] != ir::kNoValue && same_shape(entry.value(n.inputs[i]), out);
  };
  if (n.is<op::Identity>()) return n.inputs[0];
  if (n.is<op::Dropout>() && n.output(1) == ir::kNoValue && !ir::attrs_of<op::Dropout>(n).training) return n.inputs[0];
  if ((n.def->info.flags & kOpView) != 0 || n.is<op::Cast>() || n.is<op::Expand>())
    return same(0) ? n.inputs[0] : ir::kNoValue;
  if (n.is<op::Mul>()) {
    if (same(0) && is_all(entry, n.input(1), 1)) return n.inputs[0];
    if (same(1) && is_all(entry, n.input(0), 1)) return n.inputs[1];
  }
  if (n.is<op::Div>() && same(0) && is_all(entry, n.input(1), 1)) return n.inputs[0];
  if (n.is<op::Sub>() && same(0) && is_all(entry, n.input(1), 0)) return n.inputs[0];
  if (n.is<op::Concat>() && n.inputs.size() == 1) return n.inputs[0];
  if (n.is<op::Transpose>()) {
    const ir::DecodedAttrs attrs(n);
    const auto& perm = static_cast<const op::Transpose::Attrs*>(attrs.get())->perm;
    for (size_t d = 0; d < perm.size(); ++d)
      if (perm[d] != static_cast<int64_t>(d)) return ir::kNoValue;
    return perm.empty() && out.shape.rank > 1 ? ir::kNoValue : n.inputs[0];
  }
  return ir::kNoValue;
}

// Smaller constants are not worth a search.
constexpr size_t kLargeConstant = size_t{1} << 16;

// `b` is the matrix `a` transposed.
bool is_transposed(const ir::Constant& a, const ir::Constant& b) {
  if (a.splat || a.dims.size() != 2 || b.dtype != a.dtype || b.dims.size() != 2 || b.dims[0] != a.dims[1] ||
      b.dims[1] != a.dims[0] || dtype_is_sub_byte(a.dtype))
    return false;
  const auto rows = static_cast<size_t>(a.dims[0]), cols = static_cast<size_t>(a.dims[1]);
  const size_t size = dtype_bits(a.dtype) / 8;
  for (size_t r = 0; r < rows; ++r)
    for (size_t c = 0; c < cols; ++c)
      if (std::memcmp(a.data.data() + (r * cols + c) * size, b.data.data() + (c * rows + r) * size, size) != 0)
        return false;
  return true;
}

// A large constant that a product reads and that stands in the entry transposed as well: an embedding that gives the
// logits too is stored once.
int share_with_transposed(ir::Entry& entry, ir::Node& n, const std::vector<ir::ValueId>& constants) {
  const ir::ValueId right = n.input(1);
  if (!n.is<op::MatMul>() || right == ir::kNoValue || !entry.value(right).is_constant()) return 0;
  const ir::Constant& b = *entry.value(right).constant;
  if (b.splat || b.data.size() < kLargeConstant) return 0;
  for (ir::ValueId v : constants) {
    if (v == right || !is_transposed(*entry.value(v).constant, b)) continue;
    auto attrs = ir::attrs_of<op::MatMul>(n);
    attrs.transpose_b = !attrs.transpose_b;
    n.attrs = ir::encode_attrs(*n.def, &attrs);
    n.inputs[1] = v;
    return 1;
  }
  return 0;
}

}  // namespace

int share_transposed(ir::Model& model, const PassOptions&) {
  int changes = 0;
  for (auto& e : model.entries) {
    std::vector<ir::ValueId> constants;  // large ones that something other than a product reads
    for_each_block(e->body, [&](ir::Block& block) {
      for (const auto& n : block.nodes)
        for (ir::ValueId v : n->inputs)
          if (!n->is<op::MatMul>() && v != ir::kNoValue && e->value(v).is_constant() &&
              e->value(v).constant->data.size() >= kLargeConstant)
            constants.push_back(v);
    });
    for_each_block(e->body, [&](ir::Block& block) {
      for (const auto& n : block.nodes) changes += share_with_transposed(*e, *n, constants);
    });
  }
  return changes;
}

int remove_dead(ir::Model& model, const PassOptions&) {
  int removed = 0;
  for (auto& e : model.entries) {
    std::vector<bool> used(e->value_count(), false);
    removed += sweep(*e, e->body, used);
  }
  return removed;
}

int fold_all(ir::Model& model, const PassOptions& options) {
  int folded = 0;
  for (auto& e : model.entries) folded += fold_constants(*e, options.evaluator);
  return folded;
}

int remove_no_ops(ir::Model& model, const PassOptions&) {
  int removed = 0;
  for (auto& e : model.entries) {
    for_each_block(e->body, [&](ir::Block& block) {
      for (size_t i = 0; i < block.nodes.size();) {
        ir::Node& n = *block.nodes[i];
        const ir::ValueId in = passes_through(*e, n);
        const bool is_output = in != ir::kNoValue && std::find(block.outputs.begin(), block.outputs.end(),
                                                               n.outputs[0]) != block.outputs.end();
        // an output keeps its name: its value may only be handed to a value that a node computes here and that is no
        // output
        if (in == ir::kNoValue || is_output) {
          ++i;
          continue;
        }
        ir::replace_uses(*e, n.outputs[0], in);
        block.nodes.erase(block.nodes.begin() + static_cast<std::ptrdiff_t>(i));
        ++removed;
      }
    });
  }
  return removed;
}

namespace {

// Equal numbers that rules wrote down again and again become one constant, so that nodes on them are equal too. Constants with names stay.
void merge_numbers(ir::Entry& entry) {
  constexpr size_t kMostBytes = 64;
  std::map<std::string, ir::ValueId> first;
  std::map<ir::ValueId, ir::ValueId> same;
  for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(entry.value_count()); ++id) {
    const ir::Value& v = entry.value(id);
    if (!v.is_constant() || !v.name.empty() || v.quantization || v.constant->data.size() > kMostBytes || v.constant->dtype != v.dtype) continue;
    std::string key = std::to_string(static_cast<int>(v.dtype)) + (v.constant->splat ? "s" : "d");
    for (const int64_t d : v.constant->dims) key += std::to_string(d) + ",";
    key.append(reinterpret_cast<const char*>(v.constant->data.data()), v.constant->data.size());
    const auto [at, is_new] = first.emplace(std::move(key), id);
    if (!is_new) same[id] = at->second;
  }
  if (same.empty()) return;
  for_each_block(entry.body, [&](ir::Block& block) {
    for (auto& n : block.nodes)
      for (ir::ValueId& v : n->inputs)
        if (const auto at = same.find(v); at != same.end()) v = at->second;
  });
}

}  // namespace

int merge_common(ir::Model& model, const PassOptions&) {
  int merged = 0;
  for (auto& e : model.entries) {
    merge_numbers(*e);
    for_each_block(e->body, [&](ir::Block& block) {
      std::multimap<const OpDef*, ir::Node*> seen;
      for (size_t i = 0; i < block.nodes.size();) {
        ir::Node& n = *block.nodes[i];
        const bool plain =
            (n.def->info.flags & (kOpControlFlow | kOpRandom)) == 0 && n.writes_state < 0 && !n.outputs.empty();
        ir::Node* twin = nullptr;
        if (plain) {
          const auto [first, last] = seen.equal_range(n.def);
          for (auto it = first; it != last && twin == nullptr; ++it)
            if (it->second->inputs == n.inputs && it->second->attrs == n.attrs &&
                it->second->outputs.size() >= n.outputs.size())
              twin = it->second;
        }
        const bool has_output = std::any_of(n.outputs.begin(), n.outputs.end(), [&](ir::ValueId v) {
          return v != ir::kNoValue && std::find(block.outputs.begin(), block.outputs.end(), v) != block.outputs.end();
        });
        bool usable = twin != nullptr && !has_output;
        for (size_t k = 0; usable && k < n.outputs.size(); ++k)
          usable = n.outputs[k] == ir::kNoValue || twin->outputs[k] != ir::kNoValue;
        if (!usable) {
          if (plain) seen.emplace(n.def, &n);
          ++i;
          continue;
        }
        for (size_t k = 0; k < n.outputs.size(); ++k)
          if (n.outputs[k] != ir::kNoValue) ir::replace_uses(*e, n.outputs[k], twin->outputs[k]);
        block.nodes.erase(block.nodes.begin() + static_cast<std::ptrdiff_t>(i));
        ++merged;
      }
    });
  }
  return merged;
}

}  // namespace gf
