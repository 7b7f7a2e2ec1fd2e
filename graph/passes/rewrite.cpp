#include "graph/passes/rewrite.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace gf {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

namespace {

template <class F>
void for_each_node(ir::Block& block, F&& f) {
  for (auto& n : block.nodes) {
    f(*n);
    for (ir::Block& inner : n->blocks) for_each_node(inner, f);
  }
}
template <class F>
void for_each_block(ir::Block& block, F&& f) {
  for (auto& n : block.nodes)
    for (ir::Block& inner : n->blocks) for_each_block(inner, f);
  f(block);
}

}  // namespace

Rewriter::Rewriter(ir::Entry& entry, ir::Block& block) : entry_(entry), block_(block) {
  grow();
  for_each_node(entry.body, [this](Node& n) {
    for (ValueId v : n.inputs)
      if (v != kNoValue) readers_[static_cast<size_t>(v)].push_back(&n);
  });
  for_each_block(entry.body, [this](ir::Block& b) {
    for (ValueId v : b.outputs)
      if (v != kNoValue) ++output_uses_[static_cast<size_t>(v)];
  });
  for (auto& n : block.nodes)
    for (ValueId v : n->outputs)
      if (v != kNoValue) producers_[static_cast<size_t>(v)] = n.get();
}

void Rewriter::grow() {
  producers_.resize(entry_.value_count(), nullptr);
  readers_.resize(entry_.value_count());
  output_uses_.resize(entry_.value_count(), 0);
}

ValueId Rewriter::track(ValueId v) {
  grow();
  return v;
}

std::vector<Node*> Rewriter::nodes() const {
  std::vector<Node*> all;
  all.reserve(block_.nodes.size());
  for (const auto& n : block_.nodes) all.push_back(n.get());
  return all;
}

Node* Rewriter::only_reader(ValueId v) const {
  if (v == kNoValue || !single_use(v)) return nullptr;
  Node* n = readers(v)[0];
  for (ValueId o : n->outputs)
    if (o != kNoValue && producer(o) == n) return n;  // a node of this block (its outputs are known here)
  return nullptr;
}

void Rewriter::link(Node& n) {
  grow();
  for (ValueId v : n.inputs)
    if (v != kNoValue) readers_[static_cast<size_t>(v)].push_back(&n);
  for (ValueId v : n.outputs)
    if (v != kNoValue) producers_[static_cast<size_t>(v)] = &n;
}

void Rewriter::unlink(Node& n) {
  const auto forget = [this](Node& reader) {
    for (ValueId v : reader.inputs)
      if (v != kNoValue) std::erase(readers_[static_cast<size_t>(v)], &reader);
  };
  forget(n);
  for (ir::Block& b : n.blocks) {
    for_each_node(b, forget);
    for_each_block(b, [this](ir::Block& inner) {
      for (ValueId v : inner.outputs)
        if (v != kNoValue) --output_uses_[static_cast<size_t>(v)];
    });
  }
  for (ValueId v : n.outputs)
    if (v != kNoValue && producers_[static_cast<size_t>(v)] == &n) producers_[static_cast<size_t>(v)] = nullptr;
}

Node& Rewriter::insert(const Node& anchor, const OpDef& def, std::vector<ValueId> inputs, const void* attrs,
                       size_t outputs) {
  const auto at =
      std::find_if(block_.nodes.begin(), block_.nodes.end(), [&](const auto& n) { return n.get() == &anchor; });
  if (at == block_.nodes.end())
    throw Exception(Error::Internal, "a pass inserts before a node that is not in its block");
  ir::Builder b(entry_, block_);
  b.set_origin(anchor.name, anchor.origin);
  b.insert_at(static_cast<size_t>(at - block_.nodes.begin()));
  Node& n = b.add_node(def, std::move(inputs), attrs, outputs);
  link(n);
  return n;
}

namespace {

// Infers `n` again; outputs keep the shapes they had, which other nodes know by identity.
void infer_again(ir::Entry& entry, Node& n) {
  std::vector<ir::Value> before;
  for (ValueId v : n.outputs) before.push_back(v == kNoValue ? ir::Value() : entry.value(v));
  ir::infer_node(entry, n);
  for (size_t k = 0; k < n.outputs.size(); ++k) {
    if (n.outputs[k] == kNoValue || !before[k].shape_known) continue;
    ir::Value& now = entry.value(n.outputs[k]);
    bool differs = now.dtype != before[k].dtype || (now.shape_known && now.shape.rank != before[k].shape.rank);
    for (int d = 0; !differs && now.shape_known && d < now.shape.rank; ++d)
      differs = now.shape[d].is_const() && before[k].shape[d].is_const() && now.shape[d].lo != before[k].shape[d].lo;
    if (differs)
      throw Exception(Error::Internal,
                      n.origin + ": a rewrite to " + n.def->info.name + " changes the type or shape of a value");
    now.shape = before[k].shape;
    now.shape_known = true;
    if (before[k].values_known) {
      now.values = before[k].values;
      now.values_known = true;
    }
  }
}

}  // namespace

void Rewriter::become(Node& n, const OpDef& def, std::vector<ValueId> inputs, const void* attrs) {
  std::vector<ir::Attr> encoded = ir::encode_attrs(def, attrs);  // before unlinking: attrs may point into n
  const std::vector<ValueId> old = n.inputs;
  unlink(n);
  n.def = &def;
  n.attrs = std::move(encoded);
  n.inputs = std::move(inputs);
  while (!n.inputs.empty() && n.inputs.back() == kNoValue && static_cast<int>(n.inputs.size()) > def.info.min_inputs)
    n.inputs.pop_back();
  n.outputs.resize(1);
  link(n);
  infer_again(entry_, n);
  for (ValueId v : old) erase_unread(v);
}

void Rewriter::set_attrs(Node& n, const void* attrs) {
  std::vector<ir::Attr> encoded = ir::encode_attrs(*n.def, attrs);
  n.attrs = std::move(encoded);
  infer_again(entry_, n);
}

void Rewriter::take_over(Node& n, size_t k, ValueId v) {
  if (Node* old = producer(v); old != nullptr) std::replace(old->outputs.begin(), old->outputs.end(), v, kNoValue);
  const ValueId fresh = n.outputs[k];
  producers_[static_cast<size_t>(fresh)] = nullptr;
  n.outputs[k] = v;
  producers_[static_cast<size_t>(v)] = &n;
}

void Rewriter::set_input(Node& n, size_t i, ValueId v) {
  const ValueId old = n.inputs[i];
  if (old == v) return;
  if (old != kNoValue) {
    auto& list = readers_[static_cast<size_t>(old)];
    list.erase(std::find(list.begin(), list.end(), &n));
  }
  n.inputs[i] = v;
  if (v != kNoValue) readers_[static_cast<size_t>(v)].push_back(&n);
  erase_unread(old);
}

bool Rewriter::replace(ValueId from, ValueId to) {
  if (is_output(from)) {
    const bool plain = producer(to) != nullptr && !is_output(to) && producer(to)->writes_state < 0;
    if (!plain || std::find(block_.outputs.begin(), block_.outputs.end(), from) == block_.outputs.end()) return false;
    entry_.value(to).name = entry_.value(from).name;
  }
  ir::replace_uses(entry_, from, to);
  auto& moved = readers_[static_cast<size_t>(from)];
  auto& target = readers_[static_cast<size_t>(to)];
  target.insert(target.end(), moved.begin(), moved.end());
  moved.clear();
  std::swap(output_uses_[static_cast<size_t>(from)], output_uses_[static_cast<size_t>(to)]);
  output_uses_[static_cast<size_t>(to)] += output_uses_[static_cast<size_t>(from)];
  output_uses_[static_cast<size_t>(from)] = 0;
  erase_unread(from);
  return true;
}

void Rewriter::erase(Node& n) {
  const std::vector<ValueId> inputs = n.inputs;
  unlink(n);
  dead_.insert(&n);
  const auto at = std::find_if(block_.nodes.begin(), block_.nodes.end(), [&](const auto& p) { return p.get() == &n; });
  graveyard_.push_back(std::move(*at));
  block_.nodes.erase(at);
  for (ValueId v : inputs) erase_unread(v);
}

void Rewriter::erase_unread(ValueId v) {
  Node* n = v == kNoValue ? nullptr : producer(v);
  if (n == nullptr || n->writes_state >= 0) return;
  for (ValueId o : n->outputs)
    if (o != kNoValue && (!readers(o).empty() || is_output(o))) return;
  erase(*n);
}

const ir::Constant* Rewriter::constant(ValueId v) const {
  return v == kNoValue ? nullptr : entry_.value(v).constant.get();
}

std::optional<std::vector<float>> Rewriter::floats(ValueId v) const {
  const ir::Constant* c = constant(v);
  return c == nullptr ? std::nullopt : ir::constant_floats(*c);
}

std::optional<std::vector<int64_t>> Rewriter::ints(ValueId v) const {
  if (v == kNoValue) return std::nullopt;
  if (const ir::Constant* c = constant(v)) return ir::constant_ints(*c, 1 << 16);
  const ir::Value& x = value(v);
  if (!x.values_known) return std::nullopt;
  std::vector<int64_t> out;
  for (const Dim& d : x.values) {
    if (!d.is_const()) return std::nullopt;
    out.push_back(d.lo);
  }
  return out;
}

std::optional<double> Rewriter::uniform(ValueId v) const {
  const ir::Constant* c = constant(v);
  if (c == nullptr || c->count() == 0) return std::nullopt;
  const size_t most = size_t{1} << 20;
  ir::Constant one = *c;
  if (c->splat) one.dims.clear();
  if (const auto ints = ir::constant_ints(one, most)) {
    const bool same = std::all_of(ints->begin(), ints->end(), [&](int64_t x) { return x == (*ints)[0]; });
    return same ? std::optional<double>(static_cast<double>((*ints)[0])) : std::nullopt;
  }
  const auto floats = ir::constant_floats(one, most);
  if (!floats) return std::nullopt;
  const bool same = std::all_of(floats->begin(), floats->end(),
                                [&](float x) { return std::memcmp(&x, floats->data(), sizeof x) == 0; });
  if (!same || std::isnan((*floats)[0])) return std::nullopt;
  if (one.dtype == DType::F64) {
    double exact = 0;
    std::memcpy(&exact, one.data.data(), sizeof exact);
    return exact;
  }
  return static_cast<double>((*floats)[0]);
}

bool Rewriter::is_uniform(ValueId v, double wanted, double rtol) const {
  const auto x = uniform(v);
  return x && std::fabs(*x - wanted) <= rtol * std::fabs(wanted);
}

Dim Rewriter::multiply(Dim a, Dim b) {
  bool overflow = false;
  const Dim interval = dim_interval(DimOp::Mul, a, b, overflow);
  if (interval.is_const() || overflow) return interval;
  return entry_.symbols.combine(DimOp::Mul, a, b, interval);
}

Dim Rewriter::count(const DimShape& s, int from, int to) {
  Dim n = 1;
  for (int d = from; d < to; ++d) n = multiply(n, s[d]);
  return n;
}

std::optional<std::vector<int64_t>> Rewriter::static_target(const DimShape& from, const DimShape& target) {
  std::vector<int64_t> out;
  bool rest = false;
  for (int d = 0; d < target.rank; ++d) {
    const Dim t = target[d];
    if (t.is_const()) {
      if (t.lo == 0) return std::nullopt;
      out.push_back(t.lo);
    } else if (d < from.rank && from[d].same(t)) {
      out.push_back(0);
    } else if (!rest) {
      rest = true;
      out.push_back(-1);
    } else {
      return std::nullopt;
    }
  }
  return out;
}

ValueId Rewriter::reshape(const Node& anchor, ValueId x, const DimShape& target) {
  const DimShape from = shape(x);
  if (same_shape(from, target)) return x;
  if (const auto dims = static_target(from, target)) return insert<op::Reshape>(anchor, {x, add_ints(*dims)});
  std::vector<ValueId> parts;
  std::vector<int64_t> pending;
  const auto flush = [&] {
    if (!pending.empty()) parts.push_back(add_ints(pending));
    pending.clear();
  };
  bool rest = false;
  for (int d = 0; d < target.rank; ++d) {
    int source = -1;
    for (int k = 0; k < from.rank && source < 0; ++k)
      if (!target[d].is_const() && from[k].same(target[d])) source = k;
    if (target[d].is_const()) {
      if (target[d].lo == 0) return kNoValue;
      pending.push_back(target[d].lo);
    } else if (source >= 0) {
      flush();
      parts.push_back(insert<op::ShapeOf>(anchor, {x}, {.start = source, .end = source + 1}));
    } else if (!rest) {
      rest = true;
      pending.push_back(-1);
    } else {
      for (ValueId p : parts) erase_unread(p);
      return kNoValue;
    }
  }
  flush();
  const ValueId dims = parts.size() == 1 ? parts[0] : insert<op::Concat>(anchor, parts, {.axis = 0});
  return insert<op::Reshape>(anchor, {x, dims});
}

int for_each_rewriter(ir::Model& model, const std::function<int(Rewriter&)>& f) {
  int changes = 0;
  for (auto& e : model.entries)
    for_each_block(e->body, [&](ir::Block& block) {
      Rewriter r(*e, block);
      changes += f(r);
    });
  return changes;
}

void note(const PassOptions& options, const std::string& what, const Node& node) {
  if (options.notes != nullptr) options.notes->push_back(what + ": " + (node.name.empty() ? node.origin : node.name));
}

Perm perm_of(const Node& transpose, int rank) {
  const ir::DecodedAttrs attrs(transpose);
  const IntList list = static_cast<const op::Transpose::Attrs*>(attrs.get())->perm;
  Perm perm(list.begin(), list.end());
  if (perm.empty())
    for (int d = rank - 1; d >= 0; --d) perm.push_back(d);
  for (int64_t& d : perm)
    if (d < 0) d += rank;
  return perm;
}

Perm inverse(const Perm& perm) {
  Perm out(perm.size());
  for (size_t d = 0; d < perm.size(); ++d) out[static_cast<size_t>(perm[d])] = static_cast<int64_t>(d);
  return out;
}

Perm compose(const Perm& first, const Perm& second) {
  Perm out(second.size());
  for (size_t d = 0; d < second.size(); ++d) out[d] = first[static_cast<size_t>(second[d])];
  return out;
}

bool is_identity(const Perm& perm) {
  for (size_t d = 0; d < perm.size(); ++d)
    if (perm[d] != static_cast<int64_t>(d)) return false;
  return true;
}

ir::ConstantPtr reshape_constant(const ir::Constant& c, std::vector<int64_t> dims) {
  auto out = std::make_shared<ir::Constant>(c);
  out->dims = std::move(dims);
  return out;
}

ir::ConstantPtr transpose_constant(const ir::Constant& c, const Perm& perm) {
  std::vector<int64_t> dims;
  for (int64_t d : perm) dims.push_back(c.dims[static_cast<size_t>(d)]);
  if (c.splat || is_identity(perm)) return reshape_constant(c, dims);
  const size_t size = dtype_bits(c.dtype) / 8;
  if (size == 0 || dtype_bits(c.dtype) % 8 != 0) return nullptr;
  const size_t rank = perm.size();
  std::vector<size_t> strides(rank);  // of the source, in the order of the result's axes
  for (size_t d = 0; d < rank; ++d) {
    size_t stride = size;
    for (size_t k = static_cast<size_t>(perm[d]) + 1; k < rank; ++k) stride *= static_cast<size_t>(c.dims[k]);
    strides[d] = stride;
  }
  std::vector<std::byte> bytes(c.data.size());
  std::vector<int64_t> index(rank, 0);
  size_t from = 0;
  for (size_t to = 0; to < bytes.size(); to += size) {
    std::memcpy(bytes.data() + to, c.data.data() + from, size);
    for (size_t d = rank; d-- > 0;) {
      from += strides[d];
      if (++index[d] < dims[d]) break;
      from -= strides[d] * static_cast<size_t>(dims[d]);
      index[d] = 0;
    }
  }
  return ir::make_constant(c.dtype, std::move(dims), std::move(bytes));
}

bool is_elementwise(const Node& n) {
  return (n.def->info.flags & kOpElementwise) != 0 || n.is<op::Cast>() || n.is<op::Where>() || n.is<op::Identity>();
}

void all_inputs(const ir::Node& n, std::set<ir::ValueId>& all) {
  for (const ir::ValueId v : n.inputs)
    if (v != ir::kNoValue) all.insert(v);
  for (const ir::Block& b : n.blocks) {
    for (const auto& inner : b.nodes) all_inputs(*inner, all);
    for (const ir::ValueId v : b.outputs)
      if (v != ir::kNoValue) all.insert(v);
  }
}

uint64_t macs_of(const ir::Entry& entry, const ir::Node& n) {
  if (n.def->macs == nullptr) return 0;
  std::vector<Shape> shapes[2];
  for (const auto* values : {&n.inputs, &n.outputs})
    for (const ir::ValueId v : *values) {
      Shape s;
      if (v != ir::kNoValue)
        for (int d = 0; d < entry.value(v).shape.rank; ++d) s.dims[s.rank++] = entry.value(v).shape[d].hi;
      shapes[values == &n.outputs ? 1 : 0].push_back(s);
    }
  const ir::DecodedAttrs attrs(n);
  return n.def->macs({shapes[0], shapes[1]}, attrs.get());
}

double estimated_bytes(const ir::Value& v) {
  double n = static_cast<double>(dtype_bits(v.dtype)) / 8;
  for (int d = 0; d < v.shape.rank; ++d) {
    const Dim& x = v.shape[d];
    n *= static_cast<double>(x.is_const() || x.hi < 4096 ? x.hi : std::max<int64_t>(x.lo, 16));
  }
  return n;
}

bool same_shape(const DimShape& a, const DimShape& b) {
  if (a.rank != b.rank) return false;
  for (int d = 0; d < a.rank; ++d)
    if (!a[d].same(b[d])) return false;
  return true;
}

}  // namespace gf
