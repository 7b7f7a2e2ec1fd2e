// Masks of a train step wait as bits: a bool value that is made in the forward part and read in the backward part is packed behind the node
// that makes it and unpacked in front of the nodes that read it late, where that makes the peak of what is alive smaller.
#include <algorithm>
#include <map>
#include <set>

#include "graph/emit/state_writes.h"
#include "graph/passes/lives.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"
#include "schema/ops/pack_bits.h"
#include "schema/ops/pointwise.h"
#include "schema/ops/unpack_bits.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

constexpr double kLeastBytes = 4096;   // of a mask
constexpr double kLeastGain = 0.01;    // of the peak
constexpr size_t kTogether = 4;        // late readers so many nodes apart share what was unpacked

// Times: node i runs at 2 i; what stands between nodes i and i + 1 at 2 i + 1.
size_t time_of(size_t node) { return 2 * node; }

struct Life {
  size_t first = 0, last = 0;
  double bytes = 0;
};

class MaskPacker {
 public:
  explicit MaskPacker(ir::Entry& entry) : entry_(entry), nodes_(entry.body.nodes), reads_(entry) {}

  int run() {
    find_lives();
    const double before = peak().second;
    double least = before;
    size_t chosen = 0;
    while (pack_across(peak().first)) {
      const double now = peak().second;
      if (now < least) {
        least = now;
        chosen = packed_.size();
      }
    }
    packed_.resize(chosen);
    if (!(least < (1 - kLeastGain) * before)) return 0;
    insert();
    return static_cast<int>(packed_.size());
  }

 private:
  struct Packed {
    ValueId mask = kNoValue;
    std::vector<std::vector<size_t>> late;  // readers, those that share what is unpacked together
  };

  double bytes(ValueId v) const { return estimated_bytes(entry_.value(v)); }

  // An elementwise result may take the place of what dies there.
  void find_lives() {
    std::set<ValueId> in_state;  // no memory beside it
    for (const auto& n : nodes_)
      if (n->writes_state >= 0) in_state.insert(n->outputs.begin(), n->outputs.end());
    for (const StateWrite& w : elided_writes(entry_)) in_state.insert(w.copy->inputs[0]);
    for (const auto& [g, last] : reads_.last)
      if (!in_state.contains(g)) lives_[g] = {time_of(reads_.maker.at(g)), time_of(last), bytes(g)};
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const Node& n = *nodes_[i];
      if (((n.def->info.flags & kOpElementwise) == 0 && !n.is<op::Pointwise>()) || n.outputs[0] == kNoValue) continue;
      for (const ValueId v : n.inputs) {
        const auto at = v == kNoValue ? lives_.end() : lives_.find(reads_.group(v));
        if (at == lives_.end() || at->second.last != time_of(i) || at->second.bytes < bytes(n.outputs[0])) continue;
        at->second.last = time_of(i) - 1;
        break;
      }
    }
  }

  // Time of the most bytes, and how many.
  std::pair<size_t, double> peak() const {
    std::vector<double> change(2 * nodes_.size() + 3, 0.0);
    const auto add = [&](const Life& l) {
      change[l.first] += l.bytes;
      change[l.last + 1] -= l.bytes;
    };
    for (const auto& [v, l] : lives_) add(l);
    for (const Life& l : more_) add(l);
    double live = 0;
    std::pair<size_t, double> most{0, 0.0};
    for (size_t t = 0; t < change.size(); ++t) {
      live += change[t];
      if (live > most.second) most = {t, live};
    }
    return most;
  }

  // Packs what may be packed over time t.
  bool pack_across(size_t t) {
    const size_t before = packed_.size();
    for (const auto& [v, l] : lives_)
      if (l.first < t && l.last > t && !done_.contains(v)) pack(v, t);
    return packed_.size() > before;
  }

  bool may_pack(ValueId v) const {
    const ir::Value& value = entry_.value(v);
    const std::set<size_t>& reads = reads_.reads.at(v);
    return value.dtype == DType::Bool && bytes(v) >= kLeastBytes && value.shape_known && value.shape.is_const() &&
           reads_.members.at(v).size() == 1 && !reads.contains(nodes_.size()) &&
           std::all_of(reads.begin(), reads.end(), [&](size_t i) { return nodes_[i]->blocks.empty(); });
  }

  void pack(ValueId v, size_t t) {
    if (!may_pack(v)) return;
    const size_t made = reads_.maker.at(v);
    Packed p{v, {}};
    size_t early = time_of(made) + 1, late = 0;
    for (const size_t r : reads_.reads.at(v)) {
      if (time_of(r) <= t) {
        early = std::max(early, time_of(r));
        continue;
      }
      if (p.late.empty() || r > late + kTogether) p.late.emplace_back();
      p.late.back().push_back(r);
      late = r;
    }
    if (p.late.empty() || early >= t) return;
    Life& own = lives_[v];
    const Life whole = own;
    own.last = early;
    more_.push_back({time_of(made) + 1, time_of(p.late.back()[0]) - 1, whole.bytes / 8});
    for (const auto& group : p.late) more_.push_back({time_of(group[0]) - 1, time_of(group.back()), whole.bytes});
    done_.insert(v);
    packed_.push_back(std::move(p));
  }

  ValueId add(const OpDef& def, const void* attrs, ValueId input, const Node& like, std::vector<std::unique_ptr<Node>>& to) {
    auto n = std::make_unique<Node>();
    n->def = &def;
    n->attrs = ir::encode_attrs(def, attrs);
    n->inputs = {input};
    n->outputs = {entry_.add_value({})};
    n->name = like.name;
    n->origin = like.origin + " (as bits)";
    ir::infer_node(entry_, *n);
    return to.emplace_back(std::move(n))->outputs[0];
  }

  void insert() {
    std::map<size_t, std::vector<size_t>> pack_behind, unpack_before;  // node -> packed masks
    std::map<std::pair<size_t, size_t>, const std::vector<size_t>*> groups;
    for (size_t k = 0; k < packed_.size(); ++k) {
      pack_behind[reads_.maker.at(packed_[k].mask)].push_back(k);
      for (const auto& group : packed_[k].late) {
        unpack_before[group[0]].push_back(k);
        groups[{group[0], k}] = &group;
      }
    }
    std::map<size_t, ValueId> bits;                          // by packed mask
    std::map<std::pair<size_t, ValueId>, ValueId> instead;   // what a late reader reads
    std::vector<std::unique_ptr<Node>> ordered;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      for (const size_t k : unpack_before[i]) {
        const ValueId mask = packed_[k].mask;
        const DimShape& shape = entry_.value(mask).shape;
        std::vector<int64_t> dims;
        for (int d = 0; d < shape.rank; ++d) dims.push_back(shape[d].lo);
        const op::UnpackBits::Attrs attrs{dims};
        const ValueId v = add(op_def<op::UnpackBits>, &attrs, bits.at(k), *nodes_[i], ordered);
        for (const size_t r : *groups.at({i, k})) instead[{r, mask}] = v;
      }
      const Node& n = *ordered.emplace_back(std::move(nodes_[i]));
      for (ValueId& v : ordered.back()->inputs)
        if (const auto at = instead.find({i, v}); at != instead.end()) v = at->second;
      for (const size_t k : pack_behind[i]) {
        const op::PackBits::Attrs none;
        bits[k] = add(op_def<op::PackBits>, &none, packed_[k].mask, n, ordered);
      }
    }
    nodes_ = std::move(ordered);
  }

  ir::Entry& entry_;
  std::vector<std::unique_ptr<Node>>& nodes_;
  const Lives reads_;                               // who reads what
  std::map<ValueId, Life> lives_;                   // of groups with memory of their own
  std::vector<Life> more_;                          // bits, and what is unpacked
  std::set<ValueId> done_;
  std::vector<Packed> packed_;
};

}  // namespace

int pack_masks(ir::Model& model, const PassOptions& options) {
  int changes = 0;
  if (!options.exact) return changes;
  for (auto& e : model.entries) changes += MaskPacker(*e).run();
  return changes;
}

}  // namespace gf
