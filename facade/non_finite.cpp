// The search for the first value that is not finite. Every tensor is looked at just behind the node that makes it (later ones may overwrite
// it); nodes with bad results are kept with what they read, so that the way back from what leaves the entry can be walked.
#include "runtime/include/ghostflow/non_finite.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>

#include "runtime/core/half.h"
#include "runtime/exec/report.h"

namespace gf {
namespace {

constexpr size_t kMostEvents = 1U << 16;  // a loop may have more rounds than anybody wants to read about

template <class Read>
void look(ElementReport& r, int64_t count, const Read& read) {
  r.least = std::numeric_limits<double>::infinity();
  r.greatest = -r.least;
  for (int64_t i = 0; i < count; ++i) {
    const double v = read(i);
    if (std::isfinite(v)) {
      r.least = std::min(r.least, v);
      r.greatest = std::max(r.greatest, v);
      continue;
    }
    if (r.first < 0) {
      r.first = i;
      r.first_value = v;
    }
    ++(std::isnan(v) ? r.nan_count : r.infinite_count);
  }
}

ElementReport look(const TensorView& t, std::string what) {
  ElementReport r;
  r.what = std::move(what);
  r.dtype = t.dtype;
  r.shape = t.shape;
  r.count = t.count();
  if (t.data == nullptr) return r;
  switch (t.dtype) {
    case DType::F32: look(r, r.count, [p = t.as<const float>()](int64_t i) { return static_cast<double>(p[i]); }); break;
    case DType::F64: look(r, r.count, [p = t.as<const double>()](int64_t i) { return p[i]; }); break;
    case DType::F16: look(r, r.count, [p = t.as<const F16>()](int64_t i) { return static_cast<double>(to_f32(p[i])); }); break;
    case DType::BF16: look(r, r.count, [p = t.as<const BF16>()](int64_t i) { return static_cast<double>(to_f32(p[i])); }); break;
    default: break;
  }
  return r;
}

std::string number(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "infinity" : "-infinity";
  char text[32];
  std::snprintf(text, sizeof text, "%g", v);
  return text;
}

std::string shape_text(const Shape& s) {
  std::string text = "[";
  for (int d = 0; d < s.rank; ++d) text += (d > 0 ? ", " : "") + std::to_string(s[d]);
  return text + "]";
}

std::string place_text(const Shape& s, int64_t index) {
  Shape at = s;
  for (int d = s.rank; d-- > 0;) {
    at[d] = index % s[d];
    index /= s[d];
  }
  return shape_text(at);
}

// What a tensor holds, and the event that made it (-1: none).
struct Known {
  ElementReport elements;
  ptrdiff_t event = -1;
};

// A node with a bad result, or something bad that was there before.
struct Event {
  int32_t node = -1;
  ElementReport elements;
  std::vector<ElementReport> operands;
  std::vector<size_t> from;    // events whose results it reads
  bool nan = false, reads_bad = false, reads_nan = false;
};

class Search {
 public:
  explicit Search(Session& session) : session_(session) {}

  void look_at_inputs() {
    for (int k = 0; k < session_.input_count(); ++k) {
      const TensorReport t = SessionReport::entry_input(session_, k);
      if (t.view != nullptr) given(key_of(t), look(session_.input(k), "input '" + std::string(session_.input_name(k)) + "'"));
    }
  }
  void look_at_state(const Program& program, const State& state) {
    for (int k = 0; k < state.count(); ++k) {
      const PortInfo port = program.state(k);
      TensorView v;
      v.dtype = port.dtype;
      v.shape.rank = port.rank;
      for (int d = 0; d < port.rank; ++d) v.shape[d] = port.bounds[d];
      v.data = state.bytes(k).data();
      given({format::kState, static_cast<uint32_t>(k)}, look(v, "State '" + std::string(port.name) + "'"));
    }
  }

  static void after_node(void* context, int32_t node, uint64_t, uint64_t) { static_cast<Search*>(context)->see(node); }
  static uint64_t no_clock() { return 0; }

  /// `failed`: the node that ended the run, whose operands are then the end of the way.
  NonFiniteReport finish(int32_t failed) {
    std::set<size_t> way;
    if (failed >= 0) {
      for (int k = 0; k < SessionReport::input_count(session_, failed); ++k) go(known(SessionReport::input(session_, failed, k)), way);
    } else {
      for (int k = 0; k < session_.output_count(); ++k) go(known(SessionReport::entry_output(session_, k)), way);
      for (const size_t e : written_) go(e, way);
    }
    NonFiniteReport report;
    for (const size_t e : way)
      if (events_[e].node < 0) report.given.push_back(events_[e].elements);
    std::stable_sort(report.given.begin(), report.given.end(), [](const auto& a, const auto& b) { return (a.nan_count > 0) > (b.nan_count > 0); });
    const auto first_of = [&](const auto& wanted) {
      const auto at = std::find_if(way.begin(), way.end(), [&](size_t e) { return events_[e].node >= 0 && wanted(events_[e]); });
      return at == way.end() ? std::optional<size_t>() : *at;
    };
    const auto first = first_of([](const Event& e) { return !e.reads_bad; });
    const auto first_nan = first_of([](const Event& e) { return e.nan && !e.reads_nan; });
    if (first) report.first = node_of(events_[*first]);
    if (first_nan && first_nan != first) report.first_nan = node_of(events_[*first_nan]);
    return report;
  }

 private:
  using Key = std::pair<format::TensorKind, uint32_t>;
  static Key key_of(const TensorReport& t) { return {t.kind, t.index}; }

  void given(const Key& key, ElementReport elements) {
    Known k;
    k.elements = std::move(elements);
    if (!k.elements.finite()) k.event = add(-1, k.elements);
    given_.insert_or_assign(key, std::move(k));
  }
  ptrdiff_t add(int32_t node, const ElementReport& elements) {
    if (events_.size() >= kMostEvents) return -1;
    Event& e = events_.emplace_back();
    e.node = node;
    e.elements = elements;
    e.nan = elements.nan_count > 0;
    return static_cast<ptrdiff_t>(events_.size()) - 1;
  }

  // What is known of a tensor; what no node has made (constants, values that a loop hands to its body) is looked at now.
  const Known& known(const TensorReport& t) {
    static const Known nothing;
    if (t.view == nullptr) return nothing;
    if (const auto at = made_.find(t.view); at != made_.end()) return at->second;
    if (t.kind != format::kComputed)
      if (const auto at = given_.find(key_of(t)); at != given_.end()) return at->second;
    if (t.kind == format::kConstant) {
      given(key_of(t), look(*t.view, "a constant"));
      return given_.at(key_of(t));
    }
    handed_over_.elements = look(*t.view, "");
    return handed_over_;
  }

  void see(int32_t node) {
    Event e;
    const NodeSteps steps = SessionReport::steps(session_, node);
    for (int k = 0; k < SessionReport::input_count(session_, node); ++k) {
      const TensorReport t = SessionReport::input(session_, node, k);
      if (t.view == nullptr) continue;
      const Known& x = known(t);
      e.reads_bad = e.reads_bad || !x.elements.finite();
      e.reads_nan = e.reads_nan || x.elements.nan_count > 0;
      if (x.event >= 0) e.from.push_back(static_cast<size_t>(x.event));
      if (!dtype_is_float(x.elements.dtype)) continue;
      const std::string what = "operand " + std::to_string(k);
      const bool named = t.kind != format::kComputed && !x.elements.what.empty();
      e.operands.push_back(x.elements);
      e.operands.back().what = named ? what + " (" + x.elements.what + ")" : what;
    }
    for (size_t i = steps.begin != steps.end ? events_.size() : 0; i-- > 0;) {  // around its sub-graphs: what happened in them
      if (events_[i].node < 0) continue;
      const NodeSteps inner = SessionReport::steps(session_, events_[i].node);
      if (inner.begin <= steps.begin || inner.end >= steps.end) continue;
      e.from.push_back(i);
      e.reads_bad = true;
      e.reads_nan = e.reads_nan || events_[i].nan;
    }
    for (int k = 0; k < SessionReport::output_count(session_, node); ++k) {
      const TensorReport t = SessionReport::output(session_, node, k);
      if (t.view == nullptr) continue;
      Known y;
      y.elements = look(*t.view, "result " + std::to_string(k));
      if (!y.elements.finite()) {
        y.event = add(node, y.elements);
        if (y.event >= 0) {
          Event& made = events_[static_cast<size_t>(y.event)];
          made.from = e.from;
          made.reads_bad = e.reads_bad;
          made.reads_nan = e.reads_nan;
          if (!e.reads_bad || (made.nan && !e.reads_nan)) made.operands = e.operands;
          if (t.kind == format::kState) written_.push_back(static_cast<size_t>(y.event));
        }
      }
      made_.insert_or_assign(t.view, std::move(y));
    }
  }

  void go(const Known& k, std::set<size_t>& way) const {
    if (k.event >= 0) go(static_cast<size_t>(k.event), way);
  }
  void go(size_t event, std::set<size_t>& way) const {
    std::vector<size_t> rest = {event};
    while (!rest.empty()) {
      const size_t e = rest.back();
      rest.pop_back();
      if (way.insert(e).second) rest.insert(rest.end(), events_[e].from.begin(), events_[e].from.end());
    }
  }

  NonFiniteNode node_of(const Event& e) const {
    const NodeReport n = session_.node(e.node);
    return {e.node, n.op, std::string(n.name), std::string(n.origin), e.elements, e.operands};
  }

  Session& session_;
  std::vector<Event> events_;                               // in order of computation
  std::vector<size_t> written_;                             // to State
  std::map<Key, Known> given_;
  std::unordered_map<const TensorView*, Known> made_;
  Known handed_over_;
};

// Makes a session's hook ours for a while.
class Watch {
 public:
  Watch(Session& session, Search& search) : session_(session), before_(SessionReport::profile(session)) {
    session.set_profile({&Search::after_node, &Search::no_clock, &search});
  }
  ~Watch() { session_.set_profile(before_); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  Session& session_;
  ProfileHook before_;
};

// State as it is now, and again at the end.
class Keep {
 public:
  explicit Keep(State* state) : state_(state) {
    for (int k = 0; state != nullptr && k < state->count(); ++k) before_.emplace_back(state->bytes(k).begin(), state->bytes(k).end());
  }
  ~Keep() {
    for (size_t k = 0; k < before_.size(); ++k) std::copy(before_[k].begin(), before_[k].end(), state_->bytes(static_cast<int>(k)).begin());
  }
  Keep(const Keep&) = delete;
  Keep& operator=(const Keep&) = delete;

 private:
  State* state_;
  std::vector<std::vector<std::byte>> before_;
};

}  // namespace

std::string ElementReport::text() const {
  std::string t = what + ", " + dtype_name(dtype) + " " + shape_text(shape) + ": ";
  if (finite()) return t + (least > greatest ? "empty" : number(least) + " to " + number(greatest));
  std::string kinds;
  for (const auto& [n, kind] : {std::pair(nan_count, "NaN"), std::pair(infinite_count, "infinite")})
    if (n > 0) kinds += (kinds.empty() ? "" : ", ") + std::to_string(n) + " " + kind;
  return t + kinds + " of " + std::to_string(count) + " elements, the first (" + number(first_value) + ") at " + place_text(shape, first);
}

std::string NonFiniteNode::text() const {
  std::string t = op + (name.empty() || name == op ? "" : " '" + name + "'");
  t += place.empty() || place == op || place == name ? " (node " + std::to_string(node) + ")" : " in '" + place + "'";
  t += ", " + result.text();
  for (const ElementReport& o : operands) t += "; " + o.text();
  return t;
}

std::string NonFiniteReport::text() const {
  std::string t;
  const auto add = [&](const std::string& sentence) { t += (t.empty() ? "" : ". ") + sentence; };
  for (const ElementReport& g : given) add("Bad before the run: " + g.text());
  if (first) add("First made by " + first->text());
  if (first_nan) add("The first NaN is made by " + first_nan->text());
  return t;
}

NonFiniteReport find_non_finite(Session& session, State* state) {
  const Program* program = SessionReport::program(session);
  if (program == nullptr) throw Exception(Error::WrongPhase, "find_non_finite: the session is not open");
  Search search(session);
  search.look_at_inputs();
  if (state != nullptr) search.look_at_state(*program, *state);
  const Keep keep(state);
  const Watch watch(session, search);
  ErrorDetail detail;
  const Error e = session.run(&detail);
  if (e != Error::Ok && e != Error::NonFinite) throw ModelError(e, std::string("find_non_finite: ") + detail.text, detail.node);
  return search.finish(e == Error::Ok ? -1 : detail.node);
}

NonFiniteReport find_non_finite(Model& model, std::string_view entry) { return find_non_finite(model.session(entry), model.state()); }

}  // namespace gf
