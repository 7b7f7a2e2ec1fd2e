#include "graph/ir/builder.h"

#include <cstring>
#include <numeric>

#include "runtime/core/half.h"
#include "schema/ops/cast.h"
#include "schema/ops/reshape.h"
#include "schema/ops/transpose.h"

namespace gf::ir {

Node& Builder::add_node(const OpDef& def, std::vector<ValueId> inputs, const void* attrs, size_t output_count,
                        std::vector<Block> blocks) {
  auto node = std::make_unique<Node>();
  node->def = &def;
  node->attrs = encode_attrs(def, attrs);
  node->inputs = std::move(inputs);
  while (!node->inputs.empty() && node->inputs.back() == kNoValue &&
         static_cast<int>(node->inputs.size()) > def.info.min_inputs)
    node->inputs.pop_back();
  node->blocks = std::move(blocks);
  node->name = name_;
  node->origin = origin_.empty() ? std::string(def.info.name) : origin_;
  const auto n_in = static_cast<int>(node->inputs.size());
  if (n_in < def.info.min_inputs || (def.info.max_inputs >= 0 && n_in > def.info.max_inputs))
    throw Exception(Error::BadGraph, node->origin + ": " + def.info.name + " takes " + std::to_string(def.info.min_inputs) +
                                         " to " + std::to_string(def.info.max_inputs) + " inputs, not " + std::to_string(n_in));
  for (size_t i = 0; i < output_count; ++i) node->outputs.push_back(entry_->add_value({}));
  infer_node(*entry_, *node);
  Node& result = *node;
  if (position_ >= block_->nodes.size()) {
    block_->nodes.push_back(std::move(node));
  } else {
    block_->nodes.insert(block_->nodes.begin() + static_cast<std::ptrdiff_t>(position_), std::move(node));
    ++position_;
  }
  return result;
}

ValueId Builder::scalar(DType dtype, double value) {
  std::vector<std::byte> bytes(dtype_bits(dtype) / 8);
  const auto put = [&bytes](auto v) { std::memcpy(bytes.data(), &v, sizeof v); };
  switch (dtype) {
    case DType::F32: put(static_cast<float>(value)); break;
    case DType::F64: put(value); break;
    case DType::F16: put(to_f16(static_cast<float>(value)).bits); break;
    case DType::BF16: put(to_bf16(static_cast<float>(value)).bits); break;
    case DType::I64: put(static_cast<int64_t>(value)); break;
    case DType::U64: put(static_cast<uint64_t>(value)); break;
    case DType::I32: put(static_cast<int32_t>(value)); break;
    case DType::U32: put(static_cast<uint32_t>(value)); break;
    case DType::I16: put(static_cast<int16_t>(value)); break;
    case DType::U16: put(static_cast<uint16_t>(value)); break;
    case DType::I8: put(static_cast<int8_t>(value)); break;
    case DType::U8: put(static_cast<uint8_t>(value)); break;
    case DType::Bool: put(static_cast<uint8_t>(value != 0)); break;
    default: throw Exception(Error::TypeMismatch, std::string("no scalar of type ") + dtype_name(dtype));
  }
  return entry_->add_constant(make_constant(dtype, {}, std::move(bytes)));
}

ValueId Builder::transpose(ValueId x, std::span<const int64_t> perm) {
  bool identity = true;
  for (size_t i = 0; i < perm.size(); ++i) identity = identity && perm[i] == static_cast<int64_t>(i);
  return identity ? x : add<op::Transpose>({x}, {.perm = perm});
}

ValueId Builder::to_channels_last(ValueId x) {
  const int r = rank(x);
  if (r < 3) return x;
  std::vector<int64_t> perm(static_cast<size_t>(r));
  std::iota(perm.begin(), perm.end(), int64_t{0});
  perm.erase(perm.begin() + 1);
  perm.push_back(1);
  return transpose(x, perm);
}

ValueId Builder::to_channels_first(ValueId x) {
  const int r = rank(x);
  if (r < 3) return x;
  std::vector<int64_t> perm(static_cast<size_t>(r));
  std::iota(perm.begin(), perm.end(), int64_t{0});
  perm.pop_back();
  perm.insert(perm.begin() + 1, r - 1);
  return transpose(x, perm);
}

ValueId Builder::reshape(ValueId x, std::span<const int64_t> dims) { return add<op::Reshape>({x, ints(dims)}); }

ValueId Builder::cast(ValueId x, DType to) {
  if (dtype(x) == to) return x;
  return add<op::Cast>({x}, {.to = to});
}

}  // namespace gf::ir
