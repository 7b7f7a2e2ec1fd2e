// Small rewrites on the way: chains of reshapes, reshapes around matrix products, casts, concats, needless expands,
// slices that take everything, conditions that are known, divisions that are exact multiplications.
#include <algorithm>
#include <cmath>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

bool is_view(const Node& n) {
  return n.is<op::Reshape>() || n.is<op::Flatten>() || n.is<op::Squeeze>() || n.is<op::Unsqueeze>();
}

// Every value of `from` has the same value in `to`.
bool widens(DType from, DType to) {
  if (from == to) return true;
  const auto bits = [](DType t) { return dtype_bits(t); };
  if (dtype_is_float(from)) return dtype_is_float(to) && bits(to) > bits(from) && bits(to) >= 32;
  if (from == DType::Bool) return dtype_is_int(to);
  return dtype_is_int(from) && dtype_is_int(to) && bits(to) > bits(from) &&
         (dtype_is_signed_int(to) || !dtype_is_signed_int(from));
}

class Simplifier {
 public:
  Simplifier(Rewriter& r, const PassOptions& options, bool split_products)
      : r_(r), options_(options), split_products_(split_products) {}

  int run() {
    for (Node* n : r_.nodes()) {
      if (!r_.alive(n) || n->writes_state >= 0 || n->outputs.empty() || n->outputs[0] == kNoValue) continue;
      if (!r_.value(n->outputs[0]).shape_known) continue;
      if (is_view(*n))
        view(*n);
      else if (n->is<op::Cast>())
        cast(*n);
      else if (n->is<op::Concat>())
        concat(*n);
      else if (n->is<op::Slice>())
        slice(*n);
      else if (n->is<op::Where>())
        where(*n);
      else if (n->is<op::Div>())
        divide(*n);
      else if (n->is<op::Pow>())
        power(*n);
      else if (n->is<op::MatMul>())
        product(*n);
      if (split_products_ && r_.alive(n) && n->is<op::MatMul>()) split_product(*n);
      if (r_.alive(n) && is_elementwise(*n)) drop_expands(*n);
    }
    return changes_;
  }

 private:
  bool pass_on(Node& n, ValueId v) {
    if (!r_.replace(n.outputs[0], v)) return false;
    ++changes_;
    return true;
  }

  // Views of views are one reshape; a target that the input's own dimensions give is constant.
  void view(Node& n) {
    ValueId x = n.inputs[0];
    while (const Node* p = r_.producer(x)) {
      if (!is_view(*p) || p->writes_state >= 0) break;
      x = p->inputs[0];
    }
    const DimShape target = r_.shape(n.outputs[0]);
    if (!r_.value(x).shape_known) return;
    if (same_shape(r_.shape(x), target) && pass_on(n, x)) return;
    if (x == n.inputs[0] && (!n.is<op::Reshape>() || r_.constant(n.inputs[1]) != nullptr)) return;
    const auto dims = r_.static_target(r_.shape(x), target);
    if (!dims) return;
    if (x == n.inputs[0] && !n.is<op::Reshape>()) return;
    r_.become<op::Reshape>(n, {x, r_.add_ints(*dims)});
    ++changes_;
  }

  void cast(Node& n) {
    const Node* p = r_.produced_by<op::Cast>(n.inputs[0]);
    if (p == nullptr || p->writes_state >= 0 || !widens(r_.dtype(p->inputs[0]), r_.dtype(n.inputs[0]))) return;
    if (r_.dtype(p->inputs[0]) == r_.dtype(n.outputs[0]) && pass_on(n, p->inputs[0])) return;
    const auto attrs = ir::attrs_of<op::Cast>(n);
    r_.become<op::Cast>(n, {p->inputs[0]}, attrs);
    ++changes_;
  }

  void concat(Node& n) {
    const int rank = r_.rank(n.outputs[0]);
    const auto axis_of = [rank](const Node& c) {
      const int64_t axis = ir::attrs_of<op::Concat>(c).axis;
      return axis < 0 ? axis + rank : axis;
    };
    std::vector<ValueId> parts;
    bool changed = false;
    const std::vector<ValueId> inputs = join_slices(n, axis_of(n), changed);
    for (ValueId v : inputs) {
      const Node* p = r_.produced_by<op::Concat>(v);
      if (p != nullptr && r_.only_reader(v) == &n && axis_of(*p) == axis_of(n)) {
        parts.insert(parts.end(), p->inputs.begin(), p->inputs.end());
        changed = true;
      } else {
        parts.push_back(v);
      }
    }
    if (!changed) return;
    const auto attrs = ir::attrs_of<op::Concat>(n);
    r_.become<op::Concat>(n, parts, attrs);
    ++changes_;
  }

  /// A slice of one axis with step 1.
  struct Range {
    ValueId of = kNoValue;
    int64_t axis = 0, begin = 0, end = 0;
  };
  std::optional<Range> range_of(ValueId v) const {
    const Node* n = r_.produced_by<op::Slice>(v);
    if (n == nullptr || n->writes_state >= 0) return std::nullopt;
    const auto starts = r_.ints(n->inputs[1]), ends = r_.ints(n->inputs[2]);
    const auto axes = n->input(3) != kNoValue ? r_.ints(n->inputs[3]) : std::vector<int64_t>{0};
    const auto steps = n->input(4) != kNoValue ? r_.ints(n->inputs[4]) : std::vector<int64_t>{1};
    if (!starts || !ends || !axes || !steps || starts->size() != 1 || axes->size() != 1 || (*steps)[0] != 1)
      return std::nullopt;
    Range out{n->inputs[0], (*axes)[0], (*starts)[0], (*ends)[0]};
    if (out.axis < 0) out.axis += r_.rank(v);
    const Dim length = r_.shape(out.of)[static_cast<int>(out.axis)];
    if (!length.is_const()) return std::nullopt;
    op::Slice::clamp(length.lo, 1, out.begin, out.end);
    return out;
  }

  // Slices next to each other that make up the whole of a value are that value.
  std::vector<ValueId> join_slices(const Node& n, int64_t axis, bool& changed) const {
    std::vector<ValueId> out;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      const auto first = range_of(n.inputs[i]);
      size_t next = i + 1;
      if (first && first->axis == axis && first->begin == 0) {
        int64_t end = first->end;
        while (next < n.inputs.size()) {
          const auto more = range_of(n.inputs[next]);
          if (!more || more->of != first->of || more->axis != axis || more->begin != end) break;
          end = more->end;
          ++next;
        }
        if (next > i + 1 && end == r_.shape(first->of)[static_cast<int>(axis)].lo) {
          out.push_back(first->of);
          changed = true;
          i = next - 1;
          continue;
        }
      }
      out.push_back(n.inputs[i]);
    }
    return out;
  }

  void slice(Node& n) {
    if (!same_shape(r_.shape(n.inputs[0]), r_.shape(n.outputs[0]))) return;
    if (n.input(4) != kNoValue) {
      const auto steps = r_.ints(n.inputs[4]);
      if (!steps || std::any_of(steps->begin(), steps->end(), [](int64_t s) { return s != 1; })) return;
    }
    pass_on(n, n.inputs[0]);
  }

  // Slices of the columns of a product with constant weights that take all of them: each is a product with its columns.
  void split_product(Node& n) {
    const ValueId y = n.outputs[0];
    const ir::Constant* w = r_.constant(n.inputs[1]);
    const ir::Constant* bias = r_.constant(n.input(2));
    const auto attrs = ir::attrs_of<op::MatMul>(n);
    const int rank = r_.rank(y);
    if (w == nullptr || w->splat || w->dims.size() != 2 || attrs.transpose_b || n.input(3) != kNoValue ||
        (n.input(2) != kNoValue && bias == nullptr))
      return;
    if (r_.is_output(y) || r_.readers(y).size() < 2 || dtype_bits(w->dtype) % 8 != 0) return;
    std::vector<std::pair<Node*, Range>> parts;
    int64_t covered = 0;
    for (Node* reader : r_.readers(y)) {
      const auto range =
          reader->is<op::Slice>() && reader->inputs[0] == y ? range_of(reader->outputs[0]) : std::nullopt;
      if (!range || range->axis != rank - 1 || range->end - range->begin < 64 ||
          r_.producer(reader->outputs[0]) != reader)
        return;
      for (const auto& [other, taken] : parts)
        if (range->begin < taken.end && taken.begin < range->end) return;
      covered += range->end - range->begin;
      parts.emplace_back(reader, *range);
    }
    if (covered != w->dims[1]) return;
    const std::vector<ValueId> inputs = n.inputs;
    for (auto& [reader, range] : parts) {
      std::vector<ValueId> own = {inputs[0], r_.add_constant(columns(*w, range)), kNoValue};
      if (bias != nullptr) own[2] = r_.add_constant(columns(*bias, range));
      r_.become<op::MatMul>(*reader, own, attrs);
    }
    ++changes_;
  }

  static ir::ConstantPtr columns(const ir::Constant& c, const Range& range) {
    const size_t size = dtype_bits(c.dtype) / 8;
    const auto width = static_cast<size_t>(c.dims.back()), first = static_cast<size_t>(range.begin),
               count = static_cast<size_t>(range.end - range.begin);
    std::vector<int64_t> dims = c.dims;
    dims.back() = static_cast<int64_t>(count);
    if (c.splat) return ir::make_splat(c.dtype, dims, c.data);
    std::vector<std::byte> bytes;
    bytes.reserve(c.data.size() / width * count);
    for (size_t row = 0; row < c.data.size() / (width * size); ++row) {
      const auto begin = c.data.begin() + static_cast<std::ptrdiff_t>((row * width + first) * size);
      bytes.insert(bytes.end(), begin, begin + static_cast<std::ptrdiff_t>(count * size));
    }
    return ir::make_constant(c.dtype, std::move(dims), std::move(bytes));
  }

  void where(Node& n) {
    const auto condition = r_.uniform(n.inputs[0]);
    if (!condition) return;
    const ValueId chosen = n.inputs[*condition != 0 ? 1 : 2];
    if (same_shape(r_.shape(chosen), r_.shape(n.outputs[0]))) pass_on(n, chosen);
  }

  // x / 2^k is x * 2^-k bit for bit while 2^-k is a normal number.
  void divide(Node& n) {
    const auto c = r_.uniform(n.inputs[1]);
    int exponent = 0;
    if (!c || r_.dtype(n.outputs[0]) != DType::F32 || *c == 0 || !std::isfinite(*c)) return;
    if (std::fabs(std::frexp(*c, &exponent)) != 0.5 || exponent < -100 || exponent > 100) return;
    const ir::Constant& old = *r_.constant(n.inputs[1]);
    const auto inverse = static_cast<float>(1 / *c);
    const auto bytes = std::as_bytes(std::span<const float>(&inverse, 1));
    r_.become<op::Mul>(n, {n.inputs[0], r_.add_constant(ir::make_splat(DType::F32, old.dims, bytes))});
    ++changes_;
  }

  void power(Node& n) {
    if (options_.exact || r_.dtype(n.outputs[0]) != DType::F32 || !r_.is_uniform(n.inputs[1], 2, 0)) return;
    if (!same_shape(r_.shape(n.inputs[0]), r_.shape(n.outputs[0]))) return;
    r_.become<op::Mul>(n, {n.inputs[0], n.inputs[0]});
    ++changes_;
  }

  // reshape(matmul(x, w)) with the columns left alone is matmul(reshape(x), w): views before a product cost nothing,
  // and what follows the product can move into it.
  void product(Node& n) {
    Node* after = r_.only_reader(n.outputs[0]);
    if (after == nullptr || !is_view(*after) || after->writes_state >= 0) return;
    ValueId x = n.inputs[0];
    if (const Node* before = r_.producer(x); before != nullptr && is_view(*before) && before->writes_state < 0)
      x = before->inputs[0];
    const DimShape &rows = r_.shape(n.inputs[0]), &out = r_.shape(n.outputs[0]), &result = r_.shape(after->outputs[0]);
    const auto attrs = ir::attrs_of<op::MatMul>(n);
    if (attrs.transpose_a || n.input(3) != kNoValue || r_.rank(n.inputs[1]) != 2 || rows.rank < 2 || result.rank < 2)
      return;
    if (!result[result.rank - 1].same(out[out.rank - 1])) return;
    DimShape target = result;
    target[target.rank - 1] = rows[rows.rank - 1];
    const ValueId moved = r_.reshape(n, x, target);
    if (moved == kNoValue) return;
    std::vector<ValueId> inputs = n.inputs;
    inputs[0] = moved;
    r_.become<op::MatMul>(*after, inputs, attrs);
    ++changes_;
  }

  // op(expand(x), y) = op(x, y) where y has the result's shape already.
  void drop_expands(Node& n) {
    for (size_t i = 0; i < n.inputs.size() && n.inputs.size() > 1; ++i) {
      const Node* e = n.inputs[i] == kNoValue ? nullptr : r_.produced_by<op::Expand>(n.inputs[i]);
      if (e == nullptr || e->writes_state >= 0 || r_.rank(e->inputs[0]) > r_.rank(n.outputs[0])) continue;
      bool covered = false;
      for (size_t j = 0; j < n.inputs.size(); ++j)
        covered =
            covered || (j != i && n.inputs[j] != kNoValue && same_shape(r_.shape(n.inputs[j]), r_.shape(n.outputs[0])));
      if (!covered) continue;
      r_.set_input(n, i, e->inputs[0]);
      ++changes_;
    }
  }

  Rewriter& r_;
  const PassOptions& options_;
  const bool split_products_;
  int changes_ = 0;
};

}  // namespace

namespace {

int simplify_all(ir::Model& model, const PassOptions& options, bool split_products) {
  int total = 0;
  for (int round = 0; round < 4; ++round) {
    const int changed =
        for_each_rewriter(model, [&](Rewriter& r) { return Simplifier(r, options, split_products).run(); });
    total += changed;
    if (changed == 0) break;
  }
  return total;
}

}  // namespace

int simplify(ir::Model& model, const PassOptions& options) { return simplify_all(model, options, false); }

int split_products(ir::Model& model, const PassOptions& options) {
  return options.exact ? 0 : simplify_all(model, options, true);
}

}  // namespace gf
