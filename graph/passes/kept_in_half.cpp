// Results that wait for the backward part of a train step wait in bfloat16: half the memory. Everybody reads the rounded numbers, the
// forward part too, so that the gradients are those of what was computed; sums, statistics, parameters and gradients stay in float32.
// What waits: made before the moment of most memory, read behind it (as bfloat16 tensors of mixed precision training: Kalamkar et al., "A
// Study of BFLOAT16 for Deep Learning Training", 2019; here with products in float32).
#include "graph/passes/lives.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;
using Nodes = std::vector<std::unique_ptr<Node>>;

constexpr double kLeastBytes = 4096;
constexpr size_t kNear = 8;  // readers this close to one another share a widened copy

class Narrowing {
 public:
  explicit Narrowing(ir::Entry& entry) : entry_(entry), lives_(entry) {}

  int run() {
    const auto& nodes = entry_.body.nodes;
    if (std::none_of(nodes.begin(), nodes.end(), [](const auto& n) { return n->writes_state >= 0; })) return 0;  // trains nothing
    peak_ = lives_.peak();
    int done = 0;
    for (const auto& [g, reads] : lives_.reads) {
      if (!waits(g, reads)) continue;
      narrow(g, reads);
      ++done;
    }
    if (done > 0) place();
    return done;
  }

 private:
  Node& node(size_t i) { return *entry_.body.nodes[i]; }

  bool waits(ValueId g, const std::set<size_t>& reads) {
    const size_t made = lives_.maker.at(g);
    const Node& maker = node(made);
    const ir::Value& v = entry_.value(g);
    if (made >= peak_ || *reads.rbegin() <= peak_ || reads.contains(entry_.body.nodes.size())) return false;
    // further outputs are statistics: log-sum-exp, mean, 1 / deviation
    if (v.dtype != DType::F32 || maker.outputs[0] != g || maker.writes_state >= 0 || estimated_bytes(v) < kLeastBytes) return false;
    if (maker.is<op::Cast>() && entry_.value(maker.inputs[0]).dtype != DType::F64) return false;  // not wide to begin with
    return std::all_of(reads.begin(), reads.end(), [&](size_t i) { return node(i).blocks.empty() && node(i).writes_state < 0; });
  }

  void narrow(ValueId g, const std::set<size_t>& reads) {
    const size_t made = lives_.maker.at(g);
    const ValueId kept = cast(behind_[made], node(made), g, DType::BF16);
    const auto late = reads.upper_bound(peak_);
    if (reads.begin() != late) {
      const ValueId early = cast(behind_[made], node(made), kept, DType::F32);
      for (auto it = reads.begin(); it != late; ++it) std::replace(node(*it).inputs.begin(), node(*it).inputs.end(), g, early);
    }
    std::map<ValueId, ValueId> copies;
    size_t before = 0, previous = 0;
    for (auto it = late; it != reads.end(); previous = *it++) {
      if (it == late || *it - previous > kNear) {
        before = *it;
        copies.clear();
        copies[g] = cast(in_front_[before], node(before), kept, DType::F32);
      }
      for (ValueId& v : node(*it).inputs)
        if (v != kNoValue && lives_.group(v) == g && lives_.maker.at(v) < peak_) v = copy_of(v, copies, in_front_[before]);
    }
  }

  ValueId cast(Nodes& into, const Node& beside, ValueId v, DType to) {
    ir::Block block;
    ir::Builder b(entry_, block);
    b.set_origin(beside.name, beside.origin);
    const ValueId result = b.add<op::Cast>({v}, {.to = to});
    into.push_back(std::move(block.nodes[0]));
    return result;
  }

  // A view of what `copies` holds.
  ValueId copy_of(ValueId v, std::map<ValueId, ValueId>& copies, Nodes& into) {
    const auto [it, is_new] = copies.try_emplace(v, kNoValue);
    if (!is_new) return it->second;
    const Node& view = node(lives_.maker.at(v));
    auto n = std::make_unique<Node>();
    n->def = view.def;
    n->attrs = view.attrs;
    n->name = view.name;
    n->origin = view.origin;
    n->inputs = original_inputs(view);
    n->inputs[0] = copy_of(n->inputs[0], copies, into);
    ir::Value value = entry_.value(v);
    value.name.clear();
    const ValueId copy = entry_.add_value(std::move(value));
    n->outputs = {copy};
    into.push_back(std::move(n));
    return copies[v] = copy;
  }
  // As they were before narrow() changed them: what a view of the group looks at.
  std::vector<ValueId> original_inputs(const Node& view) const {
    std::vector<ValueId> inputs = view.inputs;
    const ValueId g = lives_.group(view.outputs[0]);
    if (lives_.group(inputs[0]) != g) inputs[0] = g;
    return inputs;
  }

  void place() {
    Nodes& nodes = entry_.body.nodes;
    Nodes all;
    const auto append = [&](std::map<size_t, Nodes>& from, size_t i) {
      if (const auto it = from.find(i); it != from.end())
        all.insert(all.end(), std::make_move_iterator(it->second.begin()), std::make_move_iterator(it->second.end()));
    };
    for (size_t i = 0; i < nodes.size(); ++i) {
      append(in_front_, i);
      all.push_back(std::move(nodes[i]));
      append(behind_, i);
    }
    nodes = std::move(all);
  }

  ir::Entry& entry_;
  Lives lives_;
  size_t peak_ = 0;
  std::map<size_t, Nodes> in_front_, behind_;  // by position in the order of before
};

}  // namespace

int keep_in_half(ir::Model& model, const PassOptions& options) {
  if (options.kept == DType::F32) return 0;
  if (options.kept != DType::BF16)
    throw Exception(Error::InvalidArgument, std::string("results are kept in float32 or bfloat16, not in ") + dtype_name(options.kept));
  int changes = 0;
  for (auto& e : model.entries) {
    const int here = Narrowing(*e).run();
    changes += here;
    if (here > 0 && options.notes != nullptr) options.notes->push_back("entry '" + e->name + "': " + std::to_string(here) + " results wait in bfloat16");
  }
  return changes;
}

}  // namespace gf
