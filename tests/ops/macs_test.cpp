// Multiply-accumulates of the ops whose work is products, counted by hand from their shapes.
#include <gtest/gtest.h>

#include <vector>

#include "schema/ops.h"

namespace gf::test {
namespace {

template <class Op>
uint64_t macs(const typename Op::Attrs& attrs, const std::vector<Shape>& inputs, const std::vector<Shape>& outputs) {
  return op_def<Op>.macs({inputs, outputs}, &attrs);
}

TEST(Macs, Convolutions) {
  EXPECT_EQ(macs<op::Conv>({}, {Shape(2, 8, 8, 6), Shape(4, 3, 3, 3)}, {Shape(2, 8, 8, 4)}), 2u * 8 * 8 * 4 * 27);
  // each of 5*5*6 inputs goes through a 2x2 kernel into 4 outputs
  EXPECT_EQ(macs<op::ConvTranspose>({}, {Shape(1, 5, 5, 6), Shape(6, 4, 2, 2)}, {Shape(1, 6, 6, 4)}), 5u * 5 * 6 * 4 * 4);
  // each of 3*8*3*3 weights adds up 2*6*6 products
  EXPECT_EQ(macs<op::ConvWeightGrad>({}, {Shape(2, 8, 8, 3), Shape(2, 6, 6, 8)}, {Shape(8, 3, 3, 3)}), 8u * 3 * 9 * 2 * 6 * 6);
  EXPECT_EQ(macs<op::ConvInteger>({}, {Shape(1, 4, 4, 2), Shape(3, 2, 1, 1)}, {Shape(1, 4, 4, 3)}), 4u * 4 * 3 * 2);
  const Shape one(1);
  EXPECT_EQ(macs<op::QLinearConv>({}, {Shape(1, 4, 4, 2), one, one, Shape(3, 2, 1, 1), one, one, one, one}, {Shape(1, 4, 4, 3)}),
            4u * 4 * 3 * 2);
}

TEST(Macs, Products) {
  EXPECT_EQ(macs<op::MatMul>({}, {Shape(5, 3, 7), Shape(7, 2)}, {Shape(5, 3, 2)}), 5u * 3 * 2 * 7);
  op::MatMul::Attrs transposed;
  transposed.transpose_a = true;
  EXPECT_EQ(macs<op::MatMul>(transposed, {Shape(7, 3), Shape(7, 2)}, {Shape(3, 2)}), 3u * 2 * 7);
  EXPECT_EQ(macs<op::MatMulInteger>({}, {Shape(3, 7), Shape(7, 2)}, {Shape(3, 2)}), 3u * 2 * 7);
  EXPECT_EQ(macs<op::Einsum>({.equation = "bij,bjk->bik"}, {Shape(2, 3, 4), Shape(2, 4, 5)}, {Shape(2, 3, 5)}), 2u * 3 * 4 * 5);
  EXPECT_EQ(macs<op::Einsum>({.equation = "i,j,k->ijk"}, {Shape(2), Shape(3), Shape(4)}, {Shape(2, 3, 4)}), 2u * 24);
  EXPECT_EQ(macs<op::Einsum>({.equation = "ij->i"}, {Shape(2, 3)}, {Shape(2)}), 0u);
}

TEST(Macs, CellsAndAttention) {
  op::Lstm::Attrs lstm;
  lstm.hidden = 16;
  EXPECT_EQ(macs<op::Lstm>(lstm, {Shape(10, 3, 8), Shape(1, 64, 8), Shape(1, 64, 16)}, {Shape(10, 1, 3, 16)}),
            10u * 3 * 64 * (8 + 16));
  EXPECT_EQ(macs<op::LstmGrad>(lstm, {}, {Shape(1, 10, 3, 64)}), 10u * 3 * 64 * 16);
  // 2 sequences, 4 heads, 5 queries of 8 numbers, 6 keys and values of 8 and 3 numbers
  EXPECT_EQ(macs<op::Attention>({}, {Shape(2, 4, 5, 8), Shape(2, 4, 6, 8), Shape(2, 4, 6, 3)}, {Shape(2, 4, 5, 3)}),
            2u * 4 * 5 * 6 * (8 + 3));
  // scores again, dq and dk with 8 numbers; dy v^T and dv with 3
  EXPECT_EQ(macs<op::AttentionGrad>({}, {Shape(2, 4, 5, 8), Shape(2, 4, 6, 8), Shape(2, 4, 6, 3)}, {Shape(2, 4, 5, 8)}),
            2u * 4 * 5 * 6 * (3 * 8 + 2 * 3));
}

TEST(Macs, HugeBoundsStopAtTheTop) {
  const int64_t big = int64_t{1} << 40;
  EXPECT_EQ(macs<op::MatMul>({}, {Shape(big, big), Shape(big, big)}, {Shape(big, big)}), ~uint64_t{0});
}

TEST(Macs, OtherOpsCountNone) { EXPECT_EQ(op_def<op::Softmax>.macs, nullptr); }

}  // namespace
}  // namespace gf::test
