// Gradients of convolutions and pools, against differences.
#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

using List = std::vector<int64_t>;

struct ConvCase {
  List x, w, strides, dilations, pads;
  int64_t groups = 1;
  AutoPad auto_pad = AutoPad::NotSet;
};
const ConvCase kConvCases[] = {
    {{1, 5, 4, 2}, {3, 2, 3, 2}, {}, {}, {}},
    {{2, 5, 6, 2}, {2, 2, 3, 3}, {2, 2}, {}, {1, 1, 1, 1}},
    {{1, 6, 5, 2}, {2, 2, 2, 2}, {2, 3}, {1, 2}, {0, 1, 2, 0}},
    {{1, 5, 5, 4}, {4, 1, 3, 3}, {2, 1}, {}, {1, 1, 1, 1}, 4},
    {{1, 4, 4, 4}, {6, 2, 2, 2}, {}, {}, {}, 2},
    {{1, 6, 5, 1}, {2, 1, 3, 3}, {2, 2}, {}, {}, 1, AutoPad::SameUpper},
    {{1, 6, 5, 1}, {2, 1, 2, 2}, {2, 2}, {}, {}, 1, AutoPad::SameLower},
    {{2, 7, 2}, {3, 2, 3}, {2}, {}, {1, 0}},
    {{1, 3, 4, 3, 1}, {2, 1, 2, 2, 2}, {1, 2, 1}, {}, {}},
};

template <class Attrs>
Attrs attrs_of_case(const ConvCase& c) {
  Attrs a;
  a.strides = c.strides;
  a.dilations = c.dilations;
  a.pads = c.pads;
  a.groups = c.groups;
  return a;
}

TEST(Gradcheck, Conv) {
  for (const ConvCase& c : kConvCases) {
    SCOPED_TRACE(&c - kConvCases);
    expect_gradients([&](GradNet& n) {
      auto a = attrs_of_case<op::Conv::Attrs>(c);
      a.auto_pad = c.auto_pad;
      const auto x = n.x(c.x), w = n.x(c.w), bias = n.x({c.w[0]});
      n.y(n.b.add<op::Conv>({x, w, bias}, a));
    }, second_order());
  }
}

TEST(Gradcheck, ConvWithEpilogue) {
  expect_gradients([](GradNet& n) {
    op::Conv::Attrs a;
    a.activation = Activation::Elu;
    a.activation_a = 1.25f;
    const auto x = n.x({1, 4, 4, 2}), w = n.x({2, 2, 2, 2}), bias = n.x({2}), residual = n.x({1, 3, 3, 2});
    n.y(n.b.add<op::Conv>({x, w, bias, residual}, a));
  });
}

TEST(Gradcheck, ConvOfImagesOfAnySize) {
  for (const int64_t size : {5, 6})
    expect_gradients([size](GradNet& n) {
      static constexpr int64_t kTwo[] = {2, 2}, kPads[] = {1, 1, 1, 1};
      const auto x = n.x({n.symbol("N"), n.symbol("H"), n.symbol("W"), 2}, {2, size, 6, 2}), w = n.x({3, 2, 3, 3});
      n.y(n.b.add<op::Conv>({x, w}, {.strides = kTwo, .pads = kPads}));
    });
}

TEST(Gradcheck, ConvTranspose) {
  for (const ConvCase& c : kConvCases) {
    if (c.auto_pad != AutoPad::NotSet) continue;
    SCOPED_TRACE(&c - kConvCases);
    for (const bool extra : {false, true})
      expect_gradients([&](GradNet& n) {
        auto a = attrs_of_case<op::ConvTranspose::Attrs>(c);
        static constexpr int64_t kOne[] = {1, 1, 1};
        if (extra) a.output_padding = IntList(kOne, c.x.size() - 2);
        List in{c.x[0], 3, 2, 2}, w = c.w;
        in.resize(c.x.size() - 1);
        in.push_back(w[0]);
        const auto x = n.x(in), weights = n.x(w), bias = n.x({w[1] * c.groups});
        n.y(n.b.add<op::ConvTranspose>({x, weights, bias}, a));
      }, second_order());
  }
  static constexpr int64_t kTwo[] = {2, 2}, kShape[] = {5, 6};
  for (const bool shape : {false, true})
    expect_gradients([shape](GradNet& n) {
      op::ConvTranspose::Attrs a;
      a.strides = kTwo;
      if (shape) a.output_shape = kShape;
      else a.auto_pad = AutoPad::SameUpper;
      const auto x = n.x({1, 3, 3, 2}), w = n.x({2, 1, 3, 3});
      n.y(n.b.add<op::ConvTranspose>({x, w}, a));
    });
}

TEST(Gradcheck, ConvWeightGrad) {
  for (const ConvCase& c : kConvCases) {
    if (c.auto_pad != AutoPad::NotSet) continue;
    SCOPED_TRACE(&c - kConvCases);
    expect_gradients([&](GradNet& n) {
      auto a = attrs_of_case<op::ConvWeightGrad::Attrs>(c);
      const List kernel(c.w.begin() + 2, c.w.end());
      a.kernel = kernel;
      const WindowAttrs window = a.window();
      List g{c.x[0]};
      for (int d = 0; d < static_cast<int>(kernel.size()); ++d) {
        const auto k = static_cast<size_t>(d);
        const int64_t reach = (kernel[k] - 1) * window.dilation(d) + 1;
        g.push_back((c.x[k + 1] + window.pad_begin(d) + window.pad_end(d) - reach) / window.stride(d) + 1);
      }
      g.push_back(c.w[0]);
      const auto x = n.x(c.x), gradient = n.x(g);
      n.y(n.b.add<op::ConvWeightGrad>({x, gradient}, a));
    }, second_order());
  }
}

template <class Op>
void pooled(const typename Op::Attrs& own) {
  SCOPED_TRACE(Op::info.name);
  static constexpr int64_t kTwo[] = {2, 2}, kThree[] = {3, 2}, kPads[] = {1, 0, 1, 1};
  for (const bool padded : {false, true})
    for (const bool ceil : {false, true})
      for (const bool dilated : {false, true})
        expect_gradients([&](GradNet& n) {
          auto a = own;
          a.kernel = kThree;
          a.strides = kTwo;
          if (padded) a.pads = kPads;
          if (dilated) a.dilations = kTwo;
          a.ceil_mode = ceil;
          n.y(n.b.add<Op>({n.x({2, 6, 5, 2})}, a));
        }, second_order());
  expect_gradients([&](GradNet& n) {
    auto a = own;
    a.kernel = kTwo;
    a.strides = kTwo;
    a.auto_pad = AutoPad::SameLower;
    n.y(n.b.add<Op>({n.x({1, 5, 4, 2})}, a));
  });
  expect_gradients([&](GradNet& n) {
    static constexpr int64_t kLine[] = {3};
    auto a = own;
    a.kernel = kLine;
    n.y(n.b.add<Op>({n.x({1, 6, 2})}, a));
  });
}

TEST(Gradcheck, Pools) {
  pooled<op::MaxPool>({});
  op::MaxPool::Attrs column_major;
  column_major.column_major = true;
  pooled<op::MaxPool>(column_major);
  pooled<op::AveragePool>({});
  op::AveragePool::Attrs count_pads;
  count_pads.count_include_pad = true;
  pooled<op::AveragePool>(count_pads);
  for (const int64_t p : {1, 2, 3}) {
    op::LpPool::Attrs a;
    a.p = p;
    pooled<op::LpPool>(a);
  }
}

TEST(Gradcheck, MaxPoolGrad) {
  static constexpr int64_t kTwo[] = {2, 2}, kThree[] = {3, 3}, kPads[] = {1, 1, 1, 1};
  for (const bool overlap : {false, true})
    expect_gradients([overlap](GradNet& n) {
      op::MaxPoolGrad::Attrs a;
      a.kernel = overlap ? kThree : kTwo;
      a.strides = kTwo;
      if (overlap) a.pads = kPads;
      n.y(n.b.add<op::MaxPoolGrad>({n.x({2, 4, 6, 2}), n.x({2, 2, 3, 2})}, a));
    }, second_order());
}

TEST(Gradcheck, MaxUnpool) {
  static constexpr int64_t kTwo[] = {2, 2};
  for (const bool larger : {false, true})
    expect_gradients([larger](GradNet& n) {
      const auto x = n.x({1, 2, 2, 2}), at = n.indices({1, 2, 2, 2}, {0, 17, 3, 18, 8, 24, 15, 31});
      const auto shape = larger ? n.b.ints({1, 2, 5, 6}) : ir::kNoValue;
      n.y(n.b.add<op::MaxUnpool>({x, at, shape}, {.kernel = kTwo, .strides = kTwo}));
    }, second_order());
}

}  // namespace
}  // namespace gf::test
