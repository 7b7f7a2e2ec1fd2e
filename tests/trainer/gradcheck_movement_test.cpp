// Gradients of ops that move elements, against differences.
#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

using List = std::vector<int64_t>;

template <class Op>
void moved(const List& dims, const typename Op::Attrs& attrs = {}, const std::vector<List>& lists = {}) {
  SCOPED_TRACE(Op::info.name);
  expect_gradients(
      [&](GradNet& n) {
        std::vector<ir::ValueId> inputs{n.x(dims)};
        for (const List& l : lists) inputs.push_back(n.b.ints(l));
        n.y(n.b.add<Op>(inputs, attrs));
      },
      second_order());
}

TEST(Gradcheck, Reshapes) {
  moved<op::Reshape>({2, 3, 4}, {}, {{4, -1}});
  moved<op::Reshape>({2, 3, 4}, {}, {{0, 12}});
  moved<op::Reshape>({1}, {}, {{}});
  moved<op::Flatten>({2, 3, 4}, {.axis = 2});
  static constexpr int64_t kAxes[] = {0, -1};
  moved<op::Squeeze>({1, 3, 1}, {.axes = kAxes});
  moved<op::Unsqueeze>({3}, {.axes = kAxes});
  moved<op::Squeeze>({1, 3, 1}, {}, {{2}});
}

TEST(Gradcheck, Transposes) {
  static constexpr int64_t kTurn[] = {1, 2, 0}, kNegative[] = {-1, 0, -2};
  moved<op::Transpose>({2, 3, 4});
  moved<op::Transpose>({2, 3, 4}, {.perm = kTurn});
  moved<op::Transpose>({2, 3, 4}, {.perm = kNegative});
  moved<op::DepthToSpace>({1, 2, 3, 8}, {.block = 2});
  moved<op::SpaceToDepth>({1, 2, 4, 3}, {.block = 2, .order = DepthOrder::ChannelFirst});
  moved<op::ReverseSequence>({4, 3, 2}, {}, {{2, 4, 1}});
}

TEST(Gradcheck, ConcatAndSplit) {
  for (const int64_t axis : {0, -1})
    expect_gradients([axis](GradNet& n) {
      const auto part = [&](int64_t length) { return n.x(axis == 0 ? List{length, 3} : List{3, length}); };
      const auto a = part(1), b = part(3), c = part(2);
      n.y(n.b.add<op::Concat>({a, b, c}, {.axis = axis}));
    }, second_order());
  for (const bool all : {true, false})
    expect_gradients([all](GradNet& n) {
      static constexpr int64_t kSizes[] = {1, 3, 2};
      const ir::Node& split = n.b.node<op::Split>({n.x({2, 6})}, {.axis = 1, .sizes = kSizes}, 3);
      const auto parts = split.outputs;
      n.y(n.b.add<op::Mul>({parts[1], parts[1]}));
      if (all) n.y(n.b.add<op::Mul>({parts[0], parts[0]}));
    });
}

TEST(Gradcheck, Slices) {
  moved<op::Slice>({5, 6}, {}, {{1, 2}, {4, 6}});
  moved<op::Slice>({5, 6}, {}, {{-4}, {-1}, {1}});
  moved<op::Slice>({5, 6}, {}, {{0, 1}, {5, 6}, {0, 1}, {2, 3}});
  moved<op::Slice>({5, 6}, {}, {{4, 5}, {-100, 0}, {0, 1}, {-2, -1}});
  moved<op::Slice>({5}, {}, {{3}, {3}});
  expect_gradients([](GradNet& n) {  // bounds that only running tells
    n.y(square_sum(n, n.b.add<op::Slice>({n.x({5, 3}), n.indices({1}, {1}), n.indices({1}, {4})})));
  });
}

TEST(Gradcheck, Pads) {
  moved<op::Pad>({3, 4}, {}, {{1, 0, 2, 3}});
  moved<op::Pad>({3, 4}, {}, {{-1, 1, 2, -2}});
  moved<op::Pad>({3, 4}, {.mode = PadMode::Reflect}, {{1, 2, 2, 3}});
  moved<op::Pad>({3, 4}, {.mode = PadMode::Edge}, {{1, 2, 2, 3}});
  moved<op::Pad>({3, 4}, {.mode = PadMode::Wrap}, {{1, 2, 2, 3}});
  expect_gradients([](GradNet& n) {
    const auto x = n.x({3, 4}), value = n.x({});
    n.y(n.b.add<op::Pad>({x, n.b.ints({1, -1}), value, n.b.ints({1})}));
  }, second_order());
  moved<op::CenterCropPad>({5, 4}, {}, {{2, 7}});
  moved<op::CenterCropPad>({4, 5}, {}, {{7, 2}});
  static constexpr int64_t kLast[] = {-1};
  moved<op::CenterCropPad>({3, 5}, {.axes = kLast}, {{8}});
}

TEST(Gradcheck, Repeats) {
  moved<op::Expand>({3, 1}, {}, {{2, 3, 4}});
  moved<op::Expand>({}, {}, {{2, 3}});
  moved<op::Tile>({2, 3}, {}, {{3, 2}});
  moved<op::Tile>({2, 1, 3}, {}, {{1, 2, 1}});
  moved<op::Tile>({1, 2, 1, 2, 1, 2}, {}, {{2, 2, 2, 1, 2, 2}});
  for (const bool upper : {true, false}) {
    moved<op::Trilu>({2, 3, 4}, {.upper = upper});
    expect_gradients([upper](GradNet& n) { n.y(n.b.add<op::Trilu>({n.x({3, 4}), n.b.int_scalar(1)}, {.upper = upper})); });
  }
}

TEST(Gradcheck, Gathers) {
  for (const int64_t axis : {0, 1, -1})
    for (const List& shape : {List{}, List{3}, List{2, 2}})
      expect_gradients([&](GradNet& n) {
        size_t count = 1;
        for (const int64_t d : shape) count *= static_cast<size_t>(d);
        List picks{1, -1, 1, 0};
        picks.resize(count);
        n.y(n.b.add<op::Gather>({n.x({3, 2, 4}), n.indices(shape, picks)}, {.axis = axis}));
      }, second_order());
  expect_gradients([](GradNet& n) {
    n.y(n.b.add<op::GatherElements>({n.x({3, 4}), n.indices({2, 3}, {0, 2, -1, 1, 1, 3})}, {.axis = 1}));
  }, second_order());
  expect_gradients([](GradNet& n) {
    n.y(n.b.add<op::GatherNd>({n.x({3, 4, 2}), n.indices({2, 2}, {0, 2, -1, 1})}));
  }, second_order());
  expect_gradients([](GradNet& n) {
    n.y(n.b.add<op::GatherNd>({n.x({2, 3, 4}), n.indices({2, 2, 1}, {0, 2, 1, 1})}, {.batch_dims = 1}));
  }, second_order());
  expect_gradients([](GradNet& n) {
    const ir::Node& top = n.b.node<op::TopK>({n.x({3, 5}), n.b.ints({2})}, {}, 2);
    n.y(n.b.add<op::Mul>({top.outputs[0], top.outputs[0]}));
  }, second_order());
  expect_gradients([](GradNet& n) {
    n.y(n.b.add<op::OneHot>({n.indices({3}, {0, 2, -1}), n.b.int_scalar(4), n.x({2})}, {.axis = 0}));
  }, second_order());
}

TEST(Gradcheck, Compress) {
  expect_gradients([](GradNet& n) {
    n.y(square_sum(n, n.b.add<op::Compress>({n.x({4, 3}), n.mask({4})}, {.axis = 0, .flat = false})));
  });
  expect_gradients([](GradNet& n) { n.y(square_sum(n, n.b.add<op::Compress>({n.x({4, 3}), n.mask({12})}))); });
}

TEST(Gradcheck, Scatters) {
  for (const ScatterReduction reduction : {ScatterReduction::None, ScatterReduction::Add}) {
    // with None one element is written twice: the last counts
    expect_gradients([&](GradNet& n) {
      const auto data = n.x({3, 4}), index = n.indices({2, 3}, {0, 2, 3, 1, 1, -1}), updates = n.x({2, 3});
      n.y(n.b.add<op::ScatterElements>({data, index, updates}, {.axis = 1, .reduction = reduction}));
    }, second_order());
    expect_gradients([&](GradNet& n) {
      const auto data = n.x({3, 4}), index = n.indices({3, 1}, {2, 0, 2}), updates = n.x({3, 4});
      n.y(n.b.add<op::ScatterNd>({data, index, updates}, {.reduction = reduction}));
    }, second_order());
  }
  expect_gradients([](GradNet& n) {
    const auto table = n.x({3, 4}), index = n.indices({2, 2}, {2, 0, -1, 1}), rows = n.x({2, 2, 4});
    n.y(n.b.add<op::AddRows>({table, index, rows}));
  }, second_order());
  for (const bool circular : {false, true})
    expect_gradients([circular](GradNet& n) {
      const auto cache = n.x({2, 4, 3}), update = n.x({2, 2, 3}), at = n.indices({2}, {circular ? 3 : 2, 0});
      n.y(n.b.add<op::TensorScatter>({cache, update, at}, {.axis = 1, .circular = circular}));
    }, second_order());
}

TEST(Gradcheck, ScattersThatMultiplyAreRefusedByName) {
  GradNet n;
  const auto data = n.x({3}), index = n.indices({1}, {0}), updates = n.x({1});
  n.b.set_origin("s", "ScatterElements 's'");
  const auto y = n.b.add<op::ScatterElements>({data, index, updates}, {.reduction = ScatterReduction::Mul});
  try {
    gradients(n.entry, {{y}}, {}, {{data}});
    FAIL() << "it was differentiated";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::Unsupported);
    EXPECT_NE(std::string(e.what()).find("ScatterElements 's'"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace gf::test
