#include "graph/passes/fold.h"

#include <algorithm>
#include <cstring>

#include "schema/ops/dequantize_linear.h"

namespace gf {
namespace {

// A constant from integer contents that shape inference found.
ir::ConstantPtr from_values(const ir::Value& v) {
  if (!v.values_known || !v.shape_known || !v.shape.is_const()) return nullptr;
  std::vector<int64_t> dims;
  int64_t count = 1;
  for (int d = 0; d < v.shape.rank; ++d) {
    dims.push_back(v.shape[d].lo);
    count *= v.shape[d].lo;
  }
  if (count != static_cast<int64_t>(v.values.size())) return nullptr;
  if (!std::all_of(v.values.begin(), v.values.end(), [](const Dim& d) { return d.is_const(); })) return nullptr;
  const size_t size = dtype_bits(v.dtype) / 8;
  if (size == 0 || !(dtype_is_int(v.dtype) || v.dtype == DType::Bool)) return nullptr;
  std::vector<std::byte> bytes(v.values.size() * size);
  for (size_t i = 0; i < v.values.size(); ++i)
    std::memcpy(bytes.data() + i * size, &v.values[i].lo, size);  // little-endian
  return ir::make_constant(v.dtype, std::move(dims), std::move(bytes));
}

uint64_t bytes_of(const ir::Value& v) {
  int64_t count = 1;
  uint64_t bytes = 0;
  for (int d = 0; d < v.shape.rank; ++d)
    if (!mul_checked(count, v.shape[d].hi, count)) return ~uint64_t{0};
  return bytes_checked(count, v.dtype, bytes) ? bytes : ~uint64_t{0};
}

}  // namespace

Evaluator keeping_int8(const Evaluator& evaluator) {
  if (!evaluator) return evaluator;
  return [evaluator](const ir::Entry& entry, const ir::Node& n) -> std::vector<ir::ConstantPtr> {
    if (n.is<op::DequantizeLinear>() && dtype_bits(entry.value(n.inputs[0]).dtype) <= 8) return {};
    return evaluator(entry, n);
  };
}

bool fold_node(ir::Entry& entry, ir::Node& node, const Evaluator& evaluator, const FoldOptions& options) {
  if ((node.def->info.flags & (kOpControlFlow | kOpRandom)) != 0 || node.writes_state >= 0) return false;
  if (node.def->info.id >= kFirstCustomOpId) return false;  // its kernels are the user's, and the evaluator has none
  const auto done = [&] {
    return std::all_of(node.outputs.begin(), node.outputs.end(),
                       [&](ir::ValueId o) { return o == ir::kNoValue || entry.value(o).is_constant(); });
  };
  for (ir::ValueId o : node.outputs) {
    if (o == ir::kNoValue || entry.value(o).is_constant()) continue;
    if (auto c = from_values(entry.value(o))) entry.value(o).constant = std::move(c);
  }
  if (done()) return true;
  uint64_t input_bytes = 0, output_bytes = 0;
  int64_t most_elements = 0;
  for (ir::ValueId i : node.inputs) {
    if (i == ir::kNoValue) continue;
    if (!entry.value(i).is_constant()) return false;
    input_bytes += entry.value(i).constant->data.size();
    if (!entry.value(i).constant->splat) most_elements = std::max(most_elements, entry.value(i).constant->count());
  }
  for (ir::ValueId o : node.outputs) {
    if (o == ir::kNoValue) continue;
    const uint64_t bytes = bytes_of(entry.value(o));
    if (bytes > options.max_output_bytes) return false;
    output_bytes += bytes;
  }
  // as many numbers as there were, only wider ones (dequantised weights), are no growth
  const bool widens = node.outputs.size() == 1 && output_bytes * 8 <= static_cast<uint64_t>(most_elements) * dtype_bits(entry.value(node.outputs[0]).dtype);
  if (!evaluator || (!widens && output_bytes > options.max_growth_bytes && output_bytes > 2 * input_bytes)) return false;
  const std::vector<ir::ConstantPtr> results = evaluator(entry, node);
  for (size_t k = 0; k < node.outputs.size(); ++k) {
    if (node.outputs[k] == ir::kNoValue) continue;
    ir::Value& v = entry.value(node.outputs[k]);
    if (k >= results.size() || results[k] == nullptr || results[k]->dtype != v.dtype) return false;
    v.constant = results[k];
    v.shape = DimShape();
    for (int64_t d : v.constant->dims) v.shape.push(d);
    v.shape_known = true;
  }
  return true;
}

namespace {

int fold_block(ir::Entry& entry, ir::Block& block, const Evaluator& evaluator, const FoldOptions& options) {
  int folded = 0;
  std::erase_if(block.nodes, [&](std::unique_ptr<ir::Node>& n) {
    for (ir::Block& inner : n->blocks) folded += fold_block(entry, inner, evaluator, options);
    if (!fold_node(entry, *n, evaluator, options)) return false;
    ++folded;
    return true;
  });
  return folded;
}

}  // namespace

int fold_constants(ir::Entry& entry, const Evaluator& evaluator, const FoldOptions& options) {
  return fold_block(entry, entry.body, evaluator, options);
}

}  // namespace gf
