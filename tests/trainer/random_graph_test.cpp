// Random graphs of differentiable ops: what reverse mode and forward mode derive must be what differences give, whatever stands behind
// what. 2,000 graphs in run.sh --all, 200 otherwise; a failure prints the graph and its seed.
#include <cmath>

#include "tests/support/test_data.h"
#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

using ir::ValueId;

// Values so far, each with a bound of its magnitude, so that nothing overflows and differences keep their digits.
class RandomGraph {
 public:
  RandomGraph(GradNet& net, uint64_t seed) : n_(net), random_(seed) {
    n_.seed = seed * 16 + 1;
    const int64_t inputs = pick(1, 3);
    for (int64_t k = 0; k < inputs; ++k) give(n_.x(dims(), -2, 2), 2);
  }

  void build() {
    const int64_t ops = pick(3, 12);
    for (int64_t k = 0; k < ops; ++k) step();
    // some outputs; the last value always
    output(pool_.back().v);
    if (pick(0, 2) == 0) output(any().v);
  }

 private:
  struct Item {
    ValueId v;
    double most;
  };

  int64_t pick(int64_t low, int64_t high) { return random_.integer(low, high); }
  Item any() { return pool_[static_cast<size_t>(pick(0, static_cast<int64_t>(pool_.size()) - 1))]; }
  // the newest more often than chance: deep graphs
  Item recent() { return pick(0, 1) == 0 ? pool_.back() : any(); }
  std::vector<int64_t> dims() {
    std::vector<int64_t> d(static_cast<size_t>(pick(0, 3)));
    for (int64_t& x : d) x = pick(1, 4);
    return d;
  }
  std::vector<int64_t> dims_of(ValueId v) const {
    std::vector<int64_t> d;
    for (int i = 0; i < n_.b.rank(v); ++i) d.push_back(n_.b.shape(v)[i].lo);
    return d;
  }
  static int64_t count(const std::vector<int64_t>& d) {
    int64_t c = 1;
    for (const int64_t x : d) c *= x;
    return c;
  }

  void output(ValueId v) {
    if (const auto& out = n_.entry.body.outputs; std::find(out.begin(), out.end(), v) != out.end()) return;
    // a value that is an input as it is: through a node
    n_.y(n_.b.add<op::Identity>({v}));
  }
  void give(ValueId v, double most) {
    if (most > 8) {
      v = pick(0, 1) == 0 ? n_.b.add<op::Tanh>({n_.b.add<op::Mul>({v, n_.number(1 / most)})}) : n_.b.add<op::Sin>({v});
      most = 1;
    }
    pool_.push_back({v, most});
  }

  // Two values that broadcast: of equal shape, one reduced to ones, or an operand made of the first.
  Item partner(const Item& x) {
    for (int tries = 0; tries < 4; ++tries) {
      const Item y = any();
      const auto a = dims_of(x.v), b = dims_of(y.v);
      bool fits = true;
      for (size_t k = 1; k <= std::min(a.size(), b.size()); ++k) {
        const int64_t p = a[a.size() - k], q = b[b.size() - k];
        fits = fits && (p == q || p == 1 || q == 1);
      }
      if (fits) return y;
    }
    const int64_t axis = n_.b.rank(x.v) == 0 ? -1 : pick(0, n_.b.rank(x.v) - 1);
    if (axis < 0) return x;
    return {n_.b.add<op::ReduceMean>({x.v, n_.b.ints({axis})}), x.most};
  }

  void step() {
    const Item x = recent();
    switch (pick(0, 3)) {
      case 0: return unary(x);
      case 1: return binary(x);
      case 2: return n_.b.rank(x.v) == 0 ? unary(x) : along_axis(x);
      default: return n_.b.rank(x.v) == 0 ? binary(x) : movement(x);
    }
  }

  void unary(const Item& x) {
    const auto of = [&](auto tag, double most) { give(n_.b.add<typename decltype(tag)::Op>({x.v}), most); };
    switch (pick(0, 15)) {
      case 0: return of(Tag<op::Tanh>(), 1);
      case 1: return of(Tag<op::Sin>(), 1);
      case 2: return of(Tag<op::Cos>(), 1);
      case 3: return of(Tag<op::Sigmoid>(), 1);
      case 4: return of(Tag<op::Softplus>(), x.most + 1);
      case 5: return of(Tag<op::Erf>(), 1);
      case 6: return of(Tag<op::Neg>(), x.most);
      case 7: return of(Tag<op::Relu>(), x.most);
      case 8: return of(Tag<op::Abs>(), x.most);
      case 9: return of(Tag<op::Gelu>(), x.most);
      case 10: return of(Tag<op::Elu>(), x.most);
      case 11: return of(Tag<op::Mish>(), x.most);
      case 12: return of(Tag<op::Atan>(), 2);
      case 13: return of(Tag<op::Asinh>(), x.most);
      case 14: return give(n_.b.add<op::Exp>({n_.b.add<op::Tanh>({x.v})}), 3);
      default: return give(n_.b.add<op::Log>({positive(x)}), 3 + x.most);
    }
  }
  template <class O>
  struct Tag {
    using Op = O;
  };
  // 1 + x^2
  ValueId positive(const Item& x) { return n_.b.add<op::Add>({n_.b.add<op::Mul>({x.v, x.v}), n_.number(1)}); }

  void binary(const Item& x) {
    const Item y = partner(x);
    switch (pick(0, 7)) {
      case 0: return give(n_.b.add<op::Add>({x.v, y.v}), x.most + y.most);
      case 1: return give(n_.b.add<op::Sub>({x.v, y.v}), x.most + y.most);
      case 2: return give(n_.b.add<op::Mul>({x.v, y.v}), x.most * y.most);
      case 3: return give(n_.b.add<op::Div>({x.v, positive(y)}), x.most);
      case 4: return give(n_.b.add<op::Max>({x.v, n_.b.add<op::Cos>({y.v})}), std::max(x.most, 1.0));
      case 5: return give(n_.b.add<op::Min>({n_.b.add<op::Sin>({y.v}), x.v}), std::max(x.most, 1.0));
      case 6: return give(n_.b.add<op::Where>({n_.b.add<op::Greater>({y.v, n_.number(0.1234)}), x.v, y.v}), std::max(x.most, y.most));
      default: return product(x);
    }
  }

  // x times a value of its own shape transposed, or a weight
  void product(const Item& x) {
    const int rank = n_.b.rank(x.v);
    if (rank < 2) return give(n_.b.add<op::Mul>({x.v, x.v}), x.most * x.most);
    const auto d = dims_of(x.v);
    const auto inner = static_cast<double>(d.back());
    if (pick(0, 1) == 0) {
      std::vector<int64_t> perm(static_cast<size_t>(rank));
      for (int k = 0; k < rank; ++k) perm[static_cast<size_t>(k)] = k;
      std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
      return give(n_.b.add<op::MatMul>({x.v, n_.b.transpose(x.v, perm)}), inner * x.most * x.most);
    }
    const ValueId w = n_.x({d.back(), pick(1, 3)}, -1, 1);
    pool_.push_back({w, 1});
    give(n_.b.add<op::MatMul>({x.v, w}), inner * x.most);
  }

  void along_axis(const Item& x) {
    const auto d = dims_of(x.v);
    const int64_t axis = pick(0, static_cast<int64_t>(d.size()) - 1);
    const auto length = static_cast<double>(d[static_cast<size_t>(axis)]);
    const ValueId axes = n_.b.ints({axis});
    const bool keep = pick(0, 1) == 0;
    switch (pick(0, 10)) {
      case 0: return give(n_.b.add<op::ReduceSum>({x.v, axes}, {.keepdims = keep}), length * x.most);
      case 1: return give(n_.b.add<op::ReduceMean>({x.v, axes}, {.keepdims = keep}), x.most);
      case 2: return give(n_.b.add<op::ReduceLogSumExp>({x.v, axes}, {.keepdims = keep}), x.most + 2);
      case 3: return give(n_.b.add<op::ReduceMax>({x.v, axes}, {.keepdims = keep}), x.most);
      case 4: return give(n_.b.add<op::ReduceProd>({n_.b.add<op::Sin>({x.v}), axes}, {.keepdims = keep}), 1);
      case 5: return give(n_.b.add<op::ReduceSumSquare>({x.v, axes}, {.keepdims = keep}), length * x.most * x.most);
      case 6: return give(n_.b.add<op::Softmax>({x.v}, {.axis = axis}), 1);
      case 7: return give(n_.b.add<op::LogSoftmax>({x.v}, {.axis = axis}), 2 * x.most + 2);
      case 8: return give(n_.b.add<op::CumSum>({x.v, n_.b.int_scalar(axis)}), length * x.most);
      case 9: return norm(x, d);
      default: return give(n_.b.add<op::ReduceL2>({n_.b.add<op::Add>({n_.b.add<op::Cos>({x.v}), n_.number(2)}), axes}, {.keepdims = keep}), 3 * length);
    }
  }

  // over the last axis; epsilon 0.1 keeps the curvature of rows that are nearly constant within what differences bear
  void norm(const Item& x, const std::vector<int64_t>& d) {
    const ValueId scale = n_.x({d.back()}, 0.5, 1.5);
    pool_.push_back({scale, 1.5});
    if (pick(0, 1) == 0) return give(n_.b.add<op::RmsNorm>({x.v, scale}, {.axis = -1, .epsilon = 0.1f}), 4);
    give(n_.b.add<op::LayerNorm>({x.v, scale}, {.axis = -1, .epsilon = 0.1f}), 4);
  }

  void movement(const Item& x) {
    const auto d = dims_of(x.v);
    const auto rank = static_cast<int64_t>(d.size());
    const int64_t axis = pick(0, rank - 1), length = d[static_cast<size_t>(axis)];
    switch (pick(0, 8)) {
      case 0: return give(n_.b.add<op::Transpose>({x.v}), x.most);
      case 1: return give(n_.b.reshape(x.v, std::vector<int64_t>{count(d)}), x.most);
      case 2: return give(n_.b.add<op::Slice>({x.v, n_.b.ints({pick(0, length - 1)}), n_.b.ints({length}), n_.b.ints({axis})}), x.most);
      case 3: return give(n_.b.add<op::Concat>({x.v, n_.b.add<op::Sin>({x.v}), x.v}, {.axis = axis}), std::max(x.most, 1.0));
      case 4: {
        std::vector<int64_t> rows;
        for (int64_t k = 0; k < pick(1, 4); ++k) rows.push_back(pick(-length, length - 1));
        return give(n_.b.add<op::Gather>({x.v, n_.b.ints(rows)}, {.axis = axis}), x.most);
      }
      case 5: return give(n_.b.add<op::Unsqueeze>({x.v, n_.b.ints({pick(0, rank)})}), x.most);
      case 6: {
        std::vector<int64_t> pads(static_cast<size_t>(2 * rank), 0);
        pads[static_cast<size_t>(axis)] = pick(0, 2);
        pads[static_cast<size_t>(axis + rank)] = pick(0, 1);
        return give(n_.b.add<op::Pad>({x.v, n_.b.ints(pads)}), x.most);
      }
      case 7: {
        std::vector<int64_t> repeats(static_cast<size_t>(rank), 1);
        repeats[static_cast<size_t>(axis)] = 2;
        return give(n_.b.add<op::Tile>({x.v, n_.b.ints(repeats)}), x.most);
      }
      default: {
        std::vector<int64_t> wide = d;
        wide.insert(wide.begin(), 2);
        return give(n_.b.add<op::Expand>({x.v, n_.b.ints(wide)}), x.most);
      }
    }
  }

  GradNet& n_;
  Random random_;
  std::vector<Item> pool_;
};

void check_graph(uint64_t seed, bool optimised) {
  GradNet n;
  RandomGraph(n, seed).build();
  const std::string text = ir::to_text(n.entry);
  SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + text);
  try {
    if (optimised) {  // fused forms, differentiated through their expansions
      PassOptions options;
      options.evaluator = make_evaluator(default_tables(false));
      run_passes(n.model, options);
    }
    const GradcheckReport r = gradcheck(n.model, n.values);
    EXPECT_TRUE(r.ok) << r.text;
    EXPECT_GT(r.compared, 0);
  } catch (const Exception& e) {
    ADD_FAILURE() << e.what();
  }
}

TEST(RandomGraphs, ReverseAndForwardModeEqualDifferences) {
  const uint64_t graphs = test_tier() >= 1 ? 2000 : 200;
  for (uint64_t seed = 1; seed <= graphs; ++seed) {
    check_graph(seed, seed % 4 == 0);
    if (testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace gf::test
