#include "runtime/load/validate.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "runtime/core/built_dtypes.h"
#include "runtime/load/program.h"
#include "schema/format/format.h"

namespace gf {
namespace {

// Element types of tensors: those that kernels were compiled for, and those that only reshape and its kin see, such as the int64 of
// shapes (GF_SHAPE_DTYPES, a bit per DType value; ghostflow_add_runtime sets it).
#ifdef GF_SHAPE_DTYPES
constexpr DTypeSet kTensorDTypes{kBuiltDTypes.bits | GF_SHAPE_DTYPES};
#else
constexpr DTypeSet kTensorDTypes = kBuiltDTypes;
#endif

std::string_view view(const flatbuffers::String* s) {
  return s != nullptr ? std::string_view(s->c_str(), s->size()) : std::string_view();
}
template <class T>
uint32_t size_of(const flatbuffers::Vector<T>* v) { return v != nullptr ? v->size() : 0; }

// Limits a name and refuses bytes that would break logs or C strings.
Error check_name(const flatbuffers::String* s, const Limits& limits, const char* what, ErrorDetail* detail) {
  const std::string_view name = view(s);
  if (name.size() > limits.name_bytes) return GF_FAIL(detail, Error::LimitExceeded, -1, "%s name is longer than %u bytes", what, limits.name_bytes);
  if (name.find('\0') != std::string_view::npos) return GF_FAIL(detail, Error::BadFile, -1, "%s name has a NUL byte", what);
  return Error::Ok;
}

Error check_storage(DType dtype, std::span<const int64_t> dims, const Limits& limits, uint64_t& bytes, const char* what,
                    uint32_t index, ErrorDetail* detail) {
  int64_t count = 0;
  if (dims.size() > static_cast<size_t>(kMaxRank)) return GF_FAIL(detail, Error::LimitExceeded, -1, "%s %u has rank %zu, at most %d", what, index, dims.size(), kMaxRank);
  if (!dtype_is_valid(dtype)) return GF_FAIL(detail, Error::BadGraph, -1, "%s %u has an unknown element type", what, index);
  if (!count_checked(dims, count) || count > limits.tensor_elements || !bytes_checked(count, dtype, bytes))
    return GF_FAIL(detail, Error::LimitExceeded, -1, "%s %u has a negative dimension or too many elements", what, index);
  return Error::Ok;
}

// Marks numbers of one window, so that "each at most once" needs no memory that grows with the file: a caller takes the
// windows one after the other. 2 kB of stack.
class NumberWindow {
 public:
  static constexpr uint32_t kSize = 1U << 14;
  explicit NumberWindow(uint32_t base) : base_(base) {}
  bool covers(uint32_t n) const { return n - base_ < kSize; }
  bool has(uint32_t n) const { return covers(n) && ((bits_[(n - base_) / 32] >> (n % 32)) & 1U) != 0; }
  void mark(uint32_t n) {
    if (covers(n)) bits_[(n - base_) / 32] |= 1U << (n % 32);
  }

 private:
  uint32_t base_;
  uint32_t bits_[kSize / 32] = {};
};

// Most attributes of one node; no op has as many.
constexpr uint32_t kMaxNodeAttrs = 64;

class EntryCheck {
 public:
  EntryCheck(const fb::Model& model, const fb::Entry& entry, const OpTable& ops, const Limits& limits, ErrorDetail* detail)
      : model_(model), entry_(entry), ops_(ops), limits_(limits), detail_(detail) {}

  Error run() {
    GF_TRY(check_name(entry_.name(), limits_, "entry", detail_));
    const uint32_t graphs = size_of(entry_.graphs());
    if (graphs == 0) return fail("has no graph");
    if (size_of(entry_.tensors()) > limits_.tensors) return GF_FAIL(detail_, Error::LimitExceeded, -1, "too many tensors");
    GF_TRY(symbols());
    GF_TRY(tensors());
    const fb::Graph* top = entry_.graphs()->Get(0);
    if (top->inputs() == nullptr || top->outputs() == nullptr) return fail("lacks its lists of inputs and outputs");
    if (size_of(entry_.output_names()) != top->outputs()->size()) return fail("names another number of outputs than it has");
    for (uint32_t i = 0; i < top->outputs()->size(); ++i) GF_TRY(check_name(entry_.output_names()->Get(i), limits_, "output", detail_));
    GF_TRY(graph(0));
    if (next_graph_ != graphs) return fail("has a graph that no node owns");
    return state_order();
  }

 private:
  Error fail(const char* what) { return GF_FAIL(detail_, Error::BadGraph, node_, "entry '%.60s' %s", entry_name(), what); }
  const char* entry_name() const { return entry_.name() != nullptr ? entry_.name()->c_str() : ""; }

  Error symbols() {
    if (entry_.symbols() == nullptr) return Error::Ok;
    for (const fb::Symbol* s : *entry_.symbols()) {
      GF_TRY(check_name(s->name(), limits_, "symbol", detail_));
      if (s->lo() < 0 || s->hi() < s->lo()) return fail("has a symbol with an empty or negative interval");
    }
    return Error::Ok;
  }

  Error tensors() {
    const uint32_t count = size_of(entry_.tensors());
    for (uint32_t i = 0; i < count; ++i) {
      const fb::Tensor& t = *entry_.tensors()->Get(i);
      GF_TRY(check_name(t.name(), limits_, "tensor", detail_));
      if (t.graph() >= size_of(entry_.graphs()) || (t.kind() == format::kInput && t.graph() != 0)) return fail("has a tensor of a graph that does not exist");
      int64_t dims[kMaxRank] = {};
      const uint32_t rank = size_of(t.dims());
      if (rank > static_cast<uint32_t>(kMaxRank)) return GF_FAIL(detail_, Error::LimitExceeded, -1, "tensor %u has rank %u, at most %d", i, rank, kMaxRank);
      for (uint32_t d = 0; d < rank; ++d) {
        const fb::Dim* dim = t.dims()->Get(d);
        dims[d] = dim->bound();
        if (dims[d] < 0) return GF_FAIL(detail_, Error::LimitExceeded, -1, "tensor %u has a negative dimension", i);
        if (dim->symbol() < format::kDimExpression || dim->symbol() >= static_cast<int32_t>(size_of(entry_.symbols())))
          return fail("has a tensor with an unknown symbol");
        if (dim->symbol() >= 0 && dim->bound() != entry_.symbols()->Get(static_cast<uint32_t>(dim->symbol()))->hi())
          return fail("has a tensor whose bound is not its symbol's");
      }
      uint64_t bytes = 0;
      const auto dtype = static_cast<DType>(t.dtype());
      // The bounds of an unbounded tensor say nothing about its bytes; its element type is judged all the same.
      GF_TRY(check_storage(dtype, t.unbounded() ? std::span<const int64_t>() : std::span<const int64_t>(dims, rank), limits_, bytes, "tensor", i, detail_));
      if (!kTensorDTypes.contains(dtype))
        return GF_FAIL(detail_, Error::Unsupported, -1, "tensor %u: this build has no kernels for %s; name this model in MODELS of ghostflow_add_runtime, or add the type to its DTYPES", i, dtype_name(dtype));
      GF_TRY(tensor_source(t, i, {dims, rank}));
      GF_TRY(quantization(t, {dims, rank}));
    }
    return Error::Ok;
  }

  Error tensor_source(const fb::Tensor& t, uint32_t i, std::span<const int64_t> dims) {
    const auto same = [&](uint8_t dtype, const flatbuffers::Vector<int64_t>* other) {
      if (dtype != t.dtype() || size_of(other) != dims.size()) return false;
      for (uint32_t d = 0; d < dims.size(); ++d)
        if (other->Get(d) != dims[d] || t.dims()->Get(d)->symbol() != format::kDimConstant) return false;
      return true;
    };
    switch (t.kind()) {
      case format::kComputed: return Error::Ok;
      case format::kInput: return Error::Ok;
      case format::kConstant: {
        if (t.index() >= size_of(model_.constants())) return fail("has a tensor of a constant that does not exist");
        const fb::Constant& c = *model_.constants()->Get(t.index());
        return same(c.dtype(), c.dims()) ? Error::Ok : fail("has a tensor that differs from its constant in type or shape");
      }
      case format::kState: {
        if (t.index() >= size_of(model_.states())) return fail("has a tensor of a state that does not exist");
        const fb::State& s = *model_.states()->Get(t.index());
        return same(s.dtype(), s.dims()) ? Error::Ok : fail("has a tensor that differs from its state in type or shape");
      }
      default: return GF_FAIL(detail_, Error::BadGraph, -1, "tensor %u has an unknown kind", i);
    }
  }

  Error quantization(const fb::Tensor& t, std::span<const int64_t> dims) {
    const fb::Quantization* q = t.quantization();
    if (q == nullptr) return Error::Ok;
    const uint32_t n = size_of(q->scales());
    if (n == 0) return fail("has a quantised tensor without scales");
    if (q->axis() >= static_cast<int32_t>(dims.size()) || q->axis() < -1 || q->block() < 0) return fail("has a quantised tensor with a bad axis or block");
    if (q->axis() >= 0 && q->block() == 0 && n != dims[static_cast<size_t>(q->axis())]) return fail("has a quantised tensor with another number of scales than channels");
    if (size_of(q->zero_points()) != 0 && q->zero_points()->size() != n) return fail("has a quantised tensor with another number of zero points than scales");
    for (uint32_t i = 0; i < n; ++i)
      if (!(q->scales()->Get(i) > 0.0f) || q->scales()->Get(i) > 3.0e38f) return fail("has a scale that is not a positive finite number");
    return Error::Ok;
  }

  // One graph in execution order. Ids of computed tensors must grow in the order in which they are written, which proves
  // single assignment and order with one counter; Tensor.graph proves scoping.
  Error graph(uint32_t index) {
    if (depth_ >= limits_.graph_depth || depth_ >= kStack) return GF_FAIL(detail_, Error::LimitExceeded, node_, "sub-graphs nest deeper than %d", limits_.graph_depth);
    stack_[depth_++] = index;
    if (index != next_graph_) return fail("has graphs out of order");
    ++next_graph_;
    const fb::Graph& g = *entry_.graphs()->Get(index);
    for (uint32_t i = 0; i < size_of(g.inputs()); ++i) {
      const int32_t id = g.inputs()->Get(i);
      if (index == 0) {
        if (!in_range(id) || tensor(id).kind() != format::kInput || tensor(id).index() != i) return fail("has an input that is not an input tensor in order");
      } else {
        GF_TRY(define(id, index));
      }
    }
    const int32_t last_input = last_defined_;
    for (uint32_t i = 0; i < size_of(g.nodes()); ++i) {
      if (++node_ >= static_cast<int32_t>(limits_.nodes)) return GF_FAIL(detail_, Error::LimitExceeded, -1, "too many nodes");
      GF_TRY(node(*g.nodes()->Get(i), index));
    }
    for (uint32_t i = 0; i < size_of(g.outputs()); ++i) {
      const int32_t id = g.outputs()->Get(i);
      // what the graph takes has smaller ids than what its nodes make
      if (!in_range(id) || tensor(id).kind() != format::kComputed || tensor(id).graph() != index || id > last_defined_ || id <= last_input)
        return fail("has a graph output that no node of that graph writes");
    }
    if (!distinct(g.outputs())) return fail("has a graph that gives one tensor as two outputs");
    --depth_;
    return Error::Ok;
  }

  // `ids` are in range.
  bool distinct(const flatbuffers::Vector<int32_t>* ids) const {
    if (size_of(ids) > size_of(entry_.tensors())) return false;
    for (uint32_t base = 0; size_of(ids) != 0 && base < size_of(entry_.tensors()); base += NumberWindow::kSize) {
      NumberWindow seen(base);
      for (const int32_t id : *ids) {
        if (seen.has(static_cast<uint32_t>(id))) return false;
        seen.mark(static_cast<uint32_t>(id));
      }
    }
    return true;
  }

  Error node(const fb::Node& n, uint32_t graph_index) {
    if (n.op() >= size_of(model_.ops())) return fail("has a node of an op that does not exist");
    const fb::Op& op = *model_.ops()->Get(n.op());
    const OpDef* def = resolve_op(ops_, op.id(), view(op.name()));
    if (def == nullptr && op.id() >= kFirstCustomOpId)
      return GF_FAIL(detail_, Error::UnknownOp, node_, "custom op '%.48s' is not registered: the program that runs the model does that (C++: ModelOptions::custom_ops or a row of its OpTable; C: gf_tables_add_op, ghostflow_custom.h); gf-run cannot run it", op.name() != nullptr ? op.name()->c_str() : "");
    if (def == nullptr) return GF_FAIL(detail_, Error::UnknownOp, node_, "op '%.60s' (id %u) is not in this build; name this model in MODELS of ghostflow_add_runtime, or add the op to its OPS", op.name() != nullptr ? op.name()->c_str() : "", op.id());
    const auto n_in = static_cast<int>(size_of(n.inputs())), n_out = static_cast<int>(size_of(n.outputs()));
    const OpInfo& info = def->info;
    if (n_in < info.min_inputs || (info.max_inputs >= 0 && n_in > info.max_inputs) || (info.max_outputs >= 0 && n_out > info.max_outputs) || n_out < info.min_outputs)
      return GF_FAIL(detail_, Error::BadGraph, node_, "%s has %d inputs and %d outputs", info.name, n_in, n_out);
    GF_TRY(attributes(n, *def));
    for (int i = 0; i < n_in; ++i) {
      const int32_t id = n.inputs()->Get(static_cast<uint32_t>(i));
      // the loop's trip count and condition may be absent although the op has a minimum of inputs
      if (id == -1 && (i >= info.min_inputs || (info.flags & kOpControlFlow) != 0 || info.max_inputs != info.min_inputs)) continue;
      if (!readable(id)) return GF_FAIL(detail_, Error::BadGraph, node_, "%s reads tensor %d, which is not written before it or not visible there", info.name, id);
    }
    if (size_of(n.graphs()) != static_cast<uint32_t>(info.graphs)) return fail("has a node with the wrong number of sub-graphs");
    for (uint32_t i = 0; i < size_of(n.graphs()); ++i) {
      if (n.graphs()->Get(i) >= size_of(entry_.graphs())) return fail("has a node with a sub-graph that does not exist");
      GF_TRY(graph(n.graphs()->Get(i)));
    }
    GF_TRY(control_flow(n, info));
    for (int i = 0; i < n_out; ++i) {
      const int32_t id = n.outputs()->Get(static_cast<uint32_t>(i));
      if (id == -1) {
        if (i < info.min_outputs) return fail("has a node without its first output");
        continue;
      }
      if (in_range(id) && tensor(id).kind() == format::kState) {
        if (graph_index != 0) return fail("writes a state inside a sub-graph");
        last_state_ = std::max(last_state_, static_cast<int64_t>(tensor(id).index()));
      } else {
        GF_TRY(define(id, graph_index));
      }
    }
    if constexpr (kTensorDTypes != kBuiltDTypes) GF_TRY(built(n, info));
    // from the first node that writes State on nothing may stop a run: State would be left half replaced
    if (last_state_ >= 0 && data_can_stop(n, info)) return fail("has a node that its data can stop where State is being written; such nodes must stand before");
    return Error::Ok;
  }

  // Views move bytes; for what computes this build has kernels of fewer types. All ids were checked.
  Error built(const fb::Node& n, const OpInfo& info) {
    if ((info.flags & kOpView) != 0) return Error::Ok;
    for (const auto* ids : {n.inputs(), n.outputs()})
      for (uint32_t i = 0; i < size_of(ids); ++i) {
        if (ids->Get(i) < 0) continue;
        const auto dtype = static_cast<DType>(tensor(ids->Get(i)).dtype());
        if (!kBuiltDTypes.contains(dtype))
          return GF_FAIL(detail_, Error::Unsupported, node_, "%s: this build has %s for shapes only; add the type to DTYPES of ghostflow_add_runtime", info.name, dtype_name(dtype));
      }
    return Error::Ok;
  }

  bool data_can_stop(const fb::Node& n, const OpInfo& info) const {
    if ((info.flags & (kOpControlFlow | kOpDataShape | kOpDataErrors)) != 0) return true;
    for (const auto* ids : {n.inputs(), n.outputs()})
      for (uint32_t i = 0; i < size_of(ids); ++i) {
        if (ids->Get(i) < 0) continue;
        const fb::Tensor& t = tensor(ids->Get(i));
        if (t.unbounded() || t.shape_unknown()) return true;
        if ((info.flags & kOpIntegerErrors) != 0 && dtype_is_int(static_cast<DType>(t.dtype()))) return true;
      }
    return false;
  }

  Error control_flow(const fb::Node& n, const OpInfo& info) {
    if ((info.flags & kOpControlFlow) == 0) return Error::Ok;
    const uint32_t n_out = size_of(n.outputs());
    if (info.graphs == 2) {
      for (uint32_t i = 0; i < 2; ++i) {
        const fb::Graph& g = *entry_.graphs()->Get(n.graphs()->Get(i));
        if (size_of(g.inputs()) != 0 || size_of(g.outputs()) != n_out) return fail("has an if whose branches have other outputs");
      }
      return Error::Ok;
    }
    const fb::Graph& body = *entry_.graphs()->Get(n.graphs()->Get(0));
    const uint32_t n_in = size_of(n.inputs());
    if (size_of(body.inputs()) != n_in || size_of(body.outputs()) != n_out + 1 || n_out + 2 < n_in)
      return fail("has a loop whose body has other inputs or outputs");
    return Error::Ok;
  }

  // A state is replaced at most once, after everything that reads it.
  Error state_order() {
    for (int64_t base = 0; base <= last_state_; base += NumberWindow::kSize) {
      NumberWindow replaced(static_cast<uint32_t>(base));
      for (const fb::Node* n : *entry_.graphs()->Get(0)->nodes()) {
        if (touches(*n, replaced)) return fail("reads or writes a state after it was replaced");
        for (uint32_t i = 0; i < size_of(n->outputs()); ++i)
          if (is_state(n->outputs()->Get(i))) replaced.mark(tensor(n->outputs()->Get(i)).index());
      }
    }
    return Error::Ok;
  }

  bool is_state(int32_t id) const { return id >= 0 && tensor(id).kind() == format::kState; }

  // The graphs are known to nest properly here.
  bool touches(const fb::Node& n, const NumberWindow& states) const {
    for (const auto* ids : {n.inputs(), n.outputs()})
      for (uint32_t i = 0; i < size_of(ids); ++i)
        if (is_state(ids->Get(i)) && states.has(tensor(ids->Get(i)).index())) return true;
    for (uint32_t g = 0; g < size_of(n.graphs()); ++g) {
      const fb::Graph& inner = *entry_.graphs()->Get(n.graphs()->Get(g));
      for (uint32_t i = 0; i < size_of(inner.nodes()); ++i)
        if (touches(*inner.nodes()->Get(i), states)) return true;
    }
    return false;
  }

  Error attributes(const fb::Node& n, const OpDef& def) {
    if (size_of(n.attrs()) > kMaxNodeAttrs) return fail("has a node with too many attributes");
    for (uint32_t i = 0; i < size_of(n.attrs()); ++i) {
      const fb::Attr& a = *n.attrs()->Get(i);
      for (uint32_t k = 0; k < i; ++k)
        if (n.attrs()->Get(k)->number() == a.number()) return GF_FAIL(detail_, Error::BadAttribute, node_, "%s: attribute %u stands twice", def.info.name, a.number());
      const AttrField* field = nullptr;
      for (const AttrField& f : def.fields)
        if (f.number == a.number()) field = &f;
      if (field == nullptr) {
        if (a.must_understand()) return GF_FAIL(detail_, Error::BadAttribute, node_, "%s: attribute %u is unknown to this version", def.info.name, a.number());
        continue;
      }
      GF_TRY(check_attr(*field, attr_value(a), detail_, node_));
    }
    return Error::Ok;
  }

  bool in_range(int32_t id) const { return id >= 0 && static_cast<uint32_t>(id) < size_of(entry_.tensors()); }
  const fb::Tensor& tensor(int32_t id) const { return *entry_.tensors()->Get(static_cast<uint32_t>(id)); }

  bool readable(int32_t id) const {
    if (!in_range(id)) return false;
    const fb::Tensor& t = tensor(id);
    if (t.kind() == format::kInput) return t.index() < size_of(entry_.graphs()->Get(0)->inputs()) && entry_.graphs()->Get(0)->inputs()->Get(t.index()) == id;
    if (t.kind() != format::kComputed) return true;
    if (id > last_defined_) return false;
    for (int d = 0; d < depth_; ++d)
      if (stack_[d] == t.graph()) return true;
    return false;
  }

  Error define(int32_t id, uint32_t graph_index) {
    if (!in_range(id) || tensor(id).kind() != format::kComputed || id <= last_defined_ || tensor(id).graph() != graph_index)
      return GF_FAIL(detail_, Error::BadGraph, node_, "tensor %d is written twice, out of order or in the wrong graph", id);
    // ids skipped here are never written, and reading them fails: they lie at or below last_defined_ only if unwritten
    for (int32_t skipped = last_defined_ + 1; skipped < id; ++skipped)
      if (tensor(skipped).kind() == format::kComputed) return fail("has a tensor that nobody writes");
    last_defined_ = id;
    return Error::Ok;
  }

  static constexpr int kStack = 32;
  const fb::Model& model_;
  const fb::Entry& entry_;
  const OpTable& ops_;
  const Limits& limits_;
  ErrorDetail* detail_;
  uint32_t stack_[kStack] = {};
  int depth_ = 0;
  uint32_t next_graph_ = 0;
  int32_t last_defined_ = -1;
  int32_t node_ = -1;
  int64_t last_state_ = -1;   // greatest state that a node has written so far
};

Error check_segments(const fb::Model& model, uint64_t header_end, uint64_t data_end, ErrorDetail* detail) {
  for (uint32_t i = 0; i < size_of(model.segments()); ++i) {
    const fb::Segment& s = *model.segments()->Get(i);
    uint64_t end = 0;
    if (s.offset() % format::kAlignment != 0 || s.offset() < header_end || !add_checked(s.offset(), s.bytes(), end) || end > data_end)
      return GF_FAIL(detail, Error::BadFile, -1, "segment %u lies outside the file or is misaligned", i);
  }
  for (uint32_t i = 0; i < size_of(model.sections()); ++i) {
    const fb::Section& s = *model.sections()->Get(i);
    if (s.segment() >= size_of(model.segments())) return GF_FAIL(detail, Error::BadFile, -1, "section %u has no segment", i);
    if (s.required()) return GF_FAIL(detail, Error::BadVersion, -1, "section '%.60s' is required and unknown to this version", s.kind() != nullptr ? s.kind()->c_str() : "");
  }
  return Error::Ok;
}

Error check_constants(const fb::Model& model, const Limits& limits, ErrorDetail* detail) {
  for (uint32_t i = 0; i < size_of(model.constants()); ++i) {
    const fb::Constant& c = *model.constants()->Get(i);
    const auto dtype = static_cast<DType>(c.dtype());
    uint64_t bytes = 0, end = 0;
    GF_TRY(check_name(c.name(), limits, "constant", detail));
    GF_TRY(check_storage(dtype, {c.dims() != nullptr ? c.dims()->data() : nullptr, size_of(c.dims())}, limits, bytes, "constant", i, detail));
    if (c.splat()) bytes = (dtype_bits(dtype) + 7) / 8;
    if (c.stored() != 0) {
      const auto stored = static_cast<DType>(c.stored());
      if ((stored != DType::F16 && stored != DType::BF16) || dtype != DType::F32 || c.splat())
        return GF_FAIL(detail, Error::BadFile, -1, "constant %u: only dense float32 can be stored as float16 or bfloat16", i);
      bytes /= 2;
    }
    if (c.segment() >= size_of(model.segments()) || c.bytes() != bytes || c.offset() % format::kAlignment != 0 ||
        !add_checked(c.offset(), bytes, end) || end > model.segments()->Get(c.segment())->bytes())
      return GF_FAIL(detail, Error::BadFile, -1, "constant %u: its data lies outside its segment or has the wrong length", i);
  }
  return Error::Ok;
}

}  // namespace

Error validate_model(const fb::Model& model, uint64_t header_end, uint64_t data_end, const OpTable& ops,
                     const Limits& limits, ErrorDetail* detail) {
  GF_TRY(check_segments(model, header_end, data_end, detail));
  GF_TRY(check_constants(model, limits, detail));
  for (uint32_t i = 0; i < size_of(model.states()); ++i) {
    const fb::State& s = *model.states()->Get(i);
    uint64_t bytes = 0;
    GF_TRY(check_name(s.name(), limits, "state", detail));
    GF_TRY(check_storage(static_cast<DType>(s.dtype()), {s.dims() != nullptr ? s.dims()->data() : nullptr, size_of(s.dims())}, limits, bytes, "state", i, detail));
    if (s.initial() < -1 || s.initial() >= static_cast<int32_t>(size_of(model.constants()))) return GF_FAIL(detail, Error::BadFile, -1, "state %u has no initial constant", i);
    if (s.initial() >= 0) {
      const fb::Constant& c = *model.constants()->Get(static_cast<uint32_t>(s.initial()));
      bool same = c.dtype() == s.dtype() && c.stored() == 0 && size_of(c.dims()) == size_of(s.dims());
      for (uint32_t d = 0; same && d < size_of(s.dims()); ++d) same = c.dims()->Get(d) == s.dims()->Get(d);
      if (!same) return GF_FAIL(detail, Error::BadFile, -1, "state %u differs from its initial constant in type or shape", i);
    }
  }
  const uint32_t entries = size_of(model.entries());
  if (entries == 0 || entries > limits.entries) return GF_FAIL(detail, Error::BadFile, -1, "file has %u entry points", entries);
  for (uint32_t i = 0; i < entries; ++i) {
    const fb::Entry& e = *model.entries()->Get(i);
    for (uint32_t k = 0; k < i; ++k)
      if (view(e.name()) == view(model.entries()->Get(k)->name())) return GF_FAIL(detail, Error::BadFile, -1, "two entry points have the same name");
    GF_TRY(EntryCheck(model, e, ops, limits, detail).run());
  }
  return Error::Ok;
}

}  // namespace gf
