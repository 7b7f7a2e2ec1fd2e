// Gradients of lstm, gru and rnn against differences, and the ops that walk back through time against their formulas.
#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

constexpr int64_t kSteps = 3, kBatch = 2, kIn = 2, kHidden = 2;

struct RecurrentCase {
  const char* name;
  op::Lstm::Attrs attrs{.hidden = kHidden};
  bool bias = true, lengths = false, initial = true, peepholes = false;
  bool y_only = false;
};

// The cell with all its float inputs as things to differentiate by, and its usual outputs.
template <class Op>
void build(GradNet& n, const RecurrentCase& c, int64_t gates) {
  const int64_t directions = c.attrs.directions();
  constexpr bool kLstm = std::is_same_v<Op, op::Lstm>;
  std::vector<ir::ValueId> in{n.x({kSteps, kBatch, kIn}), n.x({directions, gates * kHidden, kIn}, -1, 1),
                              n.x({directions, gates * kHidden, kHidden}, -1, 1)};
  in.push_back(c.bias ? n.x({directions, 2 * gates * kHidden}, -1, 1) : ir::kNoValue);
  in.push_back(c.lengths ? n.given({kBatch}, io::Array::from(std::vector<int32_t>{2, kSteps}, {kBatch})) : ir::kNoValue);
  for (int k = 0; k < (kLstm ? 2 : 1); ++k)
    in.push_back(c.initial ? n.x({directions, kBatch, kHidden}, -1, 1) : ir::kNoValue);
  if (kLstm && c.peepholes) in.push_back(n.x({directions, 3 * kHidden}, -1, 1));
  const size_t outputs = c.y_only ? 1 : kLstm ? 3 : 2;
  for (const ir::ValueId y : n.b.node<Op>(in, c.attrs, outputs).outputs) n.y(y);
}

template <class Op>
void check(const RecurrentCase& c, int64_t gates) {
  SCOPED_TRACE(std::string(Op::info.name) + " " + c.name);
  const auto directions = static_cast<size_t>(c.attrs.directions());
  const size_t functions = gates == 4 ? 3 : gates == 3 ? 2 : 1;
  RecurrentCase own = c;
  const auto cut = [&](auto list) { return list.empty() ? list : decltype(list)(list.begin(), functions * directions); };
  own.attrs.activations = cut(c.attrs.activations);
  own.attrs.activation_alpha = cut(c.attrs.activation_alpha);
  own.attrs.activation_beta = cut(c.attrs.activation_beta);
  expect_gradients([&](GradNet& n) { build<Op>(n, own, gates); }, second_order());
}
void check_all(const RecurrentCase& c) {
  check<op::Lstm>(c, 4);
  check<op::Gru>(c, 3);
  check<op::Rnn>(c, 1);
}

TEST(Gradcheck, RecurrentDirections) {
  for (const auto direction : {RecurrentDirection::Forward, RecurrentDirection::Reverse, RecurrentDirection::Both})
    for (const bool lengths : {false, true})
      for (const bool initial : {false, true}) {
        SCOPED_TRACE(testing::Message() << static_cast<int>(direction) << lengths << initial);
        RecurrentCase c{"direction"};
        c.attrs.direction = direction;
        c.lengths = lengths;
        c.initial = initial;
        c.bias = !lengths;
        c.y_only = initial && !lengths;
        check_all(c);
      }
}

TEST(Gradcheck, RecurrentOptions) {
  for (const bool lengths : {false, true}) {
    RecurrentCase c{"option"};
    c.attrs.option = true;
    c.attrs.direction = RecurrentDirection::Both;
    c.lengths = lengths;
    c.peepholes = lengths;
    check<op::Lstm>(c, 4);
    check<op::Gru>(c, 3);
    c.attrs.option = false;
    c.peepholes = true;
    check<op::Lstm>(c, 4);
  }
}

TEST(Gradcheck, RecurrentClip) {
  RecurrentCase c{"clip"};
  c.attrs.clip = 0.7f;
  check_all(c);
  c.attrs.option = true;
  check_all(c);
}

TEST(Gradcheck, RecurrentActivations) {
  for (int64_t f = 0; f <= kLastCellActivation; ++f) {
    SCOPED_TRACE(f);
    const int64_t list[] = {f, f, f};
    static constexpr float kAlpha[] = {0.4f, 0.4f, 0.4f}, kBeta[] = {0.6f, 0.6f, 0.6f};
    RecurrentCase c{"activation"};
    c.attrs.activations = list;
    c.attrs.activation_alpha = kAlpha;
    c.attrs.activation_beta = kBeta;
    check_all(c);
  }
}

// Two slopes give the same value: refused by name.
TEST(Gradcheck, RecurrentActivationWithoutASlope) {
  static constexpr int64_t kElu[] = {static_cast<int64_t>(CellActivation::Elu)};
  static constexpr float kAlpha[] = {-1};
  GradNet n;
  RecurrentCase c{"negative alpha"};
  c.attrs.activations = kElu;
  c.attrs.activation_alpha = kAlpha;
  build<op::Rnn>(n, c, 1);
  try {
    (void)gradcheck(n.model, n.values);
    ADD_FAILURE() << "no error";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::Unsupported);
    EXPECT_NE(std::string(e.what()).find("the gradient of a cell with Elu of negative alpha"), std::string::npos) << e.what();
  }
}

// The walks as ops of their own: any numbers may stand for what the forward op kept.
TEST(Gradcheck, RecurrentWalks) {
  for (const bool option : {false, true}) {
    SCOPED_TRACE(option);
    op::Lstm::Attrs a;
    a.hidden = kHidden;
    a.direction = RecurrentDirection::Both;
    a.option = option;
    const auto lengths = [](GradNet& n) { return n.given({kBatch}, io::Array::from(std::vector<int32_t>{2, kSteps}, {kBatch})); };
    const auto r = [](GradNet& n, int64_t gates) { return n.x({2, gates * kHidden, kHidden}, -1, 1); };
    const auto steps = [](GradNet& n, int64_t gates) { return n.x({2, kSteps, kBatch, gates * kHidden}, 0.1, 0.9); };
    const auto y = [](GradNet& n) { return n.x({kSteps, 2, kBatch, kHidden}, -1, 1); };
    const auto state = [](GradNet& n) { return n.x({2, kBatch, kHidden}, -1, 1); };
    expect_gradients([&](GradNet& n) {
      const auto p = n.x({2, 3 * kHidden}, -1, 1);
      for (const ir::ValueId v : n.b.node<op::LstmGrad>({r(n, 4), steps(n, 4), steps(n, 1), state(n), lengths(n), p, y(n), state(n), state(n), steps(n, 4), steps(n, 1)}, a, 3).outputs)
        n.y(v);
    });
    expect_gradients([&](GradNet& n) {
      for (const ir::ValueId v : n.b.node<op::GruGrad>({r(n, 3), steps(n, 3), steps(n, 1), y(n), state(n), lengths(n), y(n), state(n), steps(n, 3), steps(n, 1)}, a, option ? 3 : 2).outputs)
        n.y(v);
    });
    expect_gradients([&](GradNet& n) {
      for (const ir::ValueId v : n.b.node<op::RnnGrad>({r(n, 1), y(n), lengths(n), y(n), state(n)}, a, 2).outputs) n.y(v);
    });
  }
}

TEST(Gradcheck, RecurrentStepsOfAnyNumber) {
  GradcheckOptions options;
  options.forward_mode = false;  // its formula needs to know how many steps there are
  expect_gradients([](GradNet& n) {
    const auto x = n.x({n.symbol("T"), n.symbol("N"), kIn}, {4, 3, kIn}), w = n.x({2, 4 * kHidden, kIn}), r = n.x({2, 4 * kHidden, kHidden});
    op::Lstm::Attrs a;
    a.hidden = kHidden;
    a.direction = RecurrentDirection::Both;
    n.y(n.b.add<op::Lstm>({x, w, r}, a));
  }, options);
}

}  // namespace
}  // namespace gf::test
