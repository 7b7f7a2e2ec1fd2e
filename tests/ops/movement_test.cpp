// What the golden files of movement, image and quantised ops do not show: errors (each with its sentence), inference on
// symbolic dimensions, values of shape computations.
// needs: GF_CONVERTER
#include "graph/ir/builder.h"
#include "tests/ops/op_test_util.h"

namespace gf::test {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
using Ints = std::vector<int64_t>;

HostTensor zeros(std::vector<int64_t> shape, DType type = DType::F32) { return HostTensor::zeros(type, std::move(shape)); }
HostTensor ints(const Ints& values) { return i64({static_cast<int64_t>(values.size())}, values); }
HostTensor one(double v) { return tensor<double>(DType::F32, {}, {v}); }

TEST(MovementErrors, Shapes) {
  expect_error<op::Reshape>(Error::BadData, "two entries of -1", {zeros({2, 3}), ints({-1, -1})});
  expect_error<op::Reshape>(Error::ShapeMismatch, "has rank 1", {zeros({6}), ints({2, 0})});
  expect_error<op::Reshape>(Error::ShapeMismatch, "number of elements", {zeros({2, 3}), ints({7})});
  expect_error<op::Reshape>(Error::ShapeMismatch, "do not divide", {zeros({2, 3}), ints({4, -1})});
  expect_error<op::Reshape>(Error::BadData, "0 and -1", {zeros({0, 3}), ints({0, -1})}, {{"allowzero", 1}});
  expect_error<op::Reshape>(Error::BadData, "shape[0] is -2", {zeros({2}), ints({-2})});
  expect_error<op::Reshape>(Error::LimitExceeded, "limit is 8", {zeros({1}), ints(Ints(9, 1))});
  expect_error<op::Reshape>(Error::BadGraph, "overflows", {zeros({1}), ints({kMax, 2, -1})});
  expect_error<op::Squeeze>(Error::ShapeMismatch, "cannot be squeezed", {zeros({2, 1}), ints({0})});
  expect_error<op::Squeeze>(Error::BadAttribute, "outside [-2, 2)", {zeros({2, 1}), ints({2})});
  expect_error<op::Unsqueeze>(Error::BadAttribute, "twice", {zeros({2}), ints({0, -3})});
  expect_error<op::Flatten>(Error::BadAttribute, "outside [-1, 1]", {zeros({2})}, {{"axis", 2}});
  expect_error<op::Transpose>(Error::BadAttribute, "twice", {zeros({2, 2})}, {{"perm", Ints{0, 0}}});
  expect_error<op::Transpose>(Error::BadAttribute, "entries", {zeros({2, 2})}, {{"perm", Ints{0}}});
  expect_error<op::Concat>(Error::ShapeMismatch, "length 3 on axis 1", {zeros({2, 2}), zeros({2, 3})}, {{"axis", 0}});
  expect_error<op::Concat>(Error::ShapeMismatch, "rank", {zeros({2, 2}), zeros({2})}, {{"axis", 0}});
  expect_error<op::Concat>(Error::TypeMismatch, "differ in type", {zeros({2}), zeros({2}, DType::I32)}, {{"axis", 0}});
  expect_error<op::Concat>(Error::ShapeMismatch, "scalars", {zeros({})}, {{"axis", 0}});
  expect_error<op::Concat>(Error::BadAttribute, "outside", {zeros({2})}, {{"axis", kMin}});
  expect_error<op::Split>(Error::ShapeMismatch, "add up", {zeros({4}), ints({3})});
  expect_error<op::Split>(Error::ShapeMismatch, "2 split sizes for 1 outputs", {zeros({4}), ints({2, 2})});
  expect_error<op::Split>(Error::BadData, "negative", {zeros({4}), ints({-4})});
}

TEST(MovementErrors, SlicesAndFills) {
  expect_error<op::Slice>(Error::BadData, "steps[0] is 0", {zeros({4}), ints({0}), ints({2}), ints({0}), ints({0})});
  expect_error<op::Slice>(Error::BadAttribute, "twice", {zeros({4, 4}), ints({0, 0}), ints({2, 2}), ints({1, 1})});
  expect_error<op::Slice>(Error::ShapeMismatch, "ends", {zeros({4}), ints({0}), ints({2, 2})});
  expect_error<op::Slice>(Error::BadAttribute, "outside", {zeros({4}), ints({0}), ints({2}), ints({kMin})});
  expect_error<op::Expand>(Error::ShapeMismatch, "do not broadcast", {zeros({3}), ints({2})});
  expect_error<op::Expand>(Error::BadData, "negative", {zeros({3}), ints({-1, 3})});
  expect_error<op::Expand>(Error::LimitExceeded, "no bounded size", {zeros({1}), ints({int64_t{1} << 40, int64_t{1} << 40})});
  expect_error<op::Tile>(Error::ShapeMismatch, "repeats for rank", {zeros({3}), ints({1, 2})});
  expect_error<op::Tile>(Error::BadGraph, "overflows", {zeros({3}), ints({kMax})});
  expect_error<op::ConstantOfShape>(Error::BadData, "negative", {ints({-1})});
  expect_error<op::ConstantOfShape>(Error::LimitExceeded, "no bounded size", {ints({kMax, kMax})});
  expect_error<op::Range>(Error::BadData, "delta is 0", {i64({}, {0}), i64({}, {5}), i64({}, {0})});
  expect_error<op::Range>(Error::BadData, "zero or NaN", {one(0), one(1), one(NAN)});
  expect_error<op::Range>(Error::BadData, "no end", {one(0), one(INFINITY), one(1)});
  expect_error<op::EyeLike>(Error::ShapeMismatch, "rank", {zeros({2})});
  expect_error<op::OneHot>(Error::BadData, "depth is -1", {ints({0}), i64({}, {-1}), zeros({2})});
  expect_error<op::Trilu>(Error::ShapeMismatch, "rank", {zeros({2})});
  expect_error<op::Pad>(Error::ShapeMismatch, "need 4", {zeros({2, 2}), ints({1, 1})});
  expect_error<op::Pad>(Error::ShapeMismatch, "must be a scalar", {zeros({2}), ints({1, 1}), zeros({0})});  // no value to read
  expect_error<op::Pad>(Error::ShapeMismatch, "negative length", {zeros({2}), ints({-2, -1})});
  expect_error<op::Pad>(Error::ShapeMismatch, "empty", {zeros({0}), ints({1, 0})}, {{"mode", 1}});
  expect_error<op::Pad>(Error::BadAttribute, "mode", {zeros({2}), ints({1, 0})}, {{"mode", 4}});
  expect_error<op::DepthToSpace>(Error::BadAttribute, "block", {zeros({1, 2, 2, 4})}, {{"block", 0}});
  expect_error<op::DepthToSpace>(Error::BadAttribute, "block", {zeros({1, 2, 2, 4})}, {{"block", 65536}});
  expect_error<op::DepthToSpace>(Error::ShapeMismatch, "divide", {zeros({1, 2, 2, 5})}, {{"block", 2}});
  expect_error<op::SpaceToDepth>(Error::ShapeMismatch, "divide", {zeros({1, 2, 3, 4})}, {{"block", 2}});
  expect_error<op::Col2Im>(Error::BadAttribute, "strides", {zeros({1, 4, 4}), ints({3, 3}), ints({2, 2})}, {{"strides", Ints{0, 1}}});
  expect_error<op::Col2Im>(Error::ShapeMismatch, "number of blocks", {zeros({1, 4, 5}), ints({3, 3}), ints({2, 2})});
}

// Rows 2 and 0 twice, once counted from the end; what lies outside adds nothing and is no error. In place and not, in pieces and whole.
TEST(AddRows, AddsWhatIndicesName) {
  const HostTensor table = f32({3, 2}, {1, 2, 3, 4, 5, 6}), rows = f32({2, 3, 2}, {10, 20, 100, 200, 1000, 2000, 7, 7, 0.5, 0.25, 9, 9});
  const HostTensor want = f32({3, 2}, {1.5F + 1000, 2.25F + 2000, 3, 4, 5 + 110, 6 + 220});
  for (const DType type : {DType::F32, DType::F64}) {
    const auto as = [&](const HostTensor& t) { return run_one<op::Cast>({t}, {{"to", type}}); };
    for (const HostTensor& indices : {i64({2, 3}, {2, -1, 0, 3, -3, kMin}), tensor<int64_t>(DType::I32, {2, 3}, {2, -1, 0, 3, -3, -4})}) {
      for (const bool inplace : {false, true}) {
        EvaluateOptions options;
        RoughParallel rough;
        options.parallel = rough.get();
        options.inplace = inplace;
        EXPECT_EQ(evaluate(op_def<op::AddRows>, {}, {as(table), indices, as(rows)}, default_tables(), options)[0], as(want)) << inplace;
      }
    }
  }
  expect_error<op::AddRows>(Error::ShapeMismatch, "rows do not fit", {table, i64({2}, {0, 1}), zeros({2, 3})});
  expect_error<op::AddRows>(Error::ShapeMismatch, "", {table, i64({2}, {0, 1}), zeros({2, 1, 2})});
  expect_error<op::AddRows>(Error::TypeMismatch, "", {table, f32({2}, {0, 1}), zeros({2, 2})});
}

TEST(MovementErrors, DataDrivenIndices) {
  const HostTensor x = zeros({3, 4});
  expect_error<op::Gather>(Error::IndexOutOfRange, "index 3 (entry 1)", {x, ints({0, 3})});
  expect_error<op::Gather>(Error::IndexOutOfRange, "index -4", {x, ints({-4})});
  expect_error<op::Gather>(Error::IndexOutOfRange, "into 3 elements", {ints({1, 2, 3}), ints({kMin})});
  expect_error<op::GatherElements>(Error::IndexOutOfRange, "outside axis 1", {x, i64({1, 1}, {4})}, {{"axis", 1}});
  expect_error<op::GatherElements>(Error::ShapeMismatch, "on axis 1", {x, i64({1, 5}, Ints(5, 0))}, {{"axis", 0}});
  expect_error<op::GatherNd>(Error::IndexOutOfRange, "outside axis 1", {x, i64({1, 2}, {0, 4})});
  expect_error<op::GatherNd>(Error::ShapeMismatch, "tuples of 3", {x, i64({1, 3}, {0, 0, 0})});
  expect_error<op::ScatterElements>(Error::IndexOutOfRange, "index 9", {x, i64({1, 1}, {9}), zeros({1, 1})});
  expect_error<op::ScatterElements>(Error::BadAttribute, "reduction", {x, i64({1, 1}, {0}), zeros({1, 1})}, {{"reduction", 5}});
  expect_error<op::ScatterNd>(Error::IndexOutOfRange, "outside axis 0", {x, i64({1, 1}, {-4}), zeros({1, 4})});
  expect_error<op::ScatterNd>(Error::ShapeMismatch, "updates", {x, i64({1, 1}, {0}), zeros({1, 3})});
  expect_error<op::TensorScatter>(Error::IndexOutOfRange, "do not fit", {zeros({1, 4, 2}), zeros({1, 2, 2}), ints({3})});
  expect_error<op::Compress>(Error::IndexOutOfRange, "length 3", {x, boolean({4}, {0, 0, 0, 1})}, {{"axis", 0}, {"flat", 0}});
  expect_error<op::ReverseSequence>(Error::BadData, "length 4", {x, i64({4}, {0, 1, 4, 1})});
  expect_error<op::RoiAlign>(Error::IndexOutOfRange, "index 1", {zeros({1, 2, 2, 1}), zeros({1, 4}), ints({1})});
  expect_error<op::RoiAlign>(Error::BadData, "samples per bin",
                             {zeros({1, 2, 2, 1}), f32({1, 4}, {0, 0, 1e30f, 1}), ints({0})});
}

TEST(MovementErrors, ImagesAndQuantised) {
  const HostTensor image = zeros({1, 2, 2, 1});
  expect_error<op::Resize>(Error::BadGraph, "exactly one", {image});
  expect_error<op::Resize>(Error::BadData, "must be positive", {image}, {{"scales", std::vector<float>{1, 0, 1, 1}}});
  expect_error<op::Resize>(Error::BadAttribute, "scales for", {image}, {{"scales", std::vector<float>{1, 2}}});
  expect_error<op::Resize>(Error::BadAttribute, "twice", {image}, {{"axes", Ints{1, -3}}, {"sizes", Ints{1, 1}}});
  expect_error<op::Resize>(Error::LimitExceeded, "no bounded size", {image}, {{"sizes", Ints{1, kMax / 2, 2, 1}}});
  expect_error<op::Resize>(Error::BadAttribute, "antialias", {image}, {{"antialias", 1}, {"sizes", Ints{1, 2, 2, 1}}});
  expect_error<op::NonMaxSuppression>(Error::ShapeMismatch, "four coordinates", {zeros({1, 2, 3}), zeros({1, 1, 2})});
  expect_error<op::GridSample>(Error::ShapeMismatch, "one coordinate", {image, zeros({1, 2, 2, 3})});
  expect_error<op::Dft>(Error::BadAttribute, "real and imaginary", {zeros({2, 2})}, {{"axis", 1}});
  expect_error<op::Dft>(Error::BadData, "length 0", {zeros({2, 3, 2}), i64({}, {0})});
  expect_error<op::Det>(Error::ShapeMismatch, "square", {zeros({2, 3})});
  expect_error<op::Einsum>(Error::BadAttribute, "does not fit the rank", {zeros({2, 3})}, {{"equation", "ijk->i"}});
  expect_error<op::QuantizeLinear>(Error::BadData, "scale 0 is 0", {zeros({2}), one(0)});
  expect_error<op::QuantizeLinear>(Error::BadData, "finite and positive", {zeros({2}), one(NAN)});
  expect_error<op::QuantizeLinear>(Error::BadData, "finite and positive", {zeros({2}), one(-1)});
  expect_error<op::QuantizeLinear>(Error::BadAttribute, "outside", {zeros({2, 3}), f32({3}, {1, 1, 1})}, {{"axis", 2}});
  expect_error<op::QuantizeLinear>(Error::ShapeMismatch, "one scale per element", {zeros({2, 3}), f32({2}, {1, 1})});
  expect_error<op::QuantizeLinear>(Error::ShapeMismatch, "differ in size",
                                   {zeros({2, 3}), f32({3}, {1, 1, 1}), zeros({2}, DType::I8)});
  expect_error<op::DequantizeLinear>(Error::ShapeMismatch, "do not fit", {zeros({2, 3}, DType::I8), zeros({2, 3})}, {{"block", 2}});
  expect_error<op::MatMulInteger>(Error::ShapeMismatch, "inner dimensions", {zeros({2, 3}, DType::U8), zeros({2, 3}, DType::U8)});
  expect_error<op::ConvInteger>(Error::BadAttribute, "strides",
                                {zeros({1, 4, 4, 1}, DType::U8), zeros({1, 1, 2, 2}, DType::U8)}, {{"strides", Ints{1, 0}}});
  expect_error<op::ConvInteger>(Error::ShapeMismatch, "larger than the padded input",
                                {zeros({1, 4, 4, 1}, DType::U8), zeros({1, 1, 5, 2}, DType::U8)});
  expect_error<op::ConvInteger>(Error::ShapeMismatch, "group",
                                {zeros({1, 4, 4, 3}, DType::U8), zeros({1, 1, 2, 2}, DType::U8)}, {{"group", 2}});
}

// --- symbolic inference

class Symbolic : public ::testing::Test {
 protected:
  ir::Entry entry;
  ir::Builder b{entry, entry.body};
  Dim n = entry.symbols.symbol("N", 1, 64), t = entry.symbols.symbol("T", 1, 512);

  ir::ValueId input(std::initializer_list<Dim> dims, DType type = DType::F32) {
    DimShape s;
    for (const Dim& d : dims) s.push(d);
    return entry.add_input("x" + std::to_string(entry.value_count()), type, s);
  }
  std::string text(ir::ValueId v) {
    std::string s;
    for (int d = 0; d < b.rank(v); ++d) s += (d == 0 ? "" : " ") + entry.symbols.to_text(b.shape(v)[d]);
    return s;
  }
  ir::ValueId pick(ir::ValueId shape, int64_t k) { return b.add<op::Gather>({shape, b.ints({k})}); }
};

TEST_F(Symbolic, ExportersReshapeChain) {
  // x.view(x.size(0), x.size(1), 12, 64).transpose(1, 2) as it is exported: Shape, Gather, Unsqueeze, Concat, Reshape
  const ir::ValueId x = input({n, t, 768});
  const ir::ValueId shape = b.add<op::ShapeOf>({x});
  const ir::ValueId rows = b.add<op::Concat>({pick(shape, 0), pick(shape, 1), b.ints({12, 64})});
  const ir::ValueId y = b.add<op::Reshape>({x, rows});
  EXPECT_EQ(text(y), "N T 12 64");
  EXPECT_EQ(text(b.add<op::Transpose>({y}, {.perm = Ints{0, 2, 1, 3}})), "N 12 T 64");
  const ir::ValueId free = b.add<op::Reshape>({x, b.add<op::Concat>({pick(shape, 0), b.ints({-1})})});
  EXPECT_EQ(text(free), "N 768*T");
  EXPECT_EQ(text(b.add<op::Reshape>({free, b.ints({0, -1, 768})})), "N T 768");
  EXPECT_EQ(text(b.add<op::Flatten>({x}, {.axis = 2})), "N*T 768");
}

TEST_F(Symbolic, SlicesKeepNames) {
  const ir::ValueId x = input({n, t, 8});
  const auto slice = [&](int64_t from, int64_t to, int64_t axis) {
    return text(b.add<op::Slice>({x, b.ints({from}), b.ints({to}), b.ints({axis})}));
  };
  EXPECT_EQ(slice(0, kMax, 1), "N T 8");
  EXPECT_EQ(slice(0, -1, 1), "N T - 1 8");
  EXPECT_EQ(slice(-1, kMax, 1), "N 1 8");
  EXPECT_EQ(slice(2, 6, 2), "N T 4");
  const ir::ValueId shape = b.add<op::ShapeOf>({x});
  const ir::ValueId tail = b.add<op::Slice>({shape, b.ints({1}), b.ints({kMax})});
  EXPECT_EQ(text(b.add<op::ConstantOfShape>({tail})), "T 8");
  EXPECT_EQ(text(b.add<op::Expand>({input({1, 8}), tail})), "T 8");
  const ir::ValueId limit = b.add<op::Squeeze>({pick(shape, 1)}, {.axes = Ints{0}});
  EXPECT_EQ(text(b.add<op::Range>({b.int_scalar(0), limit, b.int_scalar(1)})), "T");
  EXPECT_EQ(text(b.add<op::Pad>({x, b.ints({0, 1, 0, 0, 2, 0})})), "N T + 3 8");
  EXPECT_EQ(text(b.add<op::Concat>({x, x}, {.axis = 1})), "N 2*T 8");
  const std::vector<float> doubled{1, 2, 1};
  op::Resize::Attrs resize;
  resize.scales = doubled;
  EXPECT_EQ(text(b.add<op::Resize>({x}, resize)), "N 2*T 8");
}

TEST_F(Symbolic, DataDecidesWithinBounds) {
  const ir::ValueId x = input({n, 8});
  const ir::ValueId found = b.add<op::NonZero>({x});
  EXPECT_EQ(b.shape(found)[0].lo, 2);
  EXPECT_EQ(b.shape(found)[1].hi, 64 * 8);
  const ir::ValueId kept =
      b.add<op::NonMaxSuppression>({input({1, 100, 4}), input({1, 3, 100}), b.ints({5})});
  EXPECT_EQ(b.shape(kept)[0].hi, 15);
  const ir::ValueId cut = b.add<op::Slice>({x, input({1}, DType::I64), input({1}, DType::I64), b.ints({1})});
  EXPECT_EQ(b.shape(cut)[1].lo, 0);
  EXPECT_EQ(b.shape(cut)[1].hi, 8);
}

}  // namespace
}  // namespace gf::test
